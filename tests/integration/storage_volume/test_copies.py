# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in volumes: copied from one to another, from files of the host and to them, killed meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..conftest import Ansible, Lab
from ..playing import OPENS, QEMU, hold, let_go, one, play, pool, shell, volume
from ..test_storage_pool import PLACE
from .staging import CLAIMS, DISKS, FOLDER, GROUP, KILL, LVS, MIB, judge, stages

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(2400), pytest.mark.usefixtures("folders", "group")]

COPIES: tuple[dict[str, Any], ...] = (
    {"pool": "disks", "name": "raw", "clone_from": {"path": "/var/lib/san-base.raw"}},
    {"pool": "disks", "name": "qcow2", "format": "qcow2", "capacity": "12M", "clone_from": {"path": "raw"}},
    {"pool": GROUP, "name": "linear", "capacity": "16M", "clone_from": {"path": f"{FOLDER}/qcow2"}},
    {"pool": GROUP, "name": "thin1", "thin_pool": "thin", "clone_from": {"path": f"/dev/{GROUP}/linear"}},
    {"pool": GROUP, "name": "thin2", "thin_pool": "thin", "capacity": "20M", "clone_from": {"path": "thin1"}},
    {"pool": GROUP, "name": "thin3", "thin_pool": "thin", "capacity": "16M", "clone_from": {"path": f"{FOLDER}/qcow2"}},
    {"pool": "disks", "name": "back", "format": "raw", "clone_from": {"path": f"/dev/{GROUP}/thin2"}},
)


def test_copies(lab: Lab, ansible: Ansible) -> None:
    """From a file through all formats and back: the content stays the same."""
    gone = [volume(f"{one['name']} gone", pool=one["pool"], name=one["name"], state="absent") for one in COPIES]
    run = play(
        ansible,
        shell("base", "head -c 8M /dev/urandom > /var/lib/san-base.raw"),
        *stages(*COPIES),
        shell("the same", f"cmp -n 8388608 /var/lib/san-base.raw {FOLDER}/back; stat -c %s {FOLDER}/back"),
        shell("the rest", f"tail -c +8388609 {FOLDER}/back | tr -d '\\0' | wc -c; rm /var/lib/san-base.raw"),
        shell("skipped", f"lvcreate -q -y -s -n skipped {GROUP}/thin1"),
        volume("not active", pool=GROUP, name="new", clone_from={"path": "skipped"}, may_fail=True),
        shell("skipped gone", f"lvremove -q -y {GROUP}/skipped"),
        hold("used", QEMU.format("qcow2"), f"{FOLDER}/qcow2"),
        volume("in use", pool="disks", name="new", clone_from={"path": "qcow2"}, may_fail=True),
        let_go("free", QEMU),
        *reversed(gone),
        hosts="kvm1",
    )
    judge(run, "kvm1", *COPIES)
    light = one(run, "kvm1", "5 run")["volume"]
    assert (light["name"], light["allocation"] < 10 * MIB) == ("thin3", True), light
    assert one(run, "kvm1", "the same")["stdout"] == str(20 * MIB)
    assert one(run, "kvm1", "the rest")["stdout"].strip() == "0"
    assert "skipped is not active" in one(run, "kvm1", "not active")["msg"]
    refused = one(run, "kvm1", "in use")
    assert (refused["error"], "may write to it" in refused["msg"]) == ("InUseError", True), refused
    assert lab.ssh("kvm1", f"ls -A {FOLDER}; lvs --noheadings -o lv_name {GROUP}").split() == ["thin"]


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


STOP = (
    f"for i in $(seq 1200); do ls {CLAIMS}/* >/dev/null 2>&1 && pkill -STOP '^san-p' && break; sleep 0.05; done;"
    f" cat {CLAIMS}/*"
)
"""Has a copy stand still for as long as it takes to see what others can do meanwhile; says whose it is."""


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
        hold("used", OPENS, f"/dev/{GROUP}/data"),
        shell("another", f"head -c 1M /dev/urandom > {file}"),
        volume("in use", **wanted[0], may_fail=True),
        let_go("free", OPENS),
        shell("cleared", f"rm {file} {copy}"),
        *(volume(f"{pool} gone", pool=pool, name="data", state="absent") for pool in (GROUP, "disks")),
        hosts="kvm1",
    )
    judge(run, "kvm1", *wanted[:2])
    told = one(run, "kvm1", "1 run")["transfer"]
    assert told["bytes"] == 12 * MIB
    assert told["checksum"] == f"sha256:{one(run, 'kvm1', 'compare')['stdout'].split()[0]}"
    assert one(run, "kvm1", "upload again")["changed"] is False
    refused = one(run, "kvm1", "in use")
    assert (refused["error"], "python3 (pid " in refused["msg"]) == ("InUseError", True), refused
