# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work on volumes: others go on meanwhile, what it is about is nobody else's, and it is looked at once more."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import pool, pool_devices, volume
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.volumes_native import NativeVolumes
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, InUseError, LockedError
from ansible_collections.virt.san.plugins.module_utils._host import image_files, wiping
from ansible_collections.virt.san.plugins.module_utils._host.claims import FOLDER, claimed, read_claims
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock
from ansible_collections.virt.san.plugins.module_utils._host.lock import host_lock
from ansible_collections.virt.san.plugins.module_utils._model.block import San
from ansible_collections.virt.san.plugins.module_utils._model.claim import Claim
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.pool_boot import lock_path
from ansible_collections.virt.san.plugins.module_utils._model.volume import Backing, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.tests.unit.support.groups import EXTENT, NAME
from ansible_collections.virt.san.tests.unit.support.pool_world import IMAGES
from ansible_collections.virt.san.tests.unit.support.volume_lvm import LvmMachine
from ansible_collections.virt.san.tests.unit.support.volume_machine import VolumeMachine

MIB = 2**20
GUESTS = PoolDefinition(NAME, "logical")
CONTENT = b"content".ljust(MIB, b"\0")


@pytest.fixture
def machine(tmp_path: Path) -> VolumeMachine:
    machine = VolumeMachine(tmp_path)
    switch(machine, IMAGES, "active")
    (machine.top / "images/base").write_bytes(CONTENT)
    (machine.top / "f").write_bytes(CONTENT)
    return machine


@pytest.fixture
def lvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LvmMachine:
    machine = LvmMachine(tmp_path)
    monkeypatch.setattr(pool_devices, "read_san", lambda _host: San())
    monkeypatch.setattr(pool_devices, "read_groups", machine.sight)
    switch(machine, GUESTS, "active")
    (machine.top / "f").write_bytes(CONTENT)
    return machine


def switch(machine: VolumeMachine, one: PoolDefinition, state: str, check_mode: bool = False, **more: Any) -> None:
    pool.ensure(machine, NativeKeeper(machine), Wanted(one.name, state, one, **more), None, 10, check_mode)


def run(machine: VolumeMachine, name: str = "a", meanwhile: Callable[[], object] | None = None, **more: Any) -> Any:
    """Have a volume; `meanwhile` is what others do, once, as soon as the host's lock is let go of."""
    waiting = [] if meanwhile is None else [meanwhile]

    @contextmanager
    def apart(_timeout: float) -> Iterator[None]:
        while waiting:
            waiting.pop()()
        yield

    told = {"pool": "images", "timeout": 10.0, "check_mode": False, **more}
    in_pool, timeout, check_mode = (told.pop(option) for option in ("pool", "timeout", "check_mode"))
    report = ensure(machine, WantedVolume(name, **told), in_pool, timeout, check_mode, apart)
    assert not waiting, "the lock was held all the time"
    return report


def ensure(machine: VolumeMachine, wanted: WantedVolume, in_pool: str = "images", *more: Any) -> volume.Report:
    keeper = NativeVolumes(machine, NativeKeeper(machine), 10)
    return volume.ensure(machine, keeper, in_pool, wanted, *(more or (10, False)))


def elsewhere(machine: VolumeMachine, work: Callable[[], Any]) -> Any:
    """Have work done by another process; return or raise what it does."""
    return guarded(machine, "/elsewhere", "working", lambda _host: work(), 60)


def left(machine: VolumeMachine) -> list[str]:
    return sorted(os.listdir(machine.top / "images"))


LONG: dict[str, dict[str, Any]] = {
    "copied": {"name": "a", "clone_from": Backing("base")},
    "converted": {"name": "a", "clone_from": Backing("base"), "format": "qcow2"},
    "allocated": {"name": "a", "capacity": MIB, "allocation": "full"},
    "grown": {"name": "base", "capacity": 2 * MIB, "allocation": "full"},
    "wiped": {"name": "base", "state": "absent", "wipe": "zero"},
    "read": {"name": "a", "upload_from": "/f"},
    "written": {"name": "base", "download_to": "/copy"},
}


