"""The archive that makes a fresh copy of an image one particular machine. The initrd unpacks it on the first boot."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from .config import ARRAY, FABRIC_MTU, FABRICS, HOSTS, MACHINES, MGMT, Lab, Machine

Files = dict[str, tuple[int, str]]

_GUEST_SCRIPTS = {"fc-ports": 0o755, "arrayctl.py": 0o644}
# Devices that no rule does anything with here, each with a process of udev's at every boot.
_UNTRIGGERED = (
    "acpi", "bdi", "clockevents", "clocksource", "container", "cpu", "graphics", "input", "mem", "memory",
    "memory_tiering", "node", "platform", "pnp", "serio", "thermal", "tty", "vc", "vtconsole", "wakeup", "workqueue",
)  # fmt: skip
_TRIGGER = "etc/systemd/system/systemd-udev-trigger.service.d/sanlab.conf"

_GUEST_UNITS = ("sanlab-fc.service",)


def _cards(lab: Lab, machine: Machine) -> str:
    """A line per card: name, hardware address, MTU, address or "-"."""
    lines = [f"{MGMT} {lab.mac(machine.name, MGMT)} 1500 10.0.2.15/24"]
    for nic in machine.nics:
        address = machine.address(nic)
        lines.append(f"{nic} {lab.mac(machine.name, nic)} {FABRIC_MTU} {f'{address}/24' if address else '-'}")
    return "\n".join([*lines, ""])


def _hosts_file() -> str:
    lines = ["127.0.0.1 localhost"]
    lines += [f"{machine.address('a')} {machine.name} {machine.name}-a" for machine in MACHINES.values()]
    lines += [f"{machine.address('b')} {machine.name}-b" for machine in MACHINES.values()]
    return "\n".join([*lines, ""])


def seed_files(lab: Lab, machine: Machine, public_key: str, host_key: tuple[str, str]) -> Files:
    """Path -> (mode, content) of everything that is this machine's own."""
    files: Files = {
        "etc/hostname": (0o644, f"{machine.name}\n"),
        "etc/hosts": (0o644, _hosts_file()),
        "etc/machine-id": (0o444, f"{lab.machine_id(machine.name)}\n"),
        "etc/iscsi/initiatorname.iscsi": (0o600, f"InitiatorName={lab.initiator_name(machine.name)}\n"),
        "root/.ssh/authorized_keys": (0o600, public_key),
        "etc/ssh/ssh_host_ed25519_key": (0o600, host_key[0]),
        "etc/ssh/ssh_host_ed25519_key.pub": (0o644, host_key[1]),
        "etc/sanlab/role": (0o644, "array\n" if machine.is_array else "host\n"),
        "etc/sanlab/fc-ports": (0o644, "".join(f"{nic}\n" for nic in machine.nics)),
        "etc/sanlab/seeded": (0o644, f"{lab.key}\n"),
        _TRIGGER: (0o644, _trigger()),
        "etc/sanlab/nics": (0o644, _cards(lab, machine)),
    }
    guest = lab.directory / "guest"
    for script, mode in _GUEST_SCRIPTS.items():
        files[f"usr/local/lib/sanlab/{script}"] = (mode, (guest / script).read_text())
    for unit in _GUEST_UNITS:
        files[f"etc/systemd/system/{unit}"] = (0o644, (guest / unit).read_text())
    if machine.is_array:
        files.update(_array_files(lab))
    return files


def target_settings(lab: Lab) -> dict[str, Any]:
    """What arrayctl needs to know of the lab."""
    return {
        "iqn": lab.target_iqn,
        "portals": [ARRAY.address(fabric) for fabric in FABRICS],
        "iscsi_initiators": [lab.initiator_name(host.name) for host in HOSTS],
        "fc_targets": {port.nic: lab.wwpn(port) for port in ARRAY.ports},
        "fc_initiators": {
            target.nic: [lab.wwpn(port) for host in HOSTS for port in host.ports if port.fabric == target.fabric]
            for target in ARRAY.ports
        },
    }


def _array_files(lab: Lab) -> Files:
    options = "rw,sync,no_root_squash,no_subtree_check"
    exports = " ".join(f"{host.address(fabric)}({options})" for host in HOSTS for fabric in FABRICS)
    return {
        "etc/lvm/lvmlocal.conf": (0o644, "activation {\n    monitoring = 0\n}\n"),
        "etc/exports": (0o644, f"/srv/nfs {exports}\n"),
        "etc/sanlab/target.json": (0o644, json.dumps(target_settings(lab), indent=1)),
    }


def _trigger() -> str:
    """Replaces what udev goes through at boot. Without the console's terminal there would be no console."""
    without = " ".join(f"--subsystem-nomatch={subsystem}" for subsystem in _UNTRIGGERED)
    lines = ["[Service]", "ExecStart=", "ExecStart=-udevadm trigger --type=subsystems --action=add"]
    lines.append(f"ExecStart=-udevadm trigger --type=devices --action=add {without}")
    lines.append("ExecStart=-udevadm trigger --action=add /sys/class/tty/ttyS0")
    return "\n".join([*lines, ""])


def _links(machine: Machine) -> dict[str, str]:
    wants = "etc/systemd/system/multi-user.target.wants"
    links = {f"{wants}/{unit}": f"/etc/systemd/system/{unit}" for unit in _GUEST_UNITS}
    if machine.is_array:
        links[f"{wants}/nfs-server.service"] = "/lib/systemd/system/nfs-server.service"
        # Nothing to do on an array, and each of them takes part in every new volume.
        for unit in ("multipathd.service", "multipathd.socket", "lvm2-monitor.service", "dm-event.socket"):
            links[f"etc/systemd/system/{unit}"] = "/dev/null"
    return links


def write_seed(path: Path, lab: Lab, machine: Machine, public_key: str, host_key: tuple[str, str]) -> None:
    """Write the archive of one machine."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (mode, content) in seed_files(lab, machine, public_key, host_key).items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = mode, len(content.encode())
            archive.addfile(entry, io.BytesIO(content.encode()))
        for directory in ("root/.ssh", *(("srv/nfs",) if machine.is_array else ())):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o700 if directory.startswith("root") else 0o755
            archive.addfile(entry)
        for name, target in _links(machine).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
