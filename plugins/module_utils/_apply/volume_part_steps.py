# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on volumes that are partitions.

The table is read again, past every cache, right before it is written and right after; all other partitions have to be
as they were. No other host is kept off the LUN meanwhile: a reservation would end the writes of guests that have
another partition of it open there.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._apply.disks import confirm, inspect, read_disks
from ansible_collections.virt.san.plugins.module_utils._apply.volume_file_steps import VolumeStep
from ansible_collections.virt.san.plugins.module_utils._apply.volume_keeper import Apart
from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import partition_nodes, partitions, signatures, wiping
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Partition, Table
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import DISCARD, NewVolume, Source
from ansible_collections.virt.san.plugins.module_utils._pools.base import Seen
from ansible_collections.virt.san.plugins.module_utils._pools.devices import device_name
from ansible_collections.virt.san.plugins.module_utils._pools.disk import own_table
from ansible_collections.virt.san.plugins.module_utils._pools.volume_parts import UNFINISHED
from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import (
    ActivateVolume,
    CreateVolume,
    DeleteVolume,
    ResizeVolume,
    WipeVolume,
)

CHANGED = "something else has changed the table meanwhile, perhaps another host. Run again"


def perform(host: Host, step: VolumeStep, timeout: float, apart: Apart) -> None:
    """Carry out one step within `timeout` seconds; what takes long, `apart`. Raises SanError."""
    if isinstance(step, CreateVolume):
        _create(host, step, timeout, apart)
    elif isinstance(step, ResizeVolume):
        _resize(host, step, timeout)
    elif isinstance(step, ActivateVolume):
        disk = _confirmed(host, step.pool)
        part = _part_of(step, _read(host, step.pool, disk), disk)
        partition_nodes.make_node(host, disk.path, disk.kernel, part, step.volume.path)
    elif isinstance(step, WipeVolume):
        path, discard = step.volume.path, step.how == DISCARD
        apart(lambda: guarded(host, path, "wiping", lambda there: wiping.wipe_device(there, path, discard), timeout))
    elif isinstance(step, DeleteVolume):
        _delete(host, step, timeout)
    else:
        raise SanError(f"{step.describe()}: the permissions of a device are udev's")


def _create(host: Host, step: CreateVolume, timeout: float, apart: Apart) -> None:
    new, part = step.volume, step.volume.part
    if part is None:
        raise SanError(f"{step.describe()}: it has no place")
    disk = _confirmed(host, step.pool)
    table = _read(host, step.pool, disk)
    free = any(begin <= part.start and part.end <= begin + room for begin, room in table.gaps(disk.size))
    if not free or any(one.number == part.number for one in table.partitions):
        raise RefusedError(f"{step.describe()}: refused, its place on {disk.label} is taken: {CHANGED}")
    made = part if new.source is None else replace(part, type=UNFINISHED)
    partitions.add_partition(host, disk.path, made, table.sector, timeout)
    _require_written(host, step.pool, disk, table, made)
    partition_nodes.make_node(host, disk.path, disk.kernel, made, part.path)
    source = new.source
    if source is None:
        # What is left of a partition that was here before must not come to life again.
        signatures.blank(host, part.path)
    else:
        path = part.path
        apart(lambda: _fill(host, new, source, path, timeout))
        partitions.set_type(host, disk.path, part.number, part.type, timeout)


def _fill(host: Host, new: NewVolume, source: Source, path: str, timeout: float) -> None:
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_lvs import copy_into

    guarded(host, path, "copying into", lambda there: copy_into(there, new, source, path, timeout), timeout)


def _resize(host: Host, step: ResizeVolume, timeout: float) -> None:
    disk = _confirmed(host, step.pool)
    table = _read(host, step.pool, disk)
    part = _part_of(step, table, disk)
    if step.capacity - part.size > table.room_behind(part, disk.size):
        raise RefusedError(f"{step.describe()}: refused, what is behind it on {disk.label} is taken: {CHANGED}")
    wanted = replace(part, size=step.capacity)
    partitions.resize_partition(host, disk.path, part, step.capacity, table.sector, timeout)
    _require_written(host, step.pool, disk, table, wanted)
    partition_nodes.make_node(host, disk.path, disk.kernel, wanted, step.volume.path)


def _delete(host: Host, step: DeleteVolume, timeout: float) -> None:
    disk = _confirmed(host, step.pool)
    part = _part_of(step, _read(host, step.pool, disk), disk)
    paths = [path.device for path in disk.unit.paths] if disk.unit else []
    # By its own device: that refuses, where somebody has opened it meanwhile, and reaches nothing else.
    partition_nodes.make_node(host, disk.path, disk.kernel, part, step.volume.path)
    signatures.blank(host, step.volume.path)
    partition_nodes.remove_node(host, disk.kernel, part.number, [path for path in paths if path != disk.kernel])
    table = _read(host, step.pool, disk)
    if _place(_part_of(step, table, disk)) != _place(part):
        raise RefusedError(f"{step.describe()}: refused, it is not where it was: {CHANGED}")
    partitions.delete_partition(host, disk.path, part.number, timeout)
    _require_written(host, step.pool, disk, table, part, gone=True)
    partition_nodes.remove_node(host, disk.kernel, part.number)


def _confirmed(host: Host, pool: PoolDefinition) -> Disk:
    """Return the pool's device; its paths have said that they still lead to it. Raises IdentityError, CommandError."""
    name = device_name(pool)
    disk = read_disks(host, read_san(host), (name,))[name]
    confirm(host, () if disk.unit is None else (disk.unit,))
    return disk


def _read(host: Host, pool: PoolDefinition, disk: Disk) -> Table:
    """Return the pool's table as it is on the device now. Raises RefusedError where it is not the pool's any more."""
    (found,) = inspect(host, [disk], tables=True)
    table = own_table(pool, Seen(devices={device_name(pool): found}))
    if table is None:
        told = found.contents.problem or ", ".join(map(str, found.contents.signatures)) or "nothing"
        raise RefusedError(f"on {disk.label} is {told}, not the partition table of pool {pool.name} any more")
    return table


def _part_of(step: ActivateVolume | ResizeVolume | DeleteVolume, table: Table, disk: Disk) -> Partition:
    part = table.keyed(step.volume.key)
    if part is None:
        raise RefusedError(f"{step.describe()}: refused, {disk.label} has no such partition any more: {CHANGED}")
    return part


def _require_written(
    host: Host, pool: PoolDefinition, disk: Disk, before: Table, part: Partition, gone: bool = False
) -> None:
    """Raise CommandError unless a partition is where it was to be (or gone), and all others are as they were."""
    after = _read(host, pool, disk)
    there = [_place(one) for one in after.partitions if one.number == part.number]
    rest = [[_facts(one) for one in table.partitions if one.number != part.number] for table in (before, after)]
    if there != ([] if gone else [_place(part)]) or rest[0] != rest[1]:
        raise CommandError(
            f"the partition table on {disk.label} is not as it was written: two hosts have changed it at once, or its "
            "device does not keep what is written. Compare `sfdisk --dump` on all hosts before anything else is done",
            path=disk.path,
        )


def _place(part: Partition) -> tuple[int, int]:
    return part.start, part.size


def _facts(part: Partition) -> Partition:
    """Return a partition without its path: that of others follows from what names there are below /dev."""
    return replace(part, path="")
