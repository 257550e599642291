# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role host, and a volume group inside a LUN as a guest would make it: the host leaves it alone, over a reboot too.

The tests build on each other, in their order: emulated machines are slow, and one reboot has to do. It is still a
story of many minutes, and none of its chapters can be left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from .conftest import HOSTS, MAP, SCAN, Ansible, Lab, Run

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.usefixtures("luns")]

PLAYBOOK = "playbooks/host.yml"
GUEST, OWN = "guestvg", "images"

MAKE = (
    "vgcreate {vg} /dev/mapper/{wwid}; lvcreate -y -Wn -Zn -L 4M -n root {vg}; udevadm settle --timeout=60;"
    " dd if=/dev/urandom of=/dev/{vg}/root bs=64k count=4 oflag=direct status=none; vgchange -an {vg}; "
)
SUM = "dd if=/dev/mapper/{wwid} bs=64k count=32 iflag=direct status=none | md5sum | cut -d' ' -f1"
"""Of a group's metadata and the beginning of its first volume."""
FLUSH = "udevadm settle --timeout=60; multipath -f {wwid}; multipath -w {wwid}; "
FORGET = "for d in /sys/block/sd*; do echo 1 > $d/device/delete; done; "
SHORT = "for n in $(seq 40); do {what} && exit 0; sleep 0.5; done; exit 1"


@dataclass
class Luns:
    guest: str
    """WWID."""
    own: str
    sum: str
    """Checksum of the guest's LUN."""


@pytest.fixture(scope="module")
def luns(lab: Lab, ansible: Ansible) -> Iterator[Luns]:
    """Two LUNs with a volume group each, made while only the second host sees them; then mapped to both hosts."""
    ansible.module("kvm", "lvm_devices", state="absent")  # an earlier run may have been cut short
    wwids = lab.provide_all({"guest41": 41, "own42": 42}, hosts=("kvm2",))
    guest, own = wwids["guest41"], wwids["own42"]
    script = f"set -e; {SCAN}"
    for wwid, vg in ((guest, GUEST), (own, OWN)):
        script += MAP.format(wwid=wwid) + MAKE.format(vg=vg, wwid=wwid)
    lab.ssh("kvm2", script)
    checksum = lab.ssh("kvm2", SUM.format(wwid=guest))
    lab.ssh("kvm2", "".join(FLUSH.format(wwid=wwid) for wwid in (guest, own)) + FORGET)
    lab("lun", "map", "guest41", "41", "own42", "42", "--host", "kvm1")
    for host in HOSTS:
        lab.attach(host, guest, own)
    yield Luns(guest, own, checksum)
    ansible.module("kvm", "lvm_devices", state="absent")
    for host in HOSTS:
        lab.ssh(host, f"vgchange -an {GUEST} {OWN}; rm -rf /etc/lvm/devices")


def active(lab: Lab, host: str, vg: str) -> bool:
    """Tell by device-mapper's own word whether the group's volume is active."""
    return f"{vg}-root" in lab.ssh(host, "dmsetup ls").split()


def wait_for(lab: Lab, host: str, what: str) -> None:
    lab.ssh(host, SHORT.format(what=what))


def groups(lab: Lab, host: str) -> set[str]:
    """Return the groups that LVM sees, as it is configured."""
    return set(lab.ssh(host, "vgs --noheadings -o vg_name").split())


def prepare(ansible: Ansible, fails: bool = False, flags: tuple[str, ...] = ()) -> Run:
    return ansible.playbook(PLAYBOOK, fails, flags, host_lvm_volume_groups=[OWN])


def keep(run: Run, host: str) -> dict[str, object]:
    return run.results(host, "Keep LVM")[0]


def test_left_alone_lvm_takes_what_a_guest_made(lab: Lab) -> None:
    for host in HOSTS:
        wait_for(lab, host, f"test -e /dev/{GUEST}/root -a -e /dev/{OWN}/root")
        assert active(lab, host, GUEST)
        assert active(lab, host, OWN)
        assert groups(lab, host) == {GUEST, OWN}


