# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools on one LUN that two hosts see: made once, used by one host at a time, left alone where others have been."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab
from .playing import OPENS, hold, let_go, one, play, pool, shell, virsh, without_uuid

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

PLACE = "/var/lib/virt-san"
OURS = "find /etc/virt-san /run/virt-san -type f 2>/dev/null"


@pytest.fixture(scope="module")
def luns(lab: Lab) -> Iterator[list[str]]:
    """WWIDs of two small LUNs and one large enough for xfs; both hosts have maps of them, of two paths each."""
    wwids = [*lab.provide_all({"one61": 61, "two62": 62}).values(), lab.provide("large63", 63, size="320M")]
    for host in HOSTS:
        lab.attach(host, *wwids)
    yield wwids
    for host in HOSTS:
        lab.ssh(host, f"umount {PLACE}/* 2>/dev/null; rm -rf {PLACE} /etc/virt-san /run/virt-san")


def blank(lab: Lab, wwid: str) -> None:
    """See that both hosts find nothing on a LUN, at either end."""
    for host in HOSTS:
        found = lab.ssh(
            host,
            f"blockdev --flushbufs /dev/mapper/{wwid}; wipefs -n /dev/mapper/{wwid};"
            f" (head -c 1M /dev/mapper/{wwid}; tail -c 1M /dev/mapper/{wwid}) | tr -d '\\0' | wc -c",
        )
        assert found == "0", (host, found)


# Type fs


def filesystem(name: str, wwid: str, kind: str = "ext4", **more: Any) -> dict[str, Any]:
    source = {"devices": [wwid], **({"format": kind} if kind else {})}
    target = {"path": f"{PLACE}/{name}", "permissions": {"mode": "0750"}}
    return {"name": name, "type": "fs", "source": source, "target": target, "timeout": 120, **more}


