# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated machines with as many paths as wanted: what sysfs and udev's database show of them.

Two FC HBAs, two targets behind each, so four paths to a LUN, and a multipath map over every four.
Numbers from 256 on are flat LUNs, as on large arrays. Files of equal content share an inode, to keep
40,000 paths small; the reader opens each of them all the same.
"""

from __future__ import annotations

import os
from pathlib import Path

PATHS_PER_LUN = 4
HBAS = 2
TARGETS = 2
SIZE = 10 * 2**30
DEVICES = "devices/pci0000:00/0000:00:{slot:02x}.0/host{hba}/rport-{hba}:0-{target}/target{hba}:0:{target}"
FC_HOST = {
    "port_state": "Online",
    "port_type": "NPort (fabric via point-to-point)",
    "speed": "32 Gbit",
    "fabric_name": "0x1000000533a1b2c3",
    "symbolic_name": "QLE2692 FW:v8.08.05 DVR:v10.02",
    "max_npiv_vports": "254",
    "npiv_vports_inuse": "0",
    "vport_create": "",
}


def disk_name(index: int) -> str:
    """Return the kernel's name of the n-th SCSI disk: sda, ..., sdz, sdaa, ..."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(97 + rest) + letters
    return f"sd{letters}"


def wwid(lun: int) -> str:
    return f"3600140500000000000000000{lun:08x}"


