# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partitions as the kernel has them, and how it learns of them and forgets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, InUseError
from ansible_collections.virt.san.plugins.module_utils._host import partition_nodes
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock, Completed, Host
from ansible_collections.virt.san.plugins.module_utils._host.partition_nodes import (
    Node,
    make_node,
    parse_starts,
    read_nodes,
    remove_node,
)
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Partition

MIB = 2**20
WWID = "36001405ad677bde373542cc8e3d04fba"
BY_ID = f"/dev/disk/by-id/dm-uuid-part1-mpath-{WWID}"
PART = Partition("", MIB, 4 * MIB, "83", 1)
TABLE = """\
vg-root: 0 16384 linear 8:3 2048
vg-root: 16384 16384 linear 8:3 40960
lun 1-part1: 0 8192 linear 253:0 2048
"""
RULE = 'LABEL="run_kpartx"\nRUN+="/usr/sbin/kpartx -un -p -part /dev/$name"\n'


class Machine(Host):
    """A host whose clock does not wait, with tools that note what they are asked."""

    def __init__(self, root: Path, does: Callable[[list[str]], str | None] = lambda _argv: None) -> None:
        self.top, self.now, self.ran = root, 0.0, []
        self.does = does

        def run(argv, _deadline, _stdin):
            if argv[0] == "dmsetup" and argv[1] == "table":
                return Completed(tuple(argv), 0, TABLE, "")
            self.ran.append(" ".join(argv))
            said = self.does(list(argv))
            return Completed(tuple(argv), 1 if said else 0, "", said or "")

        super().__init__(str(root), run, Clock(lambda: self.now, self._sleep))

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def put(self, path: str, text: str) -> None:
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).write_text(text)

    def put_map(self, dm: str, name: str, uuid: str, size: int) -> None:
        self.put(f"sys/class/block/{dm}/dm/name", f"{name}\n")
        self.put(f"sys/class/block/{dm}/dm/uuid", f"{uuid}\n")
        self.put(f"sys/class/block/{dm}/size", f"{size // 512}\n")


