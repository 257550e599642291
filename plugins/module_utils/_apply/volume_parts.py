# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at volumes that are partitions: what the table says, and whether this host's kernel has it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.virt.san.plugins.module_utils._apply.volume_files import with_source
from ansible_collections.virt.san.plugins.module_utils._apply.volume_users import part_users, with_readers, with_users
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.partition_nodes import Node, mapper_uuid, read_nodes
from ansible_collections.virt.san.plugins.module_utils._host.signatures import KPARTX
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._model.partitions import MIB, Parted, Partition
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import HALF_MADE, Volume, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.base import Seen
from ansible_collections.virt.san.plugins.module_utils._pools.devices import device
from ansible_collections.virt.san.plugins.module_utils._pools.disk import own_table
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_parts import (
    is_logical,
    is_unfinished,
    largest,
    names_in,
    taken_by,
)

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_file_steps import VolumeStep
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_keeper import Apart

Nodes = Mapping[int, Node]


def look(host: Host, sight: VolumeSight, seen: Seen, wanted: WantedVolume, others: tuple[str, ...]) -> VolumeSight:
    """Return what is there of a volume. `others`: folders of pools, where images may lie that read from it."""
    found = None if sight.pool is None else _find(host, sight.pool, seen)
    if found is None:
        return sight
    disk, parted = found
    nodes, names = read_nodes(host, parted.kernel), names_in(parted.table)
    part = next((one for one in parted.table.partitions if names.get(one.number) == wanted.name), None)
    sight = replace(
        sight,
        parted=parted,
        free=largest(parted),
        unit=MIB,
        # One that others have made may end in the middle of a MiB.
        slack=MIB,
        taken_by=taken_by(parted.table, wanted.name),
        hindrance=_hindrance(host, disk, parted, part),
    )
    if part is None:
        return _with_source(host, sight, wanted, parted)
    volume = _volume_of(parted, part, wanted.name, nodes)
    if is_unfinished(part) and wanted.state != "absent":
        rest = tuple(one for one in parted.table.partitions if one != part)
        without = replace(parted, table=replace(parted.table, partitions=rest))
        sight = _with_source(host, replace(sight, parted=without, free=largest(without)), wanted, without)
        return replace(sight, leftover=volume, users=_users(host, nodes, part))
    return with_users(
        replace(sight, volume=volume),
        wanted,
        lambda: _users(host, nodes, part),
        lambda so_far: with_readers(host, so_far, volume.path, (), others),
        lambda: _end(host, volume),
    )


def list_volumes(host: Host, pool: PoolDefinition, seen: Seen, _deadline: float) -> list[Volume]:
    """Return all partitions of a pool that can be a guest's: not the extended ones that others are in."""
    found = _find(host, pool, seen)
    if found is None:
        return []
    parted = found[1]
    nodes, names = read_nodes(host, parted.kernel), names_in(parted.table)
    return [_volume_of(parted, one, names[one.number], nodes) for one in parted.table.partitions if one.number in names]


def perform(host: Host, step: VolumeStep, timeout: float, apart: Apart) -> None:
    """Carry out one step within `timeout` seconds; what takes long, `apart`. Raises SanError."""
    from ansible_collections.virt.san.plugins.module_utils._apply import volume_part_steps

    volume_part_steps.perform(host, step, timeout, apart)


def _find(host: Host, pool: PoolDefinition, seen: Seen) -> tuple[Disk, Parted] | None:
    """Return the pool's device with its own table on it."""
    found, table = device(pool, seen), own_table(pool, seen)
    if found is None or table is None:
        return None
    disk = found.disk
    return disk, Parted(disk.kernel, disk.label, disk.size, table, mapper_uuid(host, disk.kernel))


def _volume_of(parted: Parted, part: Partition, name: str, nodes: Nodes) -> Volume:
    node = nodes.get(part.number)
    return Volume(
        name=name,
        key=parted.table.key_of(part),
        path=parted.path_of(part.number),
        format="raw",
        capacity=part.size,
        allocation=part.size,
        active=node is not None and node.is_of(part),
        problem=HALF_MADE if is_unfinished(part) else None,
    )


def _users(host: Host, nodes: Nodes, part: Partition) -> tuple[str, ...]:
    """Return who has a partition open on this host. What the kernel does not know, nobody here can have open."""
    node = nodes.get(part.number)
    return () if node is None else part_users(host, node.kernel)


def _hindrance(host: Host, disk: Disk, parted: Parted, part: Partition | None) -> str:
    if disk.read_only:
        return f"{disk.label} is read-only"
    if disk.kernel.startswith("dm-"):
        if not parted.uuid:
            return f"{disk.label} has no UUID by which its partitions could be known"
        if not host.exists(KPARTX):
            return f"partitions of {disk.label} need kpartx: install it (role virt.san.host does)"
    if part is not None and is_logical(parted.table, part):
        return f"part{part.number} is a logical partition: those are numbered anew whenever one goes. Use sfdisk"
    return ""


def _with_source(host: Host, sight: VolumeSight, wanted: WantedVolume, parted: Parted) -> VolumeSight:
    if wanted.clone_from is None:
        return sight
    path = wanted.clone_from.path
    number = next((one for one, name in names_in(parted.table).items() if name == path), None)
    path = path if number is None else parted.path_of(number)
    return with_source(host, sight, path, wanted.clone_from.format) if path.startswith("/") else sight


def _end(host: Host, volume: Volume) -> int | str:
    """Return how far the content of a volume reaches, or why nobody knows. Raises CommandError, OSError."""
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_lvs import device_end

    if not volume.active:
        return "this host has no device of it yet, and cannot read what it holds: run without capacity first"
    return device_end(host, volume.path)
