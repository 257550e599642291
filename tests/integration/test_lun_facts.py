# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lun_facts on real kernels: what it says is what the lab has made, and saying it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab, Run

pytestmark = pytest.mark.lab

MB = 2**20
NAMES = ("mounted", "pv", "guest", "single", "iscsi")
SCAN = 'for host in /sys/class/scsi_host/host*/scan; do echo "- - -" > $host; done; udevadm settle'
MAPS = """
set -e
for wwid in {mounted} {pv} {guest} {iscsi}; do multipathd add map $wwid; done
udevadm settle
"""
MAKE = "mkfs.ext4 -qF /dev/mapper/{mounted}; pvcreate -qq /dev/mapper/{pv}\n"
USE = """
set -e
mkdir -p /srv/images; mount -o {options} /dev/mapper/{mounted} /srv/images
qemu-system-x86_64 -name guest=db01,debug-threads=on -M q35 -m 16 -nodefaults -display none -S -daemonize \
    -drive file=/dev/mapper/{guest},format=raw,if=virtio -pidfile /run/facts-guest.pid
udevadm settle
"""
RELEASE = """
test ! -e /run/facts-guest.pid || kill $(cat /run/facts-guest.pid)
! mountpoint -q /srv/images || umount /srv/images
systemctl start multipathd.service
killall -q -CONT multipathd; true
"""


