# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which block devices lie on another machine: by how the kernel has them, whatever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._host.bare import read_bare
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

PCI = "devices/pci0000:00/0000:00:1d.0/0000:02:00.0/nvme/nvme0/nvme0n1"
FABRICS = "devices/virtual/nvme-fabrics/ctl/nvme1/nvme1n1"
TOGETHER = "devices/virtual/nvme-subsystem/nvme-subsys2/nvme2n1"
VIRTUAL = "devices/virtual/block"


class Machine(Host):
    def __init__(self, root: Path) -> None:
        self.top, self.count = root, 0
        (root / "sys/dev/block").mkdir(parents=True)
        super().__init__(str(root))

    def put(self, path: str, text: str) -> None:
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    def device(self, place: str, uuid: str = "", on: tuple[str, ...] = ()) -> str:
        name = place.rpartition("/")[2]
        self.count += 1
        (self.top / f"sys/dev/block/259:{self.count}").symlink_to(f"../../{place}")
        self.put(f"sys/class/block/{name}/size", "8")
        for lower in on:
            (self.top / f"sys/block/{name}/slaves/{lower}").mkdir(parents=True)
        if uuid:
            self.put(f"sys/block/{name}/dm/uuid", uuid)
            self.put(f"sys/block/{name}/dm/name", f"name of {name}")
        return name

    def controller(self, name: str, transport: str, subsystem: str = "") -> None:
        self.put(f"sys/class/nvme/{name}/transport", transport)
        if subsystem:
            (self.top / f"sys/class/nvme-subsystem/{subsystem}/{name}").mkdir(parents=True)

    def is_remote(self, name: str) -> bool:
        return read_bare(self, [name])[name].remote


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("transport", ["tcp", "rdma", "fc", "loop"])
@pytest.mark.parametrize("place", [FABRICS, TOGETHER])
def test_nvme_over_fabrics(machine: Machine, place: str, transport: str) -> None:
    machine.controller("nvme1", transport)
    machine.controller("nvme2", transport, "nvme-subsys2")
    name = machine.device(place)
    assert machine.is_remote(name)
    assert machine.is_remote(machine.device(f"{place}/{name}p1"))


def test_nvme_of_the_host(machine: Machine) -> None:
    """Also one with two ports, which the kernel takes for one that may have several paths."""
    machine.controller("nvme0", "pcie")
    machine.controller("nvme2", "pcie", "nvme-subsys2")
    machine.put("sys/class/nvme-subsystem/nvme-subsys2/nvme2n1/size", "8")
    name = machine.device(PCI)
    assert not machine.is_remote(name)
    assert not machine.is_remote(machine.device(f"{PCI}/{name}p1"))
    assert not machine.is_remote(machine.device(TOGETHER))


def test_nvme_of_which_nothing_is_known(machine: Machine) -> None:
    assert machine.is_remote(machine.device(TOGETHER)), "all paths are gone"
    assert machine.is_remote(machine.device(FABRICS))
    assert machine.is_remote(machine.device(f"{VIRTUAL}/nvme7n1"))


@pytest.mark.parametrize("name", ["nbd0", "rbd3", "drbd1", "rnbd0", "etherd!e0.1", "scinia"])
def test_network_block_drivers(machine: Machine, name: str) -> None:
    assert machine.is_remote(machine.device(f"{VIRTUAL}/{name}"))
    assert machine.is_remote(machine.device(f"{VIRTUAL}/{name}/{name}p1"))


@pytest.mark.parametrize("place", ["devices/pci0/virtio1/block/vdb", f"{VIRTUAL}/loop0", f"{VIRTUAL}/zram0"])
def test_disks_of_the_host(machine: Machine, place: str) -> None:
    assert not machine.is_remote(machine.device(place))


def test_what_lies_on_them(machine: Machine) -> None:
    """The map of several paths, its partitions, what is encrypted. A volume of LVM is its group's owner's."""
    machine.controller("nvme1", "tcp")
    lower = machine.device(FABRICS)
    own = machine.device("devices/pci0/virtio1/block/vdb")
    over = machine.device(f"{VIRTUAL}/dm-0", "mpath-eui.0025", (lower,))
    assert machine.is_remote(over)
    assert machine.is_remote(machine.device(f"{VIRTUAL}/dm-1", "part1-mpath-eui.0025", (over,)))
    assert machine.is_remote(machine.device(f"{VIRTUAL}/dm-2", "CRYPT-LUKS2-1-x", (own, over)))
    assert machine.is_remote(machine.device(f"{VIRTUAL}/md0", on=(lower,)))
    assert not machine.is_remote(machine.device(f"{VIRTUAL}/dm-3", "LVM-1", (lower,)))
    assert not machine.is_remote(machine.device(f"{VIRTUAL}/dm-4", "CRYPT-LUKS2-2-x", (own,)))
