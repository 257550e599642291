# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images in a folder, by their headers. Whoever calls sees to the deadline: the folder may be on a file server.

No program is started: a thousand images are read as quickly as a thousand files are opened.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._host.host import GONE, TEMPORARY, Host

MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQIIQ")
_V2_LENGTH = 72
_V3_LENGTH = 104
_EXTERNAL_DATA = 1 << 2
"""Among the incompatible features, which follow what version 2 has."""
_LONGEST_BACKING = 1023
_BACKING_FORMAT = 0xE2792ACA
_DATA_FILE = 0x44415441
DATA_ELSEWHERE = "its data is in another file (data_file), and such images are left to whoever has made them"
FIRST = 512
"""Bytes that are read of every file."""
MORE = 65536
"""Bytes that are read of one whose header goes on."""

_FLOCK = struct.Struct("hhqqi4x")
"""struct flock of 64-bit Linux."""


class Header(NamedTuple):
    """What the header of a qcow2 image says."""

    capacity: int
    backing: str | None = None
    backing_format: str | None = None
    data_file: str | None = None
    """Where its data is, if that is another file; empty if it does not say which."""


class Image(NamedTuple):
    """A file in a folder of images. Something else has no format."""

    name: str
    path: str
    kind: str
    """file, folder, link or device."""
    format: str = ""
    capacity: int = 0
    """Bytes that its user sees."""
    allocation: int = 0
    """Bytes that it takes."""
    mode: int = 0
    owner: int = 0
    group: int = 0
    backing: str | None = None
    """Absolute path, or what it is if it is no path."""
    backing_format: str | None = None
    problem: str | None = None
    device: str = ""
    """major:minor of its file system."""
    inode: int = 0
    length: int = 0
    """Bytes of the file itself."""
    modified: int = 0
    """When it was last written to, by its file system's clock (nanoseconds)."""
    data_file: str | None = None
    """As the backing; empty if it has one and does not say which."""

    @property
    def is_unclear(self) -> bool:
        """Tell whether nobody knows what it reads from."""
        return self.data_file == "" or (self.problem is not None and not self.format and self.length >= _V2_LENGTH)


class Readers(NamedTuple):
    """The images in a folder that read from a file or device."""

    paths: list[str]
    unclear: dict[str, str]
    """Those of which it is not known, with why."""


def format_of(data: bytes) -> str:
    """Return the format of what begins with these bytes."""
    return "qcow2" if data[:4] == MAGIC else "raw"


def parse_qcow2(data: bytes) -> Header | None:
    """Return what the beginning of a file says if it is qcow2; None if it is not. Raises ValueError for one spoilt."""
    if data[:4] != MAGIC:
        return None
    if len(data) < _V2_LENGTH:
        raise ValueError("its qcow2 header ends early")
    _magic, version, backing_at, backing_length, cluster_bits, capacity = _HEADER.unpack_from(data)
    if version not in (2, 3):
        raise ValueError(f"it is qcow version {version}; 2 and 3 are known")
    if not 9 <= cluster_bits <= 21:
        raise ValueError(f"its qcow2 header makes no sense: clusters of 2^{cluster_bits} bytes")
    length, external = _V2_LENGTH, False
    if version == 3 and len(data) >= _V3_LENGTH:
        length = struct.unpack_from(">I", data, 100)[0]
        external = bool(struct.unpack_from(">Q", data, _V2_LENGTH)[0] & _EXTERNAL_DATA)
    told = _extensions(data, length, backing_at or 1 << cluster_bits)
    data_file = told.get(_DATA_FILE, "") if external else None
    if not backing_at:
        return Header(capacity, data_file=data_file)
    backing = data[backing_at : backing_at + backing_length]
    if not 0 < backing_length <= _LONGEST_BACKING or len(backing) < backing_length:
        raise ValueError("its qcow2 header makes no sense: the name of its backing file is not where it should be")
    return Header(capacity, backing.decode("utf-8", "replace"), told.get(_BACKING_FORMAT), data_file)


