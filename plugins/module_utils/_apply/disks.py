# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the devices a task names, look what is on them, and have them alone while something is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, IdentityError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.bare import exact_name, read_bare
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._host.signatures import read_contents
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Table
from ansible_collections.virt.san.plugins.module_utils._plan.disks import Sight, resolve
from ansible_collections.virt.san.plugins.module_utils._pools.blank import Inspected

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._apply.exclusion import Held, Needed


def read_disks(host: Host, san: San, names: Iterable[str]) -> dict[str, Disk]:
    """Return the devices to use, by their names in the task (as parse_names returns them).

    Raises what `resolve` raises.
    """
    wanted = tuple(names)
    kernels = {name: exact_name(host, name) for name in wanted}
    found = {name: kernel for name, kernel in kernels.items() if kernel}
    return resolve(Sight(san, read_bare(host, found.values()) if found else {}, found), wanted)


def inspect(host: Host, disks: Iterable[Disk], tables: bool = False) -> tuple[Inspected, ...]:
    """Return devices with what is on them now, whatever this host has cached. `tables`: partition tables as well."""
    return tuple(Inspected(disk, _look_into(host, disk, tables)) for disk in disks)


def _look_into(host: Host, disk: Disk, tables: bool) -> Contents:
    from ansible_collections.virt.san.plugins.module_utils._host import ext4, fs_size

    found = read_contents(host, disk.path, mounted=bool(disk.mounts))
    try:
        if tables and any(one.usage == "partition-table" for one in found.signatures):
            found = replace(found, table=_read_table(host, disk, {one.kind for one in found.signatures}))
        if not disk.mounts and any(one.kind == ext4.KIND for one in found.signatures):
            found = replace(found, mmp=ext4.read_mmp(host, disk.path))
        for kind in {one.kind for one in found.signatures} & set(fs_size.KINDS):
            found = replace(found, filled=fs_size.read_size(host, disk.path, kind, next(iter(disk.mounts), None)))
    except CommandError as error:
        return Contents(problem=error.message)
    return found


def _read_table(host: Host, disk: Disk, kinds: set[str]) -> Table:
    """Return the table on a device with these signatures. Raises CommandError, also for a gpt that reaches beyond it.

    The end of such a one is gone, or another host, which knows better how large the device is, has let it grow. Any
    tool would take what is left for something else, and mend it.
    """
    from ansible_collections.virt.san.plugins.module_utils._host import gpt, partitions

    ends = gpt.read_end(host, disk.path) if kinds & gpt.KINDS else None
    if ends is not None and ends > disk.size:
        raise CommandError(
            f"{disk.label} has {disk.size} bytes, and the gpt on it ends at byte {ends}. Nothing is written there: "
            "either the LUN was made smaller and has to be as large again, or it has grown and this host does not know "
            "it yet (virt.san.scsi_device, size: current)",
            path=disk.path,
        )
    table = partitions.read_table(host, disk.path)
    return replace(table, ends=ends) if table.kind == "gpt" else table


@contextmanager
def alone_on(
    host: Host,
    san: San,
    disks: Iterable[Disk],
    timeout: float,
    required: bool = True,
    needed: Needed | None = None,
) -> Iterator[Held]:
    """Have devices for this host alone for as long as the context lasts; those that no other host sees are left out.

    The LUNs themselves are asked first who they are: an array may have put others behind the paths in `san`.

    Raises IdentityError for a LUN that is another by now, UnavailableError for a device that others see and that is no
    LUN, if `required`, and what `exclusive` raises.
    """
    from ansible_collections.virt.san.plugins.module_utils._apply.exclusion import exclusive

    wanted = tuple(disks)
    unguarded = [_unguarded(disk, required) for disk in wanted if disk.shared and disk.unit is None]
    units = tuple(disk.unit for disk in wanted if disk.unit is not None)
    confirm(host, units)
    with exclusive(host, san, units, timeout, required, needed) as held:
        held.warnings += unguarded
        yield held


def _unguarded(disk: Disk, required: bool) -> str:
    """Return what to warn of where a device cannot be reserved. Raises UnavailableError if that is `required`."""
    told = (
        f"{disk.label} comes over a network, and is reserved like a LUN by nobody, so that nothing keeps another host "
        "from building on it at once"
    )
    if required:
        raise UnavailableError(
            f"{told}. If no other host runs this task now, allow it with exclusive: false", device=disk.path
        )
    return told


def confirm(host: Host, units: Iterable[LogicalUnit]) -> None:
    """Raise IdentityError unless the paths of these units still lead to them, CommandError where that is not known."""
    wanted = tuple(units)
    if not wanted:
        return
    from ansible_collections.virt.san.plugins.module_utils._apply import removal
    from ansible_collections.virt.san.plugins.module_utils._host import scan
    from ansible_collections.virt.san.plugins.module_utils._plan.guard import label
    from ansible_collections.virt.san.plugins.module_utils._plan.identity import find_remapped, refuse_remapped

    paths = [path for unit in wanted for path in unit.paths]
    results, asked = removal.reread(host, paths)
    late = [name for name, result in results.items() if result.stuck is not None]
    if late:
        raise CommandError(f"{', '.join(late)}: disks do not say who they are; their target does not answer")
    answers = {path.device: scan.read_identity(host, path.hctl) for path in paths if path.hctl in asked}
    refuse_remapped(find_remapped(San(luns=wanted), answers))
    for unit in wanted:
        now = next((one for one in read_san(host, uses=False).luns if one.kernel_names & unit.kernel_names), None)
        if now is None or now.wwid != unit.wwid:
            raise IdentityError(f"{label(unit)} is {label(now) if now else 'gone'} by now; run again")
