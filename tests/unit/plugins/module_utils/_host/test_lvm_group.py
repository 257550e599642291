# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume groups as LVM reports them in JSON, and what it is told to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._host import lvm_write
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.plugins.module_utils._host.lvm_conf import (
    DEVICES,
    DEVICES_FILE,
    FILTER,
    LOCAL_CONF,
    parse_block,
    render_block,
)
from ansible_collections.virt.san.plugins.module_utils._host.lvm_group import read_groups, read_system_id
from ansible_collections.virt.san.plugins.module_utils._model.group import Group, GroupPv, GroupVolume
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import Setting
from ansible_collections.virt.san.tests.unit.support.multipathing import path, unit, wwid

MIB = 2**20
PV = {
    "pv_uuid": "pv-1",
    "pv_name": "/dev/mapper/data",
    "pv_size": str(60 * MIB),
    "dev_size": str(64 * MIB),
    "pv_used": str(8 * MIB),
    "pe_start": str(MIB),
    "pv_missing": "",
    "pv_duplicate": "",
    "vg_uuid": "vg-1",
}
GONE = {**PV, "pv_uuid": "pv-2", "pv_name": "[unknown]", "dev_size": "0", "pv_missing": "missing"}
FREE = {**PV, "pv_uuid": "pv-3", "pv_name": "/dev/vdb", "vg_uuid": "", "pv_size": "0", "pv_used": "0", "pe_start": "0"}
VG = {
    "vg_uuid": "vg-1",
    "vg_name": "guests",
    "vg_size": str(60 * MIB),
    "vg_free": str(52 * MIB),
    "vg_extent_size": str(4 * MIB),
    "vg_systemid": "kvm2",
    "vg_lock_type": "",
    "vg_tags": "virt.san,other",
    "vg_exported": "",
}
NO_VG = {**dict.fromkeys(VG, ""), "vg_size": "0", "vg_free": "0", "vg_extent_size": "0"}
LV = {
    "lv_uuid": "lv-1",
    "lv_name": "root",
    "vg_uuid": "vg-1",
    "lv_path": "/dev/guests/root",
    "lv_size": str(8 * MIB),
    "lv_active": "active",
    "lv_device_open": "open",
    "lv_layout": "linear",
    "pool_lv": "",
    "origin": "",
    "data_percent": "",
    "lv_kernel_major": "253",
    "lv_kernel_minor": "7",
}
IDLE = {
    **LV,
    "lv_uuid": "lv-2",
    "lv_active": "",
    "lv_device_open": "",
    "lv_kernel_major": "-1",
    "lv_kernel_minor": "-1",
}


@dataclass
class Lvm:
    """Answers as LVM does; anything unexpected is a failure."""

    root: Path
    rows: dict[str, list[dict[str, str]]]
    asked: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    code: int = 0
    ignores: bool = False
    """It does not take the system ID from the local configuration."""

    def __call__(self, argv, _deadline, _stdin=None) -> Completed:
        assert argv[0] == "lvm"
        tool, rest = argv[1], list(argv[2:])
        if tool in ("pvs", "lvs"):
            self.asked.append(tool)
            assert tool == "pvs" or ("--all" in rest and "mark_hidden_devices=1" in rest[-1])
            assert rest[:7] == ["--reportformat", "json", "--units", "b", "--nosuffix", "--foreign", "--shared"]
            report = {"report": [{tool[:2]: self.rows[tool]}], "log": []}
            return Completed(tuple(argv), self.code, json.dumps(report), "")
        if tool == "systemid":
            conf = self.root / LOCAL_CONF[1:]
            text = conf.read_text() if conf.exists() and not self.ignores else ""
            named = text.partition('system_id = "')[2].partition('"')[0]
            return Completed(tuple(argv), 0, f"  system ID: {named}\n", "")
        if rest == ["--help"]:
            return Completed(tuple(argv), 3, "", "\t[    --setautoactivation y|n ]\n")
        self.ran.append(" ".join([tool, *rest]))
        return Completed(tuple(argv), 0, "", "")


