# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with pools and volumes: a wrong WWID, a LUN that is gone, a name that is taken, no room.

A LUN with an old signature is in `test_pools_on_luns.py`, a definition that is spoilt in `test_storage_pool.py`.
Several tasks are run by one playbook: each run of Ansible costs seconds on an emulated machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Ansible, Lab, Run
from .playing import Task, one, play, pool, shell, volume
from .storage_volume.staging import DISKS, DROP_GROUP, FOLDER, GROUP, LVS, MAKE_GROUP, MIB
from .test_pools_on_luns import OURS, PLACE, filesystem

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

HOST = "kvm1"
NOBODY = "3600140500000000000000000000000ff"
"""A WWID that no LUN has."""
NUMBERS = {"one71": 71, "two72": 72, "old73": 73}
NAME = "lacking"
FORGET = (
    "S=$(ls /sys/block/$(basename $(readlink -f /dev/mapper/{wwid}))/slaves); udevadm settle --timeout=60;"
    " for n in $(seq 20); do multipath -f {wwid} && break; sleep 0.5; done; multipath -w {wwid};"
    " for s in $S; do echo 1 > /sys/block/$s/device/delete; done; udevadm settle --timeout=60;"
    " test ! -e /dev/mapper/{wwid}"
)
"""Takes a LUN off the host, as one that the host is to do without: LVM finds nothing of it any more."""
READY = (
    "for n in $(seq 200); do test $(multipathd show paths raw format '%w %t %T' | grep -c '^{wwid} .*ready') = 2"
    " && exit 0; sleep 0.5; done; exit 1"
)
"""Waits until multipathd finds both paths of a LUN working."""


def info(title: str, name: str) -> Task:
    return {"name": title, "virt.san.storage_pool_info": {"name": [name]}}


def told(run: Run, title: str) -> dict[str, Any]:
    """Return what the task of this title has told of its pool."""
    (found,) = one(run, HOST, title)["pools"]
    return dict(found)


@pytest.fixture(scope="module")
def luns(lab: Lab) -> Iterator[dict[str, str]]:
    """WWIDs of LUNs that one host sees and has maps of, of two paths each."""
    wwids = lab.provide_all(NUMBERS, hosts=(HOST,))
    lab.attach(HOST, *wwids.values())
    yield wwids
    lab.ssh(HOST, f"vgchange -an {NAME}; rm -rf {PLACE} /etc/virt-san /run/virt-san /etc/lvm/lvmlocal.conf")


# A wrong WWID


@pytest.mark.full
def test_a_wwid_that_nobody_has(lab: Lab, ansible: Ansible, luns: dict[str, str]) -> None:
    """Whatever the type: it is said what is seen instead. The LUN that is named beside it is not touched either."""
    types: dict[str, dict[str, Any]] = {
        "logical": {"type": "logical", "source": {"devices": [luns["one71"], NOBODY]}},
        "fs": {
            "type": "fs",
            "source": {"devices": [NOBODY], "format": "ext4"},
            "target": {"path": f"{PLACE}/ghost"},
        },
        "disk": {"type": "disk", "source": {"devices": [NOBODY], "format": "gpt"}},
    }
    before = lab.devices(HOST)
    run = play(
        ansible,
        *(
            pool(f"{kind} {state}", check=state == "present", may_fail=True, name="ghost", state=state, **described)
            for kind, described in types.items()
            for state in ("present", "active")
        ),
        shell("left", f"{OURS}; wipefs -n /dev/mapper/{luns['one71']}; ls -d {PLACE}/ghost 2>/dev/null; true"),
        hosts=HOST,
    )
    for kind in types:
        for state in ("present", "active"):
            refused = one(run, HOST, f"{kind} {state}")
            assert refused["error"] == "RefusedError"
            assert f"WWID {NOBODY} is not on this host; seen are " in refused["msg"]
            assert f"{luns['two72']} (LUN 72, 64M)" in refused["msg"]
    assert one(run, HOST, "left")["stdout"] == ""
    assert lab.devices(HOST) == before


# A volume group that lacks a PV


def take_away(lab: Lab, wwid: str) -> None:
    """Have the host lose a LUN. Off the host first: from a LUN that is unmapped under its map, errors would come."""
    lab.ssh(HOST, FORGET.format(wwid=wwid))
    lab("lun", "unmap", "two72", "--host", HOST)


