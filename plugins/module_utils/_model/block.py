# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logical units, the paths to them, the maps over them, and who uses them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.fabric import SAN_TRANSPORTS, Hba, IscsiSession
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid, decode_lun

_WWID_PREFIXES = {"t10": "1", "eui": "2", "naa": "3", "name": "8"}
"""First character of a WWID in udev's form, by kind of designator."""


@dataclass(frozen=True)
class Designator:
    """One name a logical unit gives itself in VPD page 83 (association "logical unit" only)."""

    kind: str
    """naa, eui, t10, name, uuid or vendor."""
    value: str

    @property
    def wwid(self) -> Wwid | None:
        """The WWID this designator makes, in udev's form; None for kinds that make none by themselves."""
        prefix = _WWID_PREFIXES.get(self.kind)
        return Wwid(prefix + "_".join(self.value.split())) if prefix else None

    def to_dict(self) -> dict[str, Any]:
        return {"type": self.kind, "value": self.value}


@dataclass(frozen=True)
class Path:
    """One SCSI disk: one way to a logical unit."""

    device: str
    """Kernel name, "sdb"; empty while there is no block device yet."""
    hctl: Hctl
    state: str
    """State of the SCSI device: running, offline, blocked, transport-offline, ..."""
    transport: str
    hba: str
    """The SCSI host, "host5"."""
    initiator: str | None
    """WWPN or IQN this host logs in with."""
    target: str | None
    """WWPN or IQN of the target port."""
    portal: str | None
    """iSCSI: address:port."""
    size: int
    """Bytes; 0 while unknown."""
    wwid: Wwid | None
    """Identity by udev's record (or VPD page 83 where udev has none yet); None when there is none."""
    dev_t: str = ""
    """major:minor of the block device."""
    checker: str | None = None
    """State by multipathd's path checker (ready, faulty, ...); None where multipathd was not asked."""

    @property
    def lun(self) -> int:
        """LUN number as the array counts; the kernel's own is hctl.lun."""
        return decode_lun(self.hctl.lun)

    @property
    def usable(self) -> bool:
        """Tell whether I/O may be expected to work: running, and not failed by the checker."""
        return self.state == "running" and self.checker in (None, "ready", "ghost", "i/o pending")

    def to_dict(self) -> dict[str, Any]:
        return {
            "device": self.device,
            "hctl": str(self.hctl),
            "lun": self.lun,
            "lun_kernel": self.hctl.lun,
            "hba": self.hba,
            "initiator": self.initiator,
            "target": self.target,
            "portal": self.portal,
            "transport": self.transport,
            "state": self.state,
            "checker_state": self.checker,
            "size": self.size,
        }


@dataclass(frozen=True)
class MultipathMap:
    """A multipath device of device-mapper."""

    name: str
    """The dm name: /dev/mapper/<name>."""
    dm: str
    """Kernel name, "dm-3"."""
    wwid: Wwid
    """From the dm uuid, "mpath-<wwid>"."""
    slaves: tuple[str, ...]
    """Kernel names of the paths in the map's table."""
    size: int
    dev_t: str = ""
    read_only: bool = False
    queueing: str | None = None
    """What happens without paths, in multipathd's words ("off", "on", "5 chk", ...); None: not known."""

    def with_queueing(self, queueing: str) -> MultipathMap:
        """Return the same map with what multipathd says of its queueing."""
        return replace(self, queueing=queueing)

    @property
    def alias(self) -> str | None:
        """The name, when it is not just the WWID."""
        return None if self.name == self.wwid else self.name


@dataclass(frozen=True)
class Use:
    """One reason why a device is not free."""

    kind: str
    """mount, swap, lvm_pv, md, crypt, partition, holder, qemu or open."""
    device: str
    """The device that is held: the unit's own, or one of its partitions."""
    by: str
    """The holder as a person knows it: mount point, VG name, md device, guest or process."""
    active: bool = True
    """False: only what is written on it says so (a PV of a VG that is not active); nothing holds the device now."""

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "device": self.device, "by": self.by, "active": self.active}

    def __str__(self) -> str:
        return f"{self.device} {self.kind} {self.by}"