@pytest.fixture
def machine(tmp_path) -> Callable[..., tuple[Host, Lvm]]:
    for name in ("dm-1", "vdb"):
        (tmp_path / "sys/class/block" / name).mkdir(parents=True)
    (tmp_path / "dev/mapper").mkdir(parents=True)
    (tmp_path / "dev/mapper/data").symlink_to("../dm-1")
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/hostname").write_text("kvm1\n")

    def put(pvs=(PV,), vgs=(VG,), lvs=(IDLE,)):
        groups = {vg["vg_uuid"]: vg for vg in vgs}
        rows = [{**pv, **groups.get(pv["vg_uuid"], NO_VG)} for pv in pvs]
        lvm = Lvm(tmp_path, {"pvs": rows, "lvs": list(lvs)})
        return Host(str(tmp_path), runner=lvm), lvm

    return put


def test_a_group(machine) -> None:
    host, _lvm = machine(pvs=(PV, GONE, FREE))
    seen = read_groups(host, [unit(1, name="data")])
    assert seen.groups == (
        Group(
            "vg-1",
            "guests",
            60 * MIB,
            52 * MIB,
            4 * MIB,
            system_id="kvm2",
            tags=("virt.san", "other"),
            pvs=(
                GroupPv("pv-1", "/dev/mapper/data", "dm-1", 60 * MIB, 64 * MIB, 8 * MIB, MIB, wwid(1), shared=True),
                GroupPv("pv-2", "", "", 60 * MIB, 0, 8 * MIB, MIB),
            ),
            volumes=(GroupVolume("lv-2", "root", "/dev/guests/root", 8 * MIB, layout="linear"),),
        ),
    )
    assert seen.orphans == (GroupPv("pv-3", "/dev/vdb", "vdb", 0, 64 * MIB),)
    assert (seen.system_id, seen.used, seen.listing) == ("", {"dm-1", "vdb"}, "")
    assert seen.proposed_id.startswith("virt-san-kvm1-")
    assert [pv.kernel for pv in seen.groups[0].missing] == [""]
    assert seen.group_on("dm-1") is seen.groups[0]
    assert seen.group_on("") is None
    assert seen.groups[0].to_dict()["pvs"][1]["missing"]


def test_groups_come_by_name_whatever_their_devices_are_called(machine) -> None:
    other = {**VG, "vg_uuid": "vg-0", "vg_name": "zoo"}
    twin = {**VG, "vg_uuid": "vg-2"}
    pvs = [{**PV, "pv_uuid": f"pv-{vg}", "vg_uuid": vg} for vg in ("vg-0", "vg-2", "vg-1")]
    host, _lvm = machine(pvs=pvs, vgs=(other, twin, VG))
    found = read_groups(host, []).groups
    assert [(one.name, one.uuid) for one in found] == [("guests", "vg-1"), ("guests", "vg-2"), ("zoo", "vg-0")]


@pytest.mark.parametrize(("lun", "shared"), [("dm-1", True), ("sdz", False)])
def test_what_lies_on_a_lun_is_shared(machine, lun, shared) -> None:
    """Here an md device that is made of a partition of it."""
    host, _lvm = machine(pvs=({**PV, "pv_name": "/dev/md0"},))
    top = Path(host.root)
    links = {"dm-5": "virtual/block/dm-5", "md0": "virtual/block/md0", "sdz": "sdz/block/sdz"}
    links["sdz1"] = f"{links['sdz']}/sdz1"
    for name, lies in links.items():
        (top / "sys/class/block" / name).symlink_to(f"../../devices/{lies}")
        (top / "sys/devices" / lies).mkdir(parents=True)
    below = {"md0": ["dm-5", "sdz1"], "dm-5": [lun]}
    for name, lower in below.items():
        for one in lower:
            (top / "sys/block" / name / "slaves" / one).mkdir(parents=True)
    own = unit(2, ways=(replace(path("sdz", 2), transport="ata"),))
    (group,) = read_groups(host, [unit(1, name="data"), own]).groups
    assert group.pvs[0].shared is shared


