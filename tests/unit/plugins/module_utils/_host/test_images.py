# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in folders: their headers, who uses them, how they are made without harm to others."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import image_files, images, lvm_volumes, qemu_img
from ansible_collections.virt.san.plugins.module_utils._host.file_users import users_of_file, writers_of_file
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.plugins.module_utils._host.images import Header, parse_qcow2
from ansible_collections.virt.san.tests.unit.support.volume_machine import qcow2

MIB = 2**20


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "pool").mkdir()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("1234\n")
    return Host(str(tmp_path))


class TestHeaders:
    @pytest.mark.parametrize("version", [2, 3])
    def test_what_they_say(self, version: int) -> None:
        assert parse_qcow2(qcow2(MIB, version=version)) == Header(MIB)
        assert parse_qcow2(qcow2(MIB, "/a/b", "raw", version)) == Header(MIB, "/a/b", "raw")
        assert parse_qcow2(qcow2(MIB, "b.img", None, version)) == Header(MIB, "b.img", None)

    def test_data_in_another_file(self) -> None:
        assert parse_qcow2(qcow2(MIB, data="d.raw")) == Header(MIB, data_file="d.raw")
        assert parse_qcow2(qcow2(MIB, "/b", "raw", data="d.raw")) == Header(MIB, "/b", "raw", "d.raw")
        assert parse_qcow2(qcow2(MIB, "/b", "raw", data="")) == Header(MIB, "/b", "raw", "")

    def test_another_format(self) -> None:
        assert parse_qcow2(b"") is parse_qcow2(bytes(512)) is None

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"QFI\xfb", "ends early"),
            (qcow2(1, version=3).replace(b"\0\0\0\3", b"\0\0\0\7", 1), "version 7"),
            (qcow2(1, bits=63), "2\\^63"),
            (qcow2(1, "/a", "raw")[:129], "not where it should be"),
            (qcow2(1, "x" * 1024, "raw") + bytes(4096), "not where it should be"),
        ],
    )
    def test_spoilt(self, data: bytes, why: str) -> None:
        with pytest.raises(ValueError, match=why):
            parse_qcow2(data)

    @pytest.mark.skipif(not shutil.which("qemu-img"), reason="no qemu-img")
    @pytest.mark.parametrize("compat", ["0.10", "1.1"])
    def test_real_ones(self, tmp_path: Path, compat: str) -> None:
        below, top = str(tmp_path / "below.qcow2"), str(tmp_path / "top.qcow2")
        make = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"compat={compat}"]
        subprocess.run([*make, below, "3M"], check=True)
        subprocess.run([*make, "-b", "below.qcow2", "-F", "qcow2", top, "5M"], check=True)
        found = {image.name: image for image in images.list_images(Host(), str(tmp_path))}
        assert (found["below.qcow2"].capacity, found["top.qcow2"].capacity) == (3 * MIB, 5 * MIB)
        assert (found["top.qcow2"].backing, found["top.qcow2"].backing_format) == (below, "qcow2")
        assert images.read_from(Host(), str(tmp_path), below) == ([top], {})
        data = tmp_path / "data.raw"
        options = f"compat=1.1,data_file={data},data_file_raw=on"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", options, f"{data}.qcow2", "3M"], check=True)
        assert images.read_from(Host(), str(tmp_path), str(data)) == ([f"{data}.qcow2"], {})


