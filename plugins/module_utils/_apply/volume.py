# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a volume of a storage pool into the state that the task asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report, carry_out
from ansible_collections.virt.san.plugins.module_utils._apply.volume_apart import Turns
from ansible_collections.virt.san.plugins.module_utils._apply.volume_keeper import VolumeKeeper
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, InputError, RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.lock import host_lock
from ansible_collections.virt.san.plugins.module_utils._model.pool_boot import lock_path
from ansible_collections.virt.san.plugins.module_utils._model.volume import Volume, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import Transfer, VolumeKind, VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_plan import VolumePlan, plan_volume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_registry import volume_kind

_UNKNOWN = Volume("", "", "", "", 0, 0).to_dict()


def nothing_held(_timeout: float) -> AbstractContextManager[None]:
    """Stand in where the host's lock is not held."""
    return nullcontext()


@dataclass(frozen=True)
class _Whole:
    plan: VolumePlan
    volume: Volume | None
    """As it is now."""
    transfer: Transfer | None = None


def ensure(
    host: Host,
    keeper: VolumeKeeper,
    pool: str,
    wanted: WantedVolume,
    timeout: float,
    check_mode: bool,
    apart: Callable[[float], AbstractContextManager[None]] = nothing_held,
) -> Report:
    """Bring a volume into a state. `timeout`: seconds for each step, and to wait for another run about the pool.

    `apart` lets go of the host's lock while its context lasts, for work that may take long.

    Raises InputError, NotFoundError, RefusedError, InUseError, CommandError and LockedError before the first write,
    ApplyError after.
    """
    if check_mode:
        planned = _plan(Turns(host, keeper, pool, wanted, nullcontext, 0.0), claims=False)
        return _report(pool, planned, planned.plan.after, planned)
    with host_lock(host, f"volume {wanted.name} of pool {pool}", timeout, lock_path(pool)) as held:

        @contextmanager
        def unlocked() -> Iterator[None]:
            with held.apart(timeout), apart(timeout):
                yield

        return _ensure(Turns(host, keeper, pool, wanted, unlocked, timeout), timeout)


def _ensure(run: Turns, timeout: float) -> Report:
    pool, clock = run.pool, run.host.clock
    planned = _plan(run)
    if not planned.plan.steps:
        return _report(pool, planned, planned.plan.after, planned)
    began = clock.monotonic()
    try:
        carry_out(planned.plan.steps, lambda step: run.keeper.perform(step, timeout, run.apart))
    except ApplyError as error:
        error.details["changed"] = bool(error.details["completed"])
        raise
    seconds = clock.monotonic() - began
    left = _look_again(run, planned)
    if left.plan.steps:
        raise ApplyError(
            f"carried out, but not as planned; still to do: {'; '.join(left.plan.describe())}. Does something else "
            "change it?",
            completed=planned.plan.describe(),
            left=left.plan.describe(),
            changed=True,
        )
    return _report(pool, planned, {**left.plan.before, **_carried(planned)}, left, seconds)


def _look_again(run: Turns, planned: _Whole) -> _Whole:
    """Return what is to be done after all was carried out. Raises ApplyError where that cannot be said."""
    try:
        return _plan(run)
    except SanError as error:
        done = {"cause": type(error).__name__, "completed": planned.plan.describe(), "changed": True}
        raise ApplyError(f"carried out; looked at again: {error.message}", **{**error.details, **done}) from error


def _plan(run: Turns, claims: bool = True) -> _Whole:
    """Look, once nobody else is at the volume, and return what is to be done. `claims`: reading may be claimed."""
    wanted, sight = run.wanted, run.free()
    kind = _kind(sight, wanted)
    if sight.running and (wanted.upload_from is not None or wanted.download_to is not None):
        before = sight

        def compare() -> Transfer | None:
            return run.keeper.compare(before, wanted)

        transfer, sight = run.apart_from(before, compare) if claims else (compare(), before)
        sight = replace(sight, transfer=transfer)
    return _Whole(plan_volume(run.pool, wanted, sight, kind), sight.volume, sight.transfer)


def _kind(sight: VolumeSight, wanted: WantedVolume) -> VolumeKind | None:
    """Return what is known about the pool's volumes. Raises InputError for what they cannot be, RefusedError."""
    if sight.pool is None:
        return None
    kind = volume_kind(sight.pool.type)
    if kind is None:
        raise RefusedError(f"the volumes of pools of type {sight.pool.type} are neither made nor changed here")
    try:
        kind.check(wanted)
    except ValueError as wrong:
        raise InputError(str(wrong), option=str(wrong).partition(":")[0]) from wrong
    return kind


def _carried(planned: _Whole) -> dict[str, Any]:
    """Return what the plan says of files, which shows in no volume."""
    return {key: value for key, value in planned.plan.after.items() if key != "volume"}


def _report(pool: str, planned: _Whole, after: Mapping[str, Any], last: _Whole, seconds: float | None = None) -> Report:
    shown = after["volume"]
    told = dict.fromkeys(_UNKNOWN) if last.volume is None else last.volume.to_dict()
    facts: dict[str, Any] = {
        "volume": None if shown is None else {**told, **shown, "pool": pool},
        "steps": planned.plan.describe(),
    }
    if last.transfer is not None:
        carried = last.transfer
        took = round(seconds, 3) if seconds is not None and _carried(planned) else None
        facts["transfer"] = {"bytes": carried.size, "checksum": carried.checksum, "seconds": took}
    return Report(planned.plan.before != after, facts, planned.plan.before, after, planned.plan.warnings)
