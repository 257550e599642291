# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every host and every wish: plans settle, and leave alone what is in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as some

from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Use
from ansible_collections.virt.san.plugins.module_utils._model.multipath import (
    Claim,
    DropIn,
    MultipathState,
    WantedDevice,
    WantedMaps,
)
from ansible_collections.virt.san.plugins.module_utils._plan.multipath import MapsPlan, plan_present
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_absent import plan_absent
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import CreateMap, FlushMap, Reconfigure
from ansible_collections.virt.san.tests.unit.support.multipathing import GIB, MOUNTED, apply, path, state, unit, wwid

NUMBERS = (1, 2, 3)
ALIASES = some.sampled_from(["", "a", "b"])
PARTITION = Use("partition", "/dev/sdb1", "sdb1")


@some.composite
def units(draw: some.DrawFn, number: int) -> LogicalUnit:
    sizes = some.sampled_from([GIB, GIB, GIB, 2 * GIB, 0])
    ways = tuple(
        path(
            f"sd{number}_{index}",
            number,
            size=draw(sizes),
            state=draw(some.sampled_from(["running", "running", "running", "offline"])),
            checker=draw(some.sampled_from([None, "ready", "faulty"])),
            transport=draw(some.sampled_from(["fc", "fc", "iscsi", "sas", "ata"])),
        )
        for index in range(draw(some.integers(1, 3)))
    )
    one = unit(
        number,
        name=draw(some.sampled_from([None, wwid(number), "a", f"mpath{number}"])),
        ways=ways,
        uses=draw(some.sampled_from([(), (), (PARTITION,), (MOUNTED,), (PARTITION, MOUNTED)])),
        problem=draw(some.sampled_from([None, None, None, "its paths differ in serial"])),
    )
    if one.map and draw(some.booleans()):
        one = replace(one, map=replace(one.map, slaves=one.map.slaves[:-1]))
    return one


@some.composite
def hosts(draw: some.DrawFn) -> MultipathState:
    found = [draw(units(number)) for number in draw(some.sets(some.sampled_from(NUMBERS)))]
    names = [one.map.name for one in found if one.map]
    assume(len(names) == len(set(names)))
    recorded = draw(some.dictionaries(some.sampled_from([wwid(number) for number in NUMBERS]), ALIASES, max_size=3))
    assume(len([alias for alias in recorded.values() if alias]) == len({alias for alias in recorded.values() if alias}))
    claim = draw(some.sampled_from([(), (Claim("b", wwid(2), "/etc/multipath/bindings"),)]))
    here = state(*found, drop_in=DropIn(devices=recorded), claims=claim)
    return replace(
        here,
        monitored=draw(some.sampled_from([here.monitored, here.monitored, frozenset()])),
        running_aliases=draw(some.sampled_from([here.running_aliases, {}, {wwid(1): "old"}])),
        pending=draw(some.booleans()),
    )


@some.composite
def wishes(draw: some.DrawFn) -> WantedMaps:
    device = some.builds(
        WantedDevice,
        some.sampled_from([wwid(number) for number in NUMBERS]),
        some.one_of(some.none(), ALIASES),
        some.sampled_from([None, None, 2]),
    )
    return WantedMaps(
        devices=draw(some.one_of(some.none(), some.lists(device, max_size=3).map(tuple))),
        settings=draw(some.sampled_from([{}, {}, {"defaults": {"polling_interval": "7"}}, {"overrides": {}}])),
        resize=draw(some.booleans()),
    )


def settled(before: MultipathState, make: Callable[[MultipathState], MapsPlan]) -> MapsPlan | None:
    """Plan, apply and plan again; None where the plan is refused."""
    try:
        plan = make(before)
    except SanError:
        return None
    assert plan.changed == bool(plan.steps), "what changes and what is done are one"
    try:
        again = make(apply(before, plan.steps))
    except SanError as refused:
        raise AssertionError(f"refused after its own plan: {refused}") from refused
    assert not again.steps
    assert not again.changed
    return plan


def used(before: MultipathState) -> set[str]:
    return {str(one.wwid) for one in before.san.luns if MOUNTED in one.uses}


@settings(max_examples=400, deadline=None)
@given(hosts(), wishes())
def test_present_settles_and_leaves_alone_what_is_in_use(before: MultipathState, wanted: WantedMaps) -> None:
    plan = settled(before, lambda now: plan_present(now, wanted))
    if plan is None:
        return
    assert len([step for step in plan.steps if isinstance(step, Reconfigure)]) <= 1
    for step in plan.steps:
        if isinstance(step, CreateMap):
            assert step.wwid not in used(before)
        if isinstance(step, Reconfigure):
            assert not {renamed for renamed, _old, _new in step.renames} & used(before)


@settings(max_examples=400, deadline=None)
@given(hosts(), some.lists(some.sampled_from([wwid(number) for number in NUMBERS]), unique=True))
def test_absent_settles_and_leaves_alone_what_is_in_use(before: MultipathState, wwids: list[str]) -> None:
    plan = settled(before, lambda now: plan_absent(now, tuple(wwids)))  # type: ignore[arg-type]
    if plan is None:
        return
    flushed = {step.wwid for step in plan.steps if isinstance(step, FlushMap)}
    assert not flushed & used(before)
    assert flushed <= set(wwids)
