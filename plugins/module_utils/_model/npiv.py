# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual HBAs as they are asked for, and the names they may have."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn, parse_wwn

DEFAULT_OUI = "001a4a"
"""The one that libvirt and oVirt make names of virtual machines with."""

SYMBOLIC_NAME_LENGTH = 63
"""Bytes the kernel keeps."""

_EXAMPLES = frozenset(("1111222233334444", "5555666677778888"))
"""Names in old examples: whoever copied them has made them up, and so have others."""

_HOST = re.compile(r"^host\d+$")
_PCI = re.compile(r"^(?:([0-9a-f]{4,}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])$")
_NAME = re.compile(r"^[\x20-\x7e]+$")


@dataclass(frozen=True)
class WantedVhba:
    """One virtual HBA as it is to be. All that a boot needs to know of it."""

    wwpn: Wwn
    wwnn: Wwn
    parent: str | None = None
    """Name of a SCSI host, WWPN, WWNN or PCI address; None: any that fits."""
    fabric: Wwn | None = None
    """WWN of the fabric; None: any."""
    symbolic_name: str | None = None
    """What it calls itself in the fabric's name server; None: as it is."""

    @property
    def names(self) -> str:
        """Return what the kernel wants to be told."""
        return f"{self.wwpn}:{self.wwnn}"


def generated_names(name: str, instance: int, oui: str) -> tuple[Wwn, Wwn]:
    """Return WWPN and WWNN that follow from a name, the number of the vHBA of that name, and an OUI alone.

    NAA 5: the OUI, and 36 bits that are the maker's to give: 35 of a hash, and one that tells port from node.
    They are the same on every host, so that a guest keeps its LUNs wherever it goes.
    """
    text = f"virt.san vHBA\n{name}\n{instance}"
    number = int(hashlib.sha256(text.encode()).hexdigest()[:9], 16) & ~1
    return Wwn(f"5{oui}{number | 1:09x}"), Wwn(f"5{oui}{number:09x}")


def parse_oui(text: str) -> str:
    """Return an OUI as 6 lower-case hex digits, or raise ValueError."""
    digits = re.sub(r"[:.-]", "", str(text).strip().lower())
    if not re.match(r"^[0-9a-f]{6}$", digits) or not digits.strip("0"):
        raise ValueError(f"{text!r} is not an OUI: 6 hex digits, as in 001a4a or 00:1a:4a")
    return digits


def parse_vhba_wwn(text: str) -> Wwn:
    """Return a WWN that a vHBA can have. Raises ValueError that says why it cannot have this one."""
    wwn = parse_wwn(text)
    why = unusable(wwn)
    if why is not None:
        raise ValueError(
            f"{text!r} cannot be the WWN of a virtual HBA: {why}. Take one that the SAN team has given you, or "
            "leave it out and give a name: then one is derived from that"
        )
    return wwn


def unusable(wwn: Wwn) -> str | None:
    """Return why a WWN cannot work in a fabric; None for one that can."""
    if wwn in _EXAMPLES:
        return "it is the made-up name of many examples, and somebody else in the fabric may have copied it too"
    if wwn in ("0" * 16, "f" * 16):
        return "it stands for no name at all"
    if wwn[0] == "1" and wwn[1:4] != "000":
        return f"names that begin with 1 (NAA 1) have zeros in bits 59 to 48, and here these are {wwn[1:4]}"
    if wwn[0] in "0467" or wwn[0] in "89ab":
        return f"there are no names of 64 bits that begin with {wwn[0]} (NAA {int(wwn[0], 16)}); 5 and 2 are usual"
    if wwn[0] in "25" and not wwn[-15:].strip("0"):
        return "it names no maker and no port"
    return None


def parse_parent(text: str) -> str:
    """Return how a parent is called: name of a SCSI host, WWN or PCI address with its domain."""
    name = str(text).strip().lower()
    pci = _PCI.match(name)
    if _HOST.match(name):
        return name
    if pci:
        return f"{pci.group(1) or '0000'}:{pci.group(2)}"
    try:
        return parse_wwn(name)
    except ValueError:
        raise ValueError(
            f"{text!r} is no HBA: give the name of its SCSI host (host3), its WWPN or WWNN (16 hex digits), or its PCI "
            "address (0000:3b:00.0)"
        ) from None


def parse_symbolic_name(text: str) -> str:
    """Return a name for the fabric's name server, or raise ValueError."""
    if not _NAME.match(text) or len(text) > SYMBOLIC_NAME_LENGTH or text != text.strip():
        raise ValueError(
            f"{text!r} is not a symbolic name: 1 to {SYMBOLIC_NAME_LENGTH} printable ASCII characters, without spaces "
            "at the ends"
        )
    return text


def symbolic_name_of(name: str) -> str | None:
    """Return the symbolic name a vHBA gets by default; None where its name cannot be one."""
    try:
        return parse_symbolic_name(name)
    except ValueError:
        return None


def parse_instance(number: int) -> int:
    """Return which of the vHBAs of one name is meant."""
    if number < 0:
        raise ValueError(f"{number} is no instance: 0 for the first vHBA of a name, 1 for the second, and so on")
    return number


def parse_vhba_name(text: str) -> str:
    """Return the name that WWNs are derived from."""
    name = str(text).strip()
    if not name:
        raise ValueError("an empty name derives nothing: give that of the guest")
    return name
