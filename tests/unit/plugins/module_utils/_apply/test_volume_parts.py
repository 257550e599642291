# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partitions on a machine with a table of its own: planned, done, done again, and whoever is in the way."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import (
    pool,
    pool_devices,
    pool_info,
    volume,
    volume_lvs,
    volume_part_steps,
    volume_users,
)
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.volumes_native import NativeVolumes, list_volumes
from ansible_collections.virt.san.plugins.module_utils._errors import (
    ApplyError,
    IdentityError,
    InputError,
    InUseError,
    RefusedError,
    SanError,
)
from ansible_collections.virt.san.plugins.module_utils._host import dm, partition_nodes
from ansible_collections.virt.san.plugins.module_utils._model.block import San
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._model.volume import Backing, Share, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.plugins.module_utils._pools.volume_parts import UNFINISHED
from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import PermitVolume
from ansible_collections.virt.san.tests.unit.support.part_machine import LINUX, MAP, MIB, VDB, PartMachine, pool_on

BY_ID = f"/dev/disk/by-id/dm-uuid-part1-mpath-{MAP.wwid}"
SFDISK = "sfdisk --quiet --wipe never --no-reread --no-tell-kernel"


def machine_with(
    root: Path, monkeypatch: pytest.MonkeyPatch, one: Disk, kind: str = "gpt", *before: tuple[int, int, int]
) -> PartMachine:
    """Return a machine whose pool runs."""
    machine = PartMachine(root, one, kind)
    for room in (pool_devices, volume_part_steps):
        monkeypatch.setattr(room, "read_san", lambda _host: San())
        monkeypatch.setattr(room, "read_disks", lambda _host, _san, names: dict.fromkeys(names, machine.disk))
    monkeypatch.setattr(volume_part_steps, "confirm", lambda _host, units: machine_log(machine, units))
    for part in before:
        machine.put(*part)
    wanted = Wanted("parts", "active", pool_on(one, kind))
    pool.ensure(machine, NativeKeeper(machine), wanted, None, 10, check_mode=False)
    return machine


def machine_log(machine: PartMachine, units: tuple[Any, ...]) -> None:
    with (machine.top / "confirmed").open("a") as log:
        log.write(f"{[str(unit.wwid) for unit in units]}\n")


