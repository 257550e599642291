# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of large pools runs on the lab machine: storage_pool_info and virsh take turns, says JSON.

on_machine_volumes.py dir|logical VOLUMES
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from on_machine import answer_of, timed

ROUNDS = 5
POOL = "virt-san-bench"
"""Name of the pool, here and in libvirt, and of the volume group."""
UUID = "5b1c1f7e-1d25-4d0c-9a52-2b0d6f6f4a11"
FOLDER = f"/var/lib/{POOL}"
IMAGE = f"{FOLDER}.img"
METADATA = f"{FOLDER}.vg"

SECTOR = 512
EXTENT = 2048
"""Sectors; each volume has one."""
START = 2048
"""Sectors in front of the first extent: the metadata has to have room there twice."""
PV = "benchm-0000-0000-0000-0000-0000-pv0000"


def run(*words: str, **environment: str) -> str:
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **environment}
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}{done.stdout}")
    return done.stdout


def name_of(number: int) -> str:
    return f"v{number:04d}"


# A folder


def make_files(volumes: int) -> None:
    """Make files of 1 GiB that take no room; of twenty one is qcow2, and one is qcow2 on top of another."""
    os.makedirs(FOLDER)
    base, top = (f"{FOLDER}/{name_of(number)}" for number in (0, 10))
    run("qemu-img", "create", "-q", "-f", "qcow2", base, "1G")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top)
    for number in range(volumes):
        path = f"{FOLDER}/{name_of(number)}"
        if number % 10:
            with open(path, "wb") as stream:
                stream.truncate(2**30)
        elif number > 10:
            shutil.copyfile(top if number % 20 else base, path)


# A volume group


def make_group(volumes: int) -> None:
    """Make a volume group on a file, from its metadata: lvcreate would write that anew for each volume.

    The volumes have to be active: libvirt does not show others.
    """
    sectors = START + (volumes + 1) * EXTENT
    with open(IMAGE, "wb") as image:
        image.truncate(sectors * SECTOR)
    with open(METADATA, "w", encoding="ascii") as text:
        text.write(metadata(volumes, sectors))
    device = run("losetup", "--find", "--show", IMAGE).strip()
    with without_udev():
        lvm("pvcreate", "--yes", "--uuid", PV, "--restorefile", METADATA, device)
        lvm("vgcfgrestore", "--file", METADATA, POOL)
        lvm("vgchange", "--activate", "y", POOL)


def metadata(volumes: int, sectors: int) -> str:
    """Return a group as `vgcfgbackup` writes it down. It is never activated by itself."""
    logical = "\n".join(
        f"""{name_of(number)} {{
            id = "benchm-0000-0000-0000-0000-0000-{number:06d}"
            status = ["READ", "WRITE", "VISIBLE"]
            flags = []
            segment_count = 1
            segment1 {{
                start_extent = 0
                extent_count = 1
                type = "striped"
                stripe_count = 1
                stripes = ["pv0", {number}]
            }}
        }}"""
        for number in range(volumes)
    )
    return f"""contents = "Text Format Volume Group"
    version = 1
    description = "benchmark"
    creation_host = "benchmark"
    creation_time = 1700000000
    {POOL} {{
        id = "benchm-0000-0000-0000-0000-0000-vg0000"
        seqno = 1
        format = "lvm2"
        status = ["RESIZEABLE", "READ", "WRITE"]
        flags = ["NOAUTOACTIVATE"]
        extent_size = {EXTENT}
        max_lv = 0
        max_pv = 0
        metadata_copies = 0
        physical_volumes {{
            pv0 {{
                id = "{PV}"
                device = "/dev/loop0"
                status = ["ALLOCATABLE"]
                flags = []
                dev_size = {sectors}
                pe_start = {START}
                pe_count = {volumes}
            }}
        }}
        logical_volumes {{
            {logical}
        }}
    }}
    """


def lvm(*words: str) -> None:
    """Run a command of LVM that makes nodes and links under /dev itself, and leaves no backups behind."""
    run("lvm", *words, "--config", "backup { backup=0 archive=0 }", DM_DISABLE_UDEV="1")


@contextmanager
def without_udev() -> Iterator[None]:
    """Have nobody look at a thousand new devices: that takes minutes here, and nobody measures it."""
    quietly("udevadm", "settle")
    run("systemctl", "stop", "systemd-udevd*")  # with its sockets, which would start it again
    try:
        yield
    finally:
        run("systemctl", "start", "systemd-udevd.service")


