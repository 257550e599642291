# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent reservations, byte by byte."""

from __future__ import annotations

import ctypes
import errno
import fcntl

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import reservations
from ansible_collections.virt.san.plugins.module_utils._host.children import Written
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.reservations import (
    Ask,
    parse_full_status,
    parse_keys,
    parse_reply,
    parse_reservation,
    parse_reservations,
    parse_transport,
    questions,
    register,
    reserve,
    take_over,
    unregister,
)
from ansible_collections.virt.san.plugins.module_utils._host.sgio import CHECK_CONDITION, Reply
from ansible_collections.virt.san.plugins.module_utils._model.reservation import (
    Registrant,
    Reservations,
    host_key,
    is_ours,
)

KEY = 0x76736E0000000001
PAD = bytes(8)
FC = bytes((0, *[0] * 7)) + bytes.fromhex("2100000000000001") + PAD
NAME = b"iqn.1993-08.org.Debian:01:abc,i,0x00023d000001\0\0"
ISCSI = bytes((0x45, 0, 0, len(NAME))) + NAME


def body(data: bytes) -> bytes:
    return (7).to_bytes(4, "big") + len(data).to_bytes(4, "big") + data


def descriptor(transport: bytes, holder: bool, key: int = KEY) -> bytes:
    head = key.to_bytes(8, "big") + bytes(4) + bytes((int(holder), 5)) + bytes(6)
    return head + len(transport).to_bytes(4, "big") + transport


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A function that has the kernel give these (status, sense, data) in turn, and tells what was sent."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/sdb").touch()

    def ask(write, *answers):
        seen, left = [], list(answers)

        def ioctl(_fd, _number, request):
            block = bytes((ctypes.c_ubyte * request.cmd_len).from_address(request.cmdp))
            sent = b""
            if request.dxfer_direction == -2:
                sent = bytes((ctypes.c_ubyte * request.dxfer_len).from_address(request.dxferp))
            seen.append((block, sent))
            status, sense, data = left.pop(0)
            ctypes.memmove(request.dxferp, data, len(data))
            ctypes.memmove(request.sbp, sense, len(sense))
            request.resid = request.dxfer_len - len(data)
            request.status, request.sb_len_wr = status, len(sense)
            request.host_status = 0x11 if status == reservations.CONFLICT else 0

        monkeypatch.setattr(fcntl, "ioctl", ioctl)
        return parse_reply(Written(write, 0, 0.1, write.perform(Host(str(tmp_path))))), seen

    return ask


def test_the_commands(disk):
    good = (0, b"", b"")
    for order, block, keys in (
        (register("/dev/sdb", KEY), "5f060000000000001800", (0, KEY)),
        (unregister("/dev/sdb", KEY), "5f000000000000001800", (KEY, 0)),
        (reserve("/dev/sdb", KEY), "5f010500000000001800", (KEY, 0)),
        (take_over("/dev/sdb", KEY, 9), "5f040500000000001800", (KEY, 9)),
    ):
        reply, seen = disk(order, good)
        assert reply == Reply(0)
        assert seen == [(bytes.fromhex(block), keys[0].to_bytes(8, "big") + keys[1].to_bytes(8, "big") + PAD)]
    reply, seen = disk(Ask("/dev/sdb", action=1), (0, b"", body(b"")))
    assert reply.data == body(b"")
    assert seen == [(bytes.fromhex("5e010000000000200000"), b"")]


def test_a_conflict_is_an_answer_also_where_the_kernel_says_more(disk):
    assert disk(reserve("/dev/sdb", KEY), (reservations.CONFLICT, b"", b""))[0].status == reservations.CONFLICT


def test_what_a_unit_has_to_tell_first_is_no_answer(disk):
    attention = (CHECK_CONDITION, bytes.fromhex("72062a04"), b"")
    reply, seen = disk(reserve("/dev/sdb", KEY), attention, attention, (0, b"", b""))
    assert (reply.status, len(seen)) == (0, 3)
    reply, seen = disk(reserve("/dev/sdb", KEY), *[attention] * 20)
    assert (reply.status, len(seen)) == (CHECK_CONDITION, 1 + reservations.ATTENTIONS)


def test_what_is_read():
    assert parse_keys(body(KEY.to_bytes(8, "big") * 2)) == (KEY, KEY)
    assert parse_keys(b"") == ()
    held = body(KEY.to_bytes(8, "big") + bytes(5) + bytes((5, 0, 0)))
    assert parse_reservation(held) == (KEY, 5)
    assert parse_reservation(body(b"")) == (None, 0)
    assert parse_full_status(body(descriptor(FC, True) + descriptor(ISCSI, False, 3))) == (
        Registrant(KEY, "2100000000000001", holder=True),
        Registrant(3, "iqn.1993-08.org.debian:01:abc"),
    )
    assert parse_full_status(body(descriptor(FC, True))[:-4]) == (Registrant(KEY, "2100000000000001", holder=True),)


@pytest.mark.parametrize(
    ("transport", "name"),
    [
        (FC, "2100000000000001"),
        (ISCSI, "iqn.1993-08.org.debian:01:abc"),
        (bytes((6, 0, 0, 0)) + bytes.fromhex("5000c50000000001") + bytes(12), "5000c50000000001"),
        (bytes((4, *[0] * 23)), ""),
        (b"", ""),
    ],
)
def test_who_a_transport_id_names(transport, name):
    assert parse_transport(transport) == name


def told(*answers: str) -> tuple[Written, ...]:
    return tuple(Written(ask, 0, 0.1, answer) for ask, answer in zip(questions("/dev/sdb"), answers, strict=True))


def test_all_that_a_unit_says():
    keys = "00::" + body(KEY.to_bytes(8, "big")).hex()
    nobody = "00::" + body(b"").hex()
    full = "00::" + body(descriptor(FC, False)).hex()
    assert parse_reservations(told(keys, nobody, full)) == Reservations(
        (KEY,), None, 0, (Registrant(KEY, "2100000000000001"),)
    )
    assert parse_reservations(told(keys, nobody, "02:72052400:")) == Reservations((KEY,))
    with pytest.raises(UnavailableError, match="/dev/sdb does not know persistent reservations"):
        parse_reservations(told("02:72052000:", nobody, full))
    with pytest.raises(CommandError, match="read reservation through /dev/sdb: SCSI status 0x02, sense 02/04/01"):
        parse_reservations(told(keys, "02:72020401:", full))
    with pytest.raises(CommandError, match="read keys through /dev/sdb: Input/output error"):
        parse_reservations((Written(questions("/dev/sdb")[0], errno.EIO, 0.1), *told(keys, nobody, full)[1:]))


def test_keys_of_hosts():
    key = host_key("0123456789abcdef0123456789abcdef\n")
    assert is_ours(key)
    assert key != host_key("1123456789abcdef0123456789abcdef")
    assert not is_ours(0x1234)
    assert Reservations((key, 7), 8).foreign == (7, 8)
    for wrong in ("", "uninitialized", "0123456789ABCDEF0123456789abcdef"):
        with pytest.raises(ValueError, match="machine-id"):
            host_key(wrong)
