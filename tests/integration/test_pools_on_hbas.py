# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools whose volumes are LUNs, on real machines: through all their states on both hosts, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, PORTALS, Ansible, Lab
from .playing import by_host, one, play, pool, shell
from .stages import info, judge, libvirt_takes, names, through_all_states

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

OURS = "find /etc/virt-san /run/virt-san -type f 2>/dev/null; true"


@pytest.fixture(scope="module")
def luns(lab: Lab) -> Iterator[list[str]]:
    """WWIDs of two LUNs that both hosts see by Fibre Channel, with a map of two paths each."""
    wwids = list(lab.provide_all({"of41": 41, "of42": 42}).values())
    for host in HOSTS:
        lab.attach(host, *wwids)
    yield wwids
    for host in HOSTS:
        lab.ssh(host, "rm -rf /etc/virt-san /run/virt-san")


# Type mpath


@pytest.mark.full
def test_all_multipath_devices(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    """One volume a LUN, by its WWID; nothing on the host changes with the pool."""
    before = {host: lab.ssh(host, "dmsetup table; cat /proc/partitions") for host in HOSTS}
    run = play(ansible, *through_all_states({"name": "maps", "type": "mpath"}))
    paths = []
    for host in HOSTS:
        found = judge(run, host)
        assert names(found) >= set(luns)
        assert found["capacity"] == found["allocation"] >= 2 * 64 * 2**20
        paths.append({volume["path"] for volume in found["volumes"] if volume["name"] in luns})
        assert lab.ssh(host, "dmsetup table; cat /proc/partitions") == before[host]
        assert lab.ssh(host, OURS) == ""
    assert paths[0] == paths[1] == {f"/dev/disk/by-id/dm-uuid-mpath-{wwid}" for wwid in luns}


# Type scsi


FABRIC_A = "0000:00:05.0"
"""The card in fabric A."""
VPORTS = "cat /sys/class/fc_vports/*/port_name 2>/dev/null; true"


@pytest.mark.full
def test_behind_an_hba(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    """By its PCI address, its WWPN and its number it is the same HBA, and known by what a task has named it by."""
    wwpns = {host: lab.ssh(host, f"cat {port_of(lab, host)}/port_name").removeprefix("0x") for host in HOSTS}
    adapter = {"type": "scsi_host", "host": FABRIC_A}
    run = play(ansible, *through_all_states({"name": "hba", "type": "scsi", "source": {"adapter": adapter}}))
    for host in HOSTS:
        found = judge(run, host)
        assert names(found) >= set(luns)
        assert found["sources"][0]["hba"] == FABRIC_A
        assert lab.ssh(host, OURS) == ""
    again = play(
        ansible,
        pool(
            "by name", name="hba", type="scsi", source={"adapter": {**adapter, "host": by_host(wwpns)}}, state="active"
        ),
        info("volumes", "hba"),
        {
            **shell("number", "basename $(ls -d /sys/bus/pci/devices/0000:00:05.0/virtio*/net/*/ctlr_*/host*)"),
            "register": "n",
        },
        pool("by number", name="hba", type="scsi", source={"adapter": {"type": "scsi_host", "host": "{{ n.stdout }}"}}),
        pool("gone", name="hba", state="absent"),
    )
    for host in HOSTS:
        assert one(again, host, "by name")["pool"]["hba"] == wwpns[host]
        assert names(one(again, host, "volumes")["pools"][0]) >= set(luns)
        assert one(again, host, "by number")["changed"] is False


def port_of(lab: Lab, host: str) -> str:
    """Return where the kernel has the FC port of the card in fabric A."""
    return lab.ssh(host, f"ls -d /sys/bus/pci/devices/{FABRIC_A}/virtio*/net/*/ctlr_*/host*/fc_host/host*")


def of_guest(guests: dict[str, dict[str, str]]) -> dict[str, Any]:
    mine = {key: by_host({host: told[key] for host, told in guests.items()}) for key in ("wwpn", "wwnn")}
    adapter = {"type": "fc_host", **mine, "parent": FABRIC_A}
    return {"name": "guest", "type": "scsi", "source": {"adapter": adapter}}


@pytest.mark.full
def test_behind_a_virtual_hba(lab: Lab, ansible: Ansible, guests: dict[str, dict[str, str]]) -> None:
    """It comes with the pool and goes with it, and so does its LUN."""
    look = shell("vports", VPORTS)
    run = play(ansible, *through_all_states(of_guest(guests), look))
    for host in HOSTS:
        found = judge(run, host)
        assert names(found) == {guests[host]["wwid"]}
        assert one(run, host, "active run")["pool"]["made"] == [f"vHBA {guests[host]['wwpn']}"]
        assert one(run, host, "vports")["stdout"] == f"0x{guests[host]['wwpn']}"
        assert lab.ssh(host, VPORTS) == ""
        assert guests[host]["wwid"] not in lab.ssh(host, "ls /dev/disk/by-id; dmsetup ls")
        assert lab.ssh(host, OURS) == ""


@pytest.mark.full
def test_a_lun_in_use_keeps_the_pool(lab: Lab, ansible: Ansible, guests: dict[str, dict[str, str]]) -> None:
    disk = f"/dev/disk/by-id/scsi-{guests['kvm1']['wwid']}"
    run = play(
        ansible,
        pool("up", **of_guest(guests), state="active"),
        info("volumes", "guest"),
        shell("use", f"mkfs.ext4 -q -F {disk} && mount {disk} /mnt"),
        pool("stop", name="guest", state="inactive", may_fail=True),
        shell("still there", f"{VPORTS}; touch /mnt/file && umount /mnt"),
        pool("down", name="guest", state="absent"),
        hosts="kvm1",
    )
    stop = one(run, "kvm1", "stop")
    assert (stop["error"], "/mnt" in stop["msg"]) == ("InUseError", True)
    assert one(run, "kvm1", "still there")["stdout"] == f"0x{guests['kvm1']['wwpn']}"
    assert lab.ssh("kvm1", VPORTS) == ""


@pytest.mark.full
def test_a_virtual_hba_that_was_there(ansible: Ansible, guests: dict[str, dict[str, str]]) -> None:
    names_of_it = {key: guests["kvm1"][key] for key in ("wwpn", "wwnn")}
    ansible.module("kvm1", "npiv_vport", **names_of_it, parent=FABRIC_A, persistent=False)
    run = play(
        ansible,
        pool("up", **of_guest(guests), state="active"),
        pool("down", name="guest", state="absent"),
        shell("vports", VPORTS),
        hosts="kvm1",
    )
    assert "made" not in one(run, "kvm1", "up")["pool"]
    assert one(run, "kvm1", "vports")["stdout"] == f"0x{guests['kvm1']['wwpn']}"
    ansible.module("kvm1", "npiv_vport", wwpn=guests["kvm1"]["wwpn"], state="absent")


@pytest.mark.full
def test_a_virtual_hba_that_cannot_log_in(lab: Lab, ansible: Ansible, guests: dict[str, dict[str, str]]) -> None:
    """A clear error, and nothing left behind; the other host has its pool nevertheless."""
    lab("fault", "reject-logins", "on", "--port", "kvm1:a", "--kind", "fdisc")
    run = play(ansible, pool("up", **of_guest(guests), state="active", timeout=20, may_fail=True))
    failed = one(run, "kvm1", "up")
    assert failed["error"] == "ApplyError"
    assert "vport_state is" in failed["msg"]
    assert "nothing is left of it" in failed["msg"]
    assert one(run, "kvm2", "up")["pool"]["state"] == "active"
    assert lab.ssh("kvm1", f"{VPORTS}; ls /run/virt-san/made 2>/dev/null; true") == ""
    lab("fault", "reject-logins", "off", "--port", "kvm1:a", "--kind", "fdisc")
    run = play(ansible, pool("up", name="guest", state="active"), pool("gone", name="guest", state="absent"))
    assert [one(run, host, "up")["pool"]["state"] for host in HOSTS] == ["active", "active"]
    assert [lab.ssh(host, VPORTS) for host in HOSTS] == ["", ""]


# Type iscsi

SECRET, MUTUAL = "not-a-secret-12", "not-a-mutual-12"
CHAP = {"username": "lab", "password": SECRET, "mutual_username": "array", "mutual_password": MUTUAL}
SESSIONS = "cat /sys/class/iscsi_session/*/targetname 2>/dev/null | wc -l"
IFACES = "find /etc/iscsi/ifaces /var/lib/iscsi/ifaces -type f ! -name iface.example 2>/dev/null; true"
LEFT = f"{OURS}; find /etc/iscsi/nodes /var/lib/iscsi/nodes -type f 2>/dev/null; {IFACES}"


def of_target(target: str, *portals: str, **more: Any) -> dict[str, Any]:
    return {"name": "array", "type": "iscsi", "source": {"target": target, "portals": list(portals or PORTALS), **more}}


@pytest.mark.full
def test_behind_an_iscsi_target(lab: Lab, ansible: Ansible, target: str) -> None:
    run = play(ansible, *through_all_states(of_target(target), shell("sessions", SESSIONS)))
    for host in HOSTS:
        found = judge(run, host)
        assert names(found) == {lab.wwid("by27"), lab.wwid("by28")}
        assert found["sources"] == [{"target": target, "portal": f"{portal}:3260"} for portal in PORTALS]
        assert one(run, host, "sessions")["stdout"] == "2"
        assert one(run, host, "active run")["pool"]["sessions"] == {f"{portal}:3260": True for portal in PORTALS}
        assert lab.ssh(host, SESSIONS) == "0"
        assert lab.ssh(host, LEFT) == ""


@pytest.fixture(scope="module")
def by_name(lab: Lab) -> dict[str, dict[str, str]]:
    """For each host an initiator name, and the WWID of a LUN that is mapped to that name alone."""
    names_of = {host: f"iqn.2025-01.test.guest:{host}" for host in HOSTS}
    lab("lun", "create", *[word for host in HOSTS for word in (f"by-name-{host}", "64M")])
    for host, name in names_of.items():
        lab("lun", "map", f"by-name-{host}", "31", "--via", "iscsi", "--initiator", name)
    return {host: {"name": name, "wwid": lab.wwid(f"by-name-{host}")} for host, name in names_of.items()}


@pytest.mark.full
def test_by_an_initiator_name_of_its_own(
    lab: Lab, ansible: Ansible, target: str, by_name: dict[str, dict[str, str]]
) -> None:
    """What is mapped to the name comes with the pool, what is mapped to the host does not; beside it goes the other."""
    guest = of_target(target, initiator=by_host({host: told["name"] for host, told in by_name.items()}))
    said = shell("names", "cat /sys/class/iscsi_session/*/initiatorname")
    run = play(ansible, *through_all_states(guest, said))
    for host in HOSTS:
        assert names(judge(run, host)) == {by_name[host]["wwid"]}
        assert one(run, host, "names")["stdout_lines"] == [by_name[host]["name"]] * 2
        assert by_name[host]["name"] in one(run, host, "libvirt")["stdout"]
        assert lab.ssh(host, f"{SESSIONS}; {LEFT}") == "0"
    hosts_own = {host: lab.ssh(host, "sed -n s/^InitiatorName=//p /etc/iscsi/initiatorname.iscsi") for host in HOSTS}
    lab("chap", "--user", "lab", "--password", SECRET, "--mutual-user", "array", "--mutual-password", MUTUAL)
    guest["source"]["chap"] = CHAP
    host_pool = {**of_target(target, initiator=by_host(hosts_own), chap=CHAP), "name": "host"}
    run = play(
        ansible,
        pool("guest up", **guest, state="active"),
        pool("host up", **host_pool, state="active"),
        info("volumes", "array"),
        info("volumes of the host", "host"),
        pool("guest gone", name="array", state="absent"),
        shell("what is left", f"{SESSIONS}; {IFACES}"),
        pool("host again", **host_pool, state="active"),
        pool("host gone", name="host", state="absent"),
    )
    lab("chap")
    for host in HOSTS:
        assert names(one(run, host, "volumes")["pools"][0]) == {by_name[host]["wwid"]}
        assert names(one(run, host, "volumes of the host")["pools"][0]) == {lab.wwid("by27"), lab.wwid("by28")}
        assert one(run, host, "what is left")["stdout"] == "2"
        assert one(run, host, "host again")["changed"] is False
        assert lab.ssh(host, f"{SESSIONS}; {LEFT}") == "0"


@pytest.mark.full
def test_only_its_own_sessions_and_none_in_use(lab: Lab, ansible: Ansible, target: str) -> None:
    """One session was there; the other one is the pool's, and stays while it is the last path of something in use."""
    ansible.module("kvm1", "iscsi_session", target=target, portals=[PORTALS[0]], startup="manual")
    disk = f"/dev/disk/by-id/scsi-{lab.wwid('by27')}"
    only_own = shell(
        "the other's session ends", f"iscsiadm -m node -T {target} -p {PORTALS[0]} --logout; udevadm settle"
    )
    run = play(
        ansible,
        pool("up", **of_target(target), state="active"),
        pool("down", name="array", state="inactive"),
        shell("one stays", SESSIONS),
        pool("up again", name="array", state="active"),
        only_own,
        shell("use", f"mkfs.ext4 -q -F {disk} && mount {disk} /mnt"),
        pool("in use", name="array", state="absent", may_fail=True),
        shell("no longer", "touch /mnt/file && umount /mnt"),
        pool("gone", name="array", state="absent"),
        hosts="kvm1",
    )
    assert one(run, "kvm1", "one stays")["stdout"] == "1"
    refused = one(run, "kvm1", "in use")
    assert (refused["error"], "/mnt" in refused["msg"]) == ("InUseError", True)
    assert lab.ssh("kvm1", SESSIONS) == "0"
    ansible.module("kvm1", "iscsi_session", target=target, state="absent")
    assert lab.ssh("kvm1", LEFT) == ""


@pytest.mark.full
def test_a_portal_that_is_down(lab: Lab, ansible: Ansible, target: str) -> None:
    lab("fault", "link-down", "kvm2:a")
    lab("fault", "link-down", "kvm2:b")
    none = play(ansible, pool("none", **of_target(target), state="active", timeout=20, may_fail=True), hosts="kvm2")
    lab("fault", "link-up", "kvm2:a")
    first = play(ansible, pool("up", **of_target(target), state="active", timeout=20), hosts="kvm2")
    lab("fault", "link-up", "kvm2:b")
    run = play(
        ansible,
        pool("both", name="array", state="active"),
        pool("again", name="array", state="active"),
        pool("gone", name="array", state="absent"),
        hosts="kvm2",
    )
    failed = one(none, "kvm2", "none")
    assert (failed["error"], f"no session with {target} can be had" in failed["msg"]) == ("UnavailableError", True)
    assert any(PORTALS[1] in warning for warning in one(first, "kvm2", "up")["warnings"])
    assert one(first, "kvm2", "up")["pool"]["state"] == "active"
    assert one(run, "kvm2", "both")["pool"]["sessions"] == {f"{portal}:3260": True for portal in PORTALS}
    assert [one(run, "kvm2", title)["changed"] for title in ("both", "again")] == [True, False]
    assert lab.ssh("kvm2", LEFT) == ""


@pytest.mark.full
def test_passwords(lab: Lab, ansible: Ansible, target: str) -> None:
    """Wrong, right, and kept where only root reads it; never shown."""
    lab("chap", "--user", "lab", "--password", SECRET, "--mutual-user", "array", "--mutual-password", MUTUAL)
    wrong = {**CHAP, "password": "not-a-secret-99"}
    run = play(
        ansible,
        pool("wrong", **of_target(target, chap=wrong), state="active", may_fail=True),
        shell(
            "left", "find /etc/iscsi/nodes /var/lib/iscsi/nodes -type f 2>/dev/null; ls /run/virt-san 2>/dev/null; true"
        ),
        pool("check", check=True, **of_target(target, chap=CHAP), state="active"),
        pool("right", **of_target(target, chap=CHAP), state="active"),
        pool("again", **of_target(target, chap=CHAP), state="active"),
        shell(
            "modes",
            "find /etc/virt-san/secrets /etc/iscsi/nodes /var/lib/iscsi/nodes -type f ! -perm 600 2>/dev/null"
            "; grep -rl not-a- /etc/virt-san/pools /run/virt-san; true",
        ),
        libvirt_takes("array"),
        pool("down", name="array", state="inactive"),
        pool("by name", name="array", state="active"),
        pool("gone", name="array", state="absent"),
    )
    for secret in (SECRET, MUTUAL, wrong["password"]):
        assert secret not in run.output
        assert secret not in str(run.entries)
    for host in HOSTS:
        failed = one(run, host, "wrong")
        assert (failed["error"], "CHAP" in failed["msg"]) == ("ApplyError", True)
        assert one(run, host, "left")["stdout"] == ""
        assert [one(run, host, title)["changed"] for title in ("check", "right", "again")] == [True, True, False]
        assert one(run, host, "modes")["stdout"] == ""
        assert one(run, host, "by name")["pool"]["state"] == "active"
        assert lab.ssh(host, LEFT) == ""
    lab("chap")


# What could become a pool


@pytest.mark.full
def test_what_could_become_a_pool(lab: Lab, ansible: Ansible, luns: list[str], target: str) -> None:
    """A LUN that something is on is not offered; what does not answer is said, and in time."""
    lab.ssh("kvm1", f"mkfs.ext4 -q -F /dev/mapper/{luns[0]}; udevadm settle")
    before = {host: lab.devices(host) for host in HOSTS}
    run = ansible.module(
        "kvm",
        "storage_pool_sources_info",
        portals=[PORTALS[0], "10.77.1.99"],
        nfs_servers=["10.77.1.1", "10.77.1.98"],
        timeout=20,
    )
    for host in HOSTS:
        told = run[host]
        offered = {device["wwid"]: device["path"] for device in told["devices"]}
        assert (luns[0] in offered, offered.get(luns[1])) == (False, f"/dev/mapper/{luns[1]}")
        assert not told["changed"]
        assert told["adapters"][0]["name"]
        wwpn = lab.ssh(host, f"cat {port_of(lab, host)}/port_name").removeprefix("0x")
        assert next(hba for hba in told["adapters"] if hba["host"] == wwpn)["luns"] >= 2
        assert [one["target"] for one in told["iscsi"][0]["targets"]] == [target]
        assert told["iscsi"][1]["reason"] == "unreachable"
        assert "/srv/nfs" in [one["dir"] for one in told["nfs"][0]["exports"]]
        assert "10.77.1.98 does not tell" in told["nfs"][1]["problem"]
    assert {host: lab.devices(host) for host in HOSTS} == before
    lab.ssh("kvm1", f"wipefs -qa /dev/mapper/{luns[0]}; udevadm settle")
