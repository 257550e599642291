# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent reservations of a logical unit (SPC-4, 5.13), and the keys this collection uses.

The keys tell whose a reservation is: all of ours begin alike, the rest stands for one host.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

OURS = b"vsn"
"""How the keys of this collection begin; what others use is none of its business, and a reason to keep away."""
KEY_LENGTH = 8

WRITE_EXCLUSIVE_REGISTRANTS = 5
"""Type of reservation: all may read, only who is registered may write, and one of those holds it.

Not the type that all registrants hold: of that, a second host would be told that it holds it, too. Not the one
whose holder alone writes: a holder is one path, and the other paths of the same host could not write.
"""


def host_key(machine_id: str) -> int:
    """Return the key of the host with this machine-id. Raises ValueError where that is none."""
    identity = machine_id.strip()
    if len(identity) != 32 or not all(digit in "0123456789abcdef" for digit in identity):
        raise ValueError(f"{machine_id!r} is not a machine-id: 32 hex digits")
    digest = hashlib.sha256(b"virt.san reservation key\0" + identity.encode()).digest()
    return int.from_bytes(OURS + digest[: KEY_LENGTH - len(OURS)], "big")


def is_ours(key: int) -> bool:
    """Tell whether a key is of this collection, of whatever host."""
    return key.to_bytes(KEY_LENGTH, "big").startswith(OURS)


def format_key(key: int) -> str:
    """Return a key as sg_persist and other tools take it."""
    return f"0x{key:016x}"


@dataclass(frozen=True)
class Registrant:
    """Who is registered: one way from an initiator to a target port."""

    key: int
    initiator: str
    """WWPN or IQN; empty where the unit names it in another way."""
    holder: bool = False

    def __str__(self) -> str:
        return f"{format_key(self.key)} ({self.initiator or 'unknown initiator'})"


@dataclass(frozen=True)
class Reservations:
    """What a unit says of itself."""

    keys: tuple[int, ...] = ()
    """One for each way that is registered."""
    holder: int | None = None
    """Key of the reservation; None: it is not reserved."""
    kind: int = 0
    """Type of the reservation."""
    registrants: tuple[Registrant, ...] = ()
    """Empty where the unit does not tell."""

    @property
    def foreign(self) -> tuple[int, ...]:
        """Keys that somebody else uses: a cluster, a fencing agent, multipathd."""
        found = (*self.keys, *((self.holder,) if self.holder is not None else ()))
        return tuple(dict.fromkeys(key for key in found if not is_ours(key)))

    def holders(self) -> tuple[Registrant, ...]:
        return tuple(one for one in self.registrants if one.holder)

    def describe(self) -> str:
        """Return whose it is, for messages."""
        if self.holder is None:
            return "not reserved"
        who = ", ".join(dict.fromkeys(one.initiator for one in self.registrants if one.key == self.holder))
        return f"reserved with key {format_key(self.holder)} by {who or 'an initiator that the LUN does not name'}"
