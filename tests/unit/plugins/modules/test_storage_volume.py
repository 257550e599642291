# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""storage_volume on a machine of files: options in, results out, every wrong option a clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import pool
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._entry import Outcome
from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._model.volume import Share
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.plugins.modules import storage_volume
from ansible_collections.virt.san.tests.unit.support.pool_world import IMAGES
from ansible_collections.virt.san.tests.unit.support.volume_machine import VolumeMachine

DEFAULTS: dict[str, Any] = {
    "pool": "images",
    "name": "a",
    "state": "present",
    "capacity": None,
    "allow_shrink": False,
    "allocation": None,
    "thin_pool": None,
    "format": None,
    "backing": None,
    "permissions": None,
    "wipe": None,
    "clone_from": None,
    "snapshot_of": None,
    "upload_from": None,
    "download_to": None,
    "timeout": 10.0,
}


@pytest.fixture
def machine(tmp_path: Path) -> VolumeMachine:
    machine = VolumeMachine(tmp_path)
    pool.ensure(machine, NativeKeeper(machine), Wanted("images", "active", IMAGES), None, 10, check_mode=False)
    return machine


def run(machine: VolumeMachine, check_mode: bool = False, **options: Any) -> Outcome:
    return storage_volume.bring_about(machine, {**DEFAULTS, **options}, check_mode)


def test_a_file(machine: VolumeMachine) -> None:
    given = {"mode": "0640", "owner": None, "group": "0"}
    done = run(machine, capacity="1M", permissions=given)
    assert (done.changed, done.facts["steps"]) == (True, ["create volume a in pool images: 1M, raw, sparse"])
    assert (machine.top / "images/a").stat().st_mode & 0o7777 == 0o640
    assert not run(machine, capacity="1024K", permissions=given).changed
    top = run(machine, name="top", backing={"path": "a", "format": "raw"})
    assert top.facts["volume"]["backing"] == {"path": "/images/a", "format": "raw"}
    assert not run(machine, name="top", backing={"path": "/images//a", "format": None}).changed
    assert run(machine, name="top", state="absent").before == {"volume": {**top.after["volume"]}}


def test_a_share() -> None:
    assert storage_volume.wanted_of({**DEFAULTS, "capacity": "50%FREE"}).capacity == Share(50)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pool": "../etc"}, "pool: '../etc' is no name"),
        ({"name": "../etc"}, "name: '../etc' is no name"),
        ({"name": ".hidden"}, "name: '.hidden' is no name"),
        ({"capacity": "10 apples"}, "capacity: '10 apples' is neither"),
        ({"capacity": "50%FREE"}, "capacity: 50%FREE is for pools of type logical"),
        ({}, "capacity: volume a is yet to be made"),
        ({"backing": {"path": "a/b", "format": None}}, "backing.path: 'a/b'"),
        ({"backing": {"path": "/a/../b", "format": None}}, "backing.path: '/a/../b'"),
        ({"permissions": {"mode": "640", "owner": None, "group": None}}, "permissions.mode: '640'"),
        ({"permissions": {"mode": None, "owner": "no-such-user", "group": None}}, "permissions.owner: this host has"),
        ({"wipe": "zero", "capacity": "1M"}, "wipe: goes with state absent"),
        ({"upload_from": "a"}, "upload_from: 'a' is not an absolute path"),
        ({"download_to": "/a", "state": "absent"}, "download_to: goes with state present"),
        ({"snapshot_of": "b"}, "snapshot_of: the volumes of pool images are files, and a snapshot of a file that"),
        ({"snapshot_of": "/dev/vg/b"}, "snapshot_of: '/dev/vg/b' is no name"),
        ({"snapshot_of": "b", "state": "absent"}, "snapshot_of: goes with state present"),
        ({"timeout": 0.0}, "timeout: 0 seconds"),
    ],
)
def test_options_that_cannot_be(machine: VolumeMachine, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says.replace(".", r"\.")):
        run(machine, **options)
    assert list((machine.top / "images").iterdir()) == []
