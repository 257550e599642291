# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logical volumes on a machine with an LVM of its own: planned, done, done again, and whoever is in the way."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import (
    pool,
    pool_devices,
    volume,
    volume_lvs,
    volume_users,
)
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.volumes_native import NativeVolumes
from ansible_collections.virt.san.plugins.module_utils._errors import (
    ApplyError,
    InUseError,
    NotFoundError,
    RefusedError,
    SanError,
)
from ansible_collections.virt.san.plugins.module_utils._host import dm
from ansible_collections.virt.san.plugins.module_utils._model.block import San, Use
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Signature
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import Backing, Share, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import PermitVolume
from ansible_collections.virt.san.tests.unit.support.groups import EXTENT, NAME, gone, pv
from ansible_collections.virt.san.tests.unit.support.pool_world import IMAGES
from ansible_collections.virt.san.tests.unit.support.volume_lvm import LvmMachine
from ansible_collections.virt.san.tests.unit.support.volume_machine import qcow2

MIB = 2**20
GUESTS = PoolDefinition(NAME, "logical")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LvmMachine:
    machine = LvmMachine(tmp_path)
    monkeypatch.setattr(pool_devices, "read_san", lambda _host: San())
    monkeypatch.setattr(pool_devices, "read_groups", machine.sight)
    start(machine, GUESTS)
    return machine


def start(machine: LvmMachine, one: PoolDefinition) -> None:
    pool.ensure(machine, NativeKeeper(machine), Wanted(one.name, "active", one), None, 10, check_mode=False)


def run(
    machine: LvmMachine, name: str = "a", check_mode: bool = False, in_pool: str = NAME, **more: Any
) -> volume.Report:
    keeper = NativeVolumes(machine, NativeKeeper(machine), 10)
    return volume.ensure(machine, keeper, in_pool, WantedVolume(name, **more), 10, check_mode)


LINEAR: tuple[dict[str, Any], ...] = (
    {"capacity": EXTENT + 1},
    {"capacity": 3 * EXTENT},
    {"capacity": EXTENT, "allow_shrink": True},
    {"state": "absent"},
)
OF_LINEAR: tuple[dict[str, Any], ...] = (
    {"snapshot_of": "linear", "capacity": EXTENT + 1},
    {"snapshot_of": "linear", "capacity": 3 * EXTENT},
    {"snapshot_of": "linear", "capacity": 20 * EXTENT},
    {"state": "absent"},
)
OF_THIN: tuple[dict[str, Any], ...] = ({"snapshot_of": "thin"}, {"capacity": 7 * EXTENT}, {"state": "absent"})
THIN = tuple({**stage, "thin_pool": "t"} if "capacity" in stage else stage for stage in LINEAR)


@pytest.mark.parametrize(
    "stages", [LINEAR, THIN, OF_LINEAR, OF_THIN], ids=["linear", "thin", "snapshot", "thin snapshot"]
)
def test_planned_done_and_done_again(machine: LvmMachine, stages: tuple[dict[str, Any], ...], monkeypatch: Any) -> None:
    machine.put("t", 2, layout="thin,pool")
    machine.put("linear", 4, opened=True)
    machine.put("thin", 6, layout="thin,sparse", pool="t", opened=True)
    monkeypatch.setattr(volume_lvs, "_end", lambda *_args: 0)
    for stage in stages:
        before = machine.group
        planned = run(machine, check_mode=True, **stage)
        assert (machine.group, planned.changed) == (before, True), stage
        done = run(machine, **stage)
        assert planned.facts["steps"] == done.facts["steps"]
        assert (planned.before, planned.after) == (done.before, done.after)
        again = run(machine, **stage)
        assert (again.changed, again.facts["steps"], again.facts["volume"]) == (False, [], done.facts["volume"])
    assert [one.name for one in machine.group.volumes] == ["t", "linear", "thin"]
    assert machine.group.free == 10 * EXTENT


