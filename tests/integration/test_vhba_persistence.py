# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual HBAs that outlast reboots of real machines: on a healthy fabric, a dead link, and without their HBA.

The tests tell one story and build on each other: a boot takes half a minute on an emulated machine.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from .conftest import HOSTS, ROOT, Ansible, Lab, Run

pytestmark = [pytest.mark.lab, pytest.mark.full]

PLAYBOOK = ROOT / "playbooks/vhba.yml"
FABRIC_A = "0000:00:05.0"
"""The card in fabric A."""
NAME = "guest-{{ inventory_hostname }}"
VHBAS = [{"name": NAME, "parent": FABRIC_A, "luns": [27]}]
PROGRAM = "/usr/local/lib/virt-san/virt-san-boot.pyz"
CANARY = """\
[Unit]
After=virt-san-pools.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'grep -q Active /sys/class/fc_vports/*/vport_state'
[Install]
WantedBy=virt-san-pools.target
"""
"""Stands for a pool on the vHBA."""
OURS = (
    "find /etc/virt-san /usr/local/lib/virt-san /etc/systemd/system -name '*virt-san*' -o -path '*/virt-san/*'"
    " 2>/dev/null; systemctl list-units --all --no-legend 'virt-san*'"
)
BOOT_SECONDS = 180


def role(ansible: Ansible, fails: bool = False, flags: tuple[str, ...] = (), **variables: Any) -> Run:
    return ansible.playbook(PLAYBOOK, fails, ("--diff", *flags), **{"vhba_vhbas": VHBAS, **variables})


def made(run: Run, host: str) -> dict[str, Any]:
    """Return what npiv_vport said of a host's only vHBA."""
    result: dict[str, Any] = run.results(host, "Make the vHBAs")[-1]["results"][0]
    return result


def await_that(what: str, check: Callable[[], bool], seconds: float) -> float:
    """Wait for something on a machine; return how long it took."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() < began + seconds, f"not within {seconds} s: {what}"
        time.sleep(1)
    return time.monotonic() - began


def power_cut(lab: Lab, *hosts: str) -> None:
    """Boot hosts whose ports will not all come up: `lab reboot` would wait for them."""
    before = {host: lab.ssh(host, "sync; cat /proc/sys/kernel/random/boot_id") for host in hosts}
    lab("crash", *hosts)

    def is_back(host: str) -> bool:
        try:
            jobs = lab.ssh(host, "cat /proc/sys/kernel/random/boot_id; systemctl list-jobs --no-legend | wc -l")
        except AssertionError:
            return False
        boot, count = jobs.split()
        return boot != before[host] and count == "0"

    for host in hosts:
        await_that(f"{host} is back", partial(is_back, host), BOOT_SECONDS)


def unit_of(lab: Lab, host: str, name: str, *properties: str) -> dict[str, str]:
    told = lab.ssh(host, f"systemctl show -p {','.join(properties)} {name}")
    return dict(line.split("=", 1) for line in told.splitlines())


def seconds_to(lab: Lab, host: str, name: str, event: str) -> float:
    """Return when after the kernel's start a unit began (InactiveExit) or was up (ActiveEnter)."""
    key = f"{event}TimestampMonotonic"
    return int(unit_of(lab, host, name, key)[key]) / 1e6


def states(lab: Lab, host: str) -> str:
    return lab.ssh(host, "cat /sys/class/fc_vports/*/vport_state 2>/dev/null; true")


def is_up(lab: Lab, host: str) -> bool:
    return states(lab, host) == "Active"