def test_who_only_looks_asks_lvm_once_for_each_kind(machine) -> None:
    host, lvm = machine(pvs=(PV, FREE))
    seen = read_groups(host, [], uses=False)
    assert lvm.asked == ["pvs", "lvs"]
    assert seen.used == frozenset()
    assert replace(read_groups(host, []), used=frozenset()) == seen


def test_an_active_volume(machine) -> None:
    host, _lvm = machine(lvs=(LV,))
    lies = Path(host.root) / "sys/dev/block"
    lies.mkdir(parents=True)
    (lies / "253:7").symlink_to("../../devices/virtual/block/dm-7")
    (volume,) = read_groups(host, []).groups[0].volumes
    assert (volume.active, volume.opened, volume.held, volume.kernel) == (True, True, True, "dm-7")
    (again,) = read_groups(host, [], uses=False).groups[0].volumes
    assert again == volume


def test_what_volumes_take(machine) -> None:
    thin = {**IDLE, "lv_layout": "thin,sparse", "pool_lv": "pool", "data_percent": "25.00"}
    pool = {**IDLE, "lv_name": "pool", "lv_layout": "thin,pool", "data_percent": "12.50"}
    host, _lvm = machine(lvs=(IDLE, thin, pool))
    volumes = read_groups(host, []).groups[0].volumes
    assert [one.allocation for one in volumes] == [8 * MIB, 2 * MIB, MIB]
    assert [(one.is_thin, one.is_thin_pool) for one in volumes] == [(False, False), (True, False), (False, True)]


@pytest.mark.parametrize(
    ("active", "told", "invalid"),
    [
        ("active", "snapshot invalid", True),
        ("active", "1", True),
        ("active", "", False),
        ("active", "0", False),
        ("active", "unknown", False),
        ("", "snapshot invalid", False),
    ],
)
def test_a_snapshot_that_has_run_full(machine, active: str, told: str, invalid: bool) -> None:
    host, _lvm = machine(lvs=({**IDLE, "origin": "root", "lv_active": active, "lv_snapshot_invalid": told},))
    (volume,) = read_groups(host, []).groups[0].volumes
    assert volume.invalid is invalid


@pytest.mark.parametrize(("told", "skipped"), [("skip activation", True), ("1", True), ("", False), ("0", False)])
def test_a_volume_that_is_not_activated_with_its_group(machine, told: str, skipped: bool) -> None:
    host, _lvm = machine(lvs=({**IDLE, "lv_skip_activation": told},))
    (volume,) = read_groups(host, []).groups[0].volumes
    assert volume.skipped is skipped


def test_what_is_being_moved(machine) -> None:
    """LVM tells by a volume of its own, which is nobody's."""
    move = {**IDLE, "lv_uuid": "lv-9", "lv_name": "[pvmove0]", "move_pv_uuid": "pv-1"}
    host, _lvm = machine(pvs=(PV, {**PV, "pv_uuid": "pv-2"}), lvs=(IDLE, move))
    (group,) = read_groups(host, []).groups
    assert [(pv.uuid, pv.moving) for pv in group.pvs] == [("pv-1", True), ("pv-2", False)]
    assert [one.name for one in group.volumes] == ["root"]


def test_something_wrong_with_some_group_is_no_failure(machine) -> None:
    host, lvm = machine()
    lvm.code = 5
    assert len(read_groups(host, []).groups) == 1
    lvm.code = 3
    with pytest.raises(CommandError, match="exit code 3"):
        read_groups(host, [])


