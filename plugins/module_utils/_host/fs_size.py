# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bytes of its device a file system takes: fewer than there are, once the device has grown."""

from __future__ import annotations

import fcntl
import os
import struct

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host import ext4
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

KINDS = (ext4.KIND, "xfs")
DEADLINE = 60.0
"""Seconds."""
XFS_GEOMETRY, XFS_GEOMETRY_LENGTH = 0x80705864, 112
"""ioctl: XFS_IOC_FSGEOMETRY_V1 (xfs_fs.h), the oldest one, which every kernel has; and the length of its answer."""


def read_size(host: Host, path: str, kind: str, mounted_at: str | None = None) -> int:
    """Return the bytes that the file system on a device takes. `mounted_at`: where this host has it mounted.

    Raises CommandError, also where there is no answer in time.
    """
    what = f"reading the size of the {kind} on"
    try:
        return int(guarded(host, path, what, lambda there: _read(there, path, kind, mounted_at), DEADLINE))
    except (OSError, struct.error) as wrong:
        raise CommandError(f"{what} {path}: {wrong}", path=path) from wrong


def _read(host: Host, path: str, kind: str, mounted_at: str | None) -> int:
    if kind == "xfs" and mounted_at is not None:
        # What a mounted one has grown by reaches its device later.
        return parse_geometry(_ask(host.path(mounted_at)))
    # Through the cache: in it an ext4 that is mounted has its superblock, and writes it back when it likes.
    with open(host.path(path), "rb") as device:
        data = device.read(ext4.SUPERBLOCK + ext4.LENGTH)
    return parse_xfs(data, path) if kind == "xfs" else ext4.parse_size(data[ext4.SUPERBLOCK :], path)


def _ask(point: str) -> bytes:
    fd = os.open(point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        answer = bytearray(XFS_GEOMETRY_LENGTH)
        fcntl.ioctl(fd, XFS_GEOMETRY, answer)
        return bytes(answer)
    finally:
        os.close(fd)


def parse_geometry(data: bytes) -> int:
    """Return the size that an xfs which is mounted says it has: blocks of data, and bytes in each."""
    return int(struct.unpack_from("=I", data, 0)[0]) * int(struct.unpack_from("=Q", data, 32)[0])


def parse_xfs(data: bytes, path: str) -> int:
    """Return the size that the superblock of an xfs says, at the beginning of its device. Raises CommandError."""
    magic, block, blocks = struct.unpack_from(">4sIQ", data, 0)
    if magic != b"XFSB":
        raise CommandError(f"{path}: the superblock of its xfs makes no sense", path=path)
    return int(block) * int(blocks)
