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


class Held:
    """A lock of this run."""

    def __init__(self, host: Host, path: str, who: str, timeout: float) -> None:
        self.host = host
        self.path = path
        self.who = who
        self.timeout = timeout
        self.mine = False
        self.fd = os.open(host.path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for whoever has it. Raises LockedError that names the holder."""
        if not wait_until(self.host, lambda: try_lock(self.fd), bool, timeout):
            holder = _holder(self.fd)
            raise LockedError(
                f"another run holds {self.path} on this host: {holder}; waited {timeout:g} s. "
                "Wait for it or end it, then run again",
                holder=holder,
            )
        self.mine = True
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, json.dumps({"pid": os.getpid(), "what": self.who}).encode(), 0)

    def let_go(self) -> None:
        if self.mine:
            os.ftruncate(self.fd, 0)  # or the next holder's first moment would show this one's name
            self.mine = False
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    @contextmanager
    def apart(self, timeout: float) -> Iterator[None]:
        """Let others have it while the context lasts; then wait as long as at first, or `timeout` if that is more.

        What is done in the context may have taken hours: to lose that for want of patience would be dear. Where it has
        failed, the lock is not taken again: there is nothing more to be done under it.
        """
        self.let_go()
        yield
        self.take(max(timeout, self.timeout))


@contextmanager
def host_lock(host: Host, who: str, timeout: float, path: str = LOCK) -> Iterator[Held]:
    """Hold the host's lock, or that of a part of it at `path`; wait at most `timeout` seconds for whoever has it.

    The kernel drops the lock with its holder, so that a killed run never blocks the next one.
    Raises LockedError that names the holder.
    """
    held = Held(host, path, who, timeout)
    try:
        held.take(timeout)
        yield held
    finally:
        held.let_go()
        os.close(held.fd)


def try_lock(fd: int) -> bool:
    """Lock a file for as long as `fd` is open; tell whether this process has it now. Again is no error."""
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
