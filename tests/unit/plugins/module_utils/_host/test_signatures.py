# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on a device: read from files that stand for devices, with wipefs as it answers."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, InUseError
from ansible_collections.virt.san.plugins.module_utils._host import children, signatures
from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult, Write, Written
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.plugins.module_utils._host.signatures import (
    blank,
    parse_signatures,
    read_at,
    read_contents,
)
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Signature

EXT4 = {"offset": "0x438", "length": 2, "type": "ext4", "usage": "filesystem", "uuid": "84ca", "label": "foo"}
GPT = {"offset": "0x200", "length": 8, "type": "gpt", "usage": "partition-table", "uuid": None, "label": None}
EMPTY = '{\n   "signatures": [\n\n   ]\n}\n'
MIB = 2**20
DISK = "/dev/mapper/data"


class Device:
    """A file, and what wipefs says of it."""

    def __init__(self, root: Path, size: int = 8 * MIB) -> None:
        self.file = root / DISK[1:]
        self.file.parent.mkdir(parents=True)
        self.file.touch()
        os.truncate(self.file, size)
        self.says: list[str] = [EMPTY]
        self.code = 0
        self.host = Host(str(root), runner=self.run)

    def run(self, argv, _deadline, _stdin=None) -> Completed:
        assert list(argv) == [*signatures.WIPEFS, DISK]
        out = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        return Completed(tuple(argv), self.code, out, "wipefs: error: it failed\n" if self.code else "")

    def write(self, at: int, data: bytes) -> None:
        with self.file.open("r+b") as stream:
            stream.seek(at)
            stream.write(data)

    @property
    def data(self) -> bytes:
        return self.file.read_bytes()


@pytest.fixture
def device(tmp_path) -> Device:
    return Device(tmp_path)


def says(*rows: object) -> str:
    return json.dumps({"signatures": rows})


def test_blank(device) -> None:
    assert read_contents(device.host, DISK) == Contents()


def test_signatures(device) -> None:
    device.says = [says(EXT4, GPT)]
    device.write(0x438, b"\x53\xef")
    assert read_contents(device.host, DISK) == Contents(
        (
            Signature("ext4", "filesystem", 0x438, 2, "84ca", "foo"),
            Signature("gpt", "partition-table", 0x200, 8),
        ),
        data_at=0x438,
    )
    assert str(Signature("ext4", "filesystem", 0x438, 2, "84ca", "foo")) == "ext4 (UUID 84ca, label foo) at byte 1080"


@pytest.mark.parametrize("at", [0, 1, MIB - 1, 7 * MIB, 8 * MIB - 1])
def test_data_that_nobody_knows(device, at) -> None:
    device.write(at, b"x")
    assert read_contents(device.host, DISK).data_at == at


def test_what_is_mounted_here_is_in_the_caches(device, monkeypatch) -> None:
    """To look past them would write back all that guests have written."""
    device.says = [says(EXT4)]
    monkeypatch.setattr(children, "write_all", None)
    assert read_contents(device.host, DISK, mounted=True).signatures[0].uuid == "84ca"
    device.code = 1
    assert "it failed" in read_contents(device.host, DISK, mounted=True).problem


@pytest.mark.parametrize(("at", "length"), [(0, 4096), (1024, 1024), (4000, 200), (8 * MIB - 512, 512)])
def test_a_piece_of_it(device, at, length) -> None:
    content = bytes(range(1, 251)) * (length // 250 + 1)
    device.write(at, content[:length])
    assert read_at(device.host, DISK, at, length) == content[:length]


def test_beyond_its_end(device) -> None:
    with pytest.raises(CommandError, match="Input/output error"):
        read_at(device.host, DISK, 8 * MIB, 512)


def test_erasing_more(device) -> None:
    device.write(0, b"x" * 8 * MIB)
    blank(device.host, DISK, ranges=((3 * MIB, MIB),))
    assert not any(device.data[3 * MIB : 4 * MIB])
    assert device.data[4 * MIB : 7 * MIB] == b"x" * 3 * MIB


def test_data_in_the_middle_is_not_looked_for(device) -> None:
    device.write(4 * MIB, b"x")
    assert read_contents(device.host, DISK).data_at is None


@pytest.mark.parametrize("size", [4096, 2 * MIB, 2 * MIB + 512])
def test_small_devices(tmp_path, size) -> None:
    device = Device(tmp_path, size)
    assert read_contents(device.host, DISK) == Contents()
    device.write(size - 1, b"x")
    assert read_contents(device.host, DISK).data_at == size - 1


def test_what_cannot_be_read_is_not_blank(device) -> None:
    device.code = 1
    assert "exit code 1: wipefs: error: it failed" in read_contents(device.host, DISK).problem
    device.code, device.says = 0, ["{]"]
    assert "makes no sense" in read_contents(device.host, DISK).problem
    device.file.unlink()
    assert "No such file" in read_contents(device.host, DISK).problem


def test_a_device_that_does_not_answer(device, monkeypatch) -> None:
    def late(_host, jobs, _deadline, _each=0.0):
        return {name: ChildResult((), writes[0], 60.0, (), 4242) for name, writes in jobs.items()}

    monkeypatch.setattr(children, "write_all", late)
    assert "does not answer within 5 s" in read_contents(device.host, DISK, 5.0).problem


def test_a_read_of_an_earlier_run_that_hangs(device, monkeypatch) -> None:
    monkeypatch.setattr(children, "left_behind", lambda _host, names: dict.fromkeys(names, 4242))
    assert "process 4242 of an earlier run" in read_contents(device.host, DISK).problem


def test_erasing(device) -> None:
    far = {**EXT4, "offset": str(4 * MIB + 100)}
    device.says = [says(EXT4, far), says(GPT), EMPTY]
    device.write(0, b"x" * 8 * MIB)
    blank(device.host, DISK)
    data = device.data
    assert not any(data[:MIB])
    assert not any(data[7 * MIB :])
    assert not any(data[4 * MIB : 4 * MIB + 4096])
    assert data[4 * MIB + 4096 : 7 * MIB] == b"x" * (3 * MIB - 4096)
    assert len(data) == 8 * MIB


def test_erasing_never_makes_a_device_larger(tmp_path) -> None:
    device = Device(tmp_path, 3 * MIB + 512)
    device.says = [says({**EXT4, "offset": 3 * MIB + 510}), EMPTY]
    blank(device.host, DISK)
    assert len(device.data) == 3 * MIB + 512


def test_data_without_a_signature_is_erased_too(device) -> None:
    device.write(100, b"x")
    blank(device.host, DISK)
    assert read_contents(device.host, DISK) == Contents()


def test_what_is_in_use_is_not_erased(device, monkeypatch) -> None:
    def busy(_host, jobs, _deadline, _each=0.0):
        def one(write: Write) -> ChildResult:
            return ChildResult((Written(write, errno.EBUSY, 0.1),), None, 0.1)

        return {name: one(writes[0]) for name, writes in jobs.items()}

    monkeypatch.setattr(children, "write_all", busy)
    with pytest.raises(InUseError, match="is in use on this host"):
        blank(device.host, DISK)


def test_signatures_that_come_back(device) -> None:
    device.says = [says(EXT4)]
    with pytest.raises(CommandError, match=r"there is still ext4.*Something else writes to it"):
        blank(device.host, DISK)


def test_an_empty_answer_is_no_signature() -> None:
    assert parse_signatures("", DISK) == ()
