# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LUNs that two hosts see: who may build on one, what is found on it, and a volume group from its making to its end."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import DEADLINE, HOSTS, LAB, ROOT, Ansible, Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600), pytest.mark.usefixtures("driver")]

RUN = "cd / && PYTHONPATH=/root/driver python3 /root/driver/group.py {asked}"
NAME = "guests"
Told = dict[str, Any]


class Driver:
    """Calls the collection's rooms on the lab's hosts, as the module will."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def start(self, host: str, do: str, devices: tuple[str, ...] = (), **options: Any) -> Callable[[], Told | None]:
        """Start it on a host and return a function that waits for its answer; None: it was killed."""
        asked = json.dumps({"do": do, "name": NAME, "devices": devices, **options})
        command = [LAB, "ssh", host, RUN.format(asked=f"'{asked}'")]
        process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

        def wait() -> Told | None:
            out, err = process.communicate(timeout=DEADLINE)
            if not out.strip():
                assert process.returncode in (137, 255, 1), err
                assert "Traceback" not in err, err
                return None
            return dict(json.loads(out.strip().splitlines()[-1]))

        return wait

    def __call__(self, host: str, do: str, *devices: str, **options: Any) -> Told:
        told = self.start(host, do, devices, **options)()
        assert told is not None, "killed"
        return told

    def ok(self, host: str, do: str, *devices: str, **options: Any) -> Told:
        told = self(host, do, *devices, **options)
        assert told["ok"], told
        return told


@pytest.fixture(scope="module")
def driver(lab: Lab) -> Iterator[Driver]:
    for host in HOSTS:
        archive = subprocess.run(
            ["tar", "-C", str(ROOT), "-cz", "--exclude=__pycache__", "plugins/module_utils"],
            check=True,
            capture_output=True,
        ).stdout
        put = "rm -rf /root/driver; D=/root/driver/ansible_collections/virt/san; mkdir -p $D; tar -C $D -xz"
        subprocess.run([LAB, "ssh", host, put], input=archive, check=True, timeout=DEADLINE)
        script = (ROOT / "tests/integration/drivers/group.py").read_bytes()
        subprocess.run([LAB, "ssh", host, "cat > /root/driver/group.py"], input=script, check=True, timeout=DEADLINE)
        lab.ssh(host, "rm -rf /etc/lvm/devices /etc/lvm/lvmlocal.conf")
    yield Driver(lab)
    for host in HOSTS:
        lab.ssh(host, f"vgchange -an {NAME}; rm -rf /etc/lvm/devices /etc/lvm/lvmlocal.conf /root/driver")


@pytest.fixture(scope="module")
def luns(lab: Lab) -> list[str]:
    """Two LUNs that both hosts see, by two paths each and with a map: their WWIDs."""
    wwids = list(lab.provide_all({"one51": 51, "two52": 52}).values())
    for host in HOSTS:
        lab.attach(host, *wwids)
    return wwids


def keys(lab: Lab, name: str) -> str:
    """Return what the array says of a LUN's registrations and reservation."""
    return lab.ssh(
        "array",
        f"D=$(dirname $(grep -l . /sys/kernel/config/target/core/*/{name}/wwn/vpd_unit_serial)); "
        "cat $D/../pr/res_holder $D/../pr/res_pr_registered_i_pts",
    )


@pytest.mark.full
def test_the_map_is_used_whatever_is_named(lab: Lab, driver: Driver, luns: list[str]) -> None:
    path = lab.ssh("kvm1", f"ls /sys/block/$(basename $(readlink -f /dev/mapper/{luns[0]}))/slaves | head -n1")
    for name in (luns[0], f"/dev/{path}", f"/dev/disk/by-id/dm-uuid-mpath-{luns[0]}"):
        told = driver.ok("kvm1", "inspect", name)
        assert [(one["path"], one["state"]) for one in told["disks"]] == [(f"/dev/mapper/{luns[0]}", "blank")]


