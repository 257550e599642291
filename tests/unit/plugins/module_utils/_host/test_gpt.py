# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a GPT reaches: by headers as sfdisk (util-linux 2.38) has written them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host import gpt
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

MIB = 2**20
DISK = "/dev/mapper/lun1"
BEGIN = "4546492050415254000001005c000000"
REST = "0f0f0f0f0f0f0f4f8f0f0f0f0f0f0f0f020000000000000080000000800000006eaf2810"
BEFORE = f"{BEGIN}e263f885000000000100000000000000ffff0100000000000008000000000000deff010000000000{REST}"
"""On 64 MiB, with one partition, as it was made; the same after the device has grown."""
AFTER = f"{BEGIN}24f88a62000000000100000000000000ffff0200000000000008000000000000deff020000000000{REST}"
"""On 96 MiB, after sfdisk --relocate gpt-bak-std."""


@pytest.fixture
def device(tmp_path: Path) -> Path:
    file = tmp_path / DISK[1:]
    file.parent.mkdir(parents=True)
    file.touch()
    os.truncate(file, 64 * MIB)
    return file


def put(device: Path, at: int, data: bytes) -> None:
    with device.open("r+b") as stream:
        stream.seek(at)
        stream.write(data)


def end(device: Path) -> int | None:
    return gpt.read_end(Host(str(device.parents[2])), DISK)


@pytest.mark.parametrize(("header", "expected"), [(BEFORE, 64 * MIB), (AFTER, 96 * MIB)])
def test_what_its_header_says(device: Path, header: str, expected: int) -> None:
    assert end(device) is None
    put(device, 512, bytes.fromhex(header))
    assert end(device) == expected
    os.truncate(device, 16 * MIB)
    assert end(device) == expected, "whatever the device has"


def test_one_that_counts_in_other_sectors(device: Path) -> None:
    put(device, 4096, bytes.fromhex(BEFORE))
    assert end(device) == 64 * MIB * 8


@pytest.mark.parametrize("at", [0, 12, 16, 24, 32, 40, 91])
def test_a_header_that_is_not_as_it_was_written(device: Path, at: int) -> None:
    header = bytearray.fromhex(BEFORE)
    header[at] ^= 0x10
    put(device, 512, header)
    assert end(device) is None


def test_a_device_that_does_not_answer(device: Path) -> None:
    device.unlink()
    with pytest.raises(CommandError, match="No such file"):
        end(device)
