# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device-mapper's control node: knows devices and their open counts, and answers the one request it is made for."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

DEV_STATUS = 0xC138FD07
"""As `strace dmsetup info` shows it on x86-64."""


def fake_dm(counts: Mapping[str, int]) -> Callable[[str], object]:
    """Return what Host takes as `control`: open counts by major:minor; other devices do not exist."""

    def ask(request: int, data: bytes) -> bytes:
        assert request == DEV_STATUS, f"{request:#x} is not expected"
        assert struct.unpack_from("=4I", data) == (4, 0, 0, len(data))
        (number,) = struct.unpack_from("=Q", data, 40)
        count = counts.get(f"{os.major(number)}:{os.minor(number)}")
        if count is None:
            raise OSError(errno.ENXIO, "No such device or address")
        return data[:24] + struct.pack("=i", count) + data[28:]

    @contextmanager
    def control(path: str) -> Iterator[Callable[[int, bytes], bytes]]:
        assert path.endswith("/dev/mapper/control")
        yield ask

    return control


def counts_of(table: str) -> dict[str, int]:
    """Return the counts in a recorded `dmsetup info -c --noheadings --separator : -o major,minor,open`."""
    rows = [line.strip().split(":") for line in table.splitlines()]
    return {f"{row[0]}:{row[1]}": int(row[2]) for row in rows if len(row) == 3}
