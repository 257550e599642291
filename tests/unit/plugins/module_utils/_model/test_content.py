# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far content reaches: file systems and partition tables, real ones where the tools are at hand."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._model.content import content_end

MIB = 2**20


def end_of(data: bytes) -> int | None:
    return content_end(lambda offset, length: data[offset : offset + length])


def ext(blocks: int, log_size: int, high: int | None = None) -> bytes:
    block = bytearray(1024)
    struct.pack_into("<I", block, 4, blocks)
    struct.pack_into("<I", block, 24, log_size)
    block[56:58] = b"\x53\xef"
    if high is not None:
        struct.pack_into("<I", block, 96, 0x80)
        struct.pack_into("<I", block, 0x150, high)
    return bytes(1024) + bytes(block)


def mbr(*partitions: tuple[int, int, int], flag: int = 0) -> bytes:
    sector = bytearray(512)
    for number, (kind, first, count) in enumerate(partitions):
        struct.pack_into("<B3sB3sII", sector, 446 + 16 * number, flag, b"", kind, b"", first, count)
    sector[510:] = b"\x55\xaa"
    return bytes(sector)


def gpt(*lasts: int, backup: int = 0, sector: int = 512) -> bytes:
    header = bytearray(sector)
    header[:8] = b"EFI PART"
    struct.pack_into("<Q", header, 32, backup)
    struct.pack_into("<QII", header, 72, 2, 8, 128)
    entries = b"".join(b"\1" * 32 + struct.pack("<QQ", 34, last) + bytes(80) for last in lasts).ljust(1024, b"\0")
    return mbr((0xEE, 1, 0xFFFFFFFF)).ljust(sector, b"\0") + bytes(header) + entries


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", None),
        (bytes(MIB), None),
        (ext(1000, 2), 1000 * 4096),
        (ext(0, 2, high=1), 2**32 * 4096),
        (b"XFSB" + struct.pack(">IQ", 4096, 512), 512 * 4096),
        (mbr((0x83, 2048, 100), (0x8E, 4096, 200)), 4296 * 512),
        (mbr(), None),
        (mbr((0x83, 1, 1), flag=7), None),
        (gpt(99, 49), 100 * 512),
        (gpt(99, backup=999), 1000 * 512),
        (gpt(9, sector=4096), 10 * 4096),
    ],
)
def test_where_it_ends(data: bytes, end: int | None) -> None:
    assert end_of(data) == end


class TestDosTablesCountInSectors:
    """They do not say of which size. What reaches beyond the end cannot be it."""

    TABLE = mbr((0x83, 8, 8))

    @pytest.mark.parametrize(
        ("size", "sectors", "end"),
        [
            (MIB, (512, 4096), 16 * 4096),
            (16 * 4096, (512, 4096), 16 * 4096),
            (16 * 4096 - 1, (512, 4096), 16 * 512),
            (MIB, (512,), 16 * 512),
            (4096, (512,), 16 * 512),
        ],
    )
    def test_the_larger_one_that_fits(self, size: int, sectors: tuple[int, ...], end: int) -> None:
        data = self.TABLE.ljust(size, b"\0")
        assert content_end(lambda offset, length: data[offset : offset + length], sectors) == end


@given(
    st.binary(max_size=3000),
    st.sampled_from([b"", ext(1, 0)[:1500], gpt(3)[:900], mbr((1, 2, 3)), b"XFSB" + bytes(40)]),
)
def test_whatever_is_there_is_read(noise: bytes, start: bytes) -> None:
    end = end_of(start + noise)
    assert end is None or end >= 0


@pytest.mark.skipif(not shutil.which("mkfs.ext4", path="/sbin:/usr/sbin:/bin:/usr/bin"), reason="no mkfs.ext4")
@pytest.mark.parametrize("size", [MIB, 9 * MIB + 512])
def test_a_real_file_system(tmp_path: Path, size: int) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(size))
    make = shutil.which("mkfs.ext4", path="/sbin:/usr/sbin:/bin:/usr/bin")
    subprocess.run([str(make), "-q", "-F", "-O", "64bit", str(image)], check=True, capture_output=True)
    end = end_of(image.read_bytes())
    assert end is not None
    assert size - 4096 <= end <= size
