# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes that may never return, each list of them in a child process with a deadline.

A write to `scan` or `vport_create` can sit in the kernel (D state) for minutes, where not even
SIGKILL reaches it. The child is therefore detached from everything its parent holds: its own
session, no inherited pipe to Ansible (ssh would wait for it), no lock. It reports each write
through a private pipe; at the deadline it is killed and, if that does not help, left alone.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._host.host import Host

PARALLEL = 64
"""Children at once. The kernel serialises within a SCSI host, never across hosts."""


@dataclass(frozen=True)
class Write:
    """One attribute to write."""

    path: str
    value: str


@dataclass(frozen=True)
class Written:
    """What became of one write."""

    write: Write
    errno: int
    """0: the kernel took it. That says nothing about what it did."""
    seconds: float


@dataclass(frozen=True)
class ChildResult:
    """What became of one list of writes."""

    done: tuple[Written, ...]
    stuck: Write | None
    """The write that had not returned at the deadline; those after it were not begun."""
    seconds: float

    @property
    def failed(self) -> tuple[Written, ...]:
        return tuple(written for written in self.done if written.errno)


class _Child:
    """Parent's side of one running list."""

    def __init__(self, host: Host, writes: Sequence[Write]) -> None:
        self.host = host
        self.writes = writes
        self.started = host.clock.monotonic()
        self.received = b""
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _child_main(host, writes, writer)
        os.close(writer)

    def receive(self) -> bool:
        """Take what the child reported; True when it has ended."""
        chunk = os.read(self.reader, 65536)
        self.received += chunk
        return not chunk

    def finish(self, stuck: bool) -> ChildResult:
        os.close(self.reader)
        if stuck:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, os.WNOHANG)  # in D state it stays; init reaps it when the kernel lets go
        else:
            os.waitpid(self.pid, 0)
        reports = [line.split() for line in self.received.decode().splitlines()]
        done = tuple(Written(write, int(code), float(seconds)) for write, (code, seconds) in zip(self.writes, reports))
        missing = self.writes[len(done)] if len(done) < len(self.writes) else None
        return ChildResult(done, missing, self.host.clock.monotonic() - self.started)


def write_all(host: Host, jobs: Mapping[str, Sequence[Write]], deadline: float) -> dict[str, ChildResult]:
    """Do every job's writes in order, the jobs in parallel; `deadline` is seconds per job.

    Returns a result per job and never raises for what a write did: errors are in the result.
    """
    waiting = list(jobs.items())
    running: dict[str, _Child] = {}
    results: dict[str, ChildResult] = {}
    with selectors.DefaultSelector() as selector:
        while waiting or running:
            while waiting and len(running) < PARALLEL:
                name, writes = waiting.pop(0)
                running[name] = _Child(host, writes)
                selector.register(running[name].reader, selectors.EVENT_READ, name)
            now = host.clock.monotonic()
            nearest = min(child.started + deadline - now for child in running.values())
            ended = [key.data for key, _mask in selector.select(max(nearest, 0.0)) if running[key.data].receive()]
            now = host.clock.monotonic()
            late = [name for name, child in running.items() if name not in ended and now >= child.started + deadline]
            for name in (*ended, *late):
                child = running.pop(name)
                selector.unregister(child.reader)
                results[name] = child.finish(stuck=name in late)
    return results


def _child_main(host: Host, writes: Sequence[Write], writer: int) -> None:
    """Never returns: nothing of the parent's program may run twice."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        _close_all_but(writer)
        for write in writes:
            began = host.clock.monotonic()
            code = 0
            try:
                host.write_attribute(write.path, write.value)
            except OSError as error:
                code = error.errno or errno.EIO
            os.write(writer, f"{code} {host.clock.monotonic() - began:.6f}\n".encode())
    finally:
        os._exit(0)


def _close_all_but(keep: int) -> None:
    """Close every descriptor from 3 on; a long range would take seconds where the limit is a million."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd != keep:
            try:
                os.close(fd)
            except OSError:
                continue
