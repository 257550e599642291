# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identifiers and quantities: WWNs, WWIDs, SCSI addresses, LUN numbers, sizes.

Inside the core an identifier is a string in one canonical spelling, so that equality is `==`.
The parsers accept what people paste from switches, arrays and other tools.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NewType

Wwn = NewType("Wwn", str)
"""World wide name of a port or node: 16 lower-case hex digits."""

Wwid = NewType("Wwid", str)
"""Identity of a logical unit as udev spells it in ID_SERIAL: type digit + designator."""

_HEX = re.compile(r"^[0-9a-f]+$")
_WWN_IN_WWID_LENGTHS = {"1": 16, "2": 16, "3": 16, "5": 16, "6": 32}
_EUI_LENGTHS = (16, 24, 32)
_SUFFIXES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50, "E": 2**60}
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMGTPE]?)(?:i?B)?\s*$", re.IGNORECASE)
_IQN = re.compile(r"^(iqn\.\d{4}-\d{2}\.[^\s:]+(:\S+)?|eui\.[0-9A-Fa-f]{16}|naa\.[0-9A-Fa-f]{16,32})$")


def parse_wwn(text: str) -> Wwn:
    """Return the WWN in `text`, spelled with or without `0x`, colons, dashes or `naa.`.

    Raises ValueError when it is not 8 bytes of hex.
    """
    digits = str(text).strip().lower()
    for prefix in ("0x", "naa.", "nn-", "pn-"):
        if digits.startswith(prefix):
            digits = digits[len(prefix) :]
    digits = digits.replace(":", "").replace("-", "")
    if len(digits) != 16 or not _HEX.match(digits):
        raise ValueError(
            f"{text!r} is not a WWN: 16 hex digits are needed, as in 2100001b32a1b2c3 or 21:00:00:1b:32:a1:b2:c3"
        )
    return Wwn(digits)


def is_wwn(text: str) -> bool:
    """Tell whether `text` can be read as a WWN."""
    try:
        parse_wwn(text)
    except ValueError:
        return False
    return True


def kernel_wwn(text: str | None) -> Wwn | None:
    """Return the WWN in a sysfs attribute, or None where the kernel has none.

    The kernel prints 0x%llx (leading zeros lost) and all ones for "unset".
    """
    if not text:
        return None
    digits = text.strip().lower()
    if digits.startswith("0x"):
        digits = digits[2:]
    if not digits or not _HEX.match(digits) or len(digits) > 16:
        return None
    digits = digits.rjust(16, "0")
    return None if digits in ("f" * 16, "0" * 16) else Wwn(digits)


def parse_wwid(text: str) -> Wwid:
    """Return the WWID in `text` in udev's form.

    Accepted: udev's form (`3600...`, `2...`, `1ATA...`, `8iqn...`, `S...`), the kernel's and the
    arrays' (`naa.600...`, `eui.0025...`), bare NAA digits with or without `0x`, any case.
    Raises ValueError for anything else, and for an identity that is all zeros.
    """
    raw = str(text).strip()
    low = raw.lower()
    if low.startswith("mpath-"):
        raw, low = raw[6:], low[6:]
    if low.startswith("eui."):
        return _checked(raw, "2", low[4:], _EUI_LENGTHS)
    bare = low[4:] if low.startswith("naa.") else low[2:] if low.startswith("0x") else low
    if _is_naa(bare):
        return _checked(raw, "3", bare, (16, 32))
    if bare != low:
        raise ValueError(_wwid_help(raw))
    if low[:1] == "3" and _is_naa(low[1:]):
        return _checked(raw, "3", low[1:], (16, 32))
    if low[:1] == "2" and len(low) - 1 in _EUI_LENGTHS and _HEX.match(low):
        return _checked(raw, "2", low[1:], _EUI_LENGTHS)
    if raw[:1] in ("1", "8", "0", "S") and len(raw) > 4 and raw[1:].strip("0"):
        return Wwid(raw)
    raise ValueError(_wwid_help(raw))


def _is_naa(digits: str) -> bool:
    return bool(_HEX.match(digits)) and _WWN_IN_WWID_LENGTHS.get(digits[:1]) == len(digits)