# The same pool for both


def define(kind: str) -> None:
    """Make it known to libvirt, and to the collection as its own pools are."""
    from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
    from ansible_collections.virt.san.plugins.module_utils._host.host import Host
    from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Source, Target
    from ansible_collections.virt.san.plugins.module_utils._pools.steps import Define, NoteStarted

    logical = kind == "logical"
    path = f"/dev/{POOL}" if logical else FOLDER
    pool = PoolDefinition(POOL, kind, Source(name=POOL if logical else None), Target(path), UUID)
    keeper = NativeKeeper(Host())
    keeper.perform(Define(pool))
    keeper.perform(NoteStarted(pool))
    virsh("pool-create-as", POOL, kind, "--target", path, *(("--source-name", POOL) if logical else ()))
    virsh("nodedev-list")  # once it answers, the daemon has looked at all devices


def virsh(*words: str) -> str:
    return run("virsh", "-q", *words)


def clean() -> None:
    """Take away what is there of all that, whatever it is."""
    quietly("systemctl", "start", "systemd-udevd.service")
    devices = run("losetup", "--list", "--noheadings", "--output", "NAME", "--associated", IMAGE).split()
    if devices:
        with without_udev():
            quietly("lvm", "vgchange", "--activate", "n", POOL, DM_DISABLE_UDEV="1")
    quietly("virsh", "pool-destroy", POOL)
    for device in devices:
        quietly("losetup", "--detach", device)
    forget()
    shutil.rmtree(FOLDER, ignore_errors=True)
    for path in (IMAGE, METADATA, *glob.glob(f"/etc/lvm/backup/{POOL}"), *glob.glob(f"/etc/lvm/archive/{POOL}_*")):
        if os.path.exists(path):
            os.unlink(path)


def forget() -> None:
    from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
    from ansible_collections.virt.san.plugins.module_utils._host.host import Host
    from ansible_collections.virt.san.plugins.module_utils._pools.steps import Undefine

    NativeKeeper(Host()).perform(Undefine(POOL))


def quietly(*words: str, **environment: str) -> None:
    subprocess.run(words, capture_output=True, check=False, env={**os.environ, **environment})


# Measured


def by_virsh() -> tuple[dict[str, float], list[str]]:
    """Refresh and list in one call; and one that asks for next to nothing, which is what the start takes."""
    start = timed(["virsh", "-q", "uri"])
    began = time.monotonic()
    told = virsh(f"pool-refresh {POOL}; vol-list {POOL} --details")
    seconds = time.monotonic() - began - start
    return {"virsh": seconds, "virsh start": start}, [line.split()[0] for line in told.splitlines() if line.strip()]


def by_module() -> tuple[dict[str, float], list[str]]:
    """Run the module in a process of its own, which says where its time went."""
    told = json.loads(run(sys.executable, __file__, "--module").splitlines()[-1])
    return {"module": told["seconds"], "module start": told["start"]}, told["names"]


def run_module() -> None:
    """What runs in that process: from main() on, with the answer written."""
    loading = time.monotonic()
    from ansible_collections.virt.san.plugins.modules.storage_pool_info import main

    answer, began, ended = answer_of(main, {"name": [POOL]})
    (pool,) = answer.get("pools") or [{}]
    if pool.get("volumes") is None or pool["problem"] is not None:
        raise SystemExit(json.dumps(answer))
    names = [volume["name"] for volume in pool["volumes"]]
    print(json.dumps({"seconds": ended - began, "start": began - loading, "names": names}))


def measure(kind: str, volumes: int) -> list[dict[str, float]]:
    """Return the times of each round, both taking turns. The first round only warms the caches."""
    clean()
    run("systemctl", "start", "libvirtd.socket")
    virsh("nodedev-list")  # starts the daemon before there are a thousand devices to look at
    {"dir": make_files, "logical": make_group}[kind](volumes)
    define(kind)
    wanted = [name_of(number) for number in range(volumes)]
    rounds = []
    for _round in range(ROUNDS + 1):
        told: dict[str, float] = {}
        for way in (by_virsh, by_module):
            taken, names = way()
            if sorted(names) != wanted:
                raise SystemExit(f"{way.__name__}: {len(names)} names, not those of the {volumes} volumes")
            told.update(taken)
        rounds.append(told)
    return rounds[1:]


if __name__ == "__main__":
    if sys.argv[1] == "--module":
        run_module()
    elif sys.argv[1] == "--clean":
        clean()
    else:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
