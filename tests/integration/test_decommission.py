# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LUNs leave all hosts; what may be unmapped is said when all are clean, and never before."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab, Run

pytestmark = pytest.mark.lab

PLAYBOOK = "playbooks/decommission.yml"
MAY = "may be unmapped:"


def decommission(ansible: Ansible, fails: bool = False, flags: tuple[str, ...] = (), **variables: Any) -> Run:
    return ansible.playbook(PLAYBOOK, fails, flags, **{f"decommission_{name}": it for name, it in variables.items()})


def paths(lab: Lab, host: str, number: int) -> list[str]:
    """SCSI addresses with this number, by the kernel's own word."""
    return lab.ssh(host, f"ls /sys/bus/scsi/devices | grep -E ':{number}$' || true").split()


@pytest.fixture(scope="module")
def wwids(lab: Lab, ansible: Ansible) -> dict[int, str]:
    found = {number: lab.provide(f"lun{number}", number) for number in (61, 62)}
    aliases = {"61": "guests61", "62": "guests62"}
    ansible.playbook("playbooks/provision.yml", provision_luns=list(found), provision_aliases=aliases)
    return found


def test_in_use_on_one_host_it_stays_on_all(lab: Lab, ansible: Ansible, wwids: dict[int, str]) -> None:
    lab.ssh("kvm2", "mkfs.ext4 -q -F /dev/mapper/guests62 && mount /dev/mapper/guests62 /srv")
    before = {host: lab.devices(host) for host in HOSTS}
    run = decommission(ansible, fails=True, names=["guests61", "guests62"])
    assert MAY not in run.output
    for host in HOSTS:
        assert run.stats(host)["failures"] == 1
        assert "kvm2: " in run[host]["msg"]
        assert "mount /srv" in run[host]["msg"]
    assert {host: lab.devices(host) for host in HOSTS} == before
    lab.ssh("kvm2", "umount /srv")
    assert wwids


@pytest.mark.full
def test_check_mode_removes_nothing_and_lists_nothing(lab: Lab, ansible: Ansible, wwids: dict[int, str]) -> None:
    before = {host: lab.devices(host) for host in HOSTS}
    run = decommission(ansible, flags=("--check", "--diff"), wwids=[wwids[62]])
    assert MAY not in run.output
    assert all(run.stats(host)["changed"] for host in HOSTS)
    assert {host: lab.devices(host) for host in HOSTS} == before


@pytest.mark.full
def test_with_a_host_left_out_there_is_no_list(lab: Lab, ansible: Ansible, wwids: dict[int, str]) -> None:
    run = decommission(ansible, fails=True, names=["guests62"], flags=("--limit", "kvm1"))
    assert MAY not in run.output
    assert "kvm2: not checked" in run["kvm1"]["msg"]
    assert paths(lab, "kvm1", 62) == []
    assert len(paths(lab, "kvm2", 62)) == 2
    assert wwids


def test_with_all_hosts_clean_there_is(lab: Lab, ansible: Ansible, wwids: dict[int, str]) -> None:
    run = decommission(ansible, wwids=[wwids[62]], names=["guests61"])
    assert MAY in run.output
    for number, wwid in wwids.items():
        assert f"LUN {number} ({wwid}, 64M)" in run.output
        assert [paths(lab, host, number) for host in HOSTS] == [[], []]
    again = decommission(ansible, wwids=list(wwids.values()))
    assert [again.stats(host)["changed"] for host in HOSTS] == [0, 0]
    assert MAY in again.output


@pytest.mark.full
def test_a_host_that_does_not_answer(ansible: Ansible, wwids: dict[int, str]) -> None:
    flags = ("-e", "ansible_ssh_timeout=5")
    run = ansible.start(
        *("ansible-playbook", "-i", "tests/lab/inventory.yml", "-i", "gone.invalid,", PLAYBOOK, *flags),
        *("-e", f'{{"decommission_hosts": "all", "decommission_group": "all", "decommission_wwids": ["{wwids[61]}"]}}'),
    )()
    assert run.code != 0
    assert MAY not in run.output
    assert "gone.invalid: not checked" in run["kvm1"]["msg"]