def _checked(raw: str, prefix: str, digits: str, lengths: tuple[int, ...]) -> Wwid:
    if len(digits) not in lengths or not _HEX.match(digits) or not digits.strip("0"):
        raise ValueError(_wwid_help(raw))
    return Wwid(prefix + digits)


def _wwid_help(raw: str) -> str:
    return (
        f"{raw!r} is not a WWID: give it as multipath or udev show it (36001405...), as naa.6001405..., "
        "eui.0025385..., or as the bare 16 or 32 hex digits of the NAA name"
    )


def parse_iqn(text: str) -> str:
    """Return an iSCSI name in the canonical lower case, or raise ValueError."""
    name = str(text).strip().lower()
    if not _IQN.match(name):
        raise ValueError(f"{text!r} is not an iSCSI name: iqn.YYYY-MM.reversed.domain:name, eui.<16 hex> or naa.<hex>")
    return name


class Hctl(NamedTuple):
    """SCSI address: host, channel, target, LUN as the kernel counts them."""

    host: int
    channel: int
    target: int
    lun: int

    def __str__(self) -> str:
        return f"{self.host}:{self.channel}:{self.target}:{self.lun}"


def parse_hctl(text: str) -> Hctl | None:
    """Return the address in `3:0:1:27`, or None when `text` is not one."""
    parts = text.split(":")
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        return None
    return Hctl(int(parts[0]), int(parts[1]), int(parts[2]), int(parts[3]))


MAX_FLAT_LUN = 0x3FFF


def decode_lun(kernel_lun: int) -> int:
    """Return the LUN number an array administrator knows for the kernel's number.

    The kernel keeps the 8-byte LUN as four 16-bit words, the first level in the low word. The two
    top bits of a level are its addressing method (SAM-5, 4.7): 0 peripheral, 1 flat space. A flat
    LUN n is thus 0x4000 + n in the kernel. Extended flat addressing with 3 bytes (0xd2) occurs on large arrays.
    """
    word = kernel_lun & 0xFFFF
    if word >> 8 == 0xD2:
        return (word & 0xFF) << 16 | (kernel_lun >> 16) & 0xFFFF
    if word >> 14 in (0, 1):
        return word & MAX_FLAT_LUN
    return kernel_lun


def kernel_luns(number: int) -> tuple[int, ...]:
    """Return the kernel numbers a LUN number of the array can have, likeliest first.

    Below 256 arrays use peripheral addressing, some of them flat; from 256 on flat. LIO reports
    plain numbers at any value. A number that already is a flat one (>= 0x4000) is itself.
    Raises ValueError outside 0..16383 (or its flat form).
    """
    if number < 0 or number > 0x4000 + MAX_FLAT_LUN:
        raise ValueError(
            f"LUN number {number} is out of range: 0 to {MAX_FLAT_LUN}, "
            f"or the kernel's flat form 16384 to {0x4000 + MAX_FLAT_LUN}"
        )
    if number > MAX_FLAT_LUN:
        return (number,)
    return (number, 0x4000 + number) if number < 256 else (0x4000 + number, number)


def same_lun(requested: int, kernel_lun: int) -> bool:
    """Tell whether a requested number, in either counting, means the kernel's LUN."""
    return requested in (kernel_lun, decode_lun(kernel_lun))


def parse_size(value: str | int) -> int:
    """Return bytes for `10G`, `512MiB`, `1.5T` or a plain number of bytes. Suffixes are 1024-based.

    Raises ValueError for anything else and for sizes that are not a whole number of bytes.
    """
    match = _SIZE.match(str(value))
    if not match:
        raise ValueError(
            f"{value!r} is not a size: a number with K, M, G, T or P (1024-based), as in 10G or 512MiB, or plain bytes"
        )
    whole, unit = match.group(1), _SUFFIXES[match.group(2).upper()]
    number = int(whole) * unit if whole.isdigit() else float(whole) * unit
    if int(number) != number:
        raise ValueError(f"{value!r} is not a whole number of bytes")
    return int(number)


def format_size(size: int) -> str:
    """Return the shortest exact or two-digit spelling of a size in bytes, 1024-based: 10G, 1.50T, 512."""
    for suffix in ("E", "P", "T", "G", "M", "K"):
        unit = _SUFFIXES[suffix]
        if size >= unit:
            return f"{size // unit}{suffix}" if size % unit == 0 else f"{size / unit:.2f}{suffix}"
    return str(size)
