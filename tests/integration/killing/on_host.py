# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules on a machine of the lab, as Ansible has packed them, and takes stock of the machine. Runs there.

    on_host.py stock                    the machine's stock as JSON
    on_host.py run TASK POINT           run a task, or have it killed at a point; ''  is none
    on_host.py watched TASK             run a task by itself; which points it has, and the stock after it
    on_host.py killed TASK POINT        have it killed there, then run it twice, unharmed and unwatched; and the stock

The stock is by the kernel's, systemd's and multipathd's own words, and in names that outlast what is done between two
of them: a path is told by its ports and its LUN, not by a number that the kernel has given it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"
SYS = Path("/sys")
RUN_SECONDS = 280
SETTLE = 20.0
"""Seconds for the machine to come to rest after the last run: units that were started, events of udev."""
LAST_WORDS = 60.0
"""Seconds for a child of a killed run to come back from the kernel."""
BUSY = "of an earlier run has not come back"
"""What a module says where such a child is still there: run it again."""

Result = dict[str, Any]

# Running


def run(task: str, watched: bool = False, kill_at: str = "") -> Result:
    """Run a task in a process of its own, as Ansible would have it run, or does where it has unpacked it."""
    log = HERE / "points"
    log.unlink(missing_ok=True)
    scratch = HERE / "tmp"
    scratch.mkdir(exist_ok=True)
    env = {"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8", "TMPDIR": str(scratch)}
    if watched:
        env |= {"PYTHONPATH": str(HERE), "VIRT_SAN_POINTS": str(log), "VIRT_SAN_KILL_AT": kill_at}
    began = time.monotonic()
    program = HERE / task / "task.py"
    unpacked = ["execute"] if program.with_name("debug_dir").exists() else []
    done = subprocess.run(
        [PYTHON, str(program), *unpacked],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_SECONDS,
    )
    lines = done.stdout.splitlines()
    return {
        "code": done.returncode,
        "result": json.loads(lines[-1]) if lines else {},
        "stderr": done.stderr[-4000:],
        "points": log.read_text().splitlines() if log.exists() else [],
        "seconds": round(time.monotonic() - began, 1),
    }


def children() -> list[str]:
    """Return the processes of killed runs that still write to the kernel; they bear the name of their job."""
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = comm.read_text().strip()
            state = comm.with_name("stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if name.startswith("san-") and state not in "ZX":
            found.append(name)
    return sorted(found)


def run_again(task: str) -> Result:
    """Run a task as somebody would after it was killed: again, once its children are done if it says so."""
    again = run(task)
    if again["code"] and BUSY in again["result"].get("msg", ""):
        deadline = time.monotonic() + LAST_WORDS
        while children() and time.monotonic() < deadline:
            time.sleep(0.2)
        again = run(task)
    return again


def watched(task: str) -> Result:
    """Run a task by itself; what it leaves is what every run that is killed on the way has to come to."""
    found = {"run": run(task, watched=True), "stock": settled(None)}
    stock_file(task).write_text(json.dumps(found["stock"]))
    return found


def killed(task: str, point: str) -> Result:
    runs = {"killed": run(task, watched=True, kill_at=point), "again": run_again(task), "third": run(task)}
    known = stock_file(task)
    began = time.monotonic()
    found = settled(json.loads(known.read_text()) if known.exists() else None)
    return {**runs, "stock": found, "seconds": round(time.monotonic() - began, 1)}


def stock_file(task: str) -> Path:
    return HERE / f"stock-{task}.json"


def settled(wanted: Result | None) -> Result:
    """Return the stock once it is as wanted, or has come to rest, or time is up."""
    deadline = time.monotonic() + SETTLE
    last: Result | None = None
    while True:
        subprocess.run(["udevadm", "settle", "-t", "10"], check=False)
        now = stock()
        if now == wanted or (wanted is None and now == last and not in_motion(now)) or time.monotonic() > deadline:
            return now
        last = now


def in_motion(now: Result) -> bool:
    return any("activating" in unit or "running" in unit for unit in now["units"].values())


# Taking stock


def stock() -> Result:
    return {
        "paths": paths(),
        "maps": maps(),
        "multipathd": multipathd(),
        "vports": vports(),
        "names": names(),
        "contents": contents(),
        "groups": groups(),
        "mounts": said("findmnt", "-rno", "TARGET,FSTYPE", "-t", "ext4,xfs"),
        "sessions": sessions(),
        "pools": said("find", "/var/lib/virt-san", "-printf", "%p %y %m %s\n"),
        "units": units(),
        "files": files(),
        "volatile": sorted(path.name for path in Path("/run").glob(OURS) if path.suffix != LOCK),
        "children": children(),
    }


def read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def said(*command: str, check: bool = False) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=check, timeout=60)
    return sorted(" ".join(line.split()) for line in done.stdout.splitlines() if line.strip())


def told(*command: str) -> list[str]:
    """Return what a command said that has to succeed: nothing said would be nothing there."""
    return said(*command, check=True)


def address(device: Path) -> str:
    """Return how a SCSI device is reached: initiator, target, LUN."""
    host, _channel, _target, lun = device.name.split(":")
    initiator = read(SYS / f"class/fc_host/host{host}/port_name") or read(SYS / f"class/scsi_host/host{host}/proc_name")
    target = device.resolve().parent.name
    return f"{initiator} {read(SYS / 'class/fc_transport' / target / 'port_name') or target} {lun}"


def paths() -> Result:
    found = {}
    for device in (SYS / "bus/scsi/devices").glob("*:*:*:*"):
        disks = list(device.glob("block/*"))
        sizes = [read(disk / "size") for disk in disks]
        found[address(device)] = [read(device / "wwid"), read(device / "state"), *sizes]
    return found


