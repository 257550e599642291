"""The running lab, judged from its hosts: what a command promises, the kernels there show.

Each test leaves what `lab clean` removes.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

LAB_DIR = Path(__file__).resolve().parents[1]
HOSTS = ("kvm1", "kvm2")


def lab_command(*words: str, check: bool = True, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [str(LAB_DIR / "lab"), *words], capture_output=True, text=True, check=False, timeout=seconds
    )
    if check:
        assert result.returncode == 0, f"lab {' '.join(words)}: {result.stderr}"
    return result


def lab_json(*words: str) -> Any:
    return json.loads(lab_command(*words, "--json").stdout)


def on(machine: str, script: str, seconds: float = 120) -> str:
    return lab_command("ssh", machine, script, seconds=seconds).stdout.strip()


def eventually(check: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"still not so after {seconds} s: {check.__name__}"
        time.sleep(0.5)


def scan(machine: str) -> None:
    on(machine, 'for host in /sys/class/fc_host/host*; do echo "- - -" > "/sys/class/scsi_host/${host##*/}/scan"; done')


def disks(machine: str) -> dict[str, list[str]]:
    """WWID -> names of the SCSI disks that show it."""
    lines = on(machine, 'for d in /sys/block/sd*; do [ -e "$d" ] && echo "${d##*/} $(cat $d/device/wwid)"; done; true')
    found: dict[str, list[str]] = {}
    for line in lines.splitlines():
        name, wwid = line.split()
        found.setdefault("3" + wwid.removeprefix("naa."), []).append(name)
    return found


def port_states(machine: str) -> list[str]:
    return on(machine, "cat /sys/class/fc_host/host*/port_state").split("\n")


def targets(machine: str) -> int:
    """How many target ports a host is logged in to; the switches' own ports are remote ports too."""
    script = "for r in /sys/class/fc_remote_ports/rport-*; do echo $(cat $r/roles $r/port_state); done"
    return sum("FCP Target" in line and "Online" in line for line in on(machine, script).splitlines())


@pytest.fixture(scope="module", autouse=True)
def running_lab() -> Iterator[None]:
    if lab_command("status", check=False).returncode != 0:
        pytest.fail("the lab is not running: tests/lab/lab up")
    lab_command("clean")
    yield
    lab_command("clean")


@pytest.fixture
def clean() -> Iterator[None]:
    yield
    lab_command("clean")


def test_every_port_is_logged_in():
    found = lab_json("fabric", "status")
    for fabric in ("a", "b"):
        assert {port["port"] for port in found[fabric]["ports"] if port["logins"]} == {
            f"kvm1:{fabric}", f"kvm2:{fabric}", f"array:{fabric}", f"array:{fabric}2",
        }  # fmt: skip


def test_machines_are_who_the_lab_says():
    found = lab_json("status")["machines"]
    for name in HOSTS:
        wwpns = set(on(name, "cat /sys/class/fc_host/host*/port_name").split())
        assert wwpns == {f"0x{wwpn}" for wwpn in found[name]["ports"].values()}
        assert on(name, "cat /etc/iscsi/initiatorname.iscsi") == f"InitiatorName={found[name]['initiator_name']}"
    assert on("kvm1", "cat /etc/machine-id") != on("kvm2", "cat /etc/machine-id")


@pytest.mark.usefixtures("clean")
def test_luns_are_the_same_on_both_hosts_by_both_fabrics():
    made = {lun["name"]: lun["wwid"] for lun in lab_json("lun", "create", "one", "64M", "two", "128M")}
    lab_command("lun", "map", "one", "27", "two", "300")
    for host in HOSTS:
        scan(host)
        eventually(lambda host=host: set(disks(host)) == set(made.values()))
        assert all(len(paths) == 2 for paths in disks(host).values())
    listed = {lun["name"]: lun for lun in lab_json("lun", "list")}
    assert listed["two"]["size"] == 128 << 20
    assert {mapping["lun"] for mapping in listed["two"]["mappings"]} == {300}
    assert {mapping["host"] for mapping in listed["two"]["mappings"]} == set(HOSTS)


