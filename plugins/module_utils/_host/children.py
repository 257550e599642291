# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes that may never return, each list of them in a child process with a deadline.

A write to `scan` or `vport_create` can sit in the kernel (D state) for minutes, where not even
SIGKILL reaches it. The child is therefore detached from everything its parent holds: its own
session, no inherited pipe to Ansible (ssh would wait for it), no lock, no working directory. It
reports each write through a private pipe; at the deadline it is killed and, if that does not help,
left alone. It bears the name of its job (`ps` shows san-host3), so that a person sees what hangs
and the next run does not queue up behind it.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._host.host import GONE, Host

PARALLEL = 64
"""Children at once. The kernel serialises within a SCSI host, never across hosts."""

DEATH = 0.5
"""Seconds a killed child gets to die before it is taken for stuck in the kernel."""

NAME_LENGTH = 15
"""Bytes of a process name the kernel keeps."""


@dataclass(frozen=True)
class Write:
    """One attribute to write. What else may hang in the kernel is a Write that performs otherwise."""

    path: str
    value: str

    def perform(self, host: Host) -> str:
        """Do it, in the child; return what to report of it, without white space. Raises OSError."""
        host.write_attribute(self.path, self.value)
        return ""


@dataclass(frozen=True)
class Written:
    """What became of one write."""

    write: Write
    errno: int
    """0: the kernel took it. That says nothing about what it did. ECHILD: the child was killed by someone else."""
    seconds: float
    answer: str = ""
    """What it reported."""


@dataclass(frozen=True)
class ChildResult:
    """What became of one list of writes."""

    done: tuple[Written, ...]
    stuck: Write | None
    """The write that had not returned at the deadline."""
    seconds: float
    not_begun: tuple[Write, ...] = ()
    """Writes after the stuck one (or after the child's end): the kernel never saw them."""
    pid: int | None = None
    """The child, where it survived SIGKILL: it is still in the kernel and ends when the driver lets go."""

    @property
    def failed(self) -> tuple[Written, ...]:
        return tuple(written for written in self.done if written.errno)


