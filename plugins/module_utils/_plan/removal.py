# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How logical units, or some of their paths, leave a host without harm. Pure.

Nothing in the kernel keeps a device that is in use from being deleted: all refusals are here. Maps go
before paths, since a map without paths may hang whoever opens it, and all maps before the first
path: one that cannot be flushed then leaves everything as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, MultipathMap, Path, Use
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import Listed
from ansible_collections.virt.san.plugins.module_utils._model.multipath import MultipathState
from ansible_collections.virt.san.plugins.module_utils._plan.guard import (
    holding,
    label,
    paths_of,
    refuse_rivals,
    refuse_uses,
)
from ansible_collections.virt.san.plugins.module_utils._plan.identity import Remapped, refuse_remapped
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import FlushMap, ForgetWwid, WriteDropIn
from ansible_collections.virt.san.plugins.module_utils._plan.removal_steps import (
    DeletePaths,
    Going,
    TakeOut,
    UnlistDevice,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan, Step

PURPOSE = "removing it from this host"


@dataclass(frozen=True)
class Seen:
    """One look at the host."""

    multipath: MultipathState
    listed: Mapping[Wwid, tuple[Listed, ...]] = field(default_factory=dict)
    """Entries of LVM's devices file, by the unit they stand for."""
    remapped: tuple[Remapped, ...] = ()
    """Paths behind which the array has put another unit since."""
    openers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Processes that have a disk or a map open, by its kernel name: nothing else tells of those of a bare disk."""


@dataclass(frozen=True)
class Leaving:
    """A logical unit that leaves, or the paths of it that do."""

    wwid: Wwid | None
    unit: LogicalUnit | None
    """None: it is not seen; what remembers it goes all the same."""
    paths: frozenset[Hctl] | None = None
    """None: all."""
    keep_record: bool = False
    """Keep alias and record in our drop-in: the unit is to come back."""

    @property
    def gone(self) -> tuple[Path, ...]:
        """The paths that go."""
        paths = self.unit.paths if self.unit else ()
        return tuple(path for path in paths if self.paths is None or path.hctl in self.paths)

    @property
    def stay(self) -> tuple[Path, ...]:
        paths = self.unit.paths if self.unit else ()
        return tuple(path for path in paths if path not in self.gone)

    @property
    def whole(self) -> bool:
        """Tell whether nothing of the unit stays. A part of nothing is nothing."""
        return not self.stay and (self.paths is None or bool(self.gone))

    @property
    def map(self) -> MultipathMap | None:
        return self.unit.map if self.unit else None

    @property
    def map_stays(self) -> bool:
        """Tell whether the map keeps a path that works."""
        found = self.map
        return found is not None and any(path.usable and path.device in found.slaves for path in self.stay)

    @property
    def flushed(self) -> MultipathMap | None:
        """The map, if it goes: with the unit, or because no path that works would be left in it."""
        return self.map if self.whole or (self.gone and not self.map_stays) else None


@dataclass(frozen=True)
class RemovalPlan(Plan):
    """A plan that takes paths away."""

    leaving: tuple[Leaving, ...] = ()

    @property
    def needs_multipathd(self) -> bool:
        return any(isinstance(step, (FlushMap, TakeOut)) for step in self.steps)


def plan_removal(
    seen: Seen, leaving: Iterable[Leaving], *, force: bool = False, purge_remapped: bool = False
) -> RemovalPlan:
    """Return what takes the leaving units or paths away.

    `force`: also flush maps that have no working path and queue I/O. `purge_remapped`: also delete paths that
    lead to another unit by now. Neither helps against a user.

    Raises InUseError that names every holder, IdentityError for remapped paths, RefusedError for maps that queue.
    """
    units = tuple(leaving)
    if not purge_remapped:
        deleted = {path.hctl for one in units for path in one.gone}
        refuse_remapped(one for one in seen.remapped if one.path.hctl in deleted)
    refuse_uses(((one.unit, in_the_way(seen, one, force)) for one in units if one.unit), PURPOSE)
    if not force:
        _refuse_queueing(units)
    return RemovalPlan(
        steps=tuple(_steps(seen, units)),
        before={"luns": {_key(one, units): _now(seen, one) for one in units}},
        after={"luns": {_key(one, units): _then(seen, one) for one in units}},
        warnings=tuple(_written(one) for one in units if _written(one)),
        leaving=units,
    )


# Refusals


def in_the_way(seen: Seen, one: Leaving, force: bool = False) -> tuple[Use, ...]:
    """Return the uses that would lose their device."""
    if one.unit is None or (not one.gone and one.flushed is None):
        return ()
    uses = tuple(_named(seen, one, use) for use in holding(one.unit))
    if one.flushed is None and not one.whole:
        # Others stay: only who uses one of these paths by itself loses something.
        uses = tuple(use for use in uses if any(_lies_on(use, path) for path in one.gone))
    elif force and _queues(one):
        # Who waits in it for a path that does not come ends as soon as it fails. The flush sees to it.
        uses = tuple(use for use in uses if use.kind != "open")
    opened = [Use("open", path.device, by) for path in one.gone for by in seen.openers.get(path.device, ())]
    return (*uses, *(use for use in opened if not any(use.device == known.device for known in uses)))


def _named(seen: Seen, one: Leaving, use: Use) -> Use:
    """Name the processes behind an open count, where they are known."""
    openers = seen.openers.get(one.map.dm, ()) if one.map is not None else ()
    return replace(use, by=", ".join(openers)) if use.kind == "open" and openers else use


def _lies_on(use: Use, path: Path) -> bool:
    return bool(path.device) and re.fullmatch(rf"{re.escape(path.device)}(p?\d+)?", use.device) is not None


def _queues(one: Leaving) -> bool:
    """Tell whether I/O waits in the map for a path: then it hangs whoever opens it."""
    works = one.unit is not None and any(path.usable for path in one.unit.paths)
    return one.map is not None and not works and one.map.queueing not in (None, "off", "-")


def _refuse_queueing(units: Iterable[Leaving]) -> None:
    for one in units:
        if one.flushed is not None and one.unit is not None and _queues(one):
            raise RefusedError(
                f"{label(one.unit)} has no working path ({paths_of(one.unit)}) and queues I/O (queueing: "
                f"{one.flushed.queueing}); to remove it, that I/O has to fail, and what it was to write is lost. "
                "Bring a path back, or allow it with force: true",
                wwid=one.wwid,
                queueing=one.flushed.queueing,
            )


# Steps


def _steps(seen: Seen, units: tuple[Leaving, ...]) -> Iterable[Step]:
    for one in units:
        if one.flushed is not None:
            yield FlushMap(one.flushed.wwid, one.flushed.name, one.flushed.dm, fail_queued=_queues(one))
        elif one.map is not None and _taken_out(one):
            yield TakeOut(one.map.wwid, one.map.name, _taken_out(one))
    for one in units:
        if one.wwid is not None and _is_remembered(seen, one):
            yield ForgetWwid(one.wwid)
    drop_in = seen.multipath.drop_in
    forgotten = frozenset(one.wwid for one in units if one.wwid and one.whole and not one.keep_record)
    if drop_in.without(forgotten) != drop_in:
        # Not a reason to reconfigure: that could make maps again, and an unused alias does no harm.
        yield WriteDropIn(drop_in.without(forgotten), load=False)
    for one in units:
        for entry in _listed(seen, one):
            yield UnlistDevice(one.wwid or Wwid(""), entry)
    became = {one.path.hctl: one.new for one in seen.remapped}
    gone = [path for one in units for path in one.gone]
    paths = tuple(Going(path.device, path.hctl, path.wwid, became.get(path.hctl)) for path in gone)
    if paths:
        yield DeletePaths(paths)


def _taken_out(one: Leaving) -> tuple[str, ...]:
    return tuple(path.device for path in one.gone if one.map and path.device in one.map.slaves)


def _is_remembered(seen: Seen, one: Leaving) -> bool:
    """Tell whether multipath would make the map again by itself: of a unit that is gone it shall not."""
    return one.whole and (one.map is not None or one.wwid in seen.multipath.remembered)


def _listed(seen: Seen, one: Leaving) -> tuple[Listed, ...]:
    return seen.listed.get(one.wwid, ()) if one.wwid and one.whole and not one.keep_record else ()


# State as a person compares it


def _key(one: Leaving, units: tuple[Leaving, ...]) -> str:
    """Return the name of a unit: its WWID, unless another one claims that too."""
    if one.wwid and sum(other.wwid == one.wwid for other in units) == 1:
        return one.wwid
    return " ".join([*([one.wwid] if one.wwid else []), *(str(path.hctl) for path in one.gone)])


def _now(seen: Seen, one: Leaving) -> dict[str, Any]:
    return {
        "map": one.map.name if one.map else None,
        "map_paths": sorted(one.map.slaves) if one.map else [],
        "paths": [f"{path.device} ({path.hctl})" for path in (one.unit.paths if one.unit else ())],
        "remembered": one.map is not None or one.wwid in seen.multipath.remembered,
        "recorded": one.wwid in seen.multipath.drop_in.devices,
        "lvm_devices": [entry.identity for entry in (seen.listed.get(one.wwid, ()) if one.wwid else ())],
    }


def _then(seen: Seen, one: Leaving) -> dict[str, Any]:
    now = _now(seen, one)
    flushed, out = one.flushed is not None, _taken_out(one)
    return {
        "map": None if flushed else now["map"],
        "map_paths": [] if flushed else [name for name in now["map_paths"] if name not in out],
        "paths": [f"{path.device} ({path.hctl})" for path in one.stay],
        "remembered": now["remembered"] and not one.whole,
        "recorded": now["recorded"] and not (one.whole and not one.keep_record),
        "lvm_devices": [] if _listed(seen, one) else now["lvm_devices"],
    }


def _written(one: Leaving) -> str:
    """Return a warning of what a unit still carries though nothing has it open."""
    uses = [use for use in (one.unit.uses if one.unit and one.whole else ()) if not use.active]
    carried = [f"{use.kind} {use.by}" for use in uses if use.kind != "partition"]
    if not carried or one.unit is None:
        return ""
    return f"{label(one.unit)} still carries {', '.join(carried)}; it is not active here, and stays on the LUN as it is"


def whole_units(seen: Seen, wwids: Iterable[Wwid]) -> tuple[Leaving, ...]:
    """Return whole units by WWID; one that is not seen is there too, for what still remembers it.

    Raises IdentityError where several units claim one of the WWIDs.
    """
    found: list[Leaving] = []
    for wwid in wwids:
        units = seen.multipath.san.by_wwid(wwid)
        refuse_rivals(wwid, units)
        found.append(Leaving(wwid, units[0] if units else None))
    return tuple(found)


def behind(seen: Seen, hbas: Iterable[str], *, keep_record: bool = False) -> tuple[Leaving, ...]:
    """Return what leaves with SCSI hosts ("host7"): of every unit the paths over them, orphans included."""
    names = frozenset(hbas)
    found = []
    for unit in seen.multipath.san.luns:
        paths = frozenset(path.hctl for path in unit.paths if path.hba in names)
        if paths:
            found.append(Leaving(unit.wwid, unit, paths, keep_record))
    for path in seen.multipath.san.orphans:
        if path.hba in names:
            alone = LogicalUnit(None, (path,), path.size)
            found.append(Leaving(None, alone, frozenset((path.hctl,)), keep_record))
    return tuple(found)
