# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a volume group gets to be as it is asked for. Pure.

Only what this collection has made, which its tag says, ever loses a device or its volumes, and only on the host it
belongs to, which LVM's system ID says. A device that is not named is no reason to take it out of a group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    IdentityError,
    InUseError,
    NotFoundError,
    RefusedError,
)
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._model.group import TAG, Group, GroupPv, GroupSight, pv_uuid
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.blank import Inspected, Own, clear
from ansible_collections.virt.san.plugins.module_utils._pools.devices import refuse_members
from ansible_collections.virt.san.plugins.module_utils._pools.group_steps import (
    ActivateGroup,
    CreateGroup,
    DeactivateGroup,
    ExtendGroup,
    LabelDevice,
    MoveAway,
    ReduceGroup,
    RemoveGroup,
    ResizePv,
    SetSystemId,
    UnlabelDevice,
    UseDevice,
)

WHOLE = "whole"


@dataclass(frozen=True)
class Wanted:
    """A group as it should be."""

    name: str
    devices: tuple[Inspected, ...] = ()
    """None named: whatever it is on."""
    remove_devices: bool = False
    """Take away those that are not named."""
    overwrite: bool = False
    """What is on the named devices may be lost."""

    @property
    def kernels(self) -> frozenset[str]:
        return frozenset(one.disk.kernel for one in self.devices)


