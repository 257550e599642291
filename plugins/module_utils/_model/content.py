# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far into a raw image or a device its content reaches, by what the content says of itself. Pure.

What is behind that may be cut off. Where content does not say, nobody knows, and nothing may be cut off.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

Read = Callable[[int, int], bytes]
"""(offset, length) -> bytes there; fewer at the end. Raises OSError."""

SECTOR = 512
SECTOR_SIZES = (512, 4096)
_MBR = struct.Struct("<B3sB3sII")
_PROTECTIVE = 0xEE


def content_end(read: Read, sectors: tuple[int, ...] = SECTOR_SIZES) -> int | None:
    """Return the byte after the last one that a file system or partition table at the beginning lays claim to.

    `sectors`: sizes that a dos table may count in. None where nothing that is known here is there. Raises OSError.
    """
    start = read(0, 8192)
    for look in (_ext, _xfs):
        end = look(start)
        if end is not None:
            return end
    ends = [end for end in (_gpt(read, size) for size in SECTOR_SIZES) if end is not None]
    return max(ends) if ends else _mbr(read, start, sectors)


def _ext(start: bytes) -> int | None:
    block = start[1024:2048]
    if len(block) < 1024 or block[56:58] != b"\x53\xef":
        return None
    low, log_size = struct.unpack_from("<I", block, 4)[0], struct.unpack_from("<I", block, 24)[0]
    wide = struct.unpack_from("<I", block, 96)[0] & 0x80  # INCOMPAT_64BIT
    high = struct.unpack_from("<I", block, 0x150)[0] if wide else 0
    return int((high << 32 | low) << (10 + min(log_size, 6)))


def _xfs(start: bytes) -> int | None:
    if start[:4] != b"XFSB":
        return None
    size, blocks = struct.unpack_from(">IQ", start, 4)
    return int(size * blocks)


def _gpt(read: Read, sector: int) -> int | None:
    header = read(sector, 92)
    if header[:8] != b"EFI PART" or len(header) < 92:
        return None
    table, count, length = struct.unpack_from("<QII", header, 72)
    ends = [SECTOR]
    if 128 <= length <= 4096 and count <= 1024:
        entries = read(table * sector, count * length)
        for at in range(0, len(entries) - 127, length):
            if entries[at : at + 16].strip(b"\0"):
                ends.append((struct.unpack_from("<Q", entries, at + 40)[0] + 1) * sector)
    backup: int = struct.unpack_from("<Q", header, 32)[0]
    # The copy of the table at the end counts as well: without it the disk is taken for a broken one.
    return max(*ends, (backup + 1) * sector)


def _mbr(read: Read, start: bytes, sectors: tuple[int, ...]) -> int | None:
    if start[510:512] != b"\x55\xaa":
        return None
    ends = []
    for number in range(4):
        flag, _chs, kind, _last, first, count = _MBR.unpack_from(start, 446 + 16 * number)
        if flag not in (0, 0x80):
            return None  # the boot sector of a file system, not a table
        if kind and count and kind != _PROTECTIVE:
            ends.append(first + count)
    if not ends:
        return None
    # The table does not say what size its sectors are of: the largest one with which it lies within the whole.
    end: int = max(ends)
    return max([end * SECTOR, *(end * size for size in sectors if read(end * size - 1, 1))])