@pytest.mark.full
def test_a_volume_group_lacks_a_lun(lab: Lab, ansible: Ansible, luns: dict[str, str]) -> None:
    """It is told which one it is, nothing is written, the pool can be stopped; once it is back it starts again."""
    wwid, devices = luns["two72"], [luns["one71"], luns["two72"]]
    described: dict[str, Any] = {"name": NAME, "type": "logical", "source": {"devices": devices}, "timeout": 120}
    written = f"vgs --noheadings -o vg_seqno {NAME}"
    run = play(
        ansible,
        pool("up", **described, state="active"),
        shell("volume", f"lvcreate -qq -y -Wn -Zn -L 8M -n data {NAME} /dev/mapper/{luns['one71']}"),
        shell("written", written),
        hosts=HOST,
    )
    pvs = {pv["wwid"]: pv["uuid"] for pv in one(run, HOST, "up")["pool"]["volume_group"]["pvs"]}
    lack = f"lacks PV {pvs[wwid]} (a missing device, {wwid})"
    take_away(lab, wwid)
    less = play(
        ansible,
        info("running", NAME),
        volume("as it is", pool=NAME, name="data", capacity="8M"),
        volume("another", pool=NAME, name="more", capacity="4M", may_fail=True),
        pool("still up", name=NAME, state="active", may_fail=True),
        pool("described", **described, may_fail=True),
        pool("check", check=True, name=NAME, state="inactive"),
        pool("stop", name=NAME, state="inactive"),
        pool("again", name=NAME, state="inactive"),
        info("stopped", NAME),
        pool("start", name=NAME, state="active", may_fail=True),
        pool("start as it is", name=NAME, state="active", build="never", may_fail=True),
        pool("erase", name=NAME, state="absent", delete_contents=True, may_fail=True),
        shell("written", written),
        shell("defined", f"{OURS}; true"),
        hosts=HOST,
    )
    for title, state in (("running", "active"), ("stopped", "inactive")):
        found = told(less, title)
        assert (found["state"], found["built"]) == (state, True)
        assert found["problem"].startswith(f"volume group {NAME} (")
        assert found["problem"].endswith(lack)
        assert {pv["wwid"]: pv["missing"] for pv in found["sources"]} == {luns["one71"]: False, wwid: True}
    assert [each["name"] for each in told(less, "running")["volumes"]] == ["data"]
    assert one(less, HOST, "as it is")["changed"] is False
    assert one(less, HOST, "check")["steps"] == one(less, HOST, "stop")["steps"]
    assert [one(less, HOST, title)["changed"] for title in ("check", "stop", "again")] == [True, True, False]
    assert any(lack in warning for warning in one(less, HOST, "stop")["warnings"])
    says = {
        "another": "nothing in it can be changed until it is back",
        "still up": f"pool {NAME} is left as it is until it is back",
        "described": f"pool {NAME} is left as it is until it is back",
        "start": f"pool {NAME} is left as it is until it is back",
        "start as it is": "volumes on that would lack their data",
        "erase": "what is on that would stay",
    }
    for title, why in says.items():
        refused = one(less, HOST, title)
        assert refused["error"] == "RefusedError", title
        for part in (lack, why, "virt.san.scsi_rescan", f"`vgreduce --removemissing {NAME}`"):
            assert part in refused["msg"], title
    assert one(less, HOST, "written")["stdout"] == one(run, HOST, "written")["stdout"]
    assert one(less, HOST, "defined")["stdout"].splitlines() == [f"/etc/virt-san/pools/{NAME}.xml"]

    lab("lun", "map", "two72", "72", "--host", HOST)
    lab.attach(HOST, wwid)
    whole = play(
        ansible,
        info("whole", NAME),
        pool("start", name=NAME, state="active"),
        pool("again", **described, state="active"),
        shell("read", f"dd if=/dev/{NAME}/data of=/dev/null bs=64k count=1 iflag=direct status=none && echo fine"),
        hosts=HOST,
    )
    assert (told(whole, "whole")["state"], told(whole, "whole")["problem"]) == ("inactive", None)
    assert [one(whole, HOST, title)["changed"] for title in ("start", "again")] == [True, False]
    assert one(whole, HOST, "read")["stdout"] == "fine"

    take_away(lab, wwid)
    fewer = {**described, "source": {"devices": devices[:1]}}
    gone = play(
        ansible,
        shell("let go", f"vgreduce -q --removemissing {NAME}"),
        pool("without it", **fewer, state="active"),
        pool("again", **fewer, state="active"),
        info("whole", NAME),
        pool("erased", name=NAME, state="absent", delete_contents=True),
        shell("left", f"{OURS}; vgs --noheadings -o vg_name -S vg_name={NAME}"),
        hosts=HOST,
    )
    assert [one(gone, HOST, title)["changed"] for title in ("without it", "again")] == [True, False]
    assert (told(gone, "whole")["state"], told(gone, "whole")["problem"]) == ("active", None)
    assert one(gone, HOST, "left")["stdout"] == ""