@pytest.fixture(scope="module")
def wwpns(lab: Lab, ansible: Ansible) -> Iterator[dict[str, str]]:
    """The WWPNs of each host's guest, and a libvirt that starts at boot, with a stand-in for a pool."""
    before = {host: lab.devices(host) for host in HOSTS}
    run = role(ansible, flags=("--check",))
    assert {host: lab.devices(host) for host in HOSTS} == before, "check mode wrote something"
    found = {host: made(run, host)["wwpn"] for host in HOSTS}
    lab("lun", "create", *[word for host in HOSTS for word in (f"of-{host}", "64M")])
    for host, wwpn in found.items():
        lab("lun", "map", f"of-{host}", "27", "--initiator", wwpn, "--target", "a")
        lab("zone", "set", f"guest-{host}", wwpn, "array:a")
        lab.ssh(
            host,
            f"printf %s {quoted(CANARY)} > /etc/systemd/system/virt-san-canary.service"
            " && systemctl -q enable virt-san-canary && systemctl -q add-wants multi-user.target libvirtd.service",
        )
    yield found
    lab("fault", "clear")
    for host in HOSTS:
        lab.ssh(host, "rm -f /etc/systemd/system/multi-user.target.wants/libvirtd.service; systemctl daemon-reload")
        lab.ssh(host, "printf 'a\\nb\\n' > /etc/sanlab/fc-ports")


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def unit(wwpn: str) -> str:
    return f"virt-san-vhba@{wwpn}.service"


def test_two_hosts_never_share_a_wwn(lab: Lab, ansible: Ansible, wwpns: dict[str, str]) -> None:
    before = {host: lab.devices(host) for host in HOSTS}
    run = role(ansible, fails=True, vhba_vhbas=[{"name": "guest"}])
    for host, other in (HOSTS, HOSTS[::-1]):
        assert f"is also that of vHBA guest of {other}" in run[host]["msg"]
    assert {host: lab.devices(host) for host in HOSTS} == before
    run = role(ansible, flags=("--check", "--limit", "kvm1"))
    assert "kvm2" in run.results("kvm1", "Say which hosts")[0]["msg"]
    assert made(run, "kvm1")["wwpn"] == wwpns["kvm1"]


def test_made_to_last(lab: Lab, ansible: Ansible, wwpns: dict[str, str]) -> None:
    run = role(ansible)
    for host, wwpn in wwpns.items():
        result = made(run, host)
        assert (result["changed"], result["vhba"]["state"], len(result["luns"])) == (True, "Active", 1)
        assert result["persistence"]["unit"] == unit(wwpn)
        assert result["persistence"]["parent_wwpn"] == result["vhba"]["parent_wwpn"]
        assert lab.ssh(host, f"systemctl is-enabled {unit(wwpn)}") == "enabled"
        await_that("the unit has seen the vHBA", partial(is_exited, lab, host, wwpn), 30)
        told = lab.ssh(
            host, f"systemd-analyze verify {unit(wwpn)} multi-user.target 2>&1 | grep -i 'san\\|cycle'; true"
        )
        assert told == ""
        assert lab.ssh(host, f"python3 {PROGRAM} status").startswith(f"vHBA {wwpn}: up; HBA ")


def is_exited(lab: Lab, host: str, wwpn: str) -> bool:
    state = unit_of(lab, host, unit(wwpn), "ActiveState", "SubState")
    return (state["ActiveState"], state["SubState"]) == ("active", "exited")


def test_again_changes_nothing(lab: Lab, ansible: Ansible, wwpns: dict[str, str]) -> None:
    before = {host: lab.devices(host) for host in wwpns}
    run = role(ansible)
    assert [run.stats(host)["changed"] for host in HOSTS] == [0, 0]
    assert {host: lab.devices(host) for host in HOSTS} == before


@pytest.fixture(scope="module")
def healthy(lab: Lab, wwpns: dict[str, str]) -> dict[str, float]:
    """When libvirt began to start, in a boot on a healthy fabric. kvm1's ports get each other's host number."""
    lab.ssh("kvm1", "printf 'b\\na\\n' > /etc/sanlab/fc-ports")
    lab("reboot", *HOSTS)
    for host, wwpn in wwpns.items():
        await_that("vHBA", partial(is_exited, lab, host, wwpn), 30)
    return {host: seconds_to(lab, host, "libvirtd.service", "InactiveExit") for host in HOSTS}


