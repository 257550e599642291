# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a host follow the size of a LUN, and clear up what the array has remapped."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._apply import removal
from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report
from ansible_collections.virt.san.plugins.module_utils._apply.device_purge import purge, read_note
from ansible_collections.virt.san.plugins.module_utils._apply.device_run import Order, Run
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, NotFoundError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path, San
from ansible_collections.virt.san.plugins.module_utils._model.fabric import SAN_TRANSPORTS
from ansible_collections.virt.san.plugins.module_utils._plan import device, grow
from ansible_collections.virt.san.plugins.module_utils._plan.grow import RereadPaths
from ansible_collections.virt.san.plugins.module_utils._plan.named import Named, find, require, same_unit
from ansible_collections.virt.san.plugins.module_utils._plan.removal import Seen

ASK_AGAIN = 2.0
"""Seconds between two questions for a size that has not come yet."""


def ensure_present(host: Host, named: Named, order: Order, check_mode: bool) -> Report:
    """Have the host show a unit in its size.

    Raises NotFoundError, IdentityError (remapped paths), RefusedError (shrunk, or paths that cannot be asked),
    WaitTimeoutError (the wanted size), ApplyError (a step that failed).
    """
    run = Run(host, named, order, check_mode)
    first = removal.look(host)
    unit = find(first.multipath.san, named)
    if unit is None and not order.purge_remapped:
        require(first.multipath.san, named)
    noted = read_note(host) if order.purge_remapped else ()
    begun = tuple(one for one in noted if device.concerns(one, named, unit))
    seen = first if check_mode else _ask(run, first, unit)
    remapped = tuple(one for one in seen.remapped if device.concerns(one, named, unit))
    if remapped or begun:
        unit = purge(run, seen, remapped, device.apart_from(begun, remapped))
        seen = seen if check_mode else removal.look(host)
        if unit is None:
            return run.report(seen.multipath.san, None, None)
    if unit is None:
        unit = require(seen.multipath.san, named)
    run.probe(seen.multipath.san, unit)
    now = same_unit(seen.multipath.san, unit)
    if now is None:
        raise NotFoundError(f"{named} went away while it was looked at", wwid=unit.wwid)
    return _grow(run, seen.multipath.san, unit, now)


def _ask(run: Run, first: Seen, unit: LogicalUnit | None) -> Seen:
    """Have the paths that matter read again, and look what they say now: all of the SAN where the unit is not seen."""
    paths = unit.paths if unit else _san_paths(first.multipath.san)
    _results, asked = removal.reread(run.host, paths)
    return removal.look(run.host, first.multipath.san, asked)


def _san_paths(san: San) -> tuple[Path, ...]:
    return tuple(path for unit in san.luns for path in unit.paths if path.transport in SAN_TRANSPORTS)


# Size


def _grow(run: Run, san: San, unit: LogicalUnit, now: LogicalUnit) -> Report:
    wanted, asked = run.order.size, not run.check_mode
    if asked and wanted is not None and now.size < wanted:
        now = _await_size(run, unit, now, wanted)
    plan = grow.plan_grow(unit, now, wanted, asked)
    # The paths were asked before: the plan depends on what they said.
    rest = tuple(step for step in plan.steps if not isinstance(step, RereadPaths))
    run.carry_out(replace(plan, steps=rest), needs_multipathd=bool(rest))
    run.plans[-1] = plan
    return run.report(san, unit, _verified(run, unit, now) if asked else now)


def _await_size(run: Run, unit: LogicalUnit, now: LogicalUnit, wanted: int) -> LogicalUnit:
    """Ask the paths again and again, until all that work have the wanted size, or time is up."""
    clock = run.host.clock
    due = clock.monotonic() + ASK_AGAIN

    def observe() -> LogicalUnit:
        nonlocal due
        if clock.monotonic() >= due:
            removal.reread(run.host, unit.paths)
            due = clock.monotonic() + ASK_AGAIN
        return same_unit(read_san(run.host), unit) or now

    def grown(seen: LogicalUnit) -> bool:
        grow.refuse_shrunk(unit, seen)
        return {path.size for path in seen.paths if path.usable} == {wanted}

    return wait_until(run.host, observe, grown, run.order.timeout)


def _verified(run: Run, unit: LogicalUnit, now: LogicalUnit) -> LogicalUnit:
    """Return the unit in the end. Raises ApplyError where it is not as planned."""
    plan = run.plans[-1]
    last = same_unit(read_san(run.host), unit) or now
    if last.size != plan.after["luns"][grow.key(unit)]["size"]:
        paths = ", ".join(f"{path.device} {path.size}" for path in last.paths)
        raise ApplyError(
            f"carried out, but not as planned: {run.named} has {last.size} bytes, its paths {paths}. It changes on "
            "the array just now; run again",
            completed=plan.describe(),
        )
    return last
