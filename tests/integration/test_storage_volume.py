# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes on real machines: files in a folder and on NFS, logical volumes; made, grown, shrunk, in use, and removed.

Several tasks are run by one playbook: each run of Ansible costs seconds on an emulated machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab
from .playing import Task, one, play, pool, shell, volume
from .test_storage_pool import ISOS, PLACE

pytestmark = [pytest.mark.lab, pytest.mark.timeout(2400)]

FOLDER = f"{PLACE}/disks"
DISKS: dict[str, Any] = {"name": "disks", "type": "dir", "target": {"path": FOLDER}}
GROUP = "sanvols"
LOOP = "/dev/loop7"
LVS: dict[str, Any] = {"name": GROUP, "type": "logical"}
MAKE_GROUP = (
    f"truncate -s 512M /var/lib/{GROUP}.img && losetup {LOOP} /var/lib/{GROUP}.img"
    f" && vgcreate -q {GROUP} {LOOP} && lvcreate -q -y --type thin-pool -L 64M -n thin {GROUP}"
)
DROP_GROUP = (
    f"vgchange -qan {GROUP}; vgremove -qff -y {GROUP}; pvremove -q -y {LOOP}; losetup -d {LOOP};"
    f" rm -f /var/lib/{GROUP}.img; true"
)
MIB = 2**20
COMPARED = ("name", "path", "format", "capacity", "backing", "mode", "owner", "group", "thin_pool")


def stages(*wanted: dict[str, Any]) -> list[Task]:
    """Return three tasks for each stage: looked at, done, and done again."""
    return [
        volume(f"{number} {what}", check=what == "check", **options)
        for number, options in enumerate(wanted)
        for what in ("check", "run", "again")
    ]


def judge(run: Any, host: str, *wanted: dict[str, Any]) -> None:
    """What check mode and its diff say is what is done, and the second time there is nothing to do."""
    for number, options in enumerate(wanted):
        check, done, again = (one(run, host, f"{number} {what}") for what in ("check", "run", "again"))
        assert (check["changed"], done["changed"], again["changed"]) == (True, True, False), (host, options)
        assert check["steps"] == done["steps"]
        assert again["steps"] == []
        assert check["diff"]["before"] == done["diff"]["before"]
        told, made = (each["diff"]["after"]["volume"] for each in (check, done))
        if options.get("state") == "absent":
            assert told is made is None
            continue
        assert {key: value for key, value in told.items() if value is not None}.items() <= made.items(), options
        assert {key: again["volume"][key] for key in COMPARED} == {key: done["volume"][key] for key in COMPARED}


@pytest.fixture(scope="module", autouse=True)
def pools(lab: Lab, ansible: Ansible) -> Iterator[None]:
    lab.ssh("array", "exportfs -ra")
    play(ansible, pool("folder", **DISKS, state="active"), pool("export", **ISOS, state="active"))
    yield
    play(
        ansible,
        pool("folder gone", name="disks", state="absent", delete_contents=True),
        pool("export gone", name="isos", state="absent", delete_contents=True),
    )
    for host in HOSTS:
        lab.ssh(host, f"rm -rf {PLACE}")


@pytest.fixture(scope="module")
def group(lab: Lab, ansible: Ansible) -> Iterator[None]:
    for host in HOSTS:
        lab.ssh(host, f"{DROP_GROUP}; {MAKE_GROUP}")
    play(ansible, pool("group", **LVS, state="active"))
    yield
    play(ansible, pool("group gone", name=GROUP, state="absent"))
    for host in HOSTS:
        lab.ssh(host, DROP_GROUP)


FILE_STAGES: tuple[dict[str, Any], ...] = (
    {"pool": "disks", "name": "a.raw", "capacity": "1000000", "format": "raw"},
    {"pool": "disks", "name": "a.raw", "capacity": "8M", "allocation": "full"},
    {"pool": "disks", "name": "a.raw", "permissions": {"mode": "0640", "group": "libvirt-qemu"}},
    {"pool": "disks", "name": "a.raw", "capacity": "1M", "allow_shrink": True},
    {"pool": "disks", "name": "base.qcow2", "capacity": "16M", "format": "qcow2"},
    {"pool": "disks", "name": "top.qcow2", "backing": {"path": "base.qcow2"}},
    {"pool": "disks", "name": "top.qcow2", "capacity": "20000000"},
    {"pool": "disks", "name": "top.qcow2", "state": "absent"},
    {"pool": "disks", "name": "base.qcow2", "capacity": "4M", "allow_shrink": True},
    {"pool": "disks", "name": "full.qcow2", "capacity": "8M", "format": "qcow2", "allocation": "full"},
    *({"pool": "disks", "name": name, "state": "absent"} for name in ("a.raw", "base.qcow2", "full.qcow2")),
)


