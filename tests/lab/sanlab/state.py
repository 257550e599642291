"""What a running lab leaves on disk: processes by pid and start time, ports, and the lock of those who change it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .config import Lab
from .errors import LabError

LOCK_SECONDS = 300


def wait_until(done: Callable[[], bool], seconds: float, interval: float = 0.1) -> bool:
    """Poll until done or out of time; says which."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Readers see the old file or the new one, never a half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.chmod(mode)
    temporary.rename(path)


def prepare(lab: Lab) -> None:
    """The state and runtime directories, for our user only."""
    for name in ("pids", "disks", "logs", "ssh"):
        (lab.state / name).mkdir(parents=True, exist_ok=True)
    lab.runtime.mkdir(mode=0o700, exist_ok=True)
    info = lab.runtime.lstat()
    if info.st_uid != lab.uid or info.st_mode & 0o077 or lab.runtime.is_symlink():
        raise LabError(f"{lab.runtime} is not a directory of ours alone; remove it")


@contextlib.contextmanager
def locked(lab: Lab) -> Iterator[None]:
    """One command at a time changes the lab; a second one waits."""
    prepare(lab)
    with (lab.state / "lock").open("a+") as file:
        taken = wait_until(lambda: _try_lock(file.fileno()), LOCK_SECONDS)
        if not taken:
            file.seek(0)
            raise LabError(f"another lab command holds the lock since over {LOCK_SECONDS} s: {file.read().strip()}")
        file.seek(0)
        file.truncate()
        file.write(f"pid {os.getpid()}\n")
        file.flush()
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_time(pid: int) -> str | None:
    """Ticks after boot at which a process started: with the pid it names one process for ever. None once it is dead."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


@dataclass(frozen=True)
class Process:
    """A process we started, as its pid file tells."""

    pid: int
    start: str
    boot: str

    @property
    def alive(self) -> bool:
        return self.boot == _boot_id() and _start_time(self.pid) == self.start


def _pid_file(lab: Lab, name: str) -> Path:
    return lab.state / "pids" / f"{name}.json"


def process(lab: Lab, name: str) -> Process | None:
    """The live process of that name, if there is one."""
    try:
        found = Process(**json.loads(_pid_file(lab, name).read_text()))
    except FileNotFoundError:
        return None
    return found if found.alive else None


def start_process(lab: Lab, name: str, command: list[str], log: Path, environment: dict[str, str]) -> Process:
    """Start a process that outlives us, and remember it."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **environment},
            cwd=lab.directory,
        )
    started = Process(child.pid, _start_time(child.pid) or "0", _boot_id())
    write_atomically(_pid_file(lab, name), json.dumps(asdict(started)))
    return started


def stop_process(lab: Lab, name: str, seconds: float = 5) -> bool:
    """Stop the process of that name, and only that one; says whether there was one."""
    found = process(lab, name)
    if found:
        _signal(found, signal.SIGTERM)
        if not wait_until(lambda: not found.alive, seconds, 0.02):
            _signal(found, signal.SIGKILL)
            wait_until(lambda: not found.alive, seconds, 0.02)
    _pid_file(lab, name).unlink(missing_ok=True)
    return found is not None


def _signal(target: Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        # The descriptor pins the process: the pid cannot pass to another one between the check and the signal.
        descriptor = os.pidfd_open(target.pid)
        try:
            if target.alive:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def started_processes(lab: Lab) -> list[str]:
    """Names of all pid files, of live processes and of dead ones."""
    directory = lab.state / "pids"
    return sorted(path.stem for path in directory.glob("*.json")) if directory.is_dir() else []


def load(lab: Lab, name: str, default: Any) -> Any:
    """A remembered value."""
    try:
        return json.loads((lab.state / f"{name}.json").read_text())
    except FileNotFoundError:
        return default


def save(lab: Lab, name: str, value: Any) -> None:
    """Remember a value."""
    write_atomically(lab.state / f"{name}.json", json.dumps(value, indent=1))


def free_port() -> int:
    """A TCP port that nobody on loopback listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
