"""A host's own hand: iSCSI sessions, and back to a host without a SAN. Sent over ssh and run in the host machine.

`clean` takes away whatever stands on SAN disks, from the top down, without asking who needs it: it is for a lab.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SYS = Path("/sys")
PRISTINE = Path("/var/lib/sanlab/pristine")


def run(*command: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """Run a command whose failure shows in what is left at the end."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"{command[0]}: no end within {seconds} s")


# --- iSCSI -----------------------------------------------------------------------------------------------------------


def sessions() -> list[str]:
    return sorted(path.name for path in (SYS / "class/iscsi_session").glob("session*"))


def iscsi_login(iqn: str, portals: list[str], manual_scan: bool = False) -> dict[str, Any]:
    for portal in portals:
        node = ("iscsiadm", "-m", "node", "-T", iqn, "-p", portal)
        run(*node, "-o", "new")
        run(*node, "-o", "update", "-n", "node.startup", "-v", "automatic")
        run(*node, "-o", "update", "-n", "node.session.scan", "-v", "manual" if manual_scan else "auto")
        answer = run(*node, "--login", seconds=60)
        if answer.returncode not in (0, 15):  # 15: there is a session already
            sys.exit(f"login to {portal}: {answer.stderr.strip()}")
    return {"sessions": sessions()}


def iscsi_logout() -> dict[str, Any]:
    if sessions():
        run("iscsiadm", "-m", "node", "-u", seconds=60)
    # Debian 12 keeps the records in the first place, Debian 13 in the second.
    for place in ("/etc/iscsi", "/var/lib/iscsi"):
        for name in ("nodes", "send_targets", "static", "ifaces"):
            for entry in Path(place, name).glob("*"):
                if not entry.name.startswith("iface.example"):
                    remove(entry)
    return {"sessions": sessions()}


# --- what stands on SAN disks ----------------------------------------------------------------------------------------


def san_disks() -> list[Path]:
    """Block devices (as sysfs paths) whose way leads over a remote port, an iSCSI session or scsi_debug."""
    found = []
    for block in sorted((SYS / "block").glob("sd*")):
        way = str(block.resolve())
        if "/rport-" in way or "/session" in way or "/pseudo_0/" in way:
            found.append(block)
    return found


def holders(block: Path) -> list[Path]:
    """Devices on top of a device or its partitions, the topmost first."""
    found: list[Path] = []
    for directory in [block / "holders", *block.glob(f"{block.name}*/holders")]:
        for entry in directory.glob("*"):
            above = SYS / "block" / entry.name
            found += [*holders(above), above]
    return list(dict.fromkeys(found))


def stacked() -> list[Path]:
    """Everything above SAN disks, and multipath maps that lost their disks."""
    found: list[Path] = []
    for disk in san_disks():
        found += holders(disk)
    for block in (SYS / "block").glob("dm-*"):
        with contextlib.suppress(OSError):
            if "mpath-" in (block / "dm/uuid").read_text():
                found += [*holders(block), block]
    return list(dict.fromkeys(found))


def unmount(blocks: list[Path]) -> None:
    numbers = set()
    for block in blocks:
        for path in (block / "dev", *block.glob(f"{block.name}*/dev")):
            with contextlib.suppress(OSError):
                numbers.add(path.read_text().strip())
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for fields in reversed(lines):
        network = fields[fields.index("-") + 1].startswith("nfs")
        if fields[2] in numbers or network:
            run("umount", *(("-f", "-l") if network else ("-l",)), fields[4])
    for line in Path("/proc/swaps").read_text().splitlines()[1:]:
        device = line.split()[0]
        if device.startswith(("/dev/dm-", "/dev/sd", "/dev/md")):
            run("swapoff", device)


def stop_guests() -> None:
    """Guests and pools, only where libvirt knows any: asking it starts it, which takes seconds."""
    places = [Path(top, "libvirt", kind) for top in ("/etc", "/run") for kind in ("qemu", "storage")]
    if not any(list(place.glob("*.xml")) for place in places):
        return
    for name in run("virsh", "list", "--all", "--name").stdout.split():
        run("virsh", "destroy", name)
        run("virsh", "undefine", name, "--nvram", "--managed-save", "--snapshots-metadata")
    for name in run("virsh", "pool-list", "--all", "--name").stdout.split():
        run("virsh", "pool-destroy", name)
        run("virsh", "pool-undefine", name)


def stop_users(blocks: list[Path]) -> None:
    """End processes that have a device open: guests started without libvirt, a dd that a test left behind."""
    names = {block.name for block in blocks}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError, ValueError):
            opened = Path(os.readlink(link))
            keeper = (link.parents[1] / "comm").read_text().strip() in ("multipathd", "systemd-udevd", "iscsid")
            if opened.is_relative_to("/dev") and opened.resolve().name in names and not keeper:
                os.kill(int(link.parts[2]), signal.SIGKILL)


