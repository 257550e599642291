# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which volume groups a host sees, who has them open, and how its LVM is told which of them to use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid

DEVICES_FILE = "devices_file"
FILTER = "filter"


@dataclass(frozen=True)
class Listed:
    """An entry of LVM's devices file."""

    kind: str
    """How LVM knows the device: mpath_uuid, sys_wwid, devname, ..."""
    identity: str
    """The name of that kind: "mpath-3600...", "naa.600..."."""
    name: str
    """Where the device was when the entry was written; by now another one may be there."""


@dataclass(frozen=True)
class SeenPv:
    """A physical volume (or a device without one, where `uuid` is empty) as LVM sees it."""

    uuid: str
    path: str
    """As LVM names it; "[unknown]" for a missing one."""
    device: str
    """Kernel name; empty for a missing one."""
    vg_uuid: str = ""
    vg_name: str = ""
    wwids: tuple[Wwid, ...] = ()
    """The SAN's logical units it lies on; none for a local disk."""
    links: tuple[str, ...] = ()
    """udev's names for it, as full paths."""
    duplicate: bool = False
    """Another device carries the same PV, and LVM uses that one."""

    @property
    def on_san(self) -> bool:
        return bool(self.wwids)


@dataclass(frozen=True)
class ActiveLv:
    """A logical volume that is active on the host."""

    name: str
    vg_uuid: str
    holders: tuple[str, ...] = ()
    """Who has it open, as a person knows them."""


@dataclass(frozen=True)
class SeenVg:
    """A volume group, known by its UUID: guests and hosts like the same names."""

    uuid: str
    name: str
    pvs: tuple[SeenPv, ...] = ()
    """Those that are there."""
    active: tuple[ActiveLv, ...] = ()

    @property
    def local(self) -> bool:
        """Tell whether a part of it lies on a local disk: then no guest can have made it on its LUNs."""
        return any(not pv.on_san for pv in self.pvs)

    @property
    def wwids(self) -> tuple[Wwid, ...]:
        return tuple(dict.fromkeys(wwid for pv in self.pvs for wwid in pv.wwids))

    @property
    def label(self) -> str:
        where = f" on {', '.join(self.wwids)}" if self.wwids else ""
        return f"{self.name} ({self.uuid}){where}"


@dataclass(frozen=True)
class VgClaim:
    """Something on the host that says a volume group belongs to it."""

    vg: str
    """Name or UUID."""
    by: str
    """"mounted at /", "fstab: /var", "storage pool guests"."""


@dataclass(frozen=True)
class Setting:
    """What our block in LVM's local configuration says."""

    method: str
    patterns: tuple[str, ...] = ()
    """Method filter: names of the devices to use."""
    devices_file_made: bool = False
    """The devices file was made along with the block, and goes with it."""
    has_devices_file: bool = True
    """Method filter: this LVM knows devices files, and has to be told not to use them."""


@dataclass(frozen=True)
class Initramfs:
    """What boots the host before its own LVM configuration is there."""

    copies: bool = False
    """It carries a copy of LVM's configuration, made when it was built."""
    stale: bool = False
    """The copy is older than our block."""


MADE_FILE = "devices_file"
"""Make the devices file, which nothing but our block then tells to be ours."""
OLD_INITRAMFS = "initramfs"
"""Have the initramfs built again, which is not known to be older once our block has gone."""
BEGUN = (MADE_FILE, OLD_INITRAMFS)


@dataclass(frozen=True)
class LvmSight:
    """All that a plan needs to know of a host's LVM."""

    vgs: tuple[SeenVg, ...] = ()
    others: tuple[SeenPv, ...] = ()
    """Devices that LVM could use and that are in no volume group; `uuid` is empty where there is no PV either."""
    visible: frozenset[str] = frozenset()
    """Kernel names of what LVM uses as it is configured now."""
    listed: Mapping[str, str] = field(default_factory=dict)
    """Devices in the devices file that are there: path by kernel name."""
    devices_file: bool = False
    """There is a devices file."""
    setting: Setting | None = None
    knows_devices_file: bool = True
    global_filter: str = ""
    """Somebody else's; empty where there is none."""
    claims: tuple[VgClaim, ...] = ()
    boots_from: tuple[str, ...] = ()
    """UUIDs of the volume groups that / and /usr are on."""
    initramfs: Initramfs = Initramfs()
    begun: frozenset[str] = frozenset()
    """What a run that did not get to its end was about to do, of BEGUN."""
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what is there, for messages of errors."""
        return {"volume_groups": [vg.label for vg in self.vgs], "visible": sorted(self.visible)}
