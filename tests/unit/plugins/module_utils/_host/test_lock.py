# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change at a time on a host: who waits is told for whom, and a holder that dies blocks nobody."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
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
