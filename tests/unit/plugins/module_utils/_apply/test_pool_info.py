# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of pools on a machine of files, and of those that do not answer."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import (
    pool,
    pool_devices,
    pool_look,
    pools_native,
    volumes_native,
)
from ansible_collections.virt.san.plugins.module_utils._apply.pool_info import gather
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.volume_lvs import list_volumes
from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import folders, images, inventory, lvm_group
from ansible_collections.virt.san.plugins.module_utils._model.block import San
from ansible_collections.virt.san.plugins.module_utils._model.disk import device_path
from ansible_collections.virt.san.plugins.module_utils._model.group import GroupSight, GroupVolume
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Source, SourceDevice, Target
from ansible_collections.virt.san.plugins.module_utils._pools.base import Seen
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.tests.unit.support.groups import EXTENT, NAME, gone, group, pv
from ansible_collections.virt.san.tests.unit.support.multipathing import wwid
from ansible_collections.virt.san.tests.unit.support.pool_world import IMAGES, ISOS
from ansible_collections.virt.san.tests.unit.support.volume_lvm import LvmMachine
from ansible_collections.virt.san.tests.unit.support.volume_machine import qcow2

MIB = 2**20
GUESTS = PoolDefinition(NAME, "logical", Source(devices=(SourceDevice("/dev/a"),)))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LvmMachine:
    machine = LvmMachine(tmp_path)
    monkeypatch.setattr(inventory, "read_san", lambda _host, **_more: San())
    monkeypatch.setattr(lvm_group, "read_groups", machine.sight)
    monkeypatch.setattr(pool_devices, "read_san", inventory.read_san)
    monkeypatch.setattr(pool_devices, "read_groups", machine.sight)
    return machine


def start(machine: LvmMachine, one: PoolDefinition, state: str = "active", **more: Any) -> None:
    pool.ensure(machine, NativeKeeper(machine), Wanted(one.name, state, one, **more), None, 10, check_mode=False)


def told(machine: LvmMachine, *names: str, volumes: bool = True) -> dict[str, dict[str, Any]]:
    lister = partial(volumes_native.list_volumes, machine, deadline=10)
    found = gather(machine, NativeKeeper(machine), names or None, lister if volumes else None)
    return {one["name"]: one for one in found}


def test_a_folder(machine: LvmMachine) -> None:
    start(machine, IMAGES)
    (machine.top / "images/raw").write_bytes(bytes(MIB))
    (machine.top / "images/top").write_bytes(qcow2(2 * MIB, "raw", "raw"))
    (machine.top / "images/bad").write_bytes(b"QFI\xfb")
    found = told(machine)["images"]
    assert (found["type"], found["state"], found["built"], found["persistent"]) == ("dir", "active", True, True)
    assert (found["autostart"], found["sources"], found["problem"]) == (False, [], None)
    assert found["capacity"] == found["allocation"] + found["available"] > 0
    volumes = {one["name"]: one for one in found["volumes"]}
    assert list(volumes) == ["bad", "raw", "top"]
    assert volumes["raw"]["key"] == volumes["raw"]["path"] == "/images/raw"
    assert (volumes["raw"]["capacity"], volumes["raw"]["format"]) == (MIB, "raw")
    assert (volumes["top"]["capacity"], volumes["top"]["format"]) == (2 * MIB, "qcow2")
    assert volumes["top"]["backing"] == {"path": "/images/raw", "format": "raw"}
    assert "ends early" in volumes["bad"]["problem"]
    assert told(machine, volumes=False)["images"]["volumes"] is None


def test_an_export(machine: LvmMachine) -> None:
    start(machine, ISOS, "present")
    found = told(machine)["isos"]
    assert (found["state"], found["built"], found["capacity"], found["volumes"]) == ("inactive", True, None, None)
    assert found["sources"] == [{"host": "nas", "dir": "/srv/isos"}]
    start(machine, ISOS)
    start(machine, replace(ISOS, source=replace(ISOS.source, mount_options=("ro",))))
    found = told(machine)["isos"]
    assert (found["state"], found["volumes"], found["restart_needed"]) == ("active", [], ["source.mount_options"])


def test_a_volume_group(machine: LvmMachine) -> None:
    machine.put("t", 2, layout="thin,pool")
    machine.put("a", 4, layout="thin,sparse", pool="t", percent=50.0)
    start(machine, replace(GUESTS, source=Source()))
    machine.put("b", 2, active=False)
    start(machine, GUESTS, "present", build="never")
    found = told(machine)[NAME]
    assert (found["state"], found["problem"], found["target"]) == ("active", None, {})
    assert (found["volume_group"]["uuid"], found["volume_group"]["name"]) == ("vg-uuid", NAME)
    (source,) = found["sources"]
    assert {key: bool(source[key]) for key in ("uuid", "path", "size", "missing")} == {
        "uuid": True,
        "path": True,
        "size": True,
        "missing": False,
    }
    volumes = {one["name"]: one for one in found["volumes"]}
    assert list(volumes) == ["a", "b"], "a thin pool is no volume"
    assert (volumes["a"]["key"], volumes["a"]["path"]) == ("uuid-2", f"/dev/{NAME}/a")
    assert (volumes["a"]["capacity"], volumes["a"]["allocation"]) == (4 * EXTENT, 2 * EXTENT)
    assert (volumes["b"]["active"], volumes["b"]["allocation"]) == (False, 2 * EXTENT)
    machine.group = replace(machine.group, name="other")
    assert told(machine)[NAME]["sources"] == [{"path": "/dev/a"}]


