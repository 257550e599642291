# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine as the core sees it: a file tree, a way to run commands, a clock.

Every room of `_host` takes a Host and nothing else, so that a recorded tree and a strict runner
stand in for a real machine in tests, and so that the same code runs at boot without Ansible.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, SanError, UnavailableError

GONE = frozenset((errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR))
"""What reading sysfs or procfs says when the thing just went away. Always normal."""

NO_VALUE = frozenset(
    (
        *(errno.EINVAL, errno.EIO, errno.EOPNOTSUPP, errno.EAGAIN, errno.EBUSY, errno.ENODATA, errno.ESRCH),
        # A session that has lost its connection has no address; a port that is down may say any of these.
        *(errno.ENOTCONN, errno.ETIMEDOUT, errno.ESHUTDOWN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOLINK),
        *(errno.ENOSYS, errno.EREMOTEIO, errno.ECONNRESET, 524),
    )
)
"""What drivers answer for an attribute they have no value for just now. 524 is the kernel's own ENOTSUPP."""

PROCESS = re.compile(r"/proc/\d+(?=/)")
"""The folder of a process, at the beginning of a path below it."""

C_LOCALE = {"LC_ALL": "C", "LANG": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
READ_CHUNK = 65536

TEMPORARY = ".virt-san"
"""End of the names of files that are being written. A killed run leaves one; the next writer removes it."""


@dataclass(frozen=True)
class Completed:
    """A command that ended by itself."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


Runner = Callable[[Sequence[str], float, "str | None"], Completed]
"""(argv, deadline in seconds, standard input) -> Completed. Raises CommandError at the deadline."""


Ask = Callable[[int, bytes], bytes]
"""(ioctl request, its structure) -> the structure as the kernel returned it. Raises OSError."""

Control = Callable[[str], "AbstractContextManager[Ask]"]
"""Opens a driver's control node for as long as the context lasts. Raises OSError."""


KILL_PATIENCE = 2.0
"""Seconds for a process that was killed to end."""


@dataclass(frozen=True)
class Clock:
    """Time, replaceable in tests. `sleep` is called by the waiting loop alone."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def run_command(argv: Sequence[str], deadline: float, stdin: str | None = None) -> Completed:
    """Run a command without a shell, in the C locale; the only place that starts processes to read answers.

    Raises UnavailableError when the program is missing, CommandError at the deadline (the command is killed).
    """
    try:
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            list(argv),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **C_LOCALE},
        )
    except FileNotFoundError as missing:
        raise UnavailableError(
            f"the command {argv[0]} is not installed on this host; install it (role virt.san.host does)",
            command=argv[0],
        ) from missing
    try:
        said, complained = process.communicate(stdin, timeout=deadline)
    except subprocess.TimeoutExpired as late:
        hangs = "" if _ended(process) else f"; process {process.pid} hangs in the kernel, and cannot be killed"
        raise CommandError(
            f"{' '.join(argv)}: no answer within {deadline:g} s{hangs}", command=list(argv), pid=process.pid
        ) from late
    except BaseException:
        _ended(process)
        raise
    return Completed(tuple(argv), process.returncode, said, complained)


def _ended(process: subprocess.Popen[str]) -> bool:
    """Kill a process; tell whether it ended. One that waits for a device in the kernel does so when that answers."""
    process.kill()
    try:
        process.wait(KILL_PATIENCE)
    except subprocess.TimeoutExpired:
        return False
    return True


@contextmanager
def open_control(path: str) -> Iterator[Ask]:
    """Open a driver's control node (/dev/mapper/control, never a device)."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield lambda request, data: fcntl.ioctl(fd, request, data)
    finally:
        os.close(fd)


class Host:
    """Reads, writes and runs on one machine. Paths are absolute as seen on that machine."""

    def __init__(
        self,
        root: str = "/",
        runner: Runner = run_command,
        clock: Clock | None = None,
        control: Control = open_control,
    ) -> None:
        self.root = root.rstrip("/")
        self.clock = clock or Clock()
        self._runner = runner
        self._control = control

    def path(self, path: str) -> str:
        """Return where `path` really lies (under the root of a recorded tree in tests)."""
        return self.root + path

    # Reading. "Gone" is an answer, not an error: devices vanish while being listed.

    def read_bytes(self, path: str) -> bytes | None:
        """Return a file's content; None when it is gone or has no value. Raises UnavailableError without permission."""
        try:
            # Plain descriptors: three times as quick as open() on a hundred thousand attributes.
            fd = os.open(self.root + path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = chunk = os.read(fd, READ_CHUNK)
                while len(chunk) >= 4096:
                    chunk = os.read(fd, READ_CHUNK)
                    data += chunk
                return data
            finally:
                os.close(fd)
        except OSError as error:
            self._require_gone(path, error)
            return None

    def read(self, path: str) -> str | None:
        """Return a text attribute without surrounding white space; None when gone or without value."""
        data = self.read_bytes(path)
        return None if data is None else data.decode("utf-8", "replace").strip("\n\t \0")

    def entries(self, path: str) -> list[str]:
        """Return the names in a directory, sorted; an empty list when it is gone."""
        try:
            return sorted(os.listdir(self.root + path))
        except OSError as error:
            self._require_gone(path, error)
            return []

    def link(self, path: str) -> str | None:
        """Return what a symbolic link says; None when there is none."""
        try:
            return os.readlink(self.root + path)
        except OSError as error:
            self._require_gone(path, error)
            return None

    def block_number(self, path: str) -> str | None:
        """Return major:minor of a block device node (links are followed); None for anything else. Opens nothing."""
        try:
            node = os.stat(self.root + path)
        except OSError as error:
            self._require_gone(path, error)
            return None
        return f"{os.major(node.st_rdev)}:{os.minor(node.st_rdev)}" if stat.S_ISBLK(node.st_mode) else None

    def _require_gone(self, path: str, error: OSError) -> None:
        """Raise what an error means, unless it means that there is nothing (any more)."""
        if error.errno in GONE or error.errno in NO_VALUE:
            return
        if error.errno not in (errno.EACCES, errno.EPERM):
            raise SanError(f"{path}: {error.strerror}", path=path, errno=error.errno) from error
        # What belongs to a process that has ended meanwhile is not gone but forbidden, says the kernel, also to root.
        process = PROCESS.match(path)
        if process is None or os.path.exists(self.root + process.group()):
            raise UnavailableError(
                f"{path} is not readable for this user; run the task with become: true", path=path
            ) from error

    def exists(self, path: str) -> bool:
        """Tell whether the path is there (links are followed)."""
        return os.path.exists(self.root + path)

    def takes_writes(self, path: str) -> bool:
        """Tell whether an attribute is one to write to, by its mode: root may open the others too, in vain."""
        try:
            return bool(os.stat(self.root + path).st_mode & stat.S_IWUSR)
        except OSError:
            return False

    # Writing.

    def write_attribute(self, path: str, value: str) -> None:
        """Write a sysfs attribute once. May block in the kernel: use the children room for scans.

        One write() and no retry: the kernel acts on the first call. Raises OSError; a short count is EIO.
        """
        fd = os.open(self.root + path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if _write_once(fd, value.encode()) != len(value.encode()):
                raise OSError(errno.EIO, "short write", path)
        finally:
            os.close(fd)

    def write_file(self, path: str, content: str | bytes, mode: int = 0o644, staging: str | None = None) -> None:
        """Replace a file atomically: readers see the old or the new content, also after a crash.

        `staging`: where to prepare it, on the same file system; by default beside it. For folders whose every file
        counts. What a killed run was writing for it goes. The caller holds the host's lock: nobody else writes it now.
        """
        target = self.root + path
        folder = os.path.dirname(target)
        os.makedirs(folder, exist_ok=True)
        beside = folder if staging is None else self.root + staging
        _remove_leftovers(beside, os.path.basename(target))
        temporary = os.path.join(beside, f".{os.path.basename(target)}.{os.getpid()}{TEMPORARY}")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
        _sync(folder)

    def remove_file(self, path: str) -> None:
        """Remove a file, and what a killed run was writing for it; no error when it is not there."""
        _remove_leftovers(*os.path.split(self.root + path))
        try:
            os.unlink(self.root + path)
        except FileNotFoundError:
            return
        _sync(os.path.dirname(self.root + path))

    def sync(self, path: str) -> None:
        """Have on the disk what a file or folder holds, for tools that leave that to the kernel's next seconds.

        Nothing to do, and no error, where it does not exist.
        """
        if os.path.exists(self.root + path):
            _sync(self.root + path)

    # Asking drivers.

    def control(self, path: str) -> AbstractContextManager[Ask]:
        """Open a driver's control node; use it with `with`. Raises OSError."""
        return self._control(self.root + path)

    def remove_folder(self, path: str) -> bool:
        """Remove a folder if it is empty; tell whether it is gone."""
        try:
            os.rmdir(self.root + path)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, errno.ENOTDIR):
                return False
            raise
        _sync(os.path.dirname(self.root + path))
        return True

    # Running.

    def run(
        self, argv: Sequence[str], deadline: float, stdin: str | None = None, accept: Sequence[int] = (0,)
    ) -> Completed:
        """Run a command; raises CommandError for an exit code not in `accept`, or at the deadline (seconds)."""
        done = self._runner(argv, deadline, stdin)
        if done.code not in accept:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise CommandError(
                f"{' '.join(argv)}: exit code {done.code}" + (f": {said[-1]}" if said else ""),
                command=list(argv),
                code=done.code,
                stderr=done.stderr[-2000:],
            )
        return done

    def is_root(self) -> bool:
        """Tell whether this process may ask for everything; always so on a recorded tree."""
        return bool(self.root) or os.geteuid() == 0

    def require_root(self, purpose: str) -> None:
        """Raise UnavailableError unless this process may change the host's devices."""
        if not self.is_root():
            raise UnavailableError(f"{purpose} needs root on this host; run the task with become: true")


def _write_once(fd: int, data: bytes) -> int:
    """Call write(2) exactly once and return its count; raises OSError, also for EINTR.

    os.write repeats a call that says EINTR (PEP 475), and lpfc says so of a vport it has no resources for:
    that would ask for one after the other, for ever.
    """
    import ctypes

    write = ctypes.CDLL(None, use_errno=True).write
    write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
    write.restype = ctypes.c_ssize_t
    count = int(write(fd, data, len(data)))
    if count < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return count


def _remove_leftovers(folder: str, name: str) -> None:
    """Remove new contents of a file that never took its place."""
    try:
        found = os.listdir(folder)
    except FileNotFoundError:
        return
    for one in found:
        if one.startswith(f".{name}.") and one.endswith(TEMPORARY):
            os.unlink(os.path.join(folder, one))


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def parse_properties(text: str, separator: str = "=") -> Mapping[str, str]:
    """Return KEY=value lines as a mapping; lines without the separator are left out."""
    return dict(line.split(separator, 1) for line in text.splitlines() if separator in line)
