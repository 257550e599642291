# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of volumes: made under another name first, so that a run that is killed leaves nothing in the way.

Whoever calls sees to the deadline, and that no two runs on this host work on one volume at once.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import struct

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host.host import TEMPORARY, Host
from ansible_collections.virt.san.plugins.module_utils._host.wiping import CHUNK, written_parts
from ansible_collections.virt.san.plugins.module_utils._model.content import SECTOR, SECTOR_SIZES, Read, content_end

BLKSSZGET = 0x1268
"""ioctl: bytes in a logical sector of a device (linux/fs.h)."""


def temporary_path(host: Host, path: str) -> str:
    """Return where a volume is made: the same place in each run on this host, and on no other host."""
    folder, _slash, name = path.rpartition("/")
    machine = host.read("/etc/machine-id") or host.read("/proc/sys/kernel/hostname") or ""
    return f"{folder}/.{_digest(name)}-{_digest(machine)[:8]}{TEMPORARY}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def discard_leftover(host: Host, path: str) -> None:
    """Remove what a killed run has left of making this volume. Raises OSError.

    Removed, not emptied: it may be a second name of the volume itself by now.
    """
    try:
        os.unlink(host.path(temporary_path(host, path)))
    except FileNotFoundError:
        return


def make_raw(host: Host, path: str, capacity: int, full: bool) -> None:
    """Make a new file of `capacity` bytes, for its owner alone, with all its space if `full`. Raises OSError."""
    fd = os.open(host.path(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, capacity)
        if full:
            os.posix_fallocate(fd, 0, capacity)
    finally:
        os.close(fd)


def identity(host: Host, path: str) -> list[int]:
    """Return by what a file is told from another one of its name. Raises OSError."""
    found = os.lstat(host.path(path))
    return [found.st_dev, found.st_ino]


def require_same(host: Host, path: str, made: list[int]) -> None:
    """Raise RefusedError where a file is not the one that was made. Raises OSError where there is none."""
    if identity(host, path) != made:
        raise RefusedError(f"{path} is not what this run has made: somebody has put another file there", path=path)


def publish(host: Host, made: str, path: str) -> None:
    """Give a file that was made its name. Raises RefusedError where something has that name, OSError."""
    source, target = host.path(made), host.path(path)
    _sync(source)
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        # NFS: the request was carried out, its answer was lost, and it was sent again.
        if not os.path.samefile(source, target):
            raise RefusedError(f"{path} has been made by somebody else meanwhile; run again", path=path) from None
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise SanError(
                f"{path}: its file system cannot give a file a second name (hard links), and without that a volume "
                "could take the place of another one",
                path=path,
            ) from error
        raise
    os.unlink(source)
    _sync(os.path.dirname(target))


def set_permissions(host: Host, path: str, mode: int | None, owner: int | None, group: int | None) -> None:
    """Set what is given, and on a file only, not on what a link leads to. Raises OSError."""
    fd = os.open(host.path(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if owner is not None or group is not None:
            os.fchown(fd, -1 if owner is None else owner, -1 if group is None else group)
        if mode is not None:
            os.fchmod(fd, mode)
    finally:
        os.close(fd)


def resize_raw(host: Host, path: str, capacity: int, full: bool) -> None:
    """Make a file longer or shorter; allocate what is added if `full`. Raises OSError, with the old size restored."""
    fd = os.open(host.path(path), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        was = os.lseek(fd, 0, os.SEEK_END)
        if full and capacity > was:
            try:
                os.posix_fallocate(fd, was, capacity - was)
            except OSError:
                os.ftruncate(fd, was)
                raise
        os.ftruncate(fd, capacity)
        os.fsync(fd)
    finally:
        os.close(fd)


def delete(host: Host, path: str) -> None:
    """Remove a file, and what a killed run has left of making it. Raises OSError."""
    discard_leftover(host, path)
    host.remove_file(path)


def _sync(place: str) -> None:
    fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# How far the content reaches


def read_end(host: Host, path: str) -> int | None:
    """Return how far a file system or partition table at the beginning of a file or device reaches; None: none there.

    Raises OSError.
    """
    fd = os.open(host.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return content_end(_reader(fd), _sector_sizes(fd))
    finally:
        os.close(fd)


def _sector_sizes(fd: int) -> tuple[int, ...]:
    """Return what sectors may be of. QEMU tells guests of 512 bytes unless it is told otherwise, on any device."""
    if not stat.S_ISBLK(os.fstat(fd).st_mode):
        return SECTOR_SIZES
    return SECTOR, struct.unpack("i", fcntl.ioctl(fd, BLKSSZGET, bytes(4)))[0]


def _reader(fd: int) -> Read:
    return lambda offset, length: os.pread(fd, length, offset)


def last_data(host: Host, path: str) -> int:
    """Return the byte after the last one of a file that is not zero. Raises OSError.

    That its file system knows a part as data does not mean that somebody has written there: space that was only
    allocated counts as data as soon as it was read, and is in memory.
    """
    fd = os.open(host.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        for begin, end in reversed(list(written_parts(fd, os.lseek(fd, 0, os.SEEK_END)))):
            while end > begin:
                at = max(begin, end - CHUNK)
                found = os.pread(fd, end - at, at).rstrip(b"\0")
                if found:
                    return at + len(found)
                end = at
        return 0
    finally:
        os.close(fd)
