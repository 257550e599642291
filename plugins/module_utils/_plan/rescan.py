# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to scan and what to read again, so that nothing comes in that was not asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Union

from ansible_collections.virt.san.plugins.module_utils._errors import NotFoundError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path, San
from ansible_collections.virt.san.plugins.module_utils._model.fabric import SAN_TRANSPORTS, Hba, Target
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid, decode_lun, kernel_luns
from ansible_collections.virt.san.plugins.module_utils._plan.expected import Expect

LISTS_TARGETS = ("fc", "fcoe", "iscsi")
"""Transports whose targets the kernel names. A host of another one is scanned with a wildcard for the target."""


@dataclass(frozen=True)
class Request:
    """What the user asked for, in the model's terms."""

    hbas: tuple[str, ...] = ()
    """Names of SCSI hosts, WWPNs or initiator IQNs; empty: every HBA of a SAN transport."""
    targets: tuple[str, ...] = ()
    """WWPNs or IQNs; empty: every target."""
    luns: tuple[int, ...] = ()
    expect: Expect = field(default_factory=Expect)
    refresh_sizes: bool = True
    known_wwids: frozenset[Wwid] = frozenset()
    """Units that were provisioned before: they may be in use."""
    uses_allowed: bool = False
    """All of them may be: the HBA is a guest's own, so that a number cannot mean somebody else's unit."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """LUN numbers that may be scanned in; empty: all that the targets have."""
        return tuple(dict.fromkeys((*self.luns, *self.expect.all_luns)))


@dataclass(frozen=True)
class Seen:
    """One look at the host: the model, and what only a rescan needs to know besides."""

    san: San
    devices: frozenset[Hctl] = frozenset()
    """Addresses of all SCSI devices of whatever type: the kernel scans none of them again."""
    placeholders: frozenset[Hctl] = frozenset()
    """Those that never get a disk as they are: the target said that nothing is connected there."""
    held: frozenset[Hctl] = frozenset()
    """Devices without a disk that a process has open all the same (by /dev/sgN)."""
    recorded: frozenset[str] = frozenset()
    """Kernel names of the disks udev has finished with."""
    claimed: frozenset[str] = frozenset()
    """Kernel names of the disks that udev says belong to multipath."""
    with_uses: bool = False
    """Whether it was also found out who uses what."""


@dataclass(frozen=True)
class Selection:
    """The HBAs and targets a request is about."""

    hbas: tuple[Hba, ...]
    targets: frozenset[str] = frozenset()
    """Empty: every target."""

    def covers(self, path: Path) -> bool:
        return any(path.hba == hba.name for hba in self.hbas) and (not self.targets or path.target in self.targets)


@dataclass(frozen=True)
class DeletePlaceholder:
    """Remove a SCSI device that has no disk and stands in the way of one."""

    hba: str
    hctl: Hctl

    def describe(self) -> str:
        return (
            f"{self.hba}: delete placeholder {self.hctl}, which has no disk and hides LUN {decode_lun(self.hctl.lun)}"
        )


@dataclass(frozen=True)
class Scan:
    """Ask for one LUN of one target; None stands for all of them."""

    hba: str
    channel: int | None
    target_id: int | None
    lun: int | None
    """As the kernel counts."""
    target: str | None = None
    """WWPN or IQN."""

    def describe(self) -> str:
        address = " ".join("-" if part is None else str(part) for part in (self.channel, self.target_id, self.lun))
        what = "all LUNs" if self.lun is None else f"LUN {decode_lun(self.lun)}"
        return f"{self.hba}: scan {address} ({what} of {self.target or 'every target'})"


@dataclass(frozen=True)
class Reread:
    """Have the kernel ask an existing disk for its size and identity again."""

    hba: str
    hctl: Hctl
    device: str

    def describe(self) -> str:
        return f"{self.hba}: read size and identity of {self.device} ({self.hctl}) again"


RescanStep = Union[DeletePlaceholder, Scan, Reread]


@dataclass(frozen=True)
class SkippedPort:
    """A port that was not scanned."""

    hba: str | None
    target: str | None
    reason: str

    def to_dict(self) -> dict[str, str | None]:
        return {"hba": self.hba, "target": self.target, "reason": self.reason}

    def __str__(self) -> str:
        port = " to ".join(part for part in (self.hba, self.target) if part)
        return f"{port}: {self.reason}"


# Which HBAs and targets.


def select(hbas: Iterable[Hba], request: Request) -> Selection:
    """Return what the request is about. Raises NotFoundError for an HBA this host does not have."""
    there = tuple(hbas)
    if not request.hbas:
        chosen = tuple(hba for hba in there if hba.transport in SAN_TRANSPORTS)
        return Selection(chosen, frozenset(request.targets))
    for name in request.hbas:
        if not any(_is_called(hba, name) for hba in there):
            known = ", ".join(_call(hba) for hba in there) or "none at all"
            raise NotFoundError(
                f"hbas: this host has no HBA {name}; it has: {known}. Name one of these by host name, WWPN or "
                "initiator IQN, or leave the option out to take every SAN HBA",
                hba=name,
                hbas=[hba.name for hba in there],
            )
    chosen = tuple(hba for hba in there if any(_is_called(hba, name) for name in request.hbas))
    return Selection(chosen, frozenset(request.targets))


def _is_called(hba: Hba, name: str) -> bool:
    return name in (hba.name, hba.wwpn, hba.initiator)


def _call(hba: Hba) -> str:
    identity = hba.wwpn or hba.initiator
    return f"{hba.name} ({hba.transport}{f' {identity}' if identity else ''})"


def skipped_ports(selection: Selection) -> tuple[SkippedPort, ...]:
    """Return the ports that cannot be scanned just now, and why.

    The kernel skips them too, and reports success for the scan.
    """
    skipped = [port for hba in selection.hbas for port in _skipped_of(hba, selection.targets)]
    seen = {target.name for hba in selection.hbas for target in hba.targets}
    skipped += [
        SkippedPort(None, name, "no selected HBA sees this target: check zoning, cabling or the iSCSI login")
        for name in sorted(selection.targets - seen)
    ]
    return tuple(skipped)


def _skipped_of(hba: Hba, wanted: frozenset[str]) -> Iterator[SkippedPort]:
    if hba.transport in LISTS_TARGETS and not any(_may_be_target(target) for target in hba.targets):
        state = f"; the port is {hba.port_state}" if hba.port_state else ""
        yield SkippedPort(hba.name, None, f"the HBA sees no target{state}")
    for target in hba.targets:
        if target.scannable or (target.name not in wanted if wanted else not _may_be_target(target)):
            continue
        if target.target_id is None:
            yield SkippedPort(hba.name, target.name, f"no SCSI target for this HBA (port is {target.state})")
        else:
            yield SkippedPort(hba.name, target.name, f"not ready: {target.state}")


def _may_be_target(target: Target) -> bool:
    """Tell targets from the other ports of a fabric: initiators, the name server."""
    return target.target_id is not None or "FCP Target" in target.roles


# What to do.


def plan_scans(
    seen: Seen, selection: Selection, request: Request, choice: int = 0, bare: frozenset[Hctl] = frozenset()
) -> tuple[RescanStep, ...]:
    """Return the scans, each placeholder's deletion before the scan it hides a LUN from.

    `choice` is which of a LUN number's countings (kernel_luns) to ask for: the second is asked for
    only where the first brought nothing, so that no other LUN comes in. `bare`: devices at LUN 0 that
    have been without a disk for so long that none is under way; they are placeholders too.
    """
    hidden = (seen.placeholders | bare & {path.hctl for path in seen.san.orphans}) - seen.held
    steps: list[RescanStep] = []
    for hba in selection.hbas:
        for way in _ways(hba, selection.targets):
            steps += _plan_way(seen.devices - hidden, hidden, way, request.numbers, choice)
    return tuple(steps)


def bare_lun_zeros(seen: Seen) -> frozenset[Hctl]:
    """Return the devices at LUN 0 that have no disk though something is connected there."""
    return frozenset(path.hctl for path in seen.san.orphans if path.hctl.lun == 0) - seen.placeholders


def _ways(hba: Hba, wanted: frozenset[str]) -> Iterator[Scan]:
    """Return a wildcard scan for every target of an HBA that can be scanned."""
    if hba.transport not in LISTS_TARGETS and not hba.targets:
        if not wanted:
            yield Scan(hba.name, None, None, None)
        return
    for target in hba.targets:
        if target.scannable and (not wanted or target.name in wanted):
            yield Scan(hba.name, target.channel, target.target_id, None, target.name)


def _plan_way(
    devices: frozenset[Hctl], hidden: frozenset[Hctl], way: Scan, numbers: tuple[int, ...], choice: int
) -> Iterator[RescanStep]:
    if not numbers:
        if choice == 0:
            yield from _free(hidden, way, 0)
            yield way
        return
    for number in numbers:
        countings = kernel_luns(number)
        if choice < len(countings) and not _there(devices, way, countings):
            yield from _free(hidden, way, countings[choice])
            yield Scan(way.hba, way.channel, way.target_id, countings[choice], way.target)


def _there(devices: frozenset[Hctl], way: Scan, countings: Iterable[int]) -> bool:
    """Tell whether the LUN has a device on this way, under any of its numbers."""
    if way.channel is None or way.target_id is None:
        return False
    return any(Hctl(_host_number(way.hba), way.channel, way.target_id, lun) in devices for lun in countings)


def _free(hidden: frozenset[Hctl], way: Scan, lun: int) -> Iterator[DeletePlaceholder]:
    for hctl in sorted(hidden):
        same_way = (way.channel, way.target_id) in ((None, None), (hctl.channel, hctl.target))
        if hctl.host == _host_number(way.hba) and same_way and hctl.lun == lun:
            yield DeletePlaceholder(way.hba, hctl)


def _host_number(hba: str) -> int:
    return int(hba[len("host") :])


def plan_rereads(seen: Seen, selection: Selection, request: Request) -> tuple[Reread, ...]:
    """Return the existing disks whose size and identity must be asked for again: those the request is about."""
    if not request.refresh_sizes:
        return ()
    return tuple(
        Reread(path.hba, path.hctl, path.device)
        for path in concerned_paths(seen.san, selection, request)
        if path.device and path.state == "running"
    )


def concerned_paths(san: San, selection: Selection, request: Request) -> tuple[Path, ...]:
    """Return the paths the request is about: by number or WWID where any is given, else all of the selection."""
    numbers, wwids = frozenset(request.numbers), frozenset(request.expect.all_wwids)
    found = []
    for unit in san.luns:
        every = not (numbers or wwids) or bool(unit_wwids(unit) & wwids)
        found += [path for path in unit.paths if selection.covers(path) and (every or lun_numbers(path) & numbers)]
    return tuple(found)


def lun_numbers(path: Path) -> frozenset[int]:
    """Return the numbers a path's LUN goes by: as the array counts, and as the kernel does."""
    return frozenset((path.hctl.lun, decode_lun(path.hctl.lun)))


def unit_wwids(unit: LogicalUnit) -> frozenset[str]:
    """Return the WWIDs a unit goes by: as udev names it, and by its other designators."""
    prefixes = {"naa": "3", "eui": "2", "name": "8"}
    others = (prefixes[known.kind] + known.value for known in unit.designators if known.kind in prefixes)
    return frozenset((*others, unit.wwid)) if unit.wwid else frozenset(others)
