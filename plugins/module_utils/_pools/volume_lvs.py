# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that are logical volumes of LVM: linear ones, and thin ones where the group has a thin pool."""

from __future__ import annotations

import re

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    InputError,
    InUseError,
    RefusedError,
)
from ansible_collections.virt.san.plugins.module_utils._model.group import MAX_NAME
from ansible_collections.virt.san.plugins.module_utils._model.ids import format_size
from ansible_collections.virt.san.plugins.module_utils._model.pool import Permissions, PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import (
    FULL,
    SPARSE,
    Backing,
    NewVolume,
    Share,
    Volume,
    WantedVolume,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.logical import group_name
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_snapshot import (
    check_options,
    origin_of,
    refuse_other,
    space_for_changes,
)
from ansible_collections.virt.san.plugins.module_utils._pools.volume_source import (
    capacity_for,
    require_whole,
    source_of,
)

_NAME = re.compile(r"^[A-Za-z0-9+_.][A-Za-z0-9+_.-]*$")
_TAKEN = re.compile(
    r"^(snapshot|pvmove)|_(cdata|cmeta|cvol|corig|wcorig|mlog|mimage|pmspare|rimage|rmeta)"
    r"|_(tdata|tmeta|vorigin|vdata|imeta|iorig)"
)
"""What LVM keeps for itself, lvm(8)."""


class LogicalVolumes:
    """Sizes are whole extents of the group, rounded up. Without `thin_pool` or `allocation: sparse`, linear."""

    by_header = False

    def check(self, wanted: WantedVolume) -> None:
        if not _NAME.match(wanted.name) or len(wanted.name) > MAX_NAME or _TAKEN.search(wanted.name):
            raise ValueError(
                f"name: {wanted.name!r} is no name for a logical volume: letters, digits and + _ . -, not a - in "
                f"front, at most {MAX_NAME}, and none of those that LVM keeps for itself (snapshot..., ..._tdata)"
            )
        if wanted.format not in (None, "raw"):
            raise ValueError(f"format: a volume of a pool of type logical is raw, not {wanted.format}")
        if wanted.backing is not None:
            raise ValueError("backing: a volume of a pool of type logical has none")
        if wanted.permissions != Permissions():
            raise ValueError("permissions: the volume is a device, whose permissions are udev's: give it a rule there")
        thin = wanted.thin_pool is not None or wanted.allocation == SPARSE
        if thin and isinstance(wanted.capacity, Share):
            raise ValueError(f"capacity: {wanted.capacity} of what is free is not for thin volumes; give a size")
        if wanted.thin_pool is not None and wanted.allocation == FULL:
            raise ValueError("allocation: a volume in a thin pool is sparse, not full")
        check_options(wanted)

    def path(self, pool: PoolDefinition, name: str, sight: VolumeSight) -> str:
        return f"/dev/{group_name(pool)}/{name}"

    def complete(self, wanted: WantedVolume, sight: VolumeSight) -> NewVolume:
        if wanted.snapshot_of is not None:
            return self._snapshot(wanted, sight)
        thin_pool, source = _thin_pool(wanted, sight), source_of(wanted, sight)
        capacity = capacity_for(wanted, source, sight.unit) or _share(wanted, sight)
        if source is not None:
            require_whole(wanted, source, capacity)
        if thin_pool is None:
            _require_room(wanted, sight, capacity)
        instant = source is not None and thin_pool is not None and _is_in(sight, thin_pool)
        return NewVolume(
            wanted.name,
            capacity,
            "raw",
            full=thin_pool is None,
            thin_pool=thin_pool,
            source=source,
            instant=instant,
            snapshot_of=source.name if source is not None and instant else None,
        )

    def _snapshot(self, wanted: WantedVolume, sight: VolumeSight) -> NewVolume:
        origin = origin_of(wanted, sight)
        if origin.thin_pool in sight.thin_pools:
            return NewVolume(wanted.name, origin.capacity, thin_pool=origin.thin_pool, snapshot_of=origin.name)
        asked = wanted.capacity if isinstance(wanted.capacity, int) else _share(wanted, sight)
        space = space_for_changes(asked, origin.capacity, sight.unit)
        _require_room(wanted, sight, space)
        backing = Backing(origin.path, "raw")
        return NewVolume(wanted.name, space, full=True, backing=backing, snapshot_of=origin.name)

    def refuse_difference(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume) -> None:
        thin = wanted.thin_pool is not None or wanted.allocation == SPARSE
        is_now = f"thin in {volume.thin_pool}" if volume.thin_pool else volume.kind or "linear"
        if wanted.thin_pool not in (None, volume.thin_pool) or (thin and volume.thin_pool is None):
            asked = f"thin in {wanted.thin_pool}" if wanted.thin_pool else "thin"
            raise RefusedError(
                f"volume {volume.name} is {is_now}, not {asked}. It is not converted: remove it first (state: absent), "
                "or take another name",
                path=volume.path,
            )
        if wanted.allocation == FULL and volume.thin_pool is not None:
            raise RefusedError(f"volume {volume.name} is {is_now}, and is allocated as it is written", path=volume.path)
        refuse_other(wanted, sight, volume, is_now)

    def refuse_growth(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume, capacity: int) -> None:
        if sight.snapshots and volume.active:
            told = ", ".join(sight.snapshots)
            raise InUseError(
                f"volume {volume.name} does not grow while it is active and has snapshots ({told}): LVM refuses that. "
                "Remove them first",
                path=volume.path,
                holders=list(sight.snapshots),
            )
        if volume.thin_pool is None:
            _require_room(wanted, sight, capacity - volume.capacity)

    def activation(self, pool: PoolDefinition, volume: Volume) -> tuple[Step, ...]:
        return ()

    def warnings(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume) -> tuple[str, ...]:
        return ()


def _thin_pool(wanted: WantedVolume, sight: VolumeSight) -> str | None:
    known = ", ".join(sight.thin_pools)
    if wanted.thin_pool is not None:
        if wanted.thin_pool not in sight.thin_pools:
            raise RefusedError(
                f"the volume group has no thin pool {wanted.thin_pool}; it has {known or 'none at all'}",
                thin_pools=list(sight.thin_pools),
            )
        return wanted.thin_pool
    if wanted.allocation != SPARSE:
        return None
    if not sight.thin_pools:
        raise RefusedError(
            f"volume {wanted.name} is to be sparse, and the volume group has no thin pool to make it in: make one "
            "(lvcreate --type thin-pool), or leave allocation out"
        )
    if len(sight.thin_pools) > 1:
        raise AmbiguousError(f"the volume group has several thin pools, {known}: name one as thin_pool")
    return sight.thin_pools[0]


def _is_in(sight: VolumeSight, thin_pool: str) -> bool:
    """Tell whether what is cloned is a volume in this thin pool of the same group, and no path to somewhere else."""
    return sight.source is not None and sight.source.thin_pool == thin_pool and sight.source.kind != ""


def _share(wanted: WantedVolume, sight: VolumeSight) -> int:
    asked = wanted.capacity
    if not isinstance(asked, Share):
        raise InputError(f"capacity: {asked} is no size", option="capacity")
    free = sight.free or 0
    capacity = free * asked.percent // 100 // sight.unit * sight.unit
    if capacity == 0:
        raise RefusedError(
            f"the pool is too full for volume {wanted.name}: {asked} of {format_size(free)} is not even one extent "
            f"({format_size(sight.unit)})",
            free=free,
        )
    return capacity


def _require_room(wanted: WantedVolume, sight: VolumeSight, size: int) -> None:
    if sight.free is not None and size > sight.free:
        raise RefusedError(
            f"the pool is too full for volume {wanted.name}: it needs {format_size(size)}, {format_size(sight.free)} "
            "are free. Add a device to the pool (virt.san.storage_pool, source.devices), or ask for less",
            free=sight.free,
        )
