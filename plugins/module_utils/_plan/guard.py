# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals that every plan shares: what is in use, is not what it is taken for, or is not there. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.virt.san.plugins.module_utils._errors import IdentityError, InUseError, NotFoundError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path, San, Use
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid, format_size

LISTED = 8
"""How many candidates a message names; `details` hold all."""


def blocking(unit: LogicalUnit) -> tuple[Use, ...]:
    """Return the uses that forbid touching a unit.

    A partition is not one: what stands on it (a mount, a volume group) is listed for itself.
    """
    return tuple(use for use in unit.uses if use.kind != "partition")


def holding(unit: LogicalUnit) -> tuple[Use, ...]:
    """Return the uses that forbid taking a unit's devices away.

    What is only written on it stays where it is: the volume group that was deactivated first is no reason.
    """
    return tuple(use for use in blocking(unit) if use.active)


def refuse_in_use(units: Iterable[LogicalUnit], purpose: str) -> None:
    """Raise InUseError that names every holder of every unit, if there is any."""
    refuse_uses([(unit, blocking(unit)) for unit in units], purpose)


def refuse_uses(uses_of: Iterable[tuple[LogicalUnit, tuple[Use, ...]]], purpose: str) -> None:
    """Raise InUseError that names these uses of these units, if there is any."""
    used = [(unit, uses) for unit, uses in uses_of if uses]
    if not used:
        return
    told = "; ".join(f"{label(unit)}: {', '.join(map(str, uses))}" for unit, uses in used)
    holders = [dict(use.to_dict(), wwid=unit.wwid) for unit, uses in used for use in uses]
    raise InUseError(f"{purpose} is refused, in use: {told}. Release it first", holders=holders)


def only_unit(san: San, wwid: Wwid) -> LogicalUnit:
    """Return the one trustworthy unit with this identity.

    Raises NotFoundError that lists what is seen instead, IdentityError when several claim it.
    """
    units = san.by_wwid(wwid)
    if not units:
        raise NotFoundError(
            f"no LUN with WWID {wwid} on this host; {seen(san)}. Is it mapped to this host, zoned, and scanned for "
            "(virt.san.scsi_rescan)?",
            wwid=wwid,
            seen=[unit.wwid for unit in san.luns],
        )
    problem = units[0].problem
    if len(units) > 1:
        problem = "claimed by different units: " + "; ".join(f"{label(unit)} ({paths_of(unit)})" for unit in units)
    if problem:
        raise IdentityError(f"{wwid}: {problem}. Correct the mapping on the array, then rescan", wwid=wwid)
    return units[0]


def refuse_rivals(wwid: Wwid, units: tuple[LogicalUnit, ...]) -> None:
    """Raise IdentityError where more than one unit claims an identity."""
    if len(units) > 1:
        claims = "; ".join(f"{label(unit)} ({paths_of(unit)})" for unit in units)
        raise IdentityError(f"{wwid} is claimed by different units: {claims}", wwid=wwid)


def seen(san: San) -> str:
    """Return what there is, in a few words: for messages about what is not."""
    known = [unit for unit in san.luns if unit.wwid]
    if not known:
        return "no LUN is seen at all"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    listed = ", ".join(f"{unit.wwid} ({lun_number(unit)}{format_size(unit.size)})" for unit in known[:LISTED])
    return f"seen are {listed}{more}"


def label(unit: LogicalUnit) -> str:
    """Return a unit's name for messages: device and WWID."""
    return " ".join(part for part in (unit.device, unit.wwid) if part) or "a LUN without identity"


def lun_number(unit: LogicalUnit) -> str:
    """Return "LUN 27, " where all paths agree on the number, else nothing."""
    numbers = {path.lun for path in unit.paths}
    return f"LUN {numbers.pop()}, " if len(numbers) == 1 else ""


def paths_of(unit: LogicalUnit) -> str:
    """Return the paths of a unit for messages: what, in which state, from where to where."""
    return ", ".join(map(describe_path, unit.paths)) or "no path"


def describe_path(path: Path) -> str:
    """Return one path for messages."""
    state = path.state if path.checker in (None, path.state) else f"{path.state}, checker: {path.checker}"
    return f"{path.device or path.hctl} ({state}) by {path.hba} to {path.target or 'an unknown port'}"
