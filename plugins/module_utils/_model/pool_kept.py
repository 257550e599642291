# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be known of a pool and libvirt's XML has no place for. It is kept in a file beside the definition."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Kept:
    """What is kept beside a definition."""

    single_host: bool = False
    """Somebody has promised that no other host uses the storage while this one does."""
    adopted: str | None = None
    """What was on the device before it became the pool's: UUID of the file system, ID of the partition table."""

    def to_dict(self) -> dict[str, Any]:
        """Return what is set."""
        return {name: value for name, value in asdict(self).items() if value}


NOTHING = Kept()


def kept_text(kept: Kept) -> str:
    """Return the content of the file."""
    return json.dumps(kept.to_dict(), indent=2) + "\n"


def parse_kept(text: str) -> Kept:
    """Return what a file says. Raises ValueError for one that somebody has spoilt."""
    told = json.loads(text)
    if not isinstance(told, dict):
        raise ValueError("not a JSON object")
    unknown = sorted(set(told) - set(asdict(NOTHING)))
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is not understood")
    single_host, adopted = told.get("single_host", False), told.get("adopted")
    if not isinstance(single_host, bool) or not isinstance(adopted, (str, type(None))):
        raise ValueError("single_host is true or false, adopted is text")
    return Kept(single_host, adopted)


def made_uuid(pool: str, identity: str) -> str:
    """Return the UUID of what is made for a pool on a device: `identity` is the device's WWID, or its name.

    It follows from the two, so that what an earlier run has made is known again, on whatever host.
    """
    digits = list(hashlib.sha256(f"virt.san pool\0{pool}\0{identity}".encode()).hexdigest()[:32])
    digits[12], digits[16] = "8", "89ab"[int(digits[16], 16) % 4]  # RFC 9562: a UUID of its maker's own kind
    text = "".join(digits)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
