# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partitions of a LUN as volumes: through all sizes, beside others that are in use, and as two hosts see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..conftest import HOSTS, Ansible, Lab
from ..playing import QEMU, Task, hold, let_go, one, play, pool, shell, volume
from ..test_pools_on_luns import GROW, blank
from .staging import KILL, judge, stages

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(1800)]

MIB = 2**20
POOL = "parts"


def path_of(wwid: str, number: int) -> str:
    return f"/dev/disk/by-id/dm-uuid-part{number}-mpath-{wwid}"


def with_table(wwid: str, kind: str, **more: Any) -> Task:
    source = {"devices": [wwid], "format": kind}
    return pool(f"table {kind}", name=POOL, type="disk", source=source, state="active", timeout=120, **more)


def in_turn(*tasks: Task) -> list[Task]:
    """Have tasks run on one host after the other."""
    return [{**task, "throttle": 1} for task in tasks]


def info(title: str) -> Task:
    return {"name": title, "virt.san.storage_pool_info": {"name": [POOL]}}


def dropped(lab: Lab, ansible: Ansible, wwid: str) -> None:
    """Erase the pool's table, and have both hosts forget its partitions."""
    lab.ssh("kvm2", f"kpartx -d /dev/mapper/{wwid}; true")
    play(ansible, pool("erased", name=POOL, state="absent", delete_contents=True), hosts="kvm1")
    play(ansible, pool("forgotten", name=POOL, state="absent"), hosts="kvm2")
    blank(lab, wwid)


@pytest.fixture(scope="module")
def lun(lab: Lab) -> Iterator[str]:
    """WWID of a LUN of which both hosts have a map, of two paths each."""
    wwid = lab.provide("parts64", 64, size="192M")
    for host in HOSTS:
        lab.attach(host, wwid)
    yield wwid
    for host in HOSTS:
        lab.ssh(host, "umount /mnt 2>/dev/null; rm -rf /etc/virt-san /run/virt-san")


@pytest.fixture
def gpt(lab: Lab, ansible: Ansible, lun: str) -> Iterator[str]:
    play(ansible, with_table(lun, "gpt"))
    yield lun
    dropped(lab, ansible, lun)


STAGES: tuple[dict[str, Any], ...] = (
    {"pool": POOL, "name": "data", "capacity": "10000000"},
    {"pool": POOL, "name": "data", "capacity": "33M"},
    {"pool": POOL, "name": "data", "capacity": "16M", "allow_shrink": True},
    {"pool": POOL, "name": "half", "capacity": "50%FREE"},
    {"pool": POOL, "name": "half", "state": "absent", "wipe": "zero"},
    {"pool": POOL, "name": "data", "state": "absent"},
)


def test_through_all_sizes(lab: Lab, ansible: Ansible, gpt: str) -> None:
    """Beside a partition of others, which stays as it is."""
    device = f"/dev/mapper/{gpt}"
    other = (
        f"echo 'start=80MiB, size=8MiB, name=\"other one\"' | sfdisk -q --no-reread --no-tell-kernel --append {device};"
        f" kpartx -a -s -p -part {device}; udevadm settle; head -c 8M /dev/urandom > {path_of(gpt, 1)}; sync"
    )
    look = f"sfdisk --dump {device} | grep 'other one'; md5sum < {path_of(gpt, 1)}"
    tasks = stages(*STAGES)
    run = play(
        ansible,
        shell("other", other),
        shell("before", look),
        *tasks[:12],
        info("listed"),
        shell("sizes", f"blockdev --getsize64 {path_of(gpt, 2)}; sfdisk --verify {device}"),
        *tasks[12:],
        shell("after", look),
        shell("left", f"ls {device}-part*"),
        hosts="kvm1",
    )
    judge(run, "kvm1", *STAGES)
    sizes = [one(run, "kvm1", f"{number} run")["volume"]["capacity"] for number in (0, 1, 2)]
    assert sizes == [10 * MIB, 33 * MIB, 16 * MIB]
    assert one(run, "kvm1", "0 run")["volume"]["path"] == path_of(gpt, 2)
    (listed,) = one(run, "kvm1", "listed")["pools"]
    assert [volume["name"] for volume in listed["volumes"]] == ["other one", "data", "half"]
    assert listed["allocation"] == sum(volume["capacity"] for volume in listed["volumes"])
    assert one(run, "kvm1", "sizes")["stdout_lines"][0] == str(16 * MIB)
    assert one(run, "kvm1", "before")["stdout"] == one(run, "kvm1", "after")["stdout"]
    assert one(run, "kvm1", "left")["stdout_lines"] == [f"{device}-part1"]
    lab.ssh("kvm1", f"sfdisk -q --no-reread --no-tell-kernel --delete {device} 1; kpartx -u -s -p -part {device}")


