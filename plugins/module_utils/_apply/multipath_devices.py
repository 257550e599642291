# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trip of multipath_devices: look, plan, check the configuration, carry out, look again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report, carry_out
from ansible_collections.virt.san.plugins.module_utils._apply.multipath import perform
from ansible_collections.virt.san.plugins.module_utils._apply.multipath_look import look, require_daemon, settled
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError
from ansible_collections.virt.san.plugins.module_utils._host.children import write_all
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.multipath_check import check_drop_in
from ansible_collections.virt.san.plugins.module_utils._host.scan import reread_write
from ansible_collections.virt.san.plugins.module_utils._host.udev import event_waker
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.plugins.module_utils._model.multipath import MultipathState, WantedMaps
from ansible_collections.virt.san.plugins.module_utils._plan.multipath import MapsPlan, plan_present
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_absent import plan_absent
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import WriteDropIn

CHECK_DEADLINE = 60.0
REREAD_DEADLINE = 30.0
"""Seconds for reading the size of all paths of one unit again."""

Planner = Callable[[MultipathState], MapsPlan]


def ensure_present(host: Host, wanted: WantedMaps, timeout: float, check_mode: bool) -> Report:
    """Make the wanted maps. `timeout`: seconds for paths to be there, and for each map to come up.

    Raises what the planner raises before anything is written, InputError for settings multipath does not
    take, ApplyError for a step that failed.
    """
    require_daemon(host)

    def plan(state: MultipathState) -> MapsPlan:
        return plan_present(state, wanted)

    first = look(host)
    if not check_mode:
        first = wait_until(host, lambda: look(host), settled(wanted), timeout, event_waker(host))
        plan(first)  # refuse before anything is written
        if wanted.resize:
            _read_sizes_again(host, plan(first), first)
            first = look(host)
    return _carry_out(host, first, plan, timeout, check_mode)


def ensure_absent(host: Host, wwids: tuple[Wwid, ...], timeout: float, check_mode: bool) -> Report:
    """Flush the maps of these WWIDs. Raises InUseError, naming all holders, before anything is written."""

    def plan(state: MultipathState) -> MapsPlan:
        return plan_absent(state, wwids)

    first = look(host)
    if plan(first).steps:
        require_daemon(host)
    return _carry_out(host, first, plan, timeout, check_mode)


def _carry_out(host: Host, first: MultipathState, make: Planner, timeout: float, check_mode: bool) -> Report:
    plan = make(first)
    for step in plan.steps:
        if isinstance(step, WriteDropIn):
            check_drop_in(host, step.content, CHECK_DEADLINE)
    if check_mode or not plan.steps:
        return _report(plan, plan.after, first)
    carry_out(plan.steps, lambda step: perform(host, step, timeout))
    last = look(host)
    left = make(last)
    if left.steps:
        raise ApplyError(
            f"carried out, but not as planned; still to do: {'; '.join(left.describe())}. "
            "Something else changes multipathing on this host at the same time, or multipathd refuses: see its journal",
            completed=plan.describe(),
            left=left.describe(),
        )
    return _report(plan, left.before, last)


def _read_sizes_again(host: Host, plan: MapsPlan, state: MultipathState) -> None:
    """Have the kernel ask for the size of the paths again; on a path that is not running it would do nothing."""
    jobs = {}
    for unit in _units(state, plan.concerned):
        writes = [reread_write(path.hctl) for path in unit.paths if path.state == "running"]
        if unit.map and writes:
            jobs[unit.map.dm] = writes
    write_all(host, jobs, REREAD_DEADLINE)  # what came of it shows in the sizes


def _units(state: MultipathState, wwids: tuple[Wwid, ...]) -> list[LogicalUnit]:
    return [unit for wwid in wwids for unit in state.san.by_wwid(wwid)]


def _report(plan: MapsPlan, after: Mapping[str, Any], state: MultipathState) -> Report:
    facts: dict[str, Any] = {
        "maps": [unit.to_dict() for unit in _units(state, plan.concerned)],
        **_differences(plan.before["maps"], after["maps"]),
        "skipped": [skipped.to_dict() for skipped in plan.skipped],
        "steps": plan.describe(),
    }
    return Report(plan.before != after, facts, plan.before, after, plan.warnings)


def _differences(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """Return what was created, renamed, resized and flushed between two states of the maps."""
    found: dict[str, list[Any]] = {"created": [], "renamed": [], "resized": [], "flushed": []}
    for wwid, then in after.items():
        old, new = before.get(wwid, {"name": None}), then
        if old["name"] is None or new["name"] is None:
            if old["name"] != new["name"]:
                found["created" if new["name"] else "flushed"].append(wwid)
            continue
        if old["name"] != new["name"]:
            found["renamed"].append({"wwid": wwid, "from": old["name"], "to": new["name"]})
        if old.get("size") != new.get("size"):
            found["resized"].append({"wwid": wwid, "from": old["size"], "to": new["size"]})
    return found
