# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of type disk: a partition table on a device of its own, and its partitions.

A table says nothing of who uses its partitions. This host's uses are seen, those of other hosts are not.
"""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Table
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Space
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools import devices
from ansible_collections.virt.san.plugins.module_utils._pools.base import Changes, Needs, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.blank import Inspected
from ansible_collections.virt.san.plugins.module_utils._pools.folders import check_device_target, check_source
from ansible_collections.virt.san.plugins.module_utils._pools.steps import EraseTable, GrowTable, MakeTable

MADE = ("gpt", "dos")
FORMATS = (None, "unknown", *MADE)
TAKEN = ("devices", "format")


class DiskPool:
    """Its table is all there is to it: whether the pool runs is a note, and stopping it ends nothing."""

    name = "disk"

    def check(self, pool: PoolDefinition) -> None:
        check_source(pool, TAKEN)
        devices.device_name(pool)
        if pool.source.format not in FORMATS:
            raise ValueError(
                f"source.format: {pool.source.format} cannot be kept yet, only {', '.join(MADE)} and unknown"
            )
        check_device_target(pool, "partitions")

    def needs(self, pool: PoolDefinition) -> Needs:
        return Needs(devices=(devices.device_name(pool),), tables=True)

    def adopts(self, pool: PoolDefinition, seen: Seen) -> str | None:
        found = devices.device(pool, seen)
        table = None if found is None else _table(pool, found)
        if found is None or table is None or table.identity == _identity(pool, found.disk, table.kind):
            return None
        return table.identity or None

    def is_built(self, pool: PoolDefinition, seen: Seen) -> bool:
        return own_table(pool, seen) is not None

    def is_running(self, pool: PoolDefinition, seen: Seen) -> bool:
        return seen.noted and self.is_built(pool, seen)

    def build(self, pool: PoolDefinition, seen: Seen, overwrite: bool) -> tuple[Step, ...]:
        found = devices.require_device(pool, seen, f"building pool {pool.name}")
        if own_table(pool, seen) is not None:
            return ()
        if not overwrite:
            _refuse_foreign(pool, found)
        blank = devices.prepare(seen, found, overwrite)
        kind = pool.source.format
        if kind not in MADE:
            raise RefusedError(f"{found.disk.label} is blank: say what is to be made on it, source.format: gpt or dos")
        return (*blank, MakeTable(found.disk, kind, _identity(pool, found.disk, kind)))

    def adjust(self, pool: PoolDefinition, seen: Seen) -> Changes:
        found, table = devices.device(pool, seen), own_table(pool, seen)
        if found is None or table is None or found.disk.read_only:
            return Changes()
        return _growth(pool, found.disk, table)

    def start(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        return ()

    def stop(self, pool: PoolDefinition, seen: Seen, force: bool) -> tuple[Step, ...]:
        return ()

    def delete(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        purpose = f"erasing the partition table of pool {pool.name}"
        found = devices.require_device(pool, seen, purpose)
        if found.contents.blank:
            return ()
        devices.refuse_held(found, purpose)
        own = own_table(pool, seen)
        if own is None:
            devices.refuse_strange(found, purpose)
        return (EraseTable(found.disk, own.identity),)

    def restart_for(self, running: PoolDefinition, pool: PoolDefinition, seen: Seen) -> tuple[str, ...]:
        pairs = {
            "source.devices": (devices.device_name(running), devices.device_name(pool)),
            "source.format": (running.source.format, pool.source.format),
        }
        return tuple(name for name, (one, other) in pairs.items() if one != other)

    def space(self, pool: PoolDefinition, seen: Seen) -> Space | None:
        found, table = devices.device(pool, seen), own_table(pool, seen)
        if found is None or table is None:
            return None
        capacity = table.end(found.disk.size) if table.usable is None else table.usable
        return Space(capacity, max(capacity - table.allocated, 0))


def _identity(pool: PoolDefinition, disk: Disk, kind: str) -> str:
    """Return the identity of a table that is made for a pool on a device."""
    made = devices.own_uuid(pool, disk)
    return made if kind == "gpt" else f"0x{made[:8]}"


def _table(pool: PoolDefinition, found: Inspected) -> Table | None:
    """Return the table on a device if it is all there is, and of a kind that the pool is to have."""
    kinds = MADE if pool.source.format not in MADE else (pool.source.format,)
    inside = found.contents
    alone = all(one.usage == "partition-table" for one in inside.signatures)
    return inside.table if inside.table is not None and inside.table.kind in kinds and alone else None


def own_table(pool: PoolDefinition, seen: Seen) -> Table | None:
    """Return the pool's own table: one that a run has made for it, or that was taken over."""
    found = devices.device(pool, seen)
    table = None if found is None else _table(pool, found)
    if found is None or table is None:
        return None
    return table if table.identity in (_identity(pool, found.disk, table.kind), pool.kept.adopted) else None


def _growth(pool: PoolDefinition, disk: Disk, table: Table) -> Changes:
    """Return what has the pool's table reach to the end of its device, which has grown; one of others stays."""
    gain = table.growth(disk.size)
    if not gain or table.usable is None:
        return Changes()
    if table.identity != _identity(pool, disk, table.kind):
        told = f"{disk.label} has {disk.size} bytes, and the {table.kind} on it ends at byte {table.ends}"
        tool = f"sfdisk --no-reread --no-tell-kernel --relocate gpt-bak-std {disk.path}"
        return Changes(warnings=(f"{told}. Others have made it, so it stays as it is; {tool} has it grow",))
    return Changes(
        (GrowTable(disk, table.identity),),
        {"fills_device": False, "capacity": table.usable},
        {"fills_device": True, "capacity": table.usable + gain},
    )


def _refuse_foreign(pool: PoolDefinition, found: Inspected) -> None:
    """Raise RefusedError for a table that could be the pool's, and was not made for it."""
    table = _table(pool, found)
    if table is not None:
        devices.refuse_foreign(pool, found, str(table))
