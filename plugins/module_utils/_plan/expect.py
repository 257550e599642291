# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is what is expected there, and what is there instead? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path, San
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid, decode_lun, format_size
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import (
    Request,
    Seen,
    Selection,
    concerned_paths,
    lun_numbers,
    unit_wwids,
)

MOST_NAMED = 12
"""Units named in one message; more help nobody."""


@dataclass(frozen=True)
class Unmet:
    """One expectation that is not met."""

    subject: str
    """LUN 27, WWID 3600..., or what is counted."""
    problem: str
    """absent, size, paths or count."""
    wanted: str
    seen: str
    """What is there instead."""
    lun: int | None = None
    wwid: Wwid | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "lun": self.lun,
            "wwid": self.wwid,
            "problem": self.problem,
            "wanted": self.wanted,
            "seen": self.seen,
        }

    def __str__(self) -> str:
        return f"{self.subject}: {self.wanted} wanted; {self.seen}"


@dataclass(frozen=True)
class View:
    """The units as the selected HBAs and targets show them."""

    units: tuple[LogicalUnit, ...]
    request: Request
    by_number: Mapping[int, tuple[LogicalUnit, ...]]
    """Those that answer, by LUN number in either counting."""
    by_wwid: Mapping[str, tuple[LogicalUnit, ...]]
    """Those that answer, by any of their WWIDs."""

    def with_number(self, number: int) -> tuple[LogicalUnit, ...]:
        return self.by_number.get(number, ())

    def with_wwid(self, wwid: Wwid) -> tuple[LogicalUnit, ...]:
        return self.by_wwid.get(wwid, ())

    def candidates(self, number: int) -> tuple[LogicalUnit, ...]:
        """Return the units a requested number may mean: sizes and WWIDs that are expected narrow them down."""
        found = self.with_number(number)
        size = self.request.expect.lun_sizes.get(number)
        if size is not None and len(found) > 1:
            found = tuple(unit for unit in found if path_size(unit) == size)
        wanted = tuple(unit for unit in found if unit_wwids(unit) & frozenset(self.request.expect.all_wwids))
        return wanted or found

    def requested(self) -> tuple[LogicalUnit, ...]:
        """Return the units the request is about; all of them where it names none."""
        request = self.request
        if not request.numbers and not request.expect.all_wwids:
            return tuple(unit for unit in self.units if _answering(unit))
        meant = [unit for number in request.numbers for unit in self.candidates(number)]
        meant += [unit for wwid in request.expect.all_wwids for unit in self.with_wwid(wwid)]
        chosen = {id(unit) for unit in meant}
        return tuple(unit for unit in self.units if id(unit) in chosen)


def view(seen: Seen, selection: Selection, request: Request) -> View:
    """Return the units with the paths the request is about."""
    units = []
    by_number: dict[int, list[LogicalUnit]] = {}
    by_wwid: dict[str, list[LogicalUnit]] = {}
    for whole in seen.san.luns:
        paths = tuple(path for path in whole.paths if selection.covers(path))
        if not paths:
            continue
        unit = whole if len(paths) == len(whole.paths) else replace(whole, paths=paths)
        units.append(unit)
        answering = _answering(unit)
        for number in frozenset(number for path in answering for number in lun_numbers(path)):
            by_number.setdefault(number, []).append(unit)
        for wwid in unit_wwids(unit) if answering else ():
            by_wwid.setdefault(wwid, []).append(unit)
    return View(
        tuple(units),
        request,
        {number: tuple(found) for number, found in by_number.items()},
        {wwid: tuple(found) for wwid, found in by_wwid.items()},
    )


def path_size(unit: LogicalUnit) -> int:
    """Return the size in bytes that all answering paths agree on; 0 where they do not (a map may lag behind)."""
    sizes = {path.size for path in _answering(unit)}
    return sizes.pop() if len(sizes) == 1 else 0


