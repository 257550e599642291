# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a storage pool into the state that the task asks for."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report, carry_out
from ansible_collections.virt.san.plugins.module_utils._apply.pool_look import look
from ansible_collections.virt.san.plugins.module_utils._apply.pool_ways import (
    Look,
    coming_by,
    with_lasting_names,
    with_ways,
)
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.lock import host_lock
from ansible_collections.virt.san.plugins.module_utils._model.pool import GENERATED, PoolDefinition, Space
from ansible_collections.virt.san.plugins.module_utils._model.pool_boot import lock_path
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan, Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import Needs, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.kinds import type_of
from ansible_collections.virt.san.plugins.module_utils._pools.others import is_devices
from ansible_collections.virt.san.plugins.module_utils._pools.plan import (
    PoolPlan,
    Wanted,
    definition,
    plan_nothing,
    plan_pool,
)
from ansible_collections.virt.san.plugins.module_utils._pools.registry import built_on
from ansible_collections.virt.san.plugins.module_utils._pools.steps import (
    DeviceStep,
    LogInTo,
    MakeVhba,
    NoteMade,
    Unmount,
)

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._apply.pool_keeper import PoolKeeper

NO_FURTHER = Look()


@dataclass(frozen=True)
class Whole:
    """All that is to be done: for the pool, and for its start at boot."""

    pool: PoolPlan
    boot: Plan
    steps: tuple[Step, ...]
    space: Space | None = None
    group: Mapping[str, Any] | None = None
    """The volume group behind it."""
    warnings: tuple[str, ...] = field(default=())

    @property
    def before(self) -> dict[str, Any]:
        return {**self.pool.before, **self.boot.before}

    @property
    def after(self) -> dict[str, Any]:
        return {**self.pool.after, **self.boot.after}

    def describe(self) -> list[str]:
        return [step.describe() for step in self.steps]


def ensure(
    host: Host, keeper: PoolKeeper, wanted: Wanted, autostart: bool | None, timeout: float, check_mode: bool
) -> Report:
    """Bring a pool into a state. `timeout`: seconds for each step that touches storage.

    Another run that is about the same pool is waited for, as long; the boot does not hold the host's lock.

    Raises NotFoundError, RefusedError, InUseError, UnavailableError and LockedError before the first write,
    ApplyError after.
    """
    if check_mode:
        planned = plan(host, keeper, wanted, autostart, GENERATED, Look(ways=True))
        return _report(keeper, wanted, planned, planned.after, planned)
    with host_lock(host, f"pool {wanted.name}", timeout, lock_path(wanted.name)):
        return _ensure(host, keeper, wanted, autostart, timeout)


def _ensure(host: Host, keeper: PoolKeeper, wanted: Wanted, autostart: bool | None, timeout: float) -> Report:
    new_uuid, far = str(uuid.uuid4()), Look(ways=True, check_mode=False)

    def anew() -> Whole:
        return plan(host, keeper, wanted, autostart, new_uuid, far)

    try:
        planned = anew()
    except RefusedError:
        if wanted.pool is None or not built_on(wanted.pool):
            raise
        from ansible_collections.virt.san.plugins.module_utils._apply.pool_devices import let_others_build

        let_others_build(host, wanted.pool, timeout)
        planned = anew()
    if not planned.steps:
        planned = _without_left_behind(host, planned)
        return _report(keeper, wanted, planned, planned.after, planned)
    if any(isinstance(step, DeviceStep) for step in planned.steps):
        planned = _carry_out_alone(host, keeper, wanted, planned, timeout, anew)
    else:
        _carry_out(host, keeper, planned, timeout)
        planned = _without_left_behind(host, planned)
    # What was to be overwritten is: that is not to be done twice.
    build = "if_needed" if wanted.build == "overwrite" else wanted.build
    left = plan(host, keeper, replace(wanted, build=build), autostart, new_uuid)
    if left.steps:
        raise ApplyError(
            f"carried out, but not as planned; still to do: {'; '.join(left.describe())}. Does something else change "
            "it, or is a file system read-only?",
            completed=planned.describe(),
            left=left.describe(),
            changed=True,
        )
    return _report(keeper, wanted, planned, _now(planned.after, left.before), left)


