# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small rooms: what they make of text as kernels and tools print it."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host import (
    block,
    dm,
    fc,
    iscsi,
    lvm,
    mount,
    proc,
    udev,
    usage,
)
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.tests.unit.support.fake_dm import fake_dm


def put(root, path, content):
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)


class TestUdev:
    def test_record(self):
        record = udev.parse_record(
            "S:disk/by-path/pci-0000:00:05.0-fc-0x50-lun-27\nS:disk/by-id/wwn-0x6001\nS:disk/by-id/scsi-36001\n"
            "L:50\nI:123\nE:ID_SERIAL=36001\nE:ID_FS_LABEL=a=b\nG:systemd\nV:1\n"
        )
        assert record.wwid == "36001"
        assert record.properties["ID_FS_LABEL"] == "a=b"
        assert record.by_id == ("/dev/disk/by-id/scsi-36001", "/dev/disk/by-id/wwn-0x6001")
        assert record.content is None

    def test_content_is_a_signature_or_else_a_partition_table(self):
        assert udev.parse_record("E:ID_PART_TABLE_TYPE=gpt").content == "gpt"
        assert udev.parse_record("E:ID_PART_TABLE_TYPE=gpt\nE:ID_FS_TYPE=xfs").content == "xfs"

    def test_no_record(self, tmp_path):
        assert udev.read_record(Host(str(tmp_path)), "8:0") is None

    def test_nothing_wakes_a_recorded_host(self, tmp_path):
        assert udev.event_waker(Host(str(tmp_path))) is None

    def test_only_disks_wake(self):
        head = b"libudev\0\xfe\xed\xca\xfe" + b"\0" * 28
        assert udev.is_block_event(head + b"ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=block\0DEVNAME=/dev/sdb\0")
        assert udev.is_block_event(head + b"SUBSYSTEM=block\0")
        assert not udev.is_block_event(head + b"ACTION=add\0SUBSYSTEM=scsi\0")
        assert not udev.is_block_event(b"add@/devices/x\0SUBSYSTEM=block\0")

    def test_a_waker_returns_when_the_time_is_over(self):
        wake = udev.event_waker(Host())
        began = time.monotonic()
        if wake is not None:
            wake(0.05)
        assert time.monotonic() - began < 5


class TestBlock:
    def test_sectors_are_512_bytes_whatever_the_block_size(self):
        assert block.parse_sectors("2048") == 2**20
        assert block.parse_sectors(None) == block.parse_sectors("") == block.parse_sectors("x") == 0

    def test_partitions_know_their_disk(self):
        disk = block.BlockDevice("sdb", "8:16", "../../devices/p/block/sdb")
        part = block.BlockDevice("sdb1", "8:17", "../../devices/p/block/sdb/sdb1")
        virtual = block.BlockDevice("dm-1", "253:1", "../../devices/virtual/block/dm-1")
        assert (disk.disk, part.disk, virtual.disk) == (None, "sdb", None)
        assert (disk.virtual, virtual.virtual) == (False, True)
        assert block.partitions_by_disk({one.name: one for one in (disk, part, virtual)}) == {"sdb": ["sdb1"]}

    @pytest.mark.parametrize(
        "name",
        ["dm-1", "db01", "/dev/dm-1", "/dev/mapper/db01", "dm-uuid-mpath-36", "/dev/disk/by-id/dm-uuid-mpath-36"],
    )
    def test_every_name_of_a_device(self, tmp_path, name):
        for link, target in {
            "sys/class/block/dm-1": "../../devices/virtual/block/dm-1",
            "dev/mapper/db01": "../dm-1",
            "dev/disk/by-id/dm-uuid-mpath-36": "../../dm-1",
        }.items():
            (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / link).symlink_to(target)
        host = Host(str(tmp_path))
        assert block.kernel_name(host, name) == "dm-1"
        assert block.kernel_name(host, "sdq") is None
        assert block.kernel_name(host, "/dev/disk/by-id/gone") is None

    def test_a_partition_means_its_disk(self, tmp_path):
        (tmp_path / "sys/class/block").mkdir(parents=True)
        (tmp_path / "sys/class/block/sdb1").symlink_to("../../devices/p/block/sdb/sdb1")
        assert block.kernel_name(Host(str(tmp_path)), "/dev/sdb1") == "sdb"

    def test_a_loop_device_lies_on_the_device_behind_it(self, tmp_path):
        put(tmp_path, "/sys/block/loop0/loop/backing_file", "/dev/dm-1\n")
        put(tmp_path, "/sys/block/loop1/loop/backing_file", "/srv/image\n")
        devices = {
            name: block.BlockDevice(name, "7:0", f"../../devices/virtual/block/{name}") for name in ("loop0", "loop1")
        }
        assert block.read_holders(Host(str(tmp_path)), devices) == {"dm-1": ["loop0"]}