def test_both_hosts(lab: Lab, ansible: Ansible, gpt: str) -> None:
    """One makes it, the other makes the device of it; the same for its size. Nobody learns that it is gone."""
    small = {"pool": POOL, "name": "shared", "capacity": "16M"}
    large = {**small, "capacity": "24M"}
    run = play(
        ansible,
        *in_turn(volume("make", **small), volume("again", **small), volume("grow", **large), volume("grown", **large)),
        shell("size", f"blockdev --getsize64 {path_of(gpt, 1)}"),
    )
    steps = {host: one(run, host, "make")["steps"] for host in HOSTS}
    assert sorted(one.split(" ")[0] for (one,) in steps.values()) == ["create", "make"], steps
    told = [one(run, host, "again")["volume"] for host in HOSTS]
    assert told[0] == told[1]
    for host in HOSTS:
        changed = [one(run, host, title)["changed"] for title in ("make", "again", "grow", "grown")]
        assert changed == [True, False, True, False], host
        assert one(run, host, "size")["stdout"] == str(24 * MIB)
    # As after a boot: udev makes the partition, and it is the same one.
    again = f"multipath -f {gpt}; multipathd add map {gpt}; udevadm settle; for n in $(seq 20); do"
    lab.ssh("kvm2", f"{again} [ -b {path_of(gpt, 1)} ] && exit 0; sleep 1; done; exit 1")
    run = play(
        ansible, *in_turn(volume("as it was", **large), volume("gone", pool=POOL, name="shared", state="absent"))
    )
    assert not any(one(run, host, "as it was")["changed"] for host in HOSTS)
    assert sorted(one(run, host, "gone")["changed"] for host in HOSTS) == [False, True]
    # The one that has not removed it still has the device; one made in its place is another.
    anew = play(
        ansible,
        *in_turn(volume("before it", pool=POOL, name="before", capacity="4M")),
        *in_turn(volume("anew", pool=POOL, name="shared", capacity="24M")),
        shell("starts", f"dmsetup table {gpt}-part2 | cut -d' ' -f2,5"),
        *in_turn(*(volume(f"{name} gone", pool=POOL, name=name, state="absent") for name in ("shared", "before"))),
    )
    starts = {one(anew, host, "starts")["stdout"] for host in HOSTS}
    assert starts == {f"{24 * 2048} {5 * 2048}"}
    for host in HOSTS:
        lab.ssh(host, f"kpartx -u -s -p -part /dev/mapper/{gpt}")


