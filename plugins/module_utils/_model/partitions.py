# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partition tables."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def allocated(self) -> int:
        """Bytes that partitions take."""
        return sum(one.size for one in self.partitions if not one.extended)

    def __str__(self) -> str:
        count = len(self.partitions)
        return f"{self.kind} {self.identity} with {count} partition{'' if count == 1 else 's'}"
