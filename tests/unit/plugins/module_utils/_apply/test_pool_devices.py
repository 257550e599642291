# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices and groups of pools on recorded machines: what is looked at, what is silent, and which LUNs are had alone."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import exclusion, pool_devices
from ansible_collections.virt.san.plugins.module_utils._apply.exclusion import Held
from ansible_collections.virt.san.plugins.module_utils._apply.pool import told_group
from ansible_collections.virt.san.plugins.module_utils._apply.pool_devices import (
    alone_for,
    free_left_behind,
    let_others_build,
    look_at_devices,
    refuse_others,
)
from ansible_collections.virt.san.plugins.module_utils._apply.pool_ways import with_lasting_names
from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents
from ansible_collections.virt.san.plugins.module_utils._model.disk import BareDevice, Disk, device_path
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Source, SourceDevice
from ansible_collections.virt.san.plugins.module_utils._pools.base import Needs, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.blank import BlankDevice, Inspected
from ansible_collections.virt.san.plugins.module_utils._pools.group_steps import DeactivateGroup, UnlabelDevice
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known, Wanted
from ansible_collections.virt.san.tests.unit.support.groups import NAME, group, pv, sight
from ansible_collections.virt.san.tests.unit.support.multipathing import wwid
from ansible_collections.virt.san.tests.unit.support.recorded import recorded

GONE = device_path(wwid(9))


