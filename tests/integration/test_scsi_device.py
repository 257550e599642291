# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LUNs that grow, are in use, leave, and are remapped, on both Debian releases.

The tests tell one story and build on each other: each run of Ansible costs half a minute on an emulated machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab, Run

pytestmark = pytest.mark.lab

MIB = 2**20
NUMBERS = {"data": 41, "bare": 42, "vg": 43, "swap": 44, "guest": 45, "old": 46, "new": 47}


@pytest.fixture(scope="module")
def wwids(lab: Lab, ansible: Ansible) -> dict[str, str]:
    """LUNs on both hosts; all but two with a multipath device of their name."""
    found = lab.provide_all({name: number for name, number in NUMBERS.items() if name != "new"})
    numbers = [NUMBERS[name] for name in found]
    ansible.module("kvm", "scsi_rescan", expect={"luns": numbers, "paths": 2})
    devices = [{"wwid": found[name], "alias": name, "paths": 2} for name in ("data", "vg", "swap", "guest", "old")]
    ansible.module("kvm", "multipath_devices", devices=devices)
    return found


def device(ansible: Ansible, hosts: str = "kvm", fails: bool = False, check: bool = False, **options: Any) -> Run:
    return ansible.module(hosts, "scsi_device", fails, ("--check", "--diff") if check else ("--diff",), **options)


def paths(lab: Lab, host: str, lun: int) -> list[str]:
    """SCSI addresses with this number, by the kernel's own word."""
    return lab.ssh(host, f"ls /sys/bus/scsi/devices | grep -E ':{lun}$' || true").split()


def traces(lab: Lab, host: str, wwid: str) -> str:
    """All that a host still knows of a LUN."""
    return lab.ssh(
        host,
        f"ls /dev/disk/by-id | grep {wwid[1:]}; dmsetup info -c --noheadings -o uuid | grep {wwid}; "
        f"grep -rs '/{wwid}/' /etc/multipath/wwids; grep -rs {wwid} /etc/multipath/conf.d /etc/lvm/devices; true",
    )


def same_plan(planned: dict[str, Any], done: dict[str, Any]) -> None:
    """Check mode said what was then done."""
    for key in ("changed", "removed", "flushed", "size_before", "size_after"):
        assert planned[key] == done[key], key
    assert planned["steps"] == done["steps"]
    assert planned["diff"] == done["diff"]


# Growing


@pytest.mark.full
def test_a_lun_that_has_its_size(ansible: Ansible, wwids: dict[str, str]) -> None:
    run = device(ansible, wwid=wwids["data"], size="64M", timeout=0)
    assert [run[host]["changed"] for host in HOSTS] == [False, False]