def _answering(unit: LogicalUnit) -> tuple[Path, ...]:
    return tuple(path for path in unit.paths if path.device and path.size > 0)


# What is expected.


def unmet(seen: Seen, selection: Selection, request: Request) -> tuple[Unmet, ...]:
    """Return the expectations that are not met, LUN numbers first."""
    if not request.expect.anything:
        return ()
    shown = view(seen, selection, request)
    return (
        *_unmet_numbers(shown),
        *_unmet_wwids(shown),
        *_unmet_paths(shown, selection),
        *_unmet_count(shown),
    )


def _unmet_numbers(shown: View) -> Iterator[Unmet]:
    expect = shown.request.expect
    for number in expect.all_luns:
        size = expect.lun_sizes.get(number)
        wanted = f"{_sized(size)} LUN" if size is not None else "a LUN"
        found = shown.with_number(number)
        if not found:
            yield Unmet(f"LUN {number}", "absent", wanted, _instead_of_number(shown, number), lun=number)
        elif size is not None and not any(path_size(unit) == size for unit in shown.candidates(number)):
            seen = f"seen is {_list(found)}"
            yield Unmet(f"LUN {number}", "size", wanted, seen, lun=number, wwid=_only_wwid(found))


def _unmet_wwids(shown: View) -> Iterator[Unmet]:
    expect = shown.request.expect
    for wwid in expect.all_wwids:
        found = shown.with_wwid(wwid)
        size = expect.wwid_sizes.get(wwid)
        wanted = f"{_sized(size)} unit" if size is not None else "a unit"
        if not found:
            yield Unmet(f"WWID {wwid}", "absent", wanted, _instead_of_wwid(shown, wwid), wwid=wwid)
        elif size is not None and any(path_size(unit) != size for unit in found):
            yield Unmet(f"WWID {wwid}", "size", wanted, f"seen is {_list(found)}", wwid=wwid)


def _unmet_paths(shown: View, selection: Selection) -> Iterator[Unmet]:
    wanted = shown.request.expect.paths
    for unit in shown.requested() if wanted is not None else ():
        usable = [path for path in _answering(unit) if path.usable]
        if wanted is not None and len(usable) < wanted:
            lun = decode_lun(unit.paths[0].hctl.lun)
            paths = f"{wanted} path{'' if wanted == 1 else 's'}"
            seen = f"{len(usable)} usable: {_ways(unit.paths)}{_nothing_over(unit, selection)}"
            yield Unmet(f"LUN {lun} (WWID {unit.wwid})", "paths", paths, seen, lun=lun, wwid=unit.wwid)


def _unmet_count(shown: View) -> Iterator[Unmet]:
    wanted = shown.request.expect.count
    units = shown.requested()
    if wanted is not None and len(units) != wanted:
        what = "requested units" if shown.request.numbers or shown.request.expect.all_wwids else "units"
        seen = f"{len(units)} seen" + (f": {_list(units)}" if units else "")
        yield Unmet(f"number of {what}", "count", str(wanted), seen)


# What is there instead, in words.


def describe_unit(unit: LogicalUnit) -> str:
    """Say what a unit is: WWID, size, and the numbers and targets it is seen at."""
    size = path_size(unit) or unit.size
    return f"{unit.wwid or 'a unit without WWID'} of {_sized(size)}, {_ways(unit.paths)}"


def _list(units: Iterable[LogicalUnit]) -> str:
    told = [describe_unit(unit) for unit in units]
    more = [f"and {len(told) - MOST_NAMED} more"] if len(told) > MOST_NAMED else []
    return "; ".join(told[:MOST_NAMED] + more)


def _ways(paths: Iterable[Path]) -> str:
    return ", ".join(
        f"{path.device or path.hctl} as LUN {path.lun} over {path.hba}"
        f"{f' to {path.target}' if path.target else ''}"
        f"{'' if path.state == 'running' else f' ({path.state})'}"
        f"{'' if path.checker in (None, 'ready') else f' (checker: {path.checker})'}"
        for path in paths
    )


