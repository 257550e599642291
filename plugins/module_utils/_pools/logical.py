# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of type logical: a volume group of LVM on LUNs, whose volumes are the pool's.

The group belongs to the host that made it, and may be seen by all. On another host the pool can be defined, is found
built, and cannot be started. One on LUNs that belongs to no host can only be stopped.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.disk import device_path, wwid_in
from ansible_collections.virt.san.plugins.module_utils._model.group import Group, GroupSight, parse_group_name
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Space
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools import group as groups
from ansible_collections.virt.san.plugins.module_utils._pools.base import Changes, Needs, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.folders import check_no_folder, check_source

FORMATS = (None, "unknown", "lvm2")
TAKEN = ("devices", "name", "format")


class LogicalPool:
    """It runs as long as a volume of the group is active. One without volumes runs if that is noted.

    Where it is to run all volumes have to be active. A group that lvmlockd shares has some active on other hosts.
    """

    name = "logical"

    def check(self, pool: PoolDefinition) -> None:
        check_source(pool, TAKEN)
        name = group_name(pool)
        if pool.source.format not in FORMATS:
            raise ValueError(f"source.format: a pool of type logical is lvm2, not {pool.source.format}")
        if pool.target.path not in (None, f"/dev/{name}"):
            raise ValueError(f"target.path: the volumes of group {name} are in /dev/{name}; leave it out")
        check_no_folder(pool)
        names = _devices(pool)
        if len(set(names)) != len(names):
            raise ValueError("source.devices: a device is named more than once")
        for name in names:
            device_path(name)

    def needs(self, pool: PoolDefinition) -> Needs:
        return Needs(devices=_devices(pool), group=group_name(pool))

    def adopts(self, pool: PoolDefinition, seen: Seen) -> str | None:
        return None

    def is_built(self, pool: PoolDefinition, seen: Seen) -> bool:
        return group_of(pool, seen) is not None

    def is_running(self, pool: PoolDefinition, seen: Seen) -> bool:
        group = group_of(pool, seen)
        if group is None or group.is_foreign_to(sight_of(pool, seen).system_id):
            return False
        if seen.whole and group.idle and not group.lock_type:
            return False
        return any(volume.active for volume in group.volumes) or (seen.noted and not group.volumes)

    def build(self, pool: PoolDefinition, seen: Seen, overwrite: bool) -> tuple[Step, ...]:
        return _plan(pool, seen, overwrite).steps

    def adjust(self, pool: PoolDefinition, seen: Seen) -> Changes:
        made = _plan(pool, seen, overwrite=False)
        return Changes(made.steps, {"group": made.before}, {"group": made.after}, made.warnings)

    def start(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        # A group that is yet to be made has no volumes to activate.
        return groups.plan_activate(sight_of(pool, seen), group_name(pool)) if self.is_built(pool, seen) else ()

    def stop(self, pool: PoolDefinition, seen: Seen, force: bool) -> tuple[Step, ...]:
        """A volume that is open is never taken away, not even by force."""
        return groups.plan_deactivate(sight_of(pool, seen), group_name(pool))

    def delete(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        return groups.plan_remove(sight_of(pool, seen), group_name(pool))

    def restart_for(self, running: PoolDefinition, pool: PoolDefinition, seen: Seen) -> tuple[str, ...]:
        return ("source.name",) if group_name(running) != group_name(pool) else ()

    def space(self, pool: PoolDefinition, seen: Seen) -> Space | None:
        group = group_of(pool, seen)
        return None if group is None else Space(group.size, group.free)


def group_name(pool: PoolDefinition) -> str:
    """Return the name of the pool's group: the pool's own, unless it has another. Raises ValueError."""
    try:
        return parse_group_name(pool.source.name or pool.name)
    except ValueError as wrong:
        raise ValueError(f"source.name: {wrong}") from wrong


def _devices(pool: PoolDefinition) -> tuple[str, ...]:
    return tuple(device.path for device in pool.source.devices)


def sight_of(pool: PoolDefinition, seen: Seen) -> GroupSight:
    """Return all groups that are seen, those of the pool's name with what their missing PVs were on."""
    sight, name = seen.groups or GroupSight(), group_name(pool)
    if not any(group.missing for group in sight.named(name)):
        return sight
    devices = [wwid_in(device) or device for device in map(device_path, _devices(pool))]
    known = (group.knowing(devices) if group.name == name else group for group in sight.groups)
    return replace(sight, groups=tuple(known))


def group_of(pool: PoolDefinition, seen: Seen) -> Group | None:
    """Return the pool's group, if it is there. Raises what `find` raises."""
    return groups.find(sight_of(pool, seen), group_name(pool))


def _plan(pool: PoolDefinition, seen: Seen, overwrite: bool) -> groups.GroupPlan:
    """Return what makes the pool's group or changes it. Raises RefusedError where a device is not there."""
    sight = sight_of(pool, seen)
    lost = [name for name in _devices(pool) if name in seen.silent]
    group = groups.find(sight, group_name(pool)) if lost else None
    if group is not None and group.missing:
        raise groups.lacking(group, f"pool {pool.name} is left as it is until it is back")
    if lost:
        told = "; ".join(f"{name}: {seen.silent[name]}" for name in lost)
        raise RefusedError(
            f"pool {pool.name} is neither built nor changed: {told}. build: never leaves it as it is", devices=lost
        )
    named = tuple(seen.devices[name] for name in _devices(pool))
    first: dict[str, str] = {}
    for name, one in zip(_devices(pool), named):
        other = first.setdefault(one.disk.kernel, name)
        if other != name:
            raise RefusedError(f"{other} and {name} are the same device, {one.disk.label}: name it once")
    return groups.plan_group(sight, groups.Wanted(group_name(pool), named, seen.remove_devices, overwrite))