def test_in_use_they_stay(ansible: Ansible, gpt: str) -> None:
    device = path_of(gpt, 1)
    refused = {
        "delete": {"state": "absent"},
        "wipe": {"state": "absent", "wipe": "zero"},
        "shrink": {"capacity": "8M", "allow_shrink": True},
    }

    def tries(how: str) -> list[Task]:
        return [volume(f"{how}: {what}", pool=POOL, name="a", may_fail=True, **more) for what, more in refused.items()]

    run = play(
        ansible,
        volume("make", pool=POOL, name="a", capacity="32M"),
        volume("neighbour", pool=POOL, name="b", capacity="8M"),
        shell("mounted", f"mkfs.ext4 -q {device} && mount {device} /mnt && echo precious > /mnt/data"),
        *tries("mounted"),
        volume("beside it", pool=POOL, name="b", capacity="16M"),
        volume("beside it gone", pool=POOL, name="b", state="absent"),
        volume("mounted: grow", pool=POOL, name="a", capacity="40M"),
        shell("data", f"resize2fs -f {device} >/dev/null 2>&1; cat /mnt/data; df --output=size -B1M /mnt | tail -n1"),
        shell("unmounted", "umount /mnt"),
        volume("below the file system", pool=POOL, name="a", capacity="8M", allow_shrink=True, may_fail=True),
        hold("guest", QEMU.format("raw"), device),
        *tries("guest"),
        let_go("no guest", QEMU),
        shell("loop", f"losetup /dev/loop6 {device}"),
        *tries("loop"),
        shell("no loop", "losetup -d /dev/loop6; udevadm settle"),
        volume("gone", pool=POOL, name="a", state="absent"),
        volume("anew", pool=POOL, name="c", capacity="32M"),
        shell("nothing there", f"wipefs -n {device}"),
        volume("too large", pool=POOL, name="d", capacity="1G", may_fail=True),
        volume("anew gone", pool=POOL, name="c", state="absent"),
        hosts="kvm1",
    )
    says = {"mounted": "mount /mnt", "guest": "guest qemu (pid ", "loop": "loop6"}
    for how, who in says.items():
        for what in refused:
            told = one(run, "kvm1", f"{how}: {what}")
            assert (told["error"], who in told["msg"]) == ("InUseError", True), told
    assert "mount /mnt has it open" in one(run, "kvm1", "mounted: grow")["warnings"][0]
    content, size = one(run, "kvm1", "data")["stdout_lines"]
    assert (content, int(size) > 30) == ("precious", True)
    assert "its content reaches to byte" in one(run, "kvm1", "below the file system")["msg"]
    assert one(run, "kvm1", "nothing there")["stdout"] == ""
    assert "the largest gap has" in one(run, "kvm1", "too large")["msg"]


COPIES: tuple[dict[str, Any], ...] = (
    {"pool": POOL, "name": "first", "clone_from": {"path": "/var/lib/san-base.raw"}},
    {"pool": POOL, "name": "second", "capacity": "12M", "clone_from": {"path": "first"}},
)


def test_copies(lab: Lab, ansible: Ansible, gpt: str) -> None:
    base, back = "/var/lib/san-base.raw", "/var/lib/san-back.raw"
    run = play(
        ansible,
        shell("base", f"head -c 8000000 /dev/urandom > {base}"),
        *stages(*COPIES),
        volume("download", pool=POOL, name="second", download_to=back),
        shell(
            "the same",
            f"cmp -n 8000000 {base} {back}; stat -c %s {back}; tail -c +8000001 {back} | tr -d '\\0' | wc -c",
        ),
        shell("change", f"head -c 8000000 /dev/urandom > {base}"),
        volume("upload", pool=POOL, name="first", upload_from=base),
        volume("upload again", pool=POOL, name="first", upload_from=base),
        shell("uploaded", f"cmp -n 8000000 {base} {path_of(gpt, 1)} && echo same"),
        hosts="kvm1",
    )
    judge(run, "kvm1", *COPIES)
    assert one(run, "kvm1", "the same")["stdout_lines"] == [str(12 * MIB), "0"]
    assert [one(run, "kvm1", title)["changed"] for title in ("upload", "upload again")] == [True, False]
    assert one(run, "kvm1", "uploaded")["stdout"] == "same"
    lab.ssh("kvm1", f"head -c 64M /dev/urandom > {base}")
    options = {"pool": POOL, "name": "third", "clone_from": {"path": base}}
    wait = ansible.start_module("kvm1", "storage_volume", **options)
    lab.ssh("kvm1", KILL.format(delay=0.5))
    wait()
    lab.ssh(
        "kvm1", f"for n in $(seq 60); do pgrep -x sfdisk || break; sleep 0.5; done; sfdisk --verify /dev/mapper/{gpt}"
    )
    done = ansible.module("kvm1", "storage_volume", **options)["kvm1"]
    assert (done["volume"]["problem"], done["volume"]["capacity"]) == (None, 64 * MIB)
    lab.ssh("kvm1", f"cmp {base} {done['volume']['path']}; rm {base} {back}")
    names = ("first", "second", "third")
    play(ansible, *(volume(f"{name} gone", pool=POOL, name=name, state="absent") for name in names), hosts="kvm1")


def told_of_the_other(ansible: Ansible, wanted: dict[str, Any]) -> None:
    """For kvm2 the LUN has become smaller than its table: that is told, and nothing is written."""
    late = play(
        ansible,
        pool("late", **wanted, may_fail=True),
        pool("overwritten", **{**wanted, "build": "overwrite"}, may_fail=True),
        info("listed"),
        hosts="kvm2",
    )
    (listed,) = one(late, "kvm2", "listed")["pools"]
    for told in (one(late, "kvm2", "late")["msg"], one(late, "kvm2", "overwritten")["msg"], listed["problem"]):
        assert "this host does not know it yet" in told


