# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LVM is not let at what would swallow its reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.lvm import refuse_dead
from ansible_collections.virt.san.tests.unit.support.multipathing import path, unit


@pytest.mark.parametrize("queueing", [None, "on", "12 chk", "off", "-"])
def test_a_map_without_a_path(queueing: str | None) -> None:
    ways = (path("sdb0", 1, state="offline", checker="faulty"),)
    one = unit(1, name="data", ways=ways)
    assert one.map is not None
    one = replace(one, map=replace(one.map, queueing=queueing))
    refuse_dead([replace(one, paths=(path("sdb0", 1),)), replace(one, map=None)])
    if queueing in ("off", "-"):
        refuse_dead([one])
    else:
        with pytest.raises(UnavailableError, match="no path works, and the map queues or multipathd does not say"):
            refuse_dead([one])