@pytest.fixture
def host(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    found.put_map("dm-0", "lun 1", f"mpath-{WWID}", 64 * MIB)
    return found


def test_of_a_disk(host: Machine) -> None:
    for name, value in (("partition", "3"), ("size", "8192"), ("start", "2048")):
        host.put(f"sys/class/block/nvme0n1/nvme0n1p3/{name}", f"{value}\n")
    host.put("sys/class/block/nvme0n1/size", "131072\n")
    assert read_nodes(host, "nvme0n1") == {3: Node("nvme0n1p3", 4 * MIB, MIB)}
    assert read_nodes(host, "sdz") == {}


def test_of_a_map(host: Machine) -> None:
    assert read_nodes(host, "dm-0") == {}
    host.put_map("dm-1", "lun 1-part1", f"part1-mpath-{WWID}", 4 * MIB)
    host.put_map("dm-2", "another1", f"part1-mpath-{WWID[:-1]}b", 4 * MIB)
    host.put_map("dm-3", "vg-root", "LVM-x", 4 * MIB)
    host.put_map("dm-4", "odd", f"party-mpath-{WWID}", 4 * MIB)
    found = read_nodes(host, "dm-0")
    assert found == {1: Node("dm-1", 4 * MIB, MIB, "lun 1-part1")}
    assert found[1].is_of(PART)
    assert not found[1].is_of(Partition("", 2 * MIB, 4 * MIB, "83", 1))
    assert Node("dm-1", 4 * MIB).is_of(PART), "where it begins is not always known"


def test_where_maps_begin() -> None:
    assert parse_starts(TABLE) == {"vg-root": MIB, "lun 1-part1": MIB}
    assert parse_starts("No devices found\n") == {}


class TestMaking:
    def test_as_udev_calls_it(self, host: Machine) -> None:
        def make(argv: list[str]) -> None:
            host.put_map("dm-1", f"lun 1{argv[-2]}1", f"part1-mpath-{WWID}", 4 * MIB)
            host.put(BY_ID[1:], "")

        host.does = make
        host.put("usr/lib/udev/rules.d/60-kpartx.rules", RULE)
        make_node(host, "/dev/mapper/lun 1", "dm-0", PART, BY_ID)
        assert host.ran == ["/sbin/kpartx -a -s -p -part /dev/mapper/lun 1"]

    @pytest.mark.parametrize(
        ("rule", "sibling", "words"),
        [
            (None, None, ["-p", "-part"]),
            (RULE.replace("-p -part ", ""), None, []),
            (RULE, "lun 12", ["-p", ""]),
            (RULE, "lun 1p2", ["-p", "p"]),
            (RULE.replace("-part", "_part"), None, ["-p", "_part"]),
        ],
    )
    def test_what_is_there_is_not_renamed(
        self, host: Machine, rule: str | None, sibling: str | None, words: list[str]
    ) -> None:
        asked = []
        host.does = asked.append
        if rule:
            host.put("usr/lib/udev/rules.d/68-kpartx.rules", rule)
        if sibling:
            host.put_map("dm-2", sibling, f"part2-mpath-{WWID}", MIB)
        with pytest.raises(CommandError):
            make_node(host, "/dev/mapper/lun 1", "dm-0", PART, BY_ID)
        assert asked == [["/sbin/kpartx", "-a", "-s", *words, "/dev/mapper/lun 1"]]

    def test_what_does_not_come(self, host: Machine) -> None:
        host.does = lambda _argv: "kpartx: out of order\n"
        told = f"{BY_ID} has not become partition 1 of /dev/mapper/lun within 30 s: /sbin/kpartx says kpartx: out of"
        with pytest.raises(CommandError, match=told):
            make_node(host, "/dev/mapper/lun", "dm-0", PART, BY_ID)
        assert host.now >= 30


class TestRemoving:
    def test_also_on_the_paths(self, host: Machine) -> None:
        def forget(argv: list[str]) -> None:
            gone = "dm-1" if argv[0] == "dmsetup" else "sda/sda1"
            for file in sorted((host.top / f"sys/class/block/{gone}").rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()

        host.does = forget
        host.put_map("dm-1", "lun 1-part1", f"part1-mpath-{WWID}", 4 * MIB)
        host.put("sys/class/block/sda/sda1/partition", "1\n")
        host.put("sys/class/block/sdb/sdb2/partition", "2\n")
        remove_node(host, "dm-0", 1, ("sda", "sdb"))
        remove_node(host, "dm-0", 1, ("sda", "sdb"))
        assert host.ran == ["partx --delete --nr 1 /dev/sda", "dmsetup remove --retry lun 1-part1"]

    def test_one_in_use(self, host: Machine) -> None:
        host.does = lambda _argv: "remove ioctl on lun 1-part1 failed: Device or resource busy"
        host.put_map("dm-1", "lun 1-part1", f"part1-mpath-{WWID}", 4 * MIB)
        with pytest.raises(InUseError, match="partition 1 of dm-0 is in use on this host: remove ioctl"):
            remove_node(host, "dm-0", 1)
        assert len(host.ran) > 2
        assert partition_nodes.DEADLINE <= host.now < partition_nodes.DEADLINE + 2

    def test_one_that_has_moved(self, host: Machine) -> None:
        """Another host has made a partition anew elsewhere: the device of the old one is not moved below its user."""
        host.does = lambda _argv: "busy"
        host.put_map("dm-1", "lun 1-part1", f"part1-mpath-{WWID}", 4 * MIB)
        with pytest.raises(InUseError, match="is in use on this host: busy"):
            make_node(host, "/dev/mapper/lun 1", "dm-0", Partition("", 8 * MIB, 4 * MIB, "83", 1), BY_ID)
        assert all(line.startswith("dmsetup remove") for line in host.ran)