@pytest.fixture(params=["debian12-fc", "debian13-fc"])
def host(request, tmp_path):
    with recorded(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def units(host):
    return [unit for unit in read_san(host).luns if unit.map and unit.paths and not unit.problem][:2]


def test_what_is_on_devices_in_no_group(host, units, monkeypatch) -> None:
    member, free = units
    held = group(pv(1, kernel=member.map.dm))
    looked = []

    def inspect(_host, disks, tables):
        assert not tables
        looked.extend(disks)
        return tuple(Inspected(disk, Contents(data_at=7)) for disk in disks)

    monkeypatch.setattr(pool_devices, "inspect", inspect)
    monkeypatch.setattr(pool_devices, "read_groups", lambda _host, _units: sight(held))
    names = (device_path(member.wwid), device_path(free.wwid), GONE, f"/dev/{free.paths[0].device}")
    seen = look_at_devices(host, Needs(devices=names, group=NAME), Seen(silent={"/x": "late"}))
    assert {name: one.contents.data_at for name, one in seen.devices.items()} == {
        names[0]: None,
        names[1]: 7,
        names[3]: 7,
    }
    assert {disk.kernel for disk in looked} == {free.map.dm}
    assert set(seen.silent) == {"/x", GONE}, "a new definition may name a device otherwise than the one before"
    assert "is not on this host" in seen.silent[GONE]
    assert told_group(PoolDefinition(NAME, "logical"), seen)["uuid"] == "vg-uuid"
    assert told_group(PoolDefinition(NAME, "logical"), Seen()) is None


def test_a_lun_is_kept_by_its_wwid(host, units) -> None:
    """What the kernel calls it may be another LUN after a reboot."""
    unit = units[0]
    kernels = (f"/dev/{unit.map.dm}", f"/dev/{unit.paths[0].device}")
    given = (*kernels, "/dev/sdzzz", f"/dev/mapper/{unit.map.name}", GONE)
    pool = PoolDefinition(NAME, "logical", source=Source(devices=tuple(SourceDevice(path) for path in given)))
    known = Known(NAME)
    lasting = with_lasting_names(host, Wanted(NAME, "active", pool=pool), known).pool
    assert lasting is not None
    assert [one.path for one in lasting.source.devices] == [device_path(unit.wwid), *given[2:]]
    assert with_lasting_names(host, Wanted(NAME, "active", pool=lasting), known).pool == lasting


def test_what_others_build_is_waited_for(host, units, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(
        exclusion,
        "let_others_finish",
        lambda _host, _san, found, timeout: asked.append(([unit.wwid for unit in found], timeout)),
    )
    devices = tuple(map(SourceDevice, (device_path(units[0].wwid), GONE, "/dev/vda")))
    let_others_build(host, PoolDefinition(NAME, "logical", Source(devices=devices)), 5.0)
    assert asked == [([units[0].wwid], 5.0)]


def test_what_a_killed_run_has_left_reserved(host, units, monkeypatch) -> None:
    asked = []

    def free(_host, _san, found):
        asked.extend(unit.wwid for unit in found)
        return ["it keeps it"]

    monkeypatch.setattr(exclusion, "free_left_behind", free)
    devices = tuple(map(SourceDevice, (device_path(units[0].wwid), GONE)))
    assert free_left_behind(host, PoolDefinition(NAME, "fs", Source(devices=devices))) == ("it keeps it",)
    assert asked == [units[0].wwid]
    for pool in (None, PoolDefinition(NAME, "dir")):
        assert free_left_behind(host, pool) == ()


def test_luns_that_are_written_are_had_alone(host, units, monkeypatch) -> None:
    asked = []

    @contextmanager
    def alone_on(_host, _san, disks, timeout, required, needed):
        found = [disk.unit and disk.unit.wwid for disk in disks]
        asked.append((found, timeout, required, [needed(unit) for unit in units if unit.wwid in found]))
        yield Held(1)

    monkeypatch.setattr(pool_devices, "alone_on", alone_on)
    one, two = units
    steps = (
        BlankDevice(Disk(one.device, one.map.dm, one.size, one.wwid, one)),
        UnlabelDevice(Disk(two.device, two.map.dm, two.size), "pv"),
        UnlabelDevice(Disk("/dev/vdb", "vdb", 1), "pv"),
        DeactivateGroup(group()),
    )
    with alone_for(host, steps, 5.0, required=True, anew=lambda: steps[1:]):
        pass
    with alone_for(host, (DeactivateGroup(group()),), 5.0, required=False, anew=tuple):
        pass
    assert asked == [([one.wwid, two.wwid, None], 5.0, True, [False, True]), ([], 5.0, False, [])]


def test_the_pv_of_a_group_may_come_over_a_network(host, monkeypatch) -> None:
    """Its plan knows it by its group alone."""
    step = UnlabelDevice(Disk("/dev/nvme1n1", "nvme1n1", 1), "pv")
    far = {"nvme1n1": BareDevice("nvme1n1", 1, remote=True)}
    monkeypatch.setattr(pool_devices, "read_bare", lambda _host, names: {name: far[name] for name in names})
    refused = pytest.raises(UnavailableError, match=r"/dev/nvme1n1 comes over a network.*exclusive: false")
    with refused, alone_for(host, (step,), 5.0, required=True, anew=tuple):
        pytest.fail("not to be reached")
    with alone_for(host, (step,), 5.0, required=False, anew=tuple) as held:
        assert len(held.warnings) == 1


def test_devices_that_are_not_held_are_not_written_to(units) -> None:
    """What is planned once a LUN is held may find more to do; on other LUNs that has to wait for another run."""
    one, two = (Disk(unit.device, unit.map.dm, unit.size, unit.wwid, unit) for unit in units)
    refuse_others(Held(1), (BlankDevice(one), DeactivateGroup(group())), (UnlabelDevice(one, "pv"),))
    refuse_others(Held(1), (BlankDevice(one),), (DeactivateGroup(group()),))
    with pytest.raises(RefusedError, match=rf"{two.wwid}\) would be written to as well"):
        refuse_others(Held(1), (BlankDevice(one),), (BlankDevice(one), BlankDevice(two)))
    with pytest.raises(RefusedError, match=rf"{one.wwid}\) would be written to as well"):
        refuse_others(Held(1, left=[one.wwid]), (BlankDevice(one),), (BlankDevice(one),))
