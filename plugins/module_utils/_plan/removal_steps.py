# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that take paths of logical units away. Pure. Those for whole maps stand with multipath's steps."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import Listed


@dataclass(frozen=True)
class Going:
    """A path that goes, and what it was when that was decided."""

    device: str
    """Kernel name; empty for a SCSI device without a disk."""
    hctl: Hctl
    wwid: Wwid | None
    """Identity by udev's record, as in the model."""
    now: Wwid | None = None
    """The unit the array has put behind it since; udev may come to know."""

    def __str__(self) -> str:
        return f"{self.device or 'a device without disk'} ({self.hctl})"


@dataclass(frozen=True)
class TakeOut:
    """Take paths out of a map that keeps others."""

    wwid: Wwid
    name: str
    devices: tuple[str, ...]

    def describe(self) -> str:
        return f"take {', '.join(self.devices)} out of the multipath device {self.name} ({self.wwid})"


@dataclass(frozen=True)
class UnlistDevice:
    """Take a device that goes off LVM's devices file."""

    wwid: Wwid
    entry: Listed

    def describe(self) -> str:
        return f"take {self.entry.identity} ({self.wwid}) off LVM's devices file"


@dataclass(frozen=True)
class DeletePaths:
    """Have the kernel forget SCSI devices; those of different hosts at the same time."""

    paths: tuple[Going, ...]

    def describe(self) -> str:
        units: dict[str, list[str]] = {}
        for path in self.paths:
            units.setdefault(path.wwid or "an unknown unit", []).append(str(path))
        return "delete " + "; ".join(f"{', '.join(paths)} of {wwid}" for wwid, paths in units.items())