@pytest.mark.full
def test_files(lab: Lab, ansible: Ansible) -> None:
    tasks = stages(*FILE_STAGES)
    look = shell("look", f"cd {FOLDER}; stat -c '%a %G %s' a.raw; qemu-img info --output=json -U top.qcow2")
    run = play(ansible, *tasks[:21], look, *tasks[21:])
    for host in HOSTS:
        judge(run, host, *FILE_STAGES)
        first, *rest = one(run, host, "look")["stdout"].splitlines()
        assert first == f"640 libvirt-qemu {MIB}"
        assert '"virtual-size": 20000256' in "".join(rest)
        assert f"{FOLDER}/base.qcow2" in "".join(rest)
        assert lab.ssh(host, f"ls -A {FOLDER}") == ""


HOLD = "cd / && (setsid {} </dev/null >/dev/null 2>&1 &) && sleep 2"


@pytest.mark.full
def test_in_use_they_stay(lab: Lab, ansible: Ansible) -> None:
    """Open by QEMU, open by any process, under a loop device, read by another volume; a guest on another host."""
    nfs = ISOS["target"]["path"]
    names = {"guest": "qcow2", "open": "raw", "loop": "raw", "base": "qcow2"}
    deletes = [volume(f"delete {name}", pool="disks", name=name, state="absent", may_fail=True) for name in names]
    small = [
        volume(f"shrink {name}", pool="disks", name=name, capacity="1M", allow_shrink=True, may_fail=True)
        for name in names
    ]
    run = play(
        ansible,
        *(volume(name, pool="disks", name=name, capacity="8M", format=form) for name, form in names.items()),
        volume("top", pool="disks", name="top", backing={"path": "base"}),
        shell("qemu", HOLD.format(f"qemu-io -f qcow2 -c 'sleep 600000' {FOLDER}/guest")),
        shell("open", HOLD.format(f"tail -f {FOLDER}/open")),
        shell("loop", f"losetup -f {FOLDER}/loop"),
        *deletes,
        *small,
        volume("grow guest", pool="disks", name="guest", capacity="9M", may_fail=True),
        volume("grow open", pool="disks", name="open", capacity="9M"),
        shell("let go", f"pkill -x qemu-io; pkill -x tail; losetup -j {FOLDER}/loop | cut -d: -f1 | xargs losetup -d"),
        shell("gone", "udevadm settle"),
        volume("top gone", pool="disks", name="top", state="absent"),
        *(volume(f"{name} gone", pool="disks", name=name, state="absent") for name in names),
        hosts="kvm1",
    )
    says = {"guest": "guest qemu (pid ", "open": "tail (pid ", "loop": "loop", "base": f"{FOLDER}/top would lose"}
    for name, who in says.items():
        for what in ("delete", "shrink"):
            refused = one(run, "kvm1", f"{what} {name}")
            assert (refused["error"], who in refused["msg"]) == ("InUseError", True), refused
    assert one(run, "kvm1", "grow guest")["error"] == "InUseError"
    assert "has it open" in one(run, "kvm1", "grow open")["warnings"][0]
    assert lab.ssh("kvm1", f"ls -A {FOLDER}") == ""
    play(
        ansible,
        volume("shared", pool="isos", name="shared.raw", capacity="1M"),
        shell("qemu", HOLD.format(f"qemu-io -f raw -c 'sleep 600000' {nfs}/shared.raw")),
        hosts="kvm1",
    )
    refused = play(
        ansible, volume("delete", pool="isos", name="shared.raw", state="absent", may_fail=True), hosts="kvm2"
    )["kvm2"]
    lab.ssh("kvm1", "pkill -x qemu-io; sleep 1")
    assert (refused["error"], "perhaps on another host" in refused["msg"]) == ("InUseError", True), refused
    gone = play(ansible, volume("gone", pool="isos", name="shared.raw", state="absent"), hosts="kvm2")["kvm2"]
    assert gone["changed"]


