# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume group of LVM as a pool of volumes: on which LUNs it is, who may use it, and what is in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.block import Use
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid

TAG = "virt.san"
"""Tag of the groups that this collection has made, or was given: of others it takes nothing away."""

MAX_NAME = 127
_NAME = re.compile(r"^[A-Za-z0-9+_.][A-Za-z0-9+_.-]*$")
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_UUID_GROUPS = (6, 4, 4, 4, 4, 4, 6)


def parse_group_name(text: str) -> str:
    """Return a name that LVM takes for a volume group, or raise ValueError."""
    if not _NAME.match(text) or text in (".", "..") or len(text) > MAX_NAME:
        raise ValueError(
            f"{text!r} is no name for a volume group: letters, digits and + _ . -, not a - in front, at most "
            f"{MAX_NAME} characters"
        )
    return text


def pv_uuid(group: str, identity: str) -> str:
    """Return the UUID that the PV of a group on a LUN gets.

    It follows from the two, so that what an interrupted run has left is known again, on whatever host.
    """
    number = int.from_bytes(hashlib.sha256(f"virt.san pv\0{group}\0{identity}".encode()).digest(), "big")
    digits = []
    for _digit in range(sum(_UUID_GROUPS)):
        number, rest = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[rest])
    text, parts = "".join(digits), []
    for length in _UUID_GROUPS:
        parts.append(text[:length])
        text = text[length:]
    return "-".join(parts)


