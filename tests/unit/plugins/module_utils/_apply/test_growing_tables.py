# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool with a partition table on a LUN that has grown, or was made smaller: from the task to what is on the disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import (
    device_steps,
    pool,
    pool_devices,
    pool_info,
    volume,
    volume_part_steps,
)
from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.volumes_native import NativeVolumes, list_volumes
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import partitions
from ansible_collections.virt.san.plugins.module_utils._model.block import San
from ansible_collections.virt.san.plugins.module_utils._model.volume import WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.tests.unit.support.part_machine import MIB, SIZE, VDB, PartMachine, pool_on

SFDISK = "sfdisk --quiet --wipe never --no-reread --no-tell-kernel"
GROW = f"{SFDISK} --relocate gpt-bak-std /dev/vdb"


def machine_with(root: Path, monkeypatch: pytest.MonkeyPatch, kind: str = "gpt") -> PartMachine:
    """Return a machine whose pool runs, with a partition that the kernel knows."""
    machine = PartMachine(root, VDB, kind)
    for room in (pool_devices, volume_part_steps):
        monkeypatch.setattr(room, "read_san", lambda _host: San())
        monkeypatch.setattr(room, "read_disks", lambda _host, _san, names: dict.fromkeys(names, machine.disk))
    for module in (device_steps, volume_part_steps):
        monkeypatch.setattr(module, "confirm", lambda _host, units: None)
    machine.put(1, 1, 50)
    machine.tell_kernel()
    run(machine)
    return machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PartMachine:
    return machine_with(tmp_path, monkeypatch)


def run(machine: PartMachine, state: str = "active", check_mode: bool = False, **more: Any) -> Report:
    kind = machine.read_table()["label"]
    wanted = Wanted("parts", state, pool_on(VDB, kind), **more)
    return pool.ensure(machine, NativeKeeper(machine), wanted, None, 10, check_mode)


def make(machine: PartMachine, capacity: int) -> volume.Report:
    keeper = NativeVolumes(machine, NativeKeeper(machine), 10)
    return volume.ensure(machine, keeper, "parts", WantedVolume("new", capacity=capacity), 10, check_mode=False)


def test_grown_once(machine: PartMachine) -> None:
    """With its partition as it was, on the disk and for the kernel; the new space is there for volumes."""
    rows, known, capacity = machine.rows(), machine.known(), run(machine).facts["pool"]["capacity"]
    machine.resize(2 * SIZE)
    planned = run(machine, check_mode=True)
    assert (planned.changed, machine.ran()) == (True, [])
    done, again = run(machine), run(machine)
    assert (done.changed, again.changed, again.facts["steps"]) == (True, False, [])
    assert planned.facts["steps"] == done.facts["steps"]
    assert (planned.before, planned.after) == (done.before, done.after)
    assert done.facts["pool"]["fills_device"]
    told = [report.facts["pool"]["capacity"] for report in (planned, done, again)]
    assert told == [capacity, capacity + SIZE, capacity + SIZE]
    assert done.after["pool"]["capacity"] == capacity + SIZE
    assert (machine.ran(), machine.rows(), machine.known()) == ([GROW], rows, known)
    assert make(machine, SIZE).changed


def test_what_it_is_grown_for_has_no_room_before(machine: PartMachine) -> None:
    machine.resize(2 * SIZE)
    with pytest.raises(RefusedError, match="the largest gap has 12M"):
        make(machine, SIZE)
    run(machine, "present")
    assert make(machine, SIZE).changed


def test_killed_on_the_way(machine: PartMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header names the new place last: until then all is as it was."""
    machine.resize(2 * SIZE)

    def die(*_args: object) -> None:
        raise SanError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(partitions, "grow_table", die)
        with pytest.raises(ApplyError, match="killed"):
            run(machine)
    assert run(machine).changed
    assert not run(machine).changed


def test_a_dos_table_follows_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_with(tmp_path, monkeypatch, "dos")
    machine.resize(2 * SIZE)
    told = run(machine)
    assert (told.changed, told.facts["pool"]["capacity"]) == (False, 2 * SIZE)


@pytest.mark.parametrize("left", [SIZE // 2, SIZE - 512])
def test_a_lun_that_was_made_smaller(machine: PartMachine, left: int) -> None:
    """Or one whose size this host does not know yet, while another has its table follow: told, and never written to."""
    machine.resize(left)
    says = f"/dev/vdb has {left} bytes, and the gpt on it ends at byte {SIZE}. Nothing is written there"
    for more in ({}, {"build": "overwrite"}, {"state": "absent", "delete_contents": True}):
        with pytest.raises(RefusedError, match=says):
            run(machine, **more)
    (told,) = pool_info.gather(machine, NativeKeeper(machine), None, partial(list_volumes, machine, deadline=10))
    assert told["problem"].startswith(says)
    with pytest.raises(RefusedError, match="pool parts does not run"):
        make(machine, MIB)
    assert machine.ran() == []
    machine.resize(SIZE)
    assert not run(machine).changed
    (told,) = pool_info.gather(machine, NativeKeeper(machine), None, partial(list_volumes, machine, deadline=10))
    assert (told["state"], told["problem"]) == ("active", None)