@dataclass(frozen=True)
class GroupPlan:
    """What makes a group as wanted, and how it looks before and after to a person."""

    steps: tuple[Step, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def find(sight: GroupSight, name: str) -> Group | None:
    """Return the group of this name. Raises AmbiguousError where there are several, IdentityError for copies."""
    found = sight.named(name)
    if len(found) > 1:
        told = "; ".join(f"{group.uuid} on {_devices(group)}" for group in found)
        raise AmbiguousError(
            f"{len(found)} volume groups are called {name}: {told}. Rename one by its UUID (vgrename), or unmap it",
            uuids=[group.uuid for group in found],
        )
    group = found[0] if found else None
    if group is not None and any(pv.duplicate for pv in group.pvs):
        raise IdentityError(f"{group.label} has a PV on several devices: {_devices(group)}. Unmap the copy")
    return group


def plan_group(sight: GroupSight, wanted: Wanted) -> GroupPlan:
    """Return what makes the group, or what changes it.

    Raises what `find` and `clear` raise, RefusedError for a group of another host, of none, or of foreign origin that
    would have to change, NotFoundError for one that is not there and that no device is named for.
    """
    group = find(sight, wanted.name)
    if group is None:
        return _create(sight, wanted)
    changes = _Changes.of(sight, group, wanted)
    if not changes.any:
        return GroupPlan((), _state(group), _state(group), _drift(sight, group, changes))
    for one in (group, changes.applied(group)):
        _require_ours(sight, one, f"it would have to change: {changes}")
    if group.missing:
        raise lacking(group, f"{changes} has to wait until it is back")
    steps = (*_add(sight, group, wanted, changes), *_grow(group, changes), *_take_away(group, changes))
    return GroupPlan(
        (*_use(sight, group), *steps), _state(group), _state(changes.applied(group)), _drift(sight, group, changes)
    )


# Making


def _create(sight: GroupSight, wanted: Wanted) -> GroupPlan:
    if not wanted.devices:
        known = ", ".join(sorted({group.name for group in sight.groups})) or "none at all"
        raise NotFoundError(
            f"there is no volume group {wanted.name} on this host's devices, and no device is named to make it on; "
            f"seen are {known}. Is its LUN mapped to this host and scanned for (virt.san.scsi_rescan)?"
        )
    system = sight.system_id or sight.proposed_id
    steps: list[Step] = [] if sight.system_id else [SetSystemId(system)]
    steps += _label(sight, wanted.name, wanted.devices, wanted.overwrite)
    disks = tuple(one.disk for one in wanted.devices)
    steps.append(CreateGroup(wanted.name, disks, system))
    after = {"name": wanted.name, "system_id": system, "devices": {_key(disk): WHOLE for disk in disks}}
    return GroupPlan(tuple(steps), {}, after)


def _label(sight: GroupSight, name: str, devices: Iterable[Inspected], overwrite: bool) -> list[Step]:
    """Return what makes PVs of devices. Raises what `clear` raises, RefusedError for what is another group's."""
    found = tuple(devices)
    refuse_members(sight, found)
    uuids = {one.disk.kernel: pv_uuid(name, str(one.disk.wwid or one.disk.path)) for one in found}
    own = Own(frozenset(uuids.values()))
    steps: list[Step] = list(clear(found, overwrite, own))
    for one in found:
        labelled = any(pv.kernel == one.disk.kernel and pv.uuid == uuids[one.disk.kernel] for pv in sight.orphans)
        steps.append(LabelDevice(one.disk, uuids[one.disk.kernel], labelled))
    return steps


# Changing


@dataclass(frozen=True)
class _Changes:
    added: tuple[Inspected, ...]
    grown: tuple[tuple[GroupPv, int], ...]
    """PVs, and their size after."""
    removed: tuple[GroupPv, ...]
    unnamed: tuple[GroupPv, ...]
    """PVs that are not named and stay."""
    left: tuple[GroupPv, ...] = ()
    """PVs that an interrupted run has taken out, and not yet left blank."""

    @classmethod
    def of(cls, sight: GroupSight, group: Group, wanted: Wanted) -> _Changes:
        # Of a group that is not ours to change, growth is its owner's business, and no drift.
        ours = group.made_here and group.belongs_to(sight.system_id)
        members = {pv.kernel for pv in group.pvs}
        extra = tuple(pv for pv in group.pvs if wanted.devices and not pv.missing and pv.kernel not in wanted.kernels)
        removed = extra if wanted.remove_devices else ()
        return cls(
            added=tuple(one for one in wanted.devices if one.disk.kernel not in members),
            grown=tuple(
                (pv, pv.grown(group.extent))
                for pv in group.pvs
                if pv not in removed and pv.grown(group.extent) > pv.size and ours
            ),
            removed=removed,
            unnamed=() if removed else extra,
            left=_leftovers(sight, wanted.name, wanted.kernels) if wanted.remove_devices else (),
        )

    @property
    def any(self) -> bool:
        return bool(self.added or self.grown or self.removed or self.left)

    def applied(self, group: Group) -> Group:
        grown = {pv.uuid: size for pv, size in self.grown}
        stay = (replace(pv, size=grown.get(pv.uuid, pv.size)) for pv in group.pvs if pv not in self.removed)
        new = (
            GroupPv("", disk.path, disk.kernel, disk.size, disk.size, wwid=disk.wwid, shared=disk.shared)
            for disk in (one.disk for one in self.added)
        )
        return replace(group, pvs=(*stay, *new))

    def __str__(self) -> str:
        told = [f"adding {one.disk.label}" for one in self.added]
        told += [f"growing {pv.label}" for pv, _size in self.grown]
        told += [f"removing {pv.label}" for pv in (*self.removed, *self.left)]
        return ", ".join(told)


def _require_ours(sight: GroupSight, group: Group, why: str) -> None:
    """Raise RefusedError unless this host may change a group."""
    if group.exported:
        raise RefusedError(f"{group.label} is exported; {why}. Import it on the host it is for (vgimport)")
    if group.unowned:
        raise RefusedError(ownerless(sight, group, why), volume_group=group.name)
    if not group.belongs_to(sight.system_id):
        raise RefusedError(
            f"{group.label} belongs to host {group.system_id}; {why}. Do it there. If that host is gone for good: "
            f"vgchange --systemid {sight.system_id or '<this host>'} with its ID in local/extra_system_ids",
            system_id=group.system_id,
        )
    if not group.made_here:
        raise RefusedError(
            f"{group.label} was not made by this collection; {why}. To hand it over: vgchange --addtag {TAG} "
            f"{group.name}",
            volume_group=group.name,
        )


def ownerless(sight: GroupSight, group: Group, so: str) -> str:
    """Say of a group on LUNs that it belongs to no host, and how it gets one. `so`: what follows from that."""
    here, first = sight.system_id, ""
    if not here:
        here = "$(uname -n)"
        first = 'give this host a system ID (global/system_id_source = "uname" in /etc/lvm/lvmlocal.conf), then '
    return (
        f"{group.label} is on LUNs and has no system ID, so that every host that sees them may change it; {so}. To "
        f"give it to this host: {first}vgchange --systemid {here} {group.name}, while no other has its volumes active"
    )


def _add(sight: GroupSight, group: Group, wanted: Wanted, changes: _Changes) -> list[Step]:
    if not changes.added:
        return []
    steps = _label(sight, group.name, changes.added, wanted.overwrite)
    return [*steps, *(ExtendGroup(group, one.disk) for one in changes.added)]


def _grow(group: Group, changes: _Changes) -> list[Step]:
    return [ResizePv(group, pv, size) for pv, size in changes.grown]


def _take_away(group: Group, changes: _Changes) -> list[Step]:
    """Return what takes devices out of a group.

    Raises RefusedError where the rest has no room for what is on them, and where other hosts may be writing to them.
    """
    blank = [UnlabelDevice(_disk(pv), pv.uuid) for pv in (*changes.removed, *changes.left)]
    if not changes.removed:
        return list(blank)
    if group.lock_type:
        _refuse_locked(group, "take devices out of it with vgreduce")
    after = changes.applied(group)
    room = sum(pv.size - pv.used for pv in after.pvs)
    # What an interrupted run has begun to move has its room already.
    moved = sum(pv.used for pv in changes.removed if not pv.moving)
    if not after.pvs or moved > room:
        raise RefusedError(
            f"{group.label}: {moved} bytes are in use on {', '.join(pv.label for pv in changes.removed)}, and the rest "
            f"of the group has room for {room}. Add a device in the same task, or remove volumes first",
            needed=moved,
            free=room,
        )
    onto = tuple(pv.path for pv in after.pvs if pv.used < pv.size)
    steps: list[Step] = [MoveAway(group, pv, onto) for pv in changes.removed if pv.used]
    return [*steps, *(ReduceGroup(group, pv) for pv in changes.removed), *blank]


def _leftovers(sight: GroupSight, name: str, wanted: Iterable[str]) -> tuple[GroupPv, ...]:
    """Return PVs in no group that were made for this one, and are not on a device that it is to be on."""
    kept = frozenset(wanted)
    return tuple(
        pv
        for pv in sight.orphans
        if not pv.missing and pv.kernel not in kept and pv.uuid == pv_uuid(name, str(pv.wwid or pv.path))
    )


def _drift(sight: GroupSight, group: Group, changes: _Changes) -> tuple[str, ...]:
    """Return what is otherwise than asked for and stays so."""
    told = [ownerless(sight, group, "it is neither activated nor changed here")] if group.unowned else []
    if changes.unnamed:
        names = ", ".join(pv.label for pv in changes.unnamed)
        told.append(f"{group.label} is also on {names}, not named in the task; remove_devices: true would take it out")
    if group.missing:
        told.append(f"{group.lack}. {group.remedy}")
    return tuple(told)


def lacking(group: Group, so: str) -> RefusedError:
    """Return the error for a group with a PV missing. `so`: what follows from that."""
    return RefusedError(f"{group.lack}: {so}. {group.remedy}", missing=[pv.uuid for pv in group.missing])


# Using


def plan_activate(sight: GroupSight, name: str) -> tuple[Step, ...]:
    """Return what activates a group.

    Raises NotFoundError, RefusedError for one of another host, of none, or with a PV missing.
    """
    group = find(sight, name)
    if group is None:
        raise NotFoundError(
            f"there is no volume group {name} on this host's devices; is its LUN mapped and scanned for?"
        )
    if group.exported or not group.belongs_to(sight.system_id):
        _require_ours(sight, group, "it cannot be active here too")
    if group.missing:
        raise lacking(group, "volumes on that would lack their data")
    return () if all(volume.active for volume in group.volumes) else (*_use(sight, group), ActivateGroup(group))


def plan_deactivate(sight: GroupSight, name: str) -> tuple[Step, ...]:
    """Return what deactivates a group. Raises InUseError that names who has which volume open."""
    group = find(sight, name)
    if group is None or not any(volume.active for volume in group.volumes):
        return ()
    _refuse_held(group, "deactivating it")
    return (*_use(sight, group), DeactivateGroup(group))


def plan_remove(sight: GroupSight, name: str) -> tuple[Step, ...]:
    """Return what removes a group, its volumes and its labels, so that its devices are blank after.

    Raises InUseError, RefusedError for a group of another host, of none, or of foreign origin, or with a PV missing.
    """
    group = find(sight, name)
    left = tuple(UnlabelDevice(_disk(pv), pv.uuid) for pv in _leftovers(sight, name, ()))
    if group is None:
        return left
    _require_ours(sight, group, "all that is in it would be removed")
    if group.lock_type:
        _refuse_locked(group, "remove it with vgremove")
    if group.missing:
        raise lacking(group, "what is on that would stay (delete_contents: false forgets the pool alone)")
    _refuse_held(group, "removing it")
    active = [DeactivateGroup(group)] if any(volume.active for volume in group.volumes) else []
    blank = (UnlabelDevice(_disk(pv), pv.uuid) for pv in group.pvs)
    return (*_use(sight, group), *active, RemoveGroup(group), *blank, *left)


def _use(sight: GroupSight, group: Group) -> tuple[Step, ...]:
    """Return what has LVM use all of a group. Raises RefusedError where no list of ours tells it what to use."""
    hidden = sight.hidden(group)
    if hidden and not sight.listing:
        raise RefusedError(
            f"{group.label}: LVM of this host does not use {', '.join(pv.label for pv in hidden)}, and would pass the "
            "group over. Look for use_devicesfile, devicesfile and filters in `lvmconfig --typeconfig current devices`"
        )
    return tuple(UseDevice(pv) for pv in hidden)


def _refuse_locked(group: Group, instead: str) -> NoReturn:
    """Raise RefusedError: a LUN that is erased is reserved, and other hosts could not write to it any more."""
    raise RefusedError(f"{group.label} is shared by lvmlockd ({group.lock_type}): {instead}")


def _refuse_held(group: Group, purpose: str) -> None:
    held = [volume for volume in group.volumes if volume.held]
    if held:
        raise InUseError(
            f"{purpose} is refused, {group.label} is in use: {', '.join(volume.holders() for volume in held)}. "
            "Release it first",
            holders=[dict(use.to_dict(), volume=volume.name) for volume in held for use in volume.uses],
        )


# State as a person compares it


def _state(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "system_id": group.system_id or None,
        "devices": {pv.wwid or pv.path or pv.uuid: _extent(group, pv) for pv in group.pvs},
    }


def _extent(group: Group, pv: GroupPv) -> int | str:
    """Return how much of a device a group has, in bytes where it is not all of it: what that is LVM will decide."""
    if pv.missing:
        return "missing"
    return WHOLE if pv.grown(group.extent) == pv.size else pv.size


def _key(disk: Disk) -> str:
    return disk.wwid or disk.path


def _disk(pv: GroupPv) -> Disk:
    return Disk(pv.path, pv.kernel, pv.device_size, pv.wwid)


def _devices(group: Group) -> str:
    return ", ".join(pv.label for pv in group.pvs)
