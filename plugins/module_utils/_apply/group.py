# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out what is planned for a volume group, step by step."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import lvm_write, signatures
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.contents import LVM_LABEL
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.blank import BlankDevice
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


def perform(host: Host, step: Step, timeout: float) -> bool:
    """Carry out a step; tell whether it was one of a volume group at all. `timeout` is seconds for moving data.

    Raises CommandError, InUseError, RefusedError.
    """
    if isinstance(step, BlankDevice):
        erase(host, step.disk)
    elif isinstance(step, LabelDevice):
        _label(host, step)
    elif isinstance(step, UnlabelDevice):
        _unlabel(host, step)
    elif isinstance(step, CreateGroup):
        autoactivation = not lvm_write.knows_autoactivation(host)
        paths = [disk.path for disk in step.disks]
        lvm_write.create_group(host, step.name, step.system_id, paths, autoactivation)
    elif isinstance(step, MoveAway):
        lvm_write.move_away(host, step.pv.path, step.onto, timeout)
    else:
        return _change(host, step)
    return True


def _change(host: Host, step: Step) -> bool:
    if isinstance(step, SetSystemId):
        lvm_write.set_system_id(host, step.system_id)
    elif isinstance(step, UseDevice):
        lvm_write.use_device(host, step.pv.path, step.pv.path)
    elif isinstance(step, ExtendGroup):
        lvm_write.extend_group(host, step.group.name, step.disk.path)
    elif isinstance(step, ResizePv):
        lvm_write.resize_pv(host, step.pv.path)
    elif isinstance(step, ReduceGroup):
        lvm_write.reduce_group(host, step.group.name, step.pv.path)
    elif isinstance(step, ActivateGroup):
        lvm_write.activate(host, step.group.uuid)
    elif isinstance(step, DeactivateGroup):
        lvm_write.deactivate(host, step.group.uuid)
    elif isinstance(step, RemoveGroup):
        if step.group.volumes:
            lvm_write.remove_volumes(host, step.group.uuid)
        lvm_write.remove_group(host, step.group.uuid)
    else:
        return False
    return True


def erase(host: Host, disk: Disk, ranges: tuple[tuple[int, int], ...] = ()) -> None:
    """Erase what is on a device, `ranges` (offset, length) too, and have the kernel forget the partitions there."""
    signatures.forget_partitions(host, disk.path, disk.unit.paths if disk.unit else ())
    signatures.blank(host, disk.path, ranges=ranges)


def _label(host: Host, step: LabelDevice) -> None:
    lvm_write.use_device(host, step.disk.path, step.disk.lasting)
    if step.labelled:
        return
    try:
        lvm_write.create_pv(host, step.disk.path, step.uuid)
    except SanError:
        lvm_write.forget_device(host, step.disk.path, step.disk.lasting)
        raise


def _unlabel(host: Host, step: UnlabelDevice) -> None:
    """Erase a PV's label and the metadata of the group it was in. Raises RefusedError if anything else is there."""
    found = signatures.read_contents(host, step.disk.path)
    astray = [one for one in found.signatures if (one.kind, one.uuid) != (LVM_LABEL, step.uuid)]
    if found.problem or astray:
        told = found.problem or ", ".join(map(str, astray))
        raise RefusedError(f"{step.disk.label} is not blanked: {told}, not the PV {step.uuid} that was there")
    signatures.blank(host, step.disk.path)
    lvm_write.forget_device(host, step.disk.path, step.disk.lasting)
