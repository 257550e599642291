# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a target which LUNs it has for this host: REPORT LUNS (SPC-5, 6.34), sent through one of its disks.

It may hang as any I/O does: it is a job for the children room.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._host.children import Write, Written
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.sgio import (
    CHECK_CONDITION,
    GOOD,
    command,
    describe_sense,
    parse_sense,
)

OPERATION = 0xA0
LENGTH = 65536
"""Bytes for the answer: 8191 LUNs. One that has more is asked again."""

NOT_SUPPORTED = (5, 0x25, 0)
"""Sense of a target that has no such LUN: ILLEGAL REQUEST, LOGICAL UNIT NOT SUPPORTED."""


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
    block = bytes((OPERATION, 0, 0, 0, 0, 0, *length.to_bytes(4, "big"), 0, 0))
    reply = command(fd, block, receive=length)
    if reply.status == CHECK_CONDITION:
        return "sense:" + reply.sense.hex()
    if reply.status != GOOD:
        raise OSError(errno.EIO, "the command did not get through")
    got = reply.data
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
    return Answer(problem=f"REPORT LUNS through {written.write.path}: refused with sense {describe_sense(raw)}")


def kernel_number(lun: Iterable[int]) -> int:
    """Return the kernel's number of an 8-byte LUN: its four levels, the first in the low word."""
    data = bytes(lun)
    return sum(int.from_bytes(data[at : at + 2], "big") << (8 * at) for at in range(0, 8, 2))