def _extensions(data: bytes, at: int, end: int) -> dict[int, str]:
    """Return the names in the extensions of a header, which lie between it and that of the backing file."""
    told: dict[int, str] = {}
    while at + 8 <= min(end, len(data)):
        kind, length = struct.unpack_from(">II", data, at)
        if kind == 0:
            break
        if kind in (_BACKING_FORMAT, _DATA_FILE):
            told[kind] = data[at + 8 : at + 8 + length].decode("utf-8", "replace")
        at += 8 + -(-length // 8) * 8
    return told


def read_image(host: Host, folder: str, name: str) -> Image | None:
    """Return what goes by a name in a folder; None where nothing does. Raises OSError."""
    return _read(host, folder, name)


def read_at(host: Host, path: str) -> Image | None:
    """Return the image at a path, links followed; None where there is nothing. Raises OSError."""
    folder, _slash, name = path.rpartition("/")
    found = _read(host, folder or "/", name, follow=True)
    return None if found is None else found._replace(path=path)


def list_images(host: Host, folder: str) -> list[Image]:
    """Return all files in a folder that are nobody's half-made ones, sorted by name. Raises OSError."""
    try:
        names = sorted(os.listdir(host.path(folder)))
    except OSError as error:
        if error.errno in GONE:
            return []
        raise
    found = (_read(host, folder, name) for name in names if _is_shown(name))
    return [image for image in found if image is not None and image.kind == "file"]


def _is_shown(name: str) -> bool:
    return not (name.startswith(".") and name.endswith(TEMPORARY)) and name.isprintable()


def _read(host: Host, folder: str, name: str, follow: bool = False) -> Image | None:
    path = f"{folder.rstrip('/')}/{name}"
    place = host.path(path)
    try:
        found = os.stat(place, follow_symlinks=follow)
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    if stat.S_ISBLK(found.st_mode) and follow:
        return _read_file(place, Image(name, path, "device", mode=stat.S_IMODE(found.st_mode)), follow)
    if not stat.S_ISREG(found.st_mode):
        kinds = {stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
        return Image(name, path, kinds.get(stat.S_IFMT(found.st_mode), "device"))
    known = Image(
        name,
        path,
        "file",
        allocation=found.st_blocks * 512,
        mode=stat.S_IMODE(found.st_mode),
        owner=found.st_uid,
        group=found.st_gid,
        device=f"{os.major(found.st_dev)}:{os.minor(found.st_dev)}",
        inode=found.st_ino,
        length=found.st_size,
        modified=found.st_mtime_ns,
    )
    try:
        return _read_file(place, known, follow)
    except OSError as error:
        if error.errno in GONE:
            return None
        return known._replace(problem=f"it cannot be read: {os.strerror(error.errno or errno.EIO)}")


def _read_file(place: str, known: Image, follow: bool) -> Image:
    # Whoever swaps it for a pipe meanwhile does not make anybody wait, nor does a link lead anywhere.
    fd = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    try:
        data = os.pread(fd, FIRST, 0)
        size = os.lseek(fd, 0, os.SEEK_END)
        if data[:4] == MAGIC:
            data = os.pread(fd, MORE, 0)
    finally:
        os.close(fd)
    known = known._replace(length=size)
    try:
        header = parse_qcow2(data)
    except ValueError as wrong:
        return known._replace(format="qcow2", capacity=size, problem=str(wrong))
    if header is None:
        return known._replace(format="raw", capacity=size)
    folder = os.path.dirname(known.path)
    return known._replace(
        format="qcow2",
        capacity=header.capacity,
        backing=_absolute(header.backing, folder),
        backing_format=header.backing_format,
        problem=None if header.data_file is None else DATA_ELSEWHERE,
        data_file=_absolute(header.data_file, folder) if header.data_file else header.data_file,
    )


def _absolute(backing: str | None, folder: str) -> str | None:
    """Return a backing file's path as QEMU resolves it; what is no path (nbd://..., json:...) stays as it is."""
    if backing is None or ":" in backing.partition("/")[0]:
        return backing
    return os.path.normpath(backing if backing.startswith("/") else f"{folder}/{backing}")


# Who uses an image, as far as its file system knows.


WRITES = 101
"""The byte of an image that QEMU locks while it may write to it (block/file-posix.c)."""


def is_locked(host: Host, path: str, writing: bool = False) -> bool:
    """Tell whether somebody has locked an image, as QEMU does with those it has open, on NFS also on other hosts.

    `writing`: only those count that may write to it. Raises OSError.
    """
    fd = os.open(host.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        begin, length = (WRITES, 1) if writing else (0, 0)
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, begin, length, 0)
        told = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked)
        return bool(_FLOCK.unpack(told)[0] != fcntl.F_UNLCK)
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.EINVAL, errno.EOPNOTSUPP):
            return False  # a file system without locks
        raise
    finally:
        os.close(fd)


def read_from(host: Host, folder: str, path: str) -> Readers:
    """Return the images in a folder whose backing, or whose data, is at this path. Raises OSError."""
    real = os.path.realpath(host.path(path))

    def is_it(other: str) -> bool:
        return other == path or os.path.realpath(host.path(other)) == real

    readers = Readers([], {})
    for image in list_images(host, folder):
        named = [one for one in (image.backing, image.data_file) if one]
        if image.path != path and any(is_it(one) for one in named):
            readers.paths.append(image.path)
        elif image.is_unclear and not is_it(image.path):
            readers.unclear[image.path] = image.problem or ""
    return readers
