# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that may lead nowhere, and those of which a target has proven it. Pure.

To suspect is free of I/O and proves nothing: a cable that is out looks the same as a LUN that was
unmapped, and a LUN that was unmapped may look as healthy as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path, San
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Target
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, decode_lun

FAILED_CHECKERS = ("faulty", "shaky", "undef", "unchecked", "wild", "timeout", "removed", "delayed")


@dataclass(frozen=True)
class Suspect:
    """A path that may lead nowhere, and why it is thought so."""

    path: Path
    unit: LogicalUnit
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "device": self.path.device,
            "hctl": str(self.path.hctl),
            "lun": self.path.lun,
            "hba": self.path.hba,
            "target": self.path.target,
            "wwid": self.unit.wwid,
            "reasons": list(self.reasons),
        }


def suspects(san: San, units: Iterable[LogicalUnit]) -> tuple[Suspect, ...]:
    """Return the paths of these units that may lead nowhere, by what the kernel and multipathd know already."""
    ports = {(hba.name, target.channel, target.target_id): target for hba in san.hbas for target in hba.targets}
    found = []
    for unit in units:
        sizes = {path.size for path in unit.paths if path.size}
        for path in unit.paths:
            port = ports.get((path.hba, path.hctl.channel, path.hctl.target))
            reasons = tuple(_reasons(path, unit, port, sizes))
            if reasons:
                found.append(Suspect(path, unit, reasons))
    return tuple(found)


def _reasons(path: Path, unit: LogicalUnit, port: Target | None, sizes: set[int]) -> Iterable[str]:
    if path.state != "running":
        yield f"its state is {path.state}"
    if not path.size:
        yield "it tells no size"
    elif len(sizes) > 1:
        yield "the paths of its unit differ in size"
    if path.checker in FAILED_CHECKERS:
        yield f"multipathd's checker says {path.checker}"
    if port is not None and not port.scannable:
        yield f"the port {port.name} is {port.state}"
    if unit.problem is not None and path.device in unit.problem.split():
        yield "its identity is in doubt"


# Proof


class Address(NamedTuple):
    """A target as one SCSI host counts it."""

    host: int
    channel: int
    target: int


def address_of(hctl: Hctl) -> Address:
    return Address(hctl.host, hctl.channel, hctl.target)


@dataclass(frozen=True)
class Told:
    """What a target said of its LUNs."""

    through: Path
    """The path it was asked through."""
    luns: frozenset[int] | None = None
    """Numbers as the kernel counts; None: it gave no list."""
    refused: bool = False
    """It said that the LUN it was asked through does not exist."""
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "hba": self.through.hba,
            "target": self.through.target,
            "through": self.through.device,
            "answered": not self.problem,
            "luns": None if self.luns is None else sorted(decode_lun(number) for number in self.luns),
            "problem": self.problem or None,
        }


def spokesmen(san: San, paths: Iterable[Path]) -> dict[Address, Path]:
    """Return for each target of these paths the one disk to ask it through.

    A path of the unit in question is best: a target that has it no more may say so at once. One that is not
    running cannot be asked; then another disk of the same target can.
    """
    asked: dict[Address, list[Path]] = {}
    for path in paths:
        asked.setdefault(address_of(path.hctl), []).append(path)
    others = [path for unit in san.luns for path in unit.paths]
    found = {}
    for address, own in asked.items():
        neighbours = [path for path in others if address_of(path.hctl) == address]
        fit = [path for path in (*own, *neighbours) if path.state == "running" and path.device]
        if fit:
            found[address] = fit[0]
    return found


def proven_stale(paths: Iterable[Path], told: Mapping[Address, Told]) -> tuple[Path, ...]:
    """Return the paths whose target has said that it has no such LUN for this host.

    A LUN that is listed in another addressing method counts as there.
    """
    return tuple(path for path in paths if address_of(path.hctl) in told and _absent(path, told[address_of(path.hctl)]))


def _absent(path: Path, told: Told) -> bool:
    if told.luns is None:
        return told.refused and path.hctl == told.through.hctl
    return not any(path.lun == decode_lun(number) for number in told.luns)
