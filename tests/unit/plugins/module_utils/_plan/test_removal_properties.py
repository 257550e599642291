# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every host: removals settle, and no user ever loses the last way to what it uses."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as some

from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Use
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import Listed
from ansible_collections.virt.san.plugins.module_utils._model.multipath import DropIn, MultipathState
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import FlushMap
from ansible_collections.virt.san.plugins.module_utils._plan.removal import (
    RemovalPlan,
    Seen,
    behind,
    plan_removal,
    whole_units,
)
from ansible_collections.virt.san.plugins.module_utils._plan.removal_steps import DeletePaths, TakeOut, UnlistDevice
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.tests.unit.support.multipathing import apply, path, state, unit, wwid

NUMBERS = (1, 2, 3)
HOSTS = (2, 7)


@some.composite
def units(draw: some.DrawFn, number: int) -> LogicalUnit:
    ways = tuple(
        path(
            f"sd{number}x{index}",
            number,
            hctl=Hctl(host, 0, index, number),
            hba=f"host{host}",
            state=draw(some.sampled_from(["running", "running", "offline"])),
            checker=draw(some.sampled_from([None, "ready", "faulty"])),
        )
        for index, host in enumerate(draw(some.lists(some.sampled_from(HOSTS), min_size=1, max_size=4)))
    )
    name = draw(some.sampled_from([None, f"map{number}"]))
    user = some.sampled_from([name or ways[0].device, ways[-1].device])
    use = Use(draw(some.sampled_from(["mount", "lvm_pv", "qemu"])), draw(user), "user", draw(some.booleans()))
    one = unit(number, name=name, ways=ways, uses=draw(some.sampled_from([(), (), (use,)])))
    if one.map is None:
        return one
    slaves = one.map.slaves[: draw(some.integers(0, len(ways)))]
    queueing = draw(some.sampled_from(["off", "on", "5 chk"]))
    return replace(one, map=replace(one.map, slaves=slaves, queueing=queueing))


@some.composite
def hosts(draw: some.DrawFn) -> Seen:
    found = [draw(units(number)) for number in draw(some.sets(some.sampled_from(NUMBERS)))]
    recorded = {wwid(number): "" for number in draw(some.sets(some.sampled_from(NUMBERS)))}
    remembered = frozenset(wwid(number) for number in draw(some.sets(some.sampled_from(NUMBERS))))
    entries = {number: Listed("mpath_uuid", f"mpath-{wwid(number)}", "/dev/mapper/x") for number in NUMBERS}
    listed = {wwid(number): (entries[number],) for number in draw(some.sets(some.sampled_from(NUMBERS)))}
    return Seen(state(*found, drop_in=DropIn(devices=recorded), remembered=remembered), listed)


def carry_out(before: Seen, steps: tuple[Step, ...]) -> Seen:
    """Return the host after the steps."""
    now = before
    for step in steps:
        if isinstance(step, UnlistDevice):
            now = replace(now, listed={wwid: names for wwid, names in now.listed.items() if wwid != step.wwid})
        elif isinstance(step, TakeOut):
            now = replace(now, multipath=_without(now.multipath, devices=step.devices))
        elif isinstance(step, DeletePaths):
            now = replace(now, multipath=_without(now.multipath, hctls=[gone.hctl for gone in step.paths]))
        else:
            now = replace(now, multipath=apply(now.multipath, [step]))
    return now


def _without(now: MultipathState, devices: tuple[str, ...] = (), hctls: list[Hctl] | None = None) -> MultipathState:
    found = []
    for one in now.san.luns:
        over = one.map and replace(one.map, slaves=tuple(name for name in one.map.slaves if name not in devices))
        paths = tuple(way for way in one.paths if way.hctl not in (hctls or ()))
        deleted = {way.device for way in one.paths} - {way.device for way in paths}
        assert not over or not deleted & set(over.slaves), "deleted under its map"
        if paths or over:
            found.append(replace(one, paths=paths, map=over))
    return replace(now, san=replace(now.san, luns=tuple(found)))


def judge(before: Seen, plan: RemovalPlan) -> None:
    """Check that no user lost what it used."""
    gone = {path.hctl for step in plan.steps if isinstance(step, DeletePaths) for path in step.paths}
    flushed = {step.wwid for step in plan.steps if isinstance(step, FlushMap)}
    for one in before.multipath.san.luns:
        users = [use for use in one.uses if use.active]
        if not users:
            continue
        assert one.wwid not in flushed
        lost = [path for path in one.paths if path.hctl in gone]
        assert not {path.device for path in lost} & {use.device for use in users}
        if lost and one.map is not None:
            assert any(way.usable and way.device in one.map.slaves for way in one.paths if way.hctl not in gone)


options = some.fixed_dictionaries({"force": some.booleans(), "purge_remapped": some.booleans()})


@settings(max_examples=300, deadline=None)
@given(hosts(), some.lists(some.sampled_from([wwid(number) for number in NUMBERS]), unique=True), options)
def test_whole_units(before: Seen, wwids: list[str], chosen: dict[str, bool]) -> None:
    try:
        plan = plan_removal(before, whole_units(before, wwids), **chosen)  # type: ignore[arg-type]
    except SanError:
        return
    judge(before, plan)
    assert plan.changed == bool(plan.steps)
    after = carry_out(before, plan.steps)
    assert not {one.wwid for one in after.multipath.san.luns} & set(wwids)
    again = plan_removal(after, whole_units(after, wwids))  # type: ignore[arg-type]
    assert not again.steps
    assert not again.changed


@settings(max_examples=300, deadline=None)
@given(hosts(), options, some.booleans())
def test_what_is_behind_a_host(before: Seen, chosen: dict[str, bool], keep: bool) -> None:
    try:
        plan = plan_removal(before, behind(before, ["host7"], keep_record=keep), **chosen)
    except SanError:
        return
    judge(before, plan)
    assert plan.changed == bool(plan.steps)
    after = carry_out(before, plan.steps)
    assert not [way for one in after.multipath.san.luns for way in one.paths if way.hba == "host7"]
    kept = {way.hctl for one in before.multipath.san.luns for way in one.paths if way.hba != "host7"}
    assert {way.hctl for one in after.multipath.san.luns for way in one.paths} == kept
    assert not plan_removal(after, behind(after, ["host7"], keep_record=keep)).steps
