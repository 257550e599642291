# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms for pools: folders, mounts, who uses what, and work that is given up at a deadline."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, InUseError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import busy, children, folders, mount, mounting
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.tests.unit.support.pool_machine import PoolMachine


@pytest.fixture
def machine(tmp_path: Path) -> PoolMachine:
    return PoolMachine(tmp_path)


class TestGuarded:
    def test_what_it_returns(self, machine: PoolMachine) -> None:
        assert guarded(machine, "/x", "looking at", lambda host: {"a": [1, None, host.root]}, 10) == {
            "a": [1, None, machine.root]
        }

    def test_what_it_raises(self, machine: PoolMachine) -> None:
        def refuse(_host: Host) -> None:
            raise InUseError("in use", holders=["dd (pid 3)"])

        with pytest.raises(InUseError, match="in use") as caught:
            guarded(machine, "/x", "unmounting", refuse, 10)
        assert caught.value.details == {"holders": ["dd (pid 3)"]}
        with pytest.raises(FileNotFoundError, match="/x"):
            guarded(machine, "/x", "looking at", lambda _host: os.lstat("/nowhere/at/all"), 10)

    def test_the_deadline(self, machine: PoolMachine) -> None:
        began = time.monotonic()
        with pytest.raises(CommandError, match=r"looking at /x: no answer within 0.5 s"):
            guarded(machine, "/x", "looking at", lambda _host: time.sleep(60), 0.5)
        assert time.monotonic() - began < 20

    def test_looks_beside_long_work_are_known_by_their_own_place(
        self, machine: PoolMachine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        monkeypatch.setattr(children, "left_behind", lambda _host, names: asked.extend(names))
        for place in ("", "/x", "look /x"):
            assert guarded(machine, "/x", "looking at", lambda _host: 7, 5, place) == 7
        assert (asked[0] == asked[1], asked[0] == asked[2]) == (True, False)

    def test_what_hangs_is_not_tried_again(self, machine: PoolMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(children, "left_behind", lambda _host, names: {next(iter(names)): 4711})
        with pytest.raises(CommandError, match="process 4711 is still at work there, or hangs"):
            guarded(machine, "/x", "looking at", lambda _host: None, 10)


class TestFolders:
    def test_what_is_there(self, machine: PoolMachine, tmp_path: Path) -> None:
        (tmp_path / "a/b").mkdir(parents=True)
        (tmp_path / "a").chmod(0o750)
        (tmp_path / "file").touch()
        (tmp_path / "link").symlink_to("a")
        found = folders.look_at(machine, "/a")
        assert found is not None
        assert (found.kind, found.mode, found.empty) == ("folder", 0o750, False)
        for path, kind, real in (("/a/b", "folder", "/a/b"), ("/file", "file", "/file"), ("/link/b", "folder", "/a/b")):
            found = folders.look_at(machine, path)
            assert found is not None
            assert (found.kind, folders.real_path(machine, path)) == (kind, real)
        assert folders.real_path(machine, "/link/new/x") == "/a/new/x"
        assert folders.real_path(Host(), "/proc/self/cwd") == os.getcwd()
        assert folders.look_at(machine, "/none") is folders.look_at(machine, "/file/below") is None

    def test_room(self, machine: PoolMachine) -> None:
        room = folders.read_room(machine, "/proc")
        assert room is not None
        assert 0 < room.available <= room.capacity
        assert folders.read_room(machine, "/none") is None

    def test_made_with_its_permissions(self, machine: PoolMachine, tmp_path: Path) -> None:
        folders.make(machine, "/a/b/c", 0o711, None, None)
        assert [(tmp_path / path).stat().st_mode & 0o7777 for path in ("a", "a/b", "a/b/c")] == [0o755, 0o755, 0o711]
        with pytest.raises(FileExistsError):
            folders.make(machine, "/a/b/c", 0o711, None, None)

    def test_emptied_without_following_links(self, machine: PoolMachine, tmp_path: Path) -> None:
        (tmp_path / "else").mkdir()
        (tmp_path / "else/kept").touch()
        (tmp_path / "a/b/c").mkdir(parents=True)
        (tmp_path / "a/b/link").symlink_to(tmp_path / "else")
        (tmp_path / "a/link").symlink_to(tmp_path / "else")
        (tmp_path / "a/file").touch()
        folders.empty(machine, "/a")
        assert list((tmp_path / "a").iterdir()) == []
        assert (tmp_path / "else/kept").exists()


MOUNTINFO = """\
22 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw
40 22 0:45 / /var/lib/my\\040isos rw,nosuid,nodev,noexec,relatime shared:9 - nfs4 10.77.1.1:/srv/nfs rw,vers=4.2
half a line
"""


class TestMounting:
    def test_the_table(self) -> None:
        root, isos = mount.parse_table(MOUNTINFO)
        assert root == ("/", "/dev/vda", "ext4", "rw,noatime", "254:0")
        assert isos[:3] == ("/var/lib/my isos", "10.77.1.1:/srv/nfs", "nfs4")
        assert isos.options == "rw,nosuid,nodev,noexec,relatime,vers=4.2"

    def test_commands(self, machine: PoolMachine) -> None:
        mounting.mount(machine, "nas:/srv", "/a", "nfs", ("nodev", "ro"))
        assert machine.mounted() == ["40 22 0:45 / /a rw,relatime shared:9 - nfs4 nas:/srv nodev,ro"]
        mounting.unmount(machine, "/a")
        assert machine.mounted() == []
        assert machine.calls() == ["mount -t nfs -o nodev,ro -- nas:/srv /a", "umount -c -- /a"]

    def test_by_force(self, machine: PoolMachine) -> None:
        machine.put_mount("nas:/srv", "/a")
        assert mounting.unmount_by_force(machine, "/a") is False
        machine.put_mount("nas:/srv", "/a")
        machine.answer("umount", code=32, stderr="umount: /a: target is busy.")
        assert mounting.unmount_by_force(machine, "/a") is True
        assert machine.calls()[1:] == ["umount -c -f -- /a", "umount -c -f -l -- /a"]
        machine.answer("umount", code=32, stderr="umount: /a: must be superuser to unmount.")
        with pytest.raises(CommandError, match="superuser"):
            mounting.unmount_by_force(machine, "/a")

    def test_without_a_helper(self, machine: PoolMachine) -> None:
        mounting.require_helper(machine, "nfs")
        with pytest.raises(UnavailableError, match=r"cannot mount cifs: install mount\.cifs"):
            mounting.require_helper(machine, "cifs")


MAPS = """\
55d0c0a00000-55d0c0a02000 r--p 00000000 fe:00 1234                       /usr/bin/db
7f00c0a00000-7f00c0a02000 rw-s 00000000 00:2d 99                         /isos/my table (deleted)
7ffd5e9d2000-7ffd5e9f3000 rw-p 00000000 00:00 0                          [stack]
7ffd5e9f4000-7ffd5e9f8000 rw-p 00000000 00:00 0
"""


class TestBusy:
    def test_processes_guests_and_the_kernel(self, machine: PoolMachine, tmp_path: Path) -> None:
        machine.put_process(12, "qemu-system-x86", "/isos/a.qcow2", "/dev/null")
        (tmp_path / "proc/12/cmdline").write_bytes(b"qemu\0-name\0guest=db01,debug-threads=on\0")
        machine.put_process(13, "dd", "/isos/b (deleted)")
        machine.put_process(14, "sh")
        (tmp_path / "proc/14/cwd").symlink_to("/isos")
        machine.put_process(15, "cat", "/isos2/a", "pipe:[12]")
        machine.put_process(16, "me", "/isos/c")
        machine.put_process(17, "db")
        (tmp_path / "proc/17/maps").write_text(MAPS)
        (tmp_path / "proc/swaps").write_text("Filename Type Size Used Priority\n/isos/swap file 1 0 -2\n")
        (tmp_path / "sys/block/loop0/loop").mkdir(parents=True)
        (tmp_path / "sys/block/loop0/loop/backing_file").write_text("/isos/img\n")
        assert busy.users_of(machine, ["/isos", "/else"], own=16) == {
            "/isos": ("guest db01 (pid 12)", "dd (pid 13)", "sh (pid 14)", "db (pid 17)", "swap", "loop0")
        }
        assert busy.users_of(machine, [], own=16) == {}
        assert busy.mapped_files(MAPS) == {"/usr/bin/db", "/isos/my table (deleted)"}