@dataclass(frozen=True)
class LogicalUnit:
    """One LUN of an array, however many paths lead to it."""

    wwid: Wwid | None
    """None for a unit that has no usable identity; such a unit is never merged with another."""
    paths: tuple[Path, ...]
    size: int
    """Bytes: of the map where there is one, else of its paths."""
    map: MultipathMap | None = None
    designators: tuple[Designator, ...] = ()
    serial: str | None = None
    vendor: str | None = None
    product: str | None = None
    revision: str | None = None
    logical_block_size: int = 0
    physical_block_size: int = 0
    by_id: str | None = None
    content: str | None = None
    """What udev found on it: type of file system, partition table or other signature; None: nothing it knows."""
    uses: tuple[Use, ...] = ()
    problem: str | None = None
    """Why the identity cannot be trusted (two units claim it, none given, ...); None when all is well."""

    @property
    def device(self) -> str:
        """Path of the device to use: the map where there is one, else the (first) path."""
        if self.map is not None:
            return f"/dev/mapper/{self.map.name}"
        return f"/dev/{self.paths[0].device}" if self.paths and self.paths[0].device else ""

    @property
    def kernel_names(self) -> frozenset[str]:
        """Names of all its whole devices, "sdb", "dm-3"."""
        own = frozenset(path.device for path in self.paths)
        return own if self.map is None else own | {self.map.dm}

    @property
    def shared(self) -> bool:
        """Tell whether other hosts may see it: it is of a SAN, or has a map. If not, it is a disk of the host's own."""
        return self.map is not None or any(path.transport in SAN_TRANSPORTS for path in self.paths)

    def is_known_as(self, wwids: Container[str]) -> bool:
        """Tell whether one of `wwids` is this unit's WWID, or a name it gives itself in any of its designators."""
        return self.wwid in wwids or any(designator.wwid in wwids for designator in self.designators)

    @property
    def in_use(self) -> bool:
        """Tell whether it serves anything, active or not: such a unit is not to be given away."""
        return bool(self.uses)

    @property
    def held(self) -> bool:
        """Tell whether something has it open or lies on it now."""
        return any(use.active for use in self.uses)

    @property
    def unmapped_paths(self) -> tuple[Path, ...]:
        """Paths that are not in the map's table though they lead to its unit."""
        if self.map is None:
            return self.paths
        return tuple(path for path in self.paths if path.device not in self.map.slaves)

    def to_dict(self) -> dict[str, Any]:
        return {
            "wwid": self.wwid,
            "designators": [designator.to_dict() for designator in self.designators],
            "serial": self.serial,
            "vendor": self.vendor,
            "product": self.product,
            "revision": self.revision,
            "size": self.size,
            "logical_block_size": self.logical_block_size,
            "physical_block_size": self.physical_block_size,
            "device": self.device,
            "by_id": self.by_id,
            "content": self.content,
            "multipath": self._multipath(),
            "paths": [path.to_dict() for path in self.paths],
            "usage": {"state": "used" if self.uses else "free", "by": [use.to_dict() for use in self.uses]},
            "problem": self.problem,
        }

    def _multipath(self) -> dict[str, Any] | None:
        if self.map is None:
            return None
        counts: dict[str, int] = {}
        for path in self.paths:
            state = path.checker or path.state
            counts[state] = counts.get(state, 0) + 1
        return {
            "name": self.map.name,
            "alias": self.map.alias,
            "dm": self.map.dm,
            "size": self.map.size,
            "read_only": self.map.read_only,
            "path_counts": counts,
            "queueing": self.map.queueing,
            "unmapped_paths": [path.device for path in self.unmapped_paths],
        }


@dataclass(frozen=True)
class San:
    """What one host sees at one moment."""

    hbas: tuple[Hba, ...] = ()
    """By host number."""
    luns: tuple[LogicalUnit, ...] = ()
    """Logical units, by WWID."""
    orphans: tuple[Path, ...] = ()
    """SCSI devices of disk type without a block device (being set up, or a placeholder LUN 0)."""
    sessions: tuple[IscsiSession, ...] = ()
    """iSCSI sessions, by number."""
    multipath_running: bool = False
    warnings: tuple[str, ...] = ()

    def by_wwid(self, wwid: Wwid) -> tuple[LogicalUnit, ...]:
        """Return the units with this identity; more than one means a conflict."""
        return tuple(unit for unit in self.luns if unit.wwid == wwid)
