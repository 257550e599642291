# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a volume of a storage pool into the state that the task asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report, carry_out
from ansible_collections.virt.san.plugins.module_utils._apply.volume_keeper import VolumeKeeper
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, InputError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.lock import host_lock
from ansible_collections.virt.san.plugins.module_utils._model.pool_boot import lock_path
from ansible_collections.virt.san.plugins.module_utils._model.volume import Volume, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import Transfer, VolumeKind, VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_plan import VolumePlan, plan_volume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_registry import volume_kind

_UNKNOWN = Volume("", "", "", "", 0, 0).to_dict()


@dataclass(frozen=True)
class _Whole:
    plan: VolumePlan
    volume: Volume | None
    """As it is now."""
    transfer: Transfer | None = None


def ensure(
    host: Host, keeper: VolumeKeeper, pool: str, wanted: WantedVolume, timeout: float, check_mode: bool
) -> Report:
    """Bring a volume into a state. `timeout`: seconds for each step, and to wait for another run about the pool.

    Raises InputError, NotFoundError, RefusedError, InUseError, CommandError and LockedError before the first write,
    ApplyError after.
    """
    if check_mode:
        planned = _plan(keeper, pool, wanted)
        return _report(pool, planned, planned.plan.after, planned)
    with host_lock(host, f"volume {wanted.name} of pool {pool}", timeout, lock_path(pool)):
        planned = _plan(keeper, pool, wanted)
        if not planned.plan.steps:
            return _report(pool, planned, planned.plan.after, planned)
        began = host.clock.monotonic()
        try:
            carry_out(planned.plan.steps, lambda step: keeper.perform(step, timeout))
        except ApplyError as error:
            error.details["changed"] = bool(error.details["completed"])
            raise
        seconds = host.clock.monotonic() - began
        left = _plan(keeper, pool, wanted)
    if left.plan.steps:
        raise ApplyError(
            f"carried out, but not as planned; still to do: {'; '.join(left.plan.describe())}. Does something else "
            "change it?",
            completed=planned.plan.describe(),
            left=left.plan.describe(),
            changed=True,
        )
    return _report(pool, planned, {**left.plan.before, **_carried(planned)}, left, seconds)


def _plan(keeper: VolumeKeeper, pool: str, wanted: WantedVolume) -> _Whole:
    """Look, and return what is to be done."""
    sight = keeper.look(pool, wanted)
    return _Whole(plan_volume(pool, wanted, sight, _kind(sight, wanted)), sight.volume, sight.transfer)


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