@pytest.mark.full
def test_never_below_what_they_hold(ansible: Ansible) -> None:
    file = f"{FOLDER}/fs"
    run = play(
        ansible,
        volume("make", pool="disks", name="fs", capacity="32M"),
        shell("fill", f"mkfs.ext4 -q -F {file} 16M"),
        volume("too small", pool="disks", name="fs", capacity="15M", allow_shrink=True, may_fail=True),
        volume("not allowed", pool="disks", name="fs", capacity="16M", may_fail=True),
        volume("just so", pool="disks", name="fs", capacity="16M", allow_shrink=True),
        shell("check", f"e2fsck -fn {file}"),
        volume("gone", pool="disks", name="fs", state="absent"),
        hosts="kvm1",
    )
    assert f"reaches to byte {16 * MIB}" in one(run, "kvm1", "too small")["msg"]
    assert "allow_shrink" in one(run, "kvm1", "not allowed")["msg"]
    assert one(run, "kvm1", "just so")["volume"]["capacity"] == 16 * MIB


CLAIMS = "/run/virt-san-copies"
HOLDERS = f"sed -n 's/.*\"pid\": \\([0-9]*\\).*volume.*/\\1/p' /run/virt-san.lock {CLAIMS}/* 2>/dev/null"
KILL = (
    f"for i in $(seq 600); do for P in $({HOLDERS}); do [ -d /proc/$P ] && break 2; done; sleep 0.05; done;"
    " sleep {delay}; kill -9 $P; pkill -9 '^san-p'; pkill -9 -x qemu-img; sleep 0.2; true"
)
"""Kills the module that holds the lock, or has let go of it for long work, and what it has started."""


@pytest.mark.full
def test_killed_at_any_moment(lab: Lab, ansible: Ansible) -> None:
    """The folder has the volume or has it not; whatever a killed run has left is gone after the next one."""
    options = {"pool": "disks", "name": "a", "capacity": "64M", "format": "qcow2"}
    for delay in (0.0, 0.3, 0.6):
        wait = ansible.start_module("kvm1", "storage_volume", **options, allocation="full")
        lab.ssh("kvm1", KILL.format(delay=delay))
        wait()
        names = set(lab.ssh("kvm1", f"ls -A {FOLDER}").split())
        assert all(name == "a" or name.endswith(".virt-san") for name in names), names
        again = ansible.module("kvm1", "storage_volume", **options)
        assert again["kvm1"]["volume"]["capacity"] == 64 * MIB
        ansible.module("kvm1", "storage_volume", pool="disks", name="a", state="absent")
        assert lab.ssh("kvm1", f"ls -A {FOLDER}") == ""


LV_STAGES: tuple[dict[str, Any], ...] = (
    {"pool": GROUP, "name": "data", "capacity": "10000000"},
    {"pool": GROUP, "name": "data", "capacity": "33M"},
    {"pool": GROUP, "name": "data", "capacity": "16M", "allow_shrink": True},
    {"pool": GROUP, "name": "half", "capacity": "50%FREE"},
    {"pool": GROUP, "name": "half", "state": "absent"},
    {"pool": GROUP, "name": "light", "capacity": "1G", "allocation": "sparse"},
    {"pool": GROUP, "name": "light", "capacity": "2G", "thin_pool": "thin"},
    {"pool": GROUP, "name": "light", "state": "absent"},
    {"pool": GROUP, "name": "data", "state": "absent"},
)


@pytest.mark.full
@pytest.mark.usefixtures("group")
def test_logical_volumes(ansible: Ansible) -> None:
    run = play(ansible, *stages(*LV_STAGES))
    for host in HOSTS:
        judge(run, host, *LV_STAGES)
        sizes = [one(run, host, f"{number} run")["volume"]["capacity"] for number in (0, 1, 2)]
        assert sizes == [12 * MIB, 36 * MIB, 16 * MIB]
        light = one(run, host, "5 run")["volume"]
        assert (light["thin_pool"], light["capacity"], light["allocation"] < MIB) == ("thin", 1024 * MIB, True)


