# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making what a file or a device holds unreadable, before it goes. Whoever calls sees to the deadline."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Iterator

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, SanError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

BLKDISCARD, BLKZEROOUT = 0x1277, 0x127F
"""ioctls of block devices, linux/fs.h; both take offset and length in bytes."""
PUNCH_HOLE = 0x01 | 0x02
"""FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE."""
PIECE = 128 * 2**20
"""Bytes for one call to the kernel: between two of them the process can be ended."""
CHUNK = 2**20
UNKNOWN = (errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS)


def wipe_file(host: Host, path: str, discard: bool) -> None:
    """Write zeros over all that a file holds, or give its blocks back. Raises SanError, OSError."""
    fd = os.open(host.path(path), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.lseek(fd, 0, os.SEEK_END)
        if discard:
            _punch(fd, size, path)
        else:
            for begin, end in written_parts(fd, size):
                _write_zeros(fd, begin, end)
        os.fsync(fd)
    finally:
        os.close(fd)


def wipe_device(host: Host, path: str, discard: bool, begin: int = 0) -> None:
    """Have a device read as zeros from `begin` on, or discard what is there. Raises InUseError, SanError, OSError."""
    try:
        fd = os.open(host.path(path), os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise InUseError(f"{path} is in use on this host", path=path) from error
        raise
    try:
        size = os.lseek(fd, 0, os.SEEK_END)
        for at in range(begin, size, PIECE):
            fcntl.ioctl(fd, BLKDISCARD if discard else BLKZEROOUT, struct.pack("QQ", at, min(PIECE, size - at)))
        os.fsync(fd)
    except OSError as error:
        if error.errno in UNKNOWN:
            raise SanError(
                f"{path} cannot discard: wipe it with zeros, or if it is thin leave wipe out", path=path
            ) from error
        raise
    finally:
        os.close(fd)


def written_parts(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield beginning and end of all parts of a file that were ever written; all of what cannot tell. OSError."""
    at = 0
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            if error.errno != errno.EINVAL:
                raise
            yield at, size  # a block device
            return
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        yield begin, at


def _write_zeros(fd: int, begin: int, end: int) -> None:
    zeros = bytes(CHUNK)
    while begin < end:
        begin += os.pwrite(fd, zeros[: min(CHUNK, end - begin)], begin)


def _punch(fd: int, size: int, path: str) -> None:
    if not size:
        return
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate64
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if fallocate(fd, PUNCH_HOLE, 0, size) == 0:
        return
    code = ctypes.get_errno()
    if code in UNKNOWN:
        raise SanError(f"{path}: its file system cannot discard: wipe it with zeros", path=path)
    raise OSError(code, os.strerror(code), path)
