# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HBAs and what they see of the fabric."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn

SAN_TRANSPORTS = ("fc", "fcoe", "iscsi", "sas", "srp")
"""Transports a SAN lives on. ATA, USB, virtio and local RAID never are: they are not scanned unasked."""

TRANSPORTS = (*SAN_TRANSPORTS, "ata", "usb", "virtio", "scsi_debug", "other")


@dataclass(frozen=True)
class Target:
    """A SCSI target port as one HBA sees it (an FC remote port, an iSCSI session's target)."""

    name: str
    """WWPN (16 hex digits) or IQN."""
    node: str | None
    """WWNN, or None."""
    state: str
    """Port or session state in the kernel's words: Online, Blocked, LOGGED_IN, ..."""
    roles: tuple[str, ...]
    """FC roles as the kernel prints them: "FCP Target", "FCP Initiator", ..."""
    channel: int | None
    target_id: int | None
    """SCSI channel and target number; None where the port is no SCSI target for this HBA (kernel: -1)."""
    portal: str | None = None
    """iSCSI: address:port of the session's connection."""

    @property
    def scannable(self) -> bool:
        """Tell whether the kernel would scan it: it skips FC ports in other states and still reports success."""
        return self.target_id is not None and self.state in ("Online", "Marginal", "LOGGED_IN")

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "node": self.node,
            "state": self.state,
            "roles": list(self.roles),
            "channel": self.channel,
            "target_id": self.target_id,
            "portal": self.portal,
        }


@dataclass(frozen=True)
class Vport:
    """A virtual HBA on its parent."""

    wwpn: Wwn
    wwnn: Wwn
    host: str | None
    """SCSI host of the vHBA, "host7"; None while it has none."""
    state: str
    """In the kernel's words: Active, Linkdown, Initializing, Fabric Rejected WWN, ..."""
    name: str = ""
    """The kernel's name: vport-5:0-0."""
    last_state: str | None = None
    """The state before this one."""
    symbolic_name: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "wwpn": self.wwpn,
            "wwnn": self.wwnn,
            "host": self.host,
            "state": self.state,
            "last_state": self.last_state,
            "symbolic_name": self.symbolic_name,
        }


@dataclass(frozen=True)
class Npiv:
    """What an HBA can do with NPIV."""

    capable: bool
    max_vports: int = 0
    vports_in_use: int = 0
    vports: tuple[Vport, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "capable": self.capable,
            "max_vports": self.max_vports,
            "vports_in_use": self.vports_in_use,
            "vports": [vport.to_dict() for vport in self.vports],
        }


UP = ("Online", "Marginal")
"""States of an FC port that I/O goes through."""

_HBA_FACTS = (
    "name",
    "number",
    "transport",
    "wwpn",
    "wwnn",
    "initiator",
    "online",
    "port_state",
    "port_type",
    "speed",
    "fabric_name",
    "symbolic_name",
    "vendor",
    "model",
    "driver",
    "firmware",
    "pci_address",
    "parent",
    "children",
)


@dataclass(frozen=True)
class Hba:
    """One SCSI host: a physical or virtual HBA, or an iSCSI session's host."""

    number: int
    transport: str
    """fc, fcoe, iscsi, sas, srp, ata, usb, virtio, scsi_debug or other."""
    wwpn: Wwn | None = None
    wwnn: Wwn | None = None
    initiator: str | None = None
    """The name targets know it by: WWPN for FC, IQN for iSCSI."""
    port_state: str | None = None
    port_type: str | None = None
    speed: str | None = None
    fabric_name: Wwn | None = None
    symbolic_name: str | None = None
    vendor: str | None = None
    model: str | None = None
    driver: str | None = None
    firmware: str | None = None
    pci_address: str | None = None
    parent: str | None = None
    """For a vHBA: the HBA that carries it, "host5"."""
    npiv: Npiv = field(default_factory=lambda: Npiv(capable=False))
    targets: tuple[Target, ...] = ()

    @property
    def name(self) -> str:
        """The kernel's name: host5."""
        return f"host{self.number}"

    @property
    def online(self) -> bool | None:
        """Tell whether its FC port is up; None for other transports and for states the kernel does not know."""
        return None if self.port_state is None else self.port_state in UP

    @property
    def children(self) -> list[str]:
        """Return the SCSI hosts of the vHBAs on it."""
        return [vport.host for vport in self.npiv.vports if vport.host is not None]

    def to_dict(self) -> dict[str, Any]:
        facts: dict[str, Any] = {key: getattr(self, key) for key in _HBA_FACTS}
        facts["npiv"] = self.npiv.to_dict()
        facts["targets"] = [target.to_dict() for target in self.targets]
        return facts


@dataclass(frozen=True)
class IscsiSession:
    """A session of this host with an iSCSI target."""

    number: int
    host: int
    """Number of its SCSI host."""
    target: str
    """IQN, lower case."""
    tpgt: int | None
    """Target portal group."""
    initiator: str | None
    interface: str | None
    """Name of the iface record it was made with: "default", ..."""
    state: str
    """LOGGED_IN, FAILED or FREE."""
    connection_state: str | None
    """up, down, failed; None on kernels that do not say."""
    portal: str | None
    """address:port it logged in to."""
    address: str | None
    """address:port it talks to now; another one after a redirection by the target."""
    recovery_timeout: int | None
    """Seconds until I/O fails once the connection is lost."""
    target_id: int | None
    """SCSI target number; None while there is none."""

    @property
    def name(self) -> str:
        """The kernel's name: session3."""
        return f"session{self.number}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "hba": f"host{self.host}",
            "target": self.target,
            "tpgt": self.tpgt,
            "initiator": self.initiator,
            "interface": self.interface,
            "state": self.state,
            "connection_state": self.connection_state,
            "portal": self.portal,
            "address": self.address,
            "recovery_timeout": self.recovery_timeout,
        }
