# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading, writing and running: what is gone is an answer, everything else a clear error."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, SanError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import host as host_room
from ansible_collections.virt.san.plugins.module_utils._host.host import (
    KILL_PATIENCE,
    TEMPORARY,
    Host,
    parse_properties,
    run_command,
)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(str(tmp_path))


def put(host: Host, path: str, data: bytes) -> str:
    real = Path(host.path(path))
    real.parent.mkdir(parents=True, exist_ok=True)
    real.write_bytes(data)
    return path


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, code: int) -> None:
    def refused(*_arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, refused)


def test_reads_without_the_line_end(host: Host) -> None:
    assert host.read(put(host, "/sys/state", b"running\n")) == "running"


def test_reads_whatever_the_length(host: Host) -> None:
    data = bytes(range(256)) * 1000
    assert host.read_bytes(put(host, "/sys/vpd", data)) == data


def test_what_is_not_text_is_still_read(host: Host) -> None:
    assert host.read(put(host, "/sys/model", b"DISK \xff\0\n")) == "DISK \ufffd"


def test_what_is_gone(host: Host) -> None:
    assert host.read("/sys/gone") is None
    assert host.read_bytes("/sys/gone") is None
    assert host.entries("/sys/gone") == []
    assert host.link("/sys/gone") is None
    assert not host.exists("/sys/gone")