@pytest.mark.full
def test_a_lun_is_one_hosts_alone(lab: Lab, driver: Driver, luns: list[str]) -> None:
    """The second host waits, the array keeps it from writing, and then it gets the LUN."""
    first = driver.start("kvm1", "hold", (luns[0],), seconds=30, touch="/run/held")
    lab.ssh("kvm1", "for n in $(seq 100); do test -e /run/held && exit 0; sleep 0.2; done; exit 1")
    late = driver("kvm2", "hold", luns[0], timeout=3)
    assert (late["ok"], late["error"]) == (False, "WaitTimeoutError")
    assert "another host works on it" in late["msg"]
    write = f"dd if=/dev/zero of=/dev/mapper/{luns[0]} bs=4096 count=1 oflag=direct conv=notrunc"
    lab.ssh("kvm2", write, fails=True)
    lab.ssh("kvm1", write)
    lab.ssh("kvm2", f"dd if=/dev/mapper/{luns[0]} of=/dev/null bs=4096 count=1 iflag=direct")
    second = driver.start("kvm2", "hold", (luns[0],), timeout=60)
    assert (first() or {})["held"] == [luns[0]]
    told = second() or {}
    assert (told["held"], told["warnings"]) == ([luns[0]], [])
    assert "SPC-3 PR Registrations:\nNone" in keys(lab, "one51")
    lab.ssh("kvm1", "rm /run/held")


@pytest.mark.full
def test_a_killed_run_is_taken_up_by_its_host(lab: Lab, driver: Driver, luns: list[str]) -> None:
    assert driver.start("kvm1", "hold", (luns[0],), die=True)() is None
    late = driver("kvm2", "hold", luns[0], timeout=2)
    initiator = lab.ssh("kvm1", "cat /sys/class/fc_host/host*/port_name | head -n1").removeprefix("0x")
    assert late["error"] == "WaitTimeoutError"
    assert initiator in late["msg"], "whose it is"
    assert driver.ok("kvm1", "hold", luns[0])["held"] == [luns[0]]
    assert driver.ok("kvm2", "hold", luns[0])["held"] == [luns[0]]


@pytest.mark.full
def test_two_hosts_never_wait_for_each_other(driver: Driver, luns: list[str]) -> None:
    """One was killed with the last LUN, and is run again while the other waits, which could have had the first one."""
    assert driver.start("kvm1", "hold", (max(luns),), die=True)() is None
    late = driver.start("kvm2", "hold", tuple(luns), timeout=60)
    assert driver.ok("kvm1", "hold", *luns, timeout=20)["held"] == sorted(luns)
    assert (late() or {})["held"] == sorted(luns)


@pytest.mark.full
def test_a_killed_run_whose_path_is_gone(lab: Lab, driver: Driver, luns: list[str]) -> None:
    for port in ("kvm1:a", "kvm1:b"):
        assert driver.start("kvm1", "hold", (luns[0],), die=True)() is None
        lab("fault", "port-down", port)
        try:
            wait_paths(lab, luns[0], 1)
            for host in HOSTS:
                told = driver.ok(host, "hold", luns[0])
                assert (told["held"], told["warnings"]) == ([luns[0]], []), host
        finally:
            lab("fault", "port-up", port)
        wait_paths(lab, luns[0], 2)


def wait_paths(lab: Lab, wwid: str, count: int) -> None:
    """Wait until multipathd on the first host has that many paths that work."""
    ready = f"multipathd show paths raw format '%w %T' | grep -c '^{wwid} .*ready'"
    lab.ssh("kvm1", f"for n in $(seq 200); do test $({ready}) = {count} && exit 0; sleep 0.5; done; exit 1")


@pytest.mark.full
def test_both_build_at_once(lab: Lab, driver: Driver, luns: list[str]) -> None:
    """One builds, the other waits, looks again and recognises what it finds."""
    runs = [driver.start(host, "build", tuple(luns), timeout=120) for host in HOSTS]
    told = [run() or {} for run in runs]
    assert all(one["ok"] for one in told), told
    assert sorted(bool(one["steps"]) for one in told) == [False, True], told
    owner = HOSTS[0] if told[0]["steps"] else HOSTS[1]
    other = next(host for host in HOSTS if host != owner)
    found = {host: driver.ok(host, "inspect", *luns) for host in HOSTS}
    assert found[owner]["groups"] == found[other]["groups"]
    (group,) = found[owner]["groups"]
    assert group["system_id"] == found[owner]["system_id"]
    assert {pv["wwid"] for pv in group["pvs"]} == set(luns)
    assert lab.ssh(owner, f"vgck {NAME} && vgs --noheadings -o vg_name {NAME}") == NAME
    lab.ssh(other, f"vgs {NAME}", fails=True)
    assert driver.ok(owner, "build", *luns)["changed"] is False
    assert driver.ok(other, "build", *luns)["changed"] is False
    refused = driver(other, "activate")
    assert (refused["error"], group["system_id"] in refused["msg"]) == ("RefusedError", True)
    assert driver(other, "remove", *luns)["error"] == "RefusedError"