@pytest.mark.full
@pytest.mark.usefixtures("group")
def test_logical_volumes_in_use_stay(ansible: Ansible) -> None:
    device = f"/dev/{GROUP}/data"
    run = play(
        ansible,
        volume("make", pool=GROUP, name="data", capacity="32M"),
        shell("mounted", f"mkfs.ext4 -q {device} && mount {device} /mnt"),
        volume("mounted: delete", pool=GROUP, name="data", state="absent", may_fail=True),
        volume("mounted: shrink", pool=GROUP, name="data", capacity="8M", allow_shrink=True, may_fail=True),
        volume("mounted: grow", pool=GROUP, name="data", capacity="40M"),
        shell("unmounted", "umount /mnt"),
        volume("below the file system", pool=GROUP, name="data", capacity="8M", allow_shrink=True, may_fail=True),
        shell("open", HOLD.format(f"tail -f {device}")),
        volume("open: delete", pool=GROUP, name="data", state="absent", may_fail=True),
        shell("closed", "pkill -x tail; sleep 1"),
        shell("snapshot", f"lvcreate -q -y -s -L 8M -n snap {GROUP}/data"),
        volume("origin: delete", pool=GROUP, name="data", state="absent", may_fail=True),
        shell("no snapshot", f"lvremove -q -y {GROUP}/snap"),
        volume("taken", pool=GROUP, name="thin", capacity="8M", may_fail=True),
        volume("full", pool=GROUP, name="huge", capacity="1T", may_fail=True),
        volume("gone", pool=GROUP, name="data", state="absent"),
        hosts="kvm1",
    )
    says = {
        "mounted: delete": "mount /mnt",
        "mounted: shrink": "mount /mnt",
        "below the file system": f"reaches to byte {32 * MIB}",
        "open: delete": "tail (pid ",
        "origin: delete": "snapshot snap",
        "taken": "is a thin pool",
        "full": "too full",
    }
    for title, why in says.items():
        assert why in one(run, "kvm1", title)["msg"], title
    assert "mount /mnt has it open" in one(run, "kvm1", "mounted: grow")["warnings"][0]
    assert one(run, "kvm1", "gone")["changed"]


COPIES: tuple[dict[str, Any], ...] = (
    {"pool": "disks", "name": "raw", "clone_from": {"path": "/var/lib/san-base.raw"}},
    {"pool": "disks", "name": "qcow2", "format": "qcow2", "capacity": "12M", "clone_from": {"path": "raw"}},
    {"pool": GROUP, "name": "linear", "capacity": "16M", "clone_from": {"path": f"{FOLDER}/qcow2"}},
    {"pool": GROUP, "name": "thin1", "thin_pool": "thin", "clone_from": {"path": f"/dev/{GROUP}/linear"}},
    {"pool": GROUP, "name": "thin2", "thin_pool": "thin", "capacity": "20M", "clone_from": {"path": "thin1"}},
    {"pool": "disks", "name": "back", "format": "raw", "clone_from": {"path": f"/dev/{GROUP}/thin2"}},
)


@pytest.mark.full
@pytest.mark.usefixtures("group")
def test_copies(lab: Lab, ansible: Ansible) -> None:
    """From a file through all formats and back: the content stays the same."""
    gone = [volume(f"{one['name']} gone", pool=one["pool"], name=one["name"], state="absent") for one in COPIES]
    run = play(
        ansible,
        shell("base", "head -c 8M /dev/urandom > /var/lib/san-base.raw"),
        *stages(*COPIES),
        shell("the same", f"cmp -n 8388608 /var/lib/san-base.raw {FOLDER}/back; stat -c %s {FOLDER}/back"),
        shell("the rest", f"tail -c +8388609 {FOLDER}/back | tr -d '\\0' | wc -c; rm /var/lib/san-base.raw"),
        shell("used", HOLD.format(f"qemu-io -f qcow2 -c 'sleep 600000' {FOLDER}/qcow2")),
        volume("in use", pool="disks", name="new", clone_from={"path": "qcow2"}, may_fail=True),
        shell("free", "pkill -x qemu-io; sleep 1"),
        *reversed(gone),
        hosts="kvm1",
    )
    judge(run, "kvm1", *COPIES)
    assert one(run, "kvm1", "the same")["stdout"] == str(20 * MIB)
    assert one(run, "kvm1", "the rest")["stdout"].strip() == "0"
    refused = one(run, "kvm1", "in use")
    assert (refused["error"], "may write to it" in refused["msg"]) == ("InUseError", True), refused
    assert lab.ssh("kvm1", f"ls -A {FOLDER}; lvs --noheadings -o lv_name {GROUP}").split() == ["thin"]


