# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a volume as wanted and what was seen to what is to be done. Pure, and the same for every kind of pool.

Nothing is taken away from anybody: a volume that is open, or that others read from, is neither deleted nor shrunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, NotFoundError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.ids import format_size
from ansible_collections.virt.san.plugins.module_utils._model.pool import Permissions, PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import (
    FULL,
    NewVolume,
    Share,
    Volume,
    WantedVolume,
    rounded_up,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan, Step
from ansible_collections.virt.san.plugins.module_utils._pools.steps import NoteStarted
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeKind, VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_snapshot import refuse_elsewhere, space_for_changes
from ansible_collections.virt.san.plugins.module_utils._pools.volume_source import refuse_header
from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import (
    CreateVolume,
    DeleteVolume,
    PermitVolume,
    ResizeVolume,
    WipeVolume,
)
from ansible_collections.virt.san.plugins.module_utils._pools.volume_transfer import download, upload, with_capacity

GONE: Mapping[str, Any] = {"volume": None}


@dataclass(frozen=True)
class VolumePlan(Plan):
    """A plan for one volume."""

    new: NewVolume | None = None
    """What is to be made."""


def plan_volume(pool_name: str, wanted: WantedVolume, sight: VolumeSight, kind: VolumeKind | None) -> VolumePlan:
    """Return what brings a volume into the wanted state. `kind` is None where there is no such pool.

    Raises RefusedError, InUseError, NotFoundError, InputError: nothing was done before.
    """
    pool = sight.pool
    if pool is None or kind is None:
        if wanted.state == "absent":
            return VolumePlan(before=GONE, after=GONE, warnings=(f"there is no pool {pool_name} on this host",))
        raise NotFoundError(
            f"there is no pool {pool_name} on this host, to make volume {wanted.name} in; virt.san.storage_pool "
            "defines one",
            pool=pool_name,
        )
    if wanted.snapshot_of is not None:
        refuse_elsewhere(pool)
    if not sight.running:
        raise RefusedError(
            f"pool {pool.name} does not run, so that its volumes are not to be seen: start it first "
            "(virt.san.storage_pool with state: active)",
            pool=pool.name,
        )
    if sight.taken_by is not None:
        raise RefusedError(
            f"{wanted.name} in pool {pool.name} is {sight.taken_by}, and no volume: take another name, or remove it "
            "by hand",
            pool=pool.name,
        )
    plan = _with_bytes(pool, wanted, sight, kind, _plan(pool, with_capacity(wanted, sight), sight, kind))
    if plan.steps and sight.hindrance:
        raise RefusedError(f"{plan.steps[0].describe()}: refused, {sight.hindrance}", pool=pool.name)
    return plan


def _plan(pool: PoolDefinition, wanted: WantedVolume, sight: VolumeSight, kind: VolumeKind) -> VolumePlan:
    if wanted.state == "absent":
        return _absent(pool, wanted, sight, kind)
    if sight.volume is None:
        return _create(pool, wanted, sight, kind)
    return _change(pool, wanted, sight, kind, sight.volume)


def _with_bytes(
    pool: PoolDefinition, wanted: WantedVolume, sight: VolumeSight, kind: VolumeKind, plan: VolumePlan
) -> VolumePlan:
    """Return the plan with what carries bytes to the volume, or from it. Nothing that is in use is written over."""
    file = sight.transfer
    if wanted.upload_from is not None:
        if sight.volume is not None and file is not None and not file.same:
            _refuse_in_use(sight, sight.volume, f"writing to volume {wanted.name} in pool {pool.name}")
        carried = upload(pool, kind.path(pool, wanted.name, sight), wanted, sight, plan)
        if file is not None and kind.by_header:
            refuse_header("upload_from", wanted.upload_from, file.form, "clone_from makes a volume of an image")
        return carried
    if wanted.download_to is None:
        return plan
    there = None if file is None else file.replaces
    if there is not None and there.volume is not None:
        _refuse_in_use(there, there.volume, f"taking the place of {wanted.download_to}")
    return download(pool, wanted, sight, plan)


def _create(pool: PoolDefinition, wanted: WantedVolume, sight: VolumeSight, kind: VolumeKind) -> VolumePlan:
    new = kind.complete(wanted, sight)
    left = sight.leftover
    if left is not None:
        _refuse_in_use(sight, left, f"clearing up what a killed run has left of volume {wanted.name}")
    clear: tuple[Step, ...] = () if left is None else (DeleteVolume(pool, left, half_made=True),)
    after = {
        "name": new.name,
        "path": kind.path(pool, new.name, sight),
        "format": new.format,
        "capacity": new.capacity,
        "backing": None if new.backing is None else new.backing.to_dict(),
    }
    if new.permissions != Permissions():
        after.update({"mode": None, "owner": None, "group": None, **new.permissions.shown()})
    after.update({key: told for key, told in _lvm_facts(new).items() if told is not None})
    return VolumePlan((*clear, CreateVolume(pool, new)), GONE, {"volume": after}, sight.warnings, new)


def _lvm_facts(new: NewVolume) -> Mapping[str, Any]:
    return {"thin_pool": new.thin_pool, "snapshot_of": new.snapshot_of}


def _change(
    pool: PoolDefinition, wanted: WantedVolume, sight: VolumeSight, kind: VolumeKind, volume: Volume
) -> VolumePlan:
    if volume.problem is not None:
        raise RefusedError(f"volume {volume.name} in pool {pool.name}: {volume.problem}", path=volume.path)
    kind.refuse_difference(wanted, sight, volume)
    steps = [*kind.activation(pool, volume)]
    # What is no part of the volume itself: other hosts have the same one.
    device = ({"device": None}, {"device": volume.path}) if steps else ({}, {})
    before = volume.compared()
    after = dict(before)
    warnings = [*sight.warnings, *kind.warnings(wanted, sight, volume)]
    capacity = _capacity(wanted, sight, volume)
    if capacity is not None:
        if capacity < volume.capacity:
            _refuse_shrinking(pool, wanted, sight, volume, capacity)
        else:
            kind.refuse_growth(wanted, sight, volume, capacity)
            if sight.users and not volume.is_cow:
                warnings.append(_notice(volume, sight.users))
        steps.append(ResizeVolume(pool, volume, capacity, wanted.allocation == FULL))
        after["capacity"] = capacity
    different = wanted.permissions.differing_from(volume.mode, volume.owner, volume.group)
    if different != Permissions():
        steps.append(PermitVolume(pool, volume, different))
        after.update(different.shown())
    return VolumePlan(tuple(steps), {"volume": before, **device[0]}, {"volume": after, **device[1]}, tuple(warnings))


def _capacity(wanted: WantedVolume, sight: VolumeSight, volume: Volume) -> int | None:
    """Return the capacity that a volume is to get; None if it is right, as far as its backend can have it."""
    if wanted.capacity is None or isinstance(wanted.capacity, Share):
        # A share is of what is free before a volume is made: afterwards it would always be another one.
        return None
    if volume.is_cow:
        # What it has more than that, LVM itself may have given it (snapshot_autoextend_threshold).
        space = space_for_changes(wanted.capacity, volume.size, sight.unit)
        return space if space > volume.capacity else None
    capacity = rounded_up(wanted.capacity, sight.unit)
    right = volume.capacity == capacity or 0 <= volume.capacity - wanted.capacity < sight.slack
    return None if right else capacity


def _notice(volume: Volume, users: tuple[str, ...]) -> str:
    return (
        f"volume {volume.name} grows while {', '.join(users)} has it open: a guest learns of it by a block resize "
        "(virsh blockresize), or when it is started the next time"
    )


# What takes something away


def _refuse_shrinking(
    pool: PoolDefinition, wanted: WantedVolume, sight: VolumeSight, volume: Volume, capacity: int
) -> None:
    sizes = f"from {format_size(volume.capacity)} to {format_size(capacity)}"
    purpose = f"shrinking volume {volume.name} in pool {pool.name} {sizes}"
    if not wanted.allow_shrink:
        raise RefusedError(
            f"{purpose} is refused: what is behind the new end would be lost. If nothing is there, allow it "
            "(allow_shrink: true); if the volume is to be so large, correct capacity",
            path=volume.path,
            capacity=volume.capacity,
        )
    _refuse_in_use(sight, volume, purpose)
    if sight.end is None:
        raise RefusedError(
            f"{purpose} is refused: {sight.end_unknown or 'it is not known how far its content reaches'}",
            path=volume.path,
        )
    if sight.end > capacity:
        raise RefusedError(
            f"{purpose} is refused: its content reaches to byte {sight.end}. Shrink that first: the file system, the "
            "partitions, or the table of partitions that ends with the disk (sfdisk --relocate gpt-bak-mini)",
            path=volume.path,
            end=sight.end,
        )


def _absent(pool: PoolDefinition, wanted: WantedVolume, sight: VolumeSight, kind: VolumeKind) -> VolumePlan:
    volume = sight.volume
    if volume is None:
        return VolumePlan((), GONE, GONE, sight.warnings)
    verb = "deleting" if wanted.wipe is None else "wiping"
    _refuse_in_use(sight, volume, f"{verb} volume {volume.name} in pool {pool.name}")
    activation = () if wanted.wipe is None else kind.activation(pool, volume)
    if wanted.wipe is not None and not volume.active and not activation:
        raise RefusedError(
            f"volume {volume.name} in pool {pool.name} cannot be wiped: it is not active. Activate it first (lvchange "
            "--activate y)",
            path=volume.path,
        )
    if wanted.wipe is not None and volume.is_cow:
        raise RefusedError(
            f"volume {volume.name} in pool {pool.name} cannot be wiped: it is a snapshot of {volume.snapshot_of}, and "
            "what is written to it takes new space instead of covering what it holds. Leave wipe out",
            path=volume.path,
        )
    wipe: tuple[Step, ...] = () if wanted.wipe is None else (WipeVolume(pool, volume, wanted.wipe),)
    # A volume group without active volumes shows nothing that could run: then a note is all there is to go by.
    last = pool.type == "logical" and not sight.others and not sight.noted
    note: tuple[Step, ...] = (NoteStarted(pool),) if last else ()
    steps = (*note, *activation, *wipe, DeleteVolume(pool, volume))
    return VolumePlan(steps, {"volume": volume.compared()}, GONE, sight.warnings)


def _refuse_in_use(sight: VolumeSight, volume: Volume, purpose: str) -> None:
    """Raise InUseError where a volume is open or others read from it, RefusedError where that is not known."""
    if sight.users:
        raise InUseError(
            f"{purpose} is refused, in use by {', '.join(sight.users)}. End that first",
            path=volume.path,
            holders=list(sight.users),
        )
    if sight.dependents:
        raise InUseError(
            f"{purpose} is refused: {', '.join(sight.dependents)} would lose what it reads from there. Remove that "
            "first, or give it its own copy (qemu-img rebase, convert)",
            path=volume.path,
            holders=list(sight.dependents),
        )
    if sight.silent:
        told = "; ".join(f"{path}: {why}" for path, why in sight.silent.items())
        raise RefusedError(
            f"{purpose} is refused, as it is not known who uses it: {told}. That has to answer first, and root has "
            "to be able to read it",
            path=volume.path,
        )