class TestDm:
    @pytest.mark.parametrize(
        ("name", "group"),
        [("vg-root", "vg"), ("my--vg-root", "my-vg"), ("vg-my--lv", "vg"), ("a----b-c--d", "a--b"), ("my---lv", "my-")],
    )
    def test_volume_group(self, name, group):
        assert dm.volume_group(name) == group

    def test_open_counts(self):
        host = Host(control=fake_dm({"253:0": 1, "253:300": 0}))
        assert dm.open_counts(host, ["253:0", "253:300", "253:7"]) == {"253:0": 1, "253:300": 0}

    def test_partition_maps(self):
        device = dm.DmDevice("dm-4", "db01-part1", "part1-mpath-36001", "253:4")
        assert device.partition_of == "36001"
        assert not dm.is_multipath(device)
        assert dm.DmDevice("dm-5", "vg-lv", "LVM-abc", "253:5").partition_of is None

    @pytest.mark.parametrize(
        ("uuid", "wwid"), [("mpath-36001", "36001"), ("part2-mpath-36001", "36001"), ("LVM-x", None), ("", None)]
    )
    def test_identity_behind_a_map(self, tmp_path, uuid, wwid):
        put(tmp_path, "/sys/block/dm-1/dm/uuid", f"{uuid}\n")
        assert dm.read_wwid(Host(str(tmp_path)), "dm-1") == wwid


class TestFc:
    def test_roles(self):
        assert fc.parse_roles("FCP Target, FCP Initiator") == ("FCP Target", "FCP Initiator")
        assert fc.parse_roles("unknown") == fc.parse_roles("") == fc.parse_roles(None) == ()

    def remote_port(self, root, name, **attributes):
        for attribute, value in {"port_name": "0x50014057a0000001", "port_state": "Online", **attributes}.items():
            put(root, f"/sys/class/fc_remote_ports/{name}/{attribute}", f"{value}\n")

    def test_remote_ports(self, tmp_path):
        self.remote_port(tmp_path, "rport-3:0-1", roles="FCP Target", scsi_target_id="7", node_name="0x1")
        self.remote_port(tmp_path, "rport-3:0-2", roles="FCP Initiator", scsi_target_id="-1")
        self.remote_port(tmp_path, "rport-3:0-0", roles="Directory Server", scsi_target_id="-1")
        self.remote_port(tmp_path, "rport-3:1-3", port_name="0xffffffffffffffff")
        target, initiator = fc.read_remote_ports(Host(str(tmp_path)))
        assert (target.name, target.host) == ("rport-3:0-1", 3)
        assert (target.target.channel, target.target.target_id, target.target.scannable) == (0, 7, True)
        assert target.target.node == "0000000000000001"
        assert (initiator.target.target_id, initiator.target.scannable) == (None, False)


class TestIscsi:
    def test_portals(self):
        assert iscsi.format_portal("10.0.0.1", "3260") == "10.0.0.1:3260"
        assert iscsi.format_portal("fd00::1", "3260") == "[fd00::1]:3260"

    def test_initiator(self):
        text = "# comment\nInitiatorName=iqn.1993-08.org.debian:01:A\nInitiatorAlias=x\n"
        assert iscsi.parse_initiator(text) == "iqn.1993-08.org.debian:01:a"
        assert iscsi.parse_initiator("GenerateName=yes\n") is None

    def test_secrets_are_not_read(self, tmp_path):
        """A session whose secrets cannot even be opened is read without a complaint."""
        lies = tmp_path / "sys/devices/platform/host3/session1/iscsi_session/session1"
        lies.mkdir(parents=True)
        (tmp_path / "sys/class/iscsi_session").mkdir(parents=True)
        (tmp_path / "sys/class/iscsi_session/session1").symlink_to(
            "../../devices/platform/host3/session1/iscsi_session/session1"
        )
        put(tmp_path, "/sys/class/iscsi_session/session1/targetname", "IQN.2003-01.org.example:a\n")
        opened = []

        class Watched(Host):
            def read_bytes(self, path):
                opened.append(path)
                return super().read_bytes(path)

        (session,) = iscsi.read_sessions(Watched(str(tmp_path)))
        assert (session.name, session.host, session.target) == ("session1", 3, "iqn.2003-01.org.example:a")
        assert (session.state, session.portal, session.target_id) == ("UNKNOWN", None, None)
        assert not [path for path in opened if "password" in path or "username" in path]


