# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of virtual HBAs runs on the lab machine: npiv_vport and virsh take turns, says JSON.

on_machine_npiv.py PCI-ADDRESS NAME WWPN WWNN LUN
"""

from __future__ import annotations

import glob
import json
import mmap
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from on_machine import answer_of

ROUNDS = 5
PATIENCE = 60.0
POOL = "virt-san-bench"
WRITES = "/run/virt-san-bench.writes"
EVENT = re.compile(r"^(KERNEL|UDEV) *\[([\d.]+)\] add .*/block/sd[a-z]+ \(block\)$", re.MULTILINE)


def vports() -> list[str]:
    return glob.glob("/sys/class/fc_vports/*")


def remove(names: str) -> None:
    """Take the vHBA away, its disks before it, and let the machine come to rest."""
    subprocess.run(["virsh", "pool-destroy", POOL], capture_output=True, check=False)
    for vport in vports():
        for path in glob.glob(f"{vport}/device/host*/rport-*/target*/*/delete"):
            write(path, "1")
        parent = os.path.basename(vport)[len("vport-") :].partition(":")[0]
        write(f"/sys/class/fc_host/host{parent}/vport_delete", names)
    while vports():
        time.sleep(0.1)
    subprocess.run(["udevadm", "settle"], check=True)
    time.sleep(2)  # libvirt's daemon, multipathd and the fabric have had their say


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as stream:
        stream.write(text)


def read_from(path: str) -> None:
    """Read the first block from the disk itself: it is usable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, 4096) as block:
            if os.readv(fd, [block]) != 4096:
                raise SystemExit(f"{path}: a short read")
    finally:
        os.close(fd)


# What virsh does.


def virsh(*words: str) -> str:
    return subprocess.run(["virsh", "-q", *words], capture_output=True, text=True, check=True).stdout


def by_virsh(pci: str, wwpn: str, wwnn: str) -> dict[str, float]:
    """Make the vHBA as a node device, and a pool on it; refresh that until it has a volume."""
    (place,) = glob.glob(f"/sys/bus/pci/devices/{pci}/virtio*/net/*/ctlr_*/host*")
    node = f"""<device><parent>scsi_{os.path.basename(place)}</parent><capability type="scsi_host">
        <capability type="fc_host"><wwnn>{wwnn}</wwnn><wwpn>{wwpn}</wwpn></capability></capability></device>"""
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as xml:
        xml.write(node)
        xml.flush()
        began = time.monotonic()
        virsh("nodedev-create", xml.name)
        made = time.monotonic()
        (host,) = (os.path.basename(path) for vport in vports() for path in glob.glob(f"{vport}/device/host*"))
        virsh("pool-create-as", POOL, "scsi", "--adapter-name", host, "--target", "/dev/disk/by-path")
        while True:
            volumes = virsh("vol-list", POOL).split()
            if volumes:
                break
            if time.monotonic() > began + PATIENCE:
                raise SystemExit(f"virsh: no volume within {PATIENCE} s")
            virsh("pool-refresh", POOL)
        read_from(volumes[1])
        return {"virsh": time.monotonic() - began, "virsh nodedev-create": made - began}


# What the module does.


def by_module(options: dict[str, Any]) -> dict[str, float]:
    """Run the module in a process of its own, which says where its time went."""
    with events() as seen:
        done = subprocess.run(
            [sys.executable, __file__, "--module", json.dumps(options)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.stderr + done.stdout)
    told = json.loads(done.stdout.splitlines()[-1])
    came = {kind: float(when) for kind, when in reversed(EVENT.findall("".join(seen)))}
    return {
        "module": told["usable"] - told["began"],
        "module start": told["began"] - told["loading"],
        "own": told["written"] - told["began"] + told["ended"] - came["UDEV"],
        "own before": told["written"] - told["began"],
        "kernel": came["KERNEL"] - told["written"],
        "udev": came["UDEV"] - came["KERNEL"],
    }


@contextmanager
def events() -> Iterator[list[str]]:
    """Listen for events of disks; the list has them afterwards, with the kernel's and udev's times."""
    seen: list[str] = []
    with tempfile.TemporaryFile("w+") as log:
        listener = subprocess.Popen(["udevadm", "monitor", "--kernel", "--udev", "--subsystem-match=block"], stdout=log)
        time.sleep(0.5)  # until it listens
        try:
            yield seen
        finally:
            time.sleep(0.5)
            listener.terminate()
            listener.wait()
            log.seek(0)
            seen.append(log.read())


def run_module(options: dict[str, Any]) -> None:
    """What runs in that process. Times are those of the monotonic clock, as events have them."""
    loading = time.monotonic()
    from ansible_collections.virt.san.plugins.module_utils._host.host import Host
    from ansible_collections.virt.san.plugins.modules.npiv_vport import main

    write(WRITES, "")
    plain = Host.write_attribute

    def noted(self: Host, path: str, value: str) -> None:
        """In the child that writes: it tells by a file."""
        plain(self, path, value)
        with open(WRITES, "a", encoding="ascii") as stream:
            stream.write(f"{time.monotonic()} {path}\n")

    Host.write_attribute = noted  # type: ignore[method-assign]
    answer, began, ended = answer_of(main, options)
    if not answer.get("changed") or len(answer.get("luns", ())) != 1:
        raise SystemExit(json.dumps(answer))
    read_from(f"/dev/{answer['luns'][0]['paths'][0]['device']}")
    usable = time.monotonic()
    with open(WRITES, encoding="ascii") as stream:
        written = [line.split() for line in stream]
    last = max(float(when) for when, path in written if path.endswith(("vport_create", "symbolic_name")))
    print(json.dumps({"loading": loading, "began": began, "written": last, "ended": ended, "usable": usable}))


def measure(pci: str, name: str, wwpn: str, wwnn: str, lun: int) -> list[dict[str, float]]:
    """Return the times of each round, both taking turns. The first round of both only warms the caches."""
    options = {"name": name, "parent": pci, "persistent": False, "expect": {"luns": [lun]}, "timeout": PATIENCE}
    rounds = []
    subprocess.run(["systemctl", "start", "libvirtd.socket"], check=True)
    virsh("nodedev-list")  # which starts the daemon
    for _round in range(ROUNDS + 1):
        remove(f"{wwpn}:{wwnn}")
        told = by_virsh(pci, wwpn, wwnn)
        remove(f"{wwpn}:{wwnn}")
        rounds.append({**told, **by_module(options)})
    remove(f"{wwpn}:{wwnn}")
    return rounds[1:]


if __name__ == "__main__":
    if sys.argv[1] == "--module":
        run_module(json.loads(sys.argv[2]))
    elif sys.argv[1] == "--clean":
        subprocess.run(["virsh", "pool-destroy", POOL], capture_output=True, check=False)
    else:
        print(json.dumps(measure(*sys.argv[1:5], int(sys.argv[5]))))
