# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device a task means, and which one is to be used in its stead: never a bare path to a LUN. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    IdentityError,
    InputError,
    NotFoundError,
    RefusedError,
)
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.disk import BareDevice, Disk, device_path, wwid_in
from ansible_collections.virt.san.plugins.module_utils._plan.guard import label, paths_of
from ansible_collections.virt.san.plugins.module_utils._plan.named import Named, require


@dataclass(frozen=True)
class Sight:
    """What is there of the devices that are named, and of the SAN."""

    san: San
    bare: Mapping[str, BareDevice]
    """By kernel name: what the names lead to."""
    names: Mapping[str, str]
    """Kernel name by the name in the task; those that lead nowhere are not in it."""


def parse_names(names: Iterable[str], option: str) -> tuple[str, ...]:
    """Return devices as they are looked for: paths under /dev, for a WWID that of its map. Raises InputError."""
    try:
        found = [device_path(name) for name in names]
    except ValueError as wrong:
        raise InputError(f"{option}: {wrong}", option=option) from wrong
    repeated = sorted({name for name in found if found.count(name) > 1})
    if repeated:
        raise InputError(f"{option}: {', '.join(repeated)} is given more than once", option=option)
    return tuple(found)


def resolve(sight: Sight, names: Iterable[str]) -> dict[str, Disk]:
    """Return the devices to use, by their names in the task.

    Raises NotFoundError, IdentityError, RefusedError (a LUN without its map, a partition of a LUN), AmbiguousError
    for a device that is meant twice.
    """
    found = {name: _resolve(sight, name) for name in names}
    meant: dict[str, str] = {}
    for name, disk in found.items():
        other = meant.setdefault(disk.kernel, name)
        if other != name:
            raise AmbiguousError(f"{other} and {name} are the same device, {disk.label}: name it once")
    return found


def _resolve(sight: Sight, name: str) -> Disk:
    kernel, wwid = sight.names.get(name), wwid_in(name)
    if kernel is None and wwid is not None:
        return disk_of(sight, require(sight.san, Named(wwid=wwid)))
    if kernel is None:
        raise NotFoundError(
            f"this host has no block device {name}. A LUN is best named by its WWID; is it mapped to this host, zoned, "
            "and scanned for (virt.san.scsi_rescan)?",
            device=name,
        )
    unit = next((unit for unit in sight.san.luns if kernel in unit.kernel_names), None)
    if unit is not None:
        return disk_of(sight, unit)
    device = sight.bare[kernel]
    whole = next((unit for unit in sight.san.luns if device.part_of in unit.kernel_names), None)
    if whole is not None and whole.shared:
        raise RefusedError(
            f"{name} is a partition of the LUN {label(whole)}. Other hosts see the LUN as a whole, and a size that "
            "grows is that of the whole: name the LUN itself",
            device=name,
        )
    return Disk(device.path, kernel, device.size, read_only=device.read_only, uses=device.uses, remote=device.remote)


def disk_of(sight: Sight, unit: LogicalUnit) -> Disk:
    """Return the device to use for a unit. Raises what `resolve` raises."""
    if unit.problem:
        raise IdentityError(f"{label(unit)}: {unit.problem}. Correct the mapping on the array, then rescan")
    if unit.wwid is None and unit.shared:
        raise IdentityError(
            f"{label(unit)} ({paths_of(unit)}) says of itself nothing it could be known by, and another LUN may "
            "take its place unseen; give it a WWID on the array"
        )
    if unit.map is None and _should_have_map(sight.san, unit):
        raise RefusedError(
            f"{label(unit)} has no multipath device, only {paths_of(unit)}. What is built on a path is lost to the "
            f"map, and with the path. Make it first: virt.san.multipath_devices with wwid {unit.wwid}",
            wwid=unit.wwid,
        )
    kernel = unit.map.dm if unit.map else unit.paths[0].device
    bare = sight.bare.get(kernel)
    read_only = unit.map.read_only if unit.map else bool(bare and bare.read_only)
    return Disk(unit.device, kernel, unit.size, unit.wwid, unit if unit.shared else None, read_only, unit.uses)


def _should_have_map(san: San, unit: LogicalUnit) -> bool:
    """Tell whether a unit without a map ought to have one: it has several paths, or this host has maps for its LUNs.

    A SAS disk with one path is likely the host's own.
    """
    if len(unit.paths) > 1:
        return True
    return san.multipath_running and unit.shared and {path.transport for path in unit.paths} != {"sas"}