def maps() -> Result:
    """Return all of device-mapper: a multipath device with its paths, anything else by its size."""
    found = {}
    tables = dict(line.split(": ", 1) for line in told("dmsetup", "table") if ": " in line)
    for dm in (SYS / "block").glob("dm-*"):
        below = [slave.resolve() / "device" for slave in (dm / "slaves").iterdir()]
        reached = sorted(address(device.resolve()) for device in below if device.exists())
        uuid, name = read(dm / "dm/uuid"), read(dm / "dm/name")
        queues = "queue_if_no_path" in tables.get(name, "")
        # LVM makes up a UUID for each volume anew.
        known = f"LVM {name}" if uuid.startswith("LVM-") else uuid
        found[known] = [name, read(dm / "size"), read(dm / "ro"), queues, *reached]
    return found


def multipathd() -> list[str]:
    """Return what multipathd watches over: maps, and its path checkers' words."""
    return said("multipathd", "show", "maps", "raw", "format", "%w %n %N") + said(
        "multipathd", "show", "paths", "raw", "format", "%w %T"
    )


def vports() -> Result:
    found = {}
    for vport in (SYS / "class/fc_vports").glob("vport-*"):
        parent = re.match(r"vport-(\d+):", vport.name)
        carrier = read(SYS / f"class/fc_host/host{parent[1] if parent else ''}/port_name")
        facts = [read(vport / name) for name in ("node_name", "vport_state", "symbolic_name")]
        found[read(vport / "port_name")] = [carrier, *facts]
    return found


def names() -> list[str]:
    """Return the names udev gives to disks, and those of the maps, without those that LVM makes up anew each time."""
    places = ("/dev/disk/by-id", "/dev/mapper")
    found = (f"{place}/{name}" for place in places if os.path.isdir(place) for name in os.listdir(place))
    return sorted(name for name in found if not MADE_UP.search(name))


def contents() -> Result:
    """Return what is on LUNs that have a map, and where."""
    devices = [path for path in Path("/dev/disk/by-id").glob("dm-uuid-mpath-*") if path.exists()]
    return {device.name: told("wipefs", "-n", "--noheadings", "-O", "OFFSET,TYPE", str(device)) for device in devices}


def groups() -> list[str]:
    """Return volume groups and logical volumes, without what LVM makes up for each anew."""
    return told("vgs", "--noheadings", "-o", "vg_name,vg_systemid,vg_extent_count,pv_count") + told(
        "lvs", "--noheadings", "-o", "vg_name,lv_name,lv_size,lv_active,lv_tags"
    )


def sessions() -> list[str]:
    there = sorted((SYS / "class/iscsi_session").glob("session*"))
    return sorted(f"{read(one / 'targetname')} {portals(one)}" for one in there)


def portals(session: Path) -> str:
    number = session.name.removeprefix("session")
    return read(SYS / f"class/iscsi_connection/connection{number}:0/persistent_address")


def units() -> Result:
    loaded = said("systemctl", "list-units", "--all", "--plain", "--no-legend", OURS)
    there = said("systemctl", "list-unit-files", "--no-legend", OURS)
    known = {line.split()[0] for line in (*loaded, *there)}
    wanted = "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload"
    asked = [unit for unit in known if "@." not in unit]
    if not asked:
        return {}
    shown = subprocess.run(
        ["systemctl", "show", "-p", wanted, "--", *asked], capture_output=True, text=True, check=True, timeout=60
    )
    blocks = shown.stdout.strip().split("\n\n")
    return {unit: sorted(block.splitlines()) for unit, block in zip(asked, blocks, strict=True)}


CONFIGURATION = ("/etc", "/usr/local")
OURS = "*virt-san*"
MADE_UP = re.compile(r"/(dm-uuid-LVM|lvm-pv-uuid)-")
LOCK = ".lock"
"""Of a file that is there since the first run of any module, or the first about a pool, and held by none."""
READ = re.compile(r"virt-san|/multipath|/lvm/|/systemd/system/")
"""Files whose content counts; of the others there are too many to read."""
NOT_OURS = re.compile(
    r"^/etc/(lvm/((archive|backup|cache)(/|$)|devices$|devices/backup)|multipath/(bindings|prkeys)$|adjtime$|mtab$)"
)
"""What tools keep for themselves, also the folders that LVM makes for its devices file."""
STRUCK = re.compile(r"^#.*\n", re.MULTILINE)


def files() -> Result:
    """Return every file there is in the places for configuration, with its mode and a digest: also those left over."""
    found = {}
    for top in CONFIGURATION:
        for folder, inner, here in os.walk(top):
            for name in [*here, *inner]:
                path = os.path.join(folder, name)
                if not NOT_OURS.match(path):
                    found[path] = describe_file(path)
    return found


def describe_file(path: str) -> str:
    facts = os.lstat(path)
    mode = f"{facts.st_mode:o} {facts.st_uid}"
    if os.path.islink(path):
        return f"{mode} -> {os.readlink(path)}"
    if not os.path.isfile(path) or not READ.search(path):
        return mode
    content = Path(path).read_bytes()
    if path.endswith("/multipath/wwids"):
        # multipath strikes out what it forgets, and may write it anew below.
        content = "\n".join(sorted(STRUCK.sub("", content.decode()).split())).encode()
    return f"{mode} {hashlib.sha256(content).hexdigest()[:16]}"


OPERATIONS = {
    "stock": lambda: settled(None),
    "run": lambda task, point: run(task, True, point),
    "watched": watched,
    "killed": killed,
}

if __name__ == "__main__":
    print(json.dumps(OPERATIONS[sys.argv[1]](*sys.argv[2:])))
