# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rescan has to tell: what came, what grew, what is missing, which host took how long. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, format_size
from ansible_collections.virt.san.plugins.module_utils._plan.expect import Unmet, View, path_size
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import Seen, Selection, SkippedPort


@dataclass
class HostReport:
    """What became of one SCSI host's scans. Filled while they run."""

    hba: str
    seconds: float = 0.0
    scans: list[str] = field(default_factory=list)
    """What was begun, in order."""
    stuck: str | None = None
    """What did not return within the deadline."""
    errors: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return what was begun, without repetitions."""
        return list(dict.fromkeys(self.scans))

    def to_dict(self) -> dict[str, Any]:
        return {
            "hba": self.hba,
            "seconds": round(self.seconds, 3),
            "scans": self.lines(),
            "stuck": self.stuck,
            "errors": list(self.errors),
        }


def paths_of(seen: Seen, selection: Selection) -> dict[Hctl, tuple[Path, LogicalUnit]]:
    """Return the paths of the selection, with their unit, by address."""
    return {path.hctl: (path, unit) for unit in seen.san.luns for path in unit.paths if selection.covers(path)}


def projection(seen: Seen, selection: Selection) -> dict[str, str]:
    """Return what a rescan may change, as a person compares it: identity and size by address."""
    return {
        str(hctl): f"{path.wwid or 'no WWID'} {format_size(path.size)}"
        for hctl, (path, _unit) in sorted(paths_of(seen, selection).items())
    }


def differences(before: Seen, after: Seen, selection: Selection) -> dict[str, Any]:
    """Return the paths that appeared and disappeared, and the units whose size changed."""
    old, new = paths_of(before, selection), paths_of(after, selection)
    return {
        "appeared": [_path(*new[hctl]) for hctl in sorted(new.keys() - old.keys())],
        "disappeared": [_path(*old[hctl]) for hctl in sorted(old.keys() - new.keys())],
        "resized": _resized(old, new),
    }


def _path(path: Path, unit: LogicalUnit) -> dict[str, Any]:
    return dict(path.to_dict(), wwid=unit.wwid)


def _resized(
    old: Mapping[Hctl, tuple[Path, LogicalUnit]], new: Mapping[Hctl, tuple[Path, LogicalUnit]]
) -> list[dict[str, Any]]:
    changes: dict[tuple[Any, int, int], list[Path]] = {}
    for hctl in sorted(old.keys() & new.keys()):
        path, unit = new[hctl]
        if path.size != old[hctl][0].size:
            changes.setdefault((unit.wwid, old[hctl][0].size, path.size), []).append(path)
    return [
        {
            "wwid": wwid,
            "luns": sorted({path.lun for path in paths}),
            "old_size": old_size,
            "new_size": new_size,
            "devices": [path.device for path in paths],
        }
        for (wwid, old_size, new_size), paths in changes.items()
    ]


def missing(shown: View, unmet: Iterable[Unmet]) -> list[dict[str, Any]]:
    """Return what is missing: expectations that are not met, and numbers asked for without being expected."""
    request = shown.request
    found = [one.to_dict() for one in unmet]
    for number in request.luns:
        if number not in request.expect.all_luns and not shown.with_number(number):
            one = Unmet(f"LUN {number}", "absent", "a LUN", "none is seen", lun=number)
            found.append(one.to_dict())
    return found


def failure(unmet: Iterable[Unmet], timeout: float, skipped: Iterable[SkippedPort], hosts: Iterable[HostReport]) -> str:
    """Return the one message for expectations that were not met in time."""
    parts = [f"not all that is expected is there after {timeout:g} s. " + ". ".join(str(one) for one in unmet)]
    ports = [str(port) for port in skipped]
    if ports:
        parts.append(f"Not scanned: {'; '.join(ports)}")
    for host in hosts:
        if host.stuck:
            parts.append(f"{host.hba} hangs: {host.stuck}")
        parts += [f"{host.hba}: {error}" for error in host.errors]
    parts.append("Check mapping and zoning of what is missing, or correct the expectation; then run again")
    return ". ".join(parts)


def foretold(shown: View, unmet: Iterable[Unmet]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the state of what is expected before and after, for check mode: equal when all is met."""
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for unit in shown.requested():
        before[str(unit.wwid)] = after[str(unit.wwid)] = format_size(path_size(unit) or unit.size)
    for one in unmet:
        before[f"{one.subject} ({one.problem})"] = one.seen
        after[f"{one.subject} ({one.problem})"] = f"{one.wanted} wanted"
    return before, after
