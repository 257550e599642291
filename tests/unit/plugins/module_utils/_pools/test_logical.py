# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of type logical, from nothing to nothing, on this host and as another one sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, NotFoundError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.disk import device_path
from ansible_collections.virt.san.plugins.module_utils._model.group import GroupSight, pv_uuid
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Permissions,
    PoolDefinition,
    Source,
    SourceDevice,
    SourceHost,
    Space,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._pools.base import Needs, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.group_steps import (
    ActivateGroup,
    CreateGroup,
    DeactivateGroup,
    ExtendGroup,
    LabelDevice,
    ReduceGroup,
    RemoveGroup,
    UnlabelDevice,
)
from ansible_collections.virt.san.plugins.module_utils._pools.logical import LogicalPool, group_name, group_of
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known, PoolPlan, Wanted, plan_pool
from ansible_collections.virt.san.plugins.module_utils._pools.steps import Define, NoteStarted, NoteStopped, Undefine
from ansible_collections.virt.san.tests.unit.support.groups import (
    ELSEWHERE,
    EXT4,
    NAME,
    gone,
    group,
    pv,
    seen,
    sight,
    volume,
)
from ansible_collections.virt.san.tests.unit.support.multipathing import wwid

KIND = LogicalPool()
ONE, TWO = (device_path(wwid(number)) for number in (1, 2))


def pool(*devices: str, **source: Any) -> PoolDefinition:
    return PoolDefinition(NAME, "logical", Source(devices=tuple(map(SourceDevice, devices)), **source), uuid="u")


def look(groups: GroupSight, *devices: Any, **facts: Any) -> Seen:
    by_name = {device_path(one.disk.wwid or ""): one for one in devices}
    return Seen(devices=by_name, groups=groups, **facts)


def plan(state: str, now: Seen, known: Known | None = None, **wanted: Any) -> PoolPlan:
    described = wanted.pop("pool", pool(ONE))
    return plan_pool(known or Known(NAME), Wanted(NAME, state, described, **wanted), now, KIND, "u")


def kinds(made: PoolPlan) -> list[type]:
    return [type(step) for step in made.steps]


DEFINED = Known(NAME, pool(ONE))
STARTED = Known(NAME, pool(ONE), pool(ONE))
WITH_DATA = group(pv(1), volumes=(volume("a"),))


def test_built_and_started() -> None:
    made = plan("active", look(sight(), seen(1)))
    assert kinds(made) == [Define, LabelDevice, CreateGroup, NoteStarted]
    built = look(sight(group(pv(1))), seen(1), noted=True)
    again = plan("active", built, STARTED)
    assert (again.steps, again.before == again.after, again.running) == ((), True, True)
    assert kinds(plan("active", replace(built, noted=False), DEFINED)) == [NoteStarted]


def test_volumes_are_activated_and_deactivated() -> None:
    idle = group(pv(1), volumes=(volume("a", active=False),))
    assert kinds(plan("active", look(sight(idle), seen(1)), DEFINED)) == [ActivateGroup, NoteStarted]
    assert kinds(plan("inactive", look(sight(WITH_DATA), seen(1), noted=True), STARTED)) == [
        DeactivateGroup,
        NoteStopped,
    ]
    held = group(pv(1), volumes=(volume("a", opened=True),))
    for force in (False, True):
        with pytest.raises(InUseError, match="deactivating it is refused"):
            plan("inactive", look(sight(held), seen(1), noted=True), STARTED, force=force)


def test_what_runs_in_part_is_brought_up_where_it_is_to_run() -> None:
    """At boot a volume may fail, and nothing but this tries again."""
    half = group(pv(1), volumes=(volume("a"), volume("b", active=False)))
    now = look(sight(half), seen(1), noted=True)
    for build in ("if_needed", "never"):
        made = plan("active", now, STARTED, build=build)
        assert (kinds(made), made.before == made.after) == ([ActivateGroup, NoteStarted], False)
    assert (plan("present", now, STARTED).steps, plan("present", now, STARTED).running) == ((), True)
    assert kinds(plan("inactive", now, STARTED)) == [DeactivateGroup, NoteStopped]
    for facts in ({"lock_type": "sanlock"}, {"volumes": (volume("a"), *PASSIVE)}):
        fine = replace(now, groups=sight(replace(half, **facts)))
        assert plan("active", fine, STARTED).steps == ()


PASSIVE = (
    volume("snap", active=False, skipped=True, origin="a", pool="thin"),
    volume("thin", active=False, layout="thin,pool"),
    volume("cow", active=False, origin="a"),
)
"""Volumes that need not be active while their group is."""


