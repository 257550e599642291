# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written on a block device: every signature that libblkid knows, and whether there is anything at all.

Another host may have written to a LUN a moment ago, and this host's caches know nothing of it. So they are dropped
first, and both ends of the device are read past them; then wipefs lists the signatures. Whatever fails on the way means
that it is not known what the device holds. It never means that it is blank.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import json
import mmap
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, InUseError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import children
from ansible_collections.virt.san.plugins.module_utils._host.children import Write
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.block import Path
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Signature

BLKFLSBUF = 0x1261
"""ioctl: write back and forget what is cached of a device (linux/fs.h)."""
END = 2**20
"""Bytes at either end where signatures of disks, volumes and RAIDs are, and where file systems begin."""
BLOCK = 4096
"""Bytes; every device of today takes I/O in multiples of it."""
CHUNK = 65536
"""Bytes at once: a fabric under load takes many small pieces better than few large ones."""
NOTHING = -1

KPARTX = "/sbin/kpartx"
PARTX = ("/usr/bin/partx", "/usr/sbin/partx")
WIPEFS = ("wipefs", "--json", "--no-act", "--output", "OFFSET,LENGTH,TYPE,USAGE,UUID,LABEL")
DEADLINE = 60.0
"""Seconds for reading or blanking one device."""
ROUNDS = 8
"""How often signatures may come to light behind others."""


