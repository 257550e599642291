# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual HBAs on real kernels: a guest's own LUN through its own WWPN, and all that a fabric may say against it.

The tests tell one story and build on each other: each run of Ansible costs half a minute on an emulated machine. Those
marked `full` leave things as they found them, so that the story is the same without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab, Run

pytestmark = pytest.mark.lab

NAME = "guest-{{ inventory_hostname }}"
FABRIC_A = "0000:00:05.0"
"""The card in fabric A."""
FABRIC_B = "0000:00:06.0"
VPORTS = "cat /sys/class/fc_vports/*/port_name 2>/dev/null; true"
Names = dict[str, dict[str, str]]


def vport(
    ansible: Ansible, hosts: str = "kvm", fails: bool = False, check: bool = False, name: str = NAME, **options: Any
) -> Run:
    """What outlasts a reboot is test_vhba_persistence's."""
    flags = ("--check", "--diff") if check else ("--diff",)
    options = {"name": name, "parent": FABRIC_A, "persistent": False, **options}
    return ansible.module(hosts, "npiv_vport", fails, flags, **options)


def changed(run: Run, *hosts: str) -> list[bool]:
    return [run[host]["changed"] for host in hosts or HOSTS]


@pytest.fixture(scope="module")
def names(lab: Lab, ansible: Ansible) -> Iterator[Names]:
    """The WWNs each host's guest will have, by check mode, which writes nothing."""
    before = {host: lab.devices(host) for host in HOSTS}
    run = vport(ansible, check=True)
    assert {host: lab.devices(host) for host in HOSTS} == before, "check mode wrote something"
    assert changed(run) == [True, True]
    assert run["kvm1"]["wwpn"] != run["kvm2"]["wwpn"]
    yield {host: {"wwpn": run[host]["wwpn"], "step": run[host]["steps"][0]} for host in HOSTS}
    for host in HOSTS:
        lab.ssh(host, "! mountpoint -q /srv/guest || umount /srv/guest")


@pytest.fixture(scope="module")
def luns(lab: Lab, names: Names) -> dict[str, str]:
    """A LUN for each host's guest, mapped and zoned to its WWPN and to nobody else."""
    lab("lun", "create", *[word for host in HOSTS for word in (f"of-{host}", "64M")])
    for host in HOSTS:
        wwpn = names[host]["wwpn"]
        lab("lun", "map", f"of-{host}", "27", "--initiator", wwpn, "--target", "a")
        lab("zone", "set", f"guest-{host}", wwpn, "array:a")
    found = {lun["name"]: lun["wwid"] for lun in lab.json("lun", "list")}
    return {host: found[f"of-{host}"] for host in HOSTS}


def test_made_with_its_lun(lab: Lab, ansible: Ansible, names: Names, luns: dict[str, str]) -> None:
    run = vport(ansible, expect={"luns": [27]}, timeout=60)
    for host in HOSTS:
        result = run[host]
        assert result["changed"]
        assert result["steps"][0] == names[host]["step"], "check mode foretold something else"
        vhba = result["vhba"]
        assert (vhba["wwpn"], vhba["state"], vhba["port_state"]) == (names[host]["wwpn"], "Active", "Online")
        assert (vhba["parent_pci_address"], vhba["symbolic_name"]) == (FABRIC_A, f"guest-{host}")
        (unit,) = result["luns"]
        assert unit["wwid"] == luns[host]
        assert {path["hba"] for path in unit["paths"]} == {vhba["host"]}, "it is masked to the vHBA alone"
        assert result["diff"]["after"]["vhbas"][0]["state"] == "Active"
        assert lab.ssh(host, VPORTS) == f"0x{vhba['wwpn']}"


def test_io_goes_through_it(lab: Lab, luns: dict[str, str]) -> None:
    for host in HOSTS:
        disk = f"/dev/disk/by-id/scsi-{luns[host]}"
        lab.ssh(host, f"printf 'written by {host}' | dd of={disk} bs=4096 conv=sync oflag=direct status=none")
        assert lab("lun", "read", f"of-{host}", "0", "15").strip() == f"written by {host}"


def test_again_changes_nothing(lab: Lab, ansible: Ansible, luns: dict[str, str]) -> None:
    before = {host: lab.devices(host) for host in HOSTS}
    run = vport(ansible, expect={"luns": [27]})
    assert changed(run) == [False, False]
    assert [run[host]["luns"][0]["wwid"] for host in HOSTS] == list(luns.values())
    assert {host: lab.devices(host) for host in HOSTS} == before


