# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes on a machine of files: what check mode says is what is done, killed runs, and whoever is in the way."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import (
    pool,
    volume,
    volume_files,
    volume_users,
    volumes_native,
)
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.volumes_native import NativeVolumes
from ansible_collections.virt.san.plugins.module_utils._errors import (
    ApplyError,
    CommandError,
    InputError,
    InUseError,
    NotFoundError,
    RefusedError,
)
from ansible_collections.virt.san.plugins.module_utils._host import bare, image_files, images, qemu_img, transferring
from ansible_collections.virt.san.plugins.module_utils._host.host import run_command
from ansible_collections.virt.san.plugins.module_utils._model.block import Use
from ansible_collections.virt.san.plugins.module_utils._model.disk import BareDevice
from ansible_collections.virt.san.plugins.module_utils._model.pool import Permissions, Target
from ansible_collections.virt.san.plugins.module_utils._model.volume import Backing, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.tests.unit.support.pool_world import IMAGES, ISOS
from ansible_collections.virt.san.tests.unit.support.volume_machine import VolumeMachine, qcow2

MIB = 2**20


@pytest.fixture
def machine(tmp_path: Path) -> VolumeMachine:
    machine = VolumeMachine(tmp_path)
    start(machine)
    return machine


def start(machine: VolumeMachine, state: str = "active", **more: Any) -> None:
    one = more.pop("pool", IMAGES)
    pool.ensure(machine, NativeKeeper(machine), Wanted(one.name, state, one, **more), None, 10, check_mode=False)


def run(
    machine: VolumeMachine, name: str = "a", check_mode: bool = False, pool: str = "images", **more: Any
) -> volume.Report:
    keeper = NativeVolumes(machine, NativeKeeper(machine), 10)
    return volume.ensure(machine, keeper, pool, WantedVolume(name, **more), 10, check_mode)


def left(machine: VolumeMachine) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted((machine.top / "images").iterdir())}


STAGES: tuple[dict[str, Any], ...] = (
    {"capacity": 100_000},
    {"capacity": MIB, "allocation": "full"},
    {"permissions": Permissions(0o640)},
    {"capacity": 4096, "allow_shrink": True},
    {"state": "absent"},
)


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_planned_done_and_done_again(machine: VolumeMachine, form: str) -> None:
    for stage in STAGES:
        before = left(machine)
        planned = run(machine, check_mode=True, format=form, **stage)
        assert left(machine) == before, "check mode wrote something"
        done = run(machine, format=form, **stage)
        assert planned.changed, stage
        assert (planned.changed, planned.facts["steps"]) == (done.changed, done.facts["steps"])
        shown = planned.after["volume"]
        assert planned.before == done.before
        assert (
            shown is done.after["volume"] is None or {**done.after["volume"], **_given(shown)} == done.after["volume"]
        )
        again = run(machine, format=form, **stage)
        assert (again.changed, again.facts["steps"]) == (False, [])
        assert again.facts["volume"] == done.facts["volume"]
    assert left(machine) == {}


def _given(shown: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if value is not None}


def test_what_is_returned(machine: VolumeMachine) -> None:
    told = run(machine, capacity=100_000).facts["volume"]
    assert told["path"] == told["key"] == "/images/a"
    assert (told["pool"], told["capacity"], told["allocation"], told["format"]) == ("images", 100_352, 0, "raw")
    assert (told["mode"], told["owner"], told["active"], told["problem"]) == ("0600", os.geteuid(), True, None)
    planned = run(machine, "b", check_mode=True, capacity=512).facts["volume"]
    assert set(planned) == set(told)
    assert (planned["key"], planned["path"], planned["capacity"]) == (None, "/images/b", 512)
    assert run(machine, state="absent").facts["volume"] is None


def test_one_command_for_qcow2(machine: VolumeMachine) -> None:
    run(machine, "base", capacity=MIB)
    run(machine, capacity=2 * MIB, backing=Backing("base"))
    made, *rest = machine.calls()
    assert made.startswith("qemu-img create -q -f qcow2 -b /images/base -F raw /images/.")
    assert rest == []
    assert run(machine, capacity=3 * MIB).changed
    assert machine.calls()[1:] == ["qemu-img resize -q -f qcow2 /images/a 3145728"]
    with pytest.raises(InUseError, match="/images/a would lose what it reads from there"):
        run(machine, "base", state="absent")


