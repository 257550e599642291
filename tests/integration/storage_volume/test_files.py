# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that are files, in a folder and on NFS: made, grown, shrunk, in use, wiped, and removed."""

from __future__ import annotations

from typing import Any

import pytest

from ..conftest import HOSTS, Ansible, Lab
from ..playing import OPENS, QEMU, hold, let_go, one, play, shell, unit_of, volume
from ..test_storage_pool import ISOS, PLACE
from .staging import FOLDER, GROUP, KILL, MIB, judge, stages

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(2400), pytest.mark.usefixtures("folders")]

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
        hold("qemu", QEMU.format("qcow2"), f"{FOLDER}/guest"),
        hold("open", OPENS, f"{FOLDER}/open"),
        shell("loop", f"losetup -f {FOLDER}/loop"),
        *deletes,
        *small,
        volume("grow guest", pool="disks", name="guest", capacity="9M", may_fail=True),
        volume("grow open", pool="disks", name="open", capacity="9M"),
        let_go("let go", QEMU, OPENS),
        shell("no loop device", f"losetup -j {FOLDER}/loop | cut -d: -f1 | xargs losetup -d"),
        shell("gone", "udevadm settle"),
        volume("top gone", pool="disks", name="top", state="absent"),
        *(volume(f"{name} gone", pool="disks", name=name, state="absent") for name in names),
        hosts="kvm1",
    )
    says = {"guest": "guest qemu (pid ", "open": "python3 (pid ", "loop": "loop", "base": f"{FOLDER}/top would lose"}
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
        hold("qemu", QEMU.format("raw"), f"{nfs}/shared.raw"),
        hosts="kvm1",
    )
    refused = play(
        ansible, volume("delete", pool="isos", name="shared.raw", state="absent", may_fail=True), hosts="kvm2"
    )["kvm2"]
    lab.ssh("kvm1", f"systemctl stop {unit_of(QEMU)}")
    assert (refused["error"], "perhaps on another host" in refused["msg"]) == ("InUseError", True), refused
    gone = play(ansible, volume("gone", pool="isos", name="shared.raw", state="absent"), hosts="kvm2")["kvm2"]
    assert gone["changed"]


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
        shell("write behind", f"printf x | dd of={file} bs=1M seek=12 conv=notrunc status=none"),
        volume("on top", pool="disks", name="top", backing={"path": "fs", "format": "raw"}),
        volume("top too small", pool="disks", name="top", capacity="8M", allow_shrink=True, may_fail=True),
        volume("top gone", pool="disks", name="top", state="absent"),
        volume("gone", pool="disks", name="fs", state="absent"),
        hosts="kvm1",
    )
    assert f"reaches to byte {16 * MIB}" in one(run, "kvm1", "too small")["msg"]
    assert "its content reaches to byte" in one(run, "kvm1", "top too small")["msg"]
    assert "allow_shrink" in one(run, "kvm1", "not allowed")["msg"]
    assert one(run, "kvm1", "just so")["volume"]["capacity"] == 16 * MIB


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