def test_facts_show_both_ways(ansible: Ansible, names: Names) -> None:
    run = ansible.module("kvm", "lun_facts", gather_subset=["hbas"])
    for host in HOSTS:
        hbas = {hba["name"]: hba for hba in run[host]["ansible_facts"]["san"]["hbas"]}
        child = next(hba for hba in hbas.values() if hba["wwpn"] == names[host]["wwpn"])
        parent = hbas[child["parent"]]
        assert (parent["children"], parent["npiv"]["vports_in_use"]) == ([child["name"]], 1)
        (known,) = parent["npiv"]["vports"]
        assert (known["state"], known["last_state"], known["host"]) == ("Active", "Initializing", child["name"])
        assert (parent["online"], child["online"], child["npiv"]["capable"]) == (True, True, False)


@pytest.mark.full
def test_on_another_hba_it_is_said_and_moved_only_when_asked(lab: Lab, ansible: Ansible, names: Names) -> None:
    before = lab.devices("kvm2")
    options: dict[str, Any] = {"name": NAME, "parent": FABRIC_B, "persistent": False}
    run = ansible.module("kvm2", "npiv_vport", True, **options)["kvm2"]
    assert run["error"] == "RefusedError"
    assert "move: true" in run["msg"]
    assert lab.devices("kvm2") == before
    run = ansible.module("kvm2", "npiv_vport", **options, move=True)["kvm2"]
    assert (run["changed"], run["vhba"]["parent_pci_address"], run["vhba"]["state"]) == (True, FABRIC_B, "Active")
    assert lab.ssh("kvm2", VPORTS) == f"0x{names['kvm2']['wwpn']}"
    run = ansible.module("kvm2", "npiv_vport", **{**options, "parent": FABRIC_A}, move=True, expect={"luns": [27]})
    assert run["kvm2"]["vhba"]["parent_pci_address"] == FABRIC_A


@pytest.mark.full
def test_deleted_behind_our_back(lab: Lab, ansible: Ansible, names: Names, luns: dict[str, str]) -> None:
    delete = "for v in /sys/class/fc_vports/*; do echo 1 > $v/vport_delete; done; sleep 2; ls /sys/class/fc_vports"
    assert lab.ssh("kvm2", delete) == ""
    run = vport(ansible, "kvm2", expect={"wwids": [luns["kvm2"]]})["kvm2"]
    assert (run["changed"], run["wwpn"]) == (True, names["kvm2"]["wwpn"])


@pytest.mark.full
def test_names_that_cannot_work(lab: Lab, ansible: Ansible, names: Names) -> None:
    before = lab.devices("kvm1")
    own = lab.ssh("kvm1", "cat /sys/class/fc_host/host0/port_name").removeprefix("0x")
    cases = (
        ("1111222233334444", "5555666677778888", "made-up name"),
        (own, "5001a4a0000000f0", "a physical port"),
        (names["kvm1"]["wwpn"], "5001a4a0000000f0", "with WWNN"),
    )
    for wwpn, wwnn, says in cases:
        run = ansible.module("kvm1", "npiv_vport", True, wwpn=wwpn, wwnn=wwnn)["kvm1"]
        assert says in run["msg"]
    assert lab.devices("kvm1") == before


@pytest.mark.full
def test_a_wwpn_of_another_host(lab: Lab, ansible: Ansible, names: Names) -> None:
    """The fabric keeps the first one; libfc tries on and on."""
    run = vport(ansible, "kvm2", fails=True, name="guest-kvm1", timeout=3)["kvm2"]
    assert run["error"] == "ApplyError"
    assert run["vport_state"] != "Active"
    assert "logged in from elsewhere" in run["msg"]
    assert lab.ssh("kvm1", "cat /sys/class/fc_vports/*/vport_state") == "Active"
    gone = vport(ansible, "kvm2", name="guest-kvm1", state="absent")["kvm2"]
    assert gone["changed"]
    assert lab.ssh("kvm2", VPORTS) == f"0x{names['kvm2']['wwpn']}"


@pytest.mark.full
def test_the_fabric_has_no_room(lab: Lab, ansible: Ansible) -> None:
    lab("fault", "vport-limit", "1", "--port", "kvm2:a")
    run = vport(ansible, "kvm2", fails=True, name="second", timeout=3)["kvm2"]
    assert "is a limit of logins reached" in run["msg"] or "no room" in run["msg"]
    lab("fault", "vport-limit", "none", "--port", "kvm2:a")
    run = vport(ansible, "kvm2", name="second", timeout=60)["kvm2"]
    assert (run["changed"], run["vhba"]["state"]) == (False, "Active")


