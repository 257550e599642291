# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at volumes that are logical volumes of LVM, and work on them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.virt.san.plugins.module_utils._apply.pool_look import DEADLINE
from ansible_collections.virt.san.plugins.module_utils._apply.volume_files import with_source
from ansible_collections.virt.san.plugins.module_utils._apply.volume_users import lv_users, with_readers, with_users
from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host import (
    copying,
    image_files,
    lvm_volumes,
    qemu_img,
    signatures,
    wiping,
)
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.lvm_volumes import UNFINISHED
from ansible_collections.virt.san.plugins.module_utils._model.group import Group, GroupVolume
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import (
    DISCARD,
    HALF_MADE,
    Backing,
    NewVolume,
    Source,
    Volume,
    WantedVolume,
)
from ansible_collections.virt.san.plugins.module_utils._pools.base import Seen
from ansible_collections.virt.san.plugins.module_utils._pools.group import ownerless
from ansible_collections.virt.san.plugins.module_utils._pools.logical import group_name, group_of, sight_of
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import (
    CreateVolume,
    DeleteVolume,
    ResizeVolume,
    WipeVolume,
)

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_file_steps import VolumeStep
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_keeper import Apart

PLAIN = ("linear", "thin,sparse")
"""Layouts whose size is exactly what was asked for, in extents."""

SECTOR = 512


def look(host: Host, sight: VolumeSight, seen: Seen, wanted: WantedVolume, others: tuple[str, ...]) -> VolumeSight:
    """Return what is there of a volume. `others`: folders of pools, where images may lie that read from it.

    Raises AmbiguousError where several groups have the pool's name.
    """
    pool = sight.pool
    group = None if pool is None else group_of(pool, seen)
    if pool is None or group is None:
        return sight
    lv = next((one for one in group.volumes if one.name == wanted.name), None)
    sight = replace(
        sight,
        others=tuple(one.name for one in group.volumes if one is not lv and one.active),
        free=group.free,
        unit=group.extent,
        thin_pools=tuple(one.name for one in group.volumes if one.is_thin_pool),
        hindrance=_hindrance(pool, seen, group),
    )
    if lv is None:
        return _with_source(host, sight, wanted, group)
    if UNFINISHED in lv.tags and wanted.state != "absent":
        return _with_leftover(host, sight, wanted, group, lv)
    if lv.is_thin_pool:
        return replace(sight, taken_by="a thin pool")
    volume = volume_of(group, lv)
    # Stripes and mirrors are rounded up once more, to whole rows of extents.
    slack = 0 if lv.layout in PLAIN else group.extent * max(len(group.pvs), 1)
    snapshots = tuple(
        f"snapshot {one.name}" for one in group.volumes if one.origin == lv.name and _reads_from(group, one)
    )
    return with_users(
        replace(sight, volume=volume, slack=slack, snapshots=snapshots),
        wanted,
        lambda: lv_users(host, lv),
        lambda so_far: with_readers(host, replace(so_far, dependents=snapshots), volume.path, (), others),
        lambda: _end(host, lv, volume.path),
    )


def _with_leftover(host: Host, sight: VolumeSight, wanted: WantedVolume, group: Group, lv: GroupVolume) -> VolumeSight:
    """Return what is seen where a killed run has left a volume half copied: it is made once more."""
    sight = _with_source(host, sight, wanted, group)
    free = group.free + (0 if lv.is_thin else lv.size)
    return replace(sight, leftover=volume_of(group, lv), users=lv_users(host, lv), free=free)


def _with_source(host: Host, sight: VolumeSight, wanted: WantedVolume, group: Group) -> VolumeSight:
    if wanted.snapshot_of is not None:
        origin = group.by_name.get(wanted.snapshot_of)
        known = origin is not None and not origin.is_thin_pool
        return replace(sight, source=volume_of(group, origin)) if origin is not None and known else sight
    if wanted.clone_from is None:
        return sight
    path = wanted.clone_from.path
    name = path[len(f"/dev/{group.name}/") :] if path.startswith(f"/dev/{group.name}/") else path
    lv = next((one for one in group.volumes if one.name == name and not one.is_thin_pool), None)
    if lv is not None:
        return replace(sight, source=volume_of(group, lv), source_users=lv_users(host, lv))
    return with_source(host, sight, path, wanted.clone_from.format) if path.startswith("/") else sight


def _hindrance(pool: PoolDefinition, seen: Seen, group: Group) -> str:
    if group.unowned:
        return ownerless(sight_of(pool, seen), group, "nothing in it is changed here")
    if not group.missing:
        return ""
    return f"{group.lack}: nothing in it can be changed until it is back. {group.remedy}"


def list_volumes(_host: Host, pool: PoolDefinition, seen: Seen, _deadline: float) -> list[Volume]:
    """Return all volumes of a pool's group that can be a guest's: not the thin pools that others are in."""
    group = group_of(pool, seen)
    return [] if group is None else [volume_of(group, lv) for lv in group.volumes if not lv.is_thin_pool]


