# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc

import pytest

from ansible_collections.virt.san.plugins.module_utils import _entry
from ansible_collections.virt.san.plugins.module_utils._errors import NotFoundError


class Module:
    """As much of an AnsibleModule as an answer needs."""

    _diff = False

    def __init__(self):
        self.params = {}

    def exit_json(self, **result):
        raise SystemExit(result)

    def fail_json(self, **result):
        raise SystemExit(result)


def test_garbage_is_collected_again_after_an_answer():
    def gather(_host, _options):
        return _entry.Outcome(False, {"collecting": gc.isenabled()})

    with pytest.raises(SystemExit) as answered:
        _entry.run_info(Module(), gather)
    assert answered.value.args[0] == {"changed": False, "collecting": False}
    assert gc.isenabled()


def test_and_after_an_error():
    def gather(_host, _options):
        raise NotFoundError("no such HBA")

    with pytest.raises(SystemExit) as answered:
        _entry.run_info(Module(), gather)
    assert answered.value.args[0]["msg"] == "no such HBA"
    assert gc.isenabled()
