# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""storage_pool_info on a machine of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import pool
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.plugins.modules import storage_pool_info
from ansible_collections.virt.san.tests.unit.support.pool_world import IMAGES
from ansible_collections.virt.san.tests.unit.support.volume_machine import VolumeMachine

DEFAULTS: dict[str, Any] = {"name": None, "volumes": True, "timeout": 10.0}


@pytest.fixture
def machine(tmp_path: Path) -> VolumeMachine:
    machine = VolumeMachine(tmp_path)
    pool.ensure(machine, NativeKeeper(machine), Wanted("images", "active", IMAGES), None, 10, check_mode=False)
    return machine


def test_pools(machine: VolumeMachine) -> None:
    (machine.top / "images/a").touch()
    done = storage_pool_info.look(machine, DEFAULTS)
    (found,) = done.facts["pools"]
    assert (done.changed, done.warnings, found["name"], found["volumes"][0]["name"]) == (False, (), "images", "a")
    assert storage_pool_info.look(machine, {**DEFAULTS, "name": ["other"]}).facts["pools"] == []


def test_a_problem_is_a_warning(machine: VolumeMachine) -> None:
    (machine.top / "etc/virt-san/pools/images.xml").write_text("<pool")
    (machine.top / "run/virt-san/pools/images.xml").unlink()
    done = storage_pool_info.look(machine, DEFAULTS)
    assert "pool images: its definition cannot be read" in done.warnings[0]


@pytest.mark.parametrize(("options", "says"), [({"name": ["../a"]}, "name: "), ({"timeout": 0.0}, "timeout: ")])
def test_options_that_cannot_be(machine: VolumeMachine, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        storage_pool_info.look(machine, {**DEFAULTS, **options})
