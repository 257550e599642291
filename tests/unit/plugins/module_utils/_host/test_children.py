# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Children with deadlines, as real processes: a FIFO nobody reads is a scan that hangs."""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._host import children
from ansible_collections.virt.san.plugins.module_utils._host.children import Write, write_all
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.lock import host_lock

DEADLINE = 0.5


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def attribute(tmp_path: Path) -> str:
    path = tmp_path / "scan"
    path.touch()
    return str(path)


@pytest.fixture
def hanging(tmp_path: Path) -> str:
    path = tmp_path / "hanging"
    os.mkfifo(path)
    return str(path)


@pytest.fixture
def unkillable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SIGKILL does not reach a process in D state; the real one is sent when the test is over."""
    killed: list[int] = []
    kill = os.kill

    def deaf(pid: int, number: int) -> None:
        assert number == signal.SIGKILL
        killed.append(pid)

    monkeypatch.setattr(os, "kill", deaf)
    yield
    for pid in killed:
        kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def eventually(true: Callable[[], bool]) -> bool:
    for _attempt in range(100):
        if true():
            return True
        time.sleep(0.02)
    return False


def test_writes_in_order(host: Host, attribute: str) -> None:
    Path(attribute).write_text("......", encoding="utf-8")
    result = write_all(host, {"host1": [Write(attribute, "0 0 1"), Write(attribute, "0 1")]}, 10)["host1"]
    assert Path(attribute).read_text(encoding="utf-8") == "0 1 1."
    assert [written.write.value for written in result.done] == ["0 0 1", "0 1"]
    assert result.stuck is None
    assert result.failed == result.not_begun == ()
    assert result.pid is None


def test_no_jobs(host: Host) -> None:
    assert write_all(host, {}, 1) == {}


def test_a_job_without_writes(host: Host) -> None:
    result = write_all(host, {"host1": []}, 1)["host1"]
    assert result.done == ()
    assert result.stuck is None


def test_an_error_is_reported_and_the_rest_is_still_written(host: Host, attribute: str, tmp_path: Path) -> None:
    absent = Write(str(tmp_path / "absent"), "1")
    result = write_all(host, {"host1": [absent, Write(attribute, "2")]}, 10)["host1"]
    assert [(written.write, written.errno) for written in result.failed] == [(absent, errno.ENOENT)]
    assert Path(attribute).read_text(encoding="utf-8") == "2"
    assert result.stuck is None


def test_a_hung_write_stalls_only_its_own_job(host: Host, attribute: str, hanging: str) -> None:
    jobs = {
        "host1": [Write(attribute, "1"), Write(hanging, "2"), Write(attribute, "3")],
        "host2": [Write(attribute, "4")],
    }
    began = time.monotonic()
    results = write_all(host, jobs, DEADLINE)
    assert time.monotonic() - began < DEADLINE + 5
    assert list(results) == ["host1", "host2"]
    stuck = results["host1"]
    assert [written.write.value for written in stuck.done] == ["1"]
    assert stuck.stuck == Write(hanging, "2")
    assert stuck.not_begun == (Write(attribute, "3"),)
    assert stuck.pid is None, "a child that SIGKILL reaches is not left behind"
    assert stuck.seconds >= DEADLINE
    assert results["host2"].stuck is None
    assert results["host2"].seconds < stuck.seconds


@pytest.mark.usefixtures("unkillable")
def test_a_child_left_behind_holds_nothing(host: Host, hanging: str) -> None:
    inherited, other_end = os.pipe()
    os.set_inheritable(other_end, True)
    try:
        pid = write_all(host, {"host1": [Write(hanging, "1")]}, DEADLINE)["host1"].pid
    finally:
        os.close(inherited)
        os.close(other_end)
    assert pid is not None
    held = {int(link.name): str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    private = [target for fd, target in held.items() if fd > 2]
    assert [held[fd] for fd in (0, 1, 2)] == ["/dev/null"] * 3
    assert len(private) == 1
    assert private[0].startswith("pipe:")
    assert str(Path(f"/proc/{pid}/cwd").readlink()) == "/"
    assert os.getsid(pid) == pid


@pytest.mark.usefixtures("unkillable")
def test_a_child_left_behind_does_not_hold_the_lock(
    host: Host, hanging: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible_collections.virt.san.plugins.module_utils._host.lock.LOCK", str(tmp_path / "lock"))
    with host_lock(host, "first", 0):
        result = write_all(host, {"host1": [Write(hanging, "1")]}, DEADLINE)["host1"]
    assert result.pid is not None
    with host_lock(host, "second", 0):
        pass


def test_whoever_waits_for_the_end_of_output_is_not_kept(hanging: str) -> None:
    """As ssh does: a task is over for it when nobody holds its standard output any more."""
    reader, writer = os.pipe()
    task = os.fork()
    if task == 0:
        try:
            os.dup2(writer, 1)
            os.dup2(writer, 2)
            os.close(writer)
            os.close(reader)
            children.os.kill = lambda pid, _number: os.write(1, f"{pid}\n".encode())  # type: ignore[assignment]
            write_all(Host(), {"host1": [Write(hanging, "1")]}, DEADLINE)
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(task, 0)
    output = b""
    while True:
        assert select.select([reader], [], [], 5)[0], "somebody still holds the output"
        chunk = os.read(reader, 4096)
        if not chunk:
            break
        output += chunk
    os.close(reader)
    left = -int(output)  # it is killed with its whole group
    assert Path(f"/proc/{left}/comm").read_text(encoding="utf-8").strip() == "san-host1"
    os.kill(left, signal.SIGKILL)


@pytest.mark.usefixtures("unkillable")
def test_the_next_run_sees_who_was_left_behind(host: Host, hanging: str) -> None:
    pid = write_all(host, {"host777": [Write(hanging, "1")]}, DEADLINE)["host777"].pid
    assert pid is not None
    assert children.left_behind(host, ["host77", "host777", "host7"]) == {"host777": pid}


def test_nobody_left_behind(host: Host, hanging: str) -> None:
    write_all(host, {"host778": [Write(hanging, "1")]}, DEADLINE)
    assert children.left_behind(host, ["host778"]) == {}
    assert children.left_behind(host, []) == {}


def test_a_child_that_somebody_kills(host: Host, attribute: str, hanging: str) -> None:
    """The OOM killer, say. That is no hang, and nobody waits for the deadline."""
    killer = os.fork()
    if killer == 0:
        try:
            found: dict[str, int] = {}
            eventually(lambda: bool(found.update(children.left_behind(host, ["host779"])) or found))
            os.kill(found["host779"], signal.SIGKILL)
        finally:
            os._exit(0)
    writes = [Write(attribute, "1"), Write(hanging, "2"), Write(attribute, "3")]
    result = write_all(host, {"host779": writes}, 30)["host779"]
    os.waitpid(killer, 0)
    assert result.seconds < 20
    assert result.stuck is None
    assert [(written.write, written.errno) for written in result.failed] == [(writes[1], errno.ECHILD)]
    assert result.not_begun == (writes[2],)


def test_more_jobs_than_children_at_once(host: Host, attribute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "PARALLEL", 2)
    results = write_all(host, {f"host{number}": [Write(attribute, "1")] for number in range(7)}, 10)
    assert list(results) == [f"host{number}" for number in range(7)]
    assert all(len(result.done) == 1 for result in results.values())


def test_a_write_is_never_repeated(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that answers EINTR means it (PEP 475 would try for ever)."""
    tries = tmp_path / "tries"

    def interrupted(_fd: int, _data: bytes) -> int:
        with tries.open("a", encoding="utf-8") as stream:
            stream.write("x")
        raise InterruptedError(errno.EINTR, "interrupted")

    def write_attribute(_path: str, _value: str) -> None:
        interrupted(0, b"")

    monkeypatch.setattr(host, "write_attribute", write_attribute)
    result = write_all(host, {"host1": [Write("/sys/x", "1")]}, 10)["host1"]
    assert [written.errno for written in result.failed] == [errno.EINTR]
    assert tries.read_text(encoding="utf-8") == "x"


def test_what_a_child_has_started_ends_with_it(host: Host, tmp_path: Path) -> None:
    """A mount that hangs is a command of the child's: it must not come about later."""
    pid = tmp_path / "pid"

    class Command(Write):
        def perform(self, host: Host) -> str:
            host.run(["sh", "-c", f"echo $$ > {pid}; exec sleep 60"], 60)
            return ""

    result = write_all(host, {"p-1": [Command("/srv", "mount")]}, 2)["p-1"]
    assert result.stuck is not None
    assert not Path(f"/proc/{pid.read_text(encoding='utf-8').strip()}/exe").exists()
