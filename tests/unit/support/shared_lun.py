# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A LUN that several hosts see, with the persistent reservations of SPC-4 as far as they are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult, Write, Written
from ansible_collections.virt.san.plugins.module_utils._host.reservations import (
    CHANGE,
    CONFLICT,
    PREEMPT,
    READ_FULL_STATUS,
    READ_KEYS,
    READ_RESERVATION,
    REGISTER,
    RESERVE,
    Ask,
    Order,
)

UNKNOWN_OPERATION = "02:72052000:"
EIO = 5


@dataclass
class SharedLun:
    """What the target keeps. A way is (initiator, path)."""

    registered: dict[tuple[str, str], int] = field(default_factory=dict)
    holder: tuple[str, str] | None = None
    kind: int = 0
    knows: bool = True
    tells_full_status: bool = True
    says_no: bool = False
    """Registers, and says that it did not: LIO without a folder for its records."""
    never_registers: bool = False
    dead: set[str] = field(default_factory=set)
    """Paths that do not answer."""
    commands: int = 0
    between: dict[int, Callable[[], None]] = field(default_factory=dict)
    """What another host does just before this command."""

    def for_host(self, initiator: str) -> Callable[..., dict[str, ChildResult]]:
        """Return what stands in for `children.write_all` on a host."""

        def write_all(
            _host: object, jobs: Mapping[str, Sequence[Write]], _deadline: float, _each: float = 0.0
        ) -> dict[str, ChildResult]:
            results = {}
            for name, writes in jobs.items():
                done = []
                for write in writes:
                    code, answer = self._command(initiator, write)
                    done.append(Written(write, code, 0.01, answer))
                results[name] = ChildResult(tuple(done), None, 0.01)
            return results

        return write_all

    def may_write(self, initiator: str, path: str) -> bool:
        return self.holder is None or (initiator, path) in self.registered

    def _command(self, initiator: str, write: Write) -> tuple[int, str]:
        self.commands += 1
        self.between.pop(self.commands, lambda: None)()
        if write.path in self.dead:
            return EIO, ""
        if not self.knows:
            return 0, UNKNOWN_OPERATION
        if isinstance(write, Ask):
            return 0, self._answer(write.action)
        assert isinstance(write, Order)
        return 0, self._obey((initiator, write.path), write)

    # PERSISTENT RESERVE IN

    def _answer(self, action: int) -> str:
        if action == READ_KEYS:
            body = b"".join(key.to_bytes(8, "big") for key in self.registered.values())
        elif action == READ_RESERVATION:
            body = b""
            if self.holder is not None:
                body = self.registered[self.holder].to_bytes(8, "big") + bytes(5) + bytes((self.kind, 0, 0))
        else:
            assert action == READ_FULL_STATUS
            if not self.tells_full_status:
                return UNKNOWN_OPERATION
            body = b"".join(self._descriptor(way, key) for way, key in self.registered.items())
        return "00::" + (bytes(4) + len(body).to_bytes(4, "big") + body).hex()

    def _descriptor(self, way: tuple[str, str], key: int) -> bytes:
        transport = bytes(8) + bytes.fromhex(way[0]) + bytes(8)
        holds = int(way == self.holder)
        head = key.to_bytes(8, "big") + bytes(4) + bytes((holds, self.kind if holds else 0)) + bytes(6)
        return head + len(transport).to_bytes(4, "big") + transport

    # PERSISTENT RESERVE OUT

    def _obey(self, way: tuple[str, str], order: Order) -> str:
        own = self.registered.get(way)
        conflict, good = f"{CONFLICT:02x}::", "00::"
        if order.action in (REGISTER, CHANGE):
            if order.action == CHANGE and own != order.key:
                return conflict
            if not self.never_registers:
                self._register(way, order.new_key)
            return "02:72080000:" if self.says_no or self.never_registers else good
        if own is None or own != order.key:
            return conflict
        if order.action == RESERVE:
            if self.holder not in (None, way):
                return conflict
            self.holder, self.kind = way, 5
            return good
        assert order.action == PREEMPT
        held_by_victim = self.holder is not None and self.registered[self.holder] == order.new_key
        victims = [one for one, key in self.registered.items() if key == order.new_key and one != way]
        if not victims and own != order.new_key:
            return conflict
        for victim in victims:
            del self.registered[victim]
        if held_by_victim:
            self.holder, self.kind = way, 5
        return good

    def _register(self, way: tuple[str, str], key: int) -> None:
        if key:
            self.registered[way] = key
            return
        self.registered.pop(way, None)
        if self.holder == way:
            self.holder = None
