# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume groups in the model's terms, and what LVM makes of a plan's steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Signature
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._model.group import (
    TAG,
    Group,
    GroupPv,
    GroupSight,
    GroupVolume,
    pv_uuid,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.blank import Inspected
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
from ansible_collections.virt.san.tests.unit.support.multipathing import unit, wwid

MIB = 2**20
EXTENT = 4 * MIB
SIZE = 1024 * MIB
USABLE = SIZE - EXTENT
NAME = "guests"
HERE, ELSEWHERE = "virt-san-one-1", "virt-san-two-2"
EXT4 = Signature("ext4", "filesystem", 1080, 2, "84ca")


def disk(number: int, size: int = SIZE) -> Disk:
    lun = unit(number, name=f"lun{number}")
    return Disk(f"/dev/mapper/lun{number}", f"dm-{number}", size, wwid(number), lun)


def label_of(number: int, uuid: str = "") -> Signature:
    return Signature("LVM2_member", "raid", 536, 8, uuid or pv_uuid(NAME, wwid(number)))


def seen(number: int, *found: Signature, size: int = SIZE) -> Inspected:
    return Inspected(disk(number, size), Contents(found, 536 if found else None))


def pv(number: int, used: int = 0, size: int = USABLE, device_size: int = SIZE, **facts: Any) -> GroupPv:
    told = {"uuid": pv_uuid(NAME, wwid(number)), "path": f"/dev/mapper/lun{number}", "kernel": f"dm-{number}"}
    known: dict[str, Any] = {**told, "shared": True, **facts}
    return GroupPv(size=size, device_size=device_size, used=used, start=MIB, wwid=wwid(number), **known)


def gone(number: int, **facts: Any) -> GroupPv:
    """Return a PV whose device is not there, as LVM tells of it."""
    return replace(pv(number, device_size=0, path="", kernel="", shared=False, **facts), wwid=None)


def volume(name: str, active: bool = True, **facts: Any) -> GroupVolume:
    return GroupVolume(f"lv-{name}", name, f"/dev/{NAME}/{name}", EXTENT, active, **facts)


def group(*pvs: GroupPv, **facts: Any) -> Group:
    told: dict[str, Any] = {"system_id": HERE, "tags": (TAG,), **facts}
    size = sum(one.size for one in pvs)
    free = size - sum(one.used for one in pvs)
    return Group("vg-uuid", told.pop("name", NAME), size, free, EXTENT, pvs=pvs, **told)


def sight(*groups: Group, **facts: Any) -> GroupSight:
    used = frozenset(pv.kernel for group in groups for pv in group.pvs)
    return GroupSight(**{"system_id": HERE, "groups": groups, "proposed_id": HERE, "used": used, **facts})


def lvm(before: GroupSight, steps: Iterable[Step]) -> GroupSight:
    """Return the groups after the steps, as LVM carries them out."""
    after = before
    for step in steps:
        after = _step(after, step)
    return after


def _step(now: GroupSight, step: Step) -> GroupSight:
    if isinstance(step, SetSystemId):
        return replace(now, system_id=step.system_id)
    if isinstance(step, LabelDevice):
        made = GroupPv(step.uuid, step.disk.path, step.disk.kernel, 0, step.disk.size, 0, MIB, step.disk.wwid)
        known = any(one.uuid == step.uuid for one in now.orphans)
        assert known == step.labelled
        now = replace(now, used=now.used | {made.kernel})
        return now if known else replace(now, orphans=(*now.orphans, made))
    if isinstance(step, UseDevice):
        assert now.listing
        return replace(now, used=now.used | {step.pv.kernel})
    if isinstance(step, CreateGroup):
        empty = Group("vg-uuid", step.name, 0, 0, EXTENT, step.system_id, tags=(TAG,))
        return _join(replace(now, groups=(*now.groups, empty)), empty, step.disks)
    if isinstance(step, ExtendGroup):
        return _join(now, step.group, (step.disk,))
    if isinstance(step, UnlabelDevice):
        assert step.disk.kernel in {one.kernel for one in now.orphans}
        return replace(now, orphans=tuple(one for one in now.orphans if one.kernel != step.disk.kernel))
    if isinstance(step, RemoveGroup):
        gone = next(one for one in now.groups if one.uuid == step.group.uuid)
        rest = tuple(one for one in now.groups if one is not gone)
        return replace(now, groups=rest, orphans=(*now.orphans, *(replace(one, size=0) for one in gone.pvs)))
    return replace(now, groups=tuple(_changed(one, step) for one in now.groups), orphans=_orphans(now, step))


def _orphans(now: GroupSight, step: Step) -> tuple[GroupPv, ...]:
    return (*now.orphans, replace(step.pv, size=0, used=0)) if isinstance(step, ReduceGroup) else now.orphans


def _join(now: GroupSight, to: Group, disks: tuple[Disk, ...]) -> GroupSight:
    kernels = {one.kernel for one in disks}
    new = [replace(one, size=one.grown(EXTENT)) for one in now.orphans if one.kernel in kernels]
    assert len(new) == len(disks), "not labelled"
    joined = tuple(replace(one, pvs=(*one.pvs, *new)) if one.name == to.name else one for one in now.groups)
    return replace(now, groups=joined, orphans=tuple(one for one in now.orphans if one.kernel not in kernels))


def _changed(now: Group, step: Step) -> Group:
    if isinstance(step, ResizePv):
        return replace(
            now, pvs=tuple(replace(one, size=step.size) if one.uuid == step.pv.uuid else one for one in now.pvs)
        )
    if isinstance(step, MoveAway):
        return _moved(now, step.pv, step.onto)
    if isinstance(step, ReduceGroup):
        gone = next(one for one in now.pvs if one.uuid == step.pv.uuid)
        assert not gone.used, "still in use"
        return replace(now, pvs=tuple(one for one in now.pvs if one is not gone))
    if isinstance(step, (ActivateGroup, DeactivateGroup)):
        active = isinstance(step, ActivateGroup)
        return replace(now, volumes=tuple(replace(one, active=active) for one in now.volumes))
    return now


def _moved(now: Group, away: GroupPv, onto: tuple[str, ...]) -> Group:
    left = next(one.used for one in now.pvs if one.uuid == away.uuid)
    pvs = []
    for one in now.pvs:
        taken = 0 if one.path not in onto else min(left, one.size - one.used)
        left -= taken
        pvs.append(replace(one, used=0 if one.uuid == away.uuid else one.used + taken))
    assert not left, "no room"
    return replace(now, pvs=tuple(pvs))
