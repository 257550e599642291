# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which multipath devices to flush. Pure."""

from __future__ import annotations

from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.plugins.module_utils._model.multipath import MultipathState
from ansible_collections.virt.san.plugins.module_utils._plan.guard import refuse_in_use, refuse_rivals
from ansible_collections.virt.san.plugins.module_utils._plan.multipath import MapsPlan
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import FlushMap, ForgetWwid, WriteDropIn
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step


def plan_absent(state: MultipathState, wwids: tuple[Wwid, ...]) -> MapsPlan:
    """Return what removes the maps of these WWIDs, keeps them away, and leaves their paths.

    Raises InUseError, naming every holder of every device, and IdentityError where several units claim
    one of the WWIDs. What is not there needs no step.
    """
    units = {wwid: _unit(state, wwid) for wwid in wwids}
    mapped = {wwid: unit for wwid, unit in units.items() if unit is not None and unit.map is not None}
    refuse_in_use(mapped.values(), "flushing the multipath device")
    drop_in = state.drop_in.without(frozenset(wwids))
    steps: list[Step] = []
    for wwid, unit in mapped.items():
        if unit.map is not None:
            steps.append(FlushMap(wwid, unit.map.name, unit.map.dm))
    steps += [ForgetWwid(wwid) for wwid in wwids if wwid in mapped or wwid in state.remembered]
    if drop_in != state.drop_in:
        # Not a reason to reconfigure: that could make maps again, and an unused alias does no harm.
        steps.append(WriteDropIn(drop_in, load=False))
    return MapsPlan(
        steps=tuple(steps),
        before={"maps": {wwid: _now(state, wwid, units[wwid]) for wwid in wwids}},
        after={"maps": {wwid: _absent() for wwid in wwids}},
        warnings=_warnings(state, tuple(mapped)),
        concerned=wwids,
    )


def _unit(state: MultipathState, wwid: Wwid) -> LogicalUnit | None:
    """Return the unit to flush. A problem of its paths is none of a flush's, two maps or units are."""
    units = state.san.by_wwid(wwid)
    refuse_rivals(wwid, units)
    return units[0] if units else None


def _now(state: MultipathState, wwid: Wwid, unit: LogicalUnit | None) -> dict[str, Any]:
    found = unit.map if unit else None
    return {
        "name": found.name if found else None,
        "remembered": bool(found) or wwid in state.remembered,
        "recorded": wwid in state.drop_in.devices,
    }


def _absent() -> dict[str, Any]:
    return {"name": None, "remembered": False, "recorded": False}


def _warnings(state: MultipathState, flushed: tuple[Wwid, ...]) -> tuple[str, ...]:
    if not flushed or state.find_multipaths == "strict":
        return ()
    warning = (
        f"find_multipaths is {state.find_multipaths!r} on this host: multipathd makes maps for LUNs it sees by itself, "
        f"so that those flushed ({', '.join(flushed)}) can come back at its next reconfigure or restart. "
        "Remove the LUNs from the host, or set find_multipaths to strict"
    )
    return (warning,)
