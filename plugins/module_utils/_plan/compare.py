# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do all hosts see the same logical units? Pure: works on what the hosts returned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.ids import format_size

Unit = Mapping[str, Any]
"""One logical unit as the modules return it (LogicalUnit.to_dict)."""


@dataclass(frozen=True)
class HostView:
    """What one host said."""

    units: tuple[Unit, ...]
    failure: str | None = None
    """Why its own check failed, when it did."""


@dataclass
class Comparison:
    """What a comparison found. `problems` and `conflicts` are per host, in the order found."""

    compared: list[str] = field(default_factory=list)
    not_compared: dict[str, str] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    """Something is missing on the host; the others may go on."""
    conflicts: dict[str, list[str]] = field(default_factory=dict)
    """Hosts contradict each other; nobody may go on, for nobody knows which one is right."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "same": not self.problems and not self.conflicts,
            "compared": self.compared,
            "not_compared": self.not_compared,
            "problems": self.problems,
            "conflicts": self.conflicts,
        }


def compare_hosts(views: Mapping[str, HostView | None], paths: int | None = None) -> Comparison:
    """Compare the units all hosts see: the same WWIDs, of one size, over the expected number of paths.

    A host without a view (outside the run, unreachable) is listed as not compared. A host whose own
    check failed keeps its own message, but what it does see is compared with the others.
    """
    result = Comparison()
    present: dict[str, tuple[Unit, ...]] = {}
    for host, view in views.items():
        if view is None:
            result.not_compared[host] = (
                "no answer in this run (outside the limit or batch, unreachable, or failed before)"
            )
            continue
        result.compared.append(host)
        present[host] = view.units
        if view.failure:
            result.problems.setdefault(host, []).append(view.failure)
    for wwid in _wwids(present):
        seen = {host: unit for host, units in present.items() for unit in units if unit["wwid"] == wwid}
        _compare_unit(result, seen, views, paths)
    return result


def _wwids(present: Mapping[str, Sequence[Unit]]) -> list[str]:
    """Every identity seen anywhere, in the order of LUN numbers."""
    numbers = {unit["wwid"]: min(lun_numbers(unit) or [0]) for units in present.values() for unit in units}
    return sorted(numbers, key=lambda wwid: (numbers[wwid], wwid or ""))


def _compare_unit(
    result: Comparison, seen: Mapping[str, Unit], views: Mapping[str, HostView | None], paths: int | None
) -> None:
    title = unit_title(next(iter(seen.values())))
    sizes = {host: unit["size"] for host, unit in seen.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{host} sees {format_size(size)}" for host, size in sizes.items())
        for host in seen:
            result.conflicts.setdefault(host, []).append(f"{title}: sizes differ: {told}; rescan with refresh_sizes")
    for host in result.compared:
        view = views[host]
        if host not in seen and view is not None and not view.failure:
            instead = ", ".join(unit_title(unit) for unit in view.units) or "nothing"
            result.problems.setdefault(host, []).append(
                f"{title} is missing; {', '.join(seen)} see{'s' if len(seen) == 1 else ''} it. Seen instead: {instead}"
            )
    for host, unit in seen.items():
        view = views[host]
        if paths is not None and len(unit["paths"]) != paths and view is not None and not view.failure:
            ways = ", ".join(path_title(path) for path in unit["paths"])
            result.problems.setdefault(host, []).append(
                f"{title}: {len(unit['paths'])} paths instead of {paths}; there are {ways}"
            )


def lun_numbers(unit: Unit) -> list[int]:
    """Return the LUN numbers a unit has on its host, as the array counts; usually one."""
    return sorted({path["lun"] for path in unit["paths"]})


def unit_title(unit: Unit) -> str:
    """Name a unit for people: LUN 27 (36001405..., 10G)."""
    numbers = "/".join(str(number) for number in lun_numbers(unit)) or "?"
    return f"LUN {numbers} ({unit['wwid'] or 'no identity'}, {format_size(unit['size'])})"


def path_title(path: Mapping[str, Any]) -> str:
    """Name a path for people: sdb host2 -> 50000...: ready."""
    state = path["checker_state"] or path["state"]
    return f"{path['device'] or path['hctl']} {path['hba']} -> {path['target'] or '?'}: {state}"


def summarise(views: Mapping[str, HostView | None], comparison: Comparison) -> list[str]:
    """Return lines that say which host sees what through which paths, and what is wrong."""
    present = {host: view.units for host, view in views.items() if view is not None}
    lines: list[str] = []
    for wwid in _wwids(present):
        seen = [(host, unit) for host, units in present.items() for unit in units if unit["wwid"] == wwid]
        lines.append(unit_title(seen[0][1]))
        for host, unit in seen:
            ways = "; ".join(path_title(path) for path in unit["paths"])
            count = len(unit["paths"])
            lines.append(f"  {host}  {unit['device']}  {count} path{'' if count == 1 else 's'}: {ways}")
    for kind in (comparison.conflicts, comparison.problems):
        lines += [f"{host}: {problem}" for host, problems in kind.items() for problem in problems]
    lines += [f"{host}: not compared: {reason}" for host, reason in comparison.not_compared.items()]
    if not comparison.problems and not comparison.conflicts and comparison.compared:
        lines.append(f"{', '.join(comparison.compared)}: the same logical units, sizes and number of paths")
    return lines
