# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change at a time on a host: who waits is told for whom, and a holder that dies blocks nobody."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import LockedError
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock, Host
from ansible_collections.virt.san.plugins.module_utils._host.lock import LOCK, host_lock


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "run").mkdir()
    return Host(str(tmp_path))


@pytest.fixture
def holder(host: Host) -> Iterator[int]:
    """Another process that holds the lock."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with host_lock(host, "virt.san.other", 0):
                os.write(writer, b"held")
                signal.pause()
        finally:
            os._exit(0)
    assert os.read(reader, 4) == b"held"
    os.close(reader)
    os.close(writer)
    yield pid
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        return


def test_the_second_is_told_who_has_it(host: Host, holder: int) -> None:
    with pytest.raises(LockedError) as caught, host_lock(host, "virt.san.mine", 0.1):
        pass
    assert "virt.san.other" in caught.value.message
    assert str(holder) in caught.value.message
    assert LOCK in caught.value.message
    assert caught.value.details == {"holder": f"virt.san.other (pid {holder})"}


def test_the_second_waits_until_it_is_free(host: Host, holder: int) -> None:
    def end_holder(_seconds: float) -> None:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)

    patient = Host(host.root, clock=Clock(sleep=end_holder))
    with host_lock(patient, "virt.san.mine", 5):
        assert f'"pid": {os.getpid()}' in Path(host.root + LOCK).read_text(encoding="utf-8")


def test_free_again_after_an_error(host: Host) -> None:
    with pytest.raises(KeyError), host_lock(host, "first", 0):
        raise KeyError
    with host_lock(host, "second", 0):
        pass


def test_nobody_is_named_who_is_gone(host: Host) -> None:
    with host_lock(host, "first", 0):
        pass
    assert Path(host.root + LOCK).read_text(encoding="utf-8") == ""


def test_only_root_reads_it(host: Host) -> None:
    with host_lock(host, "first", 0):
        assert Path(host.root + LOCK).stat().st_mode & 0o777 == 0o600


def taken(host: Host) -> bool:
    """Tell whether another process could not have the lock."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with host_lock(host, "other", 0):
                code = 0
        except LockedError:
            code = 3
        finally:
            os._exit(code)
    return {0: False, 3: True}[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]


def test_let_go_of_for_a_while(host: Host) -> None:
    with host_lock(host, "mine", 0) as held:
        assert taken(host)
        with held.apart(0):
            assert not taken(host)
        assert taken(host)
        assert "mine" in Path(host.root + LOCK).read_text(encoding="utf-8")
    assert not taken(host)


@pytest.mark.parametrize(("first", "patience"), [(0.0, 5.0), (5.0, 0.0)])
def test_taken_again_with_the_longer_patience(host: Host, first: float, patience: float) -> None:
    waited: list[float] = []
    now = [0.0]

    def end_other(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds
        if now[0] > 4:
            other.close()

    patient = Host(host.root, clock=Clock(lambda: now[0], end_other))
    other = ExitStack()
    with host_lock(patient, "mine", first) as held, held.apart(patience):
        other.enter_context(host_lock(host, "other", 0))
    assert sum(waited) == pytest.approx(4.25)


def other_has_it(host: Host) -> bool:
    return "other" in Path(host.root + LOCK).read_text(encoding="utf-8")


def test_not_taken_again_after_an_error(host: Host) -> None:
    with ExitStack() as other:

        def work() -> None:
            with host_lock(host, "mine", 0) as held, held.apart(60):
                other.enter_context(host_lock(host, "other", 0))
                raise KeyError

        with pytest.raises(KeyError):
            work()
        assert other_has_it(host), "the name is the other's by now"


def test_told_who_has_it_by_then(host: Host) -> None:
    with ExitStack() as other:

        def work() -> None:
            with host_lock(host, "mine", 0) as held, held.apart(0):
                other.enter_context(host_lock(host, "other", 0))

        with pytest.raises(LockedError, match="other"):
            work()
        assert other_has_it(host)