def test_what_is_run(machine: LvmMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_lvs, "_end", lambda *_args: 0)
    told = run(machine, capacity=Share(50)).facts["volume"]
    assert (told["key"], told["path"], told["capacity"]) == ("uuid-1", f"/dev/{NAME}/a", 5 * EXTENT)
    assert not run(machine, capacity=Share(50)).changed
    run(machine, capacity=6 * EXTENT)
    run(machine, capacity=EXTENT, allow_shrink=True)
    run(machine, state="absent")
    assert machine.ran == [
        f"lvcreate --yes --wipesignatures y --zero y --type linear --size {5 * EXTENT}b --name a {NAME}",
        f"lvextend --size {6 * EXTENT}b {NAME}/a",
        f"lvreduce --yes --size {EXTENT}b {NAME}/a",
        "lvremove --yes --select lv_uuid=uuid-1",
    ]


def test_what_a_thin_one_takes(machine: LvmMachine) -> None:
    machine.put("t", 2, layout="thin,pool")
    machine.put("a", 4, layout="thin,sparse", pool="t", percent=25.0)
    told = run(machine).facts["volume"]
    assert (told["allocation"], told["thin_pool"]) == (EXTENT, "t")


def test_the_pool_still_runs_without_volumes(machine: LvmMachine) -> None:
    """A group whose volumes were active at boot is a pool that runs, and nobody has noted it."""
    run(machine, capacity=EXTENT)
    note = machine.top / f"run/virt-san/pools/{NAME}.xml"
    note.unlink()
    assert run(machine, state="absent").facts["steps"][0] == f"note that pool {NAME} runs"
    assert note.exists()
    assert run(machine, capacity=EXTENT).changed


def test_names_that_are_taken(machine: LvmMachine) -> None:
    machine.put("t", layout="thin,pool")
    for state in ("present", "absent"):
        with pytest.raises(RefusedError, match="t in pool guests is a thin pool, and no volume"):
            run(machine, "t", state=state, capacity=EXTENT)
    machine.put("a")
    with pytest.raises(RefusedError, match="is linear, not thin in t"):
        run(machine, thin_pool="t")


def test_a_device_that_is_missing(machine: LvmMachine) -> None:
    machine.put("a")
    machine.group = replace(machine.group, pvs=(pv(1), gone(2)))
    assert not run(machine, capacity=EXTENT).changed
    for more in ({"capacity": 2 * EXTENT}, {"state": "absent"}, {"name": "b", "capacity": EXTENT}):
        with pytest.raises(RefusedError, match=r"lacks PV .* until it is back\. Bring it back"):
            run(machine, **more)
    assert machine.ran == []


def test_a_group_on_luns_that_belongs_to_no_host(machine: LvmMachine) -> None:
    machine.put("a")
    machine.group = replace(machine.group, system_id="")
    assert not run(machine, capacity=EXTENT).changed
    for more in ({"capacity": 2 * EXTENT}, {"state": "absent"}, {"name": "b", "capacity": EXTENT}):
        with pytest.raises(RefusedError, match=r"has no system ID.*vgchange --systemid"):
            run(machine, **more)
    assert machine.ran == []


def test_snapshots(machine: LvmMachine) -> None:
    machine.put("a", 4)
    machine.put("s", 1, origin="a", percent=10.0)
    with pytest.raises(InUseError, match="snapshot s would lose what it reads"):
        run(machine, state="absent")
    with pytest.raises(RefusedError, match="is a snapshot of a, whose size is that of its origin"):
        run(machine, "s", capacity=2 * EXTENT)
    with pytest.raises(InUseError, match=r"has snapshots \(snapshot s\)"):
        run(machine, capacity=5 * EXTENT)
    machine.change("s", invalid=True)
    (told,) = [one for one in volume_lvs.list_volumes(machine, GUESTS, _seen(machine), 1) if one.name == "s"]
    assert "has run full" in (told.problem or "")
    with pytest.raises(RefusedError, match=r"volume s .* has run full: .* Remove it \(state: absent\)"):
        run(machine, "s", snapshot_of="a", capacity=EXTENT)
    with pytest.raises(RefusedError, match="has run full"):
        run(machine, "c", clone_from=Backing("s"))
    assert run(machine, "s", state="absent").before["volume"]["backing"] == {"path": "/dev/guests/a", "format": "raw"}