@pytest.mark.full
def test_turned_down_then_let_in(lab: Lab, ansible: Ansible) -> None:
    vport(ansible, "kvm2", name="second", state="absent")
    lab("fault", "reject-logins", "on", "--port", "kvm2:a", "--kind", "fdisc", "--count", "2")
    run = vport(ansible, "kvm2", name="second", timeout=60)["kvm2"]
    assert (run["changed"], run["vhba"]["state"]) == (True, "Active")
    assert vport(ansible, "kvm2", name="second", state="absent")["kvm2"]["changed"]


@pytest.mark.full
def test_a_fabric_without_npiv(lab: Lab, ansible: Ansible) -> None:
    vport(ansible, "kvm2", state="absent")
    lab("fault", "npiv", "off", "a")
    try:
        lab.ssh(
            "kvm2",
            "for i in $(seq 100); do grep -q Online /sys/class/fc_host/host0/port_state && break; sleep 0.1; done",
        )
        run = vport(ansible, "kvm2", fails=True, timeout=10)["kvm2"]
        assert run["vport_state"] == "No Fabric Support"
        assert "NPIV off" in run["msg"]
    finally:
        lab("fault", "npiv", "on", "a")
    run = vport(ansible, "kvm2", timeout=60, expect={"luns": [27]})["kvm2"]
    assert run["vhba"]["state"] == "Active"


def test_in_use_it_stays(lab: Lab, ansible: Ansible, luns: dict[str, str]) -> None:
    vport(ansible, "kvm1", timeout=60, expect={"luns": [27]})
    disk = f"/dev/disk/by-id/scsi-{luns['kvm1']}"
    lab.ssh("kvm1", f"mkdir -p /srv/guest; mkfs.ext4 -qF {disk} && mount {disk} /srv/guest && touch /srv/guest/kept")
    before = lab.devices("kvm1")
    for check in (True, False):
        run = vport(ansible, "kvm1", fails=True, check=check, state="absent")["kvm1"]
        assert run["error"] == "InUseError"
        assert "/srv/guest" in run["msg"]
    assert lab.devices("kvm1") == before
    lab.ssh("kvm1", "ls /srv/guest/kept && umount /srv/guest")


def test_a_map_with_other_paths_stays(lab: Lab, ansible: Ansible, luns: dict[str, str]) -> None:
    """The same LUN by the host's own HBAs too: one map, mounted, loses the vHBA's path and goes on."""
    wwid = luns["kvm1"]
    lab("lun", "map", "of-kvm1", "28", "--host", "kvm1")
    ansible.module("kvm1", "scsi_rescan", expect={"luns": [28], "paths": 2}, known_wwids=[wwid])
    ansible.module("kvm1", "multipath_devices", devices=[{"wwid": wwid, "alias": "shared", "paths": 3}])
    lab.ssh("kvm1", "mount /dev/mapper/shared /srv/guest")
    planned = vport(ansible, "kvm1", check=True, state="absent")["kvm1"]
    run = vport(ansible, "kvm1", state="absent")["kvm1"]
    assert run["steps"] == planned["steps"]
    assert (run["changed"], run["kept_maps"], run["removed_luns"]) == (True, ["shared"], [])
    assert len(run["removed_paths"]) == 1
    lab.ssh("kvm1", "touch /srv/guest/still && sync /srv/guest/still")
    assert lab.ssh("kvm1", VPORTS) == ""
    assert len(lab.ssh("kvm1", "ls /sys/block/$(basename $(readlink /dev/mapper/shared))/slaves").split()) == 2
    lab.ssh("kvm1", "umount /srv/guest")


def test_gone_without_a_trace(lab: Lab, ansible: Ansible, luns: dict[str, str]) -> None:
    ansible.module("kvm2", "multipath_devices", devices=[{"wwid": luns["kvm2"], "alias": "mine"}])
    planned = vport(ansible, "kvm2", check=True, state="absent")["kvm2"]
    run = vport(ansible, "kvm2", state="absent")["kvm2"]
    assert (run["changed"], run["removed_luns"]) == (True, [luns["kvm2"]])
    assert run["steps"] == planned["steps"]
    assert run["diff"] == planned["diff"]
    left = (
        "ls /sys/class/fc_vports; ls /dev/disk/by-id | grep {0}; dmsetup ls | grep mine; grep {0} /etc/multipath/wwids"
    )
    assert lab.ssh("kvm2", left.format(luns["kvm2"]) + " | grep -v '^#'; true") == ""
    assert not vport(ansible, "kvm2", state="absent")["kvm2"]["changed"]
