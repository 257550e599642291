# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying raw content into a volume that is being made. Whoever calls sees to the deadline."""

from __future__ import annotations

import fcntl
import os

from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.wiping import CHUNK, written_parts

FICLONE = 0x40049409
"""ioctl that has a file share the blocks of another one, linux/fs.h; some file systems can."""


def copy_file(host: Host, source: str, target: str, share: bool) -> None:
    """Copy a file or device into a file that is at least as long and reads as zeros; holes stay holes.

    `share`: the two may have blocks in common until one is written to. Raises OSError.
    """
    reader = os.open(host.path(source), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    writer = os.open(host.path(target), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(writer).st_size
        if not share or not _share(reader, writer):
            copy_parts(reader, writer, sparse=True)
        # Sharing blocks makes it as long as its source.
        os.ftruncate(writer, max(size, os.fstat(writer).st_size))
        os.fsync(writer)
    finally:
        os.close(reader)
        os.close(writer)


def copy_to_device(host: Host, source: str, target: str, sparse: bool) -> None:
    """Copy a file or device to the beginning of a device. `sparse`: it reads as zeros now. Raises OSError."""
    reader = os.open(host.path(source), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    writer = os.open(host.path(target), os.O_WRONLY | os.O_EXCL | os.O_CLOEXEC)
    try:
        copy_parts(reader, writer, sparse)
        os.fsync(writer)
    finally:
        os.close(reader)
        os.close(writer)


def _share(reader: int, writer: int) -> bool:
    try:
        fcntl.ioctl(writer, FICLONE, reader)
    except OSError:
        return False  # another file system, or one that cannot
    return True


def copy_parts(reader: int, writer: int, sparse: bool) -> None:
    """Copy what was written, or also the holes between unless `sparse`. Raises OSError."""
    size = os.lseek(reader, 0, os.SEEK_END)
    for begin, end in written_parts(reader, size) if sparse else ((0, size),):
        at = begin
        while at < end:
            data = os.pread(reader, min(CHUNK, end - at), at)
            if not data:
                raise OSError(5, "what is copied has become shorter")
            if not sparse or data.strip(b"\0"):
                write_all(writer, data, at)
            at += len(data)


def write_all(writer: int, data: bytes, at: int) -> None:
    """Write until all is written. Raises OSError."""
    view = memoryview(data)
    while view:
        done = os.pwrite(writer, view, at)
        view, at = view[done:], at + done
