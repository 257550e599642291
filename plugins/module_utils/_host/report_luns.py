# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a target which LUNs it has for this host: REPORT LUNS (SPC-5, 6.34), sent through one of its disks.

The one command of this collection that goes to a device. It may hang as any I/O does: it is a job for
the children room.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._host.children import Write, Written
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

SG_IO = 0x2285
FROM_DEVICE = -3
OPERATION = 0xA0
LENGTH = 65536
"""Bytes for the answer: 8191 LUNs. One that has more is asked again."""
MILLISECONDS = 10_000

CHECK_CONDITION = 2
NOT_SUPPORTED = (5, 0x25, 0)
"""Sense of a target that has no such LUN: ILLEGAL REQUEST, LOGICAL UNIT NOT SUPPORTED."""


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
class Question(Write):
    """REPORT LUNS through the disk at `path`; `value` says for people what it is."""

    value: str = "REPORT LUNS"

    def perform(self, host: Host) -> str:
        """Return "luns:<hex>" or "sense:<hex>". Raises OSError, EIO where the command did not get through."""
        fd = os.open(host.path(self.path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _ask(fd)
        finally:
            os.close(fd)


def _ask(fd: int, length: int = LENGTH) -> str:
    command = (ctypes.c_ubyte * 12)(OPERATION, 0, 0, 0, 0, 0, *length.to_bytes(4, "big"), 0, 0)
    answer, sense = (ctypes.c_ubyte * length)(), (ctypes.c_ubyte * 64)()
    request = _SgIo(
        interface_id=ord("S"),
        dxfer_direction=FROM_DEVICE,
        cmd_len=len(command),
        mx_sb_len=len(sense),
        dxfer_len=length,
        dxferp=ctypes.addressof(answer),
        cmdp=ctypes.addressof(command),
        sbp=ctypes.addressof(sense),
        timeout=MILLISECONDS,
    )
    fcntl.ioctl(fd, SG_IO, request)
    if request.status == CHECK_CONDITION:
        return "sense:" + bytes(sense)[: request.sb_len_wr].hex()
    if request.status or request.host_status:
        raise OSError(errno.EIO, "the command did not get through")
    got = bytes(answer)[: length - max(request.resid, 0)]
    if len(got) < 8:
        raise OSError(errno.EIO, "no list of LUNs")
    told = 8 + int.from_bytes(got[:4], "big")
    return _ask(fd, told) if told > length else "luns:" + got[8:told].hex()


@dataclass(frozen=True)
class Answer:
    """What a target said."""

    luns: frozenset[int] | None = None
    """Numbers as the kernel counts; None: it gave no list."""
    refused: bool = False
    """The LUN that was asked does not exist any more, by the target's own word."""
    problem: str = ""
    """Why nothing is known."""


def parse_answer(written: Written) -> Answer:
    """Return what came of a question."""
    kind, _colon, data = written.answer.partition(":")
    if written.errno:
        return Answer(problem=f"REPORT LUNS through {written.write.path}: {os.strerror(written.errno)}")
    raw = bytes.fromhex(data)
    if kind == "luns":
        return Answer(luns=frozenset(kernel_number(raw[at : at + 8]) for at in range(0, len(raw) - 7, 8)))
    sense = parse_sense(raw)
    if sense == NOT_SUPPORTED:
        return Answer(refused=True)
    told = "/".join(f"{part:02x}" for part in sense) if sense else "none"
    return Answer(problem=f"REPORT LUNS through {written.write.path}: refused with sense {told}")


def kernel_number(lun: Iterable[int]) -> int:
    """Return the kernel's number of an 8-byte LUN: its four levels, the first in the low word."""
    data = bytes(lun)
    return sum(int.from_bytes(data[at : at + 2], "big") << (8 * at) for at in range(0, 8, 2))


def parse_sense(data: bytes) -> tuple[int, int, int] | None:
    """Return sense key, code and qualifier of sense data in either format; None when it is too short."""
    if len(data) >= 4 and data[0] & 0x7F in (0x72, 0x73):
        return data[1] & 0x0F, data[2], data[3]
    if len(data) >= 14 and data[0] & 0x7F in (0x70, 0x71):
        return data[2] & 0x0F, data[12], data[13]
    return None