def test_how_snapshots_are_made(machine: LvmMachine) -> None:
    machine.put("t", layout="thin,pool")
    machine.put("a", 4)
    machine.put("b", layout="thin,sparse", pool="t")
    told = run(machine, "s", snapshot_of="a", capacity=EXTENT).facts["volume"]
    assert (told["capacity"], told["snapshot_of"], told["backing"]["path"]) == (EXTENT, "a", f"/dev/{NAME}/a")
    told = run(machine, "u", snapshot_of="b").facts["volume"]
    assert (told["thin_pool"], told["snapshot_of"], told["backing"]) == ("t", "b", None)
    run(machine, "s", snapshot_of="a", capacity=2 * EXTENT)
    assert machine.ran == [
        f"lvcreate --yes --type snapshot --size {EXTENT}b --addtag virt.san.unfinished --name s {NAME}/a",
        f"lvchange --deltag virt.san.unfinished {NAME}/s",
        f"lvcreate --yes --snapshot --setactivationskip n --name u {NAME}/b",
        f"lvextend --size {2 * EXTENT}b {NAME}/s",
    ]
    for name in ("t", "none"):
        with pytest.raises(NotFoundError, match=f"there is no volume {name} in the pool"):
            run(machine, "v", snapshot_of=name, capacity=EXTENT)


@pytest.mark.parametrize("origin", ["a", ""], ids=["all but for the tag", "only its space"])
def test_a_snapshot_that_was_killed_is_made_again(machine: LvmMachine, origin: str) -> None:
    """LVM makes the space first, a linear volume, and joins it to the origin then."""
    machine.put("a", 4)
    machine.put("s", origin=origin, tags=("virt.san.unfinished",))
    done = run(machine, "s", snapshot_of="a", capacity=EXTENT)
    assert done.facts["steps"] == [
        f"delete what a killed run has left of volume s in pool {NAME}",
        f"create volume s in pool {NAME}: a snapshot of a, with 4M for what changes",
    ]
    assert done.facts["volume"]["problem"] is None


def test_a_clone_that_is_a_thin_snapshot(machine: LvmMachine) -> None:
    """LVM knows no difference, and neither does who asks for the other."""
    machine.put("t", layout="thin,pool")
    machine.put("a", layout="thin,sparse", pool="t")
    asked: dict[str, Any] = {"clone_from": Backing("a"), "thin_pool": "t"}
    planned, done = run(machine, "c", check_mode=True, **asked), run(machine, "c", **asked)
    assert planned.after == done.after
    assert done.facts["volume"]["snapshot_of"] == "a"
    assert not run(machine, "c", snapshot_of="a").changed


def _seen(machine: LvmMachine) -> pool_devices.Seen:
    return pool_devices.Seen(groups=machine.sight())


def test_thin_snapshots_stand_alone(machine: LvmMachine) -> None:
    machine.put("t", layout="thin,pool")
    machine.put("a", layout="thin,sparse", pool="t")
    machine.put("s", layout="thin,sparse", pool="t", origin="a")
    assert run(machine, "s").facts["volume"]["backing"] is None
    assert run(machine, state="absent").changed


