# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has an ext4 mounted: read from a file that stands for a device, as mkfs.ext4 and the kernel write it."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host import mkfs
from ansible_collections.virt.san.plugins.module_utils._host.ext4 import CHECKED, CLEAN, MMP_MAGIC, read_mmp
from ansible_collections.virt.san.plugins.module_utils._host.host import C_LOCALE, Host
from ansible_collections.virt.san.plugins.module_utils._model.contents import Mmp

DISK = "/dev/mapper/data"
MIB, BLOCK, PLACE = 2**20, 4096, 77


class Device:
    def __init__(self, root: Path) -> None:
        self.file = root / DISK[1:]
        self.file.parent.mkdir(parents=True)
        self.file.touch()
        os.truncate(self.file, 8 * MIB)
        self.host = Host(str(root))
        self.superblock()

    def superblock(self, magic: int = 0xEF53, features: int = 0x3C2) -> None:
        data = bytearray(1024)
        struct.pack_into("<I", data, 0x18, 2)
        struct.pack_into("<H", data, 0x38, magic)
        struct.pack_into("<I", data, 0x60, features)
        struct.pack_into("<Q", data, 0x168, PLACE)
        self.write(1024, bytes(data))

    def mmp(self, count: int, magic: int = MMP_MAGIC, node: bytes = b"kvm1") -> None:
        self.write(PLACE * BLOCK, struct.pack("<IIQ64s32sH", magic, count, 1767323045, node, b"dm-3", 5))

    def write(self, at: int, data: bytes) -> None:
        with self.file.open("r+b") as stream:
            stream.seek(at)
            stream.write(data)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_nobody(device: Device) -> None:
    device.mmp(CLEAN)
    assert read_mmp(device.host, DISK) == Mmp()


def test_a_host_has_it(device: Device) -> None:
    device.mmp(0x1234)
    found = read_mmp(device.host, DISK)
    assert found == Mmp("kvm1", "dm-3", "2026-01-02T03:04:05+00:00")
    assert str(found) == "host kvm1 (as dm-3), which said so last at 2026-01-02T03:04:05+00:00"
    device.mmp(0x1234, node=b"")
    assert read_mmp(device.host, DISK) == Mmp("unknown", "dm-3", "2026-01-02T03:04:05+00:00")


def test_a_host_checks_it(device: Device) -> None:
    device.mmp(CHECKED)
    found = read_mmp(device.host, DISK)
    assert found is not None
    assert found.holder == "kvm1, in a check"


def test_without_protection(device: Device) -> None:
    device.superblock(features=0x2C2)
    assert read_mmp(device.host, DISK) is None


def test_what_makes_no_sense(device: Device) -> None:
    device.mmp(1, magic=7)
    with pytest.raises(CommandError, match="e2fsck mends that"):
        read_mmp(device.host, DISK)
    device.superblock(magic=7)
    with pytest.raises(CommandError, match="makes no sense"):
        read_mmp(device.host, DISK)


@pytest.mark.skipif(not os.path.exists("/usr/sbin/mkfs.ext4"), reason="e2fsprogs is not installed")
def test_what_mkfs_writes(device: Device) -> None:
    def make(mmp: bool) -> None:
        argv = mkfs.command(str(device.file), "ext4", "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f", mmp)
        subprocess.run(argv, check=True, env=C_LOCALE, capture_output=True, timeout=30)

    device.write(0, bytes(8 * MIB))
    make(mmp=True)
    assert read_mmp(device.host, DISK) == Mmp()
    device.write(0, bytes(8 * MIB))
    make(mmp=False)
    assert read_mmp(device.host, DISK) is None
