# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one waiting loop of the collection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ansible_collections.virt.san.plugins.module_utils._errors import WaitTimeoutError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

State = TypeVar("State")

POLL_INTERVAL = 0.25
"""Seconds between two looks where nothing wakes the loop."""


def wait_until(
    host: Host,
    observe: Callable[[], State],
    satisfied: Callable[[State], bool],
    timeout: float,
    wake: Callable[[float], None] | None = None,
    interval: float = POLL_INTERVAL,
) -> State:
    """Observe until `satisfied`, at most `timeout` seconds, and return the last observed state.

    Observes at least once, and once more after the deadline, so that a state reached in the
    meantime is not missed. `wake(seconds)` blocks until something may have changed, at most
    that long (udev events); without it the clock's sleep is used, `interval` seconds at a time: less than
    usual where looking is reading an attribute or two and nothing tells of a change.
    The caller asks `satisfied` again to tell success from the deadline: what is missing is its to say.
    """
    deadline = host.clock.monotonic() + timeout
    while True:
        expired = host.clock.monotonic() >= deadline
        state = observe()
        if expired or satisfied(state):
            return state
        pause = min(interval if wake is None else 1.0, max(deadline - host.clock.monotonic(), 0.0))
        (wake or host.clock.sleep)(pause)


def require(
    host: Host,
    observe: Callable[[], State],
    satisfied: Callable[[State], bool],
    timeout: float,
    what: str,
    describe: Callable[[State], str] = str,
) -> State:
    """Like wait_until, and raise WaitTimeoutError naming `what` and the last observed state."""
    state = wait_until(host, observe, satisfied, timeout)
    if not satisfied(state):
        raise WaitTimeoutError(f"{what}: not within {timeout:g} s; last seen: {describe(state)}", last=describe(state))
    return state
