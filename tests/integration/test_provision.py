# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job: from "the LUNs are mapped" to the same multipath devices on every host."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import HOSTS, PORTALS, Ansible, Lab, Run

pytestmark = pytest.mark.lab

PLAYBOOK = "playbooks/provision.yml"
NUMBERS = (27, 28, 29, 53)


def provision(ansible: Ansible, fails: bool = False, flags: tuple[str, ...] = (), **variables: Any) -> Run:
    wanted = {f"provision_{name}": value for name, value in variables.items()}
    return ansible.playbook(PLAYBOOK, fails, flags, **{"provision_paths": 2, **wanted})


def changed(run: Run) -> dict[str, int]:
    return {host: run.stats(host)["changed"] for host in HOSTS}


def summary(run: Run) -> str:
    return "\n".join(next(run.results(host, "Say which")[0] for host in HOSTS if run.results(host, "Say which"))["msg"])


def maps(lab: Lab, host: str) -> dict[str, str]:
    """Names and uuids of all maps, by device-mapper's own word."""
    lines = lab.ssh(host, "dmsetup info -c --noheadings --separator , -o name,uuid").splitlines()
    return dict(line.split(",", 1) for line in lines if ",mpath-" in line)


def luns_seen(lab: Lab, host: str) -> set[int]:
    return {int(name.split(":")[3]) for name in lab.ssh(host, "ls /sys/class/scsi_device").split()}


@pytest.fixture(scope="module")
def luns(lab: Lab) -> dict[int, str]:
    """The four LUNs of the mail, and one that nobody asked for, mapped to both hosts: number to WWID."""
    wwids = lab.provide_all({f"lun{number}": number for number in (*NUMBERS, 99)})
    return {number: wwids[f"lun{number}"] for number in NUMBERS}


@pytest.fixture(scope="module")
def aliases() -> dict[str, str]:
    return {str(number): f"guests{number}" for number in NUMBERS}


def test_check_mode_writes_nothing(lab: Lab, ansible: Ansible, luns: dict[int, str], aliases: dict[str, str]) -> None:
    before = {host: lab.devices(host) for host in HOSTS}
    run = provision(ansible, flags=("--check", "--diff"), luns=list(luns), aliases=aliases)
    assert all(run.stats(host)["changed"] for host in HOSTS)
    assert {host: lab.devices(host) for host in HOSTS} == before


def test_from_mapped_to_multipath(lab: Lab, ansible: Ansible, luns: dict[int, str], aliases: dict[str, str]) -> None:
    run = provision(ansible, luns=list(luns), aliases=aliases)
    assert all(changed(run).values())
    for host in HOSTS:
        assert maps(lab, host) == {f"guests{number}": f"mpath-{wwid}" for number, wwid in luns.items()}
        assert 99 not in luns_seen(lab, host)
    told = summary(run)
    assert "kvm1, kvm2: the same logical units, sizes and number of paths" in told
    for number, wwid in luns.items():
        assert f"LUN {number} ({wwid}, 64M)" in told
        assert told.count(f"/dev/mapper/guests{number}  2 paths:") == 2


def test_second_run_changes_nothing(ansible: Ansible, luns: dict[int, str], aliases: dict[str, str]) -> None:
    assert changed(provision(ansible, luns=list(luns), aliases=aliases)) == {"kvm1": 0, "kvm2": 0}


def test_hosts_really_share_the_unit(lab: Lab, luns: dict[int, str]) -> None:
    """Written through one host's map, read through the other's and on the array's own volume."""
    assert luns[27]
    lab.ssh("kvm1", "printf virt-san-pattern | dd of=/dev/mapper/guests27 bs=4096 conv=sync oflag=direct")
    assert lab.ssh("kvm2", "dd if=/dev/mapper/guests27 bs=4096 count=1 iflag=direct | head -c 16") == "virt-san-pattern"
    assert "virt-san-pattern" in lab("lun", "read", "lun27", "0", "16")


def test_hosts_outside_the_limit_are_named(ansible: Ansible, luns: dict[int, str], aliases: dict[str, str]) -> None:
    run = provision(ansible, luns=list(luns), aliases=aliases, flags=("--limit", "kvm1"))
    assert "kvm2: not compared: no answer in this run" in summary(run)


def test_missing_on_one_host_is_said(lab: Lab, ansible: Ansible, luns: dict[int, str]) -> None:
    wwid = lab.provide("lun30", 30, hosts=("kvm1",))
    run = provision(ansible, fails=True, luns=[27, 30], timeout=30)
    assert run.stats("kvm1")["failures"] == 0
    assert maps(lab, "kvm1").get(wwid) == f"mpath-{wwid}"
    assert run.stats("kvm2")["failures"] == 1
    message = run["kvm2"]["msg"]
    assert "30" in message
    assert luns[27] in message, "it has to be said what was seen instead"


def test_after_a_reboot_all_is_back(lab: Lab, ansible: Ansible, luns: dict[int, str], aliases: dict[str, str]) -> None:
    lab("reboot", *HOSTS)
    for host in HOSTS:
        lab.ssh(host, "udevadm settle --timeout=60")
        found = maps(lab, host)
        assert {name: found.get(name) for name in aliases.values()} == {
            aliases[str(number)]: f"mpath-{wwid}" for number, wwid in luns.items()
        }
    assert changed(provision(ansible, luns=list(luns), aliases=aliases)) == {"kvm1": 0, "kvm2": 0}


@pytest.mark.full
def test_the_same_over_iscsi(lab: Lab, ansible: Ansible, aliases: dict[str, str]) -> None:
    lab("clean")
    wwids = lab.provide_all({f"lun{number}": number for number in NUMBERS}, "--via", "iscsi")
    iscsi = [{"target": lab.iscsi_target(), "portals": list(PORTALS)}]
    run = provision(ansible, luns=list(NUMBERS), aliases=aliases, iscsi=iscsi)
    assert "the same logical units, sizes and number of paths" in summary(run)
    for host in HOSTS:
        assert maps(lab, host) == {f"guests{number}": f"mpath-{wwids[f'lun{number}']}" for number in NUMBERS}
    assert changed(provision(ansible, luns=list(NUMBERS), aliases=aliases, iscsi=iscsi)) == {"kvm1": 0, "kvm2": 0}