@pytest.mark.usefixtures("clean")
def test_contents_are_those_of_the_backing_volume():
    wwid = lab_json("lun", "create", "one", "64M")[0]["wwid"]
    lab_command("lun", "map", "one", "1")
    scan("kvm1")
    scan("kvm2")
    eventually(lambda: wwid in disks("kvm1") and wwid in disks("kvm2"))
    lab_command("lun", "write", "one", "1M", "from the array")
    first, second = disks("kvm1")[wwid][0], disks("kvm2")[wwid][0]
    assert "from the array" in on(
        "kvm1", f"dd if=/dev/{first} bs=4k skip=256 count=1 iflag=direct status=none | head -c14"
    )
    on("kvm2", f"printf 'from a host' | dd of=/dev/{second} bs=4k seek=512 conv=sync oflag=direct status=none")
    assert lab_command("lun", "read", "one", "2M", "11").stdout == "from a host"


@pytest.mark.usefixtures("clean")
def test_a_lun_grows():
    wwid = lab_json("lun", "create", "one", "64M")[0]["wwid"]
    lab_command("lun", "map", "one", "1", "--host", "kvm1")
    scan("kvm1")
    eventually(lambda: len(disks("kvm1").get(wwid, [])) == 2)
    lab_command("lun", "resize", "one", "96M")
    names = disks("kvm1")[wwid]
    on("kvm1", "; ".join(f"echo 1 > /sys/block/{name}/device/rescan" for name in names))
    sizes = on("kvm1", "; ".join(f"cat /sys/block/{name}/size" for name in names)).split()
    assert sizes == [str((96 << 20) // 512)] * 2


@pytest.mark.usefixtures("clean")
def test_a_burst_of_writes_loses_no_frame():
    """As write-back of a file system makes one: all that the queues of a disk take at once."""
    lab_command("lun", "create", "burst", "64M")
    lab_command("lun", "map", "burst", "51")
    aborted = "grep -h . /sys/class/fc_host/host*/statistics/fcp_packet_aborts"
    before = {host: on(host, aborted) for host in HOSTS}
    for host in HOSTS:
        scan(host)
        on(host, "udevadm settle; dd if=/dev/zero of=/dev/sda bs=1M count=64 conv=fsync status=none")
    assert {host: on(host, aborted) for host in HOSTS} == before
    for machine in ("array", *HOSTS):
        assert "dropped 0," in on(machine, "tc -s qdisc show dev a"), machine


@pytest.mark.usefixtures("clean")
def test_iscsi_brings_both_portals():
    wwid = lab_json("lun", "create", "one", "64M")[0]["wwid"]
    lab_command("lun", "map", "one", "5", "--via", "iscsi")
    lab_command("iscsi-login")
    for host in HOSTS:
        eventually(lambda host=host: len(disks(host).get(wwid, [])) == 2)
        addresses = on(host, "cat /sys/class/iscsi_connection/*/persistent_address").split()
        assert sorted(addresses) == ["10.77.1.1", "10.77.2.1"]
    lab_command("iscsi-logout")
    assert disks("kvm1") == {}


@pytest.mark.usefixtures("clean")
def test_chap_keeps_strangers_out():
    lab_command("chap", "--user", "lab", "--password", "not-a-secret-1")
    refused = lab_command("iscsi-login", "kvm1", check=False)
    assert refused.returncode == 1
    assert "kvm1" in refused.stderr
    lab_command("chap")
    lab_command("iscsi-login", "kvm1")


@pytest.mark.usefixtures("clean")
def test_nfs_can_be_mounted():
    on("kvm1", "mkdir -p /mnt/nfs && mount -t nfs 10.77.1.1:/srv/nfs /mnt/nfs && touch /mnt/nfs/x && umount /mnt/nfs")


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(("broken", "mended"), [("link-down", "link-up"), ("port-down", "port-up")])
def test_a_path_is_cut_and_mended(broken: str, mended: str):
    lab_command("fault", broken, "kvm1:a")
    eventually(lambda: sorted(set(port_states("kvm1"))) != ["Online"])
    assert lab_json("fault", "list")
    lab_command("fault", mended, "kvm1:a")
    eventually(lambda: port_states("kvm1") == ["Online", "Online"])
    assert lab_json("fault", "list") == {}


@pytest.mark.usefixtures("clean")
def test_a_scan_hangs_while_logins_stay():
    lab_command("lun", "create", "one", "64M")
    lab_command("lun", "map", "one", "1", "--host", "kvm1")
    lab_command("fault", "drop-fcp", "kvm1:a", "on")
    hung = on(
        "kvm1",
        'for host in /sys/class/fc_host/host*; do (setsid sh -c "echo - - - > /sys/class/scsi_host/${host##*/}/scan"'
        ' > /dev/null 2>&1 &); done; sleep 6; ps -eo stat,args | grep -c "^D.*echo - - -"; true',
    )
    assert int(hung) >= 1
    assert port_states("kvm1") == ["Online", "Online"]
    lab_command("fault", "drop-fcp", "kvm1:a", "off")
    eventually(lambda: on("kvm1", 'ps -eo stat,args | grep -c "^D.*echo - - -"; true') == "0", 90)


@pytest.mark.usefixtures("clean")
def test_the_second_target_is_another_way_to_the_same_lun():
    wwid = lab_json("lun", "create", "one", "64M")[0]["wwid"]
    lab_command("lun", "map", "one", "1", *(word for target in ("a", "b", "a2", "b2") for word in ("--target", target)))
    lab_command("fault", "second-target", "on")
    eventually(lambda: targets("kvm1") == 4)
    scan("kvm1")
    eventually(lambda: len(disks("kvm1").get(wwid, [])) == 4)
    lab_command("fault", "second-target", "off")
    assert lab_json("fault", "list") == {}


@pytest.mark.usefixtures("clean")
def test_two_luns_with_one_wwid():
    wwid = lab_json("lun", "create", "one", "64M")[0]["wwid"]
    lab_command("fault", "same-wwid", "one", "two", "128M")
    lab_command("lun", "map", "one", "1", "two", "2", "--host", "kvm1", "--target", "a")
    scan("kvm1")
    eventually(lambda: len(disks("kvm1").get(wwid, [])) == 2)
    sizes = {on("kvm1", f"cat /sys/block/{name}/size") for name in disks("kvm1")[wwid]}
    assert len(sizes) == 2


def _create_vport(host: str, nic: str, names: str) -> str:
    return on(host, f"echo {names} > /sys/class/net/{nic}/ctlr_*/host*/fc_host/host*/vport_create 2>&1 || echo refused")


def _vport_states(host: str) -> list[str]:
    return on(host, "cat /sys/class/fc_vports/*/vport_state 2>/dev/null; true").split("\n")


@pytest.mark.usefixtures("clean")
def test_a_virtual_port_sees_what_is_mapped_to_it():
    wwid = lab_json("lun", "create", "one", "64M")[0]["wwid"]
    lab_command("lun", "map", "one", "7", "--initiator", "5001a4a000000001", "--target", "a")
    lab_command("zone", "set", "vhba", "5001a4a000000001", "array:a")
    _create_vport("kvm1", "a", "5001a4a000000001:5001a4a100000001")
    eventually(lambda: _vport_states("kvm1") == ["Active"])
    eventually(lambda: wwid in disks("kvm1") or scan("kvm1") is not None, 30)


@pytest.mark.usefixtures("clean")
def test_a_fabric_limits_or_refuses_virtual_ports():
    lab_command("fault", "vport-limit", "0", "--port", "kvm1:a")
    _create_vport("kvm1", "a", "5001a4a000000002:5001a4a100000002")
    time.sleep(5)
    assert _vport_states("kvm1") != ["Active"]
    lab_command("clean")
    lab_command("fault", "npiv", "off", "a")
    eventually(lambda: port_states("kvm1") == ["Online", "Online"])
    _create_vport("kvm1", "a", "5001a4a000000003:5001a4a100000003")
    time.sleep(3)
    assert _vport_states("kvm1") != ["Active"]


@pytest.mark.usefixtures("clean")
def test_a_wwpn_can_be_claimed_twice():
    lab_command("fault", "duplicate-wwpn", "kvm2:a", "--of", "kvm1:a")
    time.sleep(3)
    assert _vport_states("kvm2") != ["Active"]
    assert "kvm2:a as kvm1:a" in lab_json("fault", "list")["duplicate-wwpn"]
    assert port_states("kvm1") == ["Online", "Online"]
    lab_command("fault", "duplicate-wwpn", "kvm2:a", "--of", "kvm1:a", "--off")
    assert lab_json("fault", "list") == {}


@pytest.mark.usefixtures("clean")
def test_clean_is_quick_and_thorough():
    lab_command("lun", "create", "one", "256M")
    lab_command("lun", "map", "one", "1")
    scan("kvm1")
    eventually(lambda: len(disks("kvm1")) == 1)
    wwid, names = next(iter(disks("kvm1").items()))
    on(
        "kvm1",
        f"mkdir -p /etc/virt-san /etc/multipath/conf.d; touch /etc/virt-san/x /etc/multipath/conf.d/x.conf;"
        f"multipath -a {wwid}; multipathd add map {wwid}; sleep 2; pvcreate -q /dev/mapper/{wwid};"
        f"vgcreate -q guest /dev/mapper/{wwid}; lvcreate -q -y -L 32M -n root guest; mkfs.ext4 -q /dev/guest/root;"
        f"mount /dev/guest/root /mnt; modprobe scsi_debug",
    )
    begun = time.monotonic()
    report = lab_json("clean")
    taken = time.monotonic() - begun
    assert report["kvm1"]["left"] == []
    assert names
    assert disks("kvm1") == {}
    assert (
        on("kvm1", "ls -d /etc/virt-san /etc/multipath/conf.d/* /dev/mapper/* 2>/dev/null; true")
        == "/dev/mapper/control"
    )
    assert lab_json("lun", "list") == []
    assert lab_json("clean")["kvm1"]["changed"] == []
    print(f"clean took {taken:.1f} s")


@pytest.mark.full
@pytest.mark.usefixtures("clean")
def test_luns_survive_a_crash_of_the_array():
    wwid = lab_json("lun", "create", "one", "64M")[0]["wwid"]
    lab_command("lun", "map", "one", "1")
    lab_command("crash", "array", "--wait")
    assert [lun["wwid"] for lun in lab_json("lun", "list")] == [wwid]
    eventually(lambda: targets("kvm1") == 2)
    scan("kvm1")
    eventually(lambda: len(disks("kvm1").get(wwid, [])) == 2)


@pytest.mark.full
@pytest.mark.usefixtures("clean")
def test_a_reboot_keeps_disks_and_a_reset_does_not():
    on("kvm1", "touch /root/kept")
    lab_command("reboot", "kvm1")
    assert on("kvm1", "ls /root/kept") == "/root/kept"
    assert port_states("kvm1") == ["Online", "Online"]
    lab_command("reset", "kvm1")
    assert on("kvm1", "ls /root/kept 2>/dev/null; true") == ""


@pytest.mark.full
@pytest.mark.usefixtures("clean")
def test_a_fabric_comes_back_with_its_zones():
    before = lab_json("zone", "list")
    lab_command("fabric", "restart", "a")
    assert lab_json("zone", "list") == before
    eventually(lambda: port_states("kvm1") == ["Online", "Online"])
