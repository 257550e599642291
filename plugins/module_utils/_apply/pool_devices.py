# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the devices and volume groups that a pool is made of, and have them alone while it is built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.virt.san.plugins.module_utils._apply.disks import alone_on, inspect, read_disks
from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host.bare import exact_name, read_bare
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._host.lvm_group import read_groups
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.contents import LVM_LABEL, Contents
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk, device_path
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._plan.disks import parse_names
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import Needs, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.blank import Inspected
from ansible_collections.virt.san.plugins.module_utils._pools.registry import built_on
from ansible_collections.virt.san.plugins.module_utils._pools.steps import DeviceStep

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._apply.exclusion import Held


def look_at_devices(host: Host, needs: Needs, seen: Seen) -> Seen:
    """Return what is seen, with the devices and groups that are needed. A device that cannot be used is silent.

    What is on a device is only read if it is in no group yet: that of one that is cannot be overwritten anyway. A PV
    that is found without asking for groups makes them known as well.
    """
    san = read_san(host)
    sight = None if needs.group is None else read_groups(host, san.luns)
    found: dict[str, Inspected] = {}
    silent = dict(seen.silent)
    for name in needs.devices:
        try:
            (disk,) = read_disks(host, san, parse_names([name], "source.devices")).values()
        except SanError as error:
            silent[name] = error.message
            continue
        member = sight is not None and sight.group_on(disk.kernel) is not None
        found[name] = Inspected(disk, Contents()) if member else inspect(host, [disk], needs.tables)[0]
        if sight is None and any(one.kind == LVM_LABEL for one in found[name].contents.signatures):
            sight = read_groups(host, san.luns)
    return replace(seen, devices=found, groups=sight, silent=silent)


def lasting_names(host: Host, names: Iterable[str]) -> dict[str, str]:
    """Return, for kernel names of devices with a WWID, what udev calls those by it. Others are left out."""
    san = read_san(host, uses=False)
    found = {}
    for name in names:
        kernel = exact_name(host, name)
        unit = next((unit for unit in san.luns if kernel in unit.kernel_names), None)
        if unit is None or unit.wwid is None or unit.problem:
            continue
        links = (f"/dev/disk/by-id/{link}" for link in (f"wwn-0x{unit.wwid[1:]}", f"scsi-{unit.wwid}"))
        by_wwid = (device_path(unit.wwid), *links)
        lasting = next((path for path in by_wwid if exact_name(host, path) in unit.kernel_names), None)
        if lasting is not None:
            found[name] = lasting
    return found


@contextmanager
def alone_for(
    host: Host, steps: Iterable[Step], timeout: float, required: bool, anew: Callable[[], Iterable[Step]]
) -> Iterator[Held]:
    """Have the LUNs that steps build on or erase for this host alone, as long as the context lasts.

    `anew` plans once more: a LUN that its steps do not write to any more is not taken.

    Raises what `alone_on` and `anew` raise.
    """
    disks = _written(steps)
    san = read_san(host) if disks else San()
    seen = [_seen_by_others(host, san, disk) for disk in disks.values()]

    def needed(unit: LogicalUnit) -> bool:
        return any(kernel in unit.kernel_names for kernel in _written(anew()))

    with alone_on(host, san, seen, timeout, required, needed) as held:
        yield held


def let_others_build(host: Host, pool: PoolDefinition | None, timeout: float) -> None:
    """Wait until no other host is in the middle of building on the LUNs that a pool names."""
    from ansible_collections.virt.san.plugins.module_utils._apply import exclusion

    san = read_san(host)
    exclusion.let_others_finish(host, san, _named_units(host, san, pool), timeout)


def free_left_behind(host: Host, pool: PoolDefinition | None) -> tuple[str, ...]:
    """Give the LUNs back that a pool names, if a killed run has left them reserved; return why that did not work.

    For when there is nothing to be written to them.
    """
    if pool is None or not built_on(pool):
        return ()
    from ansible_collections.virt.san.plugins.module_utils._apply import exclusion

    san = read_san(host)
    return tuple(exclusion.free_left_behind(host, san, _named_units(host, san, pool)))


def _named_units(host: Host, san: San, pool: PoolDefinition | None) -> list[LogicalUnit]:
    found = [_named_unit(host, san, name) for name in (built_on(pool) if pool is not None else ())]
    return [unit for unit in found if unit is not None]


def _named_unit(host: Host, san: San, name: str) -> LogicalUnit | None:
    try:
        return read_disks(host, san, (name,))[name].unit
    except SanError:
        return None


def refuse_others(held: Held, before: Iterable[Step], planned: Iterable[Step]) -> None:
    """Raise RefusedError where steps planned later write to devices that are not held for those before."""
    known = {kernel for kernel, disk in _written(before).items() if disk.wwid not in held.left}
    new = [disk.label for kernel, disk in _written(planned).items() if kernel not in known]
    if new:
        raise RefusedError(
            f"{', '.join(new)} would be written to as well by now: something changed; run the task again"
        )


def _written(steps: Iterable[Step]) -> dict[str, Disk]:
    """Return the devices that steps write to, by kernel name."""
    return {step.disk.kernel: step.disk for step in steps if isinstance(step, DeviceStep)}


def _seen_by_others(host: Host, san: San, disk: Disk) -> Disk:
    """Return a device with what tells whether others see it: of the PV of a group its plan knows no more than names."""
    unit = disk.unit or _unit(san, disk)
    bare = read_bare(host, [disk.kernel]).get(disk.kernel) if unit is None else None
    return replace(disk, unit=unit, remote=disk.remote or (bare is not None and bare.remote))


def _unit(san: San, disk: Disk) -> LogicalUnit | None:
    """Return the LUN of a device that is known by its volume group alone; None for a disk of the host's own."""
    return next((unit for unit in san.luns if unit.map is not None and unit.map.dm == disk.kernel), None)