@pytest.mark.parametrize("long", LONG.values(), ids=LONG)
def test_others_go_on(machine: VolumeMachine, long: dict[str, Any]) -> None:
    def others() -> None:
        with host_lock(machine, "other", 0, lock_path("images")):
            assert len(read_claims(machine)) == 1
        assert run(machine, "other", capacity=MIB).changed
        with pytest.raises(InUseError, match=f"by pid {os.getpid()}"):
            run(machine, **{**long, "timeout": 0.01})

    assert run(machine, meanwhile=others, **long).changed
    assert read_claims(machine) == ()
    assert left(machine) == sorted({"base", "other", long["name"]} - ({"base"} if "wipe" in long else set()))
    assert not run(machine, **long).changed


def test_short_work_is_claimed_by_nobody(machine: VolumeMachine) -> None:
    for more in ({"capacity": MIB}, {"capacity": 2 * MIB}, {"state": "absent"}):
        assert run(machine, **more).changed
    assert not machine.exists(FOLDER)


def test_what_is_copied_stays_as_it_is(machine: VolumeMachine) -> None:
    def others() -> None:
        for more in (
            {"state": "absent"},
            {"capacity": 2 * MIB},
            {"capacity": 512, "allow_shrink": True},
            {"upload_from": "/f"},
        ):
            for check_mode in (False, True):
                with pytest.raises(InUseError, match=f"/images/base is being copied by pid {os.getpid()}"):
                    run(machine, "base", timeout=0.01, check_mode=check_mode, **more)
        assert not run(machine, "base", capacity=MIB).changed
        assert run(machine, "top", backing=Backing("base")).changed
        again = {"name": "second", "clone_from": Backing("base")}
        assert elsewhere(machine, lambda: run(machine, **again).changed)

    assert run(machine, meanwhile=others, clone_from=Backing("base")).changed
    assert (machine.top / "images/a").read_bytes() == (machine.top / "images/second").read_bytes() == CONTENT


def test_by_whatever_name(machine: VolumeMachine) -> None:
    (machine.top / "other").symlink_to(machine.top / "images")

    def others() -> None:
        with pytest.raises(InUseError, match=r"/images/base is being copied"):
            run(machine, "base", timeout=0.01, state="absent")

    assert run(machine, meanwhile=others, clone_from=Backing("/other/base")).changed


@pytest.mark.parametrize(
    "more", [{"state": "inactive"}, {"state": "absent"}, {"state": "absent", "delete_contents": True}]
)
def test_its_pool_goes_on(machine: VolumeMachine, more: dict[str, Any]) -> None:
    def others() -> None:
        for check_mode in (False, True):
            with pytest.raises(InUseError, match=rf"being copied: volume a of pool images \(pid {os.getpid()}\)"):
                switch(machine, IMAGES, check_mode=check_mode, **more)
        switch(machine, IMAGES, "active")
        switch(machine, replace(IMAGES, name="others", target=replace(IMAGES.target, path="/others")), **more)

    assert run(machine, meanwhile=others, clone_from=Backing("/f")).changed
    switch(machine, IMAGES, **more)


def test_its_pool_goes_on_wherever_its_volumes_are(machine: VolumeMachine) -> None:
    """A partition is below no folder of its pool's: the claim names the pool."""
    place = "/dev/disk/by-id/dm-uuid-part1-mpath-3600"
    with claimed(machine, Claim("volume a of pool images", (place,), (), 7, "others")):
        switch(machine, IMAGES, "inactive")
    switch(machine, IMAGES, "active")
    refused = pytest.raises(InUseError, match=r"being copied: volume a of pool images \(pid 7\)")
    with claimed(machine, Claim("volume a of pool images", (place,), (), 7, "images")), refused:
        switch(machine, IMAGES, "inactive")


def test_who_asks_for_the_same_waits(machine: VolumeMachine) -> None:
    with ExitStack() as other:
        other.enter_context(claimed(machine, Claim("volume a of pool images", ("/images/a",), (), 7)))

        def end(_seconds: float) -> None:
            with host_lock(machine, "other", 0, lock_path("images")):
                (machine.top / "images/a").write_bytes(CONTENT)
            other.close()

        machine.clock = Clock(sleep=end)
        assert not run(machine, capacity=MIB).changed


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "written": (lambda top: (top / "images/base").write_bytes(b"other".ljust(MIB, b"\0")), "/images/base is not what"),
    "replaced": (lambda top: os.replace(top / "f", top / "images/base"), "/images/base is not what it was"),
    "gone": (lambda top: os.rename(top / "images/base", top / "away"), "/images/base"),
    "made": (lambda top: (top / "images/a").touch(), "/images/a is not what it was"),
    "folder": (lambda top: (top / "images/a").mkdir(), "belongs to a folder meanwhile"),
}