@dataclass(frozen=True)
class ReadEnds(Write):
    """Forget what is cached of the device at `path`, and read both of its ends."""

    value: str = "read both ends"

    def perform(self, host: Host) -> str:
        """Return the offset of the first byte that is not zero, or NOTHING. Raises OSError."""
        fd = os.open(host.path(self.path), os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        try:
            if stat.S_ISBLK(os.fstat(fd).st_mode):
                fcntl.ioctl(fd, BLKFLSBUF, 0)
            return str(_first_byte(fd))
        finally:
            os.close(fd)


@dataclass(frozen=True)
class ReadAt(Write):
    """Read a piece of the device at `path` past every cache; both numbers are multiples of BLOCK."""

    value: str = "read"
    offset: int = 0
    length: int = BLOCK

    def perform(self, host: Host) -> str:
        """Return the bytes as base64. Raises OSError."""
        fd = os.open(host.path(self.path), os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        try:
            with mmap.mmap(-1, self.length) as buffer:
                if os.preadv(fd, [buffer], self.offset) < self.length:
                    raise OSError(errno.EIO, "short read")
                return base64.b64encode(buffer).decode()
        finally:
            os.close(fd)


@dataclass(frozen=True)
class Blank(Write):
    """Write zeros to both ends of the device at `path`, and over `ranges` (offset, length) within it."""

    value: str = "write zeros"
    ranges: tuple[tuple[int, int], ...] = ()

    def perform(self, host: Host) -> str:
        """Raise OSError: EBUSY where anything on this host has the device mounted, or in a map or a RAID."""
        fd = os.open(host.path(self.path), os.O_RDWR | os.O_DIRECT | os.O_EXCL | os.O_CLOEXEC)
        try:
            size = os.lseek(fd, 0, os.SEEK_END)
            for offset, length in (*_ends(size), *self.ranges):
                _zero(fd, offset, offset + length, size)
            os.fsync(fd)
        finally:
            os.close(fd)
        return ""


def _ends(size: int) -> tuple[tuple[int, int], ...]:
    if size <= 2 * END:
        return ((0, size),)
    last = (size - END) // BLOCK * BLOCK
    return (0, END), (last, size - last)


def _first_byte(fd: int) -> int:
    with mmap.mmap(-1, CHUNK) as buffer:  # O_DIRECT wants it aligned
        for begin, length in _ends(os.lseek(fd, 0, os.SEEK_END)):
            for at in range(begin, begin + length, CHUNK):
                wanted = min(CHUNK, begin + length - at)
                got = os.preadv(fd, [memoryview(buffer)[: -(-wanted // BLOCK) * BLOCK]], at)
                if got < wanted:
                    raise OSError(errno.EIO, "short read")
                rest = buffer[:wanted].lstrip(b"\0")
                if rest:
                    return at + wanted - len(rest)
    return NOTHING


def _zero(fd: int, begin: int, end: int, size: int) -> None:
    """Write zeros from `begin` to `end`, and to the rest of the blocks these are in."""
    at, last = begin // BLOCK * BLOCK, min(-(-end // BLOCK) * BLOCK, size)
    with mmap.mmap(-1, CHUNK) as zeros:
        while at < last:
            length = min(CHUNK, last - at)
            written = os.pwritev(fd, [memoryview(zeros)[:length]], at)
            if written != length:
                raise OSError(errno.EIO, "short write")
            at += length


def read_contents(host: Host, path: str, deadline: float = DEADLINE, mounted: bool = False) -> Contents:
    """Return what is on a device, or why that is not known. `deadline` is seconds for each of two looks.

    `mounted`: this host has it mounted, and knows by its caches what is there: to drop them would write all back.
    """
    try:
        if mounted:
            return Contents(_signatures(host, path, deadline))
        data_at = int(_perform(host, ReadEnds(path), deadline))
        return Contents(_signatures(host, path, deadline), None if data_at == NOTHING else data_at)
    except SanError as error:
        return Contents(problem=error.message)


def read_at(host: Host, path: str, offset: int, length: int, deadline: float = DEADLINE) -> bytes:
    """Return a piece of a device past every cache. Raises CommandError."""
    first = offset // BLOCK * BLOCK
    last = -(-(offset + length) // BLOCK) * BLOCK
    read = base64.b64decode(_perform(host, ReadAt(path, offset=first, length=last - first), deadline))
    return read[offset - first :][:length]


def blank(host: Host, path: str, deadline: float = DEADLINE, ranges: tuple[tuple[int, int], ...] = ()) -> None:
    """Erase every signature on a device, both of its ends, and `ranges`; see that no signature is left.

    Raises InUseError where something on this host uses the device, CommandError where it is not blank after.
    """
    left = _signatures(host, path, deadline)
    for _round in range(ROUNDS):
        found = tuple((one.offset, max(one.length, 1)) for one in left)
        _perform(host, Blank(path, ranges=(*found, *ranges)), deadline)
        left = _signatures(host, path, deadline)
        if not left:
            return
    raise CommandError(
        f"{path}: erased {ROUNDS} times, and there is still {', '.join(map(str, left))}. Something else writes to it",
        path=path,
    )


def _perform(host: Host, write: Write, deadline: float) -> str:
    """Do one thing to a device, in a child. Raises CommandError where it fails, or is not back in time."""
    # The kernel keeps 15 bytes of a process's name: not enough for a WWID.
    job = f"io-{(host.link(write.path) or write.path).rpartition('/')[2]}"
    hung = children.left_behind(host, [job])
    if hung:
        raise CommandError(
            f"{write.path}: process {hung[job]} of an earlier run still waits for this device; its paths do not answer",
            path=write.path,
        )
    result = children.write_all(host, {job: [write]}, deadline)[job]
    if not result.done:
        raise CommandError(f"{write.value}: {write.path} does not answer within {deadline:g} s", path=write.path)
    done = result.done[0]
    if done.errno == errno.EBUSY:
        raise InUseError(f"{write.value}: {write.path} is in use on this host", path=write.path)
    if done.errno:
        raise CommandError(f"{write.value}: {write.path}: {os.strerror(done.errno)}", path=write.path, errno=done.errno)
    return done.answer


def _signatures(host: Host, path: str, deadline: float) -> tuple[Signature, ...]:
    return parse_signatures(host.run([*WIPEFS, path], deadline).stdout, path)


def read_signatures(host: Host, path: str, deadline: float) -> tuple[Signature, ...]:
    """Return what wipefs finds in a file, or on a device as it is cached. Raises CommandError."""
    return _signatures(host, path, deadline)


def parse_signatures(text: str, path: str) -> tuple[Signature, ...]:
    """Return what wipefs lists. Raises CommandError where that makes no sense; no text at all is no signature."""
    if not text.strip():
        return ()  # not every release makes an empty list of nothing
    try:
        return tuple(_signature(row) for row in json.loads(text)["signatures"])
    except (ValueError, KeyError, TypeError) as wrong:
        raise CommandError(f"wipefs on {path} makes no sense: {wrong!r}", path=path) from wrong


def _signature(row: dict[str, Any]) -> Signature:
    return Signature(
        kind=row["type"],
        usage=row.get("usage") or "",
        offset=int(str(row["offset"]), 0),
        length=int(str(row.get("length") or 0), 0),
        uuid=row.get("uuid") or "",
        label=row.get("label") or "",
    )


def forget_partitions(host: Host, path: str, paths: Iterable[Path]) -> None:
    """Remove the partition devices of a map and of its paths, which would hold it. Partitions in use stay.

    What the kernel made of a partition table outlives the table.
    """
    if host.exists(KPARTX) and path.startswith("/dev/mapper/"):
        host.run([KPARTX, "-d", path], DEADLINE, accept=range(256))
    if any(map(host.exists, PARTX)):
        for one in (path, *(f"/dev/{way.device}" for way in paths)):
            host.run(["partx", "--delete", one], DEADLINE, accept=range(256))