def volume_of(group: Group, lv: GroupVolume) -> Volume:
    """Return a logical volume as a volume."""
    origin = group.by_name.get(lv.origin)
    return Volume(
        name=lv.name,
        key=lv.uuid,
        path=lv.path or f"/dev/{group.name}/{lv.name}",
        format="raw",
        capacity=lv.size,
        allocation=lv.allocation,
        backing=Backing(f"/dev/{group.name}/{lv.origin}", "raw") if _reads_from(group, lv) else None,
        thin_pool=lv.pool or None,
        kind=lv.layout,
        active=lv.active,
        problem=_problem(lv),
        # LVM says of a snapshot how much space it has for changes: it is as long as its origin.
        length=None if origin is None or lv.is_thin else origin.size,
        snapshot_of=None if origin is None else origin.name,
    )


def _problem(lv: GroupVolume) -> str | None:
    if UNFINISHED in lv.tags:
        return HALF_MADE
    if lv.invalid:
        return (
            "this snapshot has run full: its space for changes did not suffice, and what it held is lost. Remove it "
            "(state: absent), and give the next one more"
        )
    return None


def _reads_from(group: Group, lv: GroupVolume) -> bool:
    """Tell whether a volume needs what it is a snapshot of: a thin one of a thin one stands alone."""
    return bool(lv.origin) and not (lv.is_thin and lv.origin in group.thin_volumes)


def _end(host: Host, lv: GroupVolume, path: str) -> int | str:
    """Return how far the content of a volume reaches, or why nobody knows. Raises CommandError, OSError."""
    if not lv.active:
        return "it is not active, and what it holds cannot be read: activate it first (lvchange --activate y)"
    return device_end(host, path)


def device_end(host: Host, path: str) -> int | str:
    """Return how far the content of a device reaches, or why nobody knows. Raises CommandError, OSError."""
    end: int | None = guarded(host, path, "reading", lambda there: image_files.read_end(there, path), DEADLINE)
    if end is not None:
        return end
    found = signatures.read_contents(host, path)
    if found.problem or found.signatures:
        told = found.problem or f"it holds {', '.join(map(str, found.signatures))}"
        return f"{told}, and how far that reaches is not known"
    return 0


def perform(host: Host, step: VolumeStep, timeout: float, apart: Apart) -> None:
    """Carry out one step within `timeout` seconds; what takes long, `apart`. Raises SanError."""
    group = group_name(step.pool)
    if isinstance(step, CreateVolume):
        _create(host, group, step.volume, timeout, apart)
    elif isinstance(step, ResizeVolume):
        change = lvm_volumes.reduce if step.shrinks else lvm_volumes.extend
        change(host, group, step.volume.name, step.capacity, timeout)
    elif isinstance(step, WipeVolume):
        path, discard = step.volume.path, step.how == DISCARD
        apart(lambda: guarded(host, path, "wiping", lambda there: wiping.wipe_device(there, path, discard), timeout))
    elif isinstance(step, DeleteVolume):
        lvm_volumes.remove(host, step.volume.key, timeout)
    else:
        raise SanError(f"{step.describe()}: the permissions of a device are udev's")


def _create(host: Host, group: str, new: NewVolume, timeout: float, apart: Apart) -> None:
    source = new.source
    if source is None and new.snapshot_of is not None:
        _create_snapshot(host, group, new, new.snapshot_of, timeout)
        return
    if source is not None and new.instant:
        lvm_volumes.create_snapshot(host, group, new.name, source.name, timeout)
        if new.capacity > source.capacity:
            lvm_volumes.extend(host, group, new.name, new.capacity, timeout)
        return
    finished, blank = source is None, False
    if new.thin_pool is not None:
        blank = not finished and lvm_volumes.is_zeroing(host, group, new.thin_pool, timeout)
        lvm_volumes.create_thin(host, group, new.name, new.thin_pool, new.capacity, timeout, finished)
    else:
        lvm_volumes.create_linear(host, group, new.name, new.capacity, timeout, finished)
    if source is not None:
        path = f"/dev/{group}/{new.name}"

        def copy(there: Host) -> None:
            copy_into(there, new, source, path, timeout, blank)

        apart(lambda: guarded(host, path, "copying into", copy, timeout))
        lvm_volumes.finish(host, group, new.name, timeout)


def _create_snapshot(host: Host, group: str, new: NewVolume, origin: str, timeout: float) -> None:
    if new.thin_pool is not None:
        lvm_volumes.create_snapshot(host, group, new.name, origin, timeout)
    else:
        lvm_volumes.create_cow(host, group, new.name, origin, new.capacity, timeout)
        lvm_volumes.finish(host, group, new.name, timeout)


def copy_into(host: Host, new: NewVolume, source: Source, path: str, timeout: float, blank: bool = False) -> None:
    """Copy a file or device into a new volume that is a device. `blank`: it reads as zeros now.

    Raises SanError, OSError.
    """
    if new.thin_pool is None:
        # What was there before is nobody's to read behind the end of the copy.
        wiping.wipe_device(host, path, discard=False, begin=source.capacity // SECTOR * SECTOR)
    if source.format == "raw":
        copying.copy_to_device(host, source.path, path, sparse=blank)
    else:
        qemu_img.convert_to_device(host, (host.path(source.path), source.format), host.path(path), blank, timeout)