def test_what_a_killed_run_left(machine: VolumeMachine) -> None:
    leftover = machine.top / image_files.temporary_path(machine, "/images/a")[1:]
    leftover.write_bytes(b"half made")
    for form in ("raw", "qcow2"):
        assert run(machine, capacity=MIB, format=form).changed
        assert list(left(machine)) == ["a"]
        os.link(machine.top / "images/a", leftover)
        assert not run(machine, capacity=MIB).changed
        assert run(machine, state="absent").changed
        assert left(machine) == {}


@pytest.mark.parametrize("after", ["make_raw", "set_permissions", "publish"])
def test_killed_after_any_step(machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    work = getattr(image_files, after)

    def killed(*args: Any) -> None:
        work(*args)
        os._exit(9)  # as SIGKILL does it: nothing is cleared up

    with monkeypatch.context() as patch:
        patch.setattr(image_files, after, killed)
        with pytest.raises(ApplyError):
            run(machine, capacity=MIB)
    assert run(machine, capacity=MIB).changed == (after != "publish")
    assert left(machine) == {"a": MIB}


def test_what_fails_leaves_nothing(machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_host: object, path: str, *_more: object) -> None:
        (machine.top / path[1:]).touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_files, "make_raw", full)
    with pytest.raises(ApplyError, match="No space left on device") as caught:
        run(machine, capacity=MIB)
    assert caught.value.details["changed"] is False
    assert left(machine) == {}


def test_it_takes_nobodys_place(machine: VolumeMachine) -> None:
    place = machine.top / "images"
    (place / "folder").mkdir()
    (place / "link").symlink_to("/etc/passwd")
    os.mkfifo(place / "pipe")
    for name, what in (("folder", "a folder"), ("link", "a link"), ("pipe", "a device, a pipe")):
        for state in ("present", "absent"):
            with pytest.raises(RefusedError, match=f"is {what}"):
                run(machine, name, state=state, capacity=512)


def test_in_use_it_stays(machine: VolumeMachine) -> None:
    run(machine, capacity=MIB)
    machine.put_process(77, "qemu-system-x86", "/images/a")
    (machine.top / "proc/77/cmdline").write_bytes(b"qemu\0-name\0guest=vm1\0")
    for more in ({"state": "absent"}, {"capacity": 512, "allow_shrink": True}):
        with pytest.raises(InUseError, match=r"in use by guest vm1 \(pid 77\)"):
            run(machine, **more)
    done = run(machine, capacity=2 * MIB)
    assert done.changed
    assert "guest vm1 (pid 77) has it open" in done.warnings[0]
    assert run(machine, capacity=2 * MIB).warnings == ()


def test_under_a_loop_device(machine: VolumeMachine) -> None:
    run(machine, capacity=MIB)
    (machine.top / "sys/block/loop3/loop").mkdir(parents=True)
    (machine.top / "sys/block/loop3/loop/backing_file").write_text("/images/a\n")
    with pytest.raises(InUseError, match="in use by loop3"):
        run(machine, state="absent")


