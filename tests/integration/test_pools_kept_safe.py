# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools on LUNs where a name, a mount or LVM's configuration hides what other hosts, or this one, have there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, LVM_CONF, Ansible, Lab
from .playing import one, play, pool, shell

pytestmark = [
    pytest.mark.lab,
    pytest.mark.full,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("lvm_conf"),
]

PLACE = "/var/lib/virt-san"
GROUP = "nobodys"


@pytest.fixture(scope="module")
def lun(lab: Lab) -> Iterator[str]:
    """WWID of a LUN that both hosts have a map of."""
    wwid = lab.provide("safe64", 64)
    for host in HOSTS:
        lab.attach(host, wwid)
    yield wwid
    for host in HOSTS:
        lab.ssh(host, f"umount -q {PLACE}/*; rm -rf {PLACE} /etc/virt-san /run/virt-san")


def filesystem(device: str, **more: Any) -> dict[str, Any]:
    source = {"devices": [device], "format": "ext4"}
    return {"name": "vms", "type": "fs", "source": source, "target": {"path": f"{PLACE}/vms"}, "timeout": 120, **more}


def test_named_as_the_kernel_does_and_mounted_elsewhere(lab: Lab, ansible: Ansible, lun: str) -> None:
    """It is kept by its WWID; and it does not count as stopped as long as it is mounted anywhere on the host."""
    path = lab.ssh("kvm1", f"ls /sys/block/$(basename $(readlink -f /dev/mapper/{lun}))/slaves | head -n1")
    process = "/proc/$(systemctl show -P MainPID shut-in)"
    apart = f'test "$(readlink {process}/ns/mnt)" != "$(readlink /proc/1/ns/mnt)"'
    service = (
        "systemd-run -q --collect --unit shut-in -p ProtectSystem=yes -p PrivateTmp=yes sleep 600"
        f" && timeout 30 sh -c 'until {apart}; do sleep 0.1; done' && grep -q ' {PLACE}/vms ' {process}/mounts"
    )
    run = play(
        ansible,
        pool("up", **filesystem(f"/dev/{path}"), state="active"),
        pool("again", **filesystem(f"/dev/{path}"), state="active"),
        pool("by wwid", **filesystem(lun), state="active"),
        shell("kept", "cat /etc/virt-san/pools/vms.xml"),
        shell("bind", f"mkdir -p /srv/copy && mount --bind {PLACE}/vms /srv/copy"),
        pool("copied", name="vms", state="inactive", may_fail=True),
        pool("force", name="vms", state="inactive", force=True, may_fail=True),
        shell("mounted", f"findmnt -n {PLACE}/vms"),
        shell("unbind", f"umount /srv/copy && rmdir /srv/copy && {service}"),
        pool("down", name="vms", state="inactive"),
        shell("no service keeps it", f"grep -l ' {PLACE}/vms ' /proc/[0-9]*/mounts; systemctl stop shut-in; true"),
        pool("erased", name="vms", state="absent", delete_contents=True),
        hosts="kvm1",
    )
    assert [one(run, "kvm1", title)["changed"] for title in ("up", "again", "by wwid")] == [True, False, False]
    assert f"dm-uuid-mpath-{lun}" in one(run, "kvm1", "kept")["stdout"]
    for title in ("copied", "force"):
        assert "/srv/copy" in one(run, "kvm1", title)["msg"]
    assert one(run, "kvm1", "down")["changed"], "what services have a copy of goes along"
    assert one(run, "kvm1", "no service keeps it")["stdout"] == ""


def test_a_group_that_belongs_to_no_host(lab: Lab, ansible: Ansible, lun: str) -> None:
    """LVM lets every host change it that sees it. Who is to have it says so, and then it is left alone by others."""
    make = "--config 'global/system_id_source=\"none\"'"
    lab.ssh(
        "kvm1",
        f"vgcreate -qq {make} {GROUP} /dev/mapper/{lun} && lvcreate -qq {make} -an -y -Wn -Zn -l1 -n one {GROUP}",
    )
    described: dict[str, Any] = {"name": GROUP, "type": "logical"}
    run = play(
        ansible,
        pool("known", **described),
        pool("check", check=True, **described, state="active", may_fail=True),
        pool("up", **described, state="active", may_fail=True),
        pool("erased", name=GROUP, state="absent", delete_contents=True, may_fail=True),
        shell("active", f"lvm lvs --noheadings -o lv_active {GROUP}"),
        pool("forgotten", name=GROUP, state="absent"),
    )
    for host in HOSTS:
        assert any("vgchange --systemid" in said for said in one(run, host, "known")["warnings"])
        for title in ("check", "up", "erased"):
            assert "has no system ID" in one(run, host, title)["msg"], title
        assert one(run, host, "active")["stdout"].strip() == ""
    identified = 'global { system_id_source = "uname" }'
    lab.ssh("kvm2", f"echo '{identified}' > {LVM_CONF} && vgchange -qq --systemid $(uname -n) {GROUP}")
    run = play(
        ansible,
        pool("up", **described, state="active", may_fail=True),
        pool("down", name=GROUP, state="inactive", may_fail=True),
        pool("gone", name=GROUP, state="absent", may_fail=True),
    )
    assert "belongs to host kvm2" in one(run, "kvm1", "up")["msg"]
    assert [one(run, "kvm2", title)["changed"] for title in ("up", "down", "gone")] == [True, True, True]
    lab.ssh("kvm2", f"vgremove -qq -y {GROUP}; pvremove -qq /dev/mapper/{lun}; cp -a {LVM_CONF}.test {LVM_CONF}")


def test_a_pv_that_a_filter_hides(lab: Lab, ansible: Ansible, lun: str) -> None:
    """Whose it is LVM does not tell there: not even build: overwrite takes it."""
    lab.ssh("kvm1", f"vgcreate -qq {GROUP} /dev/mapper/{lun}")
    lab.ssh("kvm2", f"echo 'devices {{ global_filter = [ \"r|.*|\" ] }}' > {LVM_CONF}")
    run = play(
        ansible,
        pool("built", **filesystem(lun), build="overwrite", may_fail=True),
        pool("grouped", name="other", type="logical", source={"devices": [lun]}, build="overwrite", may_fail=True),
        hosts="kvm2",
    )
    for title in ("built", "grouped"):
        assert "does not tell of which group" in one(run, "kvm2", title)["msg"]
    lab.ssh("kvm2", f"cp -a {LVM_CONF}.test {LVM_CONF}")
    for host in HOSTS:
        assert lab.ssh(host, f"lvm vgs --noheadings -o vg_name {GROUP}").strip() == GROUP
    lab.ssh("kvm1", f"vgremove -qq {GROUP}; pvremove -qq /dev/mapper/{lun}")
