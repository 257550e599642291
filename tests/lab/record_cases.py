#!/usr/bin/env python3
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the lab into the states the unit tests are about, and record both hosts in each.

    tests/lab/record_cases.py [CASE...]

changes the lab and cleans it afterwards: nobody else may be using it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAB = HERE / "lab"
HOSTS = {"kvm1": "debian12", "kvm2": "debian13"}

SCAN = 'for host in /sys/class/scsi_host/host*/scan; do echo "- - -" > $host; done; udevadm settle'
DISK_OF = "$(basename $(readlink -f /dev/disk/by-id/scsi-{wwid}))"
ADD_MAP = "multipathd add map {wwid}; udevadm settle"
MBR = (
    "python3 -c \"import struct; d = open('/dev/mapper/{wwid}', 'r+b'); d.seek(446); "
    "d.write(struct.pack('<BBBBBBBBII', 0, 0, 0, 0, 131, 0, 0, 0, 2048, 65536) + bytes(48) + b'U\\xaa')\"; "
    "kpartx -a /dev/mapper/{wwid}; udevadm settle"
)
GUEST = (
    "qemu-system-x86_64 -name guest=db01,debug-threads=on -M q35 -m 16 -nodefaults -display none -S -daemonize"
    " -drive file=/dev/mapper/{wwid},format=raw,if=virtio -pidfile /run/record-guest.pid"
)
RELEASE = """
test ! -e /run/record-guest.pid || kill $(cat /run/record-guest.pid); rm -f /run/record-guest.pid
! mountpoint -q /srv/images || umount /srv/images
dmsetup ls | grep record | while read name _; do dmsetup remove $name; done
for port in /sys/class/fc_vports/*; do test ! -e $port || echo 1 > $port/vport_delete; done
systemctl start multipathd.socket multipathd.service
"""


def lab(*argv: str) -> str:
    done = subprocess.run([LAB, *argv], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        sys.exit(f"lab {' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


def everywhere(command: str) -> None:
    """Run a command on all hosts at once."""
    with ThreadPoolExecutor() as pool:
        for host, done in zip(HOSTS, pool.map(lambda host: lab("ssh", host, f"set -e; {command}"), HOSTS), strict=True):
            print(f"{host}: {command[:100]}: {done.strip()[-200:]}")


def wwids() -> dict[str, str]:
    return {lun["name"]: lun["wwid"] for lun in json.loads(lab("lun", "list", "--json"))}


def record(case: str) -> None:
    for host, distro in HOSTS.items():
        done = [sys.executable, str(HERE / "record_host.py"), host, f"{distro}-{case}"]
        print(subprocess.run(done, capture_output=True, text=True, timeout=300, check=True).stdout, end="")


def create(**sizes: str) -> dict[str, str]:
    lab("lun", "create", *[word for name, size in sizes.items() for word in (name, size)])
    return wwids()


def fc() -> None:
    """Two fabrics, maps: mounted, PV, partitioned, a guest's, free; one path offline, one LUN of one path, a vHBA."""
    ids = create(mounted="96M", pv="128M", parted="96M", guest="64M", free="64M", single="64M", bare="64M")
    numbers = {"mounted": "27", "pv": "28", "parted": "29", "guest": "53", "free": "54", "bare": "55"}
    lab("lun", "map", *[word for pair in numbers.items() for word in pair])
    lab("lun", "map", "single", "300", "--target", "a")
    everywhere(SCAN)
    for name in ("mounted", "pv", "parted", "guest", "free"):
        everywhere(ADD_MAP.format(wwid=ids[name]))
    everywhere(f"mkdir -p /srv/images && mkfs.ext4 -qF /dev/mapper/{ids['mounted']} && sleep 1")
    everywhere(f"mount /dev/mapper/{ids['mounted']} /srv/images")
    everywhere(MBR.format(wwid=ids["parted"]))
    everywhere(GUEST.format(wwid=ids["guest"]))
    # One LUN, two hosts: only one may write LVM's label; the other sees it after a scan of its own.
    lab("ssh", "kvm1", f"vgcreate -qq record-vg /dev/mapper/{ids['pv']} && lvcreate -qqy -n data -l 4 record-vg")
    everywhere("vgchange -qq -ay record-vg; udevadm trigger --settle --subsystem-match=block")
    everywhere(f"echo offline > /sys/block/{DISK_OF.format(wwid=ids['bare'])}/device/state")
    for host, last in (("kvm1", "1"), ("kvm2", "2")):
        lab("ssh", host, f"echo 5001a4a00000000{last}:5001a4a00000010{last} > /sys/class/fc_host/host0/vport_create")
    everywhere("sleep 3; cat /sys/class/fc_vports/*/vport_state; sleep 6")
    record("fc")


def iscsi() -> None:
    """Two portals, maps over both; one path of one map fails in multipathd's eyes; an inactive PV."""
    ids = create(one="64M", two="64M", pv="64M")
    lab("lun", "map", "one", "27", "two", "28", "pv", "29", "--via", "iscsi")
    lab("iscsi-login")
    everywhere(SCAN)
    for name in ids:
        everywhere(ADD_MAP.format(wwid=ids[name]))
    lab("ssh", "kvm1", f"pvcreate -qq /dev/mapper/{ids['pv']}")
    everywhere("udevadm trigger --settle --subsystem-match=block")
    # Not udev's: which path bears the WWID's link changes, but the first member of the map is one for sure.
    everywhere(
        f"echo offline > /sys/block/$(basename $(readlink -f /dev/mapper/{ids['one']}))/slaves/$(cd /sys/block/"
        f"$(basename $(readlink -f /dev/mapper/{ids['one']}))/slaves; ls | head -1)/device/state; sleep 25"
    )
    record("iscsi")


def bare() -> None:
    """No multipathd: every path stands alone; a file system mounted by one of them, LVM on another."""
    ids = create(mounted="96M", pv="128M", free="64M")
    lab("lun", "map", "mounted", "27", "pv", "28", "free", "29")
    everywhere("systemctl stop multipathd.socket multipathd.service")
    everywhere(SCAN)
    everywhere(f"mkdir -p /srv/images && mkfs.ext4 -qF /dev/{DISK_OF.format(wwid=ids['mounted'])} && sleep 1")
    everywhere(f"mount /dev/{DISK_OF.format(wwid=ids['mounted'])} /srv/images")
    # LVM refuses what it sees twice: it is shown one path alone.
    disk = f"disk={DISK_OF.format(wwid=ids['pv'])}; one='devices/filter=[\"a|/dev/'$disk'$|\",\"r|.*|\"]'; "
    lab(
        "ssh",
        "kvm1",
        disk + "vgcreate -qq --config $one record-vg /dev/$disk && lvcreate --config $one -qqy -n a -l 4 record-vg",
    )
    everywhere(disk + "vgchange -qq --config $one -ay record-vg; udevadm trigger --settle --subsystem-match=block")
    record("bare")


def twins() -> None:
    """Two LUNs of different size with one WWID, not mapped."""
    create(first="64M")
    lab("fault", "same-wwid", "first", "second", "96M")
    lab("lun", "map", "first", "27", "second", "28")
    everywhere(SCAN)
    record("twins")


CASES: dict[str, Callable[[], None]] = {case.__name__: case for case in (fc, iscsi, bare, twins)}


def main() -> None:
    for name in sys.argv[1:] or CASES:
        lab("clean")
        try:
            CASES[name]()
        finally:
            everywhere(RELEASE)
            lab("clean")


if __name__ == "__main__":
    main()