@pytest.mark.full
@pytest.mark.usefixtures("group")
def test_a_copy_that_is_killed_is_made_again(lab: Lab, ansible: Ansible) -> None:
    lab.ssh("kvm1", "head -c 200M /dev/urandom > /var/lib/san-base.raw")
    options = {"pool": GROUP, "name": "copy", "clone_from": {"path": "/var/lib/san-base.raw"}}
    wait = ansible.start_module("kvm1", "storage_volume", **options)
    lab.ssh(
        "kvm1",
        f"for i in $(seq 1200); do [ -e /dev/{GROUP}/copy ] && break; sleep 0.05; done; " + KILL.format(delay=0),
    )
    wait()
    told = play(ansible, {"name": "look", "virt.san.storage_pool_info": {"name": [GROUP]}}, hosts="kvm1")["kvm1"]
    (half,) = [entry for entry in told["pools"][0]["volumes"] if entry["name"] == "copy"]
    assert "has not finished making it" in half["problem"]
    again = ansible.module("kvm1", "storage_volume", **options)["kvm1"]
    assert "what a killed run has left" in again["steps"][0]
    assert again["volume"]["problem"] is None
    lab.ssh("kvm1", f"cmp -n 209715200 /var/lib/san-base.raw /dev/{GROUP}/copy && rm /var/lib/san-base.raw")
    assert ansible.module("kvm1", "storage_volume", **options)["kvm1"]["changed"] is False
    ansible.module("kvm1", "storage_volume", pool=GROUP, name="copy", state="absent")


SNAPSHOTS: tuple[dict[str, Any], ...] = (
    {"pool": GROUP, "name": "snap", "snapshot_of": "data", "capacity": "4M"},
    {"pool": GROUP, "name": "snap", "snapshot_of": "data", "capacity": "8M"},
    {"pool": GROUP, "name": "snap-light", "snapshot_of": "light"},
    {"pool": GROUP, "name": "all", "snapshot_of": "data", "capacity": "1G"},
    {"pool": GROUP, "name": "copy", "clone_from": {"path": "snap"}},
    *({"pool": GROUP, "name": name, "state": "absent"} for name in ("snap", "all", "copy", "data")),
    *({"pool": GROUP, "name": name, "state": "absent"} for name in ("light", "snap-light")),
)
OLD, SAVED = "/var/lib/san-old", "/var/lib/san-saved"
OVERWRITE = "dd if=/dev/zero of=/dev/{}/{} bs=1M count={} oflag=direct conv=notrunc status=none"