def test_removed() -> None:
    now = look(sight(WITH_DATA), seen(1), noted=True)
    assert kinds(plan("absent", now, STARTED)) == [DeactivateGroup, NoteStopped, Undefine]
    made = plan("absent", replace(now, noted=False, groups=sight(group(pv(1)))), DEFINED, delete_contents=True)
    assert kinds(made) == [RemoveGroup, UnlabelDevice, Undefine]


def test_another_host_finds_it_built() -> None:
    theirs = look(sight(group(pv(1), system_id=ELSEWHERE, volumes=(volume("a", active=False),))), seen(1))
    made = plan("present", theirs)
    assert (kinds(made), made.built, made.running) == ([Define], True, False)
    with pytest.raises(RefusedError, match=f"belongs to host {ELSEWHERE}"):
        plan("active", theirs)
    with pytest.raises(RefusedError, match="all that is in it would be removed"):
        plan("absent", theirs, DEFINED, delete_contents=True)
    assert kinds(plan("absent", theirs, DEFINED)) == [Undefine]


def test_devices_come_and_go() -> None:
    both = pool(ONE, TWO)
    now = look(sight(group(pv(1))), seen(1), seen(2))
    made = plan("present", now, DEFINED, pool=both)
    assert kinds(made) == [Define, LabelDevice, ExtendGroup]
    assert made.before["pool"]["group"] != made.after["pool"]["group"]
    two = look(sight(group(pv(1), pv(2))), seen(1))
    drift = plan("present", two, DEFINED)
    assert (drift.steps, "remove_devices: true" in drift.warnings[0]) == ((), True)
    assert kinds(plan("present", replace(two, remove_devices=True), DEFINED)) == [ReduceGroup, UnlabelDevice]
    assert plan("present", replace(two, remove_devices=True), DEFINED, build="never").steps == ()


def test_what_is_there_is_lost_only_by_name() -> None:
    now = look(sight(), seen(1, EXT4))
    with pytest.raises(RefusedError, match="ext4"):
        plan("present", now)
    assert len(plan("present", now, build="overwrite").steps) == 4


def test_a_device_that_is_not_there() -> None:
    lost = Seen(groups=sight(WITH_DATA), silent={ONE: "no LUN with that WWID"}, noted=True)
    with pytest.raises(RefusedError, match=r"neither built nor changed: .*no LUN with that WWID"):
        plan("present", lost, STARTED)
    assert kinds(plan("inactive", lost, STARTED, pool=None, build="never")) == [DeactivateGroup, NoteStopped]
    assert kinds(plan("absent", lost, STARTED)) == [DeactivateGroup, NoteStopped, Undefine]


BOTH = pool(ONE, TWO)
LACKING = group(pv(1), gone(2), volumes=(volume("a"),))


def degraded(**facts: Any) -> Seen:
    """Return what is seen where the LUN of the second PV is not there."""
    now = look(sight(replace(LACKING, **facts)), seen(1), noted=True)
    return replace(now, silent={TWO: "WWID 3600 is not on this host"})


@pytest.mark.parametrize("volumes", [LACKING.volumes, (volume("a", active=False),)])
@pytest.mark.parametrize("described", [BOTH, None])
@pytest.mark.parametrize("state", ["present", "active"])
def test_a_pv_that_is_missing(state, described, volumes) -> None:
    """The message names the PV and its LUN, which the definition tells, and both ways out."""
    told = rf"lacks PV {gone(2).uuid} \(a missing device, {wwid(2)}\): pool {NAME} is left as it is.*"
    with pytest.raises(RefusedError, match=told + "Bring it back.*vgreduce --removemissing") as error:
        plan(state, degraded(volumes=volumes), Known(NAME, BOTH), pool=described)
    assert error.value.details["missing"] == [gone(2).uuid]
    with pytest.raises(RefusedError, match=rf"a missing device, {wwid(2)}\): .* would stay"):
        plan("absent", degraded(volumes=volumes), Known(NAME, BOTH), pool=None, delete_contents=True)


@pytest.mark.parametrize("described", [BOTH, None])
def test_with_a_pv_missing_it_is_stopped_and_forgotten(described) -> None:
    known = Known(NAME, BOTH, BOTH)
    made = plan("inactive", degraded(), known, pool=described)
    assert kinds(made) == [DeactivateGroup, NoteStopped]
    assert any(f"a missing device, {wwid(2)}" in told for told in made.warnings)
    stopped = replace(degraded(volumes=(volume("a", active=False),)), noted=False)
    again = plan("inactive", stopped, Known(NAME, BOTH), pool=described)
    assert (again.steps, again.before == again.after) == ((), True)
    assert kinds(plan("absent", degraded(), known, pool=described)) == [DeactivateGroup, NoteStopped, Undefine]
    with pytest.raises(RefusedError, match="volumes on that would lack their data"):
        plan("active", stopped, Known(NAME, BOTH), pool=described, build="never")


