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
from ansible_collections.virt.san.plugins.module_utils._host import (
    busy,
    children,
    folders,
    mount,
    mount_copies,
    mounting,
)
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


OWN = """\
22 1 254:0 / / rw shared:1 - ext4 /dev/vda rw
40 22 253:3 / /vms rw shared:2 - xfs /dev/mapper/lun1 rw
41 22 253:9 / /else rw shared:3 - xfs /dev/mapper/lun2 rw
"""
"""What a pool on /vms is mounted beside."""
SHUT_IN = "86 66 254:0 / {at} rw {root} - ext4 /dev/vda rw\n87 86 253:3 / {at}vms ro {pool} - xfs /dev/mapper/lun1 rw\n"


class TestStaying:
    """The trees are those of a kernel (5.10 and later), and so is what was left of them after umount."""

    def stays(self, more: str, other: str = "", point: str = "/vms") -> list[str]:
        own, there = mount_copies.parse_placed(OWN + more), mount_copies.parse_placed(other)
        return mount_copies.staying(point, {"": own, " there": there})

    def test_nothing(self) -> None:
        assert self.stays("") == []
        assert self.stays("", point="/isos") == []

    @pytest.mark.parametrize(
        "line",
        [
            "50 22 253:3 / /export/my\\040vms rw shared:2 - xfs /dev/mapper/lun1 rw",
            "50 22 253:3 /sub /export/my\\040vms rw shared:2 - xfs /dev/mapper/lun1 rw",
            "50 22 253:3 / /export/my\\040vms rw - xfs /dev/mapper/lun1 rw",
        ],
    )
    def test_a_bind_mount(self, line: str) -> None:
        assert self.stays(line) == ["/export/my vms"]

    def test_mounted_twice_at_the_same_place(self) -> None:
        assert self.stays("50 40 253:3 / /vms rw shared:2 - xfs /dev/mapper/lun1 rw") == ["/vms"]

    def test_all_of_the_host_once_more(self) -> None:
        """As the root of the host below another path: the kernel takes the copy along."""
        again = "50 22 254:0 / /host rw {} - ext4 /dev/vda rw\n51 50 253:3 / /host/vms rw shared:2 - xfs /dev/dm-3 rw"
        assert self.stays(again.format("shared:1")) == []
        assert self.stays(again.format("")) == ["/host/vms"]

    @pytest.mark.parametrize("root", ["master:1", "shared:70 master:1", "master:70 propagate_from:1", "shared:1"])
    @pytest.mark.parametrize("at", ["/", "/var/lib/snapd/hostfs/"])
    def test_a_service_that_is_shut_in(self, root: str, at: str) -> None:
        """It has copies of all mounts, and none of them stays."""
        assert self.stays("", SHUT_IN.format(at=at, root=root, pool="master:2")) == []

    def test_a_namespace_that_gets_no_news(self) -> None:
        assert self.stays("", SHUT_IN.format(at="/", root="", pool="")) == ["/vms there"]
        assert self.stays("", SHUT_IN.format(at="/", root="master:7", pool="master:2")) == ["/vms there"]

    def test_a_namespace_that_was_copied_from_another(self) -> None:
        """The kernel tells only from whom it gets its news itself."""
        between, last = (SHUT_IN.format(at="/", root=root, pool="") for root in ("shared:70 master:1", "master:70"))
        trees = {"": OWN, " between": between, " last": last}
        parsed = {whose: mount_copies.parse_placed(tree) for whose, tree in trees.items()}
        assert mount_copies.staying("/vms", parsed) == []
        assert mount_copies.staying("/vms", {**parsed, " between": []}) == ["/vms last"]

    def test_copies_of_a_bind_mount_are_not_told(self) -> None:
        own = "50 22 253:3 / /export rw shared:2 - xfs /dev/mapper/lun1 rw\n"
        shut_in = SHUT_IN.format(at="/", root="master:1", pool="master:2")
        assert self.stays(own, shut_in + own.replace("22", "86")) == ["/export"]

    def test_what_a_service_was_given(self) -> None:
        """ReadWritePaths=/vms: on the copy lies another one. BindPaths=/vms:/data: at another place."""
        shut_in = SHUT_IN.format(at="/", root="master:1", pool="master:2")
        given = "182 87 253:3 / /vms rw master:2 - xfs /dev/mapper/lun1 rw\n"
        assert self.stays("", shut_in + given) == ["/vms there", "/vms there"]
        assert self.stays("", shut_in + given.replace("87", "86").replace("/vms", "/data")) == ["/data there"]
        alone = "90 60 253:3 /ct1 / rw - xfs /dev/mapper/lun1 rw\n"
        assert self.stays("", alone) == ["/ there"], "a container's root; what it lies on is not shown"

    def test_whose_they_are(self, machine: PoolMachine, tmp_path: Path) -> None:
        machine.table.write_text(OWN + "50 22 253:3 / /export rw - xfs /dev/mapper/lun1 rw\n")
        shut_in = SHUT_IN.format(at="/", root="master:1", pool="master:2")
        given = "182 86 253:3 / /data rw - xfs /dev/mapper/lun1 rw\n"
        trees = {1: OWN, 8: shut_in, 9: shut_in + given, 10: shut_in + given, 11: given}
        for pid, tree in trees.items():
            machine.put_process(pid, "web")
            (tmp_path / f"proc/{pid}/mountinfo").write_text(tree)
            (tmp_path / f"proc/{pid}/ns").mkdir()
            # 9 and 10 are in the same one, 1 in one's own; 11 has ended.
            if pid != 11:
                (tmp_path / f"proc/{pid}/ns/mnt").symlink_to(f"mnt:[{9 if pid == 10 else pid}]")
        (tmp_path / "proc/self/ns").mkdir()
        (tmp_path / "proc/self/ns/mnt").symlink_to("mnt:[1]")
        found = mount_copies.read_staying(machine, ["/vms", "/else", "/isos"])
        assert set(found) == {"/vms"}
        assert found["/vms"] in [("/export", f"/data of web (pid {pid})") for pid in (9, 10)]


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
