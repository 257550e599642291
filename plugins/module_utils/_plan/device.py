# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came in the place of a logical unit that the array has remapped, and what leaves with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid, decode_lun
from ansible_collections.virt.san.plugins.module_utils._plan.identity import Remapped
from ansible_collections.virt.san.plugins.module_utils._plan.named import Named, together, wwids
from ansible_collections.virt.san.plugins.module_utils._plan.removal import Leaving, Seen


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
        found.append(Leaving(old, together(old, parts), frozenset(addresses)))
    seen_too = {*gone, *wwids(now.multipath.san.luns)}
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