@pytest.mark.parametrize("code", [errno.ENODEV, errno.ENXIO, errno.EIO, errno.EINVAL, errno.ENOTCONN, 524])
def test_what_goes_while_being_read(host: Host, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    path = put(host, "/sys/state", b"running\n")
    refuse(monkeypatch, "read", code)
    assert host.read(path) is None


def test_no_permission_says_what_to_do(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "open", errno.EACCES)
    with pytest.raises(UnavailableError, match=r"/sys/state .*become: true"):
        host.read("/sys/state")


@pytest.mark.parametrize("there", [True, False])
def test_what_belongs_to_a_process_that_has_ended(host: Host, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    """It may end between looking up a file below /proc and reading it: the kernel refuses that, also to root."""
    if there:
        os.makedirs(host.path("/proc/4711"))

    def refuse(*_args: object) -> None:
        raise OSError(errno.EACCES, "denied")

    asked = {"readlink": host.link, "open": host.read, "listdir": host.entries, "stat": host.block_number}
    for name, ask in asked.items():
        with monkeypatch.context() as patched:
            patched.setattr(host_room.os, name, refuse)
            patched.setattr(host_room.os.path, "exists", lambda path: there and path.endswith("/proc/4711"))
            if there:
                with pytest.raises(UnavailableError, match=r"^/proc/4711/fd/0 is not readable"):
                    ask("/proc/4711/fd/0")
            else:
                assert not ask("/proc/4711/fd/0")
            with pytest.raises(UnavailableError):
                ask("/sys/fd/0")


def test_any_other_failure_names_the_path(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "listdir", errno.EMFILE)
    with pytest.raises(SanError, match="/sys/class"):
        host.entries("/sys/class")


def test_entries_are_sorted(host: Host) -> None:
    for name in ("sdb", "sda"):
        put(host, f"/sys/block/{name}", b"")
    assert host.entries("/sys/block") == ["sda", "sdb"]


def test_links(host: Host) -> None:
    put(host, "/sys/target", b"")
    Path(host.path("/sys/link")).symlink_to("target")
    assert host.link("/sys/link") == "target"
    assert host.exists("/sys/link")


def test_writes_an_attribute_as_it_is(host: Host) -> None:
    path = put(host, "/sys/scan", b"")
    host.write_attribute(path, "0 0 27")
    assert host.read_bytes(path) == b"0 0 27"


def test_an_attribute_is_never_created(host: Host) -> None:
    with pytest.raises(FileNotFoundError):
        host.write_attribute("/sys/scan", "1")


def test_a_short_write_is_an_error_and_not_continued(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(host, "/sys/vport_create", b"")
    calls: list[bytes] = []

    def short(_fd: int, data: bytes) -> int:
        calls.append(data)
        return 1

    monkeypatch.setattr(host_room, "_write_once", short)
    with pytest.raises(OSError, match="short write") as caught:
        host.write_attribute(path, "abc")
    assert caught.value.errno == errno.EIO
    assert calls == [b"abc"]


def test_an_interrupted_write_is_not_repeated(host: Host) -> None:
    """os.write would go on after the signal (PEP 475), and so never come back from a full pipe."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, b"x" * 4096):
            pass
    os.set_blocking(writer, True)
    before = signal.signal(signal.SIGALRM, lambda _number, _frame: None)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        Path(host.path("/fd")).symlink_to(f"/proc/self/fd/{writer}")
        with pytest.raises(InterruptedError):
            host.write_attribute("/fd", "abc")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        os.close(reader)
        os.close(writer)


def test_whether_an_attribute_takes_anything_says_its_mode(host: Host) -> None:
    """Not whether opening it works: root may open what no driver takes."""
    path = put(host, "/sys/symbolic_name", b"")
    assert host.takes_writes(path)
    Path(host.path(path)).chmod(0o444)
    assert not host.takes_writes(path)
    assert not host.takes_writes("/sys/gone")


def test_files_are_replaced_whole(host: Host) -> None:
    put(host, "/etc/san.conf", b"old")
    Path(host.path("/etc/san.conf")).chmod(0o644)
    host.write_file("/etc/san.conf", "new\n", mode=0o600)
    real = Path(host.path("/etc/san.conf"))
    assert real.read_text(encoding="utf-8") == "new\n"
    assert real.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in real.parent.iterdir()] == ["san.conf"]


def test_a_failed_replacement_leaves_the_old_file_alone(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    put(host, "/etc/san.conf", b"old")
    refuse(monkeypatch, "replace", errno.EROFS)
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        host.write_file("/etc/san.conf", "new")
    assert [entry.read_bytes() for entry in Path(host.path("/etc")).iterdir()] == [b"old"]


@pytest.mark.parametrize(("change", "content"), [(Host.write_file, ("new",)), (Host.remove_file, ())])
def test_what_a_killed_run_was_writing_goes(host: Host, change: Callable[..., None], content: tuple[str, ...]) -> None:
    put(host, f"/etc/.san.conf.4711{TEMPORARY}", b"half")
    put(host, f"/etc/.other.conf.4711{TEMPORARY}", b"another file's")
    change(host, "/etc/san.conf", *content)
    left = {entry.name for entry in Path(host.path("/etc")).iterdir()} - {"san.conf"}
    assert left == {f".other.conf.4711{TEMPORARY}"}


def test_removes(host: Host) -> None:
    put(host, "/etc/san.conf", b"old")
    host.remove_file("/etc/san.conf")
    host.remove_file("/etc/san.conf")
    assert not host.exists("/etc/san.conf")


def test_what_others_wrote_gets_to_the_disk(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    put(host, "/etc/multipath/wwids", b"/3600/")
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    for path in ("/etc/multipath/wwids", "/etc/multipath", "/etc/gone"):
        host.sync(path)
    assert synced == [os.path.realpath(host.path(path)) for path in ("/etc/multipath/wwids", "/etc/multipath")]


def test_commands_run_in_the_c_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run_command(["sh", "-c", "echo $LC_ALL; cat"], 10, "asked").stdout == "C\nasked"


def test_a_command_that_fails(host: Host) -> None:
    with pytest.raises(CommandError, match=r"exit code 3: no such map") as caught:
        host.run(["sh", "-c", "echo first >&2; echo no such map >&2; exit 3"], 10)
    assert caught.value.details["code"] == 3


def test_exit_codes_that_are_no_failure(host: Host) -> None:
    assert host.run(["sh", "-c", "exit 21"], 10, accept=(0, 21)).code == 21


def test_a_command_that_hangs(host: Host) -> None:
    with pytest.raises(CommandError, match=r"sleep 60: no answer within 0.2 s"):
        host.run(["sleep", "60"], 0.2)


def test_a_command_that_cannot_be_killed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for a device in the kernel: whoever waited for its end would hang with it."""
    asked: list[float | None] = []

    def wait(process: subprocess.Popen[str], timeout: float | None = None) -> int:
        asked.append(timeout)
        raise subprocess.TimeoutExpired(process.args, timeout or 0)

    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    with pytest.raises(CommandError, match=r"no answer within 0.2 s; process \d+ hangs in the kernel") as caught:
        host.run(["sleep", "60"], 0.2)
    monkeypatch.undo()
    assert asked == [KILL_PATIENCE], "never without a limit"
    os.waitpid(caught.value.details["pid"], 0)


def test_a_command_that_is_not_installed(host: Host) -> None:
    with pytest.raises(UnavailableError, match=r"no-such-tool is not installed"):
        host.run(["no-such-tool"], 1)


def test_root_is_needed_on_a_real_machine_only(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    host.require_root("virt.san.scsi_rescan")
    with pytest.raises(UnavailableError, match=r"virt.san.scsi_rescan needs root .*become: true"):
        Host().require_root("virt.san.scsi_rescan")


def test_properties() -> None:
    assert parse_properties("A=1\nno separator\nB=x=y\n") == {"A": "1", "B": "x=y"}
