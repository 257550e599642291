# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking for LUNs on real kernels: both Debian releases, two fabrics, iSCSI, and what goes wrong there.

The tests tell one story and build on each other: each run of Ansible costs half a minute on an emulated machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab

pytestmark = pytest.mark.lab

MIB = 2**20


def addresses(lab: Lab, host: str) -> set[str]:
    """SCSI addresses of all disks, by the kernel's own word."""
    return set(lab.ssh(host, "for d in /sys/block/sd*; do basename $(readlink -f $d/device); done").split())


def numbers(lab: Lab, host: str) -> list[int]:
    return sorted(int(address.split(":")[3]) for address in addresses(lab, host) if ":" in address)


def fields(result: dict[str, Any], key: str, field: str) -> list[Any]:
    return [one[field] for one in result[key]]


@pytest.fixture(scope="module")
def luns(lab: Lab) -> dict[int, str]:
    """LUNs 0, 27, 28 and 300 on both hosts, and 99, which nobody asks for."""
    numbers = (0, 27, 28, 99, 300)
    wwids = lab.provide_all({f"lun{number}": number for number in numbers})
    return {number: wwids[f"lun{number}"] for number in numbers}


def test_check_mode_says_what_would_be_done(lab: Lab, ansible: Ansible, luns: dict[int, str]) -> None:
    before = {host: lab.devices(host) for host in HOSTS}
    run = ansible.module("kvm", "scsi_rescan", flags=("--check",), expect={"luns": [27, 300]})
    for host in HOSTS:
        assert run[host]["changed"]
        assert fields(run[host], "missing", "lun") == [27, 300]
        assert len([line for line in run[host]["scans"] if "LUN 27 of" in line]) == 2
    assert luns
    assert {host: lab.devices(host) for host in HOSTS} == before


def test_luns_come_over_both_fabrics_and_no_other(lab: Lab, ansible: Ansible, luns: dict[int, str]) -> None:
    expect = {"luns": [0, 27, 28, 300], "paths": 2, "count": 4, "wwids": [luns[27]], "sizes": {"28": "64M"}}
    run = ansible.module("kvm", "scsi_rescan", expect=expect)
    for host in HOSTS:
        assert numbers(lab, host) == [0, 0, 27, 27, 28, 28, 300, 300]
        assert sorted(fields(run[host], "appeared", "lun")) == [0, 0, 27, 27, 28, 28, 300, 300]
        assert {unit["wwid"] for unit in run[host]["luns"]} == {luns[number] for number in (0, 27, 28, 300)}
        assert [one["stuck"] for one in run[host]["hosts"]] == [None, None]


def test_a_second_run_changes_nothing_and_a_placeholder_gives_way(
    lab: Lab, ansible: Ansible, luns: dict[int, str]
) -> None:
    """On one host LUN 0 has a device but no disk, as where a real LUN 0 is mapped behind a placeholder."""
    lab.ssh("kvm1", "cd /sys/bus/scsi/drivers/sd; for d in *:0:0:0; do echo $d > unbind; done")
    assert 0 not in numbers(lab, "kvm1")
    run = ansible.module("kvm", "scsi_rescan", expect={"luns": [0, 27], "paths": 2})
    assert not run["kvm2"]["changed"]
    assert sorted(fields(run["kvm1"], "appeared", "wwid")) == [luns[0], luns[0]]
    assert numbers(lab, "kvm1").count(0) == 2


def test_a_grown_lun_and_a_wrong_expectation(lab: Lab, ansible: Ansible, luns: dict[int, str]) -> None:
    lab("lun", "resize", "lun27", "128M")
    run = ansible.module("kvm", "scsi_rescan", fails=True, expect={"sizes": {"27": "1G"}}, timeout=2)
    for host in HOSTS:
        assert run[host]["error"] == "WaitTimeoutError"
        assert f"LUN 27: 1G LUN wanted; seen is {luns[27]} of 128M" in run[host]["msg"]
        assert [(one["old_size"], one["new_size"]) for one in run[host]["resized"]] == [(64 * MIB, 128 * MIB)]
        assert run[host]["changed"]


