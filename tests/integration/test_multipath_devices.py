# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""multipath_devices on both releases of multipath-tools: made, named, grown, refused, flushed."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab, Run

pytestmark = pytest.mark.lab

DROP_IN = "/etc/multipath/conf.d/virt-san.conf"


@pytest.fixture(scope="module")
def wwids(lab: Lab, ansible: Ansible) -> dict[str, str]:
    """Two units with two paths each, scanned, without multipath devices (find_multipaths is strict)."""
    found = lab.provide_all({"data1": 11, "data2": 12})
    ansible.module("kvm", "scsi_rescan", luns=[11, 12], expect={"luns": [11, 12], "paths": 2})
    return found


def names(lab: Lab, host: str) -> dict[str, str]:
    """WWID to name of all maps, by device-mapper's own word."""
    lines = lab.ssh(host, "dmsetup info -c --noheadings --separator , -o uuid,name").splitlines()
    return dict(line.removeprefix("mpath-").split(",", 1) for line in lines if line.startswith("mpath-"))


def multipath(ansible: Ansible, hosts: str = "kvm", fails: bool = False, check: bool = False, **options: Any) -> Run:
    return ansible.module(hosts, "multipath_devices", fails, ("--check", "--diff") if check else (), **options)


def test_all_units_get_a_device(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    before = {host: lab.devices(host) for host in HOSTS}
    planned = multipath(ansible, check=True)
    assert {host: lab.devices(host) for host in HOSTS} == before, "check mode wrote something"
    run = multipath(ansible)
    for host in HOSTS:
        assert planned[host]["changed"]
        assert planned[host]["steps"] == run[host]["steps"]
        assert sorted(run[host]["created"]) == sorted(wwids.values())
        assert names(lab, host) == {wwid: wwid for wwid in wwids.values()}
    again = multipath(ansible)
    assert [again[host]["changed"] for host in HOSTS] == [False, False]


def test_aliases(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    devices = [{"wwid": wwid, "alias": name, "paths": 2} for name, wwid in wwids.items()]
    run = multipath(ansible, devices=devices)
    for host in HOSTS:
        assert names(lab, host) == {wwid: name for name, wwid in wwids.items()}
        assert {renamed["to"] for renamed in run[host]["renamed"]} == set(wwids)
    again = multipath(ansible, devices=devices)
    assert [again[host]["changed"] for host in HOSTS] == [False, False]


def test_refusals_write_nothing(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    first, second = wwids.values()
    before = lab.devices("kvm1")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"devices": [{"wwid": first, "alias": "data2"}]}, "is taken"),
        ({"devices": [{"wwid": first, "paths": 3}], "timeout": 1}, "2 of 3 expected paths"),
        ({"devices": [{"wwid": "3600140500000000000000000000000ff"}], "timeout": 1}, second),
        ({"devices": [{"wwid": first, "alias": "a/b"}]}, "is not an alias"),
        ({"devices": [], "settings": {"defaults": {"no_such_option": "yes"}}}, "no_such_option"),
    ]
    for options, says in cases:
        run = multipath(ansible, "kvm1", fails=True, **options)
        assert says in run["kvm1"]["msg"]
    assert lab.devices("kvm1") == before


def test_settings_reach_multipathd(lab: Lab, ansible: Ansible) -> None:
    multipath(ansible, devices=[], settings={"overrides": {"no_path_retry": 3}})
    for host in HOSTS:
        assert "no_path_retry 3" in lab.ssh(host, "multipathd show config").replace('"', "")
    multipath(ansible, devices=[], settings={"overrides": {}})
    assert "no_path_retry" not in lab.ssh("kvm1", f"cat {DROP_IN}")


