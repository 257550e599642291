# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What types have in common whose pools are on one device: which one it is, and what keeps them from building on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NoReturn

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.contents import LVM_LABEL
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk, device_path
from ansible_collections.virt.san.plugins.module_utils._model.group import GroupSight
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import made_uuid
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import Seen
from ansible_collections.virt.san.plugins.module_utils._pools.blank import Inspected, clear, judge


def device_name(pool: PoolDefinition) -> str:
    """Return the one device of a pool, by the name that its definition has for it. Raises ValueError."""
    if len(pool.source.devices) != 1:
        raise ValueError(f"source.devices: a pool of type {pool.type} is on one device")
    try:
        return device_path(pool.source.devices[0].path)
    except ValueError as wrong:
        raise ValueError(f"source.devices: {wrong}") from wrong


def device(pool: PoolDefinition, seen: Seen) -> Inspected | None:
    """Return the pool's device with what is on it; None where it cannot be used."""
    return seen.devices.get(device_name(pool))


def require_device(pool: PoolDefinition, seen: Seen, purpose: str) -> Inspected:
    """Return the pool's device with what is on it. Raises RefusedError that says why it cannot be used."""
    found = device(pool, seen)
    if found is None:
        name = device_name(pool)
        raise RefusedError(
            f"{purpose} is refused: {name}: {seen.silent.get(name, 'it is not known what is on it')}", device=name
        )
    return found


def own_uuid(pool: PoolDefinition, disk: Disk) -> str:
    """Return the identity of what is made for a pool on a device.

    A device without a WWID is known by its name in the definition: the kernel may call it otherwise after a reboot.
    """
    return made_uuid(pool.name, str(disk.wwid or device_name(pool)))


def prepare(seen: Seen, found: Inspected, overwrite: bool) -> tuple[Step, ...]:
    """Return what makes a device ready to build on. Raises what `clear` raises, RefusedError for a PV of a group."""
    refuse_members(seen.groups, (found,))
    return clear((found,), overwrite)


def refuse_members(sight: GroupSight | None, devices: Iterable[Inspected]) -> None:
    """Raise RefusedError for devices of a volume group: it may be in use on a host that this one knows nothing of.

    A label that LVM says nothing of is that of a group that is not known.
    """
    sight = sight or GroupSight()
    for one in devices:
        group = sight.group_on(one.disk.kernel)
        if group is not None:
            owner = f" of host {group.system_id}" if group.system_id not in ("", sight.system_id) else ""
            raise RefusedError(
                f"{one.disk.label} is a PV of {group.label}{owner}; not even build: overwrite takes it from a group. "
                "Remove the group on the host that it belongs to, or take the PV out of it (vgreduce)",
                wwid=one.disk.wwid,
                volume_group=group.name,
                system_id=group.system_id or None,
            )
        label = next((found for found in one.contents.signatures if found.kind == LVM_LABEL), None)
        if label is not None and not sight.has_orphan(one.disk.kernel):
            raise RefusedError(
                f"{one.disk.label} is a PV ({label}), and LVM of this host does not tell of which group; not even "
                "build: overwrite takes it from one. Look for a filter or global_filter in lvm.conf that hides it, and "
                "have it accept the device. If it is in no group, pvremove on a host whose LVM sees it leaves it blank",
                wwid=one.disk.wwid,
            )


def refuse_held(found: Inspected, purpose: str, own_mount: str | None = None) -> None:
    """Raise InUseError or RefusedError where a device must not be touched. `own_mount` is about to end."""
    uses = tuple(use for use in found.disk.uses if (use.kind, use.by) != ("mount", own_mount))
    verdict = judge(replace(found, disk=replace(found.disk, uses=uses)))
    if verdict.never:
        kind = InUseError if verdict.used else RefusedError
        raise kind(f"{purpose} is refused: {found.disk.label}: {', '.join(verdict.never)}", device=found.disk.path)


def refuse_foreign(pool: PoolDefinition, found: Inspected, what: str) -> NoReturn:
    """Raise RefusedError for something that could be the pool's, and was not made for it."""
    raise RefusedError(
        f"{found.disk.label} has what was not made for pool {pool.name}: {what}. To have the pool take it over with "
        "all that is in it, define it with build: never; if that may be lost, with build: overwrite",
        devices=[{"path": found.disk.path, "wwid": found.disk.wwid, "found": [what], "refused": []}],
    )


def refuse_strange(found: Inspected, purpose: str) -> NoReturn:
    """Raise RefusedError for a device with something on it that is not the pool's."""
    inside = found.contents
    told = str(inside.table or ", ".join(map(str, inside.signatures)) or "data of no known kind")
    raise RefusedError(f"{purpose} is refused: on {found.disk.label} is {told}, which is not the pool's")


def refuse_used(found: Inspected, purpose: str) -> None:
    """Raise InUseError where this host has a device in use already."""
    uses = [use for use in found.disk.uses if use.active]
    if uses:
        raise InUseError(
            f"{purpose} is refused, {found.disk.label} is in use: {', '.join(map(str, uses))}. Release it first",
            holders=[use.to_dict() for use in uses],
        )
