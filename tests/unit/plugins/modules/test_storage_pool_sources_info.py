# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""storage_pool_sources_info: options in, results out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.pool_sources import Wanted
from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Portal
from ansible_collections.virt.san.plugins.modules import storage_pool_sources_info as module

DEFAULTS: dict[str, Any] = {"gather_subset": [], "portals": [], "nfs_servers": [], "timeout": 30.0}


def test_what_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Wanted] = []

    def gather(_host: Host, wanted: Wanted) -> tuple[dict[str, Any], tuple[str, ...]]:
        asked.append(wanted)
        return {"iscsi": [], "nfs": []}, ("nas: no answer",)

    monkeypatch.setattr(module, "gather", gather)
    given = {"gather_subset": ["devices"], "portals": ["10.0.0.1", "10.0.0.1:3260"], "nfs_servers": ["nas"]}
    outcome = module.look(Host(str(tmp_path)), {**DEFAULTS, **given, "timeout": 5.0})
    assert (outcome.changed, outcome.warnings) == (False, ("nas: no answer",))
    assert asked == [Wanted(frozenset(["devices"]), (Portal("10.0.0.1"),), ("nas",), 5.0)]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"portals": ["nas"]}, "portals"), ({"nfs_servers": ["-x"]}, "nfs_servers"), ({"timeout": 0.0}, "timeout")],
)
def test_options_that_cannot_be(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        module.look(Host(str(tmp_path)), {**DEFAULTS, **options})