@pytest.mark.full
@pytest.mark.usefixtures("group")
def test_snapshots(lab: Lab, ansible: Ansible) -> None:
    """Of volumes in use, which are written to then: the snapshots have the old content until they run full."""
    tasks = stages(*SNAPSHOTS)
    copies = " ".join(f"/dev/{GROUP}/{name}" for name in ("snap", "snap-light", "all", "copy"))
    fill = " && ".join(
        f"dd if={OLD} of=/dev/{GROUP}/{name} bs=1M oflag=direct status=none" for name in ("data", "light")
    )
    run = play(
        ansible,
        volume("make data", pool=GROUP, name="data", capacity="16M"),
        volume("make light", pool=GROUP, name="light", capacity="16M", thin_pool="thin"),
        shell("fill", f"head -c 16M /dev/urandom > {OLD} && {fill}"),
        shell("used", HOLD.format(f"tail -f /dev/{GROUP}/data /dev/{GROUP}/light")),
        *tasks[:12],
        shell("overwrite", " && ".join(OVERWRITE.format(GROUP, name, 2) for name in ("data", "light"))),
        *tasks[12:15],
        shell("compare", f"sync; for i in {copies}; do cmp {OLD} $i && echo same; done"),
        shell("origins", f"for i in data light; do cmp -s {OLD} /dev/{GROUP}/$i || echo other; done"),
        volume("saved", pool=GROUP, name="snap", download_to=SAVED),
        shell("compare saved", f"cmp {OLD} {SAVED} && stat -c %s {SAVED}"),
        volume("another origin", pool=GROUP, name="snap", snapshot_of="light", may_fail=True),
        volume("no snapshot", pool=GROUP, name="copy", snapshot_of="data", capacity="4M", may_fail=True),
        volume("of a snapshot", pool=GROUP, name="new", snapshot_of="snap", capacity="4M", may_fail=True),
        volume("without space", pool=GROUP, name="new", snapshot_of="data", may_fail=True),
        volume("thin with space", pool=GROUP, name="new", snapshot_of="light", capacity="4M", may_fail=True),
        volume("in a folder", pool="disks", name="new", snapshot_of="data", may_fail=True),
        volume("two at once", pool=GROUP, name="new", snapshot_of="data", format="raw", may_fail=True),
        volume("grow the origin", pool=GROUP, name="data", capacity="20M", may_fail=True),
        volume("wipe", pool=GROUP, name="snap", state="absent", wipe="zero", may_fail=True),
        shell("free", "pkill -x tail; sleep 1; udevadm settle"),
        volume("delete the origin", pool=GROUP, name="data", state="absent", may_fail=True),
        shell("run full", f"{OVERWRITE.format(GROUP, 'data', 12)}; sync"),
        {"name": "look", "virt.san.storage_pool_info": {"name": [GROUP]}},
        volume("full", **SNAPSHOTS[1], may_fail=True),
        shell("still there", f"cmp {OLD} /dev/{GROUP}/all && rm {OLD} {SAVED}"),
        *tasks[15:],
    )
    says = {
        "another origin": "is a snapshot of data, not a snapshot of light",
        "no snapshot": "is linear, not a snapshot of data",
        "of a snapshot": "is a snapshot itself, of data",
        "without space": "capacity: data is not thin",
        "thin with space": "capacity: light is thin",
        "in a folder": "are files",
        "two at once": "mutually exclusive",
        "grow the origin": "has snapshots",
        "wipe": "cannot be wiped",
        "delete the origin": "would lose what it reads",
        "full": "has run full",
    }
    for host in HOSTS:
        judge(run, host, *SNAPSHOTS)
        assert one(run, host, "compare")["stdout"].split() == ["same"] * 4
        assert one(run, host, "origins")["stdout"].split() == ["other"] * 2
        assert one(run, host, "compare saved")["stdout"] == str(16 * MIB)
        made = [one(run, host, f"{number} run")["volume"] for number in range(5)]
        assert [told["capacity"] for told in made] == [size * MIB for size in (4, 8, 16, 20, 16)]
        assert [told["snapshot_of"] for told in made] == ["data", "data", "light", "data", None]
        assert [told["thin_pool"] for told in made] == [None, None, "thin", None, None]
        for title, why in says.items():
            assert why in one(run, host, title)["msg"], title
        problems = {told["name"]: told["problem"] for told in one(run, host, "look")["pools"][0]["volumes"]}
        assert "has run full" in problems.pop("snap")
        assert set(problems.values()) == {None}
        assert lab.ssh(host, f"lvs --noheadings -o lv_name {GROUP}").split() == ["thin"]


STOP = (
    f"for i in $(seq 1200); do ls {CLAIMS}/* >/dev/null 2>&1 && pkill -STOP '^san-p' && break; sleep 0.05; done;"
    f" cat {CLAIMS}/*"
)
"""Has a copy stand still for as long as it takes to see what others can do meanwhile; says whose it is."""