def _instead_of_number(shown: View, number: int) -> str:
    silent = [path for unit in shown.units for path in unit.paths if number in lun_numbers(path)]
    if silent:
        return _silent(silent)
    others = sorted((path.lun, str(unit.wwid), path_size(unit)) for unit in shown.units for path in _answering(unit))
    if not others:
        return "no LUN is seen at all"
    told = list(dict.fromkeys(f"LUN {lun} ({wwid}, {_sized(size)})" for lun, wwid, size in others))
    more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    return f"none is seen; seen there: {', '.join(told[:MOST_NAMED])}{more}"


def _silent(paths: Iterable[Path]) -> str:
    return f"its disk does not tell a size any more, as when the array takes a LUN away: {_ways(paths)}"


def _instead_of_wwid(shown: View, wwid: Wwid) -> str:
    silent = [path for unit in shown.units if wwid in unit_wwids(unit) for path in unit.paths]
    if silent:
        return _silent(silent)
    named = [unit for number in shown.request.numbers for unit in shown.with_number(number)]
    others = named or [unit for unit in shown.units if _answering(unit)]
    return f"seen instead is {_list(others)}" if others else "no LUN is seen in its place"


def _nothing_over(unit: LogicalUnit, selection: Selection) -> str:
    used = {path.hba for path in unit.paths}
    unused = [hba.name for hba in selection.hbas if hba.name not in used]
    return f"; nothing over {', '.join(unused)}" if unused else ""


def _sized(size: int) -> str:
    text = format_size(size)
    return f"{text} ({size} bytes)" if "." in text else text


def _only_wwid(units: tuple[LogicalUnit, ...]) -> Wwid | None:
    return units[0].wwid if len(units) == 1 else None


# Has everything that came been set up?


def awaited(san: San, before: Seen, selection: Selection, request: Request) -> tuple[Path, ...]:
    """Return the paths that have to be ready in the end: those that came since `before`, and those named."""
    known = _known(before)
    named = bool(request.numbers or request.expect.all_wwids)
    meant = {path.hctl for path in concerned_paths(san, selection, request)} if named else set()
    paths = (path for unit in san.luns for path in unit.paths if selection.covers(path))
    return tuple(path for path in paths if path.hctl not in known or path.hctl in meant)


def pending(seen: Seen, before: Seen, selection: Selection, request: Request) -> tuple[Path, ...]:
    """Return the awaited paths that are not ready for use yet.

    Ready: the disk is there with a size, udev has finished with it, and where it belongs to a map,
    multipathd has taken it in. A path that was there before is not waited for to get a size or into a
    map: nothing is under way that would bring it there.
    """
    known = _known(before)
    waiting = [path for path in seen.san.orphans if any(path.hba == hba.name for hba in selection.hbas)]
    waiting = [path for path in waiting if path.hctl not in known | seen.placeholders]
    units = {path.hctl: unit for unit in seen.san.luns for path in unit.paths}
    for path in awaited(seen.san, before, selection, request):
        recorded = path.device in seen.recorded
        if path.hctl in known:
            ready = recorded or path.size == 0
        else:
            ready = recorded and path.size > 0 and _in_map(seen, units[path.hctl], path)
        if not ready:
            waiting.append(path)
    return tuple(waiting)


def _known(before: Seen) -> frozenset[Hctl]:
    return frozenset(path.hctl for unit in before.san.luns for path in unit.paths) | {
        path.hctl for path in before.san.orphans
    }


def _in_map(seen: Seen, unit: LogicalUnit, path: Path) -> bool:
    """Tell whether a path is in its map, or needs none."""
    if not seen.san.multipath_running:
        return True
    return path.device in unit.map.slaves if unit.map is not None else path.device not in seen.claimed