def test_a_lun_unmapped_on_one_host(lab: Lab, ansible: Ansible, luns: dict[int, str]) -> None:
    lab("lun", "unmap", "lun28", "--host", "kvm2")
    run = ansible.module("kvm", "scsi_rescan", fails=True, expect={"luns": [27, 28], "paths": 2}, timeout=2)
    assert "msg" not in run["kvm1"]
    assert fields(run["kvm1"], "luns", "wwid") == sorted([luns[27], luns[28]])
    assert "LUN 28: a LUN wanted; its disk does not tell a size any more" in run["kvm2"]["msg"]
    assert "LUN 27" not in run["kvm2"]["msg"].partition("LUN 28")[0]


def test_another_volume_behind_the_same_number(lab: Lab, ansible: Ansible, luns: dict[int, str]) -> None:
    lab("lun", "unmap", "lun99", "--host", "kvm2")
    lab("lun", "map", "lun99", "28", "--host", "kvm2")
    before = addresses(lab, "kvm2")
    run = ansible.module("kvm2", "scsi_rescan", fails=True, luns=[28])["kvm2"]
    assert run["error"] == "IdentityError"
    assert {(one["old_wwid"], one["new_wwid"]) for one in run["remapped"]} == {(luns[28], luns[99])}
    assert len(run["remapped"]) == 2
    assert "purge_remapped: true" in run["msg"]
    assert addresses(lab, "kvm2") == before, "nothing is removed unasked"
    lab.ssh("kvm2", "for d in /sys/bus/scsi/devices/*:28; do echo 1 > $d/delete; done")
    run = ansible.module("kvm2", "scsi_rescan", expect={"luns": [28], "wwids": [luns[99]], "paths": 2})["kvm2"]
    assert set(fields(run, "appeared", "wwid")) == {luns[99]}


def test_one_number_of_two_targets(lab: Lab, ansible: Ansible, luns: dict[int, str]) -> None:
    lab("lun", "create", "other27", "64M")
    lab("lun", "map", "other27", "27", "--host", "kvm1", "--target", "a2", "--target", "b2")
    other = lab.wwid("other27")
    lab("fault", "second-target", "on")
    fabrics = lab.json("fabric", "status").values()
    ports = {port["port"]: port["logins"][0]["wwpn"] for one in fabrics for port in one["ports"]}
    run = ansible.module("kvm1", "scsi_rescan", fails=True, luns=[27], targets=[ports["array:a"], ports["array:a2"]])
    result = run["kvm1"]
    assert result["error"] == "AmbiguousError"
    assert {one["wwid"] for one in result["candidates"]} == {luns[27], other}
    assert {tuple(one["targets"]) for one in result["candidates"]} == {(ports["array:a"],), (ports["array:a2"],)}
    assert "targets, expect.sizes or expect.wwids" in result["msg"]
    result = ansible.module("kvm1", "scsi_rescan", expect={"sizes": {"27": "64M"}, "paths": 2})["kvm1"]
    assert fields(result, "luns", "wwid") == [other]
    lab("fault", "second-target", "off")


def test_two_volumes_that_claim_one_identity(lab: Lab, ansible: Ansible, luns: dict[int, str]) -> None:
    lab("fault", "same-wwid", "lun300", "twin34", "128M")
    lab("lun", "map", "twin34", "34", "--host", "kvm2")
    result = ansible.module("kvm2", "scsi_rescan", fails=True, expect={"luns": [300, 34]})["kvm2"]
    assert result["error"] == "IdentityError"
    assert {one["wwid"] for one in result["candidates"]} == {luns[300]}
    assert {one["size"] for one in result["candidates"]} == {64 * MIB, 128 * MIB}


def test_iscsi_sessions_are_scanned(lab: Lab, ansible: Ansible) -> None:
    lab("iscsi-login", "kvm1", "--manual-scan")
    wwid = lab.provide("disk31", 31, "--via", "iscsi", hosts=("kvm1",))
    run = ansible.module("kvm1", "scsi_rescan", expect={"luns": [31], "paths": 2}, timeout=20)["kvm1"]
    assert fields(run, "luns", "wwid") == [wwid]
    assert {path["transport"] for path in run["luns"][0]["paths"]} == {"iscsi"}
    assert len({path["portal"] for path in run["luns"][0]["paths"]}) == 2


