# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders for people's files: what is there, and the changes to them. Whoever calls sees to the deadline."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._host.host import GONE, Host


class Entry(NamedTuple):
    """What is at a path, links followed."""

    kind: str
    """folder, file or other."""
    mode: int
    owner: int
    group: int
    empty: bool


class Room(NamedTuple):
    """How much a file system holds, in bytes."""

    capacity: int
    available: int


def look_at(host: Host, path: str) -> Entry | None:
    """Return what is at a path; None for nothing. Raises OSError."""
    place = host.path(path)
    try:
        found = os.stat(place)
        if not stat.S_ISDIR(found.st_mode):
            kind = "file" if stat.S_ISREG(found.st_mode) else "other"
            return Entry(kind, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, empty=False)
        with os.scandir(place) as entries:
            empty = next(entries, None) is None
        return Entry("folder", stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, empty)
    except OSError as error:
        if error.errno in GONE:
            return None
        raise


def real_path(host: Host, path: str) -> str:
    """Return a path without links, as far as there is something. Raises OSError."""
    real = os.path.realpath(host.path(path))
    return real[len(os.path.realpath(host.root)) :] if host.root else real


def read_room(host: Host, path: str) -> Room | None:
    """Return how much the file system at a path holds; None where there is none. Raises OSError."""
    try:
        told = os.statvfs(host.path(path))
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    return Room(told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize)


def make(host: Host, path: str, mode: int | None, owner: int | None, group: int | None) -> None:
    """Make a folder, and those above it with usual permissions. Raises OSError."""
    place = host.path(path)
    os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
    os.mkdir(place, 0o700)
    set_permissions(host, path, mode, owner, group)


def set_permissions(host: Host, path: str, mode: int | None, owner: int | None, group: int | None) -> None:
    """Set what is given. Raises OSError."""
    place = host.path(path)
    if owner is not None or group is not None:
        os.chown(place, -1 if owner is None else owner, -1 if group is None else group)
    if mode is not None:
        os.chmod(place, mode)


def empty(host: Host, path: str) -> None:
    """Remove all that is in a folder. Links are removed, never followed; another file system is an error. OSError."""
    place = host.path(path)
    within = os.lstat(place).st_dev
    with os.scandir(place) as entries:
        found = list(entries)
    for entry in found:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
        elif entry.stat(follow_symlinks=False).st_dev != within:
            raise OSError(errno.EBUSY, "another file system is mounted there", entry.path)
        else:
            # It takes care itself that nobody puts a link in its way meanwhile.
            shutil.rmtree(entry.path)
