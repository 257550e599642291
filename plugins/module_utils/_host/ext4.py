# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has an ext4 mounted, of all hosts that see its device: multiple mount protection, as it is on the device.

A host that mounts such a file system first waits whether anybody else writes to a certain block, then writes its own
name there, again and again, and at last that it is done. Only the kernel's wait tells a host that runs from one that
has crashed; what is read here says who it was.
"""

from __future__ import annotations

import struct
from datetime import datetime, timezone

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.signatures import read_at
from ansible_collections.virt.san.plugins.module_utils._model.contents import Mmp

KIND = "ext4"

SUPERBLOCK, LENGTH = 1024, 1024
"""Bytes."""
MAGIC, FEATURE, WIDE, MMP_MAGIC = 0xEF53, 0x100, 0x80, 0x004D4D50
CLEAN, CHECKED = 0xFF4D4D50, 0xE24D4D50
"""What stands there instead of a count while nobody has it mounted, and while fsck or tune2fs is at work."""


def read_mmp(host: Host, path: str) -> Mmp | None:
    """Return the protection of the ext4 on a device; None for one without it. Raises CommandError."""
    place = parse_superblock(read_at(host, path, SUPERBLOCK, LENGTH), path)
    return None if place is None else parse_mmp(read_at(host, path, place, LENGTH), path)


def parse_superblock(data: bytes, path: str) -> int | None:
    """Return the offset of the block in bytes; None for a file system that has none."""
    require_superblock(data, path)
    if not struct.unpack_from("<I", data, 0x60)[0] & FEATURE:
        return None
    block, size = int(struct.unpack_from("<Q", data, 0x168)[0]), 1024 << int(struct.unpack_from("<I", data, 0x18)[0])
    return block * size


def require_superblock(data: bytes, path: str) -> None:
    """Raise CommandError for what is no superblock."""
    # Blocks are 1 KiB, shifted; none has more than 64 KiB.
    if struct.unpack_from("<H", data, 0x38)[0] != MAGIC or struct.unpack_from("<I", data, 0x18)[0] > 6:
        raise CommandError(f"{path}: the superblock of its ext4 makes no sense", path=path)


def parse_size(data: bytes, path: str) -> int:
    """Return the bytes that the file system takes, as its superblock says. Raises CommandError."""
    require_superblock(data, path)
    wide = struct.unpack_from("<I", data, 0x60)[0] & WIDE
    high = struct.unpack_from("<I", data, 0x150)[0] if wide else 0
    blocks = high << 32 | struct.unpack_from("<I", data, 0x4)[0]
    return int(blocks * (1024 << struct.unpack_from("<I", data, 0x18)[0]))


def parse_mmp(data: bytes, path: str) -> Mmp:
    """Return what the block says. Raises CommandError where it is none."""
    magic, count, seconds = struct.unpack_from("<IIQ", data, 0)
    if magic != MMP_MAGIC:
        raise CommandError(f"{path}: its ext4 has no block that says who has it mounted; e2fsck mends that", path=path)
    if count == CLEAN:
        return Mmp()
    node, device = (_text(data[begin:end]) for begin, end in ((16, 80), (80, 112)))
    doing = f"{node or 'unknown'}, in a check" if count == CHECKED else node or "unknown"
    return Mmp(doing, device or "unknown", datetime.fromtimestamp(seconds, timezone.utc).isoformat())


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "replace")
