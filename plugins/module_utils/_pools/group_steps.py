# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a volume group. One class a kind of change; `_apply/group_steps.py` carries them out."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._model.group import Group, GroupPv
from ansible_collections.virt.san.plugins.module_utils._pools.steps import DeviceStep


@dataclass(frozen=True)
class SetSystemId:
    """Give this host an ID by which LVM tells whose a group is."""

    system_id: str

    def describe(self) -> str:
        return f"give LVM of this host the system ID {self.system_id}"


@dataclass(frozen=True)
class LabelDevice(DeviceStep):
    """Make a PV of a blank device, and have LVM use it."""

    uuid: str
    labelled: bool = False
    """An earlier run got as far as that."""

    def describe(self) -> str:
        return f"make a PV of {self.disk.label}"


@dataclass(frozen=True)
class CreateGroup:
    """Make a group of labelled devices."""

    name: str
    disks: tuple[Disk, ...]
    system_id: str

    def describe(self) -> str:
        return f"create volume group {self.name} on {', '.join(disk.label for disk in self.disks)}"


@dataclass(frozen=True)
class UseDevice:
    """Have LVM use a PV of a group that it is told to leave alone: another host has given this one the group."""

    pv: GroupPv

    def describe(self) -> str:
        return f"have LVM use {self.pv.label}"


@dataclass(frozen=True)
class ExtendGroup:
    """Add a labelled device to a group."""

    group: Group
    disk: Disk

    def describe(self) -> str:
        return f"add {self.disk.label} to volume group {self.group.name}"


@dataclass(frozen=True)
class ResizePv:
    """Have a group use all of a device that has grown."""

    group: Group
    pv: GroupPv
    size: int
    """Bytes after it."""

    def describe(self) -> str:
        return f"use all of {self.pv.label} in volume group {self.group.name}: {self.size} bytes"


@dataclass(frozen=True)
class MoveAway:
    """Move what is on a device to others of its group."""

    group: Group
    pv: GroupPv
    onto: tuple[str, ...]
    """Paths of those that stay: on one that leaves too it would only be in the way."""

    def describe(self) -> str:
        if self.pv.moving:
            return f"go on moving what is on {self.pv.label}"
        return f"move {self.pv.used} bytes from {self.pv.label} to {', '.join(self.onto)}"


@dataclass(frozen=True)
class ReduceGroup:
    """Take an empty device out of a group."""

    group: Group
    pv: GroupPv

    def describe(self) -> str:
        return f"take {self.pv.label} out of volume group {self.group.name}"


@dataclass(frozen=True)
class ActivateGroup:
    """Activate all volumes of a group."""

    group: Group

    def describe(self) -> str:
        return f"activate volume group {self.group.name}"


@dataclass(frozen=True)
class DeactivateGroup:
    """Deactivate all volumes of a group."""

    group: Group

    def describe(self) -> str:
        return f"deactivate volume group {self.group.name}"


@dataclass(frozen=True)
class RemoveGroup:
    """Remove a group with all that is in it."""

    group: Group

    def describe(self) -> str:
        names = ", ".join(volume.name for volume in self.group.volumes)
        return f"remove volume group {self.group.name}{f' with the volumes {names}' if names else ''}"


@dataclass(frozen=True)
class UnlabelDevice(DeviceStep):
    """Leave a device that was in a group blank, for whoever uses it next."""

    uuid: str
    """Of the PV that may be on it; anything else may not."""

    def describe(self) -> str:
        return f"leave {self.disk.label} blank"
