# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps by which a host's LVM is kept to its own volume groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import FILTER, Setting


@dataclass(frozen=True)
class ListDevice:
    """Have LVM use a device."""

    path: str
    device: str
    vg: str

    @property
    def title(self) -> str:
        return f"{self.path} ({self.vg or 'in no volume group'})"

    def describe(self) -> str:
        return f"list {self.title} in LVM's devices file"


@dataclass(frozen=True)
class MakeDevicesFile:
    """Make a devices file with all its devices at once; an empty one, too: none at all would mean all devices."""

    devices: tuple[ListDevice, ...]

    def describe(self) -> str:
        return f"make LVM's devices file with {', '.join(one.title for one in self.devices) or 'no device'}"


@dataclass(frozen=True)
class UnlistDevice:
    """Have LVM no longer use a device."""

    path: str
    vg: str

    def describe(self) -> str:
        return f"take {self.path} ({self.vg or 'in no volume group'}) off LVM's devices file"


@dataclass(frozen=True)
class WriteSetting:
    """Write our block into LVM's local configuration."""

    setting: Setting

    def describe(self) -> str:
        how = "a filter" if self.setting.method == FILTER else "its devices file"
        return f"have LVM use the devices that {how} names, and no other"


@dataclass(frozen=True)
class RemoveSetting:
    """Take our block out of LVM's local configuration."""

    def describe(self) -> str:
        return "take our setting out of LVM's local configuration"


@dataclass(frozen=True)
class RemoveDevicesFile:
    """Remove the devices file that was made along with our block."""

    def describe(self) -> str:
        return "remove LVM's devices file"


@dataclass(frozen=True)
class DeactivateVg:
    """Deactivate a volume group that is not the host's. Its metadata is not touched."""

    uuid: str
    name: str
    lvs: tuple[str, ...]

    def describe(self) -> str:
        return f"deactivate volume group {self.name} ({self.uuid}): {', '.join(self.lvs)}"


@dataclass(frozen=True)
class RefreshInitramfs:
    """Have the initramfs take the configuration over: it activates volume groups before the host's own does."""

    def describe(self) -> str:
        return "update the initramfs, which has a copy of LVM's configuration"


ConfigStep = Union[MakeDevicesFile, ListDevice, UnlistDevice, WriteSetting, RemoveSetting, RemoveDevicesFile]
"""Undone together when LVM then no longer sees what is the host's."""
LvmStep = Union[ConfigStep, DeactivateVg, RefreshInitramfs]