def system_id(host_name: str, machine_id: str) -> str:
    """Return the system ID for a host that has none: its name for people, and what no other host has."""
    name = re.sub(r"[^A-Za-z0-9_+.-]", "", host_name)[:64] or "host"
    return f"virt-san-{name}-{hashlib.sha256(machine_id.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class GroupPv:
    """A device that a group is on."""

    uuid: str
    path: str
    """As LVM names it. Of one that is missing, by which name it was built on, where that is known; otherwise empty."""
    kernel: str
    """Kernel name; empty for one that is missing."""
    size: int
    """Bytes that the group has of it."""
    device_size: int
    """Bytes of the device now."""
    used: int = 0
    """Bytes in use by volumes."""
    start: int = 0
    """Bytes in front of the first extent."""
    wwid: Wwid | None = None
    duplicate: bool = False
    """Another device carries the same PV."""
    shared: bool = False
    """It is on a LUN, which other hosts may see, or lies on one."""
    moving: bool = False
    """What is on it is being moved to others: they have the room for it already, and it is in use on both."""

    @property
    def missing(self) -> bool:
        return not self.kernel

    @property
    def label(self) -> str:
        if not self.missing:
            return f"{self.path} ({self.wwid or f'PV {self.uuid}'})"
        known = self.wwid or self.path
        return f"PV {self.uuid} (a missing device{f', {known}' if known else ''})"

    def known_as(self, device: str) -> GroupPv:
        """Return one that is missing with what it was on: a LUN by its WWID, another device by its path."""
        if not self.missing:
            return self
        return replace(self, path=device) if device.startswith("/dev/") else replace(self, wwid=Wwid(device))

    def grown(self, extent: int) -> int:
        """Return the bytes that the group would have of it after its device has grown; `size` if it has not."""
        if self.missing or not extent or not self.device_size:
            return self.size
        return max((self.device_size - self.start) // extent * extent, self.size)

    def to_dict(self) -> dict[str, Any]:
        return {
            "uuid": self.uuid,
            "path": self.path or None,
            "wwid": self.wwid,
            "size": self.size,
            "used": self.used,
            "missing": self.missing,
        }


@dataclass(frozen=True)
class GroupVolume:
    """A logical volume that people see."""

    uuid: str
    name: str
    path: str
    size: int
    """Bytes."""
    active: bool = False
    opened: bool = False
    """Something has it open."""
    uses: tuple[Use, ...] = ()
    """Who, as far as it is known."""
    layout: str = ""
    """LVM's word: linear, thin,sparse, thin,pool, ..."""
    pool: str = ""
    """Of a thin volume: its pool."""
    origin: str = ""
    """Of a snapshot: what of."""
    percent: float | None = None
    """Of a thin volume, a thin pool and a snapshot: how much of it is allocated."""
    kernel: str = ""
    """Kernel name; empty for one that is not active."""
    tags: tuple[str, ...] = ()
    invalid: bool = False
    """Of a snapshot: its space has run full, and it is lost."""
    skipped: bool = False
    """It stays as it is when its group is activated: LVM's default for snapshots of thin volumes."""

    @property
    def is_thin(self) -> bool:
        return bool(self.pool)

    @property
    def is_thin_pool(self) -> bool:
        return "thin" in self.layout and "pool" in self.layout.split(",")

    @property
    def allocation(self) -> int:
        """Return the bytes that it takes."""
        return self.size if self.percent is None else int(self.size * self.percent / 100)

    @property
    def held(self) -> bool:
        """Tell whether somebody has it open. A thin pool is LVM's alone: its users are those of its volumes."""
        return not self.is_thin_pool and (self.opened or any(use.active for use in self.uses))

    def holders(self) -> str:
        told = ", ".join(f"{use.kind} {use.by}" for use in self.uses if use.active)
        return f"{self.name} ({told or 'open, by whom is not known'})"

    def to_dict(self) -> dict[str, Any]:
        return {"uuid": self.uuid, "name": self.name, "path": self.path, "size": self.size, "active": self.active}


@dataclass(frozen=True)
class Group:
    """A volume group."""

    uuid: str
    name: str
    size: int
    free: int
    extent: int
    """Bytes of one extent."""
    system_id: str = ""
    """The host it belongs to; empty: to LVM, whoever sees it."""
    lock_type: str = ""
    """Set where lvmlockd shares it between hosts."""
    tags: tuple[str, ...] = ()
    exported: bool = False
    pvs: tuple[GroupPv, ...] = ()
    volumes: tuple[GroupVolume, ...] = ()

    @property
    def idle(self) -> tuple[GroupVolume, ...]:
        """Return volumes that are not active, and would be if the group were activated.

        Pools and snapshots with space of their own are not asked: LVM activates them along with others.
        """
        return tuple(
            one
            for one in self.volumes
            if not (one.active or one.skipped or "pool" in one.layout.split(",") or (one.origin and not one.is_thin))
        )

    @property
    def made_here(self) -> bool:
        """Tell whether this collection, on whatever host, may take away from it."""
        return TAG in self.tags

    @property
    def missing(self) -> tuple[GroupPv, ...]:
        return tuple(pv for pv in self.pvs if pv.missing)

    @property
    def lack(self) -> str:
        """Say which of its PVs are missing; empty where none is."""
        return f"{self.label} lacks {', '.join(pv.label for pv in self.missing)}" if self.missing else ""

    @property
    def remedy(self) -> str:
        """Say what to do about a PV that is missing."""
        return (
            "Bring it back: is its LUN mapped to this host, zoned, and scanned for (virt.san.scsi_rescan)? If it is "
            f"gone for good, `vgreduce --removemissing {self.name}` takes it out, with --force also the volumes that "
            "were on it"
        )

    def knowing(self, devices: Iterable[str]) -> Group:
        """Return it with what its missing PVs were on, as far as that is among these WWIDs and paths.

        The UUIDs tell, of PVs that this collection has made.
        """
        known = {pv_uuid(self.name, device): device for device in devices} if self.missing else {}
        return replace(self, pvs=tuple(pv.known_as(known[pv.uuid]) if pv.uuid in known else pv for pv in self.pvs))

    @cached_property
    def thin_volumes(self) -> frozenset[str]:
        """Return the names of its thin volumes: asked for each volume, found once."""
        return frozenset(one.name for one in self.volumes if one.is_thin)

    @cached_property
    def by_name(self) -> dict[str, GroupVolume]:
        return {one.name: one for one in self.volumes}

    @property
    def label(self) -> str:
        return f"volume group {self.name} ({self.uuid})"

    @property
    def unowned(self) -> bool:
        """Tell whether nothing keeps hosts from using it at once: several may see it, and it belongs to none."""
        return not self.system_id and not self.lock_type and any(pv.shared for pv in self.pvs)

    def is_foreign_to(self, system: str) -> bool:
        """Tell whether it is another host's than that with this system ID."""
        return not self.lock_type and self.system_id not in ("", system)

    def belongs_to(self, system: str) -> bool:
        """Tell whether the host with this system ID may use it."""
        return not self.unowned and not self.is_foreign_to(system)

    def to_dict(self) -> dict[str, Any]:
        return {
            "uuid": self.uuid,
            "name": self.name,
            "size": self.size,
            "free": self.free,
            "system_id": self.system_id or None,
            "tags": list(self.tags),
            "pvs": [pv.to_dict() for pv in self.pvs],
            "volumes": [volume.to_dict() for volume in self.volumes],
        }


@dataclass(frozen=True)
class GroupSight:
    """All volume groups that a host sees, its own and others', however its LVM is configured."""

    system_id: str = ""
    """This host's own; empty: it has none."""
    groups: tuple[Group, ...] = ()
    orphans: tuple[GroupPv, ...] = ()
    """PVs in no group."""
    used: frozenset[str] = frozenset()
    """Kernel names of the devices that LVM uses as it is configured."""
    listing: str = ""
    """How LVM is told which devices to use: devices_file, filter, or empty: all."""
    proposed_id: str = ""
    """The system ID that this host would get."""

    def named(self, name: str) -> tuple[Group, ...]:
        return tuple(group for group in self.groups if group.name == name)

    def group_on(self, kernel: str) -> Group | None:
        """Return the group that a device belongs to."""
        return next((group for group in self.groups for pv in group.pvs if kernel and pv.kernel == kernel), None)

    def hidden(self, group: Group) -> tuple[GroupPv, ...]:
        """Return the PVs of a group that LVM does not use as it is configured: its commands pass the group over."""
        return tuple(pv for pv in group.pvs if not pv.missing and pv.kernel not in self.used)

    def has_orphan(self, kernel: str) -> bool:
        """Tell whether a device is a PV in no group."""
        return any(pv.kernel == kernel for pv in self.orphans)