class TestInUse:
    @pytest.mark.parametrize(
        ("facts", "who"),
        [
            ({"opened": True, "uses": (Use("mount", "a", "/mnt"),)}, "mount /mnt"),
            ({"opened": True, "uses": (Use("qemu", "a", "vm1 (pid 7)"),)}, "guest vm1 (pid 7)"),
            (
                {"opened": True, "uses": (Use("open", "a", "1 x open, by whom is not known"),)},
                "somebody that does not show",
            ),
            ({"opened": True}, "somebody that does not show"),
        ],
    )
    def test_it_stays(self, machine: LvmMachine, facts: dict[str, Any], who: str) -> None:
        machine.put("a", 4, **facts)
        for more in ({"state": "absent"}, {"capacity": EXTENT, "allow_shrink": True}):
            with pytest.raises(InUseError, match="in use by") as caught:
                run(machine, **more)
            assert caught.value.details["holders"][0].startswith(who)
        grown = run(machine, capacity=5 * EXTENT)
        assert grown.changed
        assert who in grown.warnings[0]

    def test_by_a_process_and_under_a_loop_device(self, machine: LvmMachine) -> None:
        machine.put("a", opened=True, kernel="dm-7")
        machine.put_process(77, "dd", "/dev/dm-7")
        (machine.top / "sys/block/loop3/loop").mkdir(parents=True)
        (machine.top / "sys/block/loop3/loop/backing_file").write_text("/dev/dm-7\n")
        with pytest.raises(InUseError) as caught:
            run(machine, state="absent")
        assert caught.value.details["holders"] == ["dd (pid 77)", "loop3"]
        machine.change("a", uses=(Use("holder", "a", "loop3"),))
        with pytest.raises(InUseError) as caught:
            run(machine, state="absent")
        assert caught.value.details["holders"] == ["holder loop3", "dd (pid 77)"], "each once"

    def test_udev_lets_go(self, machine: LvmMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was written to it a moment ago is looked at by udev, which has it open for that."""
        machine.put("a", opened=True, kernel="dm-7")
        (machine.top / "sys/class/block/dm-7").mkdir(parents=True)
        (machine.top / "sys/class/block/dm-7/dev").write_text("253:7\n")
        counts = [1, 1, 1]

        def count(_host: object, numbers: list[str]) -> dict[str, int]:
            assert numbers == ["253:7"]
            now = counts.pop() if counts else 0
            machine.change("a", opened=bool(now))
            return {"253:7": now} if now else {}

        monkeypatch.setattr(dm, "open_counts", count)
        assert run(machine, state="absent").changed
        machine.put("a", opened=True, kernel="dm-7")
        counts += [1] * 1000
        monkeypatch.setattr(volume_users, "PATIENCE", 0.5)
        with pytest.raises(InUseError, match="somebody that does not show"):
            run(machine, state="absent")

    def test_by_a_guest_once(self, machine: LvmMachine) -> None:
        machine.put("a", opened=True, kernel="dm-7", uses=(Use("qemu", "a", "vm1 (pid 77)"),))
        machine.put_process(77, "qemu-system-x86", "/dev/dm-7")
        (machine.top / "proc/77/cmdline").write_bytes(b"qemu\0-name\0guest=vm1\0")
        with pytest.raises(InUseError) as caught:
            run(machine, state="absent")
        assert caught.value.details["holders"] == ["guest vm1 (pid 77)"]

    def test_by_an_image_in_a_folder(self, machine: LvmMachine) -> None:
        start(machine, IMAGES)
        machine.put("a")
        device = machine.top / f"dev/{NAME}/a"
        device.parent.mkdir(parents=True)
        device.write_bytes(bytes(512))
        run(machine, "top", in_pool="images", backing=Backing(f"/dev/{NAME}/a", "raw"), capacity=EXTENT)
        with pytest.raises(InUseError, match="/images/top would lose"):
            run(machine, state="absent")


ASKED: dict[str, Any] = {"capacity": EXTENT, "allow_shrink": True}


class TestShrinking:
    @pytest.fixture
    def device(self, machine: LvmMachine) -> Path:
        machine.put("a", 4)
        device = machine.top / f"dev/{NAME}/a"
        device.parent.mkdir(parents=True)
        device.write_bytes(bytes(8192))
        return device

    @pytest.fixture
    def contents(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Contents]:
        found = {"": Contents()}
        monkeypatch.setattr(volume_lvs.signatures, "read_contents", lambda _host, _path: found[""])
        return found

    def test_what_it_holds(self, machine: LvmMachine, device: Path) -> None:
        device.write_bytes(b"XFSB" + struct.pack(">IQ", 4096, 1025) + bytes(8192))
        with pytest.raises(RefusedError, match=f"reaches to byte {1025 * 4096}"):
            run(machine, **ASKED)
        device.write_bytes(b"XFSB" + struct.pack(">IQ", 4096, 1024) + bytes(8192))
        assert run(machine, **ASKED).changed

    @pytest.mark.usefixtures("device", "contents")
    def test_blank(self, machine: LvmMachine) -> None:
        assert run(machine, **ASKED).changed

    def test_what_nobody_knows_the_end_of(
        self, machine: LvmMachine, device: Path, contents: dict[str, Contents]
    ) -> None:
        contents[""] = Contents((Signature("crypto_LUKS", "crypto", 0),))
        with pytest.raises(RefusedError, match="it holds crypto_LUKS at byte 0, and how far"):
            run(machine, **ASKED)
        contents[""] = Contents(problem="it does not answer")
        with pytest.raises(RefusedError, match="it does not answer"):
            run(machine, **ASKED)
        device.unlink()
        with pytest.raises(RefusedError, match="cannot be read: No such file"):
            run(machine, **ASKED)
        machine.put("other")
        machine.change("a", active=False)
        with pytest.raises(RefusedError, match="is not active"):
            run(machine, **ASKED)
        assert machine.ran == []

    @pytest.mark.usefixtures("device")
    def test_an_answer_that_does_not_come(self, machine: LvmMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        def late(*_args: object) -> None:
            raise SanError("no answer within 10 s")

        monkeypatch.setattr(volume_lvs, "guarded", late)
        with pytest.raises(RefusedError, match="no answer within 10 s"):
            run(machine, **ASKED)


def test_wiped_before_it_goes(machine: LvmMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.put("a")
    log = machine.top / "wiped"
    monkeypatch.setattr(
        volume_lvs.wiping, "wipe_device", lambda _host, path, discard: log.write_text(f"{path} {discard}")
    )
    run(machine, state="absent", wipe="discard")
    assert log.read_text() == f"/dev/{NAME}/a True"
    assert machine.group.volumes == ()


class TestCopies:
    @pytest.fixture(autouse=True)
    def zeroed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def wipe(host: Any, path: str, discard: bool, begin: int) -> None:
            assert not discard
            with open(host.path(path), "r+b") as device:
                size = device.seek(0, 2)
                device.seek(begin)
                device.write(bytes(size - begin))

        monkeypatch.setattr(volume_lvs.wiping, "wipe_device", wipe)

    def device(self, machine: LvmMachine, name: str) -> bytes:
        return (machine.top / f"dev/{NAME}/{name}").read_bytes()

    def test_of_a_raw_image(self, machine: LvmMachine) -> None:
        (machine.top / "base").write_bytes(b"content".ljust(1000, b"\0"))
        done = run(machine, clone_from=Backing("/base"))
        assert done.facts["volume"]["problem"] is None
        assert self.device(machine, "a") == b"content".ljust(EXTENT, b"\0"), "nothing is left of what was there before"
        assert machine.ran[1:] == [f"lvchange --deltag virt.san.unfinished {NAME}/a"]
        assert not run(machine, clone_from=Backing("/base")).changed

    def test_of_qcow2(self, machine: LvmMachine) -> None:
        (machine.top / "base").write_bytes(qcow2(MIB))
        run(machine, clone_from=Backing("/base"), capacity=2 * EXTENT)
        assert self.device(machine, "a").startswith(b"converted")
        assert machine.calls() == [f"qemu-img convert -q -n -f qcow2 -O raw /base /dev/{NAME}/a"]

    def test_of_another_volume(self, machine: LvmMachine) -> None:
        run(machine, "base", capacity=EXTENT)
        source = self.device(machine, "base")
        for name, path in (("a", "base"), ("b", f"/dev/{NAME}/base")):
            run(machine, name, clone_from=Backing(path))
            assert self.device(machine, name) == source
        machine.change("base", opened=True)
        with pytest.raises(InUseError, match="may write to it"):
            run(machine, "c", clone_from=Backing("base"))
        with pytest.raises(NotFoundError, match="there is no volume other"):
            run(machine, "c", clone_from=Backing("other"))

    def test_thin_ones(self, machine: LvmMachine) -> None:
        machine.put("t", layout="thin,pool")
        machine.put("base", 2, layout="thin,sparse", pool="t")
        told = run(machine, clone_from=Backing("base"), thin_pool="t", capacity=3 * EXTENT).facts["volume"]
        assert (told["thin_pool"], told["capacity"]) == ("t", 3 * EXTENT)
        assert machine.ran == [
            f"lvcreate --yes --snapshot --setactivationskip n --name a {NAME}/base",
            f"lvextend --size {3 * EXTENT}b {NAME}/a",
        ]
        (machine.top / "raw").write_bytes(b"content".ljust(4096, b"\0"))
        assert run(machine, "b", clone_from=Backing("/raw"), thin_pool="t").changed
        assert self.device(machine, "b").startswith(b"content")

    @pytest.mark.parametrize("zeroing", [True, False])
    def test_a_thin_one_takes_what_is_written(self, machine: LvmMachine, zeroing: bool) -> None:
        """Unless its pool hands out blocks as they are: then what is not written over shows what it held for others."""
        machine.put("t", layout="thin,pool")
        machine.zeroing = zeroing
        (machine.top / "base").write_bytes(qcow2(MIB))
        run(machine, clone_from=Backing("/base"), thin_pool="t")
        skips = "--target-is-zero " if zeroing else ""
        assert machine.calls() == [f"qemu-img convert -q -n {skips}-f qcow2 -O raw /base /dev/{NAME}/a"]
        (machine.top / "raw").write_bytes(bytes(MIB) + b"content".ljust(MIB, b"\0"))
        run(machine, "b", clone_from=Backing("/raw"), thin_pool="t")
        assert (self.device(machine, "b")[:3] == b"old") is zeroing
        assert self.device(machine, "b")[MIB:].startswith(b"content")

    def test_what_a_killed_run_left(self, machine: LvmMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        (machine.top / "base").write_bytes(b"content".ljust(4096, b"\0"))
        machine.group = replace(machine.group, free=EXTENT)

        def die(*_args: object) -> None:
            raise SanError("killed")

        with monkeypatch.context() as patch:
            patch.setattr(volume_lvs, "copy_into", die)
            with pytest.raises(ApplyError, match="killed"):
                run(machine, clone_from=Backing("/base"))
        (half,) = volume_lvs.list_volumes(machine, GUESTS, _seen(machine), 1)
        assert "has not finished making it" in (half.problem or "")
        done = run(machine, clone_from=Backing("/base"))
        assert done.facts["steps"][0] == f"delete what a killed run has left of volume a in pool {NAME}"
        assert self.device(machine, "a").startswith(b"content")
        machine.change("a", tags=("virt.san.unfinished",))
        assert run(machine, state="absent").changed


def test_files_of_the_host(machine: LvmMachine) -> None:
    (machine.top / "f").write_bytes(b"content".ljust(4096, b"\0"))
    assert run(machine, upload_from="/f").facts["steps"][1] == f"write /f to volume a in pool {NAME}"
    device = machine.top / f"dev/{NAME}/a"
    assert device.read_bytes().startswith(b"content\0")
    assert not run(machine, upload_from="/f").changed
    (machine.top / "f").write_bytes(b"other")
    machine.change("a", opened=True)
    with pytest.raises(InUseError, match="in use by"):
        run(machine, upload_from="/f")
    machine.change("a", opened=False)
    assert run(machine, download_to="/copy").facts["transfer"]["bytes"] == EXTENT
    assert (machine.top / "copy").read_bytes() == device.read_bytes()


def test_no_permissions(machine: LvmMachine) -> None:
    machine.put("a")
    volume_of = volume_lvs.volume_of(machine.group, machine.group.volumes[0])
    with pytest.raises(SanError, match="udev"):
        volume_lvs.perform(machine, PermitVolume(GUESTS, volume_of, GUESTS.target.permissions), 1, lambda work: work())
