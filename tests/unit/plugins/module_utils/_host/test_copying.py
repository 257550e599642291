# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of files and devices: all of the content, holes as holes where they may be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._host import copying
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

MIB = 2**20


@pytest.fixture
def host(tmp_path: Path) -> Host:
    with (tmp_path / "source").open("wb") as stream:
        stream.write(b"begin" * 1000)
        stream.seek(5 * MIB)
        stream.write(b"end" * 1000)
        stream.truncate(6 * MIB + 100)
    return Host(str(tmp_path))


@pytest.mark.parametrize("share", [False, True])
def test_a_file(host: Host, tmp_path: Path, share: bool) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with target.open("wb") as stream:
        stream.truncate(8 * MIB)
    copying.copy_file(host, "/source", "/target", share)
    data = target.read_bytes()
    assert data == source.read_bytes().ljust(8 * MIB, b"\0")
    assert target.stat().st_blocks * 512 < MIB, "holes stay holes"


@pytest.mark.parametrize("sparse", [False, True])
def test_to_a_device(host: Host, tmp_path: Path, sparse: bool) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"\0" * 8 * MIB if sparse else b"old" * 3 * MIB)
    size = target.stat().st_size
    copying.copy_to_device(host, "/source", "/target", sparse)
    source = (tmp_path / "source").read_bytes()
    assert target.read_bytes()[: len(source)] == source
    assert target.stat().st_size == size


def test_what_becomes_shorter(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target").touch()
    monkeypatch.setattr(copying.os, "pread", lambda *_args: b"")
    with pytest.raises(OSError, match="has become shorter"):
        copying.copy_to_device(host, "/source", "/target", sparse=False)


def test_short_writes(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target").touch()
    write = os.pwrite
    monkeypatch.setattr(copying.os, "pwrite", lambda fd, data, at: write(fd, bytes(data[:100_000]), at))
    copying.copy_to_device(host, "/source", "/target", sparse=False)
    assert (tmp_path / "target").read_bytes() == (tmp_path / "source").read_bytes()
