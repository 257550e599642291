# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logical volumes, one at a time, as LVM's own tools make, change and remove them. Deadlines are seconds."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.lvm import parse_report

UNFINISHED = "virt.san.unfinished"
"""Tag of a volume whose content is still being copied: what a killed run leaves is not taken for the volume."""


def create_linear(host: Host, group: str, name: str, size: int, deadline: float, finished: bool = True) -> None:
    """Make a volume of `size` bytes, whole extents, of what is free in a group, and activate it.

    What is still to be read there belonged to a volume that is gone: signatures are wiped, and nobody is asked.
    """
    wipe = ("--yes", "--wipesignatures", "y", "--zero", "y")
    words = ("--type", "linear", "--size", f"{size}b", *_tag(finished), "--name", name, group)
    _lvm(host, deadline, "lvcreate", *wipe, *words)


def create_thin(
    host: Host, group: str, name: str, pool: str, size: int, deadline: float, finished: bool = True
) -> None:
    """Make a volume of `size` bytes in a thin pool, and activate it."""
    words = ("--type", "thin", "--virtualsize", f"{size}b", "--thinpool", pool, *_tag(finished), "--name", name)
    _lvm(host, deadline, "lvcreate", "--yes", *words, group)


def create_snapshot(host: Host, group: str, name: str, origin: str, deadline: float) -> None:
    """Make a thin volume that begins with all that another thin volume holds, and activate it."""
    words = ("--snapshot", "--setactivationskip", "n", "--name", name, f"{group}/{origin}")
    _lvm(host, deadline, "lvcreate", "--yes", *words)


def create_cow(host: Host, group: str, name: str, origin: str, size: int, deadline: float) -> None:
    """Make a snapshot of a volume that is not thin, in use or not, with `size` bytes for what changes, and activate it.

    LVM makes its space first, a volume of its own, and then the snapshot of that: it is to be finished.
    """
    words = ("--type", "snapshot", "--size", f"{size}b", *_tag(False), "--name", name, f"{group}/{origin}")
    _lvm(host, deadline, "lvcreate", "--yes", *words)


def finish(host: Host, group: str, name: str, deadline: float) -> None:
    """Say that a volume has all its content."""
    _lvm(host, deadline, "lvchange", "--deltag", UNFINISHED, f"{group}/{name}")


def is_zeroing(host: Host, group: str, pool: str, deadline: float) -> bool:
    """Tell whether a thin pool zeroes blocks before a volume gets them.

    If not, what is left of a block that is written in part shows what it held for another volume.
    """
    argv = ["lvm", "lvs", "--reportformat", "json", "--binary", "-o", "zero", f"{group}/{pool}"]
    rows = parse_report(host.run(argv, deadline).stdout, "lv")
    return bool(rows) and all(row.get("zero") == "1" for row in rows)


def _tag(finished: bool) -> tuple[str, ...]:
    return () if finished else ("--addtag", UNFINISHED)


def extend(host: Host, group: str, name: str, size: int, deadline: float) -> None:
    """Make a volume longer, in use or not."""
    _lvm(host, deadline, "lvextend", "--size", f"{size}b", f"{group}/{name}")


def reduce(host: Host, group: str, name: str, size: int, deadline: float) -> None:
    """Cut off the end of a volume: LVM's question is answered by the task that allows it."""
    _lvm(host, deadline, "lvreduce", "--yes", "--size", f"{size}b", f"{group}/{name}")


def remove(host: Host, uuid: str, deadline: float) -> None:
    """Remove a volume, the one with this UUID; LVM refuses one that is open."""
    _lvm(host, deadline, "lvremove", "--yes", "--select", f"lv_uuid={uuid}")


def _lvm(host: Host, deadline: float, *words: str) -> None:
    host.run(["lvm", *words], deadline)
