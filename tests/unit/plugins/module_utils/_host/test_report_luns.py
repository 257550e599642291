# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of targets, byte by byte."""

from __future__ import annotations

import ctypes
import errno
import fcntl

import pytest

from ansible_collections.virt.san.plugins.module_utils._host import report_luns, sgio
from ansible_collections.virt.san.plugins.module_utils._host.children import Written
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.report_luns import (
    Answer,
    Question,
    kernel_number,
    parse_answer,
)
from ansible_collections.virt.san.plugins.module_utils._host.sgio import parse_sense

QUESTION = Question("/dev/sdb")


@pytest.mark.parametrize(
    ("lun", "number"),
    [("001b000000000000", 27), ("412c000000000000", 0x412C), ("0000000000000000", 0), ("d200012c00000000", 0x12CD200)],
)
def test_a_lun_as_the_kernel_counts(lun: str, number: int) -> None:
    assert kernel_number(bytes.fromhex(lun)) == number


@pytest.mark.parametrize(
    ("data", "sense"),
    [
        ("70000500000000060000000025000000", (5, 0x25, 0)),
        ("72052500", (5, 0x25, 0)),
        ("7005", None),
        ("", None),
    ],
)
def test_sense_data(data: str, sense: object) -> None:
    assert parse_sense(bytes.fromhex(data)) == sense


def test_answers() -> None:
    luns = "luns:" + "001b000000000000" + "0035000000000000"
    assert parse_answer(Written(QUESTION, 0, 0.1, luns)) == Answer(luns=frozenset({27, 53}))
    assert parse_answer(Written(QUESTION, 0, 0.1, "luns:")) == Answer(luns=frozenset())
    assert parse_answer(Written(QUESTION, 0, 0.1, "sense:72052500")) == Answer(refused=True)
    assert "sense 06/29/00" in parse_answer(Written(QUESTION, 0, 0.1, "sense:72062900")).problem
    assert "Input/output error" in parse_answer(Written(QUESTION, errno.EIO, 0.1)).problem


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A function that has the kernel answer with data, a SCSI status, sense data and a host status."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/sdb").touch()
    lengths = []

    def ask(data=b"", status=0, sense=b"", host_status=0):
        def ioctl(_fd, number, request):
            assert number == sgio.SG_IO
            command = bytes((ctypes.c_ubyte * request.cmd_len).from_address(request.cmdp))
            assert (command[0], int.from_bytes(command[6:10], "big")) == (0xA0, request.dxfer_len)
            lengths.append(request.dxfer_len)
            ctypes.memmove(request.dxferp, data, min(len(data), request.dxfer_len))
            ctypes.memmove(request.sbp, sense, len(sense))
            request.resid = max(request.dxfer_len - len(data), 0)
            request.status, request.sb_len_wr, request.host_status = status, len(sense), host_status

        monkeypatch.setattr(fcntl, "ioctl", ioctl)
        return QUESTION.perform(Host(str(tmp_path))), lengths

    return ask


def test_the_command(disk):
    assert disk((8).to_bytes(4, "big") + bytes(4) + bytes.fromhex("001b000000000000"))[0] == "luns:001b000000000000"
    assert disk(status=2, sense=bytes.fromhex("72052500"))[0] == "sense:72052500"


def test_a_long_list_is_asked_for_again(disk):
    many = bytes(8) * 9000
    answer, lengths = disk(len(many).to_bytes(4, "big") + bytes(4) + many)
    assert len(answer) == len("luns:") + 2 * len(many)
    assert lengths == [report_luns.LENGTH, 8 + len(many)]


@pytest.mark.parametrize("problem", [{"host_status": 1}, {"status": 8}, {"data": b"123"}])
def test_what_did_not_get_through(disk, problem):
    with pytest.raises(OSError, match=r"get through|no list"):
        disk(**problem)