# A WWID whose device is another LUN by now


@pytest.mark.full
def test_a_lun_that_turns_out_to_be_another(lab: Lab, ansible: Ansible, luns: dict[str, str]) -> None:
    """The array has put another LUN behind the number. It is asked who it is before it is written to, and keeps what
    it has, even where the task allows to overwrite.
    """
    old, data = luns["old73"], "precious"
    vms = filesystem("vms", old, build="overwrite", state="active", may_fail=True)
    lab("lun", "create", "new73", "64M")
    lab("lun", "write", "new73", "0", data)
    lab("lun", "unmap", "old73", "--host", HOST)
    lab("lun", "map", "new73", "73", "--host", HOST)
    new = lab.wwid("new73")
    lab.ssh(HOST, READY.format(wwid=old))
    run = play(
        ansible,
        pool("not asked yet", **vms),
        pool("known by now", **vms),
        shell("left", f"{OURS}; ls -d {PLACE}/vms 2>/dev/null; true"),
        hosts=HOST,
    )
    first, second = one(run, HOST, "not asked yet"), one(run, HOST, "known by now")
    assert first["error"] == "IdentityError", first
    assert "the array has put another unit behind 2 paths of this host" in first["msg"]
    assert {(each["old_wwid"], each["new_wwid"]) for each in first["remapped"]} == {(old, new)}
    assert second["error"] == "RefusedError", second
    assert "another LUN was mapped there" in second["msg"]
    assert new[1:] in second["msg"]
    assert one(run, HOST, "left")["stdout"] == ""
    assert lab("lun", "read", "new73", "0", str(len(data))).strip() == data
    assert lab("lun", "read", "old73", "0", "8", "--hex").strip() == "00" * 8


# Names that are taken, and no room


@pytest.fixture(scope="module")
def pools(lab: Lab, ansible: Ansible) -> Iterator[None]:
    """A folder, and a volume group with a thin pool that others have made."""
    lab.ssh(HOST, f"{DROP_GROUP}; {MAKE_GROUP}")
    play(ansible, pool("folder", **DISKS, state="active"), pool("group", **LVS, state="active"), hosts=HOST)
    yield
    play(
        ansible,
        pool("folder gone", name="disks", state="absent", delete_contents=True),
        pool("group gone", name=GROUP, state="absent"),
        hosts=HOST,
    )
    lab.ssh(HOST, f"{DROP_GROUP}; rm -rf {PLACE}")


