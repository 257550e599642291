# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCSI addresses and transports, from where things lie in sysfs."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.plugins.module_utils._host import scsi
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl

PCI = "../../devices/pci0000:00/0000:00:05.0"
PLACES = {
    f"{PCI}/host3/rport-3:0-1/target3:0:1": ("fc", "rport-3:0-1"),
    f"{PCI}/host3/vport-3:0-0/host3/rport-3:0-1/target3:0:1": ("fc", "rport-3:0-1"),
    f"{PCI}/virtio3/net/eth1/ctlr_0/host3/rport-3:0-1/target3:0:1": ("fcoe", "rport-3:0-1"),
    f"{PCI}/net/eth1/host3/rport-3:0-1/target3:0:1": ("fcoe", "rport-3:0-1"),
    "../../devices/platform/host3/session12/target3:0:1": ("iscsi", "session12"),
    f"{PCI}/host3/port-3:1/end_device-3:1/target3:0:1": ("sas", "end_device-3:1"),
    f"{PCI}/host3/port-3:0/expander-3:0/port-3:0:4/end_device-3:0:4/target3:0:1": ("sas", "end_device-3:0:4"),
    f"{PCI}/ata2/host3/target3:0:1": ("ata", None),
    f"{PCI}/usb1/1-1/1-1:1.0/host3/target3:0:1": ("usb", None),
    f"{PCI}/virtio2/host3/target3:0:1": ("virtio", None),
    "../../devices/pseudo_0/adapter0/host3/target3:0:1": ("scsi_debug", None),
    f"{PCI}/host3/target3:2:1": ("other", None),
}


@pytest.mark.parametrize(("place", "expected"), PLACES.items(), ids=[name[-40:] for name in PLACES])
def test_one_link_says_how_a_disk_is_reached(place, expected):
    address = scsi.parse_address(f"{place}/3:0:1:16684/block/sdq")
    assert address == scsi.Address(Hctl(3, 0, 1, 16684), *expected)


@pytest.mark.parametrize(
    "link", ["../../devices/virtual/block/dm-3", f"{PCI}/virtio1/block/vda", f"{PCI}/x/block/a/a1"]
)
def test_what_is_no_scsi_disk(link):
    assert scsi.parse_address(link) is None


def add_host(root, name, place, driver, kind=None):
    (root / "sys/class/scsi_host").mkdir(parents=True, exist_ok=True)
    lies = root / "sys" / place / name / "scsi_host" / name
    lies.mkdir(parents=True)
    (lies / "proc_name").write_text(f"{driver}\n")
    (root / "sys/class/scsi_host" / name).symlink_to(f"../../{place}/{name}/scsi_host/{name}")
    if kind:
        (root / "sys/class" / kind / name).mkdir(parents=True)


def test_hosts_with_what_tells_their_transport(tmp_path):
    pci = "devices/pci0000:00/0000:3b:00.1"
    add_host(tmp_path, "host10", pci, "lpfc", "fc_host")
    add_host(tmp_path, "host2", f"{pci}/ata1", "ahci")
    add_host(tmp_path, "host11", f"{pci}/host10/vport-10:0-3", "lpfc", "fc_host")
    add_host(tmp_path, "host3", "devices/platform", "iscsi_tcp", "iscsi_host")
    add_host(tmp_path, "host4", pci, "mpt3sas", "sas_host")
    add_host(tmp_path, "host5", pci, "ib_srp")
    add_host(tmp_path, "host6", pci, "<NULL>")
    hosts = scsi.read_hosts(Host(str(tmp_path)))
    assert [(one.number, one.transport, one.driver) for one in hosts] == [
        (2, "ata", "ahci"),
        (3, "iscsi", "iscsi_tcp"),
        (4, "sas", "mpt3sas"),
        (5, "srp", "ib_srp"),
        (6, "other", None),
        (10, "fc", "lpfc"),
        (11, "fc", "lpfc"),
    ]
    assert hosts[-1].pci_address == "0000:3b:00.1"
    assert (hosts[-1].parent, hosts[-1].carrier) == ("host10", "vport-10:0-3")
    assert (hosts[-2].parent, hosts[-2].carrier) == (None, None)
    assert hosts[1].pci_address is None


def test_a_sas_target_is_named_by_its_address(tmp_path):
    device = tmp_path / "sys/class/sas_device/end_device-0:3"
    device.mkdir(parents=True)
    (device / "sas_address").write_text("0x5000c500a1b2c3d4\n")
    host = Host(str(tmp_path))
    assert scsi.read_sas_target(host, "end_device-0:3") == "5000c500a1b2c3d4"
    assert scsi.read_sas_target(host, "end_device-0:4") is None
    assert scsi.read_sas_target(host, "rport-0:0-1") is None
