#!/usr/bin/env python3
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what the core reads of a machine of the lab, as a fixture for unit tests.

    tests/lab/record_host.py kvm1 debian12-fc

writes tests/unit/fixtures/hosts/debian12-fc/{tree.json,commands.json}. This file runs twice: here, and
sent over ssh on the machine itself, where it needs nothing but Python. A tree is one text file, as
symbolic links by the thousand upset those who pack and check the collection:

    "/sys/block/sdb": {"link": "../devices/..."}, "/sys/.../state": "running\n", "/sys/.../inquiry": {"base64": "..."}
"""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent if "__file__" in globals() else Path()
SSH_CONFIG = HERE / ".state/ssh_config"
FIXTURES = HERE.parent / "unit/fixtures/hosts"

CLASSES = {
    "scsi_host": "proc_name host_sas_address modelname model_name fwrev fw_version",
    "fc_host": "port_name node_name port_state port_type speed fabric_name symbolic_name manufacturer model"
    " firmware_version max_npiv_vports npiv_vports_inuse vport_create",
    "fc_remote_ports": "port_name node_name port_state roles scsi_target_id port_id dev_loss_tmo fast_io_fail_tmo",
    "fc_vports": "port_name node_name vport_state vport_last_state vport_type symbolic_name",
    "fc_transport": "port_name node_name",
    "iscsi_host": "initiatorname",
    "iscsi_session": "targetname tpgt initiatorname ifacename state recovery_tmo target_id",
    "iscsi_connection": "state address port persistent_address persistent_port",
    "sas_host": "",
    "sas_device": "sas_address",
}
SCSI_DEVICE = "state type vendor model rev wwid inquiry vpd_pg80 vpd_pg83"
BLOCK = "dev size ro queue/logical_block_size queue/physical_block_size dm/uuid dm/name loop/backing_file"
FILES = (
    "/etc/iscsi/initiatorname.iscsi",
    "/etc/multipath.conf",
    "/proc/swaps",
    "/sys/module/scsi_mod/parameters/scan",
)
FOLDERS = ("/etc/multipath", "/etc/multipath/conf.d", "/run/lvm/pvs_online")
COMMANDS = (
    "dmsetup info -c --noheadings --separator : -o major,minor,open",
    "pvs --reportformat json --units b --nosuffix -o pv_uuid,pv_name,pv_size,dev_size,vg_name,vg_uuid",
    "vgs --reportformat json --units b --nosuffix -o vg_uuid,vg_name,vg_size,vg_free",
    "lvs --reportformat json --units b --nosuffix -o lv_uuid,lv_name,vg_name,lv_path,lv_size,lv_active",
)
DAEMON = ("show maps json", "show paths raw format %d|%w|%T", "show daemon", "show status", "show config local")


class Recorder:
    """Runs on the machine."""

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}

    def file(self, path: str) -> None:
        """Record a file under its real path; what cannot be read is left out."""
        real = os.path.realpath(path)
        try:
            with open(real, "rb") as stream:
                data = stream.read()
        except PermissionError:
            self.tree[real] = ""  # write-only, as vport_create: that it is there matters
            return
        except OSError:
            return
        try:
            text = data.decode("ascii")
            self.tree[real] = text if "\0" not in text else {"base64": base64.b64encode(data).decode()}
        except UnicodeDecodeError:
            self.tree[real] = {"base64": base64.b64encode(data).decode()}

    def link(self, path: str) -> str:
        """Record a link, and return where it leads."""
        try:
            self.tree[path] = {"link": os.readlink(path)}
        except OSError:
            pass
        return os.path.realpath(path)

    def links(self, folder: str) -> list[str]:
        """Record all links in a folder, and the folder where it is empty; return their paths."""
        if not os.path.isdir(folder):
            return []
        self.tree[os.path.realpath(folder)] = {"dir": True}
        paths = [f"{folder}/{name}" for name in sorted(os.listdir(folder))]
        for path in paths:
            if os.path.islink(path):
                self.link(os.path.join(os.path.realpath(folder), os.path.basename(path)))
        return paths

    def record(self) -> dict[str, Any]:
        for kind, attributes in CLASSES.items():
            for path in self.links(f"/sys/class/{kind}"):
                for attribute in attributes.split():
                    self.file(f"{path}/{attribute}")
        self.scsi_devices()
        self.block_devices()
        for path in self.links("/dev/disk/by-id") + self.links("/dev/mapper"):
            self.link(path)
        for path in FILES:
            self.file(path)
        for folder in FOLDERS:
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
                if os.path.isfile(f"{folder}/{name}"):
                    self.file(f"{folder}/{name}")
        self.processes()
        return self.tree

    def scsi_devices(self) -> None:
        for path in self.links("/sys/bus/scsi/devices"):
            if re.search(r"/\d+:\d+:\d+:\d+$", path):
                for attribute in SCSI_DEVICE.split():
                    self.file(f"{path}/{attribute}")

    def block_devices(self) -> None:
        self.links("/sys/class/block")
        self.links("/sys/block")
        for path in self.links("/sys/dev/block"):
            real = os.path.realpath(path)
            for attribute in BLOCK.split():
                if os.path.exists(f"{real}/{attribute}"):
                    self.file(f"{real}/{attribute}")
            self.links(f"{real}/slaves")
            if not re.search(r"/(ram|loop)\d+$", real):
                self.file(f"/run/udev/data/b{os.path.basename(path)}")
            address = re.search(r"(/sys/devices/.*/(?:[0-9a-f]{4}:[0-9a-f:.]+))/", real)
            if address:
                self.file(f"{address.group(1)}/vendor")
        for path in self.links("/sys/bus/pci/devices"):
            self.file(f"{path}/vendor")

    def processes(self) -> None:
        """One process of each mount namespace, QEMU, multipathd; the recorded one stands for `self`."""
        namespaces = set()
        for pid in sorted((name for name in os.listdir("/proc") if name.isdigit()), key=int):
            base = f"/proc/{pid}"
            try:
                namespace = os.readlink(f"{base}/ns/mnt")
                comm = Path(f"{base}/comm").read_text(encoding="utf-8").strip()
            except OSError:
                continue
            guest = comm.startswith("qemu")
            if namespace not in namespaces or guest or comm == "multipathd":
                namespaces.add(namespace)
                self.link(f"{base}/ns/mnt")
                self.file(f"{base}/comm")
                self.file(f"{base}/mountinfo")
            if guest:
                self.file(f"{base}/cmdline")
                self.links(f"{base}/fd")
        self.tree["/proc/self/mountinfo"] = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        self.file("/run/multipathd.pid")


def ask_multipathd(command: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("\0/org/kernel/linux/storage/multipathd")
        connection.sendall(struct.pack("@N", len(command) + 1) + command.encode() + b"\0")
        (length,) = struct.unpack("@N", connection.recv(8, socket.MSG_WAITALL))
        return connection.recv(length, socket.MSG_WAITALL).decode().rstrip("\0")


def record() -> dict[str, Any]:
    """What runs on the machine; the result goes to standard output."""
    commands = {}
    for command in COMMANDS:
        done = subprocess.run(command.split(), capture_output=True, text=True, timeout=60, check=False)
        commands[command] = {"code": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
    daemon = {}
    if os.path.exists("/run/multipathd.pid"):
        daemon = {command: ask_multipathd(command) for command in DAEMON}
    return {"tree": Recorder().record(), "commands": {"commands": commands, "multipathd": daemon}}


def main() -> None:
    machine, name = sys.argv[1:]
    source = Path(__file__).read_text(encoding="utf-8")
    argv = ["ssh", "-F", str(SSH_CONFIG), machine, "python3", "-", "--on-the-machine"]
    done = subprocess.run(argv, input=source, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    told = json.loads(done.stdout)
    folder = FIXTURES / name
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("tree", "commands"):
        text = json.dumps(told[kind], indent=1, sort_keys=True, ensure_ascii=True)
        (folder / f"{kind}.json").write_text(text + "\n", encoding="utf-8")
        print(f"{folder / kind}.json: {len(text)} bytes")


if __name__ == "__main__":
    if "--on-the-machine" in sys.argv:
        json.dump(record(), sys.stdout)
    else:
        main()
