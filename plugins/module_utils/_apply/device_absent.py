# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a logical unit off a host, or those of its paths that are proven stale."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._apply import removal
from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report
from ansible_collections.virt.san.plugins.module_utils._apply.device_run import Order, Run
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit
from ansible_collections.virt.san.plugins.module_utils._plan.named import Named, find, same_unit
from ansible_collections.virt.san.plugins.module_utils._plan.removal import (
    Leaving,
    RemovalPlan,
    Seen,
    in_the_way,
    plan_removal,
)


def ensure_absent(host: Host, named: Named, order: Order, check_mode: bool) -> Report:
    """Take a unit off the host; with `probe` only those of its paths that the targets prove stale.

    What is not there is absent already. Nothing is scanned.

    Raises InUseError, IdentityError and RefusedError before anything is removed, ApplyError for a step that failed.
    """
    run = Run(host, named, order, check_mode)
    first = _calm(run)
    unit = find(first.multipath.san, named)
    if unit is None and named.wwid is None:
        return run.report(first.multipath.san, None, None)
    if unit is not None:
        run.probe(first.multipath.san, unit)
    plan = _plan(run, first, unit)
    if unit is not None and plan.steps and not check_mode and not order.probe:
        # Who is behind the paths now? Those that a target has disowned would not tell.
        _results, asked = removal.reread(host, unit.paths)
        plan = _plan(run, removal.look(host, first.multipath.san, asked), unit)
    run.carry_out(plan, plan.needs_multipathd)
    if not check_mode:
        _verify(run, plan)
    return run.report(first.multipath.san, unit, _rest(run, plan, unit))


def _calm(run: Run) -> Seen:
    """Look until nobody has the unit open just for a moment, as udev does."""

    def calm(seen: Seen) -> bool:
        unit = find(seen.multipath.san, run.named)
        held = in_the_way(seen, Leaving(unit.wwid, unit), run.order.force) if unit else ()
        return not held or any(use.kind != "open" for use in held)

    return wait_until(run.host, lambda: removal.look(run.host), calm, min(removal.PATIENCE, run.order.timeout))


def _plan(run: Run, seen: Seen, known: LogicalUnit | None) -> RemovalPlan:
    """Return the plan for the unit as it is `seen`; `known` is the unit as it was before it was asked again."""
    if known is None:
        leaving = Leaving(run.named.wwid, None)
    else:
        addresses = {path.hctl for path in known.paths}
        run.remapped = tuple(one for one in seen.remapped if one.path.hctl in addresses)
        stale = frozenset(path.hctl for path in run.stale) if run.order.probe else None
        leaving = Leaving(known.wwid, same_unit(seen.multipath.san, known), stale)
    return plan_removal(seen, [leaving], force=run.order.force, purge_remapped=run.order.purge_remapped)


def _verify(run: Run, plan: RemovalPlan) -> None:
    """Raise WaitTimeoutError or ApplyError where something of the unit is left."""
    if not plan.steps:
        return
    whole = [one.wwid for one in plan.leaving if one.wwid and one.whole]
    removal.verify_gone(run.host, whole, run.order.timeout)
    left = plan_removal(removal.look(run.host), [Leaving(wwid, None) for wwid in whole])
    if left.steps:
        raise ApplyError(
            f"carried out, but not as planned; still to do: {'; '.join(left.describe())}. Something else works on "
            "this LUN at the same time",
            completed=plan.describe(),
            left=left.describe(),
        )


def _rest(run: Run, plan: RemovalPlan, unit: LogicalUnit | None) -> LogicalUnit | None:
    """Return what is left of a unit of which only some paths go."""
    if unit is None or all(one.whole for one in plan.leaving):
        return None
    return unit if run.check_mode else same_unit(removal.look(run.host).multipath.san, unit)
