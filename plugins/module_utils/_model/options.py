# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people write into options, in the model's terms. Pure; ValueError says what would be right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.ids import (
    Wwid,
    is_wwn,
    kernel_luns,
    parse_iqn,
    parse_size,
    parse_wwid,
    parse_wwn,
)

_HOST = re.compile(r"^host\d+$")
_NUMBER = re.compile(r"^\d{1,5}$")
LONGEST_WAIT = 86400.0
"""Seconds; beyond a day a task has lost its user."""


def parse_port(text: str) -> str:
    """Return a target's WWPN or iSCSI name."""
    if is_wwn(text):
        return parse_wwn(text)
    try:
        return parse_iqn(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a WWPN (16 hex digits, as in 50:01:40:5a:00:00:00:01) nor an iSCSI name "
            "(iqn.YYYY-MM.reversed.domain:name)"
        ) from None


def parse_hba(text: str) -> str:
    """Return an HBA's host name, WWPN or initiator name."""
    name = str(text).strip()
    if _HOST.match(name):
        return name
    try:
        return parse_port(name)
    except ValueError:
        raise ValueError(
            f"{text!r} is no HBA: give the name of its SCSI host (host3), its WWPN (16 hex digits, as in "
            "21:00:00:1b:32:a1:b2:c3), or the initiator's iSCSI name"
        ) from None


def parse_lun(number: Any) -> int:
    """Return a LUN number that can exist, in the array's counting or the kernel's."""
    if not _NUMBER.match(str(number)):
        raise ValueError(f"{number!r} is not a LUN number: 0 to 16383, or the kernel's flat form 16384 to 32767")
    kernel_luns(int(number))
    return int(number)


def parse_sizes(sizes: Mapping[Any, Any]) -> tuple[dict[int, int], dict[Wwid, int]]:
    """Return sizes in bytes by LUN number, and by WWID."""
    by_lun: dict[int, int] = {}
    by_wwid: dict[Wwid, int] = {}
    for key, value in sizes.items():
        if _NUMBER.match(str(key)):
            by_lun[parse_lun(key)] = parse_wanted_size(value)
        else:
            by_wwid[parse_wwid(str(key))] = parse_wanted_size(value)
    return by_lun, by_wwid


def parse_wanted_size(value: Any) -> int:
    """Return the bytes a LUN is to have."""
    size = parse_size(value)
    if size == 0:
        raise ValueError("a size of 0 is none: give the size the LUN must have, as in 10G")
    return size


def parse_seconds(value: float) -> float:
    """Return a time to wait in seconds."""
    if not 0 <= value <= LONGEST_WAIT:
        raise ValueError(f"{value:g} is not a time to wait: 0 to {LONGEST_WAIT:.0f} seconds")
    return value


def parse_deadline(value: float) -> float:
    """Return a time within which something must be done, in seconds."""
    if parse_seconds(value) == 0:
        raise ValueError("0 seconds leave no time for it")
    return value


def parse_count(value: int) -> int:
    """Return a number of things that may be expected."""
    if value < 0:
        raise ValueError(f"{value} cannot be counted: give 0 or more")
    return value


def parse_path_count(count: int) -> int:
    """Return a number of paths to expect of a multipath device."""
    if count < 1:
        raise ValueError(f"{count} is not a number of paths to expect: at least 1")
    return count
