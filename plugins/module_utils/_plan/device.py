# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which logical unit a task means, and what came in its place where the array has remapped it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import AmbiguousError, NotFoundError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path, San
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid, decode_lun
from ansible_collections.virt.san.plugins.module_utils._plan.guard import label, paths_of, refuse_rivals, seen
from ansible_collections.virt.san.plugins.module_utils._plan.identity import Remapped
from ansible_collections.virt.san.plugins.module_utils._plan.removal import Leaving, Seen
from ansible_collections.virt.san.plugins.module_utils._plan.select import Filters, select_hbas, select_units


@dataclass(frozen=True)
class Named:
    """A logical unit as a task names it: by WWID, by device, or by address."""

    wwid: Wwid | None = None
    device: str | None = None
    """As the user wrote it."""
    disk: str | None = None
    """Its kernel name; None where there is no such device."""
    hba: str | None = None
    target: str | None = None
    lun: int | None = None

    def __str__(self) -> str:
        if self.wwid is not None:
            return f"WWID {self.wwid}"
        return self.device or f"LUN {self.lun} of {self.target} over {self.hba}"


def find(san: San, named: Named) -> LogicalUnit | None:
    """Return the unit that is meant, or None when it is not there.

    Raises IdentityError where several units claim the WWID, AmbiguousError where an address is two units,
    InputError for an HBA that this host does not have.
    """
    if named.wwid is not None:
        known = tuple(unit for unit in san.luns if unit.is_known_as((named.wwid,)) and unit.wwid is not None)
        refuse_rivals(named.wwid, known)
        doubtful = tuple(unit for unit in san.luns if unit.wwid is None and _was(unit, named.wwid))
        return _together(named.wwid, (*known, *doubtful))
    if named.device is not None:
        units = select_units(san.luns, san.hbas, Filters(devices=(named.disk,))) if named.disk else ()
    else:
        filters = Filters(hbas=(named.hba or "",), targets=(named.target or "",), luns=(named.lun or 0,))
        select_hbas(san.hbas, filters)
        units = select_units(san.luns, san.hbas, filters)
    if len(units) > 1:
        told = "; ".join(f"{label(unit)} ({paths_of(unit)})" for unit in units)
        raise AmbiguousError(f"{named} is more than one logical unit: {told}. Name it by its WWID", wwids=_wwids(units))
    old = next((path.wwid for unit in units for path in unit.paths if unit.wwid is None), None)
    others = tuple(unit for unit in san.luns if old and unit.wwid is None and _was(unit, old) and unit not in units)
    return _together(old, (*units, *others))


def _was(unit: LogicalUnit, wwid: Wwid) -> bool:
    """Tell whether udev knows the paths of a unit by this WWID, or the unit itself says that it is its own."""
    return unit.is_known_as((wwid,)) or any(path.wwid == wwid for path in unit.paths)


def _together(wwid: Wwid | None, units: Sequence[LogicalUnit]) -> LogicalUnit | None:
    """Return the paths of a unit that were told apart, since they do not agree on who they are, as one unit again.

    The one with the map, if there is one, speaks for them.
    """
    if not units:
        return None
    first = min(units, key=lambda unit: unit.map is None)
    paths = sorted((path for unit in units for path in unit.paths), key=lambda path: path.hctl)
    return replace(
        first,
        wwid=first.wwid or wwid,
        paths=tuple(paths),
        uses=tuple(dict.fromkeys(use for unit in units for use in unit.uses)),
    )


def _wwids(units: Iterable[LogicalUnit]) -> list[Wwid | None]:
    return [unit.wwid for unit in units]


def require(san: San, named: Named) -> LogicalUnit:
    """Return the unit that is meant. Raises NotFoundError that lists what is seen instead, or as `find` does."""
    unit = find(san, named)
    if unit is None:
        raise NotFoundError(
            f"{named} is not on this host; {seen(san)}. Is it mapped to this host, zoned, and scanned for "
            "(virt.san.scsi_rescan)? If another LUN had its number before, purge_remapped: true looks behind all disks",
            seen=_wwids(san.luns),
        )
    return unit


def same_unit(san: San, unit: LogicalUnit) -> LogicalUnit | None:
    """Return a unit as it is now, by its map and its paths: what else there is of its identity is another question."""
    addresses = {path.hctl for path in unit.paths}
    parts = [
        now
        for now in san.luns
        if addresses & {path.hctl for path in now.paths}
        or (unit.map is not None and now.map is not None and now.map.wwid == unit.map.wwid)
    ]
    return _together(unit.wwid, parts)


# Remapped


def concerns(one: Remapped, named: Named, unit: LogicalUnit | None) -> bool:
    """Tell whether a remapped path has to do with the unit meant: it was a path of it, or is one now."""
    if unit is not None and any(path.hctl == one.path.hctl for path in unit.paths):
        return True
    at_address = (one.path.target, one.path.lun) == (named.target, named.lun)
    return one.new == named.wwid or (at_address and named.hba in (one.path.hba, one.path.initiator))


def apart_from(begun: Iterable[Remapped], remapped: Iterable[Remapped]) -> tuple[Remapped, ...]:
    """Return what an earlier run has begun to purge and is not found to be remapped now."""
    found = {one.path.hctl for one in remapped}
    return tuple(one for one in begun if one.path.hctl not in found)


def not_there(now: Seen, begun: Iterable[Remapped]) -> tuple[Remapped, ...]:
    """Return what an earlier run has deleted and not scanned for."""
    addresses = {path.hctl for unit in now.multipath.san.luns for path in unit.paths}
    return tuple(one for one in begun if one.path.hctl not in addresses)


def purged(now: Seen, remapped: Iterable[Remapped], begun: Iterable[Remapped] = ()) -> tuple[Leaving, ...]:
    """Return what leaves with remapped paths: the old unit, or where it keeps others, these paths of it.

    Of a unit that an earlier run has `begun` to take away and that is not seen any more, what remembers it leaves.
    """
    gone: dict[Wwid, set[Hctl]] = {}
    for one in remapped:
        gone.setdefault(one.old, set()).add(one.path.hctl)
    found = []
    for old, addresses in gone.items():
        parts = [
            unit
            for unit in now.multipath.san.luns
            if unit.wwid == old or addresses & {path.hctl for path in unit.paths}
        ]
        found.append(Leaving(old, _together(old, parts), frozenset(addresses)))
    seen_too = {*gone, *_wwids(now.multipath.san.luns)}
    return (*found, *(Leaving(old, None) for old in dict.fromkeys(one.old for one in begun) if old not in seen_too))


@dataclass(frozen=True)
class ScanAgain:
    """Ask for addresses whose old device was removed, and wait for what the array has there now."""

    addresses: tuple[Path, ...]
    """The paths that were there."""
    wwids: tuple[Wwid, ...]
    """What they have to be now."""

    def describe(self) -> str:
        where = ", ".join(f"LUN {decode_lun(path.hctl.lun)} over {path.hba}" for path in self.addresses)
        return f"scan anew for {where}: {', '.join(self.wwids)}"


def scan_again(remapped: Iterable[Remapped]) -> ScanAgain:
    found = tuple(remapped)
    return ScanAgain(tuple(one.path for one in found), tuple(dict.fromkeys(one.new for one in found)))


def arrived(remapped: Iterable[Remapped]) -> dict[str, Any]:
    """Return the units that are to be there after the scan, as a person compares them."""
    found: dict[str, Any] = {}
    for one in remapped:
        found.setdefault(one.new, {"scanned": []})["scanned"].append(str(one.path.hctl))
    return found