class TestFolders:
    def test_what_is_in_one(self, host: Host, tmp_path: Path) -> None:
        pool = tmp_path / "pool"
        (pool / "raw").write_bytes(bytes(4096))
        (pool / "raw").chmod(0o640)
        (pool / "top").write_bytes(qcow2(MIB, "../pool/raw", "raw"))
        (pool / "net").write_bytes(qcow2(MIB, "nbd://a/b"))
        (pool / "spoilt").write_bytes(b"QFI\xfb" + bytes(600))
        (pool / "folder").mkdir()
        (pool / "link").symlink_to("raw")
        (pool / ".x.virt-san").touch()
        os.mkfifo(pool / "pipe")
        found = {image.name: image for image in images.list_images(host, "/pool")}
        assert list(found) == ["net", "raw", "spoilt", "top"]
        assert (found["raw"].format, found["raw"].capacity, found["raw"].mode) == ("raw", 4096, 0o640)
        assert found["raw"].inode == (pool / "raw").stat().st_ino
        assert (found["top"].backing, found["top"].backing_format) == ("/pool/raw", "raw")
        assert found["net"].backing == "nbd://a/b"
        assert "version 0" in (found["spoilt"].problem or "")
        kinds = {
            name: getattr(images.read_image(host, "/pool", name), "kind", None) for name in ("folder", "link", "pipe")
        }
        assert kinds == {"folder": "folder", "link": "link", "pipe": "device"}
        assert images.read_image(host, "/pool", "none") is images.read_at(host, "/none/x") is None
        through = images.read_at(host, "/pool/link")
        assert through is not None
        assert (through.format, through.capacity, through.path) == ("raw", 4096, "/pool/link")
        assert images.list_images(host, "/none") == []
        assert images.read_from(host, "/pool", "/pool/raw") == (["/pool/top"], {})
        assert images.read_from(host, "/pool", "/pool/top") == ([], {})

    def test_whose_data_is_in_another_file(self, host: Host, tmp_path: Path) -> None:
        pool = tmp_path / "pool"
        (pool / "vm.raw").write_bytes(bytes(4096))
        (pool / "base").write_bytes(bytes(4096))
        (pool / "vm").write_bytes(qcow2(MIB, "base", "raw", data="vm.raw"))
        vm = images.read_image(host, "/pool", "vm")
        assert vm is not None
        assert (vm.capacity, vm.backing, vm.data_file, vm.problem) == (
            MIB,
            "/pool/base",
            "/pool/vm.raw",
            images.DATA_ELSEWHERE,
        )
        for name in ("vm.raw", "base"):
            assert images.read_from(host, "/pool", f"/pool/{name}") == (["/pool/vm"], {})
        (pool / "vm").write_bytes(qcow2(MIB, data=""))
        assert images.read_from(host, "/pool", "/pool/base") == ([], {"/pool/vm": images.DATA_ELSEWHERE})

    def test_one_that_cannot_be_read(self, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "pool/a").touch()
        (tmp_path / "pool/top").write_bytes(qcow2(MIB, "b"))
        (tmp_path / "link").symlink_to("pool/top")

        def fail(*_args: object) -> int:
            raise OSError(errno.EIO, "broken")

        monkeypatch.setattr(images.os, "open", fail)
        found = {image.name: image for image in images.list_images(host, "/pool")}
        why = "it cannot be read: Input/output error"
        assert (found["a"].problem, found["top"].problem) == (why, why)
        # A link leads to it, what is shorter than a header is no image, and the volume itself does not count.
        assert images.read_from(host, "/pool", "/pool/b") == ([], {"/pool/top": why})
        assert images.read_from(host, "/pool", "/pool/top") == images.read_from(host, "/pool", "/link") == ([], {})