def take_down() -> None:
    """Remove what is stacked on SAN disks, top first."""
    blocks = stacked()
    stop_users([*blocks, *san_disks()])
    unmount([*blocks, *san_disks()])
    for block in blocks:
        name = f"/dev/{block.name}"
        if block.name.startswith("md"):
            run("mdadm", "--stop", name)
            continue
        with contextlib.suppress(OSError):
            if "mpath-" in (block / "dm/uuid").read_text():
                # A map that queues without paths would hold the removal for ever.
                run("dmsetup", "message", name, "0", "fail_if_no_path")
        run("dmsetup", "remove", "--force", "--retry", name)


# --- ports and disks -------------------------------------------------------------------------------------------------


def remove_vports() -> None:
    for vport in (SYS / "class/fc_vports").glob("vport-*"):
        with contextlib.suppress(OSError):
            wwpn, wwnn = ((vport / name).read_text().strip()[2:] for name in ("port_name", "node_name"))
            parent = re.search(r"vport-(\d+):", vport.name)
            host = SYS / f"class/fc_host/host{parent[1] if parent else ''}"
            (host / "vport_delete").write_text(f"{wwpn}:{wwnn}")


def remove_disks() -> None:
    # Without a disk as well: LUN 0 of a target can be there as a mere place-holder.
    for device in (SYS / "class/scsi_device").glob("*"):
        way = str(device.resolve())
        if "/rport-" in way or "/session" in way:
            with contextlib.suppress(OSError):
                (device / "device/delete").write_text("1")
    if (SYS / "module/scsi_debug").exists():
        run("modprobe", "-r", "scsi_debug")


# --- files -----------------------------------------------------------------------------------------------------------


def remove(path: Path) -> bool:
    if not path.exists() and not path.is_symlink():
        return False
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    return True


def says_something(path: Path) -> bool:
    """Whether a file has more than comments: multipathd itself makes such ones."""
    if not path.is_file():
        return path.is_symlink()
    own = path.name in ("wwids", "bindings", "prkeys")
    return not own or any(line.strip() and not line.startswith("#") for line in path.read_text().splitlines())


def same_tree(one: Path, other: Path) -> bool:
    return run("diff", "-rq", str(one), str(other)).returncode == 0


def restore_files() -> list[str]:
    """Configuration as it was on the first boot; says what changed."""
    changed = []
    multipath = [Path("/etc/multipath.conf"), *Path("/etc/multipath").rglob("*")]
    removed = [remove(path) for path in multipath if says_something(path)]
    if any(removed):
        changed.append("multipath")
    for name in ("lvm", "iscsi/iscsid.conf"):
        original, present = PRISTINE / name, Path("/etc", name)
        if original.exists() and not same_tree(present, original):
            remove(present)
            run("cp", "-a", str(original), str(present))
            changed.append(name)
    # The collection's own files all bear its name.
    units = list(Path("/etc/systemd/system").rglob("virt-san*"))
    for unit in units:
        run("systemctl", "stop", "--no-block", unit.name)
        remove(unit)
    if units:
        run("systemctl", "daemon-reload")
        changed.append("units")
    places = ("/etc/virt-san", "/var/lib/virt-san", "/run/virt-san", "/usr/local/lib/virt-san")
    for path in [*map(Path, places), *Path("/run").glob("virt-san.*-pending")]:
        if remove(path):
            changed.append(str(path))
    return changed


def wait_for_udev(seconds: float = 10) -> None:
    run("udevadm", "settle", "-t", str(int(seconds)), seconds=seconds + 5)


def left() -> list[str]:
    """What should be gone and is not."""
    found = [block.name for block in [*san_disks(), *stacked()]]
    found += sessions() + [path.name for path in (SYS / "class/fc_vports").glob("vport-*")]
    return sorted(set(found))


def clean() -> dict[str, Any]:
    began = time.monotonic()
    stop_guests()
    # A folder that goes must not take along what an export or a LUN that is mounted in it holds.
    unmount([*stacked(), *san_disks()])
    # An event still under way would put back what is being removed.
    changed = restore_files()
    for _ in range(3):
        take_down()
        remove_vports()
        remove_disks()
        iscsi_logout()
        if not left():
            break
        wait_for_udev()
    if "multipath" in changed:
        run("multipathd", "reconfigure")
    return {"changed": changed, "left": left(), "seconds": round(time.monotonic() - began, 1)}


OPERATIONS = {"iscsi_login": iscsi_login, "iscsi_logout": iscsi_logout, "clean": clean}

if __name__ == "__main__":
    print(json.dumps(OPERATIONS[sys.argv[1]](**json.loads(sys.argv[2]))))