@pytest.mark.full
@pytest.mark.usefixtures("pools")
def test_names_of_volumes_that_others_have_made(ansible: Ansible) -> None:
    """What is there already is the volume, and is neither converted nor made smaller; others' tags do not matter."""
    look = f"lvs --noheadings -o lv_name,lv_uuid,lv_size,lv_layout,lv_tags {GROUP}"
    asked: dict[str, dict[str, Any]] = {
        "thin": {"name": "hand", "allocation": "sparse"},
        "in the thin pool": {"name": "hand", "thin_pool": "thin"},
        "smaller": {"name": "hand", "capacity": "4M"},
        "larger than the group": {"name": "hand", "capacity": "1T"},
        "full": {"name": "light", "allocation": "full"},
        "a snapshot": {"name": "snap", "capacity": "64M"},
        "the thin pool": {"name": "thin", "capacity": "8M"},
    }
    run = play(
        ansible,
        shell("by hand", f"lvcreate -qq -y -Wn -Zn -L 8M --addtag somebody -n hand {GROUP}"),
        shell("snapshot", f"lvcreate -qq -y -s -L 4M -n snap {GROUP}/hand"),
        shell("thin by hand", f"lvcreate -qq -y -V 16M --thinpool thin -n light {GROUP}"),
        shell("before", look),
        volume("as it is", pool=GROUP, name="hand", capacity="8M"),
        volume("thin as it is", pool=GROUP, name="light", capacity="16M", thin_pool="thin"),
        *(volume(title, pool=GROUP, **{"capacity": "8M", **more}, may_fail=True) for title, more in asked.items()),
        shell("after", look),
        shell("gone", f"for name in snap hand light; do lvremove -qq -y {GROUP}/$name; done"),
        hosts=HOST,
    )
    assert len(one(run, HOST, "before")["stdout_lines"]) == 4
    assert [one(run, HOST, title)["changed"] for title in ("as it is", "thin as it is")] == [False, False]
    says = {
        "thin": "volume hand is linear, not thin. It is not converted",
        "in the thin pool": "volume hand is linear, not thin in thin. It is not converted",
        "smaller": "allow_shrink: true",
        "larger than the group": "volume hand does not grow while it is active and has snapshots",
        "full": "volume light is thin in thin, and is allocated as it is written",
        "a snapshot": "volume snap is a snapshot of hand, whose size is that of its origin",
        "the thin pool": "is a thin pool, and no volume",
    }
    for title, why in says.items():
        refused = one(run, HOST, title)
        assert refused["error"] in ("RefusedError", "InUseError"), refused
        assert why in refused["msg"], refused
    assert one(run, HOST, "after")["stdout"] == one(run, HOST, "before")["stdout"]


@pytest.mark.full
@pytest.mark.usefixtures("pools")
def test_a_pool_that_is_full(ansible: Ansible) -> None:
    """How much is free is told, in bytes as well; what is there stays as it is."""
    huge: dict[str, Any] = {"pool": "disks", "name": "huge", "capacity": "1T", "allocation": "full"}
    run = play(
        ansible,
        volume("small", pool="disks", name="small", capacity="1M"),
        volume("file", **huge, may_fail=True),
        volume("file in check mode", check=True, **huge, may_fail=True),
        volume("grown file", **{**huge, "name": "small"}, may_fail=True),
        shell("files", f"ls -A {FOLDER}; stat -c %s {FOLDER}/small; df -B1 --output=size {FOLDER} | tail -n1"),
        volume("small gone", pool="disks", name="small", state="absent"),
        shell("free", f"vgs --noheadings --units b --nosuffix -o vg_free {GROUP}"),
        volume("lv", pool=GROUP, name="huge", capacity="1T", may_fail=True),
        volume("all", pool=GROUP, name="all", capacity="100%FREE"),
        volume("one more", pool=GROUP, name="more", capacity="4M", may_fail=True),
        volume("half of nothing", pool=GROUP, name="half", capacity="50%FREE", may_fail=True),
        volume("grown lv", pool=GROUP, name="all", capacity="1T", may_fail=True),
        shell("lvs", f"lvs --noheadings -o lv_name {GROUP}"),
        volume("all gone", pool=GROUP, name="all", state="absent"),
        hosts=HOST,
    )
    refused = ("file", "file in check mode", "grown file", "lv", "one more", "half of nothing", "grown lv")
    for title in refused:
        assert one(run, HOST, title)["error"] == "RefusedError", title
        assert "the pool is too full for volume" in one(run, HOST, title)["msg"], title
    name, size, room = one(run, HOST, "files")["stdout"].split()
    assert (name, int(size)) == ("small", MIB)
    for title in refused[:3]:
        assert 0 < one(run, HOST, title)["free"] < int(room)
        assert "are to be allocated" in one(run, HOST, title)["msg"]
    free = int(one(run, HOST, "free")["stdout"])
    assert one(run, HOST, "lv")["free"] == free == one(run, HOST, "all")["volume"]["capacity"]
    assert "it needs 1T, " in one(run, HOST, "lv")["msg"]
    assert [one(run, HOST, title)["free"] for title in refused[4:]] == [0, 0, 0]
    assert one(run, HOST, "lvs")["stdout"].split() == ["all", "thin"]