class TestUsers:
    def test_a_lock(self, host: Host, tmp_path: Path) -> None:
        image = tmp_path / "pool/a"
        image.write_bytes(bytes(4096))
        assert not images.is_locked(host, "/pool/a")
        fd = os.open(image, os.O_RDWR)
        try:
            # As QEMU does: one byte, shared.
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 100, 1, 0))
            assert images.is_locked(host, "/pool/a")
        finally:
            os.close(fd)
        assert not images.is_locked(host, "/pool/a")

    def test_a_lock_of_who_writes(self, host: Host, tmp_path: Path) -> None:
        image = tmp_path / "pool/a"
        image.write_bytes(bytes(4096))
        fd = os.open(image, os.O_RDWR)
        try:
            for byte, writing in ((100, False), (images.WRITES, True)):
                fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0))
                assert images.is_locked(host, "/pool/a")
                assert images.is_locked(host, "/pool/a", writing=True) is writing
        finally:
            os.close(fd)

    def test_by_path_and_by_inode(self, host: Host, tmp_path: Path) -> None:
        for pid, name, path, inode, mount in (
            (10, "dd", "/pool/a", 77, "30"),
            (11, "cat", "/elsewhere/a", 77, "30"),
            (12, "cat", "/elsewhere/b", 77, "31"),
            (13, "cat", "/elsewhere/c", 78, "30"),
            (14, "dd", "/pool/a", 77, "30"),
        ):
            process = tmp_path / f"proc/{pid}"
            (process / "fd").mkdir(parents=True)
            (process / "fdinfo").mkdir()
            (process / "comm").write_text(f"{name}\n")
            (process / "fd/3").symlink_to(path)
            (process / "fdinfo/3").write_text(f"pos:\t0\nflags:\t0100000\nmnt_id:\t{mount}\nino:\t{inode}\n")
            (process / "mountinfo").write_text(
                "30 22 254:1 / /elsewhere rw - ext4 /dev/vda1 rw\n31 22 254:2 / /x rw - ext4 /dev/vda2 rw\n"
            )
        found = users_of_file(host, "/pool/a", "254:1", 77, own=14)
        assert found == ("dd (pid 10)", "cat (pid 11)")
        (tmp_path / "proc/11/fdinfo/3").write_text("pos:\t0\nflags:\t0100002\nmnt_id:\t30\nino:\t77\n")
        (tmp_path / "sys/block/loop3/loop").mkdir(parents=True)
        (tmp_path / "sys/block/loop3/loop/backing_file").write_text("/pool/a\n")
        assert writers_of_file(host, "/pool/a", "254:1", 77, own=14) == ("cat (pid 11)", "loop3")
        (tmp_path / "proc/self/fdinfo").mkdir(parents=True)
        (tmp_path / "proc/self/fdinfo/0").write_text("pos:\t0\n")
        assert len(writers_of_file(host, "/pool/a", "254:1", 77, own=14)) == 3, "an old kernel"

    def test_this_very_process(self, tmp_path: Path) -> None:
        image = tmp_path / "a"
        image.touch()
        os.link(image, tmp_path / "b")
        found = image.stat()
        device = f"{os.major(found.st_dev)}:{os.minor(found.st_dev)}"
        with (tmp_path / "b").open():
            users = users_of_file(Host(), str(image), device, found.st_ino, own=0)
        if "ino:" in Path("/proc/self/fdinfo/0").read_text():
            assert any(f"(pid {os.getpid()})" in user for user in users)


