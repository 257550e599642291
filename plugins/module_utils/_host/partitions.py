# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partition tables, by sfdisk(8)."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.mounting import FOR_EVER
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Partition, Table

DEADLINE = 60.0
"""Seconds to read a table."""

WHERE = "fdisk on Debian, util-linux elsewhere; role virt.san.host does"

_UNKNOWN = "unrecognized option"

_NUMBER = re.compile(r"^.*?(\d+)$")


def read_table(host: Host, path: str) -> Table:
    """Return the partition table of a device that has one. Raises CommandError, UnavailableError without sfdisk."""
    return parse_table(_run(host, ["sfdisk", "--json", path], path, "reading the partition table of", DEADLINE), path)


def make_table(host: Host, path: str, kind: str, identity: str, deadline: float) -> None:
    """Write a table without partitions. The kernel has nothing to learn from it, and is not told.

    Raises CommandError, also at the deadline (seconds), UnavailableError without sfdisk.
    """
    argv = ["sfdisk", "--quiet", "--wipe", "never", "--no-reread", "--no-tell-kernel", path]
    _run(host, argv, path, f"making a {kind} partition table on", deadline, f"label: {kind}\nlabel-id: {identity}\n")


QUIETLY = ("--quiet", "--wipe", "never", "--no-reread", "--no-tell-kernel")
"""Nothing else is touched, a disk may be in use, and what the kernel is to know is told to it in another way."""


def add_partition(host: Host, path: str, part: Partition, sector: int, deadline: float) -> None:
    """Add a partition with this number, at this place, to a table that counts in sectors of so many bytes.

    Signatures of what was there before are wiped. Raises CommandError, also where that is not free.
    """
    words = [f"start={part.start // sector}", f"size={part.size // sector}", f"type={part.type}"]
    words += [f'name="{part.name}"'] if part.name else []
    argv = ["sfdisk", *QUIETLY, "--wipe-partitions", "always", "--append", path]
    _run(host, argv, path, "adding a partition to", deadline, f"part{part.number} : {', '.join(words)}\n")


def resize_partition(host: Host, path: str, part: Partition, size: int, sector: int, deadline: float) -> None:
    """Have a partition end elsewhere. Raises CommandError, also where that is not free."""
    argv = ["sfdisk", *QUIETLY, "-N", str(part.number), path]
    script = f"start={part.start // sector}, size={size // sector}\n"
    _run(host, argv, path, "resizing a partition of", deadline, script)


def set_type(host: Host, path: str, number: int, kind: str, deadline: float) -> None:
    """Say what a partition is for. Raises CommandError."""
    argv = ["sfdisk", *QUIETLY, "--part-type", path, str(number), kind]
    _run(host, argv, path, "changing the type of a partition of", deadline)


def grow_table(host: Host, path: str, deadline: float) -> None:
    """Have a gpt reach to the end of its device, which has grown: its copy goes there, and no partition is touched.

    The copy is written first, and the header that names it after that: killed in between, the table ends where it did.
    Raises CommandError, UnavailableError where sfdisk is missing or too old.
    """
    # Any other change of a table does so on its way, too (util-linux 2.32).
    argv = ["sfdisk", *QUIETLY, "--relocate", "gpt-bak-std", path]
    try:
        _run(host, argv, path, "growing the partition table on", deadline)
    except CommandError as error:
        if _UNKNOWN not in error.details.get("stderr", ""):
            raise
        raise UnavailableError(
            f"growing the partition table on {path} needs sfdisk of util-linux 2.36 or later. Have another host that "
            "sees the device do it",
            path=path,
        ) from error


def delete_partition(host: Host, path: str, number: int, deadline: float) -> None:
    """Take a partition out of its table. Raises CommandError."""
    argv = ["sfdisk", *QUIETLY, "--delete", path, str(number)]
    _run(host, argv, path, "deleting a partition of", deadline)


def _run(host: Host, argv: list[str], path: str, what: str, deadline: float, stdin: str | None = None) -> str:
    try:
        return str(guarded(host, path, what, lambda there: there.run(argv, FOR_EVER, stdin).stdout, deadline))
    except UnavailableError as missing:
        raise UnavailableError(f"{what} {path} needs sfdisk: install it ({WHERE})") from missing


def parse_table(text: str, path: str) -> Table:
    """Return what sfdisk prints as JSON. Raises CommandError where that makes no sense."""
    try:
        told: dict[str, Any] = json.loads(text)["partitiontable"]
        if told["unit"] != "sectors":
            raise ValueError(told["unit"])
        sector = int(told.get("sectorsize", 512))
        limited = "lastlba" in told and "firstlba" in told
        usable = (int(told["lastlba"]) - int(told["firstlba"]) + 1) * sector if limited else None
        return Table(
            told["label"],
            str(told.get("id", "")).lower(),
            usable,
            tuple(_partition(one, str(told.get("device", path)), sector) for one in told.get("partitions", ())),
            first=int(told["firstlba"]) * sector if limited else None,
            sector=sector,
        )
    except (ValueError, KeyError, TypeError) as wrong:
        raise CommandError(f"sfdisk --json on {path} makes no sense: {wrong!r}", path=path) from wrong


def _partition(one: dict[str, Any], device: str, sector: int) -> Partition:
    node = str(one["node"])
    # Behind the name of its disk, which may end in a digit itself: lun1, lun11, lun1p1, lun1-part1.
    number = _NUMBER.match(node[len(device) :] if node.startswith(device) else node)
    if number is None:
        raise ValueError(node)
    return Partition(
        node,
        int(one["start"]) * sector,
        int(one["size"]) * sector,
        str(one.get("type", "")),
        int(number.group(1)),
        str(one.get("uuid", "")).lower(),
        str(one.get("name", "")),
    )
