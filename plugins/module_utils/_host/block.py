# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices as sysfs lists them: names, sizes, partitions, and who lies on whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._host.host import Host

SECTOR = 512
"""Bytes; the unit of every `size` in sysfs, whatever the device's block size."""
VIRTUAL = "/virtual/block/"


class BlockDevice(NamedTuple):
    """A whole disk, a partition or a virtual block device."""

    name: str
    """Kernel name: "sdb", "sdb1", "dm-3"."""
    dev_t: str
    """major:minor."""
    link: str
    """Where it lies in sysfs, relative: "../../devices/pci0000:00/.../block/sdb"."""

    @property
    def folder(self) -> str:
        """Its folder in sysfs, without the links on the way: following them takes the kernel a quarter of a read."""
        return f"/sys/{self.link.rpartition('../')[2]}"

    @property
    def disk(self) -> str | None:
        """For a partition: the disk it is on.

        It has the name of the disk and a number, with a "p" between two digits. A whole disk lies in any folder:
        .../block/sda, .../nvme0/nvme0n1.
        """
        parent = self.link.rsplit("/", 2)[-2]
        begin = f"{parent}p" if parent[-1:].isdigit() else parent
        return parent if self.name.startswith(begin) and self.name[len(begin) :].isdigit() else None

    @property
    def virtual(self) -> bool:
        """Tell whether it may lie on others (dm, md, loop, ...)."""
        return VIRTUAL in self.link


def read_devices(host: Host) -> dict[str, BlockDevice]:
    """Return all block devices by kernel name: one listing, one readlink each, nothing opened."""
    devices = {}
    for dev_t in host.entries("/sys/dev/block"):
        link = host.link(f"/sys/dev/block/{dev_t}")
        if link is not None:
            device = BlockDevice(link.rpartition("/")[2], dev_t, link)
            devices[device.name] = device
    return devices


def partitions_by_disk(devices: Mapping[str, BlockDevice]) -> dict[str, list[str]]:
    """Return the partitions the kernel knows, by the name of their disk."""
    partitions: dict[str, list[str]] = {}
    for device in devices.values():
        disk = device.disk
        if disk is not None:
            partitions.setdefault(disk, []).append(device.name)
    return partitions


def read_holders(host: Host, devices: Mapping[str, BlockDevice]) -> dict[str, list[str]]:
    """Return the devices that lie on each device, by the name of the lower one.

    Only virtual devices lie on others: their `slaves` are listed, instead of the `holders` of every path.
    """
    holders: dict[str, list[str]] = {}
    for device in devices.values():
        if device.virtual:
            for lower in _lower(host, device.name):
                holders.setdefault(lower, []).append(device.name)
    return holders


def _lower(host: Host, name: str) -> list[str]:
    if name.startswith("loop"):
        backing = host.read(f"/sys/block/{name}/loop/backing_file")
        return [backing[5:]] if backing and backing.startswith("/dev/") else []
    return host.entries(f"/sys/block/{name}/slaves")


def foundations(host: Host, name: str) -> frozenset[str]:
    """Return a device and all that it lies on: its disk if it is a partition, and what is below dm and md devices."""
    found, pending = {name}, [name]
    while pending:
        one = pending.pop()
        link = host.link(f"/sys/class/block/{one}")
        disk = BlockDevice(one, "", link).disk if link is not None else None
        below = {disk} if disk is not None else set(_lower(host, one))
        pending += below - found
        found |= below
    return frozenset(found)


def read_size(host: Host, folder: str) -> int:
    """Return a disk's size in bytes, by its folder in sysfs; 0 when it is gone or not known yet."""
    return parse_sectors(host.read(f"{folder}/size"))


def parse_sectors(text: str | None) -> int:
    """Return bytes for an attribute that counts sectors."""
    return int(text) * SECTOR if text and text.isdigit() else 0


def read_block_sizes(host: Host, name: str) -> tuple[int, int]:
    """Return logical and physical block size of a disk in bytes; 0 when it is gone."""
    queue = f"/sys/block/{name}/queue"
    logical = host.read(f"{queue}/logical_block_size")
    physical = host.read(f"{queue}/physical_block_size")
    return int(logical or 0), int(physical or 0)


def kernel_name(host: Host, name: str) -> str | None:
    """Return the kernel name of the disk that a person calls `name`; None when there is none.

    Understood: kernel names, dm names, any path under /dev, names under /dev/disk/by-id.
    Of a partition it is the disk.
    """
    for place in ("",) if name.startswith("/") else ("/dev/", "/dev/mapper/", "/dev/disk/by-id/"):
        target = host.link(place + name)
        found = (target or place + name).rpartition("/")[2]
        lies = host.link(f"/sys/class/block/{found}")
        if lies is not None:
            return BlockDevice(found, "", lies).disk or found
    return None


def existing_name(host: Host, name: str) -> str:
    """Return the kernel name of the disk that a person calls `name`; ValueError when there is none."""
    found = kernel_name(host, name)
    if found is None:
        raise ValueError(f"this host has no block device {name}")
    return found
