# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out what is to be done to a host for a pool. Whatever touches a pool's path is done within a deadline."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, InUseError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import folders, mounting
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools import steps


def perform(host: Host, step: Step, timeout: float) -> None:
    """Carry out one step, within `timeout` seconds. Raises SanError, OSError."""
    if isinstance(step, steps.Mount):
        _mount(host, step, timeout)
    elif isinstance(step, steps.MountAlone):
        _mount(host, step.mount, timeout)
    elif isinstance(step, steps.Unmount):
        _unmount(host, step, timeout)
    elif isinstance(step, steps.GrowFilesystem):
        _grow(host, step, timeout)
    elif isinstance(step, (steps.MakeFolder, steps.SetPermissions)):
        _permit(host, step, timeout)
    elif isinstance(step, steps.EmptyFolder):
        guarded(host, step.path, "emptying", lambda there: folders.empty(there, step.path), timeout)
    elif isinstance(step, steps.RemoveFolder):
        _remove(host, step, timeout)
    elif not _perform_elsewhere(host, step, timeout):
        raise SanError(f"{step.describe()}: nobody knows how")


def _perform_elsewhere(host: Host, step: Step, timeout: float) -> bool:
    """Have a step carried out by the file that it is for; tell whether there is one. Each is loaded as it is asked."""
    if isinstance(step, (steps.DeviceStep, steps.GrowTable)):
        from ansible_collections.virt.san.plugins.module_utils._apply import device_steps

        if device_steps.perform(host, step, timeout):
            return True
    if not isinstance(step, (steps.LogInTo, steps.MakeVhba)):
        from ansible_collections.virt.san.plugins.module_utils._apply import group

        if group.perform(host, step, timeout):
            return True
    from ansible_collections.virt.san.plugins.module_utils._apply import pool_ways

    return pool_ways.perform(host, step, timeout)


def _mount(host: Host, step: steps.Mount, timeout: float) -> None:
    mounting.require_helper(host, step.kind)
    try:
        guarded(
            host,
            step.point,
            f"mounting {step.source} on",
            lambda there: mounting.mount(there, step.source, step.point, step.kind, step.options),
            timeout + step.patience,
        )
    except CommandError:
        from ansible_collections.virt.san.plugins.module_utils._apply import device_steps

        device_steps.refuse_mounted_elsewhere(host, step)
        raise


def _unmount(host: Host, step: steps.Unmount, timeout: float) -> None:
    work = mounting.unmount_by_force if step.force else mounting.unmount
    try:
        guarded(host, step.point, "unmounting", lambda there: work(there, step.point), timeout)
    except CommandError as error:
        if mounting.BUSY not in error.details.get("stderr", ""):
            raise
        from ansible_collections.virt.san.plugins.module_utils._apply.pool_look import find_users

        users = find_users(host, (step.point,)).get(step.point, ())
        who = ", ".join(users) or "something that does not show (another mount of a part of it, an NFS export)"
        raise InUseError(
            f"unmounting {step.point} is refused, in use by {who}", path=step.point, holders=list(users)
        ) from error


def _grow(host: Host, step: steps.GrowFilesystem, timeout: float) -> None:
    from ansible_collections.virt.san.plugins.module_utils._host import fs_size, mkfs

    mkfs.grow(host, step.disk.path, step.kind, step.point, timeout)
    now = fs_size.read_size(host, step.disk.path, step.kind, step.point)
    if step.disk.size - now >= steps.WORTH_GROWING:
        raise CommandError(
            f"{step.disk.label} has {step.disk.size} bytes, but its {step.kind} still takes {now}", path=step.disk.path
        )


def _permit(host: Host, step: steps.MakeFolder | steps.SetPermissions, timeout: float) -> None:
    work = folders.make if isinstance(step, steps.MakeFolder) else folders.set_permissions
    wanted = step.permissions
    what = "making" if isinstance(step, steps.MakeFolder) else "changing"
    guarded(
        host, step.path, what, lambda there: work(there, step.path, wanted.mode, wanted.owner, wanted.group), timeout
    )


def _remove(host: Host, step: steps.RemoveFolder, timeout: float) -> None:
    gone = guarded(host, step.path, "removing", lambda there: there.remove_folder(step.path), timeout)
    if not gone and not step.if_empty:
        raise SanError(f"{step.path} is not empty: something was put there meanwhile", path=step.path)