def test_by_name(machine: LvmMachine) -> None:
    assert told(machine) == {}
    start(machine, IMAGES)
    start(machine, ISOS, persistent=False)
    assert list(told(machine)) == ["images", "isos"]
    assert list(told(machine, "isos", "none", "isos")) == ["isos"]
    assert told(machine, "isos")["isos"]["persistent"] is False


class TestLargePools:
    def test_each_definition_is_parsed_once(self, machine: LvmMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        plain, parsed = pools_native.parse_pool, []
        for number in range(5):
            one = replace(IMAGES, name=f"images{number}", target=Target(f"/images{number}"))
            start(machine, one)

        def counted(text: str) -> PoolDefinition:
            parsed.append(text)
            return plain(text)

        pools_native._parsed.cache_clear()
        monkeypatch.setattr(pools_native, "parse_pool", counted)
        assert len(told(machine)) == 5
        assert len(parsed) == 5

    def test_volumes_are_gone_through_once_for_all_of_them(
        self, machine: LvmMachine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        volumes = [GroupVolume(f"uuid-{number}", f"v{number}", "", EXTENT, pool="t") for number in range(200)]
        volumes += [replace(one, uuid=f"s{one.uuid}", name=f"s{one.name}", origin=one.name) for one in volumes]
        looks = []
        plain = GroupVolume.is_thin.fget
        monkeypatch.setattr(GroupVolume, "is_thin", property(lambda one: looks.append(one) or plain(one)))
        seen = Seen(groups=GroupSight(groups=(replace(group(), volumes=tuple(volumes)),)))
        found = list_volumes(machine, replace(GUESTS, source=Source()), seen, 1)
        assert len(found) == 400
        assert all(one.backing is None for one in found), "a thin snapshot stands alone"
        assert len(looks) <= 2 * len(volumes)


class TestWhatGoesWrong:
    def test_lvm(self, machine: LvmMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        start(machine, IMAGES)
        start(machine, replace(GUESTS, source=Source()))

        def fail(*_args: object, **_more: object) -> None:
            raise UnavailableError("the command lvm is not installed")

        monkeypatch.setattr(lvm_group, "read_groups", fail)
        found = told(machine)
        assert (found[NAME]["state"], found[NAME]["problem"]) == (None, "the command lvm is not installed")
        assert (found["images"]["state"], found["images"]["problem"]) == ("active", None)

    @pytest.mark.parametrize(("active", "state"), [(True, "active"), (False, "inactive")])
    def test_a_pv_that_is_missing(self, machine: LvmMachine, active: bool, state: str) -> None:
        """Its state is told all the same, and its volumes; and what the PV was on, as its definition tells."""
        machine.put("a", active=active)
        machine.group = replace(machine.group, pvs=(pv(1), gone(2), replace(gone(3), uuid="strange")))
        lost = replace(GUESTS, source=Source(devices=(SourceDevice(device_path(wwid(2))),)))
        start(machine, lost, "present", build="never")
        found = told(machine)[NAME]
        assert found["problem"] == (
            f"volume group {NAME} (vg-uuid) lacks PV {gone(2).uuid} (a missing device, {wwid(2)}), "
            "PV strange (a missing device)"
        )
        assert (found["state"], found["built"], found["volumes"] is not None) == (state, True, active)
        sources = [(one["wwid"], one["path"], one["missing"]) for one in found["sources"]]
        assert sources[1:] == [(wwid(2), None, True), (None, None, True)]

    def test_two_groups_of_one_name(self, machine: LvmMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        start(machine, replace(GUESTS, source=Source()))
        twice = replace(machine.sight(), groups=(machine.group, replace(machine.group, uuid="other")))
        monkeypatch.setattr(lvm_group, "read_groups", lambda *_args, **_more: twice)
        found = told(machine)[NAME]
        assert "2 volume groups are called" in found["problem"]
        assert found["state"] is None

    def test_definitions(self, machine: LvmMachine) -> None:
        start(machine, IMAGES, "present")
        start(machine, ISOS)
        definition = machine.top / "etc/virt-san/pools/images.xml"
        text = definition.read_text()
        definition.write_text("<pool")
        found = told(machine)
        assert "its definition cannot be read" in found["images"]["problem"]
        assert set(found["images"]) == set(found["isos"])
        definition.write_text(text.replace("<path>/images</path>", ""))
        assert "defined in a way that does not work" in told(machine)["images"]["problem"]

    def test_a_server_that_is_gone(self, machine: LvmMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        start(machine, IMAGES)
        start(machine, replace(IMAGES, name="gone", target=Target("/gone")))
        read = folders.look_at

        def hang(host: Any, path: str) -> Any:
            return time.sleep(60) if path == "/gone" else read(host, path)

        monkeypatch.setattr(pool_look, "DEADLINE", 0.5)
        monkeypatch.setattr(folders, "look_at", hang)
        found = told(machine)
        assert "no answer within 0.5 s" in found["gone"]["problem"]
        assert (found["images"]["problem"], found["images"]["volumes"]) == (None, [])

    def test_volumes_that_cannot_be_listed(self, machine: LvmMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        start(machine, IMAGES)

        def fail(*_args: object) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(images, "list_images", fail)
        found = told(machine)["images"]
        assert (found["state"], found["volumes"]) == ("active", None)
        assert "Input/output error" in found["problem"]


def test_a_thousand_volumes_start_no_program(machine: LvmMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    start(machine, IMAGES)
    for number in range(1000):
        (machine.top / f"images/v{number}").write_bytes(qcow2(MIB, "base", "qcow2"))

    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("no command is needed")

    monkeypatch.setattr(machine, "run", refuse)
    assert len(told(machine)["images"]["volumes"]) == 1000
