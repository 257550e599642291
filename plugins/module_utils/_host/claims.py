# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others work on without the host's lock: a file for each, which its process has locked.

A claim is made, and those of others are looked at, while the host's lock is held: what is planned from what was seen
stays true until the lock is let go of. The kernel drops a claim with its holder, as it does the host's lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.claim import Claim, claim_text, parse_claim

FOLDER = "/run/virt-san-copies"


@contextmanager
def claimed(host: Host, claim: Claim) -> Iterator[None]:
    """Have others see a claim of this process while the context lasts."""
    os.makedirs(host.path(FOLDER), 0o700, exist_ok=True)
    for name in host.entries(FOLDER):
        if _held(host, name) is None:
            _remove(host, name)
    name = str(claim.pid)
    fd = os.open(host.path(f"{FOLDER}/{name}"), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(fd, claim_text(claim).encode(), 0)
        # Whoever looks has it for a moment at most.
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            _remove(host, name)
    finally:
        os.close(fd)


def read_claims(host: Host) -> tuple[Claim, ...]:
    """Return all claims whose processes live."""
    found = (_held(host, name) for name in host.entries(FOLDER))
    claims = (None if text is None else parse_claim(text) for text in found)
    return tuple(claim for claim in claims if claim is not None)


def _held(host: Host, name: str) -> str | None:
    """Return what a file says; None where it is gone, or nobody has it locked."""
    try:
        fd = os.open(host.path(f"{FOLDER}/{name}"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Shared: two who look at the same time are not taken for holders by each other.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(fd, 65536, 0).decode("utf-8", "replace")
    finally:
        os.close(fd)
    return None


def _remove(host: Host, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(host.path(f"{FOLDER}/{name}"))
