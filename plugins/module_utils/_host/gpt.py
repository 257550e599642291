# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a GPT reaches: its copy lies where the device ended when that was written, and its header names the place.

No tool prints the place for programs, and none takes a table that reaches beyond its device for one at all: sfdisk and
wipefs (util-linux 2.38) tell of the protective MBR in front of it alone.
"""

from __future__ import annotations

import struct
import zlib

from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.signatures import BLOCK, read_at

KINDS = frozenset(("gpt", "PMBR"))
"""Signatures of devices that may have one."""
MAGIC = b"EFI PART"
SECTORS = (512, 4096)
"""Bytes that a table may count in; its header is in the second sector."""

_HEADER = struct.Struct("<8s4xII4xQQ")
_CRC = slice(16, 20)


def read_end(host: Host, path: str) -> int | None:
    """Return the byte behind the copy that the header at the beginning of a device names; None without that header.

    Raises CommandError.
    """
    return parse_end(read_at(host, path, 0, 2 * BLOCK))


def parse_end(data: bytes) -> int | None:
    """Return that of the first bytes of a device; None also for a header that is not as it was written."""
    for sector in SECTORS:
        magic, length, crc, own, copy = _HEADER.unpack_from(data, sector)
        header = bytearray(data[sector : sector + length])
        if magic == MAGIC and _HEADER.size <= length <= sector and own == 1:
            header[_CRC] = bytes(4)
            if zlib.crc32(header) == crc:
                return int(copy + 1) * sector
    return None