class TestMount:
    def test_what_lies_on_block_devices(self):
        text = (
            "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
            "23 22 0:5 / /proc rw - proc proc rw\n"
            "24 22 253:3 / /srv/with\\040blank rw shared:9 master:1 - xfs /dev/mapper/db01 rw\n"
            "25 22 0:40 /@ /srv/btrfs rw - btrfs /dev/sdb rw\n"
            "broken line\n"
        )
        assert mount.parse_mountinfo(text) == [
            mount.Mount("254:1", "/", "/dev/vda1"),
            mount.Mount("253:3", "/srv/with blank", "/dev/mapper/db01"),
            mount.Mount("0:40", "/srv/btrfs", "/dev/sdb"),
        ]

    def test_swaps(self):
        text = "Filename\t\tType\t\tSize\tUsed\tPriority\n/dev/dm-1 partition 1 0 -2\n/swap\\040file file 1 0 -3\n"
        assert mount.parse_swaps(text) == ["/dev/dm-1", "/swap file"]
        assert mount.parse_swaps("") == []

    def test_every_namespace_once(self, tmp_path):
        for pid, namespace in {"1": "mnt:[1]", "2": "mnt:[1]", "3": "mnt:[3]"}.items():
            (tmp_path / "proc" / pid / "ns").mkdir(parents=True)
            (tmp_path / "proc" / pid / "ns/mnt").symlink_to(namespace)
            put(tmp_path, f"/proc/{pid}/mountinfo", f"24 22 253:{pid} / /of/{pid} rw - xfs /dev/dm-{pid} rw\n")
        put(tmp_path, "/proc/self/mountinfo", "24 22 253:1 / /of/1 rw - xfs /dev/dm-1 rw\n")
        found = mount.read_mounts(Host(str(tmp_path)))
        assert [one.point for one in found.mounts] == ["/of/1", "/of/3"]
        assert found.complete


class TestProc:
    @pytest.mark.parametrize(
        ("arguments", "name"),
        [
            ("qemu\0-name\0guest=db01,debug-threads=on\0-m\x0064\0", "db01"),
            ("qemu\0-name\0db01\0", "db01"),
            ("qemu\0-name\0guest=a,,b,debug-threads=on\0", "a,b"),
            ("qemu\0-m\x0064\0", "qemu"),
            ("", "qemu"),
        ],
    )
    def test_guest_name(self, arguments, name):
        assert proc.guest_name(arguments.encode()) == name
        assert proc.guest_name(None) == "qemu"


class TestLvm:
    PVS = json.dumps(
        {
            "report": [
                {
                    "pv": [
                        {
                            "pv_uuid": "A",
                            "pv_name": "/dev/mapper/db01",
                            "pv_size": "4096",
                            "dev_size": "8192",
                            "vg_name": "vg",
                            "vg_uuid": "V",
                        },
                        {
                            "pv_uuid": "B",
                            "pv_name": "/dev/vdb",
                            "pv_size": "",
                            "dev_size": "1024",
                            "vg_name": "",
                            "vg_uuid": "",
                        },
                    ]
                }
            ],
            "log": [],
        }
    )
    VGS = '{"report": [{"vg": [{"vg_uuid": "V", "vg_name": "vg", "vg_size": "4096", "vg_free": "1024"}]}]}'
    LVS = (
        '{"report": [{"lv": [{"lv_uuid": "L", "lv_name": "lv", "vg_name": "vg", "lv_path": "/dev/vg/lv",'
        ' "lv_size": "3072", "lv_active": "active"}, {"lv_uuid": "M", "lv_name": "pool", "vg_name": "vg",'
        ' "lv_path": "", "lv_size": "1", "lv_active": ""}]}]}'
    )

    def host(self, root, clock=None):
        reports = {"pvs": self.PVS, "vgs": self.VGS, "lvs": self.LVS}
        self.deadlines = []

        def run(argv, deadline, _stdin=None):
            self.deadlines.append(deadline)
            return Completed(tuple(argv), 0, reports[argv[0]], "")

        return Host(str(root), run, clock)

    def test_one_picture(self, tmp_path):
        put(tmp_path, "/sys/block/dm-1/dm/uuid", "mpath-36001\n")
        (tmp_path / "dev/mapper").mkdir(parents=True)
        (tmp_path / "dev/mapper/db01").symlink_to("../dm-1")
        (tmp_path / "sys/class/block").mkdir(parents=True)
        (tmp_path / "sys/class/block/dm-1").symlink_to("../../devices/virtual/block/dm-1")
        told = lvm.read_lvm(self.host(tmp_path), [], 10)
        (group,) = told.vgs
        assert (group.name, group.size, group.free) == ("vg", 4096, 1024)
        assert [(pv.path, pv.size, pv.wwid) for pv in group.pvs] == [("/dev/mapper/db01", 4096, Wwid("36001"))]
        assert [(pv.path, pv.size, pv.vg, pv.wwid) for pv in told.free_pvs] == [("/dev/vdb", 1024, None, None)]
        assert [(lv.name, lv.path, lv.active) for lv in told.lvs] == [("lv", "/dev/vg/lv", True), ("pool", None, False)]

    def test_one_deadline_for_all_tools(self, tmp_path):
        lvm.read_lvm(self.host(tmp_path), [], 10)
        assert len(self.deadlines) == 3
        assert all(0 < deadline <= 10 for deadline in self.deadlines)

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"report": 1}', '{"report": [[]]}'])
    def test_reports_that_are_none(self, text):
        with pytest.raises(CommandError, match="makes no sense"):
            lvm.parse_report(text, "pv")


class TestUsage:
    def test_the_group_of_a_volume_that_came_online(self):
        assert usage.parse_pv_online("8:16\nvg:vg_db\ndev:/dev/sdb\n") == "vg_db"
        assert usage.parse_pv_online("8:16\n") is None
        assert usage.parse_pv_online(None) is None