def test_what_is_asked_for_anew_is_refused_also_where_it_stops() -> None:
    known = Known(NAME, pool(ONE), pool(ONE))
    with pytest.raises(RefusedError, match="is left as it is"):
        plan("inactive", degraded(), known, pool=BOTH)
    with pytest.raises(RefusedError, match="is left as it is"):
        plan("inactive", degraded(), Known(NAME, BOTH, BOTH), pool=None, remove_devices=True)


def test_what_a_missing_pv_was_on_is_told_where_it_is_known() -> None:
    local = replace(gone(2), uuid=pv_uuid(NAME, "/dev/vdb"))
    strange = replace(gone(3), uuid="other")
    now = look(sight(group(pv(1), local, strange), group(gone(2), name="data")))
    first, second, third = group_of(pool(ONE, "/dev/vdb", TWO), now).pvs
    assert (first, third) == (pv(1), strange)
    assert (second.path, second.missing, second.label) == (
        "/dev/vdb",
        True,
        f"PV {local.uuid} (a missing device, /dev/vdb)",
    )
    assert group_of(pool(name="data"), now).lack.endswith(f"lacks PV {gone(2).uuid} (a missing device)")


def test_a_group_that_somebody_has_made() -> None:
    theirs = look(sight(group(pv(1), tags=())))
    assert kinds(plan("present", theirs, pool=pool())) == [Define]
    with pytest.raises(NotFoundError, match="no device is named"):
        plan("present", look(sight()), pool=pool())


def test_a_group_on_luns_that_belongs_to_no_host() -> None:
    """Where it is active already, its pool runs, so that it can be stopped."""
    orphan = replace(WITH_DATA, system_id="", tags=())
    running, idle = look(sight(orphan)), look(sight(replace(orphan, volumes=(volume("a", active=False),))))
    for state in ("present", "active"):
        made = plan(state, running, Known(NAME, pool()), pool=pool())
        assert (made.running, "has no system ID" in made.warnings[0]) == (True, True)
    assert kinds(plan("inactive", running, Known(NAME, pool()), pool=None)) == [DeactivateGroup]
    assert kinds(plan("absent", running, Known(NAME, pool()))) == [DeactivateGroup, Undefine]
    with pytest.raises(RefusedError, match="has no system ID"):
        plan("active", idle, Known(NAME, pool()), pool=pool())


def test_one_group_is_one_pool() -> None:
    mine = replace(pool(ONE, name="data"), target=Target("/dev/data"))
    others = {"other": replace(mine, name="other")}
    with pytest.raises(RefusedError, match="already the target of pool other"):
        plan("present", look(sight(), seen(1)), Known(NAME, others=others), pool=mine)


def test_what_is_needed_and_known() -> None:
    assert KIND.needs(pool(ONE)) == Needs(devices=(ONE,), group=NAME)
    assert (KIND.needs(pool(ONE)) + Needs()).group == NAME
    assert group_name(pool(name="data")) == "data"
    assert KIND.restart_for(pool(), pool(name="data"), Seen()) == ("source.name",)
    assert KIND.space(pool(), look(sight(group(pv(1, used=5))))) == Space(pv(1).size, pv(1).size - 5)
    assert KIND.space(pool(), look(sight())) is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (pool(name="a b"), "source.name"),
        (pool("sdb"), "path that begins with /dev/"),
        (pool(ONE, ONE), "more than once"),
        (pool(format="lvm1"), "source.format"),
        (pool(hosts=(SourceHost("nas"),)), "source.host"),
        (replace(pool(), target=Target("/dev/other")), "target.path"),
        (replace(pool(), target=Target(f"/dev/{NAME}", Permissions(0o700))), "target.permissions"),
    ],
)
def test_what_cannot_be(wrong, told) -> None:
    with pytest.raises(ValueError, match=told):
        KIND.check(wrong)
    KIND.check(replace(pool(ONE, format="lvm2"), target=Target(f"/dev/{NAME}")))


def test_one_device_by_two_names() -> None:
    twice = replace(look(sight(), seen(1)), devices={ONE: seen(1), "/dev/mapper/lun1": seen(1)})
    with pytest.raises(RefusedError, match=f"{ONE} and /dev/mapper/lun1 are the same device"):
        plan("present", twice, pool=pool(ONE, "/dev/mapper/lun1"))
    renamed = plan("present", twice, Known(NAME, pool(ONE)), pool=pool("/dev/mapper/lun1"))
    assert kinds(renamed) == [Define, LabelDevice, CreateGroup], "another name is no other device"
