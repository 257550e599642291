# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What could become a pool: maps and not their paths, nothing that is in use, and what gives no answer is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import pool_sources
from ansible_collections.virt.san.plugins.module_utils._apply.pool_sources import Wanted, gather
from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import iscsiadm
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock, Completed, Host
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San, Use
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Signature
from ansible_collections.virt.san.plugins.module_utils._model.disk import BareDevice
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba
from ansible_collections.virt.san.plugins.module_utils._model.group import Group, GroupSight
from ansible_collections.virt.san.tests.unit.support.multipathing import unit, wwid
from ansible_collections.virt.san.tests.unit.support.open_iscsi import ONE, TARGET, TWO, OpenIscsi
from ansible_collections.virt.san.tests.unit.support.recorded import recorded
from ansible_collections.virt.san.tests.unit.support.vports import child, port, vport

HERE = Wanted(subsets=("devices",))
EXT4 = Signature("ext4", "filesystem", 1080, 2)


def over(one: LogicalUnit, transport: str) -> LogicalUnit:
    return replace(one, paths=tuple(replace(path, transport=transport) for path in one.paths))


class World:
    """A host whose SAN and devices are as a test has them."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.san, self.now, self.read = San(multipath_running=True), 0.0, []  # type: tuple[San, float, list[str]]
        self.bare: dict[str, BareDevice] = {}
        self.contents: dict[str, Contents] = {}
        self.host = Host(str(root), clock=Clock(lambda: self.now))
        monkeypatch.setattr(pool_sources, "read_san", lambda _host, **_more: self.san)
        monkeypatch.setattr(pool_sources, "read_bare", lambda _host, _names: self.bare)
        monkeypatch.setattr(pool_sources.block, "read_devices", lambda _host: {})
        monkeypatch.setattr(pool_sources.signatures, "read_contents", self._read)

    def _read(self, _host: Host, path: str, deadline: float) -> Contents:
        assert 0 < deadline <= 60
        self.read.append(path)
        self.now += 10
        return self.contents.get(path, Contents())

    def devices(self, deadline: float = 300) -> tuple[list[str], dict[str, str]]:
        facts, _warnings = gather(self.host, replace(HERE, deadline=deadline))
        return [one["path"] for one in facts["devices"]], {
            one["device"]: one["problem"] for one in facts["devices_not_known"]
        }


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_maps_and_not_their_paths(world: World) -> None:
    world.san = replace(world.san, luns=(over(unit(1, name="data"), "fc"), over(unit(2), "fc")))
    blank, unclear = world.devices()
    assert blank == world.read == ["/dev/mapper/data"]
    assert "has no multipath device" in unclear[wwid(2)]


def test_what_is_used_is_not_even_opened(world: World) -> None:
    used = unit(1, name="used", uses=(Use("mount", "used", "/srv"),))
    labelled = unit(2, name="labelled", uses=(Use("lvm_pv", "labelled", "vg0", active=False),))
    known = unit(3, name="known", content="ext4")
    world.san = replace(world.san, luns=(used, labelled, known, unit(4, name="empty", size=0)))
    assert (world.devices(), world.read) == (([], {}), [])


def test_what_is_on_a_device_is_seen_past_every_cache(world: World) -> None:
    world.san = replace(world.san, luns=tuple(unit(number, name=f"lun{number}") for number in (1, 2, 3, 4)))
    world.contents = {
        "/dev/mapper/lun1": Contents((EXT4,), 1080),
        "/dev/mapper/lun2": Contents(data_at=7),
        "/dev/mapper/lun3": Contents(problem="no answer within 60 s"),
    }
    assert world.devices() == (["/dev/mapper/lun4"], {wwid(3): "no answer within 60 s"})


def test_all_devices_together_have_a_deadline(world: World) -> None:
    world.san = replace(world.san, luns=tuple(unit(number, name=f"lun{number}") for number in (1, 2, 3)))
    blank, unclear = world.devices(deadline=15)
    assert blank == ["/dev/mapper/lun1", "/dev/mapper/lun2"]
    assert "not looked at" in unclear[wwid(3)]


def test_disks_of_the_hosts_own(world: World) -> None:
    world.bare = {
        "vda": BareDevice("vda", 2**30, uses=(Use("mount", "vda", "/"),)),
        "vdb": BareDevice("vdb", 2**30),
        "vdc": BareDevice("vdc", 0),
        "vdd": BareDevice("vdd", 2**30, read_only=True),
    }
    facts, _warnings = gather(world.host, HERE)
    assert facts["devices"] == [{"path": "/dev/vdb", "wwid": None, "size": 2**30, "by_id": None, "shared": False}]


def test_hbas(world: World) -> None:
    carried = vport(1, host=7)
    parent = port(3, carried)
    paths = tuple(replace(path, hba="host7") for path in unit(1).paths)
    world.san = San((parent, child(carried, parent), Hba(9, "iscsi")), (unit(1, ways=paths),))
    facts, _warnings = gather(world.host, replace(HERE, subsets=("adapters",)))
    assert [(one["name"], one["host"], one["luns"]) for one in facts["adapters"]] == [
        ("host3", parent.wwpn, 0),
        ("host7", carried.wwpn, 1),
        ("host9", None, 0),
    ]
    assert set(facts) == {"adapters", "iscsi", "nfs"}


def test_volume_groups(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = (Group("a", "mine", 8, 4, 4, system_id="one"), Group("b", "theirs", 8, 4, 4, system_id="two"))
    monkeypatch.setattr(pool_sources, "read_groups", lambda *_args, **_more: GroupSight("one", groups))
    facts, _warnings = gather(world.host, replace(HERE, subsets=("volume_groups",)))
    assert [(one["name"], one["belongs_here"]) for one in facts["volume_groups"]] == [("mine", True), ("theirs", False)]

    def fail(*_args: object, **_more: object) -> GroupSight:
        raise UnavailableError("the command lvm is not installed")

    monkeypatch.setattr(pool_sources, "read_groups", fail)
    facts, warnings = gather(world.host, replace(HERE, subsets=("volume_groups",)))
    assert (facts["volume_groups"], warnings) == (
        None,
        ("volume groups are not known: the command lvm is not installed",),
    )


def test_a_recorded_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_sources.signatures, "read_contents", lambda *_args: Contents())
    with recorded("debian12-fc", tmp_path) as host:
        facts, _warnings = gather(host, Wanted(subsets=("adapters", "devices")))
    assert facts["devices"]
    assert all(one["path"].startswith("/dev/mapper/") for one in facts["devices"] if one["shared"])
    assert {one["transport"] for one in facts["adapters"]} >= {"fcoe"}


def only_network(**more: Any) -> Wanted:
    return Wanted(subsets=(), **more)


def test_targets_of_portals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = OpenIscsi(tmp_path)
    monkeypatch.setattr(iscsiadm, "knock", machine.knock)
    machine.array.silent = {TWO}
    before = machine.files()
    facts, warnings = gather(machine.host, only_network(portals=(ONE, TWO)))
    first, second = facts["iscsi"]
    assert (first["problem"], [one["target"] for one in first["targets"]]) == (None, [TARGET])
    assert {one["portal"] for one in first["targets"][0]["portals"]} == {str(ONE), str(TWO)}
    assert (second["reason"], second["targets"]) == ("unreachable", [])
    assert warnings == (f"{TWO}: {second['problem']}",)
    assert (machine.files(), machine.changes()) == (before, [])
    Path(machine.root, "etc/iscsi/initiatorname.iscsi").unlink()
    facts, _warnings = gather(machine.host, only_network(portals=(ONE,)))
    assert facts["iscsi"][0]["reason"] == "setup"


def test_exports_of_servers(tmp_path: Path) -> None:
    def showmount(argv: Sequence[str], _deadline: float, _stdin: str | None) -> Completed:
        good = argv[-1] == "nas"
        return Completed(tuple(argv), 0 if good else 1, "/srv/nfs 10.0.0.0/8\n" if good else "", "RPC: Timed out")

    facts, warnings = gather(Host(str(tmp_path), showmount), only_network(servers=("nas", "gone")))
    assert facts["nfs"][0] == {
        "server": "nas",
        "exports": [{"dir": "/srv/nfs", "clients": ["10.0.0.0/8"]}],
        "problem": None,
    }
    assert facts["nfs"][1]["exports"] == []
    assert "gone does not tell what it exports" in warnings[0]