def test_both_hosts_make_a_file_system_at_once(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    """One makes it, the other waits and then knows it; the definition is libvirt's to take."""
    vms = filesystem("vms", luns[0])
    run = play(
        ansible,
        pool("check", check=True, **vms),
        pool("make", **vms),
        pool("again", **vms),
        virsh("libvirt", "pool-define --validate /etc/virt-san/pools/vms.xml", "pool-undefine vms"),
    )
    made = {host: any("make an ext4" in step for step in one(run, host, "make")["steps"]) for host in HOSTS}
    assert sorted(made.values()) == [False, True]
    for host in HOSTS:
        check, make, again = (one(run, host, title) for title in ("check", "make", "again"))
        assert (check["changed"], make["changed"], again["changed"]) == (True, True, False)
        assert (make["pool"]["built"], make["pool"]["state"]) == (True, "inactive")
        assert without_uuid(check["diff"]["after"]) == without_uuid(make["diff"]["after"])
        if made[host]:
            assert check["steps"] == make["steps"]
    lab.ssh("kvm1", f"e2fsck -fn /dev/mapper/{luns[0]} && dumpe2fs -h /dev/mapper/{luns[0]} | grep -qw mmp")


@pytest.mark.full
def test_one_host_at_a_time(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    """From active to absent, on one host and then on the other."""
    vms, place = filesystem("vms", luns[0]), f"{PLACE}/vms"
    first = play(
        ansible,
        pool("check", check=True, **vms, state="active"),
        pool("start", **vms, state="active"),
        pool("again", **vms, state="active"),
        shell("look", f"echo from kvm1 > {place}/hello; stat -c %a {place}; findmnt -no OPTIONS {place}"),
        hold("use", OPENS, f"{place}/hello"),
        pool("stop", name="vms", state="inactive", force=True, may_fail=True),
        hosts="kvm1",
    )
    check, start, again = (one(first, "kvm1", title) for title in ("check", "start", "again"))
    assert (check["changed"], start["changed"], again["changed"]) == (True, True, False)
    assert check["steps"] == start["steps"]
    assert start["pool"]["capacity"] == start["pool"]["allocation"] + start["pool"]["available"] > 0
    mode, options = one(first, "kvm1", "look")["stdout_lines"]
    assert mode == "750"
    assert {"nosuid", "nodev", "noexec"} <= set(options.split(","))
    assert "in use by python3 (pid " in one(first, "kvm1", "stop")["msg"], "not even by force"
    second = play(
        ansible,
        pool("start", **vms, state="active", may_fail=True),
        pool("erase", name="vms", state="absent", delete_contents=True, may_fail=True),
        shell("mounts", f"findmnt -n {place}; true"),
        hosts="kvm2",
    )
    assert "is in use by host kvm1" in one(second, "kvm2", "start")["msg"]
    assert "mounted by host kvm1" in one(second, "kvm2", "erase")["msg"]
    assert one(second, "kvm2", "mounts")["stdout"] == ""
    stopped = play(
        ansible,
        let_go("no longer used", OPENS),
        pool("check", check=True, name="vms", state="inactive"),
        pool("stop", name="vms", state="inactive"),
        pool("again", name="vms", state="inactive"),
        hosts="kvm1",
    )
    assert [one(stopped, "kvm1", title)["changed"] for title in ("check", "stop", "again")] == [True, True, False]
    moved = play(
        ansible,
        pool("start", name="vms", state="active"),
        shell("look", f"cat {place}/hello"),
        pool("forget", name="vms", state="absent"),
        hosts="kvm2",
    )
    assert one(moved, "kvm2", "look")["stdout"] == "from kvm1"
    gone = play(
        ansible,
        pool("check", check=True, name="vms", state="absent", delete_contents=True),
        pool("erase", name="vms", state="absent", delete_contents=True),
        pool("again", name="vms", state="absent", delete_contents=True),
        hosts="kvm1",
    )
    assert [one(gone, "kvm1", title)["changed"] for title in ("check", "erase", "again")] == [True, True, False]
    assert one(gone, "kvm1", "check")["steps"] == one(gone, "kvm1", "erase")["steps"]
    blank(lab, luns[0])
    for host in HOSTS:
        assert lab.ssh(host, f"{OURS}; true") == ""


@pytest.mark.full
def test_both_hosts_start_it_at_once(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    """From a blank LUN: one host makes the file system and mounts it. The other is refused, and disturbs nothing."""
    place = f"{PLACE}/race"
    for host in HOSTS:
        lab.ssh(host, "dmesg -C")
    run = play(ansible, pool("start", **filesystem("race", luns[1]), state="active", may_fail=True))
    told = {host: one(run, host, "start") for host in HOSTS}
    (winner,) = [host for host in HOSTS if "error" not in told[host]]
    (loser,) = [host for host in HOSTS if host != winner]
    assert f"is in use by host {winner}" in told[loser]["msg"]
    lab.ssh(winner, f"dd if=/dev/urandom of={place}/data bs=1M count=8 conv=fsync status=none && rm {place}/data")
    assert lab.ssh(winner, f"findmnt -no OPTIONS {place}").startswith("rw,")
    assert lab.ssh(winner, "dmesg | grep -iE 'reservation conflict|EXT4-fs error'; true") == ""
    lab.ssh(loser, f"findmnt {place}", fails=True)
    play(ansible, pool("down", name="race", state="absent", delete_contents=True), hosts=winner)
    play(ansible, pool("forgotten", name="race", state="absent"), hosts=loser)
    blank(lab, luns[1])


@pytest.mark.full
def test_what_others_have_made(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    """An old file system is refused, taken over on demand alone, and then needs a promise: nothing protects it."""
    old, device = filesystem("old", luns[1], kind=""), f"/dev/mapper/{luns[1]}"
    lab.ssh(
        "kvm2",
        f"mkfs.ext4 -q -E nodiscard,lazy_itable_init=1 {device} && mount {device} /mnt"
        " && echo precious > /mnt/data && umount /mnt",
    )
    run = play(
        ansible,
        pool("refused", **old, may_fail=True),
        pool("as another kind", **filesystem("old", luns[1], kind="xfs", single_host=True), may_fail=True),
        pool("taken over", **old, build="never"),
        pool("no promise", name="old", state="active", may_fail=True),
        pool("started", name="old", state="active", single_host=True),
        pool("again", **old, state="active"),
        shell("data", f"cat {PLACE}/old/data"),
        pool("erased", name="old", state="absent", delete_contents=True),
        hosts="kvm1",
    )
    assert "was not made for pool old" in one(run, "kvm1", "refused")["msg"]
    assert "not blank, nothing is built" in one(run, "kvm1", "as another kind")["msg"]
    taken = one(run, "kvm1", "taken over")
    assert len(taken["pool"]["adopted"]) == 36
    assert "single_host: true" in one(run, "kvm1", "no promise")["msg"]
    again = one(run, "kvm1", "again")
    assert (again["changed"], again["pool"]["single_host"]) == (False, True)
    assert one(run, "kvm1", "data")["stdout"] == "precious"
    blank(lab, luns[1])


@pytest.mark.full
def test_xfs(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    big = filesystem("big", luns[2], kind="xfs")
    states = ("present", "active", "inactive", "absent")
    tasks = [
        pool(f"{state} {number}", **big, single_host=True, state=state, delete_contents=state == "absent")
        for state in states
        for number in (1, 2)
    ]
    not_said = pool("not said", name="big", state="absent", delete_contents=True, may_fail=True)
    run = play(ansible, pool("refused", **big, may_fail=True), *tasks[:-2], not_said, *tasks[-2:], hosts="kvm1")
    assert "single_host: true" in one(run, "kvm1", "refused")["msg"]
    assert "in this task with single_host: true" in one(run, "kvm1", "not said")["msg"], "once was for its own use"
    for state in states:
        assert [one(run, "kvm1", f"{state} {number}")["changed"] for number in (1, 2)] == [True, False]
    blank(lab, luns[2])


GROW = (
    "for s in $(ls /sys/block/$(basename $(readlink -f /dev/mapper/{wwid}))/slaves);"
    " do echo 1 > /sys/block/$s/device/rescan; done; multipathd resize map {wwid}; udevadm settle --timeout=60"
)


@pytest.mark.full
@pytest.mark.parametrize(("kind", "number", "larger"), [("ext4", 0, "128M"), ("xfs", 2, "512M")])
def test_a_lun_that_grows(lab: Lab, ansible: Ansible, luns: list[str], kind: str, number: int, larger: str) -> None:
    """One host has its pool running, and stops it; the LUN grows again, and the pool is started on the other one."""
    wwid, name = luns[number], ("one61", "two62", "large63")[number]
    wanted = filesystem("vms", wwid, kind=kind, single_host=True)
    up = play(ansible, pool("up", **wanted, state="active"), hosts="kvm1")
    lab("lun", "resize", name, larger)
    for host in HOSTS:
        lab.ssh(host, GROW.format(wwid=wwid))
    run = play(
        ansible,
        pool("check", check=True, **wanted, state="active"),
        pool("grow", **wanted, state="active"),
        pool("again", **wanted, state="active"),
        pool("stop", name="vms", state="inactive"),
        hosts="kvm1",
    )
    check, grow, again = (one(run, "kvm1", title) for title in ("check", "grow", "again"))
    assert [told["changed"] for told in (check, grow, again)] == [True, True, False]
    assert len(grow["steps"]) == 1
    assert (check["steps"], check["diff"]) == (grow["steps"], grow["diff"])
    assert grow["pool"]["fills_device"] is True
    assert grow["pool"]["capacity"] > one(up, "kvm1", "up")["pool"]["capacity"]
    lab("lun", "resize", name, "192M" if kind == "ext4" else "640M")
    for host in HOSTS:
        lab.ssh(host, GROW.format(wwid=wwid))
    moved = play(
        ansible,
        pool("define", **wanted),
        pool("start", name="vms", state="active"),
        pool("again", **wanted, state="active"),
        pool("erased", name="vms", state="absent", delete_contents=True),
        hosts="kvm2",
    )
    assert [one(moved, "kvm2", title)["changed"] for title in ("start", "again", "erased")] == [True, False, True]
    assert one(moved, "kvm2", "again")["pool"]["capacity"] > grow["pool"]["capacity"]
    play(ansible, pool("forget", name="vms", state="absent"), hosts="kvm1")
    blank(lab, wwid)


@pytest.mark.full
def test_a_host_that_crashed(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    """Its name stays on the LUN. Another host sees that it is silent; and it starts its own pools at boot."""
    play(ansible, pool("up", **filesystem("vms", luns[0]), state="active", autostart=True), hosts="kvm1")
    lab("crash", "kvm1", "--wait")
    again = f"for n in $(seq 150); do mountpoint -q {PLACE}/vms && exit 0; sleep 1; done; exit 1"
    lab.ssh("kvm1", again)
    print(lab.ssh("kvm1", "journalctl -b -o short-monotonic -t virt-san-pool"))
    play(ansible, pool("not at boot", name="vms", state="active", autostart=False), hosts="kvm1")
    lab("crash", "kvm1", "--wait")
    run = play(
        ansible,
        pool("erase", **filesystem("vms", luns[0]), may_fail=True, build="overwrite"),
        pool("up", **filesystem("vms", luns[0]), state="active"),
        pool("erased", name="vms", state="absent", delete_contents=True),
        hosts="kvm2",
    )
    assert one(run, "kvm2", "erase")["changed"], "its own is known again, and not made anew"
    assert one(run, "kvm2", "up")["pool"]["state"] == "active"
    play(ansible, pool("forgotten", name="vms", state="absent"), hosts="kvm1")
    blank(lab, luns[0])


# Type disk


def parts(wwid: str, kind: str = "gpt", **more: Any) -> dict[str, Any]:
    source = {"devices": [wwid], **({"format": kind} if kind else {})}
    return {"name": "parts", "type": "disk", "source": source, "timeout": 120, **more}


@pytest.mark.full
def test_a_partition_table_in_every_state(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    """Both hosts run it at once, one makes the table; removed, the LUN is blank, and so is where a partition was."""
    wanted, states = parts(luns[1]), ("present", "active", "inactive")
    run = play(
        ansible,
        *(
            pool(f"{what} {state}", check=what == "check", **wanted, state=state)
            for state in states
            for what in ("check", "run", "again")
        ),
        virsh("libvirt", "pool-define --validate /etc/virt-san/pools/parts.xml", "pool-undefine parts"),
    )
    made = [any("make a gpt" in step for step in one(run, host, "run present")["steps"]) for host in HOSTS]
    assert sorted(made) == [False, True]
    for host in HOSTS:
        for state in states:
            changed = [one(run, host, f"{what} {state}")["changed"] for what in ("check", "run", "again")]
            assert changed == [True, True, False], (host, state)
        told = one(run, host, "run active")["pool"]
        assert told["capacity"] == told["available"] > 0
    device = f"/dev/mapper/{luns[1]}"
    divide = (
        f"echo size=16M | sfdisk -q --no-reread --no-tell-kernel --append {device}; kpartx -u -s -p -part {device};"
        f" udevadm settle; mkfs.ext4 -q -E nodiscard,lazy_itable_init=1 {device}-part1 && mount {device}-part1 /mnt"
    )
    used = play(
        ansible,
        shell("divide", divide),
        pool("more on it", name="parts", state="active"),
        pool("in use", name="parts", state="absent", delete_contents=True, may_fail=True),
        shell("no longer", "umount /mnt"),
        pool("check", check=True, name="parts", state="absent", delete_contents=True),
        pool("erase", name="parts", state="absent", delete_contents=True),
        pool("again", name="parts", state="absent", delete_contents=True),
        shell("where it was", f"dd if={device} bs=1M skip=1 count=1 status=none | tr -d '\\0' | wc -c"),
        shell("what the kernel has", f"ls {device}?* 2>/dev/null; true"),
        hosts="kvm1",
    )
    assert one(used, "kvm1", "more on it")["pool"]["allocation"] == 16 * 2**20
    assert "/mnt" in one(used, "kvm1", "in use")["msg"]
    assert [one(used, "kvm1", title)["changed"] for title in ("check", "erase", "again")] == [True, True, False]
    assert [one(used, "kvm1", title)["stdout"] for title in ("where it was", "what the kernel has")] == ["0", ""]
    play(ansible, pool("forget", name="parts", state="absent"), hosts="kvm2")
    blank(lab, luns[1])


@pytest.mark.full
def test_a_table_that_others_have_made(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    """As libvirt makes it; the definition that it prints is taken over."""
    device = f"/dev/disk/by-id/dm-uuid-mpath-{luns[1]}"
    xml = (
        f"<pool type='disk'><name>parts</name><source><device path='{device}'/><format type='dos'/></source>"
        "<target><path>/dev</path></target></pool>"
    )
    run = play(
        ansible,
        shell("xml", f'echo "{xml}" > /tmp/p.xml'),
        virsh("libvirt", "pool-define /tmp/p.xml", "pool-build parts"),
        {**shell("dump", "virsh pool-dumpxml parts; virsh -q pool-undefine parts >&2"), "register": "dumped"},
        pool("refused", xml="{{ dumped.stdout }}", may_fail=True),
        pool("as gpt", **parts(luns[1]), may_fail=True),
        pool("taken over", xml="{{ dumped.stdout }}", build="never", state="active"),
        pool("again", xml="{{ dumped.stdout }}", state="active"),
        pool("erased", name="parts", state="absent", delete_contents=True),
        hosts="kvm1",
    )
    assert "was not made for pool parts" in one(run, "kvm1", "refused")["msg"]
    assert "not blank, nothing is built" in one(run, "kvm1", "as gpt")["msg"]
    assert one(run, "kvm1", "taken over")["pool"]["adopted"].startswith("0x")
    assert one(run, "kvm1", "again")["changed"] is False
    blank(lab, luns[1])