def test_a_lun_that_grows(lab: Lab, ansible: Ansible, gpt: str) -> None:
    """Its table follows, beside a partition that is mounted; a host that does not know the new size writes nothing."""
    device, old, wanted = f"/dev/mapper/{gpt}", path_of(gpt, 1), with_table(gpt, "gpt")["virt.san.storage_pool"]
    look = f"sfdisk --dump {device} | grep -v last-lba; cat /mnt/data; ls {device}-part*; blockdev --getsize64 {old}"
    before = play(
        ansible,
        volume("old", pool=POOL, name="old", capacity="160M"),
        shell("mounted", f"mkfs.ext4 -q {old} && mount {old} /mnt && echo precious > /mnt/data"),
        shell("before", look),
        info("small"),
        hosts="kvm1",
    )
    lab("lun", "resize", "parts64", "256M")
    lab.ssh("kvm1", GROW.format(wwid=gpt))
    run = play(
        ansible,
        volume("no room", pool=POOL, name="new", capacity="60M", may_fail=True),
        pool("check", check=True, **wanted),
        shell("checked", look),
        pool("grow", **wanted),
        pool("again", **wanted),
        shell("after", f"{look} && sfdisk --verify {device} >/dev/null"),
        volume("new", pool=POOL, name="new", capacity="60M"),
        hosts="kvm1",
    )
    check, grow, again = (one(run, "kvm1", title) for title in ("check", "grow", "again"))
    assert [told["changed"] for told in (check, grow, again)] == [True, True, False]
    assert len(grow["steps"]) == 1
    assert (check["steps"], check["diff"]) == (grow["steps"], grow["diff"])
    small = one(before, "kvm1", "small")["pools"][0]["capacity"]
    assert [told["pool"]["capacity"] - small for told in (check, grow, again)] == [0, 64 * MIB, 64 * MIB]
    assert "the largest gap has" in one(run, "kvm1", "no room")["msg"]
    looks = [one(before, "kvm1", "before"), one(run, "kvm1", "checked"), one(run, "kvm1", "after")]
    assert len({told["stdout"] for told in looks}) == 1
    assert "precious" in looks[0]["stdout"]
    told_of_the_other(ansible, wanted)
    lab.ssh("kvm2", GROW.format(wwid=gpt))
    told = play(
        ansible,
        pool("in time", **wanted),
        volume("new", pool=POOL, name="new", capacity="60M"),
        shell("its size", f"blockdev --getsize64 {path_of(gpt, 2)}"),
        hosts="kvm2",
    )
    assert one(told, "kvm2", "its size")["stdout"] == str(60 * MIB)
    lab.ssh("kvm1", "umount /mnt")
    play(ansible, *(volume(name, pool=POOL, name=name, state="absent") for name in ("old", "new")), hosts="kvm1")


def test_a_dos_table(lab: Lab, ansible: Ansible, lun: str) -> None:
    wanted: tuple[dict[str, Any], ...] = (
        {"pool": POOL, "name": "part2", "capacity": "8M"},
        {"pool": POOL, "name": "part1", "capacity": "4M"},
        {"pool": POOL, "name": "part2", "state": "absent"},
        {"pool": POOL, "name": "part1", "capacity": "12M"},
        {"pool": POOL, "name": "part1", "state": "absent"},
    )
    run = play(
        ansible,
        with_table(lun, "dos"),
        *stages(*wanted),
        volume("five", pool=POOL, name="part5", capacity="4M", may_fail=True),
        volume("named", pool=POOL, name="data", capacity="4M", may_fail=True),
        hosts="kvm1",
    )
    judge(run, "kvm1", *wanted)
    made = one(run, "kvm1", "0 run")["volume"]
    assert made["path"] == path_of(lun, 2)
    assert made["key"].endswith("-02")
    assert "4 primary partitions" in one(run, "kvm1", "five")["msg"]
    assert "part1 to part4" in one(run, "kvm1", "named")["msg"]
    dropped(lab, ansible, lun)
