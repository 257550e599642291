# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which logical unit a task means. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ansible_collections.virt.san.plugins.module_utils._errors import AmbiguousError, NotFoundError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.plugins.module_utils._plan.guard import label, paths_of, refuse_rivals, seen
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
        return together(named.wwid, (*known, *doubtful))
    if named.device is not None:
        units = select_units(san.luns, san.hbas, Filters(devices=(named.disk,))) if named.disk else ()
    else:
        filters = Filters(hbas=(named.hba or "",), targets=(named.target or "",), luns=(named.lun or 0,))
        select_hbas(san.hbas, filters)
        units = select_units(san.luns, san.hbas, filters)
    if len(units) > 1:
        told = "; ".join(f"{label(unit)} ({paths_of(unit)})" for unit in units)
        raise AmbiguousError(f"{named} is more than one logical unit: {told}. Name it by its WWID", wwids=wwids(units))
    old = next((path.wwid for unit in units for path in unit.paths if unit.wwid is None), None)
    others = tuple(unit for unit in san.luns if old and unit.wwid is None and _was(unit, old) and unit not in units)
    return together(old, (*units, *others))


def _was(unit: LogicalUnit, wwid: Wwid) -> bool:
    """Tell whether udev knows the paths of a unit by this WWID, or the unit itself says that it is its own."""
    return unit.is_known_as((wwid,)) or any(path.wwid == wwid for path in unit.paths)


def together(wwid: Wwid | None, units: Sequence[LogicalUnit]) -> LogicalUnit | None:
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


def wwids(units: Iterable[LogicalUnit]) -> list[Wwid | None]:
    return [unit.wwid for unit in units]


def require(san: San, named: Named) -> LogicalUnit:
    """Return the unit that is meant. Raises NotFoundError that lists what is seen instead, or as `find` does."""
    unit = find(san, named)
    if unit is None:
        raise NotFoundError(
            f"{named} is not on this host; {seen(san)}. Is it mapped to this host, zoned, and scanned for "
            "(virt.san.scsi_rescan)? If another LUN had its number before, purge_remapped: true looks behind all disks",
            seen=wwids(san.luns),
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
    return together(unit.wwid, parts)
