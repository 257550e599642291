# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iSCSI sessions of real hosts with a real target, on both Debian releases.

The tests tell one story and build on each other: sessions come, are in use, lose a portal, and go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, PORTALS, Ansible, Lab, Run

pytestmark = pytest.mark.lab

NUMBERS = {"data": 27, "free": 28}
SECRET, MUTUAL, DISCOVERY = "not-a-secret-12", "not-a-mutual-12", "not-a-discov-12"
CHAP = {"username": "lab", "password": SECRET, "mutual_username": "array", "mutual_password": MUTUAL}
NODES = "/etc/iscsi/nodes /var/lib/iscsi/nodes"


@pytest.fixture(scope="module")
def wwids(lab: Lab) -> dict[str, str]:
    """LUNs that both hosts see by iSCSI once they are logged in."""
    return lab.provide_all(NUMBERS, "--via", "iscsi")


@pytest.fixture(scope="module")
def target(lab: Lab) -> str:
    return lab.iscsi_target()


def session(ansible: Ansible, hosts: str = "kvm", fails: bool = False, check: bool = False, **options: Any) -> Run:
    flags = ("--check", "--diff") if check else ("--diff",)
    run = ansible.module(hosts, "iscsi_session", fails, flags, **options)
    for secret in (SECRET, MUTUAL, DISCOVERY):
        assert secret not in run.output
        assert secret not in str(run.entries)
    return run


def same_plan(planned: dict[str, Any], done: dict[str, Any]) -> None:
    """Check mode said what was then done."""
    for key in ("changed", "steps", "removed_luns", "removed_paths", "kept_maps", "diff"):
        assert planned.get(key) == done.get(key), key


def sessions(lab: Lab, host: str) -> list[str]:
    """Targets and portals by the kernel's own word."""
    told = lab.ssh(
        host,
        "cd /sys/class/iscsi_session; for s in session*; do [ -e $s/targetname ] || continue; "
        "echo $(cat $s/targetname $s/device/connection*/iscsi_connection/*/persistent_address $s/state); done",
    )
    return sorted(told.splitlines())


def written(lab: Lab, host: str) -> str:
    """All that open-iscsi has on file, and who may read it."""
    told = lab.ssh(host, f"find {NODES} /etc/iscsi/send_targets /var/lib/iscsi/send_targets -type f "
                         "-exec stat -c '%n %a' {} + -exec md5sum {} + 2>/dev/null; true")  # fmt: skip
    return "\n".join(sorted(told.splitlines()))


def both(target: str) -> list[str]:
    return [f"{target} {portal} LOGGED_IN" for portal in PORTALS]


# Coming up


def test_discovered(ansible: Ansible, lab: Lab, target: str) -> None:
    run = session(ansible, state="discovered", portals=[PORTALS[0]])
    for host in HOSTS:
        assert [one["target"] for one in run[host]["targets"]] == [target]
        assert {one["portal"] for one in run[host]["targets"][0]["portals"]} == {f"{each}:3260" for each in PORTALS}
        assert not run[host]["changed"]
        assert (sessions(lab, host), written(lab, host)) == ([], "")


@pytest.mark.usefixtures("wwids")
def test_logged_in(ansible: Ansible, lab: Lab, target: str) -> None:
    wanted = {"target": target, "portals": list(PORTALS), "replacement_timeout": 5}
    planned = session(ansible, check=True, **wanted)
    assert [(sessions(lab, host), written(lab, host)) for host in HOSTS] == [([], "")] * 2, "check mode wrote something"
    done = session(ansible, **wanted)
    for host in HOSTS:
        same_plan(planned[host], done[host])
        assert done[host]["changed"]
        assert sessions(lab, host) == both(target)
        assert lab.ssh(host, f"grep -rhs '^node.startup\\|replacement_timeout' {NODES} | sort | uniq -c").split() == [
            *("2", "node.session.timeo.replacement_timeout", "=", "5"),
            *("2", "node.startup", "=", "automatic"),
        ]
    again = session(ansible, **wanted)
    assert [(again[host]["changed"], again[host]["steps"]) for host in HOSTS] == [(False, [])] * 2


def test_the_luns_come(ansible: Ansible, wwids: dict[str, str]) -> None:
    run = ansible.module("kvm", "scsi_rescan", expect={"wwids": list(wwids.values()), "paths": 2})
    for host in HOSTS:
        assert {path["transport"] for unit in run[host]["luns"] for path in unit["paths"]} == {"iscsi"}
    devices = [{"wwid": wwid, "alias": name, "paths": 2} for name, wwid in wwids.items()]
    ansible.module("kvm", "multipath_devices", devices=devices)


