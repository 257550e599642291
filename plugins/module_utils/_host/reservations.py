# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent reservations, asked for and taken through the paths of a logical unit.

Commands go to each path by itself, not as the kernel's ioctls (linux/pr.h) to the map: those fail as a whole where one
path of the map is dead, never say who holds a reservation, and want it kept through a loss of power, which a target of
Linux can only do where somebody has made a folder for it.

An answer of a unit is no proof: targets exist that say no and register nevertheless. What counts is what is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.children import Write, Written
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.sgio import (
    CHECK_CONDITION,
    GOOD,
    UNIT_ATTENTION,
    Reply,
    command,
    describe_sense,
    parse_sense,
)
from ansible_collections.virt.san.plugins.module_utils._model.reservation import (
    WRITE_EXCLUSIVE_REGISTRANTS,
    Registrant,
    Reservations,
)

RESERVE_IN, RESERVE_OUT = 0x5E, 0x5F
READ_KEYS, READ_RESERVATION, READ_FULL_STATUS = 0, 1, 3
CHANGE, RESERVE, PREEMPT, REGISTER = 0, 1, 4, 6
"""Service actions: CHANGE is the register that has to know the key there was, REGISTER the one that does not."""

CONFLICT = 0x18
"""SCSI status: somebody else's reservation is in the way."""
ATTENTIONS = 8
"""How many things that happened to a unit it may tell of before it does what it is told."""
ANSWER = 8192
NOT_SUPPORTED = ((5, 0x20, 0), (5, 0x24, 0))
"""Sense: ILLEGAL REQUEST; the operation, or a part of it, is not known."""


@dataclass(frozen=True)
class Ask(Write):
    """PERSISTENT RESERVE IN through the disk at `path`; `value` says for people what is asked."""

    value: str = "PERSISTENT RESERVE IN"
    action: int = READ_KEYS

    def perform(self, host: Host) -> str:
        """Return the reply as text. Raises OSError where the command did not get through."""
        block = bytes((RESERVE_IN, self.action, 0, 0, 0, 0, 0, *ANSWER.to_bytes(2, "big"), 0))
        return _through(host, self.path, block)


@dataclass(frozen=True)
class Order(Write):
    """PERSISTENT RESERVE OUT through the disk at `path`."""

    value: str = "PERSISTENT RESERVE OUT"
    action: int = REGISTER
    key: int = 0
    """The one that this way is registered with."""
    new_key: int = 0
    """REGISTER, CHANGE: the one to register; 0: none any more. PREEMPT: the one to drive out."""

    def perform(self, host: Host) -> str:
        """Return the reply as text. Raises OSError where the command did not get through."""
        kind = 0 if self.action in (REGISTER, CHANGE) else WRITE_EXCLUSIVE_REGISTRANTS
        told = self.key.to_bytes(8, "big") + self.new_key.to_bytes(8, "big") + bytes(8)
        block = bytes((RESERVE_OUT, self.action, kind, 0, 0, *len(told).to_bytes(4, "big"), 0))
        return _through(host, self.path, block, told)


def register(path: str, key: int) -> Order:
    return Order(path, "PERSISTENT RESERVE OUT, register", REGISTER, new_key=key)


def unregister(path: str, key: int) -> Order:
    """Return what takes this way's registration with our key back, and with it the reservation it holds."""
    return Order(path, "PERSISTENT RESERVE OUT, unregister", CHANGE, key=key)


def reserve(path: str, key: int) -> Order:
    return Order(path, "PERSISTENT RESERVE OUT, reserve", RESERVE, key=key)


def take_over(path: str, key: int, from_key: int) -> Order:
    """Return what drops all other ways registered with `from_key`; this way becomes the holder if one of them was."""
    return Order(path, "PERSISTENT RESERVE OUT, preempt", PREEMPT, key=key, new_key=from_key)


def questions(path: str) -> tuple[Ask, ...]:
    """Return what has to be asked to know all."""
    return (
        Ask(path, "PERSISTENT RESERVE IN, read keys", READ_KEYS),
        Ask(path, "PERSISTENT RESERVE IN, read reservation", READ_RESERVATION),
        Ask(path, "PERSISTENT RESERVE IN, read full status", READ_FULL_STATUS),
    )


