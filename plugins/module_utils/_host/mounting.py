# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounting file systems. Whoever calls sees to the deadline: a server, or a device, may never answer."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

FOR_EVER = 86400.0
"""Seconds. The deadline that counts is that of the process which this runs in, and which is ended with it."""

BUSY = "busy"
"""In what umount(8) says where something is still used."""


HELPERS = ("/sbin", "/usr/sbin")
WITHOUT = ("ext4", "xfs")
"""What mount(8) needs no program for."""
PACKAGES = {"nfs": "nfs-common (Debian) or nfs-utils (Red Hat); role virt.san.host does"}


def require_helper(host: Host, kind: str) -> None:
    """Raise UnavailableError where this host lacks the program that mounts a kind of file system, if there is one."""
    if kind not in WITHOUT and not any(host.exists(f"{folder}/mount.{kind}") for folder in HELPERS):
        raise UnavailableError(f"this host cannot mount {kind}: install {PACKAGES.get(kind, f'mount.{kind}')}")


def mount(host: Host, source: str, point: str, kind: str, options: Sequence[str]) -> None:
    """Mount a file system. Raises CommandError."""
    host.run(["mount", "-t", kind, "-o", ",".join(options), "--", source, point], FOR_EVER)


def unmount(host: Host, point: str) -> None:
    """Unmount what nobody uses. Nothing is asked of the server but what the kernel asks. Raises CommandError."""
    host.run(["umount", "-c", "--", point], FOR_EVER)


def unmount_by_force(host: Host, point: str) -> bool:
    """Unmount also what is in use: requests to the server are given up, and who has a file open keeps only that.

    Returns whether it is still there for those. Raises CommandError.
    """
    try:
        host.run(["umount", "-c", "-f", "--", point], FOR_EVER)
    except CommandError as error:
        if BUSY not in error.details.get("stderr", ""):
            raise
        host.run(["umount", "-c", "-f", "-l", "--", point], FOR_EVER)
        return True
    return False