def test_locked_by_somebody(machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    run(machine, capacity=MIB)
    monkeypatch.setattr(images, "is_locked", lambda *_args: True)
    with pytest.raises(InUseError, match="somebody who has locked it, perhaps on another host"):
        run(machine, state="absent")


def test_where_nobody_can_tell(machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    run(machine, capacity=MIB)

    def fail(*_args: object) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(images, "is_locked", fail)
    with pytest.raises(InUseError, match="somebody, perhaps: Input/output error"):
        run(machine, state="absent")
    monkeypatch.setattr(images, "is_locked", lambda *_args: False)
    monkeypatch.setattr(images, "read_from", fail)
    with pytest.raises(RefusedError, match="not known who uses it: /images: Input/output error"):
        run(machine, state="absent")


def test_images_of_other_pools_count(machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    start(machine, pool=replace(IMAGES, name="more", target=Target("/more")))
    run(machine, capacity=MIB)
    run(machine, "top", pool="more", backing=Backing("/images/a", "raw"))
    with pytest.raises(InUseError, match="/more/top would lose"):
        run(machine, state="absent")
    run(machine, "top", pool="more", state="absent")
    read = images.read_from

    def fail(host: Any, folder: str, path: str) -> images.Readers:
        if folder == "/more":
            raise OSError(5, "Input/output error")
        return read(host, folder, path)

    monkeypatch.setattr(images, "read_from", fail)
    done = run(machine, state="absent")
    assert done.warnings == ("whether a volume in /more reads from /images/a is not known: Input/output error",)


def test_data_of_an_image(machine: VolumeMachine) -> None:
    run(machine, "vm.raw", capacity=MIB)
    (machine.top / "f").write_bytes(b"new")
    (machine.top / "images/vm").write_bytes(qcow2(MIB, data="vm.raw"))
    for more in ({"state": "absent"}, {"state": "absent", "wipe": "zero"}, {"upload_from": "/f"}):
        with pytest.raises(InUseError, match="/images/vm would lose what it reads"):
            run(machine, "vm.raw", **more)
    for name in ("vm", "vm.raw"):
        assert run(machine, name, state="absent").changed


def test_images_that_cannot_be_read(machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of guests on an export with root_squash."""
    start(machine, pool=replace(IMAGES, name="more", target=Target("/more")))
    run(machine, capacity=MIB)
    for name in ("images/top", "images/short", *(f"more/top{number}" for number in range(5))):
        (machine.top / name).write_bytes(b"short" if name.endswith("short") else qcow2(MIB, "/images/a"))
    read_file = images._read_file

    def fail(place: str, *more: Any) -> images.Image:
        if not place.endswith("/a"):
            raise OSError(13, "Permission denied")
        return read_file(place, *more)

    monkeypatch.setattr(images, "_read_file", fail)
    why = "it cannot be read: Permission denied"
    with pytest.raises(RefusedError, match=f"not known who uses it: /images/top: {why}. That has to answer"):
        run(machine, state="absent")
    (machine.top / "images/top").unlink()
    done = run(machine, state="absent")
    told = "; ".join(f"/more/top{number}: {why}" for number in range(3))
    assert done.warnings == (f"whether a volume in /more reads from /images/a is not known: {told} (and 2 more)",)


def test_pools_that_do_not_run(machine: VolumeMachine) -> None:
    """Their images are on an export that is not mounted."""
    start(machine, pool=ISOS)
    for state, told in (("active", ()), ("inactive", ("pools that do not run: isos",))):
        start(machine, state, pool=ISOS)
        assert run(machine, capacity=MIB).warnings == ()
        warnings = run(machine, state="absent").warnings
        assert tuple(line.split(" is not known of ")[1] for line in warnings) == told


@pytest.mark.parametrize("how", ["zero", "discard"])
def test_wiped_before_it_goes(machine: VolumeMachine, how: str) -> None:
    run(machine, capacity=MIB)
    image = machine.top / "images/a"
    image.write_bytes(b"secret" * 1000)
    os.link(image, machine.top / "kept")
    assert len(run(machine, state="absent", wipe=how).facts["steps"]) == 2
    assert not (machine.top / "kept").read_bytes().strip(b"\0")
    assert not run(machine, state="absent", wipe=how).changed


class TestCopies:
    @pytest.mark.parametrize(
        ("given", "wanted", "ran"),
        [
            ("raw", None, []),
            ("raw", "qcow2", ["convert -q -f raw -O qcow2", "resize"]),
            ("qcow2", None, ["convert -q -f qcow2 -O qcow2", "resize"]),
            ("qcow2", "raw", ["convert -q -f qcow2 -O raw"]),
        ],
    )
    def test_of_any_format(self, machine: VolumeMachine, given: str, wanted: str | None, ran: list[str]) -> None:
        (machine.top / "base").write_bytes(b"content".ljust(MIB, b"\0") if given == "raw" else qcow2(MIB))
        clone = {"clone_from": Backing("/base"), "format": wanted, "capacity": 2 * MIB}
        planned = run(machine, check_mode=True, **clone)
        done = run(machine, **clone)
        assert planned.facts["steps"] == done.facts["steps"]
        assert (done.facts["volume"]["capacity"], done.facts["volume"]["format"]) == (2 * MIB, wanted or given)
        assert [call.startswith(f"qemu-img {what}") for call, what in zip(machine.calls(), ran, strict=True)] == [
            True for _what in ran
        ]
        if not ran:
            assert (machine.top / "images/a").read_bytes() == b"content".ljust(2 * MIB, b"\0")
        assert not run(machine, **clone).changed
        assert list(left(machine)) == ["a"]

    def test_of_the_same_size(self, machine: VolumeMachine) -> None:
        run(machine, "base", capacity=MIB, format="qcow2")
        assert run(machine, clone_from=Backing("base")).facts["volume"]["capacity"] == MIB
        assert [call.split()[1] for call in machine.calls()] == ["create", "convert"]

    def test_who_writes_is_in_the_way(self, machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        run(machine, "base", capacity=MIB)
        monkeypatch.setattr(images, "is_locked", lambda _host, _path, writing: writing)
        with pytest.raises(InUseError, match="may write to it"):
            run(machine, clone_from=Backing("base"))
        with pytest.raises(NotFoundError, match="there is no volume"):
            run(machine, clone_from=Backing("other"))

    @pytest.mark.parametrize("path", ["/base", "/dev/base"])
    def test_raw_with_a_header_that_a_guest_has_written(
        self, machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        monkeypatch.setattr(volume_files, "device_users", lambda *_args: ())
        (machine.top / "dev").mkdir()
        (machine.top / path[1:]).write_bytes(qcow2(MIB, "/etc/shadow"))
        if path == "/dev/base":
            found = images.Image("base", path, "device", "qcow2", MIB, backing="/etc/shadow", length=1024)
            monkeypatch.setattr(images, "read_at", lambda *_args: found)
        source = Backing(path, "raw" if path == "/base" else None)
        with pytest.raises(RefusedError, match=f"clone_from: {path} begins as qcow2 does.*format: qcow2 puts it"):
            run(machine, clone_from=source, format="raw")
        assert left(machine) == {}
        assert run(machine, clone_from=source, format="qcow2").changed
        assert not run(machine, clone_from=source, format="qcow2").changed

    def test_a_header_inside_of_an_image(self, machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        def convert(_host: object, _source: object, target: tuple[str, str], *_more: object) -> None:
            Path(target[0]).write_bytes(qcow2(MIB, "/etc/shadow"))

        (machine.top / "base").write_bytes(qcow2(MIB))
        monkeypatch.setattr(qemu_img, "convert", convert)
        with pytest.raises(ApplyError, match="what is in /base begins as qcow2 does") as caught:
            run(machine, clone_from=Backing("/base"), format="raw")
        assert (caught.value.details["changed"], left(machine)) == (False, {})

    def test_of_a_device(self, machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        found = images.Image("base", "/dev/base", "device", "qcow2", 77, backing="/etc/shadow", length=MIB)
        monkeypatch.setattr(images, "read_at", lambda *_args: found)
        with pytest.raises(InUseError, match="the kernel does not know it"):
            run(machine, clone_from=Backing("/dev/base"))
        (machine.top / "sys/class/block/base").mkdir(parents=True)
        held = BareDevice(
            "base", MIB, uses=(Use("mount", "base", "/mnt"), Use("partition", "base", "p1", active=False))
        )
        monkeypatch.setattr(bare, "read_bare", lambda _host, _names: {"base": held})
        machine.put_process(77, "dd", "/dev/base")
        with pytest.raises(InUseError) as caught:
            run(machine, clone_from=Backing("/dev/base"))
        assert caught.value.details["holders"] == ["mount /mnt", "dd (pid 77)"]
        monkeypatch.setattr(volume_users, "device_users", lambda *_args: ())
        monkeypatch.setattr(volume_files, "device_users", lambda *_args: ())
        monkeypatch.setattr(images, "read_at", lambda *_args: found._replace(format="raw", backing=None))
        (machine.top / "dev").mkdir()
        (machine.top / "dev/base").write_bytes(b"x" * MIB)
        run(machine, clone_from=Backing("/dev/base"))
        assert (machine.top / "images/a").read_bytes() == b"x" * MIB


class TestFilesOfTheHost:
    DATA = b"content".ljust(100_000, b"\0")

    @pytest.fixture(autouse=True)
    def file(self, machine: VolumeMachine) -> Path:
        (machine.top / "f").write_bytes(self.DATA)
        return machine.top / "f"

    def test_written_to_a_volume(self, machine: VolumeMachine, file: Path) -> None:
        planned = run(machine, check_mode=True, upload_from="/f")
        done = run(machine, upload_from="/f")
        assert planned.facts["steps"] == done.facts["steps"]
        assert (planned.before, set(planned.after)) == (done.before, set(done.after))
        assert (machine.top / "images/a").read_bytes() == self.DATA.ljust(100_352, b"\0")
        told = done.facts["transfer"]
        assert told["bytes"] == 100_000
        assert told["checksum"].startswith("sha256:")
        assert told["seconds"] > 0
        again = run(machine, upload_from="/f")
        assert (again.changed, again.facts["transfer"]["seconds"]) == (False, None)
        file.write_bytes(b"other")
        assert run(machine, upload_from="/f").facts["steps"] == ["write /f to volume a in pool images"]
        machine.put_process(77, "tail", "/images/a")
        assert not run(machine, upload_from="/f").changed
        file.write_bytes(b"third")
        with pytest.raises(InUseError, match=r"in use by tail \(pid 77\)"):
            run(machine, upload_from="/f")

    def test_an_image_is_not_written_to_a_raw_volume(self, machine: VolumeMachine, file: Path) -> None:
        file.write_bytes(qcow2(MIB))
        for there in ({}, {"a": MIB}):
            if there:
                run(machine, capacity=MIB)
            for check_mode in (True, False):
                with pytest.raises(RefusedError, match=r"upload_from: /f begins as qcow2 does.*clone_from makes"):
                    run(machine, upload_from="/f", check_mode=check_mode)
            assert left(machine) == there
        assert not (machine.top / "images/a").read_bytes().strip(b"\0")

    def test_written_from_a_volume(self, machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        run(machine, upload_from="/f")
        done = run(machine, download_to="/copy")
        assert done.facts["steps"] == ["write volume a in pool images to /copy"]
        assert (machine.top / "copy").read_bytes() == self.DATA.ljust(100_352, b"\0")
        assert done.facts["transfer"]["bytes"] == 100_352
        assert not run(machine, download_to="/copy").changed
        (machine.top / "copy").write_bytes(b"")
        monkeypatch.setattr(images, "is_locked", lambda _host, _path, writing: writing)
        with pytest.raises(InUseError, match="may write to it"):
            run(machine, download_to="/copy")

    def test_in_the_place_of_what_is_in_use(self, machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        run(machine, upload_from="/f")
        (machine.top / "more").mkdir()
        copy = machine.top / "more/copy"
        copy.write_bytes(b"disk")
        machine.put_process(77, "qemu-system-x86", "/more/copy")
        for check_mode in (True, False):
            with pytest.raises(InUseError, match=r"place of /more/copy is refused, in use by guest qemu \(pid 77\)"):
                run(machine, download_to="/more/copy", check_mode=check_mode)
        shutil.rmtree(machine.top / "proc/77")
        for folder in ("images", "more"):
            top = machine.top / folder / "top"
            top.write_bytes(qcow2(MIB, "/more/copy", "raw"))
            with pytest.raises(InUseError, match=f"/{folder}/top would lose what it reads from there"):
                run(machine, download_to="/more/copy")
            top.unlink()
        assert (copy.read_bytes(), sorted(os.listdir(machine.top / "more"))) == (b"disk", ["copy"])
        download = transferring.download

        def slow(*args: Any) -> list[int]:
            machine.put_process(77, "qemu-system-x86", "/more/copy")
            return download(*args)

        monkeypatch.setattr(transferring, "download", slow)
        with pytest.raises(ApplyError, match=r"guest qemu \(pid 77\) has opened /more/copy meanwhile"):
            run(machine, download_to="/more/copy")
        assert (copy.read_bytes(), sorted(os.listdir(machine.top / "more"))) == (b"disk", ["copy"])
        shutil.rmtree(machine.top / "proc/77")
        monkeypatch.setattr(transferring, "download", download)
        assert run(machine, download_to="/more/copy").changed
        machine.put_process(77, "qemu-system-x86", "/more/copy")
        assert not run(machine, download_to="/more/copy").changed

    def test_in_the_place_of_what_may_be_read(self, machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_args: object) -> None:
            raise OSError(5, "Input/output error")

        run(machine, upload_from="/f")
        for place in ("copy", "images/copy"):
            (machine.top / place).write_bytes(b"disk")
        monkeypatch.setattr(images, "read_from", fail)
        with pytest.raises(RefusedError, match="not known who uses it: /images: Input/output error"):
            run(machine, download_to="/images/copy")
        (told,) = {line.split(" reads from ")[1] for line in run(machine, download_to="/copy").warnings}
        assert told == "/copy is not known: Input/output error"

    def test_what_is_no_file(self, machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        run(machine, capacity=MIB)
        for option, why in (("upload_from", "/images is no file"), ("download_to", "/images is no file")):
            with pytest.raises(RefusedError, match=why):
                run(machine, **{option: "/images"})
        with pytest.raises(NotFoundError, match="there is no file /none"):
            run(machine, upload_from="/none")
        with pytest.raises(NotFoundError, match="there is no volume b"):
            run(machine, "b", download_to="/f", capacity=MIB)

        def fail(*_args: object) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(transferring, "compare", fail)
        with pytest.raises(CommandError, match="reading /f: Input/output error"):
            run(machine, upload_from="/f")


class TestShrinking:
    def test_never_below_what_is_written(self, machine: VolumeMachine) -> None:
        run(machine, capacity=4 * MIB)
        with (machine.top / "images/a").open("r+b") as file:
            file.seek(2 * MIB)
            file.write(b"x")
        with pytest.raises(RefusedError, match="its content reaches to byte 2"):
            run(machine, capacity=MIB, allow_shrink=True)
        assert run(machine, capacity=3 * MIB, allow_shrink=True).changed

    def test_never_below_what_is_unknown(self, machine: VolumeMachine) -> None:
        run(machine, capacity=4 * MIB)
        machine.content("LVM2_member")
        with pytest.raises(RefusedError, match="holds LVM2_member at byte 1080, and how far that reaches is not known"):
            run(machine, capacity=MIB, allow_shrink=True)

    def test_never_below_the_data_of_qcow2(self, machine: VolumeMachine) -> None:
        run(machine, capacity=4 * MIB, format="qcow2")
        machine.holds(3 * MIB)
        with pytest.raises(RefusedError, match="reaches to byte 3145728"):
            run(machine, capacity=2 * MIB, allow_shrink=True)
        assert run(machine, capacity=3 * MIB, allow_shrink=True).changed


class TestPools:
    def test_one_that_is_not_there(self, machine: VolumeMachine) -> None:
        with pytest.raises(NotFoundError, match="no pool other"):
            run(machine, pool="other", capacity=512)
        done = run(machine, pool="other", state="absent")
        assert (done.changed, done.warnings) == (False, ("there is no pool other on this host",))

    def test_one_that_does_not_run(self, machine: VolumeMachine) -> None:
        """An export that is not mounted: the file would be in the folder below."""
        start(machine, "present", pool=ISOS)
        with pytest.raises(RefusedError, match="pool isos does not run"):
            run(machine, pool="isos", capacity=512)
        assert list((machine.top / "isos").iterdir()) == []
        start(machine, pool=ISOS)
        assert run(machine, pool="isos", capacity=512).changed

    def test_one_that_runs_elsewhere_than_defined(self, machine: VolumeMachine) -> None:
        start(machine, pool=replace(IMAGES, target=Target("/other")))
        assert run(machine, capacity=512).facts["volume"]["path"] == "/images/a"

    def test_one_that_does_not_answer(self, machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(volume_files, "DEADLINE", 0.5)
        monkeypatch.setattr(images, "read_image", lambda *_args: time.sleep(60))
        with pytest.raises(CommandError, match=r"no answer within 0.5 s"):
            run(machine, capacity=512)

    def test_one_that_cannot_be_looked_at(self, machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_args: object) -> None:
            raise OSError(116, "Stale file handle")

        monkeypatch.setattr(images, "read_image", fail)
        with pytest.raises(CommandError, match="/images cannot be looked at: Stale file handle"):
            run(machine, capacity=512)

    def test_spoilt_definitions(self, machine: VolumeMachine) -> None:
        definition = machine.top / "etc/virt-san/pools/images.xml"
        told = definition.read_text()
        definition.write_text(told.replace("<path>/images</path>", ""))
        with pytest.raises(RefusedError, match="defined in a way that does not work"):
            run(machine, capacity=512)
        definition.write_text("<pool")
        (machine.top / "run/virt-san/pools/images.xml").unlink()
        with pytest.raises(RefusedError, match="cannot be read"):
            run(machine, capacity=512)

    def test_types_without_volumes_of_ours(self, machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(volume, "volume_kind", lambda _type: None)
        monkeypatch.setattr(volumes_native, "FOLDERS", ())
        with pytest.raises(RefusedError, match="neither made nor changed here"):
            run(machine, capacity=512)

    def test_what_cannot_be_there(self, machine: VolumeMachine) -> None:
        with pytest.raises(InputError, match="thin_pool: only") as caught:
            run(machine, capacity=512, thin_pool="t")
        assert caught.value.details["option"] == "thin_pool"


def test_what_changes_behind_our_back(machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "resize_raw", lambda *_args: None)
    run(machine, capacity=MIB)
    with pytest.raises(ApplyError, match="not as planned; still to do: grow volume a"):
        run(machine, capacity=2 * MIB)


def test_what_cannot_be_looked_at_again(machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    make = image_files.make_raw

    def forged(host: Any, path: str, *more: Any) -> None:
        make(host, path, *more)
        (machine.top / path[1:]).write_bytes(qcow2(MIB))

    monkeypatch.setattr(image_files, "make_raw", forged)
    with pytest.raises(ApplyError, match="looked at again: /images/a is qcow2 by its header, not raw") as caught:
        run(machine, capacity=MIB, format="raw")
    told = caught.value.details
    assert (told["changed"], told["cause"]) == (True, "RefusedError")
    assert told["completed"] == ["create volume a in pool images: 1M, raw, sparse"]


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="no qemu-img")
def test_with_the_real_tool(machine: VolumeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = ("qemu-img", "wipefs")
    fake = machine._command

    def real(argv: list[str], deadline: float, stdin: str | None) -> Any:
        return run_command(argv, deadline, stdin) if argv[0] in commands else fake(argv, deadline, stdin)

    monkeypatch.setattr(machine.systemd, "others", real)
    assert run(machine, "base", capacity=2 * MIB, format="qcow2", allocation="full").facts["volume"]["allocation"] > MIB
    (machine.top / "images/base").unlink()
    for stage in ({"capacity": 100_000}, {"capacity": 8 * MIB, "allocation": "full"}):
        assert run(machine, format="qcow2", **stage).changed
        assert not run(machine, format="qcow2", **stage).changed
    with pytest.raises(RefusedError, match="reaches to byte 8388608"):
        run(machine, capacity=MIB, allow_shrink=True)
    run(machine, "sparse", capacity=8 * MIB, format="qcow2")
    assert run(machine, "sparse", capacity=MIB, allow_shrink=True).facts["volume"]["capacity"] == MIB
    run(machine, "raw", capacity=8 * MIB)
    assert run(machine, "raw", capacity=MIB, allow_shrink=True).changed
    for name, more in (
        ("b", {"clone_from": Backing("sparse")}),
        ("c", {"clone_from": Backing("raw"), "format": "qcow2", "capacity": 2 * MIB}),
        ("d", {"clone_from": Backing("sparse"), "format": "raw", "capacity": 2 * MIB, "allocation": "full"}),
    ):
        told = run(machine, name, **more).facts["volume"]
        assert told["capacity"] == more.get("capacity", MIB)
        assert not run(machine, name, **more).changed
    assert qcow2(1)[:4] == (machine.top / "images/a").read_bytes()[:4]
