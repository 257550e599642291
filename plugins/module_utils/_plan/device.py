# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which logical unit a task means, and what came in its place where the array has remapped it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import AmbiguousError, NotFoundError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path, San
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid, decode_lun
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
        known = tuple(unit for unit in san.luns if unit.is_known_as((named.wwid,)))
        refuse_rivals(named.wwid, known)
        return known[0] if known else None
    if named.device is not None:
        units = select_units(san.luns, san.hbas, Filters(devices=(named.disk,))) if named.disk else ()
    else:
        filters = Filters(hbas=(named.hba or "",), targets=(named.target or "",), luns=(named.lun or 0,))
        select_hbas(san.hbas, filters)
        units = select_units(san.luns, san.hbas, filters)
    if len(units) > 1:
        told = "; ".join(f"{label(unit)} ({paths_of(unit)})" for unit in units)
        raise AmbiguousError(f"{named} is more than one logical unit: {told}. Name it by its WWID", wwids=_wwids(units))
    return units[0] if units else None


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
    """Return a unit as it is now, by its map or its paths: what else there is of its identity is another question."""
    addresses = {path.hctl for path in unit.paths}
    for now in san.luns:
        if unit.map is not None and now.map is not None and now.map.dm == unit.map.dm and now.map.wwid == unit.map.wwid:
            return now
    return next((now for now in san.luns if addresses & {path.hctl for path in now.paths}), None)


# Remapped


def concerns(one: Remapped, named: Named, unit: LogicalUnit | None) -> bool:
    """Tell whether a remapped path has to do with the unit meant: it was a path of it, or is one now."""
    return one.new == named.wwid or (unit is not None and any(path.hctl == one.path.hctl for path in unit.paths))


def purged(now: Seen, remapped: Iterable[Remapped]) -> tuple[Leaving, ...]:
    """Return what leaves with remapped paths: the old unit, or where it keeps others, these paths of it."""
    old = {one.path.hctl: one.old for one in remapped}
    found = []
    for unit in now.multipath.san.luns:
        gone = [path.hctl for path in unit.paths if path.hctl in old]
        if gone:
            found.append(Leaving(old[gone[0]], unit, frozenset(gone)))
    return tuple(found)


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