class Tree:
    """Writes the files of one machine below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.contents: dict[bytes, str] = {}
        self.folders: set[str] = set()

    def file(self, path: str, content: str | bytes) -> None:
        data = content if isinstance(content, bytes) else content.encode()
        target = self._ready(path)
        first = self.contents.setdefault(data, target)
        if first is target:
            with open(target, "wb") as stream:
                stream.write(data)
        else:
            os.link(first, target)

    def link(self, path: str, target: str) -> None:
        os.symlink(target, self._ready(path))

    def _ready(self, path: str) -> str:
        target = f"{self.root}/{path}"
        folder = target.rpartition("/")[0]
        if folder not in self.folders:
            os.makedirs(folder, exist_ok=True)
            self.folders.add(folder)
        return target


def build(root: Path, paths: int) -> None:
    """Write a machine with this many paths."""
    tree = Tree(root)
    for hba in range(HBAS):
        _hba(tree, hba)
    for lun in range(paths // PATHS_PER_LUN):
        _lun(tree, lun)
    tree.file("proc/self/mountinfo", "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n")
    tree.file("proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")


def _hba(tree: Tree, hba: int) -> None:
    place = f"devices/pci0000:00/0000:00:{hba + 3:02x}.0/host{hba}"
    tree.link(f"sys/class/scsi_host/host{hba}", f"../../{place}/scsi_host/host{hba}")
    tree.file(f"sys/{place}/scsi_host/host{hba}/proc_name", "qla2xxx\n")
    tree.link(f"sys/class/fc_host/host{hba}", f"../../{place}/fc_host/host{hba}")
    names = {"port_name": f"0x2100001b32a1b2{hba:02x}", "node_name": f"0x2000001b32a1b2{hba:02x}"}
    for name, value in {**FC_HOST, **names}.items():
        tree.file(f"sys/{place}/fc_host/host{hba}/{name}", f"{value}\n")
    for target in range(TARGETS):
        rport = f"rport-{hba}:0-{target}"
        lies = f"{place}/{rport}/fc_remote_ports/{rport}"
        tree.link(f"sys/class/fc_remote_ports/{rport}", f"../../{lies}")
        attributes = {
            "port_name": f"0x50014057a000{hba:02x}{target:02x}",
            "node_name": "0x50014057a0000000",
            "port_state": "Online",
            "roles": "FCP Target",
            "scsi_target_id": str(target),
        }
        for name, value in attributes.items():
            tree.file(f"sys/{lies}/{name}", f"{value}\n")


def _lun(tree: Tree, lun: int) -> None:
    number = lun if lun < 256 else 0x4000 + lun
    names = []
    for hba in range(HBAS):
        for target in range(TARGETS):
            index = lun * PATHS_PER_LUN + hba * TARGETS + target
            names.append(_path(tree, index, lun, (hba, target, number)))
    _map(tree, lun, names)


def _path(tree: Tree, index: int, lun: int, address: tuple[int, int, int]) -> str:
    hba, target, number = address
    name, hctl, dev_t = disk_name(index), f"{hba}:0:{target}:{number}", f"{65 + index // 256}:{index % 256}"
    device = f"{DEVICES.format(slot=hba + 3, hba=hba, target=target)}/{hctl}"
    tree.link(f"sys/bus/scsi/devices/{hctl}", f"../../../{device}")
    tree.file(f"sys/{device}/state", "running\n")
    tree.file(f"sys/{device}/vpd_pg83", page_83(lun, hba * TARGETS + target + 1))
    tree.file(f"sys/{device}/vpd_pg80", b"\0\x80" + (8).to_bytes(2, "big") + f"{lun:08x}".encode())
    tree.file(f"sys/{device}/inquiry", bytes(8) + b"LIO-ORG ".ljust(8) + f"{'IBLOCK':16}4.0 ".encode() + bytes(60))
    disk = f"{device}/block/{name}"
    for place in ("sys/dev/block/" + dev_t, f"sys/class/block/{name}"):
        tree.link(place, f"../../{disk}")
    tree.link(f"sys/block/{name}", f"../{disk}")
    tree.file(f"sys/{disk}/size", f"{SIZE // 512}\n")
    tree.file(f"sys/{disk}/queue/logical_block_size", "512\n")
    tree.file(f"sys/{disk}/queue/physical_block_size", "4096\n")
    tree.file(f"run/udev/data/b{dev_t}", path_record(lun))
    return name


def _map(tree: Tree, lun: int, names: list[str]) -> None:
    name, dev_t = f"dm-{lun}", f"{1000 + lun // 256}:{lun % 256}"
    disk = f"devices/virtual/block/{name}"
    for place in ("sys/dev/block/" + dev_t, f"sys/class/block/{name}"):
        tree.link(place, f"../../{disk}")
    tree.link(f"sys/block/{name}", f"../{disk}")
    attributes = {
        "dm/uuid": f"mpath-{wwid(lun)}",
        "dm/name": f"lun{lun}",
        "size": str(SIZE // 512),
        "ro": "0",
        "queue/logical_block_size": "512",
        "queue/physical_block_size": "4096",
    }
    for attribute, value in attributes.items():
        tree.file(f"sys/{disk}/{attribute}", f"{value}\n")
    for member in names:
        tree.link(f"sys/{disk}/slaves/{member}", f"../../../../../block/{member}")
    tree.file(f"run/udev/data/b{dev_t}", map_record(lun))


def page_83(lun: int, port: int) -> bytes:
    """Return a page as LIO makes it: NAA, T10 and, for the port, two more that do not name the unit."""
    naa = b"\x01\x03\0\x10" + bytes.fromhex(wwid(lun)[1:])
    text = b"LIO-ORG " + f"IBLOCK:{lun:08x}-0000-0000-0000-000000000000".encode() + b"\0"
    t10 = b"\x02\x01\0" + bytes([len(text)]) + text
    relative = b"\x61\x94\0\x04\0\0" + port.to_bytes(2, "big")
    group = b"\x61\x95\0\x04\0\0\0\0"
    body = naa + t10 + relative + group
    return b"\0\x83" + len(body).to_bytes(2, "big") + body


def path_record(lun: int) -> str:
    """Return a record of the usual length, with what udev's rules for SCSI disks and multipath leave."""
    naa = wwid(lun)[1:]
    links = (f"wwn-0x{naa}", f"scsi-3{naa}", f"scsi-SLIO-ORG_IBLOCK_{lun:08x}")
    return "".join(
        (
            *(f"S:disk/by-id/{link}\n" for link in links),
            "I:1234567\nE:DM_MULTIPATH_DEVICE_PATH=1\nE:ID_SCSI=1\nE:ID_VENDOR=LIO-ORG\n",
            "E:ID_VENDOR_ENC=LIO-ORG\\x20\nE:ID_MODEL=IBLOCK\nE:ID_REVISION=4.0\nE:ID_TYPE=disk\n",
            f"E:ID_SERIAL={wwid(lun)}\nE:ID_SERIAL_SHORT={naa}\nE:ID_WWN=0x{naa[:16]}\n",
            f"E:ID_WWN_VENDOR_EXTENSION=0x{naa[16:]}\nE:ID_WWN_WITH_EXTENSION=0x{naa}\nE:ID_SCSI_SERIAL={lun:08x}\n",
            "E:ID_BUS=scsi\nE:ID_FS_TYPE=mpath_member\nE:SYSTEMD_READY=0\nG:systemd\nQ:systemd\nV:1\n",
        )
    )


