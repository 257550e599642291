# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partition tables."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20
"""Partitions that are made begin at a multiple of it, and are as large as one."""
DOS_SECTORS = 2**32
"""A dos table reaches no farther."""
EXTENDED = frozenset(("5", "f", "85"))
"""Types of partitions in a dos table that are only the place for others."""


@dataclass(frozen=True)
class Partition:
    """A part of a disk. Numbers are bytes."""

    path: str
    start: int
    size: int
    type: str = ""
    """Of a gpt a UUID, of a dos table a number in hexadecimal digits."""
    number: int = 0
    uuid: str = ""
    """In a gpt; lower case."""
    name: str = ""
    """In a gpt: its label."""

    @property
    def end(self) -> int:
        """The byte behind its last one."""
        return self.start + self.size

    @property
    def extended(self) -> bool:
        return self.type in EXTENDED


@dataclass(frozen=True)
class Table:
    """A partition table."""

    kind: str
    """gpt, dos, ..."""
    identity: str
    """Of a gpt a UUID, of a dos table "0x" and eight hexadecimal digits; lower case."""
    usable: int | None = None
    """Bytes that partitions may take; None where the table does not say."""
    partitions: tuple[Partition, ...] = ()
    first: int | None = None
    """The first byte that partitions may take; None where the table does not say."""
    sector: int = 512
    """Bytes that the table counts in."""
    ends: int | None = None
    """The byte behind its copy, which a gpt has where its device ended once; None where there is none."""

    @property
    def allocated(self) -> int:
        """Bytes that partitions take."""
        return sum(one.size for one in self.partitions if not one.extended)

    def key_of(self, one: Partition) -> str:
        """Return what a partition is known by for good, as the kernel and udev do (PARTUUID)."""
        return one.uuid or f"{self.identity[2:]}-{one.number:02x}"

    def keyed(self, key: str) -> Partition | None:
        """Return the partition that is known by a key."""
        return next((one for one in self.partitions if self.key_of(one) == key), None)

    def end(self, size: int) -> int:
        """Return where partitions have to end on a device of `size` bytes."""
        if self.first is not None and self.usable is not None:
            return min(self.first + self.usable, size)
        return min(size, DOS_SECTORS * self.sector)

    def growth(self, size: int) -> int:
        """Return the bytes by which it falls short of a device of `size` bytes, if a partition would gain by them.

        A dos table has nothing at the end of its device, and so never falls short of what it reaches.
        """
        short = 0 if self.ends is None else size - self.ends
        return short if short >= MIB else 0

    def gaps(self, size: int) -> tuple[tuple[int, int], ...]:
        """Return what is free on a device of `size` bytes: first byte, and length in whole MiB; by their places."""
        at, found = max(self.first or 0, MIB), []
        for start, end in (*sorted((one.start, one.end) for one in self.partitions), (self.end(size), size)):
            begin = -(-at // MIB) * MIB
            if start - begin >= MIB:
                found.append((begin, (start - begin) // MIB * MIB))
            at = max(at, end)
        return tuple(found)

    def room_behind(self, one: Partition, size: int) -> int:
        """Return the bytes that are free right behind a partition on a device of `size` bytes."""
        starts = [max(other.start, one.end) for other in self.partitions if other != one and other.end > one.end]
        return max(min((*starts, self.end(size))) - one.end, 0)

    def __str__(self) -> str:
        count = len(self.partitions)
        return f"{self.kind} {self.identity} with {count} partition{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Parted:
    """A device with a partition table, as a host has it."""

    kernel: str
    label: str
    """What people know the device by."""
    size: int
    """Bytes."""
    table: Table
    uuid: str = ""
    """Of a device of device-mapper, what that knows it by: "mpath-3600..."."""

    def path_of(self, number: int) -> str:
        """Return where a partition is found: on the map of a LUN by a name that is the same on every host."""
        if self.uuid:
            return f"/dev/disk/by-id/dm-uuid-part{number}-{self.uuid}"
        return f"/dev/{self.kernel}{'p' if self.kernel[-1].isdigit() else ''}{number}"