# Names


@pytest.fixture
def similar(lab: Lab, target: str) -> Iterator[str]:
    """A target whose name begins with the whole name of the other."""
    lab("fault", "similar-target", "on")
    yield f"{target}0"
    lab("fault", "similar-target", "off")


@pytest.mark.full
def test_a_name_that_begins_like_another(ansible: Ansible, lab: Lab, target: str, similar: str) -> None:
    session(ansible, "kvm1", target=similar, portals=[PORTALS[0]], startup="manual")
    assert sessions(lab, "kvm1") == [*both(target)[:1], *both(target)[1:], f"{similar} {PORTALS[0]} LOGGED_IN"]
    run = session(ansible, "kvm1", fails=True, target=target[:-1], portals=list(PORTALS))["kvm1"]
    assert (run["error"], similar in run["msg"]) == ("NotFoundError", True)
    assert {one["reason"] for one in run["portals"]} == {"target_unknown"}
    done = session(ansible, "kvm1", target=similar, state="absent")["kvm1"]
    assert (done["changed"], done["removed_paths"]) == (True, [])
    assert sessions(lab, "kvm1") == both(target)
    assert similar not in written(lab, "kvm1")


# In use


def test_in_use_is_refused(ansible: Ansible, lab: Lab, target: str) -> None:
    lab.ssh("kvm1", "mkfs.ext4 -q -F /dev/mapper/data && mount /dev/mapper/data /srv")
    before = (lab.devices("kvm1"), sessions(lab, "kvm1"), written(lab, "kvm1"))
    run = session(ansible, "kvm1", fails=True, target=target, state="absent", force=True)["kvm1"]
    assert (run["error"], "/srv" in run["msg"]) == ("InUseError", True)
    assert any(holder["by"] == "/srv" for holder in run["holders"])
    assert (lab.devices("kvm1"), sessions(lab, "kvm1"), written(lab, "kvm1")) == before
    lab.ssh("kvm1", "umount /srv")


@pytest.mark.full
def test_one_portal_leaves_under_a_mount(ansible: Ansible, lab: Lab, target: str) -> None:
    """The map keeps its other path; then the portal comes back."""
    lab.ssh("kvm1", "mount /dev/mapper/data /srv")
    planned = session(ansible, "kvm1", check=True, target=target, state="absent", portals=[PORTALS[1]])["kvm1"]
    done = session(ansible, "kvm1", target=target, state="absent", portals=[PORTALS[1]])["kvm1"]
    same_plan(planned, done)
    assert (sorted(done["kept_maps"]), len(done["removed_paths"]), done["removed_luns"]) == (["data", "free"], 2, [])
    assert sessions(lab, "kvm1") == both(target)[:1]
    lab.ssh("kvm1", "echo still here > /srv/file && sync")
    back = session(ansible, "kvm1", target=target, portals=list(PORTALS))["kvm1"]
    assert back["steps"][-1].startswith("log in to")
    lab.ssh("kvm1", "timeout 60 sh -c 'until [ $(ls /sys/block/$(basename $(readlink /dev/mapper/data))/slaves | wc -l)"
                    " = 2 ]; do sleep 1; done' && cat /srv/file && umount /srv")  # fmt: skip


# A portal that is down


@pytest.mark.full
def test_a_portal_that_is_down(ansible: Ansible, lab: Lab, target: str) -> None:
    session(ansible, "kvm2", target=target, state="absent")
    lab("fault", "link-down", "kvm2:b")
    run = session(ansible, "kvm2", fails=True, target=target, portals=list(PORTALS))["kvm2"]
    assert run["msg"].startswith("1 of 2 sessions")
    assert [one["reason"] for one in run["portals"]] == [None, "unreachable"]
    assert sessions(lab, "kvm2") == both(target)[:1]
    enough = session(ansible, "kvm2", target=target, portals=list(PORTALS), min_portals=1)["kvm2"]
    assert (enough["changed"], PORTALS[1] in str(enough["warnings"])) == (False, True)
    lab("fault", "link-up", "kvm2:b")
    done = session(ansible, "kvm2", target=target, portals=list(PORTALS))["kvm2"]
    assert done["changed"]
    assert sessions(lab, "kvm2") == both(target)


# Passwords

WATCH = (
    "(for i in $(seq 6000); do cat /proc/[0-9]*/cmdline 2>/dev/null | grep -aq 'not-a-[smd]' && echo seen; "
    "[ -e /run/watched ] && break; sleep 0.1; done) > /run/seen 2>/dev/null </dev/null &"
)
"""Looks for passwords among the arguments of all processes."""


