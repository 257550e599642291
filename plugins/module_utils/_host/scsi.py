# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCSI hosts and devices: addresses, transports, states.

Where a device lies in sysfs says how it is reached; one readlink gives host, transport, remote port
and address:

    .../host3/rport-3:0-1/target3:0:1/3:0:1:27/block/sdb        Fibre Channel
    .../net/eth1/ctlr_0/host3/rport-3:0-1/...                   FCoE in software: below a network card
    .../host5/vport-5:0-0/host7/rport-7:0-2/...                 through a vHBA
    .../host4/session1/target4:0:0/...                          iSCSI
    .../host0/port-0:3/end_device-0:3/target0:0:3/...           SAS
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._host import vpd
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, kernel_wwn, parse_hctl

DEVICES = "/sys/bus/scsi/devices"
HOSTS = "/sys/class/scsi_host"

DISK_TYPES = frozenset((0x00, 0x07, 0x0E, 0x14))
"""Peripheral device types that sd drives: disk, optical memory, simplified disk, zoned disk."""

_TRANSPORTS = (
    ("iscsi", re.compile(r"/session\d+(/|$)")),
    ("fcoe", re.compile(r"/net/[^/]+/(ctlr_\d+/)?host\d+(/|$)")),
    ("fc", re.compile(r"/(rport|vport)-\d+:")),
    ("sas", re.compile(r"/(end_device|expander|phy|port)-\d+:")),
    ("ata", re.compile(r"/ata\d+/host\d+(/|$)")),
    ("usb", re.compile(r"/usb\d+/")),
    ("virtio", re.compile(r"/virtio\d+/host\d+(/|$)")),
    ("scsi_debug", re.compile(r"/pseudo_\d+/adapter\d+/host\d+(/|$)")),
)
_CLASSES = (("fc_host", "fc"), ("iscsi_host", "iscsi"), ("sas_host", "sas"))
"""Classes whose member a host is, where its place alone does not tell."""

_PARTS = re.compile(r"/host(\d+)(?=/)|/(rport-[\d:-]+)/|/(session\d+)/|/(end_device-[\d:]+)/")
_PCI = re.compile(r"/([0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])(?=/)")
_HOST = re.compile(r"^host(\d+)$")


class Address(NamedTuple):
    """How a SCSI device is reached."""

    hctl: Hctl
    transport: str
    carrier: str | None
    """What stands for the target there: "rport-3:0-1", "session1", "end_device-0:3"; None elsewhere."""


class ScsiHost(NamedTuple):
    """A SCSI host of any kind."""

    number: int
    link: str
    """Where it lies in sysfs."""
    transport: str
    driver: str | None

    @property
    def pci_address(self) -> str | None:
        found = _PCI.findall(self.link)
        return found[-1] if found else None

    @property
    def parent(self) -> str | None:
        """For a vHBA: the host that carries it."""
        carrier = re.search(r"/(host\d+)/vport-[\d:-]+/host\d+/", self.link + "/")
        return carrier.group(1) if carrier else None

    @property
    def carrier(self) -> str | None:
        """For a vHBA: its port on the parent, "vport-5:0-0"."""
        port = re.search(r"/(vport-[\d:-]+)/host\d+/", self.link + "/")
        return port.group(1) if port else None


def parse_address(link: str, carriers: dict[str, tuple[str, str | None]] | None = None) -> Address | None:
    """Return the address in the sysfs link of a disk (".../3:0:1:27/block/sdb"); None for other devices.

    `carriers` remembers what a place above devices says, for the many devices that share it.
    """
    head, _block, _name = link.rpartition("/block/")
    place, _slash, last = head.rpartition("/")
    hctl = parse_hctl(last)
    if hctl is None:
        return None
    known = None if carriers is None else carriers.get(place)
    if known is None:
        known = transport_of(place + "/"), _carrier(place + "/")
        if carriers is not None:
            carriers[place] = known
    return Address(hctl, *known)


def transport_of(place: str) -> str:
    """Return the transport that a place in sysfs speaks of; "other" where it says nothing."""
    for transport, pattern in _TRANSPORTS:
        if pattern.search(place):
            return transport
    return "other"


def _carrier(place: str) -> str | None:
    carrier = None
    for found in _PARTS.finditer(place):
        carrier = found.group(2) or found.group(3) or found.group(4) or carrier
    return carrier


def read_unique_id(host: Host, name: str) -> int:
    """Return which of the SCSI hosts of its PCI device "host3" is; 0 where the driver does not count them."""
    text = host.read(f"{HOSTS}/{name}/unique_id") or ""
    return int(text) if text.isdigit() else 0


def read_hosts(host: Host) -> list[ScsiHost]:
    """Return all SCSI hosts, by number."""
    members = {name: transport for kind, transport in _CLASSES for name in host.entries(f"/sys/class/{kind}")}
    hosts = []
    for name in host.entries(HOSTS):
        number, link = _HOST.match(name), host.link(f"{HOSTS}/{name}")
        if number is None or link is None:
            continue
        link = link.partition("/scsi_host/")[0]
        driver = host.read(f"{HOSTS}/{name}/proc_name")
        driver = None if driver in (None, "", "<NULL>", "(null)") else driver
        transport = transport_of(link + "/")
        if transport == "other":
            transport = "srp" if driver == "ib_srp" else members.get(name, "other")
        hosts.append(ScsiHost(int(number.group(1)), link, transport, driver))
    return sorted(hosts)


def read_addresses(host: Host, without: Container[str] = ()) -> list[Hctl]:
    """Return the addresses of all SCSI devices, with or without a driver; those of the names in `without` left out."""
    found = (parse_hctl(name) for name in host.entries(DEVICES) if name not in without)
    return sorted(hctl for hctl in found if hctl is not None)


# A device is given by its address, or by its folder in sysfs where that is known.


def read_state(host: Host, device: Hctl | str) -> str | None:
    """Return the state of a SCSI device in the kernel's words; None when it is gone."""
    return host.read(f"{_folder(device)}/state")


def read_inquiry(host: Host, device: Hctl | str) -> vpd.Inquiry | None:
    """Return the INQUIRY data the kernel keeps since it found the device; nothing is sent to it."""
    return vpd.parse_inquiry(host.read_bytes(f"{_folder(device)}/inquiry"))


def read_vpd(host: Host, device: Hctl | str, page: str) -> bytes | None:
    """Return a VPD page ("80", "83") as the kernel keeps it; None when the device has none or is gone."""
    return host.read_bytes(f"{_folder(device)}/vpd_pg{page}")


def _folder(device: Hctl | str) -> str:
    return device if isinstance(device, str) else f"{DEVICES}/{device}"


def read_sas_target(host: Host, carrier: str | None) -> str | None:
    """Return the SAS address (16 hex digits) of "end_device-0:3"; None for carriers of other kinds."""
    if carrier is None or not carrier.startswith("end_device-"):
        return None
    return kernel_wwn(host.read(f"/sys/class/sas_device/{carrier}/sas_address"))
