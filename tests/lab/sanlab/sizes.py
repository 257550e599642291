"""Sizes as people write them."""

from __future__ import annotations

import re

from .errors import LabError

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_size(text: str) -> int:
    """Bytes of "10G", "512MiB", "4096"; units are powers of 1024."""
    match = re.fullmatch(r"(\d+)\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    if not match:
        raise LabError(f"{text!r} is not a size; write it as 4096, 512M or 10G")
    return int(match[1]) * _UNITS[match[2]]


def show_size(size: int) -> str:
    """The shortest exact form."""
    for unit in ("t", "g", "m", "k"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit.upper()}"
    return str(size)