def test_check_mode_writes_nothing(lab: Lab, ansible: Ansible) -> None:
    before = {host: lab.devices(host) for host in HOSTS}
    run = prepare(ansible, flags=("--check", "--diff"))
    assert all(keep(run, host)["changed"] for host in HOSTS)
    assert {host: lab.devices(host) for host in HOSTS} == before


def test_an_open_volume_of_a_guest_is_refused(lab: Lab, ansible: Ansible, luns: Luns) -> None:
    pid = lab.ssh("kvm1", f"sleep 600 < /dev/{GUEST}/root > /dev/null 2>&1 & echo $!")
    before = lab.devices("kvm1")
    run = ansible.module("kvm1", "lvm_devices", fails=True, volume_groups=[OWN])
    lab.ssh("kvm1", f"kill {pid}")
    assert run["kvm1"]["error"] == "InUseError"
    for told in (GUEST, f"{GUEST}/root", luns.guest, "volume_groups"):
        assert told in run["kvm1"]["msg"]
    assert lab.devices("kvm1") == before


def test_the_role_hides_and_deactivates_it(lab: Lab, ansible: Ansible) -> None:
    run = prepare(ansible)
    for host in HOSTS:
        assert not run.results(host, "Install packages")[0]["changed"], "the machines have everything and no network"
        assert keep(run, host)["changed"]
        assert not active(lab, host, GUEST)
        assert active(lab, host, OWN)
        assert groups(lab, host) == {OWN}


def test_a_second_run_changes_nothing(ansible: Ansible) -> None:
    run = prepare(ansible)
    assert {host: run.stats(host)["changed"] for host in HOSTS} == {"kvm1": 0, "kvm2": 0}


def test_it_stays_so_over_a_reboot_and_a_rescan(lab: Lab, ansible: Ansible, luns: Luns) -> None:
    lab("reboot", *HOSTS)
    for host in HOSTS:
        wait_for(lab, host, f"test -e /dev/mapper/{luns.guest} -a -e /dev/{OWN}/root")
        # What LVM's rules do when a LUN comes up: as at boot, once more.
        lab.ssh(host, SCAN + "udevadm trigger --settle --action=change --subsystem-match=block; sleep 3")
        assert not active(lab, host, GUEST)
        assert active(lab, host, OWN)
        assert groups(lab, host) == {OWN}
    known = [luns.guest, luns.own]
    run = ansible.module("kvm", "scsi_rescan", luns=[41, 42], known_wwids=known)
    assert not any(run[host]["changed"] for host in HOSTS)
    run = prepare(ansible)
    assert {host: run.stats(host)["changed"] for host in HOSTS} == {"kvm1": 0, "kvm2": 0}
    assert not any(active(lab, host, GUEST) for host in HOSTS)


def test_the_guests_lun_is_untouched(lab: Lab, luns: Luns) -> None:
    assert lab.ssh("kvm1", SUM.format(wwid=luns.guest)) == luns.sum


def test_a_filter_does_the_same(lab: Lab, ansible: Ansible) -> None:
    assert ansible.module("kvm", "lvm_devices", method="filter", volume_groups=[OWN])["kvm1"]["changed"]
    for host in HOSTS:
        assert groups(lab, host) == {OWN}
        assert not lab.ssh(host, "ls /etc/lvm/devices | grep system.devices || true")
    again = ansible.module("kvm", "lvm_devices", method="filter", volume_groups=[OWN])
    assert not any(again[host]["changed"] for host in HOSTS)


def test_absent_takes_the_setting_away(lab: Lab, ansible: Ansible) -> None:
    run = ansible.module("kvm", "lvm_devices", state="absent")
    for host in HOSTS:
        assert run[host]["changed"]
        assert groups(lab, host) == {GUEST, OWN}
        assert not active(lab, host, GUEST)
        assert lab.ssh(host, "grep -c virt.san /etc/lvm/lvmlocal.conf || true") == "0"