def _through(host: Host, path: str, block: bytes, send: bytes = b"") -> str:
    fd = os.open(host.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        reply = command(fd, block, send=send, receive=0 if send else ANSWER)
        for _again in range(ATTENTIONS):
            if not _is_attention(reply):
                break
            reply = command(fd, block, send=send, receive=0 if send else ANSWER)
    finally:
        os.close(fd)
    return f"{reply.status:02x}:{reply.sense.hex()}:{reply.data.hex()}"


def _is_attention(reply: Reply) -> bool:
    return reply.status == CHECK_CONDITION and (parse_sense(reply.sense) or (0,))[0] == UNIT_ATTENTION


# Answers


def parse_reply(written: Written) -> Reply:
    """Return the reply behind what a child reported. Raises CommandError where the command did not get through."""
    if written.errno:
        raise CommandError(
            f"{written.write.value} through {written.write.path}: {os.strerror(written.errno)}", errno=written.errno
        )
    status, sense, data = written.answer.split(":")
    return Reply(int(status, 16), bytes.fromhex(sense), bytes.fromhex(data))


def parse_reservations(answers: tuple[Written, ...]) -> Reservations:
    """Return what the answers to `questions` say.

    Raises UnavailableError where the unit does not know reservations, CommandError where it does not answer.
    """
    keys, reservation, full = (parse_reply(answer) for answer in answers)
    for reply, answer in ((keys, answers[0]), (reservation, answers[1])):
        _require_good(reply, answer.write)
    holder, kind = parse_reservation(reservation.data)
    told = parse_full_status(full.data) if full.status == GOOD else ()
    return Reservations(parse_keys(keys.data), holder, kind, told)


def _require_good(reply: Reply, write: Write) -> None:
    if reply.status == GOOD:
        return
    if reply.status == CHECK_CONDITION and parse_sense(reply.sense) in NOT_SUPPORTED:
        raise UnavailableError(f"{write.path} does not know persistent reservations", path=write.path)
    told = describe_sense(reply.sense)
    raise CommandError(f"{write.value} through {write.path}: SCSI status 0x{reply.status:02x}, sense {told}")


def describe_reply(reply: Reply) -> str:
    """Return a reply for messages; "" when all is well."""
    if reply.status == GOOD:
        return ""
    if reply.status == CONFLICT:
        return "conflict with a reservation"
    return f"SCSI status 0x{reply.status:02x}, sense {describe_sense(reply.sense)}"


def parse_keys(data: bytes) -> tuple[int, ...]:
    """Return the registered keys, one for each way."""
    body = _body(data)
    return tuple(int.from_bytes(body[at : at + 8], "big") for at in range(0, len(body) - 7, 8))


def parse_reservation(data: bytes) -> tuple[int | None, int]:
    """Return key and type of the reservation; None where there is none."""
    body = _body(data)
    if len(body) < 14:
        return None, 0
    return int.from_bytes(body[:8], "big"), body[13] & 0x0F


def parse_full_status(data: bytes) -> tuple[Registrant, ...]:
    """Return who is registered."""
    return tuple(_descriptors(_body(data)))


def _descriptors(body: bytes) -> Iterator[Registrant]:
    at = 0
    while at + 24 <= len(body):
        length = int.from_bytes(body[at + 20 : at + 24], "big")
        transport = body[at + 24 : at + 24 + length]
        yield Registrant(int.from_bytes(body[at : at + 8], "big"), parse_transport(transport), bool(body[at + 12] & 1))
        at += 24 + length


def parse_transport(data: bytes) -> str:
    """Return the initiator in a TransportID (SPC-4, 7.6.4): WWPN or IQN; "" for kinds without such a name."""
    kind = data[0] & 0x0F if data else None
    if kind == 0 and len(data) >= 16:
        return data[8:16].hex()
    if kind == 5:
        name = data[4 : 4 + int.from_bytes(data[2:4], "big")].split(b"\0")[0].decode("utf-8", "replace")
        return name.partition(",i,0x")[0].lower()
    if kind == 6 and len(data) >= 12:
        return data[4:12].hex()
    return ""


def _body(data: bytes) -> bytes:
    """Return what follows the header, as long as the header says."""
    return data[8 : 8 + int.from_bytes(data[4:8], "big")] if len(data) >= 8 else b""