def test_grown_units_are_followed(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    lab("lun", "resize", "data1", "96M")
    run = multipath(ansible)
    for host in HOSTS:
        (resized,) = run[host]["resized"]
        assert (resized["wwid"], resized["to"]) == (wwids["data1"], 96 * 2**20)
        assert lab.ssh(host, "blockdev --getsize64 /dev/mapper/data1") == str(96 * 2**20)


def test_in_use_is_not_flushed(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    lab.ssh("kvm1", "mkfs.ext4 -q /dev/mapper/data1 && mount /dev/mapper/data1 /mnt")
    before = lab.devices("kvm1")
    run = multipath(ansible, "kvm1", fails=True, state="absent", devices=[{"wwid": wwids["data1"]}])
    assert "/mnt" in run["kvm1"]["msg"]
    assert lab.devices("kvm1") == before
    lab.ssh("kvm1", "umount /mnt")


def test_flushed_stays_away(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    devices = [{"wwid": wwids["data1"]}]
    run = multipath(ansible, state="absent", devices=devices)
    for host in HOSTS:
        assert run[host]["flushed"] == [wwids["data1"]]
        lab.ssh(host, "multipathd reconfigure; udevadm trigger --subsystem-match=block; udevadm settle --timeout=60")
        assert names(lab, host) == {wwids["data2"]: "data2"}
        # multipath strikes a WWID out of its file: #WWID/
        assert f"/{wwids['data1']}/" not in lab.ssh(host, "cat /etc/multipath/wwids")
        assert wwids["data1"] not in lab.ssh(host, f"cat {DROP_IN}")
    again = multipath(ansible, state="absent", devices=devices)
    assert [again[host]["changed"] for host in HOSTS] == [False, False]


@pytest.mark.full
def test_made_a_moment_before_a_power_cut(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    """multipathd makes by itself only what it remembers, and leaves what it remembers to the kernel's next seconds."""
    multipath(ansible, devices=[{"wwid": wwids["data1"]}])
    lab("crash", *HOSTS, "--wait")
    for host in HOSTS:
        lab.ssh(host, f"for n in $(seq 120); do [ -e /dev/mapper/{wwids['data1']} ] && exit; sleep 1; done; exit 1")
    multipath(ansible, state="absent", devices=[{"wwid": wwids["data1"]}])
    lab("crash", *HOSTS, "--wait")
    for host in HOSTS:
        ready = f"[ -e /dev/mapper/data2 ] && ls /dev/disk/by-id/*{wwids['data1']}"
        lab.ssh(host, f"for n in $(seq 120); do {ready} && break; sleep 1; done; udevadm settle --timeout=60")
        assert names(lab, host) == {wwids["data2"]: "data2"}


@pytest.mark.full
def test_a_path_that_is_down(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    """An offline path is no reason to fail unless it is counted on."""
    path = next(
        unit["paths"][0]["device"]
        for unit in ansible.module("kvm1", "lun_facts")["kvm1"]["ansible_facts"]["san"]["luns"]
        if unit["wwid"] == wwids["data2"]
    )
    lab.ssh("kvm1", f"echo offline > /sys/block/{path}/device/state")
    try:
        run = multipath(ansible, "kvm1", fails=True, devices=[{"wwid": wwids["data2"], "paths": 2}], timeout=2)
        assert f"{path} (offline" in run["kvm1"]["msg"]
        assert not multipath(ansible, "kvm1", devices=[{"wwid": wwids["data2"], "paths": 1}])["kvm1"]["changed"]
    finally:
        lab.ssh("kvm1", f"echo running > /sys/block/{path}/device/state")


def test_without_multipathd(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    lab.ssh("kvm1", "systemctl stop multipathd.socket multipathd.service")
    try:
        run = multipath(ansible, "kvm1", fails=True, devices=[{"wwid": wwids["data2"]}])
        assert "multipathd does not run" in run["kvm1"]["msg"]
        assert lab.ssh("kvm1", "systemctl is-active multipathd || true") == "inactive", "asking must not start it"
    finally:
        lab.ssh("kvm1", "systemctl start multipathd.socket multipathd.service")


@pytest.mark.full
def test_killed_on_the_way_it_goes_on(lab: Lab, ansible: Ansible, wwids: dict[str, str]) -> None:
    """Written, but never read by multipathd: as a run leaves it that was killed in between."""
    devices = [{"wwid": wwids["data2"], "alias": "other2", "paths": 2}]
    wait = ansible.start_module("kvm2", "multipath_devices", (), devices=devices)
    deadline = "for i in $(seq 300); do [ -e /run/virt-san.multipath-pending ] && break; sleep 0.05; done"
    lab.ssh("kvm2", f"{deadline}; pkill -9 -f '[A]nsiballZ_multipath_devices' || true")
    wait()
    run = multipath(ansible, "kvm2", devices=devices)
    assert names(lab, "kvm2") == {wwids["data2"]: "other2"}
    assert not multipath(ansible, "kvm2", devices=devices)["kvm2"]["changed"]
    assert run["kvm2"]["maps"][0]["multipath"]["alias"] == "other2"