@pytest.mark.full
@pytest.mark.usefixtures("group")
def test_while_one_is_copied_others_go_on(lab: Lab, ansible: Ansible) -> None:
    """Nobody waits for a copy but who asks for the same volume, its source, or a pool that one of them is in."""
    lab.ssh("kvm1", f"rm -f {CLAIMS}/*; head -c 200M /dev/urandom > {FOLDER}/base")
    copy = {"pool": GROUP, "name": "copy", "clone_from": {"path": f"{FOLDER}/base"}}
    wait = ansible.start_module("kvm1", "storage_volume", **copy, timeout=1800)
    claim = json.loads(lab.ssh("kvm1", STOP))
    try:
        run = play(
            ansible,
            volume("same pool", pool=GROUP, name="other", capacity="8M"),
            volume("other pool", pool="disks", name="other", capacity="1M"),
            volume("as it is", pool="disks", name="base", capacity="200M"),
            pool("new pool", name="more", type="dir", target={"path": f"{PLACE}/more"}, state="active"),
            {"name": "look", "virt.san.storage_pool_info": {"name": [GROUP]}},
            volume("made", **copy, timeout=1, may_fail=True),
            volume("checked", **copy, timeout=1, check=True, may_fail=True),
            volume("removed", pool=GROUP, name="copy", state="absent", timeout=1, may_fail=True),
            volume("source removed", pool="disks", name="base", state="absent", timeout=1, may_fail=True),
            volume("source grown", pool="disks", name="base", capacity="300M", timeout=1, may_fail=True),
            pool("stopped", **LVS, state="inactive", may_fail=True),
            pool("source stopped", **DISKS, state="inactive", may_fail=True),
            pool("source deleted", **DISKS, state="absent", delete_contents=True, may_fail=True),
            hosts="kvm1",
        )
    finally:
        lab.ssh("kvm1", "pkill -CONT '^san-p'; true")
    done = wait()["kvm1"]
    assert done["changed"], done
    assert done["volume"]["problem"] is None
    for title in ("same pool", "other pool", "new pool"):
        assert one(run, "kvm1", title)["changed"], title
    assert one(run, "kvm1", "as it is")["changed"] is False
    (half,) = [entry for entry in one(run, "kvm1", "look")["pools"][0]["volumes"] if entry["name"] == "copy"]
    assert "still being made" in half["problem"]
    by = f"by pid {claim['pid']} (volume copy of pool {GROUP})"
    says = dict.fromkeys(("made", "checked", "removed"), f"/dev/{GROUP}/copy is being written {by}")
    says.update({f"source {what}": f"{FOLDER}/base is being copied {by}" for what in ("removed", "grown")})
    whose = f"being copied: volume copy of pool {GROUP} (pid {claim['pid']})"
    says.update(dict.fromkeys(("stopped", "source stopped", "source deleted"), whose))
    for title, why in says.items():
        refused = one(run, "kvm1", title)
        assert (refused["error"], why in refused["msg"]) == ("InUseError", True), (title, refused)
    lab.ssh("kvm1", f"cmp -n 209715200 {FOLDER}/base /dev/{GROUP}/copy")
    assert lab.ssh("kvm1", f"ls -A {CLAIMS}") == ""
    again = play(
        ansible,
        volume("again", **copy),
        *(volume(f"{name} gone", pool=GROUP, name=name, state="absent") for name in ("copy", "other")),
        *(volume(f"file {name} gone", pool="disks", name=name, state="absent") for name in ("base", "other")),
        pool("more gone", name="more", state="absent", delete_contents=True),
        hosts="kvm1",
    )
    assert one(again, "kvm1", "again")["changed"] is False


@pytest.mark.full
@pytest.mark.usefixtures("group")
def test_files_of_the_host(ansible: Ansible) -> None:
    file, copy = "/var/lib/san-file", "/var/lib/san-copy"
    wanted: tuple[dict[str, Any], ...] = (
        {"pool": GROUP, "name": "data", "upload_from": file},
        {"pool": GROUP, "name": "data", "download_to": copy},
        {"pool": "disks", "name": "data", "capacity": "20M", "upload_from": copy},
    )
    run = play(
        ansible,
        shell("file", f"head -c 10M /dev/urandom > {file}"),
        *stages(*wanted[:2]),
        shell("compare", f"cmp -n 10485760 {file} {copy}; sha256sum {copy}"),
        {**volume("upload", **wanted[2]), "async": 120, "poll": 2},
        volume("upload again", **wanted[2]),
        shell("used", HOLD.format(f"tail -f /dev/{GROUP}/data")),
        shell("another", f"head -c 1M /dev/urandom > {file}"),
        volume("in use", **wanted[0], may_fail=True),
        shell("free", f"pkill -x tail; sleep 1; rm {file} {copy}"),
        *(volume(f"{pool} gone", pool=pool, name="data", state="absent") for pool in (GROUP, "disks")),
        hosts="kvm1",
    )
    judge(run, "kvm1", *wanted[:2])
    told = one(run, "kvm1", "1 run")["transfer"]
    assert told["bytes"] == 12 * MIB
    assert told["checksum"] == f"sha256:{one(run, 'kvm1', 'compare')['stdout'].split()[0]}"
    assert one(run, "kvm1", "upload again")["changed"] is False
    refused = one(run, "kvm1", "in use")
    assert (refused["error"], "tail (pid " in refused["msg"]) == ("InUseError", True), refused


