# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written on a block device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.partitions import Table

LVM_LABEL = "LVM2_member"
"""Kind of the signature of a PV."""


@dataclass(frozen=True)
class Signature:
    """Something that says what a device, or a part of it, holds."""

    kind: str
    """ext4, LVM2_member, gpt, crypto_LUKS, ..."""
    usage: str
    """filesystem, raid, crypto, partition-table, other."""
    offset: int
    """Bytes from the beginning."""
    length: int = 0
    """Bytes."""
    uuid: str = ""
    label: str = ""

    def __str__(self) -> str:
        named = [f"UUID {self.uuid}"] if self.uuid else []
        named += [f"label {self.label}"] if self.label else []
        told = f" ({', '.join(named)})" if named else ""
        return f"{self.kind}{told} at byte {self.offset}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "type": self.kind,
            "usage": self.usage,
            "offset": self.offset,
            "uuid": self.uuid or None,
            "label": self.label or None,
        }


@dataclass(frozen=True)
class Mmp:
    """Multiple mount protection of an ext4: a block in which whoever has it mounted writes every few seconds."""

    holder: str = ""
    """Host that has it mounted, or had it when it went down; empty: it was unmounted as it should be."""
    device: str = ""
    """What that host calls the device."""
    when: str = ""
    """Last time that it wrote so, by its clock."""

    def __str__(self) -> str:
        return f"host {self.holder} (as {self.device}), which said so last at {self.when}"


@dataclass(frozen=True)
class Contents:
    """What was found on a device, past every cache."""

    signatures: tuple[Signature, ...] = ()
    data_at: int | None = None
    """Where the first byte is that is not zero, among those that were read; None: there is none."""
    problem: str = ""
    """Why it is not known what is on it; then the rest says nothing."""
    mmp: Mmp | None = None
    """How its ext4 keeps a second host from mounting it; None: it does not."""
    table: Table | None = None
    """Its partition table, where that was asked for."""
    filled: int | None = None
    """Bytes that its ext4 or xfs takes: fewer than there are where the device has grown since. None: not known."""

    @property
    def blank(self) -> bool:
        """Tell whether it is known that nothing is there."""
        return not self.problem and not self.signatures and self.data_at is None

    def to_dict(self) -> dict[str, Any]:
        return {
            "signatures": [one.to_dict() for one in self.signatures],
            "data_at": self.data_at,
            "problem": self.problem or None,
        }