def map_record(lun: int) -> str:
    return (
        f"S:disk/by-id/dm-name-lun{lun}\nS:disk/by-id/dm-uuid-mpath-{wwid(lun)}\nS:mapper/lun{lun}\nI:1234567\n"
        f"E:DM_NAME=lun{lun}\nE:DM_UUID=mpath-{wwid(lun)}\nE:DM_SUBSYSTEM_UDEV_FLAG0=0\nE:DM_ACTIVATION=1\n"
        f"E:MPATH_DEVICE_READY=1\nE:DM_TYPE=scsi\nE:DM_WWN=0x{wwid(lun)[1:]}\nE:DM_SERIAL={wwid(lun)}\nG:systemd\nV:1\n"
    )


def daemon_maps(paths: int) -> str:
    """Return what multipathd of 0.9 answers to `show maps json` on that machine."""
    head = '{\n   "major_version": 0,\n   "minor_version": 1,\n   "maps": ['
    return head + ",".join(_daemon_map(lun) for lun in range(paths // PATHS_PER_LUN)) + "]\n}\n"


def _daemon_map(lun: int) -> str:
    names = [disk_name(lun * PATHS_PER_LUN + path) for path in range(PATHS_PER_LUN)]
    told = ",".join(_daemon_path(name, lun) for name in names)
    return (
        f'{{\n      "name" : "lun{lun}",\n      "uuid" : "{wwid(lun)}",\n      "sysfs" : "dm-{lun}",\n'
        '      "failback" : "immediate",\n      "queueing" : "off",\n      "paths" : 4,\n      "write_prot" : "rw",\n'
        '      "dm_st" : "active",\n      "features" : "0",\n      "hwhandler" : "1 alua",\n      "action" : "",\n'
        '      "path_faults" : 0,\n      "vend" : "LIO-ORG ",\n      "prod" : "IBLOCK",\n      "rev" : "4.0",\n'
        '      "switch_grp" : 0,\n      "map_loads" : 1,\n      "total_q_time" : 0,\n      "q_timeouts" : 0,\n'
        '      "path_groups": [{\n         "selector" : "service-time 0",\n         "pri" : 50,\n'
        '         "dm_st" : "active",\n         "marginal_st" : "normal",\n         "group" : 1,\n'
        f'         "paths": [{told}]\n      }}]\n   }}'
    )


def _daemon_path(name: str, lun: int) -> str:
    return (
        f'{{\n            "dev" : "{name}",\n            "dev_t" : "8:{lun}",\n            "dm_st" : "active",\n'
        '            "dev_st" : "running",\n            "chk_st" : "ready",\n            "checker" : "tur",\n'
        '            "pri" : 50,\n            "host_wwnn" : "0x2000001b32a1b200",\n'
        '            "target_wwnn" : "0x50014057a0000000",\n            "host_wwpn" : "0x2100001b32a1b200",\n'
        '            "target_wwpn" : "0x50014057a0000001",\n            "host_adapter" : "0000:00:03.0",\n'
        f'            "lun_hex" : "0x{lun:016x}",\n            "marginal_st" : "normal"\n         }}'
    )