def owner_of(lab: Lab) -> str:
    return next(host for host in HOSTS if NAME in lab.ssh(host, "vgs --noheadings -o vg_name").split())


@pytest.mark.full
def test_used_and_grown(lab: Lab, driver: Driver, luns: list[str]) -> None:
    host = owner_of(lab)
    lab.ssh(host, f"lvcreate -y -Wn -Zn -an -L 8M -n data {NAME}")
    assert driver.ok(host, "activate")["changed"]
    assert driver.ok(host, "activate")["changed"] is False
    pid = lab.ssh(host, f"sleep 600 < /dev/{NAME}/data > /dev/null 2>&1 & echo $!")
    for do in ("deactivate", "remove"):
        assert driver(host, do, *luns)["error"] == "InUseError"
    lab.ssh(host, f"kill {pid}")
    lab("lun", "resize", "two52", "96M")
    lab.ssh(
        host,
        f"for s in $(ls /sys/block/$(basename $(readlink -f /dev/mapper/{luns[1]}))/slaves); do "
        f"echo 1 > /sys/block/$s/device/rescan; done; multipathd resize map {luns[1]}; udevadm settle --timeout=60",
    )
    told = driver.ok(host, "build", *luns)
    assert [step.split(" in volume")[0] for step in told["steps"]] == [
        f"use all of /dev/mapper/{luns[1]} ({luns[1]})",
    ]
    assert driver.ok(host, "build", *luns)["changed"] is False


@pytest.mark.full
def test_reduced_and_extended(lab: Lab, driver: Driver, luns: list[str]) -> None:
    host = owner_of(lab)
    first = lab.ssh(host, f"pvs --noheadings -o pv_name -S 'pv_used>0 && vg_name={NAME}'").strip()
    stay = next(wwid for wwid in luns if wwid not in first)
    away = next(wwid for wwid in luns if wwid != stay)
    told = driver.ok(host, "build", stay)
    assert (told["changed"], told["steps"]) == (False, []), "what is not named stays"
    told = driver.ok(host, "build", stay, remove_devices=True)
    assert len(told["steps"]) == 3
    state = {one["wwid"]: one["state"] for one in driver.ok(host, "inspect", *luns)["disks"]}
    assert state == {stay: "taken", away: "blank"}
    assert driver.ok(host, "build", *luns)["changed"]


@pytest.mark.full
def test_removed_leaves_blank_luns(lab: Lab, driver: Driver, luns: list[str]) -> None:
    host = owner_of(lab)
    assert driver.ok(host, "remove", *luns)["changed"]
    for other in HOSTS:
        found = driver.ok(other, "inspect", *luns)
        assert [one["state"] for one in found["disks"]] == ["blank", "blank"]
        assert found["groups"] == []
    assert driver.ok(host, "remove", *luns)["changed"] is False


