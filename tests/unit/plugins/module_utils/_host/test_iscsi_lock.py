# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of open-iscsi's database: kept to as iscsiadm does, and never left behind by a run that is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import iscsi_lock, iscsiadm
from ansible_collections.virt.san.plugins.module_utils._host.host import TEMPORARY, Completed, Host
from ansible_collections.virt.san.plugins.module_utils._host.iscsi_lock import TAKEN, database_lock, free_lock
from ansible_collections.virt.san.tests.unit.support.kernel import Timer


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(str(tmp_path), clock=Timer().clock)


@pytest.fixture
def taken(host: Host) -> Path:
    return Path(host.path(TAKEN))


def of_iscsiadm(taken: Path) -> None:
    """Take it as iscsiadm does."""
    lock = taken.with_name("lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    os.link(lock, taken)


def killed_inside(host: Host) -> None:
    """Have a run of ours end while it holds the lock."""
    pid = os.fork()
    if not pid:
        with suppress(BaseException), database_lock(host):
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL


def test_held_and_let_go(host: Host, taken: Path) -> None:
    for _again in range(2):
        with database_lock(host):
            assert taken.exists()
            with pytest.raises(FileExistsError):
                of_iscsiadm(taken)
        assert not taken.exists()


def test_let_go_after_a_failure(host: Host, taken: Path) -> None:
    with pytest.raises(OSError, match="full"), database_lock(host):
        raise OSError("full")
    assert not taken.exists()


def test_that_of_iscsiadm_is_waited_for(host: Host, taken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_iscsiadm(taken)
    free_lock(host)
    with pytest.raises(UnavailableError, match="remove that file"), database_lock(host):
        pytest.fail("it is another's")
    assert taken.exists(), "it is another's"
    link = iscsi_lock.os.link

    def freed(*names: str) -> None:
        taken.unlink(missing_ok=True)
        link(*names)

    monkeypatch.setattr(iscsi_lock.os, "link", freed)
    with database_lock(host):
        assert taken.exists()
    assert not taken.exists()


def test_that_of_a_killed_run_is_taken_over(host: Host, taken: Path) -> None:
    killed_inside(host)
    assert taken.exists()
    with database_lock(host):
        assert taken.exists()
    assert not taken.exists()


def test_that_of_a_killed_run_is_freed_before_iscsiadm_waits_for_it(host: Host, taken: Path) -> None:
    there: list[bool] = []

    def run(argv: Sequence[str], _deadline: float, _stdin: str | None) -> Completed:
        there.append(taken.exists())
        return Completed(tuple(argv), iscsiadm.NONE_FOUND, "", "")

    asking = Host(host.root, run)
    for ask in (iscsiadm.recorded, lambda one: iscsiadm.log_out(one, 7, 1.0)):
        killed_inside(host)
        assert taken.exists()
        ask(asking)
    assert there == [False, False]


def test_what_a_killed_run_was_writing_goes_with_its_lock(host: Host) -> None:
    """It may be a password, and the next run may have nothing to write."""
    places = [Path(host.path(root)) for root in iscsi_lock.ROOTS]
    for place in places:
        place.mkdir(parents=True)
        (place / f".default.77{TEMPORARY}").write_text("a password")
    free_lock(host)
    assert all(list(place.iterdir()) for place in places), "somebody may be writing it"
    killed_inside(host)
    free_lock(host)
    assert not any(list(place.iterdir()) for place in places)


def test_whoever_may_not_look_is_not_in_the_way(host: Host, taken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is root's alone. What iscsiadm says to others is for them to read."""
    killed_inside(host)

    def refused(*_paths: str) -> bool:
        raise PermissionError

    monkeypatch.setattr(iscsi_lock.os.path, "samefile", refused)
    free_lock(host)
    assert taken.exists()


def test_that_of_a_run_that_lives_stays(host: Host, taken: Path) -> None:
    with database_lock(host):
        free_lock(host)
        assert taken.exists()
        with pytest.raises(UnavailableError), database_lock(Host(host.root, clock=Timer().clock)):
            pytest.fail("two hold it")
        assert taken.exists()


def test_what_iscsiadm_took_meanwhile_stays(host: Host, taken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_inside(host)
    lock = iscsi_lock.try_lock

    def slow(fd: int) -> bool:
        taken.unlink()
        of_iscsiadm(taken)
        return lock(fd)

    monkeypatch.setattr(iscsi_lock, "try_lock", slow)
    free_lock(host)
    assert taken.exists()