def everywhere(lab: Lab, *commands: str) -> None:
    """Run one command on all hosts, or to each its own, side by side."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lab.ssh, HOSTS, commands if len(commands) > 1 else commands * len(HOSTS)))


@pytest.fixture(scope="module")
def wwids(lab: Lab) -> Iterator[dict[str, str]]:
    """LUNs over FC and iSCSI, some in use, by name. Every command of the lab takes seconds: few of them."""
    lab("lun", "create", *[word for name in NAMES for word in (name, "64M")])
    lab("lun", "map", "mounted", "27", "pv", "28", "guest", "29")
    lab("lun", "map", "single", "300", "--target", "a")
    lab("lun", "map", "iscsi", "53", "--via", "iscsi")
    found = {lun["name"]: lun["wwid"] for lun in lab.json("lun", "list")}
    lab("iscsi-login")
    # One host makes what is on the LUNs, and only then the other one looks: nobody else may write meanwhile.
    lab.ssh("kvm1", (SCAN + MAPS + MAKE).format(**found))
    everywhere(lab, USE.format(options="rw", **found), (SCAN + MAPS + USE).format(options="ro,noload", **found))
    yield found
    everywhere(lab, RELEASE)


@pytest.fixture(scope="module")
def everything(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> Run:
    """All facts, asked for once, in check mode; the machines must be the same afterwards."""
    assert wwids
    before = {host: lab.devices(host) for host in HOSTS}
    run = ansible.module("kvm", "lun_facts", flags=("--check",), gather_subset=["all"])
    assert {host: lab.devices(host) for host in HOSTS} == before
    return run


def facts(run: Run, host: str) -> dict[str, Any]:
    result = run[host]
    assert not result["changed"]
    return dict(result["ansible_facts"]["san"])


def units(run: Run, host: str) -> dict[str, dict[str, Any]]:
    return {lun["wwid"]: lun for lun in facts(run, host)["luns"]}


def uses(unit: dict[str, Any]) -> list[tuple[str, str]]:
    return [(use["kind"], use["by"].partition(" (pid")[0]) for use in unit["usage"]["by"]]


@pytest.mark.parametrize("host", HOSTS)
class TestEverything:
    def test_the_luns_the_array_has_mapped(self, everything: Run, wwids: dict[str, str], host: str) -> None:
        seen = units(everything, host)
        assert set(seen) == set(wwids.values())
        assert {unit["size"] for unit in seen.values()} == {64 * MB}
        assert {unit["problem"] for unit in seen.values()} == {None}
        numbers = {name: {path["lun"] for path in seen[wwid]["paths"]} for name, wwid in wwids.items()}
        assert numbers == {"mounted": {27}, "pv": {28}, "guest": {29}, "single": {300}, "iscsi": {53}}

    def test_paths(self, everything: Run, wwids: dict[str, str], host: str) -> None:
        seen = units(everything, host)
        mapped = seen[wwids["mounted"]]
        assert mapped["device"] == f"/dev/mapper/{wwids['mounted']}"
        assert mapped["multipath"]["path_counts"] == {"ready": 2}
        assert len({(path["initiator"], path["target"]) for path in mapped["paths"]}) == 2
        (path,) = seen[wwids["single"]]["paths"]
        assert (path["transport"], path["state"], path["checker_state"]) == ("fcoe", "running", None)
        iscsi = seen[wwids["iscsi"]]["paths"]
        assert {path["transport"] for path in iscsi} == {"iscsi"}
        assert len({path["portal"] for path in iscsi}) == 2

    def test_usage(self, everything: Run, wwids: dict[str, str], host: str) -> None:
        seen = units(everything, host)
        assert uses(seen[wwids["mounted"]]) == [("mount", "/srv/images")]
        assert uses(seen[wwids["guest"]]) == [("qemu", "db01")]
        assert [kind for kind, _by in uses(seen[wwids["pv"]])] == ["lvm_pv"]
        assert seen[wwids["iscsi"]]["usage"] == {"state": "free", "by": []}

    def test_hbas_and_sessions(self, lab: Lab, everything: Run, host: str) -> None:
        san = facts(everything, host)
        ports = [hba for hba in san["hbas"] if hba["wwpn"]]
        assert {hba["port_state"] for hba in ports} == {"Online"}
        kernel = lab.ssh(host, "cat /sys/class/fc_host/*/port_name").replace("0x", "").split()
        assert sorted(hba["wwpn"] for hba in ports) == sorted(kernel)
        assert all(target["state"] == "Online" for hba in ports for target in hba["targets"])
        assert [session["state"] for session in san["iscsi"]["sessions"]] == ["LOGGED_IN"] * 2
        assert san["iscsi"]["initiator"] in lab.ssh(host, "cat /etc/iscsi/initiatorname.iscsi")

    def test_lvm(self, everything: Run, wwids: dict[str, str], host: str) -> None:
        assert wwids["pv"] in [pv["wwid"] for pv in facts(everything, host)["lvm"]["free_pvs"]]


def test_without_root(ansible: Ansible, wwids: dict[str, str]) -> None:
    nobody = {"ansible_become": True, "ansible_become_method": "su", "ansible_become_user": "nobody"}
    flags = ("-e", json.dumps({**nobody, "ansible_become_flags": "-s /bin/sh"}))
    run = ansible.module("kvm", "lun_facts", flags=flags, gather_subset=["luns"])
    for host in HOSTS:
        assert set(units(run, host)) == set(wwids.values())
        assert any("usage may be incomplete" in warning for warning in run[host]["warnings"])


def test_an_idle_daemon_is_not_woken(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    lab.ssh("kvm1", "systemctl stop multipathd.service; systemctl start multipathd.socket")
    try:
        run = ansible.module("kvm1", "lun_facts", gather_subset=["luns"])
        assert lab.ssh("kvm1", "systemctl is-active multipathd.service || true") == "inactive"
    finally:
        lab.ssh("kvm1", "systemctl start multipathd.service")
    assert not facts(run, "kvm1")["multipath"]["running"]
    unit = units(run, "kvm1")[wwids["mounted"]]
    assert unit["multipath"]["path_counts"] == {"running": 2}
    assert any("multipathd does not run" in warning for warning in run["kvm1"]["warnings"])


def test_a_daemon_that_hangs_costs_its_deadline_and_no_more(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    lab.ssh("kvm2", "kill -STOP $(cat /run/multipathd.pid)")
    try:
        run = ansible.module("kvm2", "lun_facts", gather_subset=["luns"], timeout=2)
    finally:
        lab.ssh("kvm2", "kill -CONT $(cat /run/multipathd.pid)")
    assert set(units(run, "kvm2")) == set(wwids.values())
    assert any("states of path checkers are not known" in warning for warning in run["kvm2"]["warnings"])


def test_a_virtual_hba(lab: Lab, ansible: Ansible) -> None:
    parent, wwpn = "/sys/class/fc_host/host0", "5001a4a0000000f1"
    lab.ssh("kvm1", f"echo {wwpn}:5001a4a0000000f0 > {parent}/vport_create; sleep 2")
    try:
        hbas = {
            hba["name"]: hba
            for hba in facts(ansible.module("kvm1", "lun_facts", gather_subset=["hbas"]), "kvm1")["hbas"]
        }
    finally:
        lab.ssh("kvm1", f"echo {wwpn}:5001a4a0000000f0 > {parent}/vport_delete")
    (vport,) = hbas["host0"]["npiv"]["vports"]
    assert (vport["wwpn"], hbas[vport["host"]]["wwpn"], hbas[vport["host"]]["parent"]) == (wwpn, wwpn, "host0")


def test_two_luns_with_one_wwid(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    lab("fault", "same-wwid", "single", "twin", "96M")
    lab("lun", "map", "twin", "301", "--host", "kvm1", "--target", "a")
    lab.ssh("kvm1", SCAN)
    run = ansible.module("kvm1", "lun_facts", gather_subset=["luns"])
    twins = [lun for lun in facts(run, "kvm1")["luns"] if lun["wwid"] == wwids["single"]]
    assert sorted(lun["size"] for lun in twins) == [64 * MB, 96 * MB]
    assert all("is claimed by 2 logical units" in lun["problem"] for lun in twins)
    assert any("is claimed by 2 logical units" in warning for warning in run["kvm1"]["warnings"])


def test_a_cable_is_pulled(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    """The port in fabric B, which also carries one iSCSI session: what the kernel has no value for is no failure."""
    lab("fault", "port-down", "kvm1:b")
    try:
        lab.ssh("kvm1", "sleep 12")
        san = facts(ansible.module("kvm1", "lun_facts", gather_subset=["hbas", "luns", "iscsi"]), "kvm1")
    finally:
        lab("fault", "port-up", "kvm1:b")
    states = {hba["name"]: (hba["port_state"], [target["state"] for target in hba["targets"]]) for hba in san["hbas"]}
    assert states["host0"] == ("Online", ["Online"])
    assert states["host1"] != ("Online", ["Online"])
    unit = next(lun for lun in san["luns"] if lun["wwid"] == wwids["mounted"])
    assert {path["hba"]: path["state"] for path in unit["paths"]}["host0"] == "running"
    assert unit["multipath"]["path_counts"].get("ready", 0) >= 1


def test_what_is_not_there_is_named(ansible: Ansible) -> None:
    run = ansible.module("kvm", "lun_facts", fails=True, hba=["host99"])
    for host in HOSTS:
        assert run[host]["msg"].startswith("hba: this host has no HBA host99; it has host0")
        assert run[host]["error"] == "InputError"
