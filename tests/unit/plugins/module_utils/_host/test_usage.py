# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of use, on a machine made of the few entries that tell of it."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.plugins.module_utils._host import block, dm, udev, usage
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.block import Path
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid
from ansible_collections.virt.san.tests.unit.support.fake_dm import fake_dm

WWID = Wwid("36001405" + "1" * 25)
SWAPS = "Filename\tType\tSize\tUsed\tPriority\n"


class Machine:
    """A LUN with paths sda and sdb below map dm-0, and what a test puts on them."""

    def __init__(self, root):
        self.root = root
        self.counts = {}
        self.minor = 0
        for name in ("sda", "sdb"):
            self.device(name, f"devices/pci0000:00/host1/target1:0:0/1:0:0:{ord(name[-1])}/block/{name}")
        self.dm("dm-0", "db01", f"mpath-{WWID}", "sda", "sdb")
        self.put("proc/self/mountinfo", "")

    def put(self, path, content):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")

    def device(self, name, place):
        self.minor += 1
        for folder in ("sys/dev/block", "sys/class/block"):
            link = self.root / folder / (f"8:{self.minor}" if "dev" in folder else name)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"../../{place}")
        return f"8:{self.minor}"

    def on_top(self, name, *below):
        number = self.device(name, f"devices/virtual/block/{name}")
        for lower in below:
            (self.root / "sys/block" / name / "slaves" / lower).mkdir(parents=True)
        return number

    def dm(self, name, title, uuid, *below):
        self.put(f"sys/block/{name}/dm/name", f"{title}\n")
        self.put(f"sys/block/{name}/dm/uuid", f"{uuid}\n")
        return self.on_top(name, *below)

    def mount(self, number, point, source="/dev/x"):
        path = self.root / "proc/self/mountinfo"
        path.write_text(f"{path.read_text()}30 1 {number} / {point} rw - ext4 {source} rw\n")

    def uses(self, record="", mapped=True):
        host = Host(str(self.root), control=fake_dm(self.counts))
        devices = block.read_devices(host)
        dm_devices = dm.read_dm_devices(host, devices)
        evidence = usage.read_evidence(host, devices, dm_devices, block.read_holders(host, devices))
        over = dm.read_maps(host, [dm_devices["dm-0"]])[0] if mapped else None
        paths = [
            Path(name, Hctl(1, 0, 0, ord(name[-1])), "running", "fc", "host1", None, None, None, 1024, WWID)
            for name in ("sda", "sdb")
        ]
        records = {"dm-0": udev.parse_record(record)}
        found = usage.uses_of(host, evidence, over, paths, records)
        return [(use.kind, use.device, use.by, use.active) for use in found]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_path_under_its_own_map_is_free(machine):
    assert machine.uses() == []


def test_without_the_map_it_would_be_held(machine):
    assert machine.uses(mapped=False) == [("holder", "sda", "db01", True), ("holder", "sdb", "db01", True)]


@pytest.mark.parametrize(
    ("title", "uuid", "expected"),
    [
        ("vg--db-data", "LVM-abc", ("lvm_pv", "db01", "vg-db", True)),
        ("secret", "CRYPT-LUKS2-abc-secret", ("crypt", "db01", "secret", True)),
        ("linear", "", ("holder", "db01", "linear", True)),
    ],
)
def test_what_lies_on_a_map(machine, title, uuid, expected):
    machine.dm("dm-1", title, uuid, "dm-0")
    assert machine.uses() == [expected]


def test_volumes_of_one_group_are_one_use(machine):
    machine.dm("dm-1", "vg-a", "LVM-a", "dm-0")
    machine.dm("dm-2", "vg-b", "LVM-b", "dm-0")
    assert machine.uses() == [("lvm_pv", "db01", "vg", True)]


def test_md_loop_and_others(machine):
    machine.on_top("md0", "dm-0")
    machine.on_top("bcache0", "dm-0")
    machine.on_top("loop3")
    machine.put("sys/block/loop3/loop/backing_file", "/dev/dm-0\n")
    assert sorted(machine.uses()) == [
        ("holder", "db01", "bcache0", True),
        ("holder", "db01", "loop3", True),
        ("md", "db01", "md0", True),
    ]


def test_a_path_held_beside_its_map(machine):
    machine.dm("dm-1", "vg-a", "LVM-a", "sdb")
    assert machine.uses() == [("lvm_pv", "sdb", "vg", True)]


