# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change at a time on a host."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.virt.san.plugins.module_utils._errors import LockedError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until

LOCK = "/run/virt-san.lock"


@contextmanager
def host_lock(host: Host, who: str, timeout: float, path: str = LOCK) -> Iterator[None]:
    """Hold the host's lock, or that of a part of it at `path`; wait at most `timeout` seconds for whoever has it.

    The kernel drops the lock with its holder, so that a killed run never blocks the next one.
    Raises LockedError that names the holder.
    """
    fd = os.open(host.path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not wait_until(host, lambda: _try_lock(fd), bool, timeout):
            holder = _holder(fd)
            raise LockedError(
                f"another run holds {path} on this host: {holder}; waited {timeout:g} s. "
                "Wait for it or end it, then run again",
                holder=holder,
            )
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({"pid": os.getpid(), "what": who}).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(fd, 0)  # or the next holder's first moment would show this one's name
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(fd: int) -> str:
    try:
        told = json.loads(os.pread(fd, 4096, 0).decode())
        return f"{told['what']} (pid {told['pid']})"
    except (ValueError, KeyError, TypeError):
        return "unknown"
