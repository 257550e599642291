# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices that something may be built on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Use
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid, parse_wwid

BY_MAP = "/dev/disk/by-id/dm-uuid-mpath-"
"""What udev calls the map of a LUN: by its WWID, the same on every host, and never a path."""


def device_path(text: str) -> str:
    """Return the path by which a definition names a device: of a LUN that is named by its WWID, that of its map.

    Raises ValueError for what is neither a WWID nor a path under /dev.
    """
    name = str(text).strip()
    if name.startswith("/dev/") and ".." not in name:
        return name
    try:
        return f"{BY_MAP}{parse_wwid(name)}"
    except ValueError as wrong:
        raise ValueError(f"{wrong}; or a path that begins with /dev/") from wrong


def wwid_in(path: str) -> Wwid | None:
    """Return the WWID in the name of a map; None for other paths."""
    try:
        return parse_wwid(path[len(BY_MAP) :]) if path.startswith(BY_MAP) else None
    except ValueError:
        return None


@dataclass(frozen=True)
class BareDevice:
    """A block device as the kernel knows it, be it a LUN or not."""

    kernel: str
    """"vdb", "dm-3", "sdb1"."""
    size: int
    """Bytes."""
    read_only: bool = False
    uses: tuple[Use, ...] = ()
    part_of: str | None = None
    """Kernel name of the disk (or map) that it is a partition of."""
    name: str = ""
    """The name under /dev/mapper, for devices of device-mapper."""
    remote: bool = False
    """It is on another machine (NVMe over fabrics, nbd, rbd, ...), or lies on what is."""

    @property
    def path(self) -> str:
        return f"/dev/mapper/{self.name}" if self.name else f"/dev/{self.kernel}"


@dataclass(frozen=True)
class Disk:
    """A device to build on: the map of a LUN, a disk of the host's own, or one that comes over a network."""

    path: str
    """The device to use."""
    kernel: str
    size: int
    """Bytes."""
    wwid: Wwid | None = None
    """Identity of the LUN; None for any other disk."""
    unit: LogicalUnit | None = None
    read_only: bool = False
    uses: tuple[Use, ...] = ()
    remote: bool = False
    """It is no LUN, and on another machine all the same: it cannot be reserved."""

    @property
    def shared(self) -> bool:
        """Tell whether other hosts may see it, too."""
        return self.unit is not None or self.remote

    @property
    def mounts(self) -> tuple[str, ...]:
        """Return where this host has it mounted itself, not a partition of it."""
        names = (self.kernel, self.path.rpartition("/")[2])
        return tuple(use.by for use in self.uses if use.kind == "mount" and use.device in names)

    @property
    def lasting(self) -> str:
        """The name that stays the same over reboots, as far as there is one."""
        return (self.unit.by_id if self.unit else None) or self.path

    @property
    def label(self) -> str:
        return f"{self.path} ({self.wwid})" if self.wwid else self.path

    def to_dict(self) -> dict[str, Any]:
        return {"path": self.path, "wwid": self.wwid, "size": self.size}