def test_back_after_a_reboot(lab: Lab, ansible: Ansible, wwpns: dict[str, str], healthy: dict[str, float]) -> None:
    for host, wwpn in wwpns.items():
        print(lab.ssh(host, f"journalctl -b -o short-monotonic -u {unit(wwpn)}"))  # shown when something fails
        assert states(lab, host) == "Active"
        assert "cycle" not in lab.ssh(host, "journalctl -b -q -p notice | grep -i 'ordering cycle'; true")
        assert seconds_to(lab, host, unit(wwpn), "ActiveEnter") <= healthy[host], "libvirt did not wait for it"
        assert unit_of(lab, host, "virt-san-canary.service", "ActiveState") == {"ActiveState": "active"}
        assert lab.ssh(host, f"lsblk -dno WWN /dev/disk/by-id/scsi-{lab.wwid(f'of-{host}')}") != ""
    run = role(ansible)
    assert [run.stats(host)["changed"] for host in HOSTS] == [0, 0]
    assert made(run, "kvm1")["vhba"]["parent"] == "host1", "the card's number is another one now"
    assert {made(run, host)["vhba"]["parent_pci_address"] for host in HOSTS} == {FABRIC_A}


def test_a_dead_link_and_a_missing_hba_hold_nothing_up(
    lab: Lab, wwpns: dict[str, str], healthy: dict[str, float]
) -> None:
    lab("fault", "link-down", "kvm1:a")
    lab.ssh("kvm2", "printf 'b\\n' > /etc/sanlab/fc-ports")
    power_cut(lab, *HOSTS)
    for host, wwpn, says in (("kvm1", wwpns["kvm1"], "is Linkdown"), ("kvm2", wwpns["kvm2"], "is not there")):
        told = lab.ssh(host, f"journalctl -b -o short-monotonic -u {unit(wwpn)}")
        ready = seconds_to(lab, host, unit(wwpn), "ActiveEnter")
        libvirt = seconds_to(lab, host, "libvirtd.service", "InactiveExit")
        print(f"{host}: libvirt began at {libvirt} s, on a healthy fabric at {healthy[host]} s\n{told}")
        # The program's own count: how long its start takes depends on who else uses this computer.
        waited = re.search(rf"{says}\. The boot goes on after (\d+) s of waiting", told)
        assert waited is not None
        assert int(waited[1]) <= 15, "ten seconds for a port that is not there yet, three for a link"
        assert libvirt >= ready, "nothing was ordered"
        assert (states(lab, host), unit_of(lab, host, unit(wwpn), "SubState")) == ("", {"SubState": "running"})
        assert unit_of(lab, host, "virt-san-canary.service", "ActiveState") == {"ActiveState": "failed"}


def test_half_a_minute_later_it_comes(lab: Lab, ansible: Ansible, wwpns: dict[str, str]) -> None:
    time.sleep(30)
    lab("fault", "link-up", "kvm1:a")
    lab.ssh("kvm2", "printf 'b\\na\\n' > /etc/sanlab/fc-ports; echo a > /sys/module/libfcoe/parameters/create")
    for host, wwpn in wwpns.items():
        took = await_that("vHBA", partial(is_up, lab, host), 40)
        await_that("its unit", partial(is_exited, lab, host, wwpn), 20)
        print(host, "came after", took, lab.ssh(host, f"journalctl -b -o short-monotonic -u {unit(wwpn)}"))
        await_that("pool", partial(is_active, lab, host, "virt-san-canary.service"), 20)
    run = role(ansible)
    assert [run.stats(host)["changed"] for host in HOSTS] == [0, 0]


def is_active(lab: Lab, host: str, name: str) -> bool:
    return unit_of(lab, host, name, "ActiveState") == {"ActiveState": "active"}


def test_removed_without_a_trace(lab: Lab, ansible: Ansible, wwpns: dict[str, str]) -> None:
    for host in wwpns:
        lab.ssh(host, "systemctl -q disable --now virt-san-canary; rm /etc/systemd/system/virt-san-canary.service")
        lab.ssh(host, "systemctl daemon-reload")
    gone = [{**VHBAS[0], "state": "absent"}]
    planned = role(ansible, flags=("--check",), vhba_vhbas=gone)
    run = role(ansible, vhba_vhbas=gone)
    for host in HOSTS:
        assert made(run, host)["steps"] == made(planned, host)["steps"]
        assert made(run, host)["steps"][0].startswith("stop and disable virt-san-vhba@")
        assert lab.ssh(host, OURS) == ""
        assert lab.ssh(host, "ls -d /etc/virt-san /usr/local/lib/virt-san 2>/dev/null; true") == ""
        assert states(lab, host) == ""
    assert [role(ansible, vhba_vhbas=gone).stats(host)["changed"] for host in HOSTS] == [0, 0]
