# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""qcow2 images by QEMU's own tool, asked once for each change. Headers are read without it (`images.py`)."""

from __future__ import annotations

import json

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

TOOL = "qemu-img"


def create(host: Host, path: str, capacity: int, full: bool, backing: tuple[str, str] | None, deadline: float) -> None:
    """Make an image of `capacity` bytes at a path where nothing is. `backing`: path and format.

    Raises UnavailableError where QEMU's tools are not installed, CommandError.
    """
    options = ["-o", "preallocation=falloc"] if full else []
    below = ["-b", backing[0], "-F", backing[1]] if backing else []
    host.run([TOOL, "create", "-q", "-f", "qcow2", *options, *below, path, str(capacity)], deadline)


def convert(host: Host, source: tuple[str, str], target: tuple[str, str], full: bool, deadline: float) -> None:
    """Copy an image into a new file; both are path and format. Raises UnavailableError, CommandError."""
    options = ["-o", "preallocation=falloc"] if full else []
    host.run([TOOL, "convert", "-q", "-f", source[1], "-O", target[1], *options, source[0], target[0]], deadline)


def convert_to_device(host: Host, source: tuple[str, str], device: str, blank: bool, deadline: float) -> None:
    """Copy an image to the beginning of a device, zeros as well unless it is `blank`: unless it reads as zeros now.

    Raises UnavailableError, CommandError.
    """
    skips = ["--target-is-zero"] if blank else []
    host.run([TOOL, "convert", "-q", "-n", *skips, "-f", source[1], "-O", "raw", source[0], device], deadline)


def resize(host: Host, path: str, capacity: int, shrink: bool, full: bool, deadline: float) -> None:
    """Give an image another capacity; one that is open is refused by QEMU's own locks. Raises CommandError."""
    how = ["--shrink"] if shrink else ["--preallocation=falloc"] if full else []
    host.run([TOOL, "resize", "-q", "-f", "qcow2", *how, path, str(capacity)], deadline)


def last_data(host: Host, path: str, deadline: float) -> int:
    """Return the byte after the last one with data, be it the image's own or its backing's. Raises CommandError.

    What is cut off of an image hides what is below it as well: it reads as zeros when it grows again.
    """
    return parse_map(host.run([TOOL, "map", "--output=json", "-f", "qcow2", path], deadline).stdout)


def parse_map(text: str) -> int:
    """Return the end of the last part with data, at any depth. Raises CommandError."""
    try:
        parts = [part for part in json.loads(text) if part["data"] and not part.get("zero")]
        return max((int(part["start"]) + int(part["length"]) for part in parts), default=0)
    except (ValueError, KeyError, TypeError) as wrong:
        raise CommandError(f"qemu-img map makes no sense: {wrong!r}", command=f"{TOOL} map") from wrong
