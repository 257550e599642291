# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of open-iscsi's database: whoever can give a file the second name lock.write has it.

That name tells of no holder, and stays when the holder is killed: every iscsiadm then waits for half a minute, and
fails. So what gets the name here is a file of our own, which its holder has locked for as long as it lives: where the
name leads to that file and nobody has it locked, a run of ours was killed, and the name may go.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.host import TEMPORARY, Host
from ansible_collections.virt.san.plugins.module_utils._host.lock import try_lock
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until

ROOTS = ("/var/lib/iscsi", "/etc/iscsi")
"""Where distributions keep the database, newer ones in the first place. Both exist where one was upgraded."""

FOLDER = "/run/lock/iscsi"
TAKEN = f"{FOLDER}/lock.write"
OURS = f"{FOLDER}/virt-san"
PATIENCE = 30.0
"""Seconds; as long as iscsiadm itself waits."""

_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def database_lock(host: Host) -> Iterator[None]:
    """Hold the lock as iscsiadm does. Raises UnavailableError where it does not come free."""
    os.makedirs(host.path(FOLDER), 0o770, exist_ok=True)
    fd = os.open(host.path(OURS), _FLAGS | os.O_CREAT, 0o600)
    try:
        if not wait_until(host, lambda: try_lock(fd) and _link(host), bool, PATIENCE, interval=0.01):
            raise UnavailableError(
                f"{TAKEN}, the lock of open-iscsi's database, was not free within {PATIENCE:g} s. If no iscsiadm is "
                "running, one was killed while it held it: remove that file",
                path=TAKEN,
            )
        try:
            yield
        finally:
            os.unlink(host.path(TAKEN))
    finally:
        os.close(fd)


def free_lock(host: Host) -> None:
    """Take away the lock that a killed run of ours has left, before iscsiadm waits for it, and what it was writing."""
    if not _is_ours(host):
        return
    fd = os.open(host.path(OURS), _FLAGS)
    try:
        # Looked at again: while it was not locked yet, another may have done this, and iscsiadm taken it since.
        if try_lock(fd) and _is_ours(host):
            for root in ROOTS:
                remove_leftovers(host, root)
            os.unlink(host.path(TAKEN))
    finally:
        os.close(fd)


def remove_leftovers(host: Host, root: str) -> None:
    """Remove what a killed run was about to write, which may be a password. The caller holds the lock."""
    for name in host.entries(root):
        if name.startswith(".") and name.endswith(TEMPORARY):
            host.remove_file(f"{root}/{name}")


def _link(host: Host) -> bool:
    """Give our file, which this process has locked, the second name, unless somebody else's has it."""
    if _is_ours(host):
        return True
    try:
        os.link(host.path(OURS), host.path(TAKEN))
    except FileExistsError:
        return False
    return True


def _is_ours(host: Host) -> bool:
    try:
        return os.path.samefile(host.path(OURS), host.path(TAKEN))
    except (FileNotFoundError, PermissionError):
        return False  # whoever is not root only looks, and cannot free it
