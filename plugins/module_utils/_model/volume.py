# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of storage pools: what a task asks for, and what is there. Stdlib only, nothing is read here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Union

from ansible_collections.virt.san.plugins.module_utils._model.ids import parse_size
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Partition
from ansible_collections.virt.san.plugins.module_utils._model.pool import Permissions, format_mode

FORMATS = ("raw", "qcow2")
SPARSE, FULL = "sparse", "full"
ZERO, DISCARD = "zero", "discard"
MAX_NAME = 255
"""Bytes; file systems take no more."""

HALF_MADE = "it is still being made, or a run that was killed has not finished making it"
"""What is wrong with a volume that something is copied to."""

_SHARE = re.compile(r"^\s*(\d{1,3})\s*%\s*FREE\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Share:
    """A part of what is free in a pool when a volume is made."""

    percent: int

    def __str__(self) -> str:
        return f"{self.percent}%FREE"


Capacity = Union[int, Share]
"""Bytes, or a share."""


@dataclass(frozen=True)
class Backing:
    """What a volume reads where nothing was written to it yet."""

    path: str
    format: str | None = None
    """None: nobody has said."""

    def to_dict(self) -> dict[str, Any]:
        return {"path": self.path, "format": self.format}


@dataclass(frozen=True)
class Source:
    """What a new volume is a copy of."""

    path: str
    format: str
    capacity: int
    """Bytes that a user of it sees."""
    name: str = ""


@dataclass(frozen=True)
class WantedVolume:
    """A volume as a task asks for it. What is None is left as it is, or gets its usual value."""

    name: str
    state: str = "present"
    capacity: Capacity | None = None
    allocation: str | None = None
    """SPARSE or FULL."""
    thin_pool: str | None = None
    format: str | None = None
    backing: Backing | None = None
    """Its path is absolute, or the name of a volume of the same pool."""
    permissions: Permissions = field(default_factory=Permissions)
    allow_shrink: bool = False
    wipe: str | None = None
    """ZERO or DISCARD, before it is deleted."""
    clone_from: Backing | None = None
    """What a new volume begins as a copy of; its path as that of `backing`."""
    snapshot_of: str | None = None
    """Name of the volume of the same pool that it is a snapshot of."""
    upload_from: str | None = None
    """A file with which it begins, byte by byte."""
    download_to: str | None = None
    """A file that is to be as the volume."""


@dataclass(frozen=True)
class NewVolume:
    """A volume that is to be made, with everything decided."""

    name: str
    capacity: int
    """Bytes, as the backend will have it."""
    format: str = "raw"
    full: bool = False
    """All its space is taken at once."""
    backing: Backing | None = None
    permissions: Permissions = field(default_factory=Permissions)
    thin_pool: str | None = None
    source: Source | None = None
    instant: bool = False
    """LVM makes the copy without copying: a thin snapshot."""
    snapshot_of: str | None = None
    """What LVM says it is a snapshot of."""
    part: Partition | None = None
    """Its place in a partition table."""


@dataclass(frozen=True)
class Volume:
    """A volume that is there."""

    name: str
    key: str
    """What it is known by for good: its path, the UUID that LVM gave it, a PARTUUID."""
    path: str
    format: str
    capacity: int
    """Bytes that its user sees; of a snapshot that is not thin, its space for changes."""
    allocation: int
    """Bytes that it takes now."""
    backing: Backing | None = None
    mode: int | None = None
    owner: int | None = None
    group: int | None = None
    """Of a file; those of a device are udev's."""
    thin_pool: str | None = None
    kind: str = ""
    """Of a logical volume, what LVM calls its layout."""
    active: bool = True
    problem: str | None = None
    """Why it cannot be worked with."""
    length: int | None = None
    """Bytes of the file or device itself, where they are not its capacity."""
    snapshot_of: str | None = None
    """Name of the volume of the same pool that it is a snapshot of."""
    inode: str = ""
    """By which a file is told from another one at its path."""
    modified: int = 0
    """When a file was last written to."""
    header: str = "raw"
    """The format that its first bytes say, whatever it is taken for."""

    @property
    def size(self) -> int:
        """Return the bytes that reading it as it is returns."""
        return self.capacity if self.length is None else self.length

    @property
    def is_cow(self) -> bool:
        """Tell whether it is a snapshot that is not thin: no more than what has changed since (copy on write)."""
        return self.snapshot_of is not None and self.thin_pool is None

    def compared(self) -> dict[str, Any]:
        """Return what a task may change, for diffs."""
        told: dict[str, Any] = {
            "name": self.name,
            "path": self.path,
            "format": self.format,
            "capacity": self.capacity,
            "backing": None if self.backing is None else self.backing.to_dict(),
        }
        if self.mode is not None:
            told.update(mode=format_mode(self.mode), owner=self.owner, group=self.group)
        if self.thin_pool is not None:
            told["thin_pool"] = self.thin_pool
        if self.snapshot_of is not None:
            told["snapshot_of"] = self.snapshot_of
        return told

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "key": self.key,
            "path": self.path,
            "format": self.format,
            "capacity": self.capacity,
            "allocation": self.allocation,
            "backing": None if self.backing is None else self.backing.to_dict(),
            "mode": None if self.mode is None else format_mode(self.mode),
            "owner": self.owner,
            "group": self.group,
            "thin_pool": self.thin_pool,
            "snapshot_of": self.snapshot_of,
            "active": self.active,
            "problem": self.problem,
        }


# What people write. ValueError says what would be right.


def parse_volume_name(text: str) -> str:
    """Return a name that a file can have; pools of other types take less than that."""
    if not text or text.startswith(".") or text != text.strip():
        raise ValueError(f"{text!r} is no name for a volume: it must not be empty, nor begin with a dot or a space")
    if "/" in text or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ValueError(f"{text!r} is no name for a volume: it is that of a file, without / and control characters")
    if len(text.encode()) > MAX_NAME:
        raise ValueError(f"{text!r} is too long for the name of a volume: {MAX_NAME} bytes")
    return text


def parse_capacity(value: Any) -> Capacity:
    """Return bytes for 10G, a share for 50%FREE."""
    share = _SHARE.match(str(value))
    if share:
        percent = int(share.group(1))
        if not 1 <= percent <= 100:
            raise ValueError(f"{value!r}: give 1 to 100 percent of what is free, as in 50%FREE")
        return Share(percent)
    try:
        size = parse_size(value)
    except ValueError:
        raise ValueError(
            f"{value!r} is neither a size, as in 10G, nor a share of what is free, as in 50%FREE"
        ) from None
    if size == 0:
        raise ValueError("a volume of 0 bytes is none: give its size, as in 10G")
    return size


def rounded_up(size: int, unit: int) -> int:
    """Return the next multiple of `unit`."""
    return -(-size // unit) * unit