class TestFiles:
    def test_made_whole_or_not_at_all(self, host: Host, tmp_path: Path) -> None:
        pool = tmp_path / "pool"
        made = image_files.temporary_path(host, "/pool/a")
        image_files.make_raw(host, made, MIB, full=True)
        assert not (pool / "a").exists()
        assert (tmp_path / made[1:]).stat().st_blocks * 512 >= MIB
        image_files.set_permissions(host, made, 0o640, None, None)
        image_files.publish(host, made, "/pool/a")
        found = (pool / "a").stat()
        assert (os.listdir(pool), found.st_size, found.st_mode & 0o7777, found.st_nlink) == (["a"], MIB, 0o640, 1)

    def test_it_takes_nobodys_place(self, host: Host, tmp_path: Path) -> None:
        (tmp_path / "pool/a").write_text("mine")
        made = image_files.temporary_path(host, "/pool/a")
        image_files.make_raw(host, made, 4096, full=False)
        with pytest.raises(RefusedError, match="by somebody else meanwhile"):
            image_files.publish(host, made, "/pool/a")
        assert (tmp_path / "pool/a").read_text() == "mine"

    def test_an_answer_that_was_lost(self, host: Host, tmp_path: Path) -> None:
        made = image_files.temporary_path(host, "/pool/a")
        image_files.make_raw(host, made, 4096, full=False)
        os.link(tmp_path / made[1:], tmp_path / "pool/a")
        image_files.publish(host, made, "/pool/a")
        assert os.listdir(tmp_path / "pool") == ["a"]

    def test_what_a_killed_run_left_may_be_the_volume_itself(self, host: Host, tmp_path: Path) -> None:
        made = image_files.temporary_path(host, "/pool/a")
        (tmp_path / "pool/a").write_text("content")
        os.link(tmp_path / "pool/a", tmp_path / made[1:])
        image_files.discard_leftover(host, "/pool/a")
        image_files.discard_leftover(host, "/pool/a")
        assert (tmp_path / "pool/a").read_text() == "content"
        os.link(tmp_path / "pool/a", tmp_path / made[1:])
        image_files.delete(host, "/pool/a")
        assert os.listdir(tmp_path / "pool") == []

    def test_no_second_name(self, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_args: object, **_more: object) -> None:
            raise OSError(errno.EPERM, "no")

        (tmp_path / "pool/.t").touch()
        monkeypatch.setattr(image_files.os, "link", fail)
        with pytest.raises(SanError, match="hard links"):
            image_files.publish(host, "/pool/.t", "/pool/a")

    def test_hosts_do_not_share_what_is_half_made(self, host: Host, tmp_path: Path) -> None:
        here = image_files.temporary_path(host, "/pool/a")
        (tmp_path / "etc/machine-id").write_text("5678\n")
        assert image_files.temporary_path(host, "/pool/a") != here
        assert len(os.path.basename(image_files.temporary_path(host, "/pool/" + "x" * 255))) < 60

    def test_resizing(self, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        image = tmp_path / "pool/a"
        image.write_bytes(b"x" * 1000)
        image_files.resize_raw(host, "/pool/a", MIB, full=False)
        assert (image.stat().st_size, image.read_bytes()[:1001]) == (MIB, b"x" * 1000 + b"\0")
        image_files.resize_raw(host, "/pool/a", 2 * MIB, full=True)
        assert image.stat().st_blocks * 512 >= MIB
        image_files.resize_raw(host, "/pool/a", 4096, full=False)
        assert image.stat().st_size == 4096

        def no_room(fd: int, _at: int, _length: int) -> None:
            os.ftruncate(fd, 9999)
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(image_files.os, "posix_fallocate", no_room)
        with pytest.raises(OSError, match="full"):
            image_files.resize_raw(host, "/pool/a", MIB, full=True)
        assert image.stat().st_size == 4096

    def test_where_data_ends(self, host: Host, tmp_path: Path) -> None:
        image = tmp_path / "pool/a"
        with image.open("wb") as file:
            file.truncate(8 * MIB)
        assert image_files.last_data(host, "/pool/a") == 0
        with image.open("r+b") as file:
            file.seek(4 * MIB)
            file.write(b"x")
        assert image_files.last_data(host, "/pool/a") == 4 * MIB + 1
        with image.open("r+b") as file:
            file.seek(7 * MIB)
            file.write(bytes(MIB))
        assert image_files.last_data(host, "/pool/a") == 4 * MIB + 1, "zeros are nothing to lose"
        assert image_files.read_end(host, "/pool/a") is None

    @pytest.mark.parametrize(("sector", "end"), [(None, 16 * 4096), (512, 16 * 512), (4096, 16 * 4096)])
    def test_a_dos_table(
        self, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sector: int | None, end: int
    ) -> None:
        """A device says what its sectors are; in a file they may be what QEMU has told the guest."""
        table = bytes(446) + struct.pack("<B3xB3xII", 0, 0x83, 8, 8) + bytes(48) + b"\x55\xaa"
        (tmp_path / "pool/a").write_bytes(table.ljust(MIB, b"\0"))
        if sector is not None:
            monkeypatch.setattr(image_files.stat, "S_ISBLK", lambda _mode: True)
            monkeypatch.setattr(image_files.fcntl, "ioctl", lambda _fd, _what, _at: struct.pack("i", sector))
        assert image_files.read_end(host, "/pool/a") == end


class TestTools:
    def test_qemu_img(self) -> None:
        ran: list[str] = []

        def run(argv: list[str], _deadline: float, _stdin: str | None) -> Completed:
            ran.append(" ".join(argv))
            return Completed(tuple(argv), 0, "[]", "")

        host = Host(runner=run)  # type: ignore[arg-type]
        qemu_img.create(host, "/p/a", 512, full=True, backing=None, deadline=1)
        qemu_img.create(host, "/p/a", 512, full=False, backing=("/p/b", "raw"), deadline=1)
        qemu_img.convert(host, ("/s", "raw"), ("/t", "qcow2"), full=True, deadline=1)
        qemu_img.convert(host, ("/s", "qcow2"), ("/t", "raw"), full=False, deadline=1)
        qemu_img.convert_to_device(host, ("/s", "qcow2"), "/dev/a", blank=False, deadline=1)
        qemu_img.convert_to_device(host, ("/s", "qcow2"), "/dev/a", blank=True, deadline=1)
        qemu_img.resize(host, "/p/a", 1024, shrink=False, full=False, deadline=1)
        qemu_img.resize(host, "/p/a", 1024, shrink=False, full=True, deadline=1)
        qemu_img.resize(host, "/p/a", 512, shrink=True, full=True, deadline=1)
        assert qemu_img.last_data(host, "/p/a", 1) == 0
        assert ran == [
            "qemu-img create -q -f qcow2 -o preallocation=falloc /p/a 512",
            "qemu-img create -q -f qcow2 -b /p/b -F raw /p/a 512",
            "qemu-img convert -q -f raw -O qcow2 -o preallocation=falloc /s /t",
            "qemu-img convert -q -f qcow2 -O raw /s /t",
            "qemu-img convert -q -n -f qcow2 -O raw /s /dev/a",
            "qemu-img convert -q -n --target-is-zero -f qcow2 -O raw /s /dev/a",
            "qemu-img resize -q -f qcow2 /p/a 1024",
            "qemu-img resize -q -f qcow2 --preallocation=falloc /p/a 1024",
            "qemu-img resize -q -f qcow2 --shrink /p/a 512",
            "qemu-img map --output=json -f qcow2 /p/a",
        ]

    def test_what_an_image_holds(self) -> None:
        part = '{"start": %d, "length": 65536, "depth": %d, "zero": %s, "data": %s}'
        parts = [
            part % told for told in ((0, 0, "false", "true"), (65536, 1, "false", "true"), (131072, 0, "true", "false"))
        ]
        assert qemu_img.parse_map(f"[{parts[0]},{parts[2]}]") == 65536
        assert qemu_img.parse_map(f"[{','.join(parts)}]") == 131072, "what it shows of its backing is content as well"
        for wrong in ("", "7", "[1]", '[{"depth": 0}]'):
            with pytest.raises(CommandError, match="makes no sense"):
                qemu_img.parse_map(wrong)

    @pytest.mark.parametrize(("told", "zeroing"), [("1", True), ("0", False), ("-1", False), ("", False)])
    def test_a_pool_that_zeroes(self, told: str, zeroing: bool) -> None:
        def run(argv: list[str], _deadline: float, _stdin: str | None) -> Completed:
            assert argv == "lvm lvs --reportformat json --binary -o zero vg/thin".split()
            return Completed(tuple(argv), 0, json.dumps({"report": [{"lv": [{"zero": told}]}]}), "")

        assert lvm_volumes.is_zeroing(Host(runner=run), "vg", "thin", 1) is zeroing  # type: ignore[arg-type]

    def test_lvm(self) -> None:
        ran: list[str] = []

        def run(argv: list[str], _deadline: float, _stdin: str | None) -> Completed:
            ran.append(" ".join(argv))
            return Completed(tuple(argv), 0, "", "")

        host = Host(runner=run)  # type: ignore[arg-type]
        lvm_volumes.create_linear(host, "vg", "a", 4 * MIB, 1)
        lvm_volumes.create_thin(host, "vg", "b", "thin", 4 * MIB, 1)
        lvm_volumes.create_linear(host, "vg", "c", 4 * MIB, 1, finished=False)
        lvm_volumes.create_thin(host, "vg", "d", "thin", 4 * MIB, 1, finished=False)
        lvm_volumes.finish(host, "vg", "c", 1)
        lvm_volumes.create_snapshot(host, "vg", "e", "b", 1)
        lvm_volumes.extend(host, "vg", "a", 8 * MIB, 1)
        lvm_volumes.reduce(host, "vg", "a", 4 * MIB, 1)
        lvm_volumes.remove(host, "u-1", 1)
        tag = "--addtag virt.san.unfinished"
        assert ran == [
            "lvm lvcreate --yes --wipesignatures y --zero y --type linear --size 4194304b --name a vg",
            "lvm lvcreate --yes --type thin --virtualsize 4194304b --thinpool thin --name b vg",
            f"lvm lvcreate --yes --wipesignatures y --zero y --type linear --size 4194304b {tag} --name c vg",
            f"lvm lvcreate --yes --type thin --virtualsize 4194304b --thinpool thin {tag} --name d vg",
            "lvm lvchange --deltag virt.san.unfinished vg/c",
            "lvm lvcreate --yes --snapshot --setactivationskip n --name e vg/b",
            "lvm lvextend --size 8388608b vg/a",
            "lvm lvreduce --yes --size 4194304b vg/a",
            "lvm lvremove --yes --select lv_uuid=u-1",
        ]