@pytest.mark.full
@pytest.mark.timeout(900)
def test_passwords(ansible: Ansible, lab: Lab, target: str) -> None:
    """From none to one-way, mutual, wrong, and back to none."""
    wanted = {"target": target, "portals": list(PORTALS)}
    for host in HOSTS:
        lab.ssh(host, f"rm -f /run/watched; {WATCH}")
    lab("chap", "--user", "lab", "--password", SECRET, "--mutual-user", "array", "--mutual-password", MUTUAL)
    one_way = {key: value for key, value in CHAP.items() if "mutual" not in key}
    told = session(ansible, **wanted, chap=one_way)
    for host in HOSTS:
        assert "next login" in str(told[host]["warnings"])
    for chap, reason in (
        ({**CHAP, "password": "not-a-secret-99"}, {"authentication"}),
        ({**CHAP, "mutual_password": "not-a-mutual-99"}, {"refused"}),
    ):
        wrong = session(ansible, fails=True, **wanted, chap=chap, relogin=True)
        for host in HOSTS:
            assert {one["reason"] for one in wrong[host]["portals"]} <= reason, wrong[host]
            assert sessions(lab, host) == []
    planned = session(ansible, check=True, **wanted, chap=CHAP)
    done = session(ansible, **wanted, chap=CHAP)
    again = session(ansible, **wanted, chap=CHAP)
    for host in HOSTS:
        same_plan(planned[host], done[host])
        assert sessions(lab, host) == both(target)
        assert (done[host]["changed"], again[host]["changed"]) == (True, False)
        assert {line.split()[1] for line in written(lab, host).splitlines() if "/default " in line} == {"600"}
        lab.ssh(host, "touch /run/watched; sleep 2")
        assert lab.ssh(host, "cat /run/seen; rm /run/watched") == "", "a password among arguments"
    lab("chap")
    done = session(ansible, **wanted, auth="none", relogin=True)
    for host in HOSTS:
        assert done[host]["changed"]
        assert sessions(lab, host) == both(target)
        assert lab.ssh(host, f"grep -rs 'auth.password' {NODES}; true") == ""


@pytest.mark.full
def test_a_password_for_discovery(ansible: Ansible, lab: Lab, target: str) -> None:
    """Also where somebody has a record of such a discovery: it is set aside in the one that is there meanwhile."""
    lab("chap", "--discovery", "--user", "lab", "--password", DISCOVERY)
    credentials = {"username": "lab", "password": DISCOVERY}
    theirs = f"iscsiadm -m discoverydb -t sendtargets -p {PORTALS[0]}"
    for host in HOSTS:
        lab.ssh(host, f"{theirs} -o new")
    before = [written(lab, host) for host in HOSTS]
    run = session(ansible, fails=True, state="discovered", portals=[PORTALS[0]])
    for host in HOSTS:
        assert run[host]["portals"][0]["reason"] == "authentication", run[host]
    run = session(ansible, state="discovered", portals=list(PORTALS), discovery_chap=credentials)
    for host in HOSTS:
        assert [one["target"] for one in run[host]["targets"]] == [target]
    assert [written(lab, host) for host in HOSTS] == before
    assert all("st_config" in one for one in before)
    for host in HOSTS:
        lab.ssh(host, f"{theirs} -o delete")
    lab("chap")


# Staying, and leaving


@pytest.mark.full
def test_back_after_a_reboot(ansible: Ansible, lab: Lab, target: str, wwids: dict[str, str]) -> None:
    lab("reboot", *HOSTS)
    for host in HOSTS:
        lab.ssh(host, "timeout 120 sh -c 'until [ $(ls /sys/class/iscsi_session | wc -l) = 2 ]; do sleep 1; done'")
        assert sessions(lab, host) == both(target)
    run = session(ansible, target=target, portals=list(PORTALS))
    assert [run[host]["changed"] for host in HOSTS] == [False, False]
    ansible.module("kvm", "scsi_rescan", expect={"wwids": list(wwids.values()), "paths": 2})


def test_leaving_without_a_trace(ansible: Ansible, lab: Lab, target: str, wwids: dict[str, str]) -> None:
    planned = session(ansible, check=True, target=target, state="absent")
    done = session(ansible, target=target, state="absent")
    for host in HOSTS:
        same_plan(planned[host], done[host])
        assert sorted(done[host]["removed_luns"]) == sorted(wwids.values())
        assert (sessions(lab, host), written(lab, host)) == ([], "")
        assert "mpath-" not in lab.ssh(host, "dmsetup info -c --noheadings -o uuid")
    again = session(ansible, target=target, state="absent")
    assert [again[host]["changed"] for host in HOSTS] == [False, False]
