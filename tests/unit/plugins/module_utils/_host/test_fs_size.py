# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of its device a file system takes: read from files that stand for devices, as the tools write them."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host import fs_size, mkfs
from ansible_collections.virt.san.plugins.module_utils._host.host import C_LOCALE, Host

DISK, MIB = "/dev/mapper/data", 2**20
UUID = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"


@pytest.fixture
def device(tmp_path: Path) -> Path:
    file = tmp_path / DISK[1:]
    file.parent.mkdir(parents=True)
    file.touch()
    os.truncate(file, 320 * MIB)
    return file


def put(device: Path, at: int, form: str, *values: int | bytes) -> None:
    with device.open("r+b") as stream:
        stream.seek(at)
        stream.write(struct.pack(form, *values))


def size(device: Path, kind: str, mounted_at: str | None = None) -> int:
    return fs_size.read_size(Host(str(device.parents[2])), DISK, kind, mounted_at)


@pytest.mark.parametrize("mounted_at", [None, "/vms"])
@pytest.mark.parametrize(("features", "expected"), [(0x80, (1 << 32 | 5) * 4096), (0, 5 * 4096)])
def test_ext4(device: Path, features: int, expected: int, mounted_at: str | None) -> None:
    """The upper half of the count is there in a wide one alone."""
    for at, form, value in ((0x4, "<I", 5), (0x18, "<I", 2), (0x38, "<H", 0xEF53), (0x60, "<I", features)):
        put(device, 1024 + at, form, value)
    put(device, 1024 + 0x150, "<I", 1)
    assert size(device, "ext4", mounted_at) == expected


def test_xfs(device: Path) -> None:
    put(device, 0, ">4sIQ", b"XFSB", 4096, 7)
    assert size(device, "xfs") == 7 * 4096


def test_an_xfs_that_is_mounted_is_asked(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (device.parents[2] / "vms").mkdir()

    def ioctl(_fd: int, request: int, answer: bytearray) -> int:
        assert (request, len(answer)) == (0x80705864, 112)
        struct.pack_into("=I", answer, 0, 4096)
        struct.pack_into("=Q", answer, 32, 9)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    assert size(device, "xfs", "/vms") == 9 * 4096


@pytest.mark.parametrize("kind", fs_size.KINDS)
def test_what_makes_no_sense(device: Path, kind: str) -> None:
    with pytest.raises(CommandError, match=f"the superblock of its {kind} makes no sense"):
        size(device, kind)
    put(device, 1024 + 0x38, "<H", 0xEF53)
    put(device, 1024 + 0x18, "<I", 2**31)
    with pytest.raises(CommandError, match=f"the superblock of its {kind} makes no sense"):
        size(device, kind)
    os.truncate(device, 8)
    with pytest.raises(CommandError, match=f"reading the size of the {kind} on {DISK}: "):
        size(device, kind)
    device.unlink()
    with pytest.raises(CommandError, match="No such file"):
        size(device, kind)


@pytest.mark.skipif(not os.path.exists("/usr/sbin/mkfs.ext4"), reason="e2fsprogs is not installed")
def test_what_mkfs_writes(device: Path) -> None:
    argv = mkfs.command(str(device), "ext4", UUID, False)
    subprocess.run(argv, check=True, env=C_LOCALE, capture_output=True, timeout=60)
    assert size(device, "ext4") == 320 * MIB
