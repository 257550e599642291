# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCSI commands sent to a device, by the ioctl SG_IO. They may hang as any I/O does: a job for the children room."""

from __future__ import annotations

import ctypes
import errno
import fcntl
from dataclasses import dataclass

SG_IO = 0x2285
NO_DATA, TO_DEVICE, FROM_DEVICE = -1, -2, -3
MILLISECONDS = 10_000
"""What the kernel gives a command before it aborts it."""
SENSE = 64
"""Bytes for sense data."""

GOOD = 0x00
CHECK_CONDITION = 0x02

UNIT_ATTENTION = 6
"""Sense key: something happened to the unit since, and this command was not done because of it."""


class _SgIo(ctypes.Structure):
    """sg_io_hdr of <scsi/sg.h>."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("dxfer_direction", ctypes.c_int),
        ("cmd_len", ctypes.c_ubyte),
        ("mx_sb_len", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("dxfer_len", ctypes.c_uint),
        ("dxferp", ctypes.c_void_p),
        ("cmdp", ctypes.c_void_p),
        ("sbp", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("usr_ptr", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte),
        ("sb_len_wr", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("resid", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


@dataclass(frozen=True)
class Reply:
    """What a unit answered."""

    status: int
    """SCSI status: GOOD, CHECK_CONDITION, ..."""
    sense: bytes = b""
    data: bytes = b""


def command(fd: int, block: bytes, *, send: bytes = b"", receive: int = 0) -> Reply:
    """Send a command descriptor block, with data to send or room for an answer, and return what the unit says.

    Raises OSError, EIO where the command did not get through.
    """
    length = len(send) or receive
    words, sense = (ctypes.c_ubyte * len(block))(*block), (ctypes.c_ubyte * SENSE)()
    data = (ctypes.c_ubyte * length)(*send)
    request = _SgIo(
        interface_id=ord("S"),
        dxfer_direction=TO_DEVICE if send else FROM_DEVICE if receive else NO_DATA,
        cmd_len=len(block),
        mx_sb_len=SENSE,
        dxfer_len=length,
        dxferp=ctypes.addressof(data) if length else None,
        cmdp=ctypes.addressof(words),
        sbp=ctypes.addressof(sense),
        timeout=MILLISECONDS,
    )
    fcntl.ioctl(fd, SG_IO, request)
    if request.host_status and request.status == GOOD:
        # With a status the unit itself has answered; up to Linux 5.x a conflict of reservations has both.
        raise OSError(errno.EIO, "the command did not get through")
    got = bytes(data)[: length - max(request.resid, 0)] if receive else b""
    return Reply(request.status, bytes(sense)[: request.sb_len_wr], got)


def parse_sense(data: bytes) -> tuple[int, int, int] | None:
    """Return sense key, code and qualifier of sense data in either format; None when it is too short."""
    if len(data) >= 4 and data[0] & 0x7F in (0x72, 0x73):
        return data[1] & 0x0F, data[2], data[3]
    if len(data) >= 14 and data[0] & 0x7F in (0x70, 0x71):
        return data[2] & 0x0F, data[12], data[13]
    return None


def describe_sense(data: bytes) -> str:
    """Return sense data for messages: "05/20/00"."""
    sense = parse_sense(data)
    return "/".join(f"{part:02x}" for part in sense) if sense else "none"
