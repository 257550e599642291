# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a logical unit says of itself: INQUIRY data and VPD pages 80 and 83, as the kernel keeps them.

Pure: takes bytes, asks no device. Names of the standard: SPC-5, 6.7 (INQUIRY) and 7.7 (VPD pages).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._model.block import Designator
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid

_KINDS = {0: "vendor", 1: "t10", 2: "eui", 3: "naa", 8: "name", 10: "uuid"}
_UNIT = 0
"""Association: 0 logical unit, 1 target port, 2 target device. Only the first identifies a LUN."""
_ASCII, _UTF8 = 2, 3

_BLANKS = re.compile(r"\s+")


class Inquiry(NamedTuple):
    """Standard INQUIRY data."""

    qualifier: int
    """Peripheral qualifier: 0 a device is there, 1 none now, 3 never."""
    kind: int
    """Peripheral device type: 0 disk, 12 array controller, 31 none."""
    vendor: str
    product: str
    revision: str


def parse_inquiry(data: bytes | None) -> Inquiry | None:
    """Return the fields of standard INQUIRY data; None when it is too short to hold them."""
    if data is None or len(data) < 36:
        return None
    return Inquiry(data[0] >> 5, data[0] & 0x1F, _text(data[8:16]), _text(data[16:32]), _text(data[32:36]))


def parse_serial(data: bytes | None) -> str | None:
    """Return the unit serial number in VPD page 80; None when there is none."""
    body = _body(data, 0x80)
    return _text(body) or None


@lru_cache(maxsize=1024)  # all paths of a unit have the same page
def parse_designators(data: bytes | None) -> tuple[Designator, ...]:
    """Return the designators of the logical unit in VPD page 83, in the device's order."""
    body = _body(data, 0x83)
    return tuple(_designators(body)) if body else ()


def spellings(designators: Sequence[Designator]) -> frozenset[str]:
    """Return every WWID, in udev's form, that these designators may be known by."""
    return frozenset(designator.wwid for designator in designators if designator.wwid)


def udev_wwid(designators: Sequence[Designator], serial: str | None, inquiry: Inquiry | None) -> Wwid | None:
    """Return the WWID that udev's scsi_id would choose; None without any identity.

    It takes the best designator (NAA 6, NAA 5, other NAA, EUI, T10, vendor specific), else the serial number.
    """
    best = min(designators, key=_rank, default=None)
    maker = f"{inquiry.vendor:8}{inquiry.product:16}" if inquiry else ""
    if best is not None and _rank(best) < _USELESS:
        if best.kind == "vendor":
            return Wwid(udev_text(f"0{maker}{best.value}"))
        return best.wwid
    return Wwid(udev_text(f"S{maker}{serial}")) if serial else None


def udev_text(text: str) -> str:
    """Return `text` as udev spells values: no blanks at the ends, `_` for those between."""
    return _BLANKS.sub("_", text.strip())


def identifies(wwid: str | None) -> bool:
    """Tell whether a WWID tells units apart: not empty, and not all zeros."""
    return bool(wwid) and bool(str(wwid)[1:].strip("0 _"))


def contradiction(wwid: str | None, designators: Sequence[Designator]) -> Wwid | None:
    """Return the WWID a unit has by its designators when `wwid` is none of theirs; None when they agree.

    Judged for NAA and EUI alone: other kinds udev may spell in ways of its own.
    """
    if wwid is None or wwid[:1] not in ("2", "3"):
        return None
    strong = [designator for designator in designators if designator.kind in ("naa", "eui")]
    known = spellings(strong)
    return udev_wwid(strong, None, None) if known and wwid not in known else None


_USELESS = 6


def _rank(designator: Designator) -> int:
    if designator.kind == "naa":
        return {"6": 0, "5": 1}.get(designator.value[:1], 2)
    return {"eui": 3, "t10": 4, "vendor": 5}.get(designator.kind, _USELESS)


def _body(data: bytes | None, page: int) -> bytes:
    if data is None or len(data) < 4 or data[1] != page:
        return b""
    return data[4 : 4 + int.from_bytes(data[2:4], "big")]


def _designators(body: bytes) -> Iterator[Designator]:
    at = 0
    while at + 4 <= len(body):
        code_set, association, kind = body[at] & 0x0F, (body[at + 1] >> 4) & 3, _KINDS.get(body[at + 1] & 0x0F)
        raw = body[at + 4 : at + 4 + body[at + 3]]
        at += 4 + body[at + 3]
        if association == _UNIT and kind is not None and raw:
            yield Designator(kind, _value(kind, code_set, raw))


def _value(kind: str, code_set: int, raw: bytes) -> str:
    if kind == "uuid" and len(raw) == 18:
        return raw[2:].hex()
    return _text(raw) if code_set in (_ASCII, _UTF8) else raw.hex()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip(" \0\t\n")
