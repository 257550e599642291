# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One LUN and this host's ways to it: which of them are taken, and what becomes of one that is silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path as File

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.reservations import (
    Lun,
    ask,
    ask_all,
    own_key,
    reach,
    send,
)
from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import children
from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult, Write
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.reservations import register, reserve
from ansible_collections.virt.san.plugins.module_utils._model.block import San
from ansible_collections.virt.san.plugins.module_utils._model.reservation import host_key
from ansible_collections.virt.san.tests.unit.support.multipathing import path, unit
from ansible_collections.virt.san.tests.unit.support.shared_lun import SharedLun

WWPN = "2100000000000001"
MACHINE_ID = "1" * 32
KEY = host_key(MACHINE_ID)
UNIT = replace(unit(1, name="data"), paths=tuple(path(name, 1, initiator=WWPN) for name in ("a", "b")))


@pytest.fixture
def host(tmp_path: File) -> Host:
    return Host(str(tmp_path))


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> SharedLun:
    target = SharedLun()
    monkeypatch.setattr(children, "write_all", target.for_host(WWPN))
    return target


@pytest.fixture
def lun(host: Host) -> Lun:
    return reach(host, San(luns=(UNIT,)), UNIT)


def test_the_key_is_the_machines(host: Host, tmp_path: File) -> None:
    with pytest.raises(UnavailableError, match="systemd-machine-id-setup"):
        own_key(host)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text(f"{MACHINE_ID}\n", encoding="utf-8")
    assert own_key(host) == KEY


def test_only_paths_that_work(host: Host) -> None:
    broken = replace(UNIT.paths[0], state="offline")
    found = reach(host, San(luns=(UNIT,)), replace(UNIT, paths=(broken, UNIT.paths[1])))
    assert (found.devices, found.initiators) == (("/dev/b",), {WWPN})
    with pytest.raises(UnavailableError, match="no path that works"):
        reach(host, San(luns=(UNIT,)), replace(UNIT, paths=(broken,)))


def test_a_command_that_still_hangs(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "left_behind", lambda _host, jobs: {jobs[1]: 77})
    with pytest.raises(UnavailableError, match=r"process 77 \(pr-b\) of an earlier run still waits"):
        reach(host, San(luns=(UNIT,)), UNIT)


def test_one_path_that_answers_is_enough(host: Host, lun: Lun, target: SharedLun) -> None:
    assert send(host, lun, [register(device, KEY) for device in lun.devices]) == []
    target.dead.add("/dev/a")
    assert ask(host, lun).keys == (KEY, KEY)
    assert ask_all(host, [lun]) == [None], "one path each"
    target.dead.add("/dev/b")
    with pytest.raises(CommandError, match="Input/output error"):
        ask(host, lun)


def test_all_at_once(host: Host, lun: Lun, target: SharedLun) -> None:
    assert ask_all(host, []) == []
    (seen,) = ask_all(host, [lun])
    assert seen is not None
    assert (seen.keys, seen.holder) == ((), None)
    target.knows = False
    assert ask_all(host, [lun]) == [None]


def test_what_was_not_done_is_told(host: Host, lun: Lun, target: SharedLun) -> None:
    (problem,) = send(host, lun, [reserve("/dev/a", KEY)])
    assert "through /dev/a: " in problem
    assert target.holder is None
    assert send(host, lun, [register("/dev/b", KEY), reserve("/dev/b", KEY)], together=True) == []
    assert target.holder == (WWPN, "/dev/b")


def test_no_answer_in_time(host: Host, lun: Lun, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(_host: Host, jobs: Mapping[str, Sequence[Write]], deadline: float) -> dict[str, ChildResult]:
        return {name: ChildResult((), writes[0], deadline) for name, writes in jobs.items()}

    monkeypatch.setattr(children, "write_all", hang)
    assert send(host, lun, [register("/dev/b", KEY)]) == ["pr-b: no answer within 30 s"]
    assert ask_all(host, [lun]) == [None]
    with pytest.raises(CommandError, match="/dev/b does not answer within 30 s"):
        ask(host, lun)