def _now(planned: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is there by now, in the words of the plan.

    Nothing is left to do: what only shows where it is to be changed is as planned. What shows only once it is there,
    as a volume group that was made, does not belong to the change.
    """
    one, other = planned.get("pool"), seen.get("pool")
    return {**seen, "pool": {key: other.get(key, told) for key, told in one.items()} if one and other else other}


def _carry_out_alone(
    host: Host, keeper: PoolKeeper, wanted: Wanted, planned: Whole, timeout: float, anew: Callable[[], Whole]
) -> Whole:
    """Carry out a plan that writes to devices while this host has them alone; return it as it was carried out."""
    from ansible_collections.virt.san.plugins.module_utils._apply.pool_devices import alone_for, refuse_others

    with alone_for(host, planned.steps, timeout, wanted.exclusive, lambda: anew().steps) as held:
        if held.wwids or held.left:
            # Another host may have built meanwhile.
            before, planned = planned, anew()
            refuse_others(held, before.steps, planned.steps)
        _carry_out(host, keeper, planned, timeout)
    planned = replace(planned, warnings=(*planned.warnings, *held.warnings))
    return planned if held.wwids else _without_left_behind(host, planned)


def _carry_out(host: Host, keeper: PoolKeeper, planned: Whole, timeout: float) -> None:
    try:
        carry_out(planned.steps, lambda step: perform(host, keeper, step, timeout))
    except ApplyError as error:
        error.details["changed"] = bool(error.details["completed"])
        raise


def _without_left_behind(host: Host, planned: Whole) -> Whole:
    """Give LUNs back that a killed run has left reserved; return the plan, with a warning where that did not work."""
    pool = planned.pool.pool
    if pool is None or not built_on(pool):
        return planned
    from ansible_collections.virt.san.plugins.module_utils._apply.pool_devices import free_left_behind

    return replace(planned, warnings=(*planned.warnings, *free_left_behind(host, pool)))


def perform(host: Host, keeper: PoolKeeper, step: Step, timeout: float) -> None:
    """Carry out one step. Raises SanError, OSError."""
    if keeper.perform(step):
        return
    from ansible_collections.virt.san.plugins.module_utils._apply import pool_steps

    try:
        pool_steps.perform(host, step, timeout)
    except SanError as error:
        if error.details.pop("undone", False) and isinstance(step, (LogInTo, MakeVhba)):
            keeper.perform(NoteMade(step.pool, step.noted))
        raise


def plan(
    host: Host, keeper: PoolKeeper, wanted: Wanted, autostart: bool | None, new_uuid: str, how: Look = NO_FURTHER
) -> Whole:
    """Look at the host and return what is to be done."""
    known = keeper.look(wanted.name)
    wanted = with_lasting_names(host, wanted, known)
    pool = definition(known, wanted, new_uuid)
    if pool is None:
        planned, kind, seen = plan_nothing(known), None, Seen()
    else:
        kind = type_of(known, pool)
        stopping = wanted.state in ("inactive", "absent")
        needs = sum(map(kind.needs, (pool, *known.definitions)), Needs())
        seen = look(host, needs, known.started is not None, with_users=stopping)
        copies = _copies(host, (pool, *known.definitions), seen) if stopping else ()
        seen = replace(seen, remove_devices=wanted.remove_devices, copies=copies)
        seen = with_ways(host, known, wanted, coming_by(kind, known, pool, seen), seen, how)
        planned = plan_pool(known, wanted, seen, kind, new_uuid)
    boot = _boot(keeper, wanted, autostart)
    if wanted.state == "absent":
        steps: tuple[Step, ...] = (*boot.steps, *planned.steps)
    else:
        quiet = keeper.quiet_steps(wanted.name) if wanted.state == "inactive" else ()
        steps = (*quiet, *planned.steps, *boot.steps)
    space = kind.space(pool, seen) if kind is not None and pool is not None and planned.running else None
    return Whole(planned, boot, steps, space, told_group(pool, seen), (*planned.warnings, *_told_by(seen, planned)))


def _copies(host: Host, pools: Sequence[PoolDefinition], seen: Seen) -> tuple[str, ...]:
    """Return the runs that carry bytes from or to volumes of a pool."""
    from ansible_collections.virt.san.plugins.module_utils._host.claims import read_claims

    claims = read_claims(host)
    if not claims:
        return ()
    places = {path for pool in pools if (path := pool.target.path) and not is_devices(path)}
    places |= {seen.leads_to[path] for path in places if path in seen.leads_to}
    if any(pool.type == "logical" for pool in pools):
        from ansible_collections.virt.san.plugins.module_utils._pools.logical import group_name

        places |= {f"/dev/{group_name(pool)}" for pool in pools if pool.type == "logical"}
    names = {pool.name for pool in pools}
    return tuple(str(claim) for claim in claims if claim.pool in names or any(map(claim.is_below, places)))


def told_group(pool: PoolDefinition | None, seen: Seen) -> dict[str, Any] | None:
    """Return the volume group behind a pool, with the UUIDs of all that is in it; None for a pool without one."""
    if pool is None or pool.type != "logical" or seen.groups is None:
        return None
    from ansible_collections.virt.san.plugins.module_utils._pools.logical import group_name, sight_of

    found = sight_of(pool, seen).named(group_name(pool))
    return found[0].to_dict() if len(found) == 1 else None


def _boot(keeper: PoolKeeper, wanted: Wanted, autostart: bool | None) -> Plan:
    if wanted.state == "absent":
        return keeper.boot_plan(wanted.name, autostart=False)
    return keeper.boot_plan(wanted.name, autostart) if wanted.persistent else Plan()


def _told_by(seen: Seen, planned: PoolPlan) -> tuple[str, ...]:
    """Return warnings that come from what was seen."""
    unmounted = [step.point for step in planned.steps if isinstance(step, Unmount)]
    taken = [f"{path} is taken away from {', '.join(users)}" for path, users in seen.users.items() if path in unmounted]
    ways = (warning for way in (seen.coming, seen.leaving) if way is not None for warning in way.warnings)
    return (*taken, *(f"{path}: {why}" for path, why in seen.silent.items()), *ways)


def _report(keeper: PoolKeeper, wanted: Wanted, planned: Whole, after: Mapping[str, Any], last: Whole) -> Report:
    shown = after.get("pool")
    facts = {
        "pool": None if shown is None else _facts(shown, keeper, wanted, planned, last),
        "restart_needed": list(dict.fromkeys((*planned.pool.restart_for, *last.pool.restart_for))),
        "steps": planned.describe(),
    }
    warnings = tuple(dict.fromkeys((*planned.warnings, *last.pool.warnings)))
    return Report(planned.before != after, facts, planned.before, after, warnings)


def _facts(shown: Mapping[str, Any], keeper: PoolKeeper, wanted: Wanted, planned: Whole, last: Whole) -> dict[str, Any]:
    boot = planned.boot.after.get("boot")
    space = last.space
    at_boot = wanted.name in keeper.start_at_boot((wanted.name,)) if boot is None else boot["unit"] is not None
    return {
        **shown,
        "autostart": at_boot,
        "capacity": None if space is None else space.capacity,
        "allocation": None if space is None else space.allocation,
        "available": None if space is None else space.available,
        "volume_group": last.group,
    }
