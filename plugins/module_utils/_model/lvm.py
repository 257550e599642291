# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume groups, physical and logical volumes of LVM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid


@dataclass(frozen=True)
class PhysicalVolume:
    """A device that LVM uses."""

    uuid: str
    path: str
    size: int
    """Bytes."""
    vg: str | None
    """Name of its volume group; None for a PV in no group."""
    wwid: Wwid | None = None
    """Identity of the logical unit it lies on; None for a local disk."""

    def to_dict(self) -> dict[str, Any]:
        return {"uuid": self.uuid, "path": self.path, "size": self.size, "wwid": self.wwid}


@dataclass(frozen=True)
class LogicalVolume:
    """A logical volume."""

    uuid: str
    name: str
    vg: str
    path: str | None
    """/dev/<vg>/<lv>; None for parts that are no devices of their own (a thin pool's)."""
    size: int
    """Bytes."""
    active: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "uuid": self.uuid,
            "name": self.name,
            "vg": self.vg,
            "path": self.path,
            "size": self.size,
            "active": self.active,
        }


@dataclass(frozen=True)
class VolumeGroup:
    """A volume group and the devices it is made of."""

    uuid: str
    name: str
    size: int
    """Bytes."""
    free: int
    """Bytes."""
    pvs: tuple[PhysicalVolume, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "uuid": self.uuid,
            "name": self.name,
            "size": self.size,
            "free": self.free,
            "pvs": [pv.to_dict() for pv in self.pvs],
        }


@dataclass(frozen=True)
class Lvm:
    """What LVM sees on one host."""

    vgs: tuple[VolumeGroup, ...] = ()
    lvs: tuple[LogicalVolume, ...] = ()
    free_pvs: tuple[PhysicalVolume, ...] = ()
    """PVs in no volume group."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "vgs": [vg.to_dict() for vg in self.vgs],
            "lvs": [lv.to_dict() for lv in self.lvs],
            "free_pvs": [pv.to_dict() for pv in self.free_pvs],
        }