def test_swap_by_its_path(machine):
    machine.put("proc/swaps", SWAPS + "/dev/dm-0 partition 1 0 -2\n/swap file 1 0 -3\n")
    assert machine.uses() == [("swap", "db01", "swap", True)]


def test_btrfs_over_several_devices(machine):
    (machine.root / "sys/fs/btrfs/1234-abcd/devices/dm-0").mkdir(parents=True)
    assert machine.uses() == [("mount", "db01", "btrfs 1234-abcd", True)]


def test_a_mount_known_by_its_source_alone(machine):
    (machine.root / "dev/mapper").mkdir(parents=True)
    (machine.root / "dev/mapper/db01").symlink_to("../dm-0")
    machine.mount("0:40", "/srv", "/dev/mapper/db01")
    assert machine.uses() == [("mount", "db01", "/srv", True)]


def test_partitions_of_a_map(machine):
    number = machine.dm("dm-1", "db01-part1", f"part1-mpath-{WWID}", "dm-0")
    assert machine.uses() == [("partition", "db01", "db01-part1", False)]
    machine.mount(number, "/srv")
    assert machine.uses() == [("mount", "db01-part1", "/srv", True)]


def test_partitions_of_a_path_count_only_where_there_is_no_map(machine):
    place = "devices/pci0000:00/host1/target1:0:0/1:0:0:97/block/sda/sda1"
    number = machine.device("sda1", place)
    assert machine.uses() == []
    assert ("partition", "sda", "sda1", False) in machine.uses(mapped=False)
    machine.mount(number, "/srv")
    assert machine.uses() == [("mount", "sda1", "/srv", True)]


@pytest.mark.parametrize(
    ("content", "kind", "by"),
    [
        ("LVM2_member", "lvm_pv", "no active volume group"),
        ("linux_raid_member", "md", "linux_raid_member"),
        ("crypto_LUKS", "crypt", "crypto_LUKS"),
    ],
)
def test_a_signature_is_a_use_that_is_not_active(machine, content, kind, by):
    assert machine.uses(f"E:ID_FS_TYPE={content}\n") == [(kind, "db01", by, False)]


def test_a_volume_whose_label_was_half_written_when_udev_looked(machine):
    machine.put("run/lvm/pvs_online/other", "253:9\nvg:vg_other\n")
    assert machine.uses("E:ID_FS_TYPE=LVM2_member\n") == [("lvm_pv", "db01", "no active volume group", False)]


def test_a_volume_that_came_online_names_its_group(machine):
    machine.put("run/lvm/pvs_online/k0rQbNAyIv", "253:0\nvg:vg_db\n")
    record = "E:ID_FS_TYPE=LVM2_member\nE:ID_FS_UUID=k0rQbN-AyIv\n"
    assert machine.uses(record) == [("lvm_pv", "db01", "vg_db", False)]


def test_a_file_system_that_is_not_mounted_is_no_use(machine):
    assert machine.uses("E:ID_FS_TYPE=ext4\n") == []


def test_an_active_use_speaks_for_the_signature(machine):
    machine.dm("dm-1", "vg-a", "LVM-a", "dm-0")
    assert machine.uses("E:ID_FS_TYPE=LVM2_member\n") == [("lvm_pv", "db01", "vg", True)]


def test_the_open_count_is_the_last_word(machine):
    machine.counts = {"8:3": 1}
    assert machine.uses() == [("open", "db01", "1 x open, by whom is not known", True)]
    machine.mount("8:3", "/srv")
    assert machine.uses() == [("mount", "db01", "/srv", True)]


def test_partition_maps_explain_an_open_count(machine):
    machine.dm("dm-1", "db01-part1", f"part1-mpath-{WWID}", "dm-0")
    machine.counts = {"8:3": 1}
    assert machine.uses() == [("partition", "db01", "db01-part1", False)]
    machine.counts = {"8:3": 2}
    assert ("open", "db01", "1 x open, by whom is not known", True) in machine.uses()


def test_a_signature_does_not_explain_an_open_count(machine):
    machine.counts = {"8:3": 1}
    assert [kind for kind, *_rest in machine.uses("E:ID_FS_TYPE=LVM2_member\n")] == ["lvm_pv", "open"]
