# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of files and devices, compared and carried over. Whoever calls sees to the deadline."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._host.copying import copy_parts, write_all
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.image_files import (
    identity,
    require_same,
    temporary_path,
)
from ansible_collections.virt.san.plugins.module_utils._host.images import format_of
from ansible_collections.virt.san.plugins.module_utils._host.wiping import CHUNK


class Compared(NamedTuple):
    """A file or device, and whether another one holds the same."""

    size: int
    """Bytes."""
    checksum: str
    """sha256:..., of all of it."""
    same: bool
    form: str = "raw"
    """What its first bytes say that it is."""


def compare(host: Host, source: str, target: str | None, whole: bool) -> Compared:
    """Read all of a source, and tell whether a target begins with the same, or if `whole` is the same. Raises OSError.

    A target that is not there is another.
    """
    reader = _open(host, source)
    try:
        other = None if target is None else _open(host, target)
    except FileNotFoundError:
        other = None
    try:
        checksum, size, same, form = hashlib.sha256(), 0, other is not None, "raw"
        while True:
            data = os.pread(reader, CHUNK, size)
            if not data:
                break
            form = form if size else format_of(data)
            checksum.update(data)
            same = same and other is not None and os.pread(other, len(data), size) == data
            size += len(data)
        if whole and other is not None:
            same = same and os.lseek(other, 0, os.SEEK_END) == size
        return Compared(size, f"sha256:{checksum.hexdigest()}", same, form)
    finally:
        os.close(reader)
        if other is not None:
            os.close(other)


def kind_of(host: Host, path: str) -> str:
    """Return what is at a path, links followed: "file", "device", "other", or "" for nothing. Raises OSError."""
    try:
        mode = os.stat(host.path(path)).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return "file" if stat.S_ISREG(mode) else "device" if stat.S_ISBLK(mode) else "other"


def upload(host: Host, source: str, target: str) -> None:
    """Write to the beginning of a file or device what differs there from a source. Raises OSError."""
    reader = _open(host, source)
    try:
        # A device must not be mounted, or under another one.
        exclusive = os.O_EXCL if kind_of(host, target) == "device" else 0
        writer = os.open(host.path(target), os.O_RDWR | os.O_CLOEXEC | exclusive)
    except OSError:
        os.close(reader)
        raise
    try:
        at = 0
        while True:
            data = os.pread(reader, CHUNK, at)
            if not data:
                break
            if os.pread(writer, len(data), at) != data:
                write_all(writer, data, at)
            at += len(data)
        os.fsync(writer)
    finally:
        os.close(reader)
        os.close(writer)


def download(host: Host, source: str, target: str) -> list[int]:
    """Make a file that is as a source, for its owner alone, beside a target; return its identity. Raises OSError."""
    made = temporary_path(host, target)
    place = host.path(made)
    reader = _open(host, source)
    try:
        if os.path.lexists(place):
            os.unlink(place)
        writer = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(writer, os.lseek(reader, 0, os.SEEK_END))
            copy_parts(reader, writer, sparse=True)
            os.fsync(writer)
            return identity(host, made)
        except BaseException:
            os.unlink(place)
            raise
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def put_in_place(host: Host, target: str, made: list[int]) -> None:
    """Have what download has made take the place of what is there. Raises RefusedError, OSError."""
    place = temporary_path(host, target)
    require_same(host, place, made)
    os.replace(host.path(place), host.path(target))


def _open(host: Host, path: str) -> int:
    return os.open(host.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
