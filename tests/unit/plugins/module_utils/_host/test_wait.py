# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The waiting loop, on a clock that only moves when it is slept on."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import WaitTimeoutError
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock, Host
from ansible_collections.virt.san.plugins.module_utils._host.wait import POLL_INTERVAL, require, wait_until


class Time:
    """A clock whose seconds pass in sleep alone."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self.host = Host(clock=Clock(monotonic=lambda: self.now, sleep=self.sleep))

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def test_what_is_there_already_is_not_waited_for(time: Time) -> None:
    assert wait_until(time.host, lambda: "there", bool, 60) == "there"
    assert time.pauses == []


def test_no_time_is_one_look(time: Time) -> None:
    looks: list[int] = []
    assert wait_until(time.host, lambda: looks.append(1), bool, 0) is None
    assert len(looks) == 1


def test_looks_again_until_it_is_there(time: Time) -> None:
    states = iter(["", "", "there"])
    assert wait_until(time.host, lambda: next(states), bool, 60) == "there"
    assert time.pauses == [POLL_INTERVAL] * 2


def test_gives_up_at_the_deadline_after_one_last_look(time: Time) -> None:
    seen: list[float] = []
    wait_until(time.host, lambda: seen.append(time.now), bool, 1.1)
    assert time.now == pytest.approx(1001.1)
    assert seen[-1] == pytest.approx(1001.1)


def test_a_slow_look_does_not_overrun_twice(time: Time) -> None:
    looks: list[float] = []

    def slow() -> None:
        looks.append(time.now)
        time.now += 10

    wait_until(time.host, slow, bool, 5)
    assert len(looks) == 2


def test_events_wake_it(time: Time) -> None:
    states = iter(["", "there"])
    woken: list[float] = []
    assert wait_until(time.host, lambda: next(states), bool, 60, wake=woken.append) == "there"
    assert len(woken) == 1
    assert time.pauses == []


def test_the_error_tells_what_was_seen_last(time: Time) -> None:
    with pytest.raises(WaitTimeoutError, match=r"the link: not within 2 s; last seen: Linkdown"):
        require(time.host, lambda: "Linkdown", lambda state: state == "Online", 2, "the link")


def test_require_returns_the_state(time: Time) -> None:
    assert require(time.host, lambda: "Online", lambda state: state == "Online", 2, "the link") == "Online"
