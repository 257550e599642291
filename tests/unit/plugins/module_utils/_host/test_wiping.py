# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wiping: what a file or a device held is no longer there, and what cannot be wiped says so."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import wiping
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

MIB = 2**20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a"
    with file.open("wb") as stream:
        stream.write(b"x" * 5000)
        stream.seek(4 * MIB)
        stream.write(b"y" * 5000)
        stream.truncate(8 * MIB)
    return file


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(str(tmp_path))


@pytest.mark.parametrize("discard", [False, True])
def test_a_file(host: Host, file: Path, discard: bool) -> None:
    wiping.wipe_file(host, "/a", discard)
    assert file.stat().st_size == 8 * MIB
    assert not file.read_bytes().strip(b"\0")


def test_only_what_was_written_is_written_over(file: Path) -> None:
    with file.open("rb") as stream:
        parts = list(wiping.written_parts(stream.fileno(), 8 * MIB))
    assert parts[0][0] == 0
    assert sum(end - begin for begin, end in parts) < MIB


def test_what_cannot_tell_counts_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_fd: int, _at: int, _whence: int) -> int:
        raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(wiping.os, "lseek", refuse)
    assert list(wiping.written_parts(0, 77)) == [(0, 77)]


def test_an_empty_file(host: Host, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    for discard in (False, True):
        wiping.wipe_file(host, "/a", discard)


def test_a_file_system_that_cannot_discard(host: Host, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code, kind in ((errno.EOPNOTSUPP, SanError), (errno.EIO, OSError)):
        monkeypatch.setattr(wiping.ctypes, "get_errno", lambda told=code: told)
        monkeypatch.setattr(wiping, "PUNCH_HOLE", 0x4000)
        with pytest.raises(kind):
            wiping.wipe_file(host, "/a", discard=True)
    assert file.stat().st_size == 8 * MIB


class TestDevices:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
        asked: list[tuple[int, int, int]] = []
        monkeypatch.setattr(wiping, "PIECE", 3 * MIB)
        monkeypatch.setattr(wiping.fcntl, "ioctl", lambda _fd, what, at: asked.append((what, *struct.unpack("QQ", at))))
        return asked

    @pytest.mark.usefixtures("file")
    def test_piece_by_piece(self, host: Host, asked: list[tuple[int, int, int]]) -> None:
        wiping.wipe_device(host, "/a", discard=False, begin=MIB)
        assert asked == [
            (wiping.BLKZEROOUT, MIB, 3 * MIB),
            (wiping.BLKZEROOUT, 4 * MIB, 3 * MIB),
            (wiping.BLKZEROOUT, 7 * MIB, MIB),
        ]
        asked.clear()
        wiping.wipe_device(host, "/a", discard=True, begin=7 * MIB)
        assert asked == [(wiping.BLKDISCARD, 7 * MIB, MIB)]

    @pytest.mark.usefixtures("file")
    def test_what_the_kernel_says(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(SanError, match="cannot discard"):
            wiping.wipe_device(host, "/a", discard=True)  # ENOTTY: it is a file

        def fail(_fd: int, _what: int, _at: bytes) -> None:
            raise OSError(errno.EIO, "broken")

        monkeypatch.setattr(wiping.fcntl, "ioctl", fail)
        with pytest.raises(OSError, match="broken"):
            wiping.wipe_device(host, "/a", discard=False)

    def test_in_use(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        def busy(*_args: object) -> int:
            raise OSError(errno.EBUSY, "busy")

        monkeypatch.setattr(wiping.os, "open", busy)
        with pytest.raises(InUseError, match="/a is in use"):
            wiping.wipe_device(host, "/a", discard=False)
        monkeypatch.undo()
        with pytest.raises(FileNotFoundError):
            wiping.wipe_device(host, "/a", discard=False)
        assert os.path.exists(host.root)