def test_growing_with_multipath(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    before = {host: lab.devices(host) for host in HOSTS}
    planned = device(ansible, check=True, wwid=wwids["data"], size="96M")
    assert {host: lab.devices(host) for host in HOSTS} == before, "check mode wrote something"
    lab("lun", "resize", "data", "96M")
    done = device(ansible, wwid=wwids["data"], size="96M")
    for host in HOSTS:
        same_plan(planned[host], done[host])
        assert (done[host]["size_before"], done[host]["size_after"]) == (64 * MIB, 96 * MIB)
        assert lab.ssh(host, "blockdev --getsize64 /dev/mapper/data") == str(96 * MIB)
    again = device(ansible, wwid=wwids["data"], size="96M")
    assert [again[host]["changed"] for host in HOSTS] == [False, False]


@pytest.mark.full
def test_growing_without_multipath_to_what_it_is_now(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    lab("lun", "resize", "bare", "80M")
    done = device(ansible, wwid=wwids["bare"])
    for host in HOSTS:
        assert done[host]["changed"]
        sizes = lab.ssh(host, "for d in /sys/bus/scsi/devices/*:42/block/*; do cat $d/size; done").split()
        assert sizes == [str(80 * MIB // 512)] * 2
    again = device(ansible, wwid=wwids["bare"])
    assert [again[host]["changed"] for host in HOSTS] == [False, False]


@pytest.mark.full
def test_waiting_for_a_size(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    wait = ansible.start_module("kvm1", "scsi_device", (), wwid=wwids["data"], size="128M", timeout=240)
    late = device(ansible, "kvm2", fails=True, wwid=wwids["data"], size="128M", timeout=2)
    assert "has 96M, not the 128M asked for" in late["kvm2"]["msg"]
    lab("lun", "resize", "data", "128M")
    assert wait()["kvm1"]["size_after"] == 128 * MIB


@pytest.mark.full
def test_a_lun_that_has_shrunk(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    lab("lun", "resize", "data", "64M")
    for size in ("current", "128M"):
        run = device(ansible, "kvm1", fails=True, wwid=wwids["data"], size=size)
        assert run["kvm1"]["error"] == "RefusedError"
        assert "has shrunk on the array, from 128M" in run["kvm1"]["msg"]
    assert lab.ssh("kvm1", "blockdev --getsize64 /dev/mapper/data") == str(128 * MIB)
    lab("lun", "resize", "data", "128M")
    device(ansible, wwid=wwids["data"], size="128M")


# In use


AWAIT = "timeout 60 sh -c 'until {}; do sleep 0.1; done'"
HOLDER = "/proc/$(systemctl show -P MainPID holder)"
HOLD = "systemd-run -q --collect --unit holder"
LET_GO = "systemctl stop holder"
MOUNT = " && ".join((
    "mkfs.ext4 -q -F {0}",
    f"{HOLD} unshare -m sh -c 'mount {{0}} /mnt && exec sleep 3000'",
    AWAIT.format(f'grep -qs " /mnt " {HOLDER}/mounts'),
))  # fmt: skip
# The last process of a mount namespace does not wait for its mounts to go.
UNMOUNT = f"{LET_GO}; {AWAIT.format('! test -e /sys/fs/ext4/$(basename $(realpath {0}))')}"
GROUP = "vgcreate -qq vgx {0} && lvcreate -qq -y -W n -l1 -n lv vgx"
DISK = "-blockdev host_device,node-name=d,filename={0}"
GUEST = " && ".join((
    f"{HOLD} qemu-system-x86_64 -name guest=web1 -display none -S -M none {DISK}",
    AWAIT.format(f'ls -l {HOLDER}/fd | grep -qF "$(realpath {{0}})"'),
))  # fmt: skip
IN_USE = {
    "data": (MOUNT, UNMOUNT, "/mnt"),
    "vg": (GROUP, "vgchange -qq -an vgx", "vgx"),
    "swap": ("mkswap {0} && swapon {0}", "swapoff {0}", "swap"),
    "guest": (GUEST, LET_GO, "web1"),
}
"""What takes a LUN into use, what ends that, and who is named as its holder."""


@pytest.mark.parametrize(
    "name", [name if name in ("data", "guest") else pytest.param(name, marks=pytest.mark.full) for name in IN_USE]
)
def test_in_use_is_refused(lab: Lab, ansible: Ansible, wwids: dict[str, str], name: str) -> None:
    begin, end, holder = IN_USE[name]
    lab.ssh("kvm1", begin.format(f"/dev/mapper/{name}"))
    try:
        before = lab.devices("kvm1")
        run = device(ansible, "kvm1", fails=True, state="absent", wwid=wwids[name], force=True, purge_remapped=True)
        assert run["kvm1"]["error"] == "InUseError"
        assert holder in run["kvm1"]["msg"]
        assert any(holder in told["by"] for told in run["kvm1"]["holders"])
        assert lab.devices("kvm1") == before
    finally:
        lab.ssh("kvm1", end.format(f"/dev/mapper/{name}"))


# Leaving


def test_a_free_lun_leaves_without_a_trace(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    """One with a multipath device and a file system, with an unmapped sibling on kvm2."""
    sibling = lab.ssh("kvm2", "basename $(ls -d /sys/bus/scsi/devices/*:41/block/* | head -1)")
    lab.ssh("kvm2", f"multipathd del path {sibling}")
    planned = device(ansible, check=True, state="absent", wwid=wwids["data"])
    done = device(ansible, state="absent", wwid=wwids["data"])
    for host in HOSTS:
        same_plan(planned[host], done[host])
        assert done[host]["flushed"] == ["data"]
        assert len(done[host]["removed"]) == 2
        assert paths(lab, host, 41) == []
        assert traces(lab, host, wwids["data"]) == ""
    again = device(ansible, state="absent", wwid=wwids["data"])
    assert [again[host]["changed"] for host in HOSTS] == [False, False]


@pytest.mark.full
def test_a_lun_whose_volume_group_is_not_active(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    """It leaves as it is; where LVM has a devices file that file is kept in step."""
    lab.ssh("kvm1", "lvm lvmdevices --yes --config devices/use_devicesfile=1 --adddev /dev/mapper/vg")
    done = device(ansible, "kvm1", state="absent", device="/dev/mapper/vg")["kvm1"]
    assert any("still carries lvm_pv" in warning for warning in done["warnings"])
    assert any("LVM's devices file" in step for step in done["steps"])
    assert traces(lab, "kvm1", wwids["vg"]) == ""
    lab.ssh("kvm1", "rm -f /etc/lvm/devices/system.devices")


@pytest.mark.full
def test_a_lun_by_its_address(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    facts = ansible.module("kvm2", "lun_facts", wwids=[wwids["bare"]])["kvm2"]["ansible_facts"]["san"]
    path = facts["luns"][0]["paths"][0]
    done = device(ansible, "kvm2", state="absent", hba=path["hba"], target=path["target"], lun=42)["kvm2"]
    assert (done["wwid"], len(done["removed"])) == (wwids["bare"], 2)
    assert paths(lab, "kvm2", 42) == []
    assert traces(lab, "kvm2", wwids["bare"]) == ""


@pytest.fixture
def dead(lab: Lab) -> Iterator[None]:
    """Both cables of kvm2 are out."""
    lab("fault", "link-down", "kvm2:a", "kvm2:b")
    yield
    lab("fault", "link-up", "kvm2:a", "kvm2:b")


@pytest.mark.usefixtures("dead")
def test_a_map_without_paths_that_queues(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    """Also: paths pulled while the LUN is being removed."""
    lab.ssh("kvm2", "dmsetup message swap 0 queue_if_no_path; timeout 60 sh -c 'until multipathd show paths raw format "
                    "\"%d %T\" | grep -c faulty | grep -qv ^0; do sleep 1; done'")  # fmt: skip
    lab.ssh("kvm2", "multipathd restorequeueing map swap; dmsetup message swap 0 queue_if_no_path")
    run = device(ansible, "kvm2", fails=True, state="absent", wwid=wwids["swap"])
    assert run["kvm2"]["error"] == "RefusedError", run["kvm2"]
    assert "force: true" in run["kvm2"]["msg"]
    done = device(ansible, "kvm2", state="absent", wwid=wwids["swap"], force=True)["kvm2"]
    assert len(done["removed"]) == 2
    assert paths(lab, "kvm2", 44) == []
    assert traces(lab, "kvm2", wwids["swap"]) == ""


@pytest.mark.full
def test_a_path_pulled_while_removing(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    """Whatever the first run makes of it, the next one finishes; a port that comes back scans by itself."""
    wait = ansible.start_module("kvm1", "scsi_device", (), state="absent", wwid=wwids["swap"])
    lab.ssh("kvm1", "for i in $(seq 600); do pgrep -f '[A]nsiballZ_scsi_device' >/dev/null && break; sleep 0.1; done")
    lab("fault", "link-down", "kvm1:a")
    run = wait()
    down = run["kvm1"].get("removed"), run["kvm1"].get("msg")
    lab("fault", "link-up", "kvm1:a")
    last = device(ansible, "kvm1", state="absent", wwid=wwids["swap"])["kvm1"]
    assert paths(lab, "kvm1", 44) == [], (down, last)
    assert traces(lab, "kvm1", wwids["swap"]) == ""


@pytest.mark.full
def test_a_stale_path_is_proven(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    """The array has unmapped the LUN in one fabric; through the other it is in use."""
    lab("lun", "unmap", "guest", "--host", "kvm1", "--target", "b")
    lab.ssh("kvm1", "mkfs.ext4 -q -F /dev/mapper/guest && mount /dev/mapper/guest /srv")
    asked = device(ansible, "kvm1", check=True, state="absent", wwid=wwids["guest"], probe=True)["kvm1"]
    assert len(asked["stale"]) == 1
    done = device(ansible, "kvm1", state="absent", wwid=wwids["guest"], probe=True)["kvm1"]
    same_plan(asked, done)
    assert [path["hctl"] for path in done["removed"]] == [path["hctl"] for path in asked["stale"]]
    assert len(paths(lab, "kvm1", 45)) == 1
    lab.ssh("kvm1", "touch /srv/alive && umount /srv")
    again = device(ansible, "kvm1", state="absent", wwid=wwids["guest"], probe=True)["kvm1"]
    assert not again["changed"]
    assert [one["answered"] for one in again["probed"]] == [True]


@pytest.mark.full
def test_a_remapped_number(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    lab("lun", "unmap", "old", "--host", "kvm1")
    new = lab.provide("new", NUMBERS["old"], hosts=("kvm1",))
    run = device(ansible, "kvm1", fails=True, device="/dev/mapper/old")["kvm1"]
    assert run["error"] == "IdentityError"
    assert {(one["old_wwid"], one["new_wwid"]) for one in run["remapped"]} == {(wwids["old"], new)}
    lab.ssh("kvm1", "dmsetup create top --table \"0 2048 linear /dev/mapper/old 0\"")  # fmt: skip
    run = device(ansible, "kvm1", fails=True, device="/dev/mapper/old", purge_remapped=True)["kvm1"]
    assert (run["error"], "top" in run["msg"]) == ("InUseError", True)
    lab.ssh("kvm1", "dmsetup remove top")
    done = device(ansible, "kvm1", wwid=new, purge_remapped=True)["kvm1"]
    assert (done["flushed"], done["wwid"], len(done["removed"])) == (["old"], new, 2)
    assert traces(lab, "kvm1", wwids["old"]) == ""
    assert lab.ssh("kvm1", "cat /sys/bus/scsi/devices/*:46/wwid | sort -u") == f"naa.{new[1:]}"
    again = device(ansible, "kvm1", wwid=new, purge_remapped=True)["kvm1"]
    assert not again["changed"]