@pytest.mark.parametrize(("change", "says"), CHANGES.values(), ids=CHANGES)
def test_all_is_looked_at_once_more(machine: VolumeMachine, change: Callable[[Path], object], says: str) -> None:
    with pytest.raises(ApplyError, match=says):
        run(machine, meanwhile=lambda: change(machine.top), clone_from=Backing("base"))
    assert [name for name in left(machine) if name.startswith(".")] == [], "what was made is gone"


def test_a_file_of_the_host_stays_where_what_it_is_of_has_changed(machine: VolumeMachine) -> None:
    (machine.top / "copy").write_text("old")
    turns = []

    @contextmanager
    def apart(_timeout: float) -> Iterator[None]:
        turns.extend(read_claims(machine))
        yield
        if len(turns) == 2:  # not while it is compared, but while it is written
            (machine.top / "images/base").write_bytes(b"other".ljust(MIB, b"\0"))

    with pytest.raises(ApplyError, match="/images/base is not what it was"):
        ensure(machine, WantedVolume("base", download_to="/copy"), "images", 10, False, apart)
    mine = Claim("volume base of pool images", ("/copy",), ("/images/base",), os.getpid(), "images")
    assert turns == [mine] * 2
    assert (machine.top / "copy").read_text() == "old"
    assert [path.name for path in machine.top.glob(".*.virt-san")] == []


COPY = WantedVolume("a", clone_from=Backing("base"))


def test_killed_meanwhile(machine: VolumeMachine) -> None:
    @contextmanager
    def apart(_timeout: float) -> Iterator[None]:
        yield
        os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        try:
            ensure(machine, COPY, "images", 10, False, apart)
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    half = image_files.temporary_path(machine, "/images/a").rpartition("/")[2]
    assert left(machine) == [half, "base"]
    assert machine.entries(FOLDER) == [str(pid)]
    assert ensure(machine, COPY).changed
    assert (left(machine), machine.entries(FOLDER)) == (["a", "base"], [])


def test_the_lock_that_is_not_to_be_had_again(machine: VolumeMachine) -> None:
    """Others hold it for longer than anybody waits: what was made is left as by a killed run."""

    @contextmanager
    def apart(_timeout: float) -> Iterator[None]:
        yield
        raise LockedError("another run holds it")

    with pytest.raises(ApplyError, match="another run holds it"):
        ensure(machine, COPY, "images", 10, False, apart)
    assert len(left(machine)) == 2
    assert ensure(machine, COPY).changed
    assert left(machine) == ["a", "base"]


class TestLogicalVolumes:
    @pytest.fixture(autouse=True)
    def _zeros(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand in for what only block devices can do."""
        monkeypatch.setattr(wiping, "wipe_device", lambda *_args, **_more: None)

    def test_others_go_on(self, lvm: LvmMachine) -> None:
        def others() -> None:
            assert run(lvm, "other", pool=NAME, capacity=EXTENT).changed
            for more in ({"clone_from": Backing("/f")}, {"state": "absent"}):
                with pytest.raises(InUseError, match=f"/dev/{NAME}/a is being written by pid {os.getpid()}"):
                    run(lvm, pool=NAME, timeout=0.01, **more)
            with pytest.raises(InUseError, match=f"being copied: volume a of pool {NAME}"):
                switch(lvm, GUESTS, "inactive")

        assert run(lvm, pool=NAME, meanwhile=others, clone_from=Backing("/f")).facts["volume"]["problem"] is None
        assert [one.tags for one in lvm.group.volumes] == [(), ()]

    def test_made_anew_by_somebody(self, lvm: LvmMachine) -> None:
        def others() -> None:
            lvm.change("a", uuid="uuid-other")

        with pytest.raises(ApplyError, match=f"/dev/{NAME}/a is not what it was"):
            run(lvm, pool=NAME, meanwhile=others, clone_from=Backing("/f"))
        assert [one.tags for one in lvm.group.volumes] == [("virt.san.unfinished",)]

    def test_what_is_to_be_wiped_and_was_opened(self, lvm: LvmMachine) -> None:
        run(lvm, pool=NAME, capacity=EXTENT)
        with pytest.raises(ApplyError, match="has opened it meanwhile"):
            run(lvm, pool=NAME, meanwhile=lambda: lvm.change("a", opened=True), state="absent", wipe="zero")
        assert [one.name for one in lvm.group.volumes] == ["a"]