def test_a_system_id_of_our_own(machine) -> None:
    host, lvm = machine()
    others = "# mine\nlog {\n\tverbose = 0\n}"
    host.write_file(LOCAL_CONF, others)
    lvm_write.set_system_id(host, "virt-san-a")
    lvm_write.set_system_id(host, "virt-san-b")
    assert read_system_id(host) == "virt-san-b"
    text = host.read(LOCAL_CONF) or ""
    assert text.startswith(others)
    assert text.count(lvm_write.BEGIN) == 1
    lvm.ignores = True
    with pytest.raises(RefusedError, match=r"system ID virt-san-c .*Something else sets"):
        lvm_write.set_system_id(host, "virt-san-c")
    assert host.read(LOCAL_CONF) == text


def test_the_commands(machine) -> None:
    host, lvm = machine()
    lvm_write.create_pv(host, "/dev/a", "u-1")
    lvm_write.create_group(
        host, "guests", "id", ["/dev/a", "/dev/b"], autoactivation=not lvm_write.knows_autoactivation(host)
    )
    lvm_write.extend_group(host, "guests", "/dev/c")
    lvm_write.resize_pv(host, "/dev/c")
    lvm_write.move_away(host, "/dev/a", ("/dev/c",), 5.0)
    lvm_write.reduce_group(host, "guests", "/dev/a")
    lvm_write.activate(host, "vg-1")
    lvm_write.deactivate(host, "vg-1")
    lvm_write.remove_volumes(host, "vg-1")
    lvm_write.remove_group(host, "vg-1")
    assert lvm.ran == [
        "pvcreate --uuid u-1 --norestorefile /dev/a",
        "vgcreate --systemid id --addtag virt.san --setautoactivation n guests /dev/a /dev/b",
        "vgextend guests /dev/c",
        "pvresize /dev/c",
        "pvmove /dev/a /dev/c",
        "vgreduce guests /dev/a",
        "vgchange --activate y --select vg_uuid=vg-1",
        "vgchange --activate n --select vg_uuid=vg-1",
        "lvremove --yes --select vg_uuid=vg-1",
        "vgremove --select vg_uuid=vg-1",
    ]
    asked = [line for line in lvm.ran if "--yes" in line or "--force" in line]
    assert asked == ["lvremove --yes --select vg_uuid=vg-1"]


def test_devices_are_listed_where_lvm_has_a_list(machine) -> None:
    host, lvm = machine()
    lvm_write.use_device(host, "/dev/mapper/data", "/dev/disk/by-id/dm-uuid-mpath-1")
    lvm_write.forget_device(host, "/dev/mapper/data", "/dev/disk/by-id/dm-uuid-mpath-1")
    assert lvm.ran == []
    host.write_file(DEVICES, "IDTYPE=mpath_uuid IDNAME=mpath-1 DEVNAME=/dev/mapper/data PVID=x\n")
    assert read_groups(host, []).listing == DEVICES_FILE
    lvm_write.use_device(host, "/dev/mapper/other", "/dev/mapper/other")
    lvm_write.forget_device(host, "/dev/mapper/data", "/dev/mapper/data")
    lvm_write.forget_device(host, "/dev/mapper/unknown", "/dev/mapper/unknown")
    assert [line.split()[-2:] for line in lvm.ran] == [
        ["--adddev", "/dev/mapper/other"],
        ["--deldev", "/dev/mapper/data"],
    ]


def test_devices_pass_a_filter_of_ours(machine) -> None:
    host, lvm = machine()
    host.write_file(LOCAL_CONF, render_block(Setting(FILTER, ("/dev/vda",))))
    lvm_write.use_device(host, "/dev/mapper/data", "/dev/disk/by-id/dm-uuid-mpath-1")
    assert parse_block(host.read(LOCAL_CONF) or "").patterns == ("/dev/disk/by-id/dm-uuid-mpath-1", "/dev/vda")
    assert read_groups(host, []).listing == FILTER
    lvm_write.forget_device(host, "/dev/mapper/data", "/dev/disk/by-id/dm-uuid-mpath-1")
    assert parse_block(host.read(LOCAL_CONF) or "").patterns == ("/dev/vda",)
    assert lvm.ran == []
