# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out what is planned for a device that is one pool's alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._apply import group
from ansible_collections.virt.san.plugins.module_utils._apply.disks import confirm, inspect
from ansible_collections.virt.san.plugins.module_utils._errors import (
    CommandError,
    InUseError,
    RefusedError,
    SanError,
)
from ansible_collections.virt.san.plugins.module_utils._host import ext4, mkfs, partitions
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.signatures import END
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Table
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools import steps


def perform(host: Host, step: Step, timeout: float) -> bool:
    """Carry out a step within `timeout` seconds; tell whether it was one of these at all.

    Raises CommandError, InUseError, RefusedError, UnavailableError.
    """
    if isinstance(step, steps.MakeFilesystem):
        _make(host, step, timeout)
    elif isinstance(step, steps.EraseFilesystem):
        _erase(host, step)
    elif isinstance(step, steps.MakeTable):
        _make_table(host, step, timeout)
    elif isinstance(step, steps.GrowTable):
        _grow_table(host, step, timeout)
    elif isinstance(step, steps.EraseTable):
        _erase_table(host, step)
    else:
        return False
    return True


def _make(host: Host, step: steps.MakeFilesystem, timeout: float) -> None:
    _require_blank(host, step)
    with _undone(host, step):
        mkfs.make(host, step.disk.path, step.kind, step.uuid, step.mmp, timeout)


def _make_table(host: Host, step: steps.MakeTable, timeout: float) -> None:
    _require_blank(host, step)
    with _undone(host, step):
        partitions.make_table(host, step.disk.path, step.kind, step.identity, timeout)


def _require_blank(host: Host, step: steps.DeviceStep) -> None:
    """Raise RefusedError for a device that something was written to since it was looked at: not every tool minds."""
    found = _contents(host, step)
    if not found.blank:
        told = found.problem or ", ".join(map(str, found.signatures)) or f"data at byte {found.data_at}"
        raise RefusedError(f"{step.disk.label} is not blank any more: {told}")


def _contents(host: Host, step: steps.DeviceStep | steps.GrowTable, tables: bool = False) -> Contents:
    """Return what is on a device now, past every cache: who had it mounted when this was planned does not any more."""
    return inspect(host, [replace(step.disk, uses=())], tables)[0].contents


@contextmanager
def _undone(host: Host, step: steps.DeviceStep) -> Iterator[None]:
    """Erase what was not finished: the next run could not know it. Raises what was raised."""
    try:
        yield
    except CommandError as error:
        try:
            group.erase(host, step.disk)
        except SanError as worse:
            error.message += f"; and it is not blank any more: {worse.message}"
        raise


def _erase(host: Host, step: steps.EraseFilesystem) -> None:
    """Erase a file system. Raises RefusedError if anything else is there, InUseError where a host has it mounted."""
    found = _contents(host, step)
    astray = [str(one) for one in found.signatures if one.uuid != step.uuid]
    if found.problem or astray:
        told = found.problem or ", ".join(astray)
        raise RefusedError(f"{step.disk.label} is not erased: {told}, not the file system {step.uuid} that was there")
    if found.mmp is not None and found.mmp.holder:
        raise InUseError(f"{step.disk.label} is not erased: mounted by {found.mmp}")
    group.erase(host, step.disk)


def _erase_table(host: Host, step: steps.EraseTable) -> None:
    """Erase a table and its partitions. Raises RefusedError if anything else is there, InUseError for one in use."""
    found = _contents(host, step, tables=True)
    table = _require_table(step, found, "erased")
    # A file system that began where the next table has a partition again would come to life there.
    ends = [(one.start, one.start + one.size) for one in table.partitions if not one.extended]
    heads = [(begin, min(END, end - begin)) for begin, end in ends]
    tails = [(max(begin, end - END), min(END, end - begin)) for begin, end in ends]
    group.erase(host, step.disk, (*heads, *tails))


def _require_table(step: steps.EraseTable | steps.GrowTable, found: Contents, what: str) -> Table:
    table = found.table
    if table is None or table.identity != step.identity:
        told = found.problem or table or ", ".join(map(str, found.signatures)) or "nothing"
        raise RefusedError(f"{step.disk.label} is not {what}: on it is {told}, not the table {step.identity}")
    return table


def _grow_table(host: Host, step: steps.GrowTable, timeout: float) -> None:
    """Have a table reach to the end of its device, as partitions are made: read right before and right after.

    Raises RefusedError for another table, CommandError where it is not as it was but for its end, IdentityError.
    """
    disk = step.disk
    confirm(host, () if disk.unit is None else (disk.unit,))
    before = _require_table(step, _contents(host, step, tables=True), "grown")
    if not before.growth(disk.size):
        return  # another host was quicker
    partitions.grow_table(host, disk.path, timeout)
    found = _contents(host, step, tables=True)
    after = found.table
    if after is None or _but_its_end(after) != _but_its_end(before):
        raise CommandError(
            f"the partition table on {disk.label} is not as it was: {found.problem or after or 'it is gone'}, before "
            f"it was {before}. Two hosts have changed it at once, or its device does not keep what is written. Compare "
            "`sfdisk --dump` on all hosts before anything else is done",
            path=disk.path,
        )
    if after.growth(disk.size):
        raise CommandError(f"{disk.label} has {disk.size} bytes, but its gpt still ends at byte {after.ends}")


def _but_its_end(table: Table) -> Table:
    """Return what stays of a table that grows. By which names this host has partitions does not belong to it."""
    same = tuple(replace(one, path="") for one in table.partitions)
    return replace(table, partitions=same, usable=None, ends=None)


def refuse_mounted_elsewhere(host: Host, step: steps.Mount) -> None:
    """Raise InUseError where another host keeps a file system from being mounted, and says so on its device."""
    if step.kind != ext4.KIND:
        return
    try:
        found = ext4.read_mmp(host, step.source)
    except SanError:
        return  # why it could not be mounted is the better reason
    if found is not None and found.holder:
        raise InUseError(
            f"{step.source} is in use by {found}. Stop the pool there first. If that host is gone, try again",
            path=step.point,
            holders=[found.holder],
        )
