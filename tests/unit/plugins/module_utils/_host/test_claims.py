# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims on what is worked on without the host's lock: seen by all others as long as their processes live."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._host.claims import FOLDER, claimed, read_claims
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.claim import Claim

MINE = Claim("volume a of pool images", ("/images/a",), ("/srv/base",), 1)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "run").mkdir()
    return Host(str(tmp_path))


@pytest.fixture
def other(host: Host) -> Iterator[Claim]:
    """The claim of another process."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with claimed(host, replace(MINE, what="other", pid=os.getpid())):
                os.write(writer, b"held")
                signal.pause()
        finally:
            os._exit(0)
    assert os.read(reader, 4) == b"held"
    os.close(reader)
    os.close(writer)
    yield replace(MINE, what="other", pid=pid)
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        return


def files(host: Host) -> list[str]:
    return sorted(os.listdir(host.path(FOLDER)))


def test_seen_while_it_lasts(host: Host, other: Claim) -> None:
    assert read_claims(host) == (other,)
    with claimed(host, MINE):
        assert set(read_claims(host)) == {other, MINE}
        assert Path(host.path(f"{FOLDER}/1")).stat().st_mode & 0o777 == 0o600
    assert read_claims(host) == (other,)


def test_none_at_all(host: Host) -> None:
    assert read_claims(host) == ()
    assert not host.exists(FOLDER), "looking writes nothing"


def test_gone_with_its_process(host: Host, other: Claim) -> None:
    os.kill(other.pid, signal.SIGKILL)
    os.waitpid(other.pid, 0)
    assert read_claims(host) == ()
    assert files(host) == [str(other.pid)]
    with claimed(host, MINE):
        assert files(host) == ["1"], "the next one clears up"
    assert files(host) == []


def test_gone_after_an_error(host: Host) -> None:
    with pytest.raises(KeyError), claimed(host, MINE):
        raise KeyError
    assert files(host) == []


def test_two_who_look_are_no_holders(host: Host) -> None:
    os.mkdir(host.path(FOLDER))
    with open(host.path(f"{FOLDER}/7"), "w+b") as left:
        left.write(b'{"pid": 7, "what": "killed", "writes": [], "reads": []}')
        left.flush()
        fcntl.flock(left, fcntl.LOCK_SH)
        assert read_claims(host) == ()


def test_what_nobody_can_read_is_no_claim(host: Host) -> None:
    os.mkdir(host.path(FOLDER))
    with open(host.path(f"{FOLDER}/7"), "w+b") as odd:
        fcntl.flock(odd, fcntl.LOCK_EX)
        assert read_claims(host) == ()
