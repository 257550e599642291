# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making file systems, and having them fill a device that has grown."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.mounting import FOR_EVER


def make(host: Host, path: str, kind: str, uuid: str, mmp: bool, deadline: float) -> None:
    """Make a file system on a blank device. `mmp`: one that no two hosts can have mounted, ext4 only.

    Blocks are not discarded: on a large LUN that takes the array minutes, and a blank one has nothing to give back.

    Raises UnavailableError without the tool for it, CommandError, also at the deadline (seconds).
    """

    def run(there: Host) -> None:
        there.run(command(path, kind, uuid, mmp), FOR_EVER)

    guarded(host, path, f"making an {kind} on", run, deadline)


def command(path: str, kind: str, uuid: str, mmp: bool) -> list[str]:
    """Return the command; neither tool is told to overwrite what it finds."""
    if kind == "xfs":
        return ["mkfs.xfs", "-q", "-K", "-m", f"uuid={uuid}", path]
    return [f"mkfs.{kind}", "-q", "-E", "nodiscard", "-U", uuid, *(["-O", "mmp"] if mmp else []), path]


def grow(host: Host, path: str, kind: str, point: str, deadline: float) -> None:
    """Have a file system that is mounted at `point` fill its device, while it is in use.

    Raises UnavailableError without the tool for it, CommandError, also at the deadline (seconds).
    """
    argv = ["xfs_growfs", "-d", point] if kind == "xfs" else ["resize2fs", path]

    def run(there: Host) -> None:
        there.run(argv, FOR_EVER)

    guarded(host, path, f"growing the {kind} on", run, deadline)