@pytest.fixture
def hanging(lab: Lab) -> Iterator[None]:
    """SCSI frames of kvm1 vanish in fabric A, while its logins stay."""
    lab("fault", "drop-fcp", "kvm1:a", "on")
    yield
    lab("fault", "drop-fcp", "kvm1:a", "off")


WATCH_THE_HUNG = """
cd /proc
writing() { grep -lsx "san-host[0-9]*" [0-9]*/comm; }
while [ -z "$(writing)" ]; do sleep 0.3; done
exec 9> /run/virt-san.lock
flock -w 200 9 || exit
for name in $(writing); do ls -l ${name%%/comm}/fd; done > /run/hung-fds
mv /run/hung-fds /run/hung
"""
"""Tells what a hung write holds at the moment when its task has let go of the lock. The kernel may let go of the write
soon after, so nobody who comes over ssh when the task has ended can rely on finding it."""


@pytest.mark.usefixtures("hanging")
def test_a_scan_that_hangs_holds_neither_the_task_nor_the_lock(lab: Lab, ansible: Ansible) -> None:
    wwid = lab.provide("lun32", 32, hosts=("kvm1",))
    lab.ssh("kvm1", f"rm -f /run/hung; nohup timeout 250 bash -c '{WATCH_THE_HUNG}' >/dev/null 2>&1 </dev/null &")
    run = ansible.module("kvm1", "scsi_rescan", expect={"luns": [32]}, scan_timeout=3, timeout=30)["kvm1"]
    assert fields(run, "luns", "wwid") == [wwid]
    stuck = [one for one in run["hosts"] if one["stuck"]]
    assert len(stuck) == 1, run["hosts"]
    assert "within 3 s; process" in stuck[0]["stuck"]
    assert any("hangs" in warning for warning in run["warnings"])
    held = lab.ssh("kvm1", "timeout 30 sh -c 'until [ -e /run/hung ]; do sleep 0.5; done'; cat /run/hung")
    descriptors = [line.partition(" -> ")[2] for line in held.splitlines() if " -> " in line]
    assert descriptors, "the write was over before the task let go of the lock"
    # One pipe, on which it reports to the task.
    own = sorted(name for name in descriptors if not name.endswith("/scan"))
    assert own[:3] == ["/dev/null"] * 3, descriptors
    assert [name.partition(":")[0] for name in own[3:]] == ["pipe"], descriptors


@pytest.mark.full
def test_two_at_once(ansible: Ansible) -> None:
    first = ansible.start_module("kvm2", "scsi_rescan", expect={"luns": [77]}, timeout=45)
    patient = ansible.start_module("kvm2", "scsi_rescan", luns=[27], lock_timeout=300)
    time.sleep(20)
    hasty = ansible.start_module("kvm2", "scsi_rescan", luns=[27], lock_timeout=0)()
    assert first().code != 0
    assert patient().code == 0
    assert hasty["kvm2"]["error"] == "LockedError"
    assert "virt.san.scsi_rescan (pid " in hasty["kvm2"]["msg"]


def test_bad_input_is_answered_with_what_there_is(lab: Lab, ansible: Ansible) -> None:
    run = ansible.module("kvm", "scsi_rescan", fails=True, hbas=["host77"])
    for host in HOSTS:
        assert run[host]["error"] == "NotFoundError"
        assert all(name in run[host]["msg"] for name in lab.ssh(host, "ls /sys/class/fc_host").split())


@pytest.mark.full
def test_without_root_it_says_so(ansible: Ansible) -> None:
    become = {"ansible_become_method": "su", "ansible_become_user": "nobody", "ansible_become_flags": "-s /bin/sh"}
    flags = ("--become", "-e", json.dumps(become))
    run = ansible.module("kvm2", "scsi_rescan", fails=True, flags=flags, luns=[27])
    assert "needs root" in run["kvm2"]["msg"]
