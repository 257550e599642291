# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HBAs with all they see of the fabric, from the rooms of SCSI, Fibre Channel and iSCSI."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._host import fc, iscsi, scsi
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba, IscsiSession, Target, Vport

_VENDORS = {
    "0x1000": "Broadcom",
    "0x1077": "QLogic",
    "0x10df": "Emulex",
    "0x1137": "Cisco",
    "0x117c": "ATTO",
    "0x14e4": "Broadcom",
    "0x1657": "Brocade",
    "0x1af4": "Red Hat",
    "0x8086": "Intel",
}
"""By PCI id, for drivers that do not name their maker; of FCoE in software the maker of the network card."""
_SAS_ADDRESS = re.compile(r"^0x[0-9a-f]{16}$")


class Fabric(NamedTuple):
    """All HBAs, and what stands for the targets in sysfs."""

    hbas: tuple[Hba, ...]
    targets: Mapping[str, Target]
    """By kernel name: "rport-3:0-1", "session1"."""
    sessions: tuple[IscsiSession, ...]
    ports: Mapping[str, fc.RemotePort] = {}
    """FC remote ports by kernel name."""


def read_fabric(host: Host, known: Fabric | None = None, again: Container[str] = ()) -> Fabric:
    """Read every SCSI host once, every remote port once, every session once.

    `known`: an earlier answer. What it has is taken from there, except for the hosts in `again` ("host7").
    """
    kept = {hba.number: hba for hba in known.hbas if hba.name not in again} if known else {}
    hosts = scsi.read_hosts(host)
    ports = fc.read_remote_ports(
        host, {name: port for name, port in known.ports.items() if port.host in kept} if known else {}
    )
    sessions = iscsi.read_sessions(host)
    carried = {one.carrier: f"host{one.number}" for one in hosts if one.carrier}
    vports = fc.read_vports(host, carried, kept)
    targets = {port.name: port.target for port in ports}
    seen: dict[int, list[Target]] = {}
    for port in ports:
        seen.setdefault(port.host, []).append(port.target)
    initiators: dict[int, str] = {}
    for session in sessions:
        targets[session.name] = _session_target(session)
        seen.setdefault(session.host, []).append(targets[session.name])
        if session.initiator:
            initiators[session.host] = session.initiator
    hbas = [
        kept.get(one.number) or _hba(host, one, vports.get(one.number, ()), seen.get(one.number, ()), initiators)
        for one in hosts
    ]
    return Fabric(tuple(hbas), targets, tuple(sessions), {port.name: port for port in ports})


def _session_target(session: IscsiSession) -> Target:
    return Target(
        name=session.target,
        node=None,
        state=session.state,
        roles=(),
        channel=None if session.target_id is None else 0,
        target_id=session.target_id,
        portal=session.portal,
    )


def _hba(
    host: Host, one: scsi.ScsiHost, vports: tuple[Vport, ...], targets: Iterable[Target], initiators: Mapping[int, str]
) -> Hba:
    name = f"host{one.number}"
    port = fc.read_port(host, name)
    common = {
        "number": one.number,
        "transport": one.transport,
        "driver": one.driver,
        "pci_address": one.pci_address,
        "targets": tuple(sorted(targets, key=lambda target: (target.name, target.portal or ""))),
    }
    if port is None:
        initiator = initiators.get(one.number) or _initiator(host, one)
        return Hba(initiator=initiator, vendor=_vendor(host, one), **common)  # type: ignore[arg-type]
    return Hba(
        wwpn=port.wwpn,
        wwnn=port.wwnn,
        initiator=port.wwpn,
        port_state=port.state,
        port_type=port.kind,
        speed=port.speed,
        fabric_name=port.fabric_name,
        symbolic_name=port.symbolic_name,
        vendor=port.vendor or _vendor(host, one),
        model=port.model,
        firmware=port.firmware,
        parent=one.parent,
        npiv=fc.read_npiv(host, name, vports),
        **common,  # type: ignore[arg-type]
    )


def _initiator(host: Host, one: scsi.ScsiHost) -> str | None:
    """Return the name of an HBA that has no sessions: an offload card's IQN, a SAS address."""
    if one.transport == "iscsi":
        name = host.read(f"/sys/class/iscsi_host/host{one.number}/initiatorname")
        return name if name and not name.startswith(("(", "<")) else None
    if one.transport == "sas":
        address = host.read(f"/sys/class/scsi_host/host{one.number}/host_sas_address") or ""
        return address[2:] if _SAS_ADDRESS.match(address) else None
    return None


def _vendor(host: Host, one: scsi.ScsiHost) -> str | None:
    if one.pci_address is None:
        return None
    return _VENDORS.get(host.read(f"/sys/bus/pci/devices/{one.pci_address}/vendor") or "")
