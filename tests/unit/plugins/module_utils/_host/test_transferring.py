# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes compared and carried over: only what differs is written, and a file appears whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._host import transferring
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

MIB = 2**20
DATA = b"begin" * 1000 + bytes(3 * MIB) + b"end"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "source").write_bytes(DATA)
    return Host(str(tmp_path))


class TestCompare:
    def test_a_checksum(self, host: Host, tmp_path: Path) -> None:
        found = transferring.compare(host, "/source", None, whole=False)
        assert found == (len(DATA), f"sha256:{hashlib.sha256(DATA).hexdigest()}", False, "raw")
        (tmp_path / "source").write_bytes(b"QFI\xfb" + DATA)
        assert transferring.compare(host, "/source", None, whole=False).form == "qcow2"
        assert not transferring.compare(host, "/source", "/none", whole=False).same

    @pytest.mark.parametrize(
        ("target", "begins", "whole"),
        [
            (DATA, True, True),
            (DATA + b"more", True, False),
            (DATA[:-1], False, False),
            (b"x" + DATA[1:], False, False),
            (DATA[:-1] + b"x", False, False),
        ],
    )
    def test_with_another(self, host: Host, tmp_path: Path, target: bytes, begins: bool, whole: bool) -> None:
        (tmp_path / "target").write_bytes(target)
        assert transferring.compare(host, "/source", "/target", whole=False).same is begins
        assert transferring.compare(host, "/source", "/target", whole=True).same is whole

    def test_what_is_there(self, host: Host, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("source")
        kinds = {path: transferring.kind_of(host, path) for path in ("/source", "/link", "/", "/none", "/source/x")}
        assert kinds == {"/source": "file", "/link": "file", "/": "other", "/none": "", "/source/x": ""}


def test_only_what_differs_is_written(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "target"
    target.write_bytes(DATA[: 2 * MIB] + b"x" * MIB + b"y" * 2 * MIB)
    written = []
    write = os.pwrite

    def record(fd: int, data: bytes, at: int) -> int:
        written.append(at)
        return write(fd, data, at)

    monkeypatch.setattr(os, "pwrite", record)
    transferring.upload(host, "/source", "/target")
    assert target.read_bytes() == DATA + b"y" * (5 * MIB - len(DATA))
    assert written == [2 * MIB, 3 * MIB]
    with pytest.raises(FileNotFoundError):
        transferring.upload(host, "/source", "/none")


def test_a_file_appears_whole(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    (tmp_path / transferring.temporary_path(host, "/target")[1:]).write_text("left by a killed run")

    def fail(*_args: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(transferring, "copy_parts", fail)
        with pytest.raises(OSError, match="No space"):
            transferring.download(host, "/source", "/target")
    assert target.read_text() == "old"
    made = transferring.download(host, "/source", "/target")
    assert target.read_text() == "old"
    with pytest.raises(RefusedError, match="somebody has put another file there"):
        transferring.put_in_place(host, "/target", [0, 0])
    transferring.put_in_place(host, "/target", made)
    assert target.read_bytes() == DATA
    assert target.stat().st_mode & 0o7777 == 0o600
    assert target.stat().st_blocks * 512 < 2 * MIB, "holes stay holes"
    assert sorted(os.listdir(tmp_path)) == ["source", "target"]