@pytest.mark.full
@pytest.mark.usefixtures("group")
def test_wiped_before_they_go(ansible: Ansible) -> None:
    """Nothing of what they held is found below: in the space of the volume group, in the blocks of a file."""
    secret = 'python3 -c \'print("TOP-" + "SECRET")\''
    run = play(
        ansible,
        *(volume(f"make {pool}", pool=pool, name="keys", capacity="8M") for pool in (GROUP, "disks")),
        shell("write", f"{secret} > /dev/{GROUP}/keys; {secret} > {FOLDER}/keys; sync; ln {FOLDER}/keys {PLACE}/kept"),
        *(volume(f"wipe {pool}", pool=pool, name="keys", state="absent", wipe="zero") for pool in (GROUP, "disks")),
        shell("look", f"sync; grep -c TOP-S''ECRET /var/lib/{GROUP}.img {PLACE}/kept; rm {PLACE}/kept"),
        volume("again", pool=GROUP, name="keys", state="absent", wipe="zero"),
        volume("trim", pool="disks", name="keys", capacity="8M"),
        volume("trimmed", pool="disks", name="keys", state="absent", wipe="discard"),
        hosts="kvm1",
    )
    assert len(one(run, "kvm1", f"wipe {GROUP}")["steps"]) >= 2
    assert [line.rpartition(":")[2] for line in one(run, "kvm1", "look")["stdout"].splitlines()] == ["0", "0"]
    assert (one(run, "kvm1", "again")["changed"], one(run, "kvm1", "trimmed")["changed"]) == (False, True)


MANY = 1000
MAKE_MANY = f"""
cd {FOLDER} && qemu-img create -q -f qcow2 -b /dev/null -F raw v 1G && python3 -c '
data = open("v", "rb").read()
for number in range({MANY}):
    open(f"v{{number}}", "wb").write(data)
' && rm v
"""


@pytest.mark.full
@pytest.mark.usefixtures("group")
def test_what_there_is(lab: Lab, ansible: Ansible) -> None:
    """A thousand images, told by their headers; a volume group with its PVs; as LVM itself tells."""
    run = play(
        ansible,
        volume("thin", pool=GROUP, name="light", capacity="1G", allocation="sparse"),
        volume("linear", pool=GROUP, name="data", capacity="8M"),
        shell("many", MAKE_MANY),
        {"name": "look", "virt.san.storage_pool_info": {}},
        {"name": "one", "virt.san.storage_pool_info": {"name": [GROUP], "volumes": False}},
        shell("lvm", f"lvs --noheadings --units b --nosuffix --separator , -o lv_uuid,lv_path,lv_size {GROUP}"),
        shell("pvs", f"pvs --noheadings --units b --nosuffix --separator , -o pv_uuid,pv_name,pv_size {LOOP}"),
        *(volume(f"{name} gone", pool=GROUP, name=name, state="absent") for name in ("light", "data")),
        shell("fewer", f"find {FOLDER} -type f -delete"),
    )
    for host in HOSTS:
        found = {entry["name"]: entry for entry in one(run, host, "look")["pools"]}
        assert set(found) >= {"disks", "isos", GROUP}
        assert [found[name]["problem"] for name in ("disks", "isos", GROUP)] == [None] * 3
        disks = found["disks"]["volumes"]
        assert len(disks) == MANY
        assert {(disk["capacity"], disk["format"], disk["backing"]["path"]) for disk in disks} == {
            (1024 * MIB, "qcow2", "/dev/null")
        }
        rows = {row.split(",")[0].strip(): row.split(",")[1:] for row in one(run, host, "lvm")["stdout"].splitlines()}
        lvs = {entry["key"]: [entry["path"], str(entry["capacity"])] for entry in found[GROUP]["volumes"]}
        assert {name for name, _size in lvs.values()} == {f"/dev/{GROUP}/light", f"/dev/{GROUP}/data"}
        assert all(rows[key] == told for key, told in lvs.items())
        (source,) = found[GROUP]["sources"]
        assert [source["uuid"], source["path"], str(source["size"])] == [
            word.strip() for word in one(run, host, "pvs")["stdout"].split(",")
        ]
        (alone,) = one(run, host, "one")["pools"]
        assert (alone["name"], alone["volumes"], alone["capacity"]) == (GROUP, None, found[GROUP]["capacity"])
        assert lab.ssh(host, f"ls -A {FOLDER}") == ""
