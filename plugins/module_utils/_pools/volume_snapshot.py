# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that are to be snapshots: where there are any, of what, and how much space they take. Pure."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._errors import InputError, NotFoundError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import Volume, WantedVolume, rounded_up
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_registry import FOLDERS

CHUNK = 4096
"""Bytes that LVM keeps at a time of what changes, unless it is told otherwise."""
ENTRY = 16
"""Bytes that the table of a snapshot has for each of them."""
ELSEWHERE = ("clone_from", "backing", "upload_from", "download_to", "format", "allocation", "thin_pool")
"""Options that say something else of a volume, or what its origin says already."""


def refuse_elsewhere(pool: PoolDefinition) -> None:
    """Raise InputError for pools whose volumes have no snapshots."""
    if pool.type == "logical":
        return
    why = f"snapshot_of: the volumes of pool {pool.name} have no snapshots, those of pools of type logical do"
    if pool.type in FOLDERS:
        why = (
            f"snapshot_of: the volumes of pool {pool.name} are files, and a snapshot of a file that goes on being "
            "written is for QEMU to make: by libvirt (virsh snapshot-create-as --disk-only). Of one that nobody writes "
            "to, clone_from makes a copy; as backing, it is what a new qcow2 volume begins with"
        )
    raise InputError(why, option="snapshot_of")


def check_options(wanted: WantedVolume) -> None:
    """Raise ValueError, which names the option, for what does not go with a snapshot."""
    if wanted.snapshot_of is None:
        return
    if wanted.snapshot_of == wanted.name:
        raise ValueError(f"snapshot_of: {wanted.name} cannot be a snapshot of itself")
    for option in ELSEWHERE:
        if getattr(wanted, option) is not None:
            raise ValueError(f"{option}: does not go with snapshot_of; a snapshot is what its origin is")


def origin_of(wanted: WantedVolume, sight: VolumeSight) -> Volume:
    """Return what is to get a snapshot. Raises NotFoundError, RefusedError; InputError where capacity does not fit."""
    found, name = sight.source, wanted.snapshot_of
    if found is None:
        raise NotFoundError(f"snapshot_of: there is no volume {name} in the pool, to make {wanted.name} a snapshot of")
    if found.problem is not None:
        raise RefusedError(f"snapshot_of: {name}: {found.problem}", path=found.path)
    if found.is_cow:
        raise RefusedError(
            f"snapshot_of: {name} is a snapshot itself, of {found.snapshot_of}, and not thin: LVM makes no snapshots "
            "of such",
            path=found.path,
        )
    thin = found.thin_pool in sight.thin_pools
    if thin and wanted.capacity is not None:
        raise _no_capacity(wanted, f"{name} is thin")
    if not thin and wanted.capacity is None:
        raise InputError(
            f"capacity: {name} is not thin, and a snapshot of it has space of its own for what changes: give that, as "
            "in 5G or 20%FREE",
            option="capacity",
        )
    return found


def refuse_other(wanted: WantedVolume, sight: VolumeSight, volume: Volume, is_now: str) -> None:
    """Raise RefusedError where a volume that is there is not the snapshot that is wanted, or cannot become it.

    `is_now` says what it is if it is none.
    """
    if wanted.snapshot_of is None:
        _refuse_size(wanted, sight, volume)
        return
    if volume.snapshot_of != wanted.snapshot_of:
        told = f"a snapshot of {volume.snapshot_of}" if volume.snapshot_of else is_now
        raise RefusedError(
            f"volume {volume.name} is {told}, not a snapshot of {wanted.snapshot_of}. It does not become one: remove "
            "it first (state: absent), or take another name",
            path=volume.path,
        )
    if not volume.is_cow and wanted.capacity is not None:
        raise _no_capacity(wanted, f"{volume.name} is thin")


def _refuse_size(wanted: WantedVolume, sight: VolumeSight, volume: Volume) -> None:
    asked = wanted.capacity
    if volume.is_cow and isinstance(asked, int) and rounded_up(asked, sight.unit) != volume.capacity:
        raise RefusedError(
            f"volume {volume.name} is a snapshot of {volume.snapshot_of}, whose size is that of its origin. With "
            "snapshot_of, capacity is its space for changes, which can grow",
            path=volume.path,
        )


def _no_capacity(wanted: WantedVolume, why: str) -> InputError:
    return InputError(
        f"capacity: {why}, and a thin snapshot has its space in the thin pool: leave capacity out, or snapshot_of once "
        f"{wanted.name} is there and is to grow",
        option="capacity",
    )


def space_for_changes(asked: int, origin: int, unit: int) -> int:
    """Return the bytes that a snapshot of `origin` bytes gets: no more than what changing all of it takes.

    LVM gives it no more: a head, a table with an entry for each chunk and one for its end, and the chunks.
    """
    chunks = -(-origin // CHUNK)
    per_table = CHUNK // ENTRY
    most = (1 + (chunks + per_table) // per_table + chunks) * CHUNK
    return min(rounded_up(asked, unit), rounded_up(most, unit))