class _Child:
    """Parent's side of one running list."""

    def __init__(self, host: Host, name: str, writes: Sequence[Write], deadline: float) -> None:
        self.host = host
        self.writes = tuple(writes)
        self.started = host.clock.monotonic()
        self.deadline = self.started + deadline
        self.received = b""
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _child_main(host, name, self.writes, writer)
        os.close(writer)

    def receive(self) -> bool:
        """Take what the child reported; True when it has ended."""
        chunk = os.read(self.reader, 65536)
        self.received += chunk
        return not chunk

    def ended(self) -> ChildResult:
        """Return the result of a child that ended by itself (or by somebody's kill)."""
        os.waitpid(self.pid, 0)
        done = self._close()
        if len(done) < len(self.writes):
            done = (*done, Written(self.writes[len(done)], errno.ECHILD, 0.0))
        return ChildResult(done, None, self._seconds(), self.writes[len(done) :])

    def late(self) -> ChildResult:
        """Kill a child at its deadline, with the commands it runs, and return what it got done."""
        try:
            os.kill(-self.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not even got so far as to lead a group
            os.kill(self.pid, signal.SIGKILL)
        dead = self._dies()
        # In D state it stays, and is reaped by init when the kernel lets go of it.
        os.waitpid(self.pid, 0 if dead else os.WNOHANG)
        done = self._close()
        rest = self.writes[len(done) :]
        return ChildResult(done, rest[0] if rest else None, self._seconds(), rest[1:], None if dead else self.pid)

    def _dies(self) -> bool:
        """Take the last reports; True when the pipe's other end is closed: only the child had it."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.reader, selectors.EVENT_READ)
            while selector.select(DEATH):
                if self.receive():
                    return True
        return False

    def _close(self) -> tuple[Written, ...]:
        os.close(self.reader)
        lines = self.received.decode().splitlines(keepends=True)
        reports = [line.rstrip("\n").split(" ") for line in lines if line.endswith("\n")]
        return tuple(Written(write, int(it[0]), float(it[1]), it[2]) for write, it in zip(self.writes, reports))

    def _seconds(self) -> float:
        return self.host.clock.monotonic() - self.started


def write_all(
    host: Host, jobs: Mapping[str, Sequence[Write]], deadline: float, each: float = 0.0
) -> dict[str, ChildResult]:
    """Do every job's writes in order, the jobs in parallel; a job has `deadline` seconds, and `each` more a write.

    Returns a result per job and never raises for what a write did: errors are in the result.
    """
    waiting = list(jobs.items())
    running: dict[str, _Child] = {}
    results: dict[str, ChildResult] = {}
    with selectors.DefaultSelector() as selector:
        while waiting or running:
            while waiting and len(running) < PARALLEL:
                name, writes = waiting.pop(0)
                running[name] = _Child(host, name, writes, deadline + each * len(writes))
                selector.register(running[name].reader, selectors.EVENT_READ, name)
            for name, over in _over(host, selector, running).items():
                child = running.pop(name)
                selector.unregister(child.reader)
                results[name] = child.late() if over == "late" else child.ended()
    return {name: results[name] for name in jobs}


def _over(host: Host, selector: selectors.BaseSelector, running: Mapping[str, _Child]) -> dict[str, str]:
    """Block until a child reports or the nearest deadline; return which have ended and which are late."""
    now = host.clock.monotonic()
    nearest = min(child.deadline - now for child in running.values())
    over = {key.data: "ended" for key, _mask in selector.select(max(nearest, 0.0)) if running[key.data].receive()}
    now = host.clock.monotonic()
    late = {name: "late" for name, child in running.items() if now >= child.deadline}
    return {**late, **over}


def left_behind(host: Host, names: Iterable[str]) -> dict[str, int]:
    """Return the jobs of `names` whose child of an earlier run is still in the kernel, with its process id.

    Asked while holding the host's lock, or for what this run has claimed: nobody else's children do such a job then.
    Starting it again would only add one more process that hangs behind the first.
    """
    wanted = {_process_name(name): name for name in names}
    found: dict[str, int] = {}
    for entry in host.entries("/proc") if wanted else ():
        if entry.isdigit():
            name = wanted.get(host.read(f"/proc/{entry}/comm") or "")
            if name is not None and _ours(host, entry):
                found[name] = int(entry)
    return found


def _process_name(job: str) -> str:
    return f"san-{job}"[:NAME_LENGTH]


def _ours(host: Host, pid: str) -> bool:
    """Tell whether a process belongs to this user and is more than a corpse nobody has collected."""
    try:
        owner = os.stat(host.path(f"/proc/{pid}")).st_uid
    except OSError as error:
        if error.errno in GONE:
            return False
        raise
    state = (host.read(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
    return owner == os.geteuid() and bool(state) and state[0] not in "ZX"


def _child_main(host: Host, name: str, writes: Sequence[Write], writer: int) -> None:
    """Never returns: nothing of the parent's program may run twice."""
    try:
        os.setsid()
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        _close_all_but(writer)
        _take_name(_process_name(name))
        for write in writes:
            began = host.clock.monotonic()
            code, answer = 0, ""
            try:
                answer = write.perform(host)
            except OSError as error:
                code = error.errno or errno.EIO
            # A parent that is gone makes this fail: then the rest is not begun, as nobody would know.
            os.write(writer, f"{code} {host.clock.monotonic() - began:.6f} {answer}\n".encode())
    finally:
        os._exit(0)


def _take_name(name: str) -> None:
    try:
        fd = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # a convenience; nothing depends on it
    try:
        os.write(fd, name.encode())
    finally:
        os.close(fd)


def _close_all_but(keep: int) -> None:
    """Close every descriptor from 3 on; a long range would take seconds where the limit is a million."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd != keep:
            try:
                os.close(fd)
            except OSError:
                continue
