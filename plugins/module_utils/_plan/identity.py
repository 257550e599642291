# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a path the unit it is taken for, and does a LUN number mean one unit? Pure.

A LUN number is an address, not an identity: two targets may use the same one, and the array may put
another volume behind it. Each case is refused with the candidates, never resolved by guessing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import AmbiguousError, IdentityError, InUseError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path, San
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid, format_size
from ansible_collections.virt.san.plugins.module_utils._plan.expect import View, describe_unit, path_size
from ansible_collections.virt.san.plugins.module_utils._plan.guard import blocking

COMPARABLE = ("2", "3", "8")
"""Kinds of WWID that stand in VPD page 83 as they are; udev rewrites the others (T10, serial)."""


@dataclass(frozen=True)
class Remapped:
    """A path behind which the array has put another unit."""

    path: Path
    old: Wwid
    new: Wwid
    map: str | None
    """Name of the map that holds the path."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "device": self.path.device,
            "hctl": str(self.path.hctl),
            "lun": self.path.lun,
            "hba": self.path.hba,
            "target": self.path.target,
            "old_wwid": self.old,
            "new_wwid": self.new,
            "map": self.map,
        }

    def __str__(self) -> str:
        holder = f", a path of map {self.map}," if self.map else ""
        over = f"LUN {self.path.lun} over {self.path.hba}{f' to {self.path.target}' if self.path.target else ''}"
        return f"{self.path.device} ({self.path.hctl}, {over}){holder} was {self.old} and is {self.new} now"


def find_remapped(san: San, identities: Mapping[str, Collection[Wwid]]) -> tuple[Remapped, ...]:
    """Return the paths whose unit, asked just now, is not the one that udev or the map remembers.

    `san` is the look taken before asking: the kernel and udev may have caught up since. `identities`
    holds the WWIDs each disk (by kernel name) answered with, the best one first; no answer is no claim.
    """
    found = []
    for unit in san.luns:
        for path in unit.paths:
            now = tuple(identities.get(path.device, ()))
            for old in _remembered(unit, path):
                if now and _contradicts(old, now):
                    name = unit.map.name if unit.map and path.device in unit.map.slaves else None
                    found.append(Remapped(path, old, now[0], name))
                    break
    return tuple(found)


def _remembered(unit: LogicalUnit, path: Path) -> tuple[Wwid, ...]:
    by_map = unit.map.wwid if unit.map is not None and path.device in unit.map.slaves else None
    return tuple(wwid for wwid in (path.wwid, by_map) if wwid is not None)


def _contradicts(old: Wwid, now: tuple[Wwid, ...]) -> bool:
    """Tell whether an identity cannot be the old one: it is of a kind that answers bear, and none is it."""
    return old not in now and old[:1] in COMPARABLE


def refuse_remapped(remapped: Iterable[Remapped]) -> None:
    """Raise IdentityError when there is any."""
    found = tuple(remapped)
    if found:
        raise IdentityError(
            f"the array has put another unit behind {_count(found, 'path')} of this host: "
            f"{'; '.join(str(one) for one in found)}. What is written to such a device goes to the new unit. Stop "
            "using it now; then either have the old mapping restored, or, if the old unit is to go from this host, "
            "free it, and have virt.san.scsi_device remove its map and its paths (purge_remapped: true)",
            remapped=[one.to_dict() for one in found],
        )


def refuse_untrusted(units: Iterable[LogicalUnit]) -> None:
    """Raise IdentityError when one of the requested units has no identity that can be trusted."""
    found = [unit for unit in units if unit.problem is not None]
    if found:
        told = "; ".join(f"{describe_unit(unit)}: {unit.problem}" for unit in found)
        raise IdentityError(
            f"the identity of {_count(found, 'requested unit')} cannot be trusted: {told}. Nothing is done with such a "
            "unit; have the array give each volume a WWID of its own, or take the mapping away",
            candidates=[candidate(unit) for unit in found],
        )


def refuse_ambiguous(shown: View, allowed: Collection[Wwid]) -> None:
    """Raise when a requested LUN number may mean a unit it was not meant for.

    AmbiguousError: more than one unit has it. InUseError: its one unit is in use and was not provisioned
    before (`allowed`: WWIDs that were). Expected sizes and WWIDs, and the targets asked for, have narrowed
    the candidates already.
    """
    several: dict[int, tuple[LogicalUnit, ...]] = {}
    used: dict[int, tuple[LogicalUnit, ...]] = {}
    for number in shown.request.numbers:
        units = shown.candidates(number)
        if len(units) > 1:
            several[number] = units
        elif units and blocking(units[0]) and not _is_allowed(units[0], shown, allowed):
            used[number] = units
    if several:
        raise AmbiguousError(_ambiguous(several, "means more than one unit on this host"), **_details(several))
    if used:
        raise InUseError(_ambiguous(used, "is in use and was not provisioned by an earlier run"), **_details(used))


def _is_allowed(unit: LogicalUnit, shown: View, allowed: Collection[Wwid]) -> bool:
    if shown.request.uses_allowed:
        return True
    return unit.wwid in allowed or any(unit in shown.with_wwid(wwid) for wwid in shown.request.expect.all_wwids)


def _ambiguous(found: Mapping[int, tuple[LogicalUnit, ...]], what: str) -> str:
    told = [f"LUN {number} {what}: {'; '.join(_told(unit) for unit in units)}" for number, units in found.items()]
    return (
        f"{'. '.join(told)}. A LUN number is no identity: say which unit is meant with targets, expect.sizes "
        "or expect.wwids (or known_wwids, if it was provisioned before)"
    )


def _told(unit: LogicalUnit) -> str:
    use = f"used by {', '.join(str(one) for one in unit.uses)}" if unit.uses else "free"
    return f"{describe_unit(unit)}, {use}"


def _details(found: Mapping[int, tuple[LogicalUnit, ...]]) -> dict[str, Any]:
    return {"candidates": [dict(candidate(unit), lun=number) for number, units in found.items() for unit in units]}


def candidate(unit: LogicalUnit) -> dict[str, Any]:
    """Return what a person needs to tell one unit from another."""
    size = path_size(unit) or unit.size
    return {
        "wwid": unit.wwid,
        "size": size,
        "size_text": format_size(size),
        "device": unit.device,
        "luns": sorted({path.lun for path in unit.paths}),
        "targets": sorted({path.target for path in unit.paths if path.target}),
        "hbas": sorted({path.hba for path in unit.paths}),
        "vendor": unit.vendor,
        "product": unit.product,
        "serial": unit.serial,
        "usage": {"state": "used" if unit.uses else "free", "by": [use.to_dict() for use in unit.uses]},
        "problem": unit.problem,
    }


def _count(things: Collection[Any], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
