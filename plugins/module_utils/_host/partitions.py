# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partition tables, by sfdisk(8)."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.mounting import FOR_EVER
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Partition, Table

DEADLINE = 60.0
"""Seconds to read a table."""

WHERE = "fdisk on Debian, util-linux elsewhere; role virt.san.host does"


def read_table(host: Host, path: str) -> Table:
    """Return the partition table of a device that has one. Raises CommandError, UnavailableError without sfdisk."""
    return parse_table(_run(host, ["sfdisk", "--json", path], path, "reading the partition table of", DEADLINE), path)


def make_table(host: Host, path: str, kind: str, identity: str, deadline: float) -> None:
    """Write a table without partitions. The kernel has nothing to learn from it, and is not told.

    Raises CommandError, also at the deadline (seconds), UnavailableError without sfdisk.
    """
    argv = ["sfdisk", "--quiet", "--wipe", "never", "--no-reread", "--no-tell-kernel", path]
    _run(host, argv, path, f"making a {kind} partition table on", deadline, f"label: {kind}\nlabel-id: {identity}\n")


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
        usable = (int(told["lastlba"]) - int(told["firstlba"]) + 1) * sector if "lastlba" in told else None
        return Table(
            told["label"],
            str(told.get("id", "")).lower(),
            usable,
            tuple(
                Partition(one["node"], int(one["start"]) * sector, int(one["size"]) * sector, str(one.get("type", "")))
                for one in told.get("partitions", ())
            ),
        )
    except (ValueError, KeyError, TypeError) as wrong:
        raise CommandError(f"sfdisk --json on {path} makes no sense: {wrong!r}", path=path) from wrong