@pytest.fixture(params=["disk", "map"])
def machine(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PartMachine:
    monkeypatch.setattr(dm, "open_counts", lambda _host, _numbers: {})
    return machine_with(tmp_path, monkeypatch, VDB if request.param == "disk" else MAP)


@pytest.fixture
def mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PartMachine:
    monkeypatch.setattr(dm, "open_counts", lambda _host, _numbers: {})
    return machine_with(tmp_path, monkeypatch, MAP)


def run(machine: PartMachine, name: str = "a", check_mode: bool = False, **more: Any) -> volume.Report:
    keeper = NativeVolumes(machine, NativeKeeper(machine), 10)
    return volume.ensure(machine, keeper, "parts", WantedVolume(name, **more), 10, check_mode)


def listed(machine: PartMachine) -> list[dict[str, Any]]:
    (told,) = pool_info.gather(machine, NativeKeeper(machine), None, partial(list_volumes, machine, deadline=10))
    assert told["problem"] is None
    return list(told["volumes"])


STAGES: tuple[dict[str, Any], ...] = (
    {"capacity": 3 * MIB + 1},
    {"capacity": 6 * MIB},
    {"capacity": 2 * MIB, "allow_shrink": True},
    {"state": "absent"},
)


def test_planned_done_and_done_again(machine: PartMachine) -> None:
    machine.put(1, 1, 2, name="other")
    machine.tell_kernel()
    other = machine.rows()[1]
    for stage in STAGES:
        before = machine.read_table(), machine.known(), machine.ran()
        planned = run(machine, check_mode=True, **stage)
        assert (machine.read_table(), machine.known(), machine.ran()) == before
        assert planned.changed
        done = run(machine, **stage)
        assert planned.facts["steps"] == done.facts["steps"]
        assert (planned.before, planned.after) == (done.before, done.after)
        again = run(machine, **stage)
        assert (again.changed, again.facts["steps"], again.facts["volume"]) == (False, [], done.facts["volume"])
        assert machine.rows()[1] == other
        assert machine.known().keys() == machine.rows().keys()
    assert machine.rows().keys() == {1}
    asked = (machine.top / "confirmed").read_text().splitlines()
    assert asked == [str([str(MAP.wwid)] if machine.mapped else [])] * 4


def test_what_is_run_on_a_map(mapped: PartMachine) -> None:
    told = run(mapped, capacity=4 * MIB).facts
    assert told["steps"] == ["create volume a in pool parts: 4M, raw, partition 1"]
    key = mapped.rows()[1]["uuid"].lower()
    assert (told["volume"]["path"], told["volume"]["key"], told["volume"]["active"]) == (BY_ID, key, True)
    run(mapped, capacity=5 * MIB)
    run(mapped, state="absent")
    known = "/sbin/kpartx -a -s -p -part /dev/mapper/lun1"
    line = f'part1 : start=2048, size=8192, type={LINUX}, name="a"'
    assert mapped.ran() == [
        f"{SFDISK} --wipe-partitions always --append /dev/mapper/lun1 <- {line}",
        known,
        f"{SFDISK} -N 1 /dev/mapper/lun1 <- start=2048, size=10240",
        known,
        "dmsetup remove --retry lun1-part1",
        f"{SFDISK} --delete /dev/mapper/lun1 1",
    ]


def test_what_is_run_on_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_with(tmp_path, monkeypatch, VDB, "dos")
    told = run(machine, "part2", capacity=4 * MIB).facts["volume"]
    assert (told["path"], told["key"]) == ("/dev/vdb2", f"{machine.read_table()['id'][2:]}-02")
    run(machine, "part2", capacity=5 * MIB)
    run(machine, "part2", state="absent")
    assert machine.ran() == [
        f"{SFDISK} --wipe-partitions always --append /dev/vdb <- part2 : start=2048, size=8192, type=83",
        "partx --add --nr 2 /dev/vdb",
        f"{SFDISK} -N 2 /dev/vdb <- start=2048, size=10240",
        "partx --update --nr 2 /dev/vdb",
        "partx --delete --nr 2 /dev/vdb",
        f"{SFDISK} --delete /dev/vdb 2",
    ]


def test_what_is_listed(mapped: PartMachine) -> None:
    mapped.put(1, 1, 2, name="EFI System Partition")
    mapped.put(3, 4, 8)
    mapped.tell_kernel()
    mapped.put(4, 20, 1, type=UNFINISHED)
    told = [(one["name"], one["path"], one["capacity"], one["active"], bool(one["problem"])) for one in listed(mapped)]
    by_id = f"/dev/disk/by-id/dm-uuid-part{{}}-mpath-{MAP.wwid}"
    assert told == [
        ("EFI System Partition", by_id.format(1), 2 * MIB, True, False),
        ("part3", by_id.format(3), 8 * MIB, True, False),
        ("part4", by_id.format(4), MIB, False, True),
    ]


def test_another_host_has_made_it(machine: PartMachine) -> None:
    """What the table has, and this host does not know: it gets its device, and nothing is written."""
    machine.put(1, 1, 2, name="a")
    table = machine.read_table()
    planned, done = run(machine, check_mode=True, capacity=2 * MIB), run(machine, capacity=2 * MIB)
    assert (
        planned.facts["steps"]
        == done.facts["steps"]
        == [f"make {done.facts['volume']['path']} of volume a in pool parts"]
    )
    assert (planned.changed, planned.before, planned.after) == (True, done.before, done.after)
    assert (machine.read_table(), list(machine.known())) == (table, [1])
    assert not run(machine, capacity=2 * MIB).changed


def test_another_host_has_made_it_anew(machine: PartMachine) -> None:
    """Elsewhere, while this host still has a device where the old one was."""
    machine.put(1, 1, 2, name="a")
    machine.tell_kernel()
    machine.write({**machine.read_table(), "partitions": [{**machine.rows()[1], "start": 8 * 2048}]})
    assert [one["active"] for one in listed(machine)] == [False]
    assert run(machine).changed
    assert [one["active"] for one in listed(machine)] == [True]
    assert any("remove" in line or "--delete" in line for line in machine.ran())


def test_gone_with_what_it_held(machine: PartMachine) -> None:
    run(machine, capacity=4 * MIB)
    device = machine.top / f"dev/{machine.known()[1]}"
    device.write_bytes(b"\1" * 4 * MIB)
    written = []
    plain = machine._drop_node

    machine._drop_node = lambda number: written.append(device.read_bytes()) or plain(number)  # type: ignore[method-assign, func-returns-value]
    run(machine, state="absent")
    (left,) = written
    assert (left[:MIB].strip(b"\0"), left[-MIB:].strip(b"\0")) == (b"", b"")
    assert left[MIB:-MIB] == b"\1" * 2 * MIB


def test_wiped_before_it_goes(machine: PartMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    log = machine.top / "log"
    monkeypatch.setattr(
        volume_part_steps.wiping, "wipe_device", lambda _host, path, discard: log.write_text(f"{path} {discard}")
    )
    machine.put(1, 1, 2, name="a")
    steps = run(machine, state="absent", wipe="discard").facts["steps"]
    assert [step.split(" ")[0] for step in steps] == ["make", "discard", "delete"]
    assert log.read_text() == f"{BY_ID if machine.mapped else '/dev/vdb1'} True"


class TestInUse:
    REFUSED: tuple[dict[str, Any], ...] = (
        {"state": "absent"},
        {"state": "absent", "wipe": "zero"},
        {"capacity": MIB, "allow_shrink": True},
    )

    def test_by_a_process(self, machine: PartMachine) -> None:
        run(machine, capacity=2 * MIB)
        machine.put_process(77, "dd", f"/dev/{machine.known()[1]}")
        before = machine.ran()
        for more in self.REFUSED:
            with pytest.raises(InUseError, match=r"in use by dd \(pid 77\)"):
                run(machine, **more)
        assert machine.ran() == before
        assert run(machine, capacity=3 * MIB).warnings[0].startswith("volume a grows while dd (pid 77)")

    def test_by_somebody_that_does_not_show(self, mapped: PartMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        run(mapped, capacity=2 * MIB)
        monkeypatch.setattr(volume_users, "PATIENCE", 0.3)
        monkeypatch.setattr(dm, "open_counts", lambda _host, numbers: dict.fromkeys(numbers, 1))
        with pytest.raises(InUseError, match="somebody that does not show"):
            run(mapped, state="absent")

    def test_opened_at_the_last_moment(self, mapped: PartMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        run(mapped, capacity=2 * MIB)
        monkeypatch.setattr(partition_nodes, "DEADLINE", 0.3)
        (mapped.top / "busy").touch()
        with pytest.raises(ApplyError, match="in use on this host: device-mapper: remove ioctl failed"):
            run(mapped, state="absent")
        assert mapped.rows().keys() == {1}


class TestRoom:
    def test_the_first_gap_that_is_large_enough(self, machine: PartMachine) -> None:
        machine.put(1, 2, 2)
        machine.put(2, 10, 50)
        with pytest.raises(RefusedError, match=r"needs 7M in one piece, and the largest gap has 6M") as caught:
            run(machine, capacity=7 * MIB)
        assert caught.value.details["free"] == 6 * MIB
        run(machine, capacity=MIB)
        run(machine, "b", capacity=3 * MIB)
        run(machine, "c", capacity=Share(100))
        places = {row.get("name"): (row["start"] // 2048, row["size"] // 2048) for row in machine.rows().values()}
        assert (places["a"], places["b"], places["c"]) == ((1, 1), (4, 3), (7, 3))
        assert not run(machine, "c", capacity=Share(100)).changed

    def test_none_behind_it(self, machine: PartMachine) -> None:
        machine.put(1, 1, 2, name="a")
        machine.put(2, 5, 2, name="b")
        with pytest.raises(RefusedError, match=r"cannot grow by 3M: it is partition 1 .* and 2M are free right behind"):
            run(machine, capacity=5 * MIB)
        assert run(machine, capacity=4 * MIB).changed

    def test_what_it_holds_stays(self, machine: PartMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        run(machine, capacity=4 * MIB)
        with pytest.raises(RefusedError, match="allow_shrink: true"):
            run(machine, capacity=2 * MIB)
        monkeypatch.setattr(volume_lvs, "device_end", lambda _host, _path: 3 * MIB)
        with pytest.raises(RefusedError, match="its content reaches to byte 3145728"):
            run(machine, capacity=2 * MIB, allow_shrink=True)

    def test_those_of_others_need_not_be_whole(self, machine: PartMachine) -> None:
        machine.put(1, 1, 2, name="a", size=2 * 2048 + 100)
        machine.tell_kernel()
        assert not run(machine, capacity=2 * MIB).changed
        run(machine, "b", capacity=MIB)
        assert machine.rows()[2]["start"] == 4 * 2048


class TestNames:
    def test_of_a_gpt(self, machine: PartMachine) -> None:
        machine.put(1, 1, 1, name="twice")
        machine.put(2, 2, 1, name="twice")
        machine.put(3, 3, 1, name="part9")
        assert [one["name"] for one in listed(machine)] == ["part1", "part2", "part3"]
        for state in ("present", "absent"):
            with pytest.raises(RefusedError, match="is the label of several partitions, and no volume"):
                run(machine, "twice", capacity=MIB, state=state)
        for name in ("part4", "with space", "x" * 37, "-a", 'a"b', "é"):
            with pytest.raises(InputError, match="is no name for a new partition"):
                run(machine, name, capacity=MIB)
        assert run(machine, "x" * 36, capacity=MIB).changed

    def test_of_a_dos_table(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        machine = machine_with(tmp_path, monkeypatch, VDB, "dos")
        machine.put(1, 1, 2)
        machine.put(2, 4, 20, type="5")
        machine.put(5, 5, 2)
        machine.tell_kernel()
        assert [one["name"] for one in listed(machine)] == ["part1", "part5"]
        with pytest.raises(InputError, match="name the volume by its number, part1 to part4"):
            run(machine, "db01", capacity=MIB)
        with pytest.raises(RefusedError, match="4 primary partitions"):
            run(machine, "part6", capacity=MIB)
        with pytest.raises(RefusedError, match="is an extended partition, and no volume"):
            run(machine, "part2", capacity=MIB)
        with pytest.raises(RefusedError, match="logical partition: those are numbered anew"):
            run(machine, "part5", state="absent")
        assert not run(machine, "part5", capacity=2 * MIB).changed
        assert run(machine, "part3", capacity=MIB).changed
        assert machine.rows()[3]["start"] == 3 * 2048
        (machine.top / "base").write_bytes(bytes(MIB))
        with pytest.raises(RefusedError, match="clone_from: /dev/vdb has a dos table"):
            run(machine, "part4", clone_from=Backing("/base"))


class TestCopies:
    def test_of_a_file_and_of_a_volume(self, machine: PartMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        zeroed = machine.top / "zeroed"
        monkeypatch.setattr(
            volume_lvs.wiping,
            "wipe_device",
            lambda _host, path, discard, begin: zeroed.write_text(f"{path} {discard} from {begin}"),
        )
        (machine.top / "base").write_bytes(b"content".ljust(MIB + 512, b"\0"))
        told = run(machine, clone_from=Backing("/base")).facts["volume"]
        assert told["capacity"] == 2 * MIB
        assert zeroed.read_text() == f"{told['path']} False from {MIB + 512}"
        assert run(machine, "b", clone_from=Backing("a"), capacity=3 * MIB).changed
        for kernel in machine.known().values():
            assert (machine.top / f"dev/{kernel}").read_bytes().startswith(b"content\0")
        assert {row["type"] for row in machine.rows().values()} == {LINUX}

    def test_what_a_killed_run_left(self, machine: PartMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        (machine.top / "base").write_bytes(b"content".ljust(60 * MIB, b"\0"))

        def die(*_args: object) -> None:
            raise SanError("killed")

        with monkeypatch.context() as patch:
            patch.setattr(volume_lvs, "copy_into", die)
            with pytest.raises(ApplyError, match="killed"):
                run(machine, clone_from=Backing("/base"))
        (half,) = listed(machine)
        assert "has not finished making it" in half["problem"]
        done = run(machine, clone_from=Backing("/base"))
        assert done.facts["steps"][0] == "delete what a killed run has left of volume a in pool parts"
        assert listed(machine)[0]["problem"] is None

    def test_files_of_the_host(self, machine: PartMachine) -> None:
        (machine.top / "f").write_bytes(b"content".ljust(4096, b"\0"))
        steps = run(machine, upload_from="/f").facts["steps"]
        assert steps[1] == "write /f to volume a in pool parts"
        assert (machine.top / f"dev/{machine.known()[1]}").read_bytes().startswith(b"content\0")
        assert not run(machine, upload_from="/f").changed
        run(machine, download_to="/g")
        assert (machine.top / "g").read_bytes() == b"content".ljust(MIB, b"\0")

    def test_to_one_that_this_host_does_not_know_yet(self, machine: PartMachine) -> None:
        (machine.top / "f").write_bytes(b"content")
        machine.put(1, 1, 2, name="a")
        assert len(run(machine, upload_from="/f").facts["steps"]) == 2
        assert (machine.top / f"dev/{machine.known()[1]}").read_bytes().startswith(b"content\0")


class TestChangedMeanwhile:
    """What has happened to the table since it was planned for is seen before the first write."""

    @pytest.mark.parametrize(
        ("stage", "says"),
        [
            ({"name": "b", "capacity": 2 * MIB}, "its place on .* is taken: something else has changed the table"),
            ({"capacity": 4 * MIB}, "what is behind it on .* is taken"),
            ({"state": "absent"}, "has no such partition any more"),
        ],
    )
    def test_it_is_refused(
        self, machine: PartMachine, monkeypatch: pytest.MonkeyPatch, stage: dict[str, Any], says: str
    ) -> None:
        run(machine, capacity=2 * MIB)
        plain, before = volume_part_steps.read_disks, machine.ran()

        def change(*args: Any) -> Any:
            if "state" in stage:
                machine.write({**machine.read_table(), "partitions": []})
            machine.put(7, 3, 2)
            return plain(*args)

        monkeypatch.setattr(volume_part_steps, "read_disks", change)
        with pytest.raises(ApplyError, match=says):
            run(machine, **stage)
        assert machine.ran() == before

    def test_another_table(self, machine: PartMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = volume_part_steps.read_disks

        def change(*args: Any) -> Any:
            machine.write({**machine.read_table(), "id": "0F0F0F0F-0F0F-4F0F-8F0F-0F0F0F0F0F0F"})
            return plain(*args)

        monkeypatch.setattr(volume_part_steps, "read_disks", change)
        with pytest.raises(ApplyError, match="not the partition table of pool parts any more"):
            run(machine, capacity=MIB)
        assert machine.ran() == []
        with pytest.raises(RefusedError, match="does not run"):
            run(machine, capacity=MIB)

    def test_another_lun(self, machine: PartMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        def confirm(*_args: object) -> None:
            raise IdentityError("it is another one by now")

        monkeypatch.setattr(volume_part_steps, "confirm", confirm)
        with pytest.raises(ApplyError, match="another one by now"):
            run(machine, capacity=MIB)
        assert machine.ran() == []

    def test_two_hosts_at_once(self, machine: PartMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = volume_part_steps.partitions.add_partition

        def add(*args: Any) -> None:
            plain(*args)
            machine.put(7, 30, 2)

        monkeypatch.setattr(volume_part_steps.partitions, "add_partition", add)
        with pytest.raises(ApplyError, match="is not as it was written: two hosts have changed it at once"):
            run(machine, capacity=MIB)


class TestRefused:
    @pytest.mark.parametrize(
        ("more", "says"),
        [
            ({"format": "qcow2"}, "format: a volume of a pool of type disk is raw"),
            ({"backing": Backing("/x")}, "backing"),
            ({"thin_pool": "t"}, "thin_pool: only pools of type logical"),
            ({"allocation": "sparse"}, "allocation: a partition has all its space"),
            ({}, "capacity: volume a is yet to be made"),
        ],
    )
    def test_what_partitions_cannot_be(self, machine: PartMachine, more: dict[str, Any], says: str) -> None:
        with pytest.raises(InputError, match=says):
            run(machine, **more)

    def test_without_kpartx(self, mapped: PartMachine) -> None:
        (mapped.top / "sbin/kpartx").unlink()
        with pytest.raises(RefusedError, match="need kpartx: install it"):
            run(mapped, capacity=MIB)

    def test_permissions(self, machine: PartMachine) -> None:
        run(machine, capacity=MIB)
        wanted = pool_on(machine.disk)
        (one,) = (NativeVolumes(machine, NativeKeeper(machine), 1).look("parts", WantedVolume("a")).volume,)
        assert one is not None
        with pytest.raises(SanError, match="are udev's"):
            volume_part_steps.perform(
                machine, PermitVolume(wanted, one, wanted.target.permissions), 1, lambda work: work()
            )
