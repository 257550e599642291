# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sizes are followed, which are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError, SanError, WaitTimeoutError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit
from ansible_collections.virt.san.plugins.module_utils._plan.grow import RereadPaths, plan_grow
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import ResizeMap
from ansible_collections.virt.san.tests.unit.support.multipathing import GIB, path, unit, wwid

OLD = unit(1, name="data")
BARE = unit(1)


def grown(*sizes: int, over: int = GIB, name: str | None = "data", **facts: str) -> LogicalUnit:
    ways = tuple(path(f"sdb{index}", 1, size=size, **facts) for index, size in enumerate(sizes))
    return unit(1, name=name, ways=ways, size=over)


def test_a_map_follows_its_paths() -> None:
    plan = plan_grow(OLD, grown(2 * GIB, 2 * GIB), None, asked=True)
    assert plan.steps == (RereadPaths(OLD.paths), ResizeMap(wwid(1), "data", "dm-1", 2 * GIB))
    assert plan.changed
    assert plan.after["luns"][wwid(1)] == {"size": 2 * GIB, "paths": {"sdb0": 2 * GIB, "sdb1": 2 * GIB}}


def test_without_a_map_asking_is_all() -> None:
    plan = plan_grow(BARE, grown(2 * GIB, 2 * GIB, over=2 * GIB, name=None), None, asked=True)
    assert [type(step) for step in plan.steps] == [RereadPaths]
    assert plan.changed


@pytest.mark.parametrize("wanted", [None, GIB])
def test_nothing_to_follow(wanted: int | None) -> None:
    plan = plan_grow(OLD, OLD, wanted, asked=True)
    assert not plan.changed
    assert [type(step) for step in plan.steps] == [RereadPaths]


def test_a_run_that_was_killed_is_finished() -> None:
    half = grown(2 * GIB, 2 * GIB)
    plan = plan_grow(half, half, None, asked=True)
    assert plan.changed
    assert plan.steps[1:] == (ResizeMap(wwid(1), "data", "dm-1", 2 * GIB),)


def test_in_check_mode_the_wanted_size_is_believed() -> None:
    planned = plan_grow(OLD, OLD, 2 * GIB, asked=False)
    assert planned == plan_grow(OLD, grown(2 * GIB, 2 * GIB), 2 * GIB, asked=True)


def test_a_size_that_did_not_come() -> None:
    with pytest.raises(WaitTimeoutError, match="has 1G, not the 2G"):
        plan_grow(OLD, OLD, 2 * GIB, asked=True)


@pytest.mark.parametrize("wanted", [None, GIB // 2, GIB, 2 * GIB])
@pytest.mark.parametrize("before", [OLD, BARE])
def test_never_smaller(before: LogicalUnit, wanted: int | None) -> None:
    now = grown(GIB // 2, GIB // 2, name="data" if before.map else None, over=GIB if before.map else GIB // 2)
    with pytest.raises(RefusedError, match=r"has shrunk on the array, from 1G .sdb0 512M"):
        plan_grow(before, now, wanted, asked=True)


def test_smaller_is_not_asked_for() -> None:
    with pytest.raises(RefusedError, match="more than the 512M asked for"):
        plan_grow(OLD, OLD, GIB // 2, asked=True)


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (grown(2 * GIB, GIB), "do not agree"),
        (grown(2 * GIB, 0), "do not agree"),
        (grown(0, 0), "tells no size any more"),
    ],
)
def test_paths_that_cannot_be_trusted(now: LogicalUnit, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        plan_grow(OLD, now, None, asked=True)


def test_a_path_that_is_down() -> None:
    ways = (path("sdb0", 1, size=2 * GIB), path("sdb1", 1, state="offline"))
    with pytest.raises(RefusedError, match=r"not all of its paths are usable.*sdb1 1G, offline"):
        plan_grow(OLD, unit(1, name="data", ways=ways), None, asked=True)
    same = unit(1, name="data", ways=(path("sdb0", 1), ways[1]))
    assert not plan_grow(same, same, None, asked=True).changed, "where nothing is to follow it does no harm"


sizes = some.sampled_from([0, GIB // 2, GIB, GIB, 2 * GIB])
ways = some.tuples(sizes, some.sampled_from(["running", "running", "offline"]))


@given(
    some.lists(ways, min_size=1, max_size=3), some.sampled_from([None, "data"]), some.sampled_from([None, GIB, 2 * GIB])
)
def test_it_settles_and_never_shrinks(told: list[tuple[int, str]], name: str | None, wanted: int | None) -> None:
    paths = tuple(path(f"sdb{at}", 1, size=size, state=state) for at, (size, state) in enumerate(told))
    now = unit(1, name=name, ways=paths, size=GIB if name else max(size for size, _state in told))
    try:
        plan = plan_grow(now, now, wanted, asked=True)
    except SanError:
        return
    steps = [step for step in plan.steps if isinstance(step, ResizeMap)]
    assert plan.changed == bool(steps)
    for step in steps:
        assert step.size > GIB
        after = unit(1, name=name, ways=paths, size=step.size)
        assert not plan_grow(after, after, wanted, asked=True).changed
