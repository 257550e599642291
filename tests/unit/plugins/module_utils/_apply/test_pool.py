# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools on a machine of files: what check mode says is what is done, and servers that do not answer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import pool, pool_devices, pool_look
from ansible_collections.virt.san.plugins.module_utils._apply.exclusion import Held
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper, defined
from ansible_collections.virt.san.plugins.module_utils._errors import (
    ApplyError,
    CommandError,
    InUseError,
    RefusedError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._host import busy, folders, mkfs
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    GENERATED,
    Permissions,
    PoolDefinition,
    Source,
    SourceDevice,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.plugins.module_utils._pools.steps import Define, DeviceStep, NoteStarted, Undefine
from ansible_collections.virt.san.plugins.module_utils._xml.pool import parse_pool
from ansible_collections.virt.san.tests.unit.support.pool_machine import PoolMachine
from ansible_collections.virt.san.tests.unit.support.pool_world import IMAGES, ISOS

ON_DISK = Source(devices=(SourceDevice("/dev/vdb"),), format="ext4")
VMS = PoolDefinition("vms", "fs", ON_DISK, Target("/vms", Permissions(0o750)))
PARTS = PoolDefinition("parts", "disk", replace(ON_DISK, format="gpt"), Target("/dev"))
POOLS = {"images": IMAGES, "isos": ISOS, "parts": PARTS, "vms": VMS}
UNIT = "virt-san-pool@isos.service"
BOOT_FILES = [
    "etc/systemd/system/virt-san-pool@.service",
    "etc/systemd/system/virt-san-pools.target",
    "usr/local/lib/virt-san/virt-san-pools.pyz",
]


@pytest.fixture
def machine(tmp_path: Path) -> PoolMachine:
    found = PoolMachine(tmp_path)
    found.put_disk()
    return found


def run(
    machine: PoolMachine,
    name: str,
    state: str,
    check_mode: bool = False,
    autostart: bool | None = None,
    described: bool = True,
    **more: Any,
) -> pool.Report:
    wanted = Wanted(name, state, more.pop("pool", POOLS[name]) if described else None, **more)
    keeper = NativeKeeper(machine, lambda: b"program")
    return pool.ensure(machine, keeper, wanted, autostart, 10, check_mode)


def free(told: dict[str, Any]) -> dict[str, Any]:
    """Return what others change while a test runs."""
    return {key: told[key] for key in ("allocation", "available")}


def without_uuid(told: Any) -> Any:
    if isinstance(told, dict):
        return {key: without_uuid(value) for key, value in told.items() if key != "uuid"}
    return told


@pytest.mark.parametrize("name", POOLS)
def test_planned_done_and_done_again(machine: PoolMachine, name: str) -> None:
    for state in ("present", "active", "inactive", "active", "absent"):
        before = machine.files(), machine.mounted()
        planned = run(machine, name, state, check_mode=True)
        assert (machine.files(), machine.mounted()) == before, "check mode wrote something"
        done = run(machine, name, state)
        assert planned.changed, state
        assert (planned.changed, planned.facts["steps"]) == (done.changed, done.facts["steps"])
        assert without_uuid(planned.before) == without_uuid(done.before)
        assert without_uuid(planned.after) == without_uuid(done.after)
        again = run(machine, name, state)
        assert (again.changed, again.facts["steps"]) == (False, [])
        assert again.facts["pool"] == (done.facts["pool"] and {**done.facts["pool"], **free(again.facts["pool"])})
    assert machine.files() == {}
    assert not any((machine.top / folder).exists() for folder in ("etc/virt-san", "run/virt-san"))


@pytest.mark.parametrize("state", ["inactive", "absent"])
def test_a_bind_mount_keeps_a_pool_from_being_stopped(machine: PoolMachine, state: str) -> None:
    run(machine, "vms", "active")
    machine.put_mount("/dev/vdb", "/export", "ext4")
    for check_mode in (True, False):
        with pytest.raises(InUseError, match="would stay mounted on this host, at /export"):
            run(machine, "vms", state, check_mode, described=False, force=True)
    assert len(machine.mounted()) == 2
    assert not run(machine, "vms", "active").changed


def test_what_is_returned(machine: PoolMachine) -> None:
    assert run(machine, "isos", "active", check_mode=True).facts["pool"]["uuid"] == GENERATED
    told = run(machine, "isos", "active").facts["pool"]
    written = parse_pool(machine.files()["etc/virt-san/pools/isos.xml"])
    assert written == replace(ISOS, uuid=told["uuid"])
    assert machine.files()["run/virt-san/pools/isos.xml"] == machine.files()["etc/virt-san/pools/isos.xml"]
    assert (told["state"], told["built"], told["persistent"], told["autostart"]) == ("active", True, True, False)
    assert told["capacity"] == told["allocation"] + told["available"] > 0
    assert run(machine, "isos", "inactive").facts["pool"]["capacity"] is None


def test_what_is_mounted_is_in_use(machine: PoolMachine) -> None:
    run(machine, "vms", "active")
    with pytest.raises(InUseError, match="vdb mount /vms"):
        run(machine, "parts", "present", build="overwrite")
    assert run(machine, "vms", "absent").changed
    with pytest.raises(RefusedError, match=r"ext4 \(UUID"):
        run(machine, "parts", "present")
    assert run(machine, "parts", "present", build="overwrite").facts["pool"]["built"]


def test_what_another_host_has_built_meanwhile(machine: PoolMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is recognised, and its LUN is not taken."""

    @contextmanager
    def alone_for(host: Host, steps: Any, _timeout: float, _required: bool, anew: Any) -> Iterator[Held]:
        (make,) = [step for step in steps if isinstance(step, DeviceStep)]
        mkfs.make(host, make.disk.path, "ext4", make.uuid, False, 5.0)
        assert not any(isinstance(step, DeviceStep) for step in anew())
        yield Held(1, left=["lun"])

    freed: list[PoolDefinition] = []
    monkeypatch.setattr(pool_devices, "alone_for", alone_for)
    monkeypatch.setattr(pool_devices, "free_left_behind", lambda _host, of: freed.append(of) or ())
    done = run(machine, "vms", "present")
    assert done.facts["steps"] == ["define pool vms", "make the folder /vms (mode 0750)"]
    assert not run(machine, "vms", "present").changed
    assert [one.name for one in freed] == ["vms", "vms"], "what a killed run has reserved goes"


def test_what_was_half_made_is_erased(machine: PoolMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(host: Host, path: str, *_more: Any) -> None:
        with open(host.path(path), "r+b") as stream:
            stream.seek(4096)
            stream.write(b"half a file system")
        raise CommandError("it failed")

    monkeypatch.setattr(mkfs, "make", fails)
    with pytest.raises(ApplyError, match="make an ext4 file system on /dev/vdb: failed: it failed"):
        run(machine, "vms", "present")
    assert machine.on_disk() == b""


def test_transient(machine: PoolMachine) -> None:
    run(machine, "isos", "active", persistent=False)
    assert list(machine.files()) == ["run/virt-san/pools/isos.xml"]
    assert not run(machine, "isos", "active", persistent=False).changed
    assert run(machine, "isos", "absent", described=False).changed
    assert (machine.files(), machine.mounted()) == ({}, [])


# At boot


def test_started_at_boot(machine: PoolMachine) -> None:
    planned = run(machine, "isos", "present", check_mode=True, autostart=True)
    assert machine.files() == {}
    done = run(machine, "isos", "present", autostart=True)
    assert without_uuid(planned.after) == without_uuid(done.after)
    assert (planned.facts["steps"], done.facts["pool"]["autostart"]) == (done.facts["steps"], True)
    assert [name for name in machine.files() if name in BOOT_FILES] == BOOT_FILES
    assert machine.systemd.calls == [f"enable {UNIT}"]
    assert machine.systemd.active == {}, "started at boot, not now"
    for autostart in (True, None):
        again = run(machine, "isos", "present", autostart=autostart)
        assert (again.changed, again.facts["pool"]["autostart"]) == (False, True)
    off = run(machine, "isos", "present", autostart=False)
    assert (off.changed, off.facts["pool"]["autostart"]) == (True, False)
    assert list(machine.files()) == ["etc/virt-san/pools/isos.xml"]


def test_of_two_the_other_starts_at_boot(machine: PoolMachine) -> None:
    run(machine, "isos", "present", autostart=True)
    run(machine, "images", "present", autostart=True)
    run(machine, "isos", "absent")
    assert [name for name in machine.files() if name in BOOT_FILES] == BOOT_FILES
    run(machine, "images", "absent")
    assert machine.files() == {}


def test_vhbas_keep_the_target(machine: PoolMachine) -> None:
    vhba = machine.top / "etc/systemd/system/virt-san-vhba@.service"
    run(machine, "isos", "present", autostart=True)
    vhba.write_text("[Service]\n")
    run(machine, "isos", "absent")
    assert sorted(path.name for path in vhba.parent.glob("virt-san*")) == ["virt-san-pools.target", vhba.name]


def test_a_newer_program_replaces_the_old_one(machine: PoolMachine) -> None:
    run(machine, "isos", "present", autostart=True)
    wanted = Wanted("isos", "present")
    report = pool.ensure(machine, NativeKeeper(machine, lambda: b"newer"), wanted, None, 10, check_mode=False)
    assert report.changed
    assert report.facts["steps"] == [
        "write /usr/local/lib/virt-san/virt-san-pools.pyz (program that starts pools at boot)"
    ]


def test_the_boot_that_is_still_trying_is_stopped_first(machine: PoolMachine) -> None:
    run(machine, "isos", "active", autostart=True)
    machine.systemd.active[UNIT] = "active"
    machine.systemd.at_work.add(UNIT)
    assert run(machine, "isos", "inactive").facts["steps"][0] == f"stop {UNIT}"
    assert machine.systemd.at_work == set()


def test_without_systemd(machine: PoolMachine) -> None:
    (machine.top / "run/systemd/system").rmdir()
    assert run(machine, "isos", "active").changed
    with pytest.raises(UnavailableError, match="leave autostart out"):
        run(machine, "isos", "active", autostart=True)
    assert run(machine, "isos", "absent").changed


# What goes wrong


def test_in_use(machine: PoolMachine) -> None:
    run(machine, "isos", "active")
    machine.put_process(12, "dd", "/isos/a")
    with pytest.raises(InUseError, match=r"dd \(pid 12\)"):
        run(machine, "isos", "inactive")
    assert len(machine.mounted()) == 1
    machine.answer("umount", code=32, stderr="umount: /isos: target is busy.")
    done = run(machine, "isos", "inactive", force=True)
    assert (done.changed, machine.mounted()) == (True, [])
    assert done.warnings == ("/isos is taken away from dd (pid 12)",)
    run(machine, "images", "active")
    machine.put_process(13, "dd", "/images/a")
    assert run(machine, "images", "inactive", force=True).warnings == (), "nothing is taken away"


def test_nobody_can_say_who_uses_it(machine: PoolMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hangs may keep what it has mapped from being read."""
    run(machine, "isos", "active")
    monkeypatch.setattr(pool_look, "DEADLINE", 0.5)
    monkeypatch.setattr(busy, "users_of", lambda *_args: time.sleep(60))
    with pytest.raises(InUseError, match=r"somebody, perhaps: looking in /proc: no answer within 0\.5 s"):
        run(machine, "isos", "inactive")
    assert run(machine, "isos", "inactive", force=True).changed


def test_in_use_the_moment_it_is_stopped(machine: PoolMachine) -> None:
    run(machine, "isos", "active")
    machine.answer("umount", code=32, stderr="umount: /isos: target is busy.")
    with pytest.raises(ApplyError, match="something that does not show") as caught:
        run(machine, "isos", "inactive")
    assert caught.value.details["cause"] == "InUseError"


def test_a_server_that_says_no(machine: PoolMachine) -> None:
    machine.answer("mount", code=32, stderr="mount.nfs: access denied by server while mounting nas:/srv/isos")
    with pytest.raises(ApplyError, match="access denied by server") as caught:
        run(machine, "isos", "active")
    assert caught.value.details["completed"] == ["define pool isos", "make the folder /isos (mode 0711)"]
    assert caught.value.details["changed"] is True
    machine.answer("mount")
    assert run(machine, "isos", "active").changed


@pytest.mark.parametrize("command", ["mount", "umount"])
def test_a_server_that_hangs(machine: PoolMachine, command: str) -> None:
    if command == "umount":
        run(machine, "isos", "active")
    machine.answer(command, hangs=True)
    wanted = Wanted("isos", "active" if command == "mount" else "inactive", ISOS)
    began = time.monotonic()
    with pytest.raises(ApplyError, match="no answer within 1 s"):
        pool.ensure(machine, NativeKeeper(machine), wanted, None, 1, check_mode=False)
    assert time.monotonic() - began < 20


def test_a_server_that_is_gone(machine: PoolMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is mounted is mounted. It can be stopped, too; what needs an answer is refused."""
    run(machine, "isos", "active")
    look_at = folders.look_at

    def hangs(host: Host, path: str) -> folders.Entry | None:
        if machine.mounted() and path.startswith("/isos"):
            time.sleep(60)
        return look_at(host, path)

    monkeypatch.setattr(pool_look, "DEADLINE", 0.5)
    monkeypatch.setattr(folders, "look_at", hangs)
    told = run(machine, "isos", "active")
    assert (told.changed, told.facts["pool"]["state"], told.facts["pool"]["capacity"]) == (False, "active", None)
    assert "no answer within 0.5 s" in told.warnings[0]
    with pytest.raises(RefusedError, match="no answer"):
        run(machine, "images", "present", pool=replace(IMAGES, target=Target("/isos/images")))
    stopped = run(machine, "isos", "inactive")
    assert (stopped.changed, stopped.facts["pool"]["state"]) == (True, "inactive")


def test_spoilt_on_disk(machine: PoolMachine) -> None:
    run(machine, "isos", "active")
    (machine.top / "etc/virt-san/pools/isos.xml").write_text("<pool")
    with pytest.raises(RefusedError, match=r"isos\.xml: not XML"):
        run(machine, "isos", "active")
    assert run(machine, "images", "active").changed, "other pools go on"
    assert run(machine, "isos", "absent").changed
    assert (machine.mounted(), [name for name in machine.files() if "isos" in name]) == ([], [])


def test_what_xml_cannot_say_is_beside_it(machine: PoolMachine) -> None:
    """Kept as the definition is, and gone with it; libvirt does not see it."""
    kept = replace(IMAGES, kept=Kept(adopted="84ca"))
    keeper = NativeKeeper(machine)
    for step in (Define(kept), NoteStarted(kept)):
        assert keeper.perform(step)
    assert sorted(machine.files()) == [
        f"{place}/virt-san/pools/images.{end}" for place in ("etc", "run") for end in ("json", "xml")
    ]
    known = keeper.look("images")
    assert (known.pool, known.started, known.spoilt) == (kept, kept, None)
    assert defined(machine) == ("images",)
    keeper.perform(Define(IMAGES))
    assert keeper.look("images").pool == IMAGES
    keeper.perform(Define(kept))
    (machine.top / "etc/virt-san/pools/images.json").write_text("{}]")
    assert "images.json: Extra data" in str(keeper.look("images").spoilt)
    keeper.perform(Undefine("images"))
    assert machine.files() == {}


def test_a_promise_that_the_type_does_nothing_with(machine: PoolMachine) -> None:
    run(machine, "images", "present")
    with pytest.raises(RefusedError, match="single_host: for a pool of type dir it means nothing"):
        run(machine, "images", "present", described=False, single_host=True)


def test_a_file_about_another_pool(machine: PoolMachine) -> None:
    run(machine, "isos", "present")
    os.rename(machine.top / "etc/virt-san/pools/isos.xml", machine.top / "etc/virt-san/pools/images.xml")
    with pytest.raises(RefusedError, match="is about another pool, isos"):
        run(machine, "images", "present")


def test_a_definition_that_does_not_work(machine: PoolMachine) -> None:
    run(machine, "isos", "present")
    path = machine.top / "etc/virt-san/pools/isos.xml"
    path.write_text(path.read_text().replace("/isos</path>", "/dev/isos</path>"))
    with pytest.raises(RefusedError, match="defined in a way that does not work"):
        run(machine, "isos", "active", described=False)


def test_a_definition_that_a_type_can_do_nothing_with(machine: PoolMachine) -> None:
    run(machine, "isos", "present")
    path = machine.top / "etc/virt-san/pools/isos.xml"
    path.write_text("<pool type='iscsi'><name>isos</name></pool>")
    with pytest.raises(RefusedError, match=r"target\.path: logical units are devices"):
        run(machine, "isos", "present", described=False)


def test_the_folder_of_a_transient_pool(machine: PoolMachine) -> None:
    run(machine, "isos", "active", persistent=False)
    with pytest.raises(RefusedError, match="already the target of pool isos"):
        run(machine, "images", "present", pool=replace(IMAGES, target=Target("/isos")))


def test_something_undoes_it(machine: PoolMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "set_permissions", lambda *_args: None)
    (machine.top / "images").mkdir(mode=0o700)
    with pytest.raises(ApplyError, match="still to do: set mode 0711 on /images"):
        run(machine, "images", "present")


def test_all_that_is_in_a_folder(machine: PoolMachine) -> None:
    run(machine, "images", "active")
    (machine.top / "images/a/b").mkdir(parents=True)
    (machine.top / "images/vm.qcow2").touch()
    planned = run(machine, "images", "absent", check_mode=True, delete_contents=True)
    done = run(machine, "images", "absent", delete_contents=True)
    assert planned.facts["steps"] == done.facts["steps"]
    assert not (machine.top / "images").exists()


# Killed between any two steps


@pytest.fixture(params=range(9))
def killed_after(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    perform, left = pool.perform, [request.param]

    def killed(*args: Any) -> None:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        perform(*args)

    monkeypatch.setattr(pool, "perform", killed)
    return monkeypatch


@pytest.mark.parametrize("name", POOLS)
def test_killed_and_run_again(machine: PoolMachine, killed_after: pytest.MonkeyPatch, name: str) -> None:
    try:
        run(machine, name, "active", autostart=True)
    except KeyboardInterrupt:
        pass
    killed_after.undo()
    run(machine, name, "active", autostart=True)
    assert run(machine, name, "active", autostart=True).facts["steps"] == []
    run(machine, name, "absent", delete_contents=True)
    assert (machine.files(), machine.mounted(), (machine.top / name).exists()) == ({}, [], False)
    assert machine.on_disk() == b"", "blank again"


def test_the_interpreter_of_the_next_boot(machine: PoolMachine) -> None:
    (machine.top / "usr/bin").mkdir(parents=True)
    (machine.top / "usr/bin/python3").symlink_to(sys.executable)
    run(machine, "isos", "present", autostart=True)
    line = "ExecStart=/usr/bin/python3 -I /usr/local/lib/virt-san/virt-san-pools.pyz start %I"
    assert line in machine.files()[BOOT_FILES[0]].splitlines()
