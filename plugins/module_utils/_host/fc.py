# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fibre Channel: ports of this host (fc_host), ports it sees (fc_remote_ports), its vHBAs (fc_vports).

`statistics` is never read: each of its attributes is a call into the driver.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Npiv, Target, Vport
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn, kernel_wwn

HOSTS = "/sys/class/fc_host"
REMOTE_PORTS = "/sys/class/fc_remote_ports"
VPORTS = "/sys/class/fc_vports"

_FABRIC_SERVICES = frozenset(("Fabric Port", "Directory Server", "Fabric Controller", "Management Server"))
"""Roles of what the switch itself answers for; some drivers show it as remote ports."""

_UNKNOWN = frozenset(("", "unknown", "Unknown", "(null)", "<NULL>"))


class FcPort(NamedTuple):
    """A port of this host."""

    wwpn: Wwn | None
    wwnn: Wwn | None
    state: str | None
    kind: str | None
    """Port type in the kernel's words: "NPort (fabric via point-to-point)", ..."""
    speed: str | None
    fabric_name: Wwn | None
    symbolic_name: str | None
    vendor: str | None
    model: str | None
    firmware: str | None


class RemotePort(NamedTuple):
    """A port seen through a port of this host."""

    name: str
    """Kernel name, "rport-3:0-1"."""
    host: int
    target: Target


def read_port(host: Host, name: str) -> FcPort | None:
    """Return the FC side of SCSI host `name`; None when it is no FC host."""
    base = f"{HOSTS}/{name}"
    wwpn = host.read(f"{base}/port_name")
    if wwpn is None:
        return None

    def known(attribute: str) -> str | None:
        text = host.read(f"{base}/{attribute}")
        return None if text is None or text in _UNKNOWN else text

    board = f"/sys/class/scsi_host/{name}"
    return FcPort(
        wwpn=kernel_wwn(wwpn),
        wwnn=kernel_wwn(host.read(f"{base}/node_name")),
        state=known("port_state"),
        kind=known("port_type"),
        speed=known("speed"),
        fabric_name=kernel_wwn(host.read(f"{base}/fabric_name")),
        symbolic_name=known("symbolic_name"),
        vendor=known("manufacturer"),
        model=known("model") or host.read(f"{board}/modelname") or host.read(f"{board}/model_name"),
        firmware=known("firmware_version") or host.read(f"{board}/fwrev") or host.read(f"{board}/fw_version"),
    )


def read_port_state(host: Host, name: str, wwpn: str | None) -> str | None:
    """Return the state of FC host `name`, if it has this WWPN; None if not. Two attributes: it is asked for hours."""
    if wwpn is None or kernel_wwn(host.read(f"{HOSTS}/{name}/port_name")) != wwpn:
        return None
    return host.read(f"{HOSTS}/{name}/port_state") or "Unknown"


def read_remote_ports(host: Host, known: Mapping[str, RemotePort] | None = None, of: str = "") -> list[RemotePort]:
    """Return the remote ports of all FC hosts, or of one ("host7"), those of the switch itself left out.

    `known`: by name, those that need not be read again.
    """
    begins = f"rport-{of[len('host') :]}:" if of else ""
    names = (name for name in host.entries(REMOTE_PORTS) if name.startswith(begins))
    found = ((known or {}).get(name) or _remote_port(host, name) for name in names)
    return [port for port in found if port is not None]


def _remote_port(host: Host, name: str) -> RemotePort | None:
    """`rport-H:C-N` is port N on channel C of host H."""
    base = f"{REMOTE_PORTS}/{name}"
    wwpn = kernel_wwn(host.read(f"{base}/port_name"))
    number, _colon, rest = name.partition("-")[2].partition(":")
    if wwpn is None or not number.isdigit():
        return None
    roles = parse_roles(host.read(f"{base}/roles"))
    if roles and _FABRIC_SERVICES.issuperset(roles):
        return None
    target_id = host.read(f"{base}/scsi_target_id")
    is_target = target_id is not None and target_id.isdigit()
    target = Target(
        name=wwpn,
        node=kernel_wwn(host.read(f"{base}/node_name")),
        state=host.read(f"{base}/port_state") or "Unknown",
        roles=roles,
        channel=int(rest.partition("-")[0] or 0) if is_target else None,
        target_id=int(target_id) if is_target and target_id else None,
    )
    return RemotePort(name, int(number), target)


def parse_roles(text: str | None) -> tuple[str, ...]:
    """Return the roles of a remote port: "FCP Target, FCP Initiator" is two."""
    return tuple(role for role in (part.strip() for part in (text or "").split(",")) if role not in _UNKNOWN)


def read_npiv(host: Host, name: str, vports: tuple[Vport, ...]) -> Npiv:
    """Return what FC host `name` can do with NPIV, given the vports on it."""
    base = f"{HOSTS}/{name}"
    if not (host.exists(f"{base}/vport_create") or host.exists(f"/sys/class/scsi_host/{name}/vport_create")):
        return Npiv(capable=False)
    return Npiv(
        capable=True,
        max_vports=int(host.read(f"{base}/max_npiv_vports") or 0),
        vports_in_use=int(host.read(f"{base}/npiv_vports_inuse") or 0),
        vports=vports,
    )


def read_vports(host: Host, children: dict[str, str], without: Container[int] = ()) -> dict[int, tuple[Vport, ...]]:
    """Return the vports by the number of their parent; `children` names the SCSI host of each vport.

    `without`: parents whose vports are not asked for.
    """
    found: dict[int, list[Vport]] = {}
    for name in host.entries(VPORTS):
        parent = name.partition("-")[2].partition(":")[0]
        wanted = parent.isdigit() and int(parent) not in without
        vport = read_vport(host, name, children.get(name)) if wanted else None
        if vport is not None:
            found.setdefault(int(parent), []).append(vport)
    return {parent: tuple(vports) for parent, vports in found.items()}


def read_vport(host: Host, name: str, child: str | None) -> Vport | None:
    """Return the vport `name` ("vport-5:0-0"), whose SCSI host is `child`; None when it is gone."""
    base = f"{VPORTS}/{name}"
    wwpn, wwnn = kernel_wwn(host.read(f"{base}/port_name")), kernel_wwn(host.read(f"{base}/node_name"))
    if wwpn is None or wwnn is None:
        return None
    return Vport(
        wwpn=wwpn,
        wwnn=wwnn,
        host=child,
        state=host.read(f"{base}/vport_state") or "Unknown",
        name=name,
        last_state=host.read(f"{base}/vport_last_state") or None,
        symbolic_name=host.read(f"{base}/symbolic_name") or None,
    )
