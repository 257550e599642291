# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps by which something is kept for the next boot, or no longer: files, and units of systemd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan


@dataclass(frozen=True)
class WriteFile:
    """Replace a file."""

    path: str
    content: bytes
    what: str

    def describe(self) -> str:
        return f"write {self.path} ({self.what})"


@dataclass(frozen=True)
class RemoveFile:
    """Remove a file."""

    path: str

    def describe(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True)
class RemoveFolders:
    """Remove the folders that nobody else keeps something in, inner ones first."""

    paths: tuple[str, ...]

    def describe(self) -> str:
        return f"remove {', '.join(self.paths)}, unless something else is kept there"


@dataclass(frozen=True)
class ReloadUnits:
    """Have systemd read its files again."""

    def describe(self) -> str:
        return "have systemd read its unit files again"


@dataclass(frozen=True)
class EnableUnit:
    """Have a unit started at boot and now, so that it sees that all is there."""

    name: str

    def describe(self) -> str:
        return f"enable {self.name}"


@dataclass(frozen=True)
class EnableForBoot:
    """Have a unit started at boot, and not before."""

    name: str

    def describe(self) -> str:
        return f"have {self.name} started at boot"


@dataclass(frozen=True)
class DisableUnit:
    """End a unit, which may be waiting for something, and have it no longer started at boot."""

    name: str

    def describe(self) -> str:
        return f"stop and disable {self.name}"


@dataclass(frozen=True)
class StopUnit:
    """End a unit whose file is about to go."""

    name: str

    def describe(self) -> str:
        return f"stop {self.name}"


KeepStep = Union[WriteFile, RemoveFile, RemoveFolders, ReloadUnits, EnableUnit, EnableForBoot, DisableUnit, StopUnit]
KEEP_STEPS = (WriteFile, RemoveFile, RemoveFolders, ReloadUnits, EnableUnit, EnableForBoot, DisableUnit, StopUnit)


@dataclass(frozen=True)
class KeepPlan(Plan):
    """A plan for what is kept of one thing."""

    steps: tuple[KeepStep, ...] = ()