@pytest.mark.full
def test_the_same_task_on_both_hosts_at_once(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    """By the module, from present to absent: one host has made the group, and it is the other's to see, not to use."""
    task: dict[str, Any] = {"name": "shared", "type": "logical", "source": {"devices": luns}, "timeout": 120}
    run = ansible.module("kvm", "storage_pool", **task)
    made = {host: any("create volume group" in step for step in run[host]["steps"]) for host in HOSTS}
    assert sorted(made.values()) == [False, True]
    assert all(run[host]["changed"] and run[host]["pool"]["built"] for host in HOSTS)
    groups = [run[host]["pool"]["volume_group"] for host in HOSTS]
    assert groups[0]["uuid"] == groups[1]["uuid"]
    assert {pv["wwid"] for pv in groups[0]["pvs"]} == set(luns)
    again = ansible.module("kvm", "storage_pool", **task)
    assert [again[host]["changed"] for host in HOSTS] == [False, False]
    owner = next(host for host in HOSTS if made[host])
    other = next(host for host in HOSTS if host != owner)
    refused = ansible.module(other, "storage_pool", fails=True, name="shared", state="active")
    assert groups[0]["system_id"] in refused[other]["msg"]
    checked = ansible.module(owner, "storage_pool", flags=("--check",), name="shared", state="active")
    for expected in (True, False):
        started = ansible.module(owner, "storage_pool", name="shared", state="active")
        assert (started[owner]["changed"], started[owner]["pool"]["state"]) == (expected, "active")
    assert checked[owner]["changed"]
    lab.ssh(
        owner,
        "systemctl start libvirtd.socket && virsh -q pool-define --validate /etc/virt-san/pools/shared.xml"
        " && virsh -q pool-undefine shared",
    )
    ansible.module(other, "storage_pool", name="shared", state="absent")
    gone = ansible.module(owner, "storage_pool", name="shared", state="absent", delete_contents=True)
    assert any("leave" in step and "blank" in step for step in gone[owner]["steps"])
    assert "shared" not in lab.ssh(owner, "vgs --noheadings -o vg_name")


@pytest.mark.full
@pytest.mark.parametrize("steps", range(3))
def test_killed_between_two_steps(driver: Driver, luns: list[str], steps: int) -> None:
    """Those of a host whose LVM has its system ID: two PVs and the group."""
    assert driver.start("kvm2", "build", tuple(luns), die_after=steps)() is None
    assert driver("kvm1", "build", *luns, timeout=1)["error"] == "WaitTimeoutError"
    assert driver.ok("kvm2", "build", *luns)["changed"]
    assert driver.ok("kvm1", "build", *luns)["changed"] is False
    assert driver.ok("kvm2", "remove", *luns)["changed"]


@pytest.mark.full
def test_what_is_there_is_refused(lab: Lab, driver: Driver, luns: list[str]) -> None:
    lab.ssh("kvm1", f"mkfs.ext4 -q -E nodiscard,lazy_itable_init=1 -L old /dev/mapper/{luns[0]}")
    for host in HOSTS:
        refused = driver(host, "build", luns[0])
        assert refused["error"] == "RefusedError"
        assert "ext4" in refused["msg"]
        assert "label old" in refused["msg"]
    lab.ssh("kvm1", f"wipefs -a -q /dev/mapper/{luns[0]}")
    refused = driver("kvm2", "build", luns[0])
    assert "data of no known kind" in refused["msg"]
    assert driver.ok("kvm2", "build", luns[0], overwrite=True)["changed"]
    assert driver.ok("kvm2", "remove", luns[0])["changed"]


@pytest.mark.full
def test_in_use_is_never_overwritten(lab: Lab, driver: Driver, luns: list[str]) -> None:
    lab.ssh(
        "kvm1",
        f"mkfs.ext4 -q -E nodiscard,lazy_itable_init=1 /dev/mapper/{luns[0]} && mount /dev/mapper/{luns[0]} /mnt",
    )
    refused = driver("kvm1", "build", luns[0], overwrite=True)
    lab.ssh("kvm1", "umount /mnt")
    assert refused["error"] == "InUseError"
    assert "/mnt" in refused["msg"]
    assert driver.ok("kvm1", "build", luns[0], overwrite=True)["changed"]
    assert driver.ok("kvm1", "remove", luns[0])["changed"]


@pytest.mark.full
def test_a_bare_path_is_refused(lab: Lab, driver: Driver, luns: list[str]) -> None:
    path = lab.ssh("kvm1", f"ls /sys/block/$(basename $(readlink -f /dev/mapper/{luns[1]}))/slaves | head -n1")
    lab.ssh("kvm1", f"multipath -f {luns[1]}; multipath -w {luns[1]}")
    for name in (luns[1], f"/dev/{path}"):
        refused = driver("kvm1", "build", name)
        assert (refused["error"], "virt.san.multipath_devices" in refused["msg"]) == ("RefusedError", True)
