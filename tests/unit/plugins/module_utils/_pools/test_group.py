# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume groups: made, grown, shrunk, left alone."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    IdentityError,
    InUseError,
    NotFoundError,
    RefusedError,
)
from ansible_collections.virt.san.plugins.module_utils._model.block import Use
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._model.group import (
    TAG,
    GroupPv,
    parse_group_name,
    pv_uuid,
    system_id,
)
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.plugins.module_utils._pools.blank import BlankDevice, Inspected
from ansible_collections.virt.san.plugins.module_utils._pools.group import (
    Wanted,
    plan_activate,
    plan_deactivate,
    plan_group,
    plan_remove,
)
from ansible_collections.virt.san.plugins.module_utils._pools.group_steps import (
    ActivateGroup,
    CreateGroup,
    DeactivateGroup,
    ExtendGroup,
    LabelDevice,
    MoveAway,
    ReduceGroup,
    RemoveGroup,
    ResizePv,
    SetSystemId,
    UnlabelDevice,
    UseDevice,
)
from ansible_collections.virt.san.tests.unit.support.groups import (
    ELSEWHERE,
    EXT4,
    EXTENT,
    HERE,
    MIB,
    NAME,
    SIZE,
    USABLE,
    gone,
    group,
    label_of,
    lvm,
    pv,
    seen,
    sight,
    volume,
)
from ansible_collections.virt.san.tests.unit.support.multipathing import wwid


def kinds(steps) -> list[type]:
    return [type(step) for step in steps]


def test_made_on_blank_luns() -> None:
    wanted = Wanted(NAME, (seen(1), seen(2)))
    plan = plan_group(sight(), wanted)
    assert kinds(plan.steps) == [LabelDevice, LabelDevice, CreateGroup]
    assert (plan.before, plan.after["system_id"]) == ({}, HERE)
    after = lvm(sight(), plan.steps)
    assert plan_group(after, wanted).steps == ()
    assert after.groups[0].pvs[0].uuid == pv_uuid(NAME, wwid(1))


def test_a_host_without_a_system_id_gets_one_first() -> None:
    plan = plan_group(sight(system_id=""), Wanted(NAME, (seen(1),)))
    assert kinds(plan.steps) == [SetSystemId, LabelDevice, CreateGroup]
    assert plan.steps[-1].system_id == HERE


def test_what_is_on_a_lun_is_lost_only_where_the_task_says_so() -> None:
    with pytest.raises(RefusedError, match="ext4"):
        plan_group(sight(), Wanted(NAME, (seen(1), seen(2, EXT4))))
    plan = plan_group(sight(), Wanted(NAME, (seen(1), seen(2, EXT4)), overwrite=True))
    assert kinds(plan.steps) == [BlankDevice, LabelDevice, LabelDevice, CreateGroup]


@pytest.mark.parametrize("done", range(4))
def test_an_interrupted_run_goes_on(done) -> None:
    wanted = Wanted(NAME, (seen(1), seen(2)))
    steps = plan_group(sight(), wanted).steps
    after = lvm(sight(), steps[:done])
    labelled = [seen(n, label_of(n)) if n <= done else seen(n) for n in (1, 2)]
    rest = plan_group(after, replace(wanted, devices=tuple(labelled)))
    assert len(lvm(after, rest.steps).groups) == 1


def test_a_label_of_somebody_else_is_no_remains_of_ours() -> None:
    strange = pv(1, uuid="other")
    with pytest.raises(RefusedError, match="LVM2_member"):
        plan_group(sight(orphans=(strange,)), Wanted(NAME, (seen(1, label_of(1, "other")),)))


def test_a_pv_of_another_group_is_never_taken() -> None:
    other = group(pv(1), name="data", system_id=ELSEWHERE)
    with pytest.raises(RefusedError, match=f"PV of volume group data .* of host {ELSEWHERE}") as refused:
        plan_group(sight(other), Wanted(NAME, (seen(1, label_of(1)),), overwrite=True))
    assert refused.value.details["system_id"] == ELSEWHERE


@pytest.mark.parametrize("uuid", ["other", ""])
def test_a_pv_that_a_filter_hides_is_never_taken(uuid) -> None:
    """LVM says nothing of it, and the label that is there anyway says that it is somebody's."""
    for overwrite in (False, True):
        with pytest.raises(RefusedError, match=r"does not tell of which group.*global_filter"):
            plan_group(sight(), Wanted(NAME, (seen(1, label_of(1, uuid)),), overwrite=overwrite))


def test_no_devices_named_and_no_group() -> None:
    with pytest.raises(NotFoundError, match="seen are data"):
        plan_group(sight(group(name="data")), Wanted(NAME))


def test_the_second_host_recognises_it() -> None:
    built = group(pv(1), system_id=ELSEWHERE)
    plan = plan_group(sight(built), Wanted(NAME, (seen(1, label_of(1)),)))
    assert (plan.steps, plan.before == plan.after, plan.warnings) == ((), True, ())
    with pytest.raises(RefusedError, match=f"belongs to host {ELSEWHERE}.*active here"):
        plan_activate(sight(built), NAME)
    with pytest.raises(RefusedError, match=f"belongs to host {ELSEWHERE}.*adding /dev/mapper/lun2"):
        plan_group(sight(built), Wanted(NAME, (seen(1), seen(2))))
    grown = group(pv(1, device_size=2 * SIZE), system_id=ELSEWHERE)
    assert plan_group(sight(grown), Wanted(NAME, (seen(1),))).steps == ()


def test_lvmlockd_shares_a_group() -> None:
    shared = group(pv(1), system_id=ELSEWHERE, lock_type="sanlock", volumes=(volume("a", active=False),))
    assert kinds(plan_activate(sight(shared), NAME)) == [ActivateGroup]
    with pytest.raises(RefusedError, match="lvmlockd"):
        plan_remove(sight(shared), NAME)
    two = group(pv(1), pv(2), lock_type="sanlock")
    with pytest.raises(RefusedError, match=r"lvmlockd.*vgreduce"):
        plan_group(sight(two), Wanted(NAME, (seen(1),), remove_devices=True))


@pytest.mark.parametrize("tags", [(), (TAG,)])
@pytest.mark.parametrize(
    ("system_id", "remedy"),
    [
        (HERE, rf"host: vgchange --systemid {HERE} {NAME}"),
        ("", r"system_id_source.*vgchange --systemid \$\(uname -n\)"),
    ],
)
def test_a_group_on_luns_that_belongs_to_no_host_is_left_alone(tags, system_id, remedy) -> None:
    """To LVM of every host it is its own."""
    idle = group(pv(1, device_size=2 * SIZE), system_id="", tags=tags, volumes=(volume("a", active=False),))
    now = sight(idle, system_id=system_id)
    for refused, why in (
        (lambda: plan_activate(now, NAME), "active here"),
        (lambda: plan_group(now, Wanted(NAME, (seen(1), seen(2)))), "adding /dev/mapper/lun2"),
        (lambda: plan_remove(now, NAME), "all that is in it would be removed"),
    ):
        with pytest.raises(RefusedError, match=rf"has no system ID.*{why}.*{remedy}"):
            refused()
    plan = plan_group(now, Wanted(NAME, (seen(1),)))
    assert (plan.steps, len(plan.warnings), "vgchange --systemid" in plan.warnings[0]) == ((), 1, True)
    running = sight(replace(idle, volumes=(volume("a"),)), system_id=system_id)
    assert kinds(plan_deactivate(running, NAME)) == [DeactivateGroup]


def test_a_group_on_disks_of_the_host_alone_needs_no_system_id() -> None:
    local = (Inspected(Disk("/dev/vdb", "vdb", SIZE), Contents()), Inspected(Disk("/dev/vdc", "vdc", SIZE), Contents()))
    vdb = GroupPv("b", "/dev/vdb", "vdb", USABLE, SIZE, start=MIB)
    own = group(vdb, system_id="", volumes=(volume("a", active=False),))
    assert kinds(plan_activate(sight(own), NAME)) == [ActivateGroup]
    assert kinds(plan_group(sight(own), Wanted(NAME, local)).steps) == [LabelDevice, ExtendGroup]
    assert kinds(plan_remove(sight(own), NAME)) == [RemoveGroup, UnlabelDevice]
    with pytest.raises(RefusedError, match=r"has no system ID.*adding /dev/mapper/lun1"):
        plan_group(sight(own), Wanted(NAME, (local[0], seen(1))))


def test_a_group_of_foreign_origin_keeps_what_it_has() -> None:
    foreign = group(pv(1, device_size=2 * SIZE), tags=(), volumes=(volume("a", active=False),))
    assert plan_group(sight(foreign), Wanted(NAME, (seen(1),))).steps == ()
    assert kinds(plan_activate(sight(foreign), NAME)) == [ActivateGroup]
    for refused in (
        lambda: plan_group(sight(foreign), Wanted(NAME, (seen(1), seen(2)))),
        lambda: plan_remove(sight(foreign), NAME),
    ):
        with pytest.raises(RefusedError, match=r"not made by this collection.*vgchange --addtag virt\.san guests"):
            refused()


def test_extended() -> None:
    wanted = Wanted(NAME, (seen(1), seen(2)))
    plan = plan_group(sight(group(pv(1))), wanted)
    assert kinds(plan.steps) == [LabelDevice, ExtendGroup]
    assert plan.before != plan.after
    after = lvm(sight(group(pv(1))), plan.steps)
    assert plan_group(after, wanted).steps == ()


def test_a_device_that_grew() -> None:
    now = sight(group(pv(1, device_size=2 * SIZE)))
    plan = plan_group(now, Wanted(NAME, (seen(1, size=2 * SIZE),)))
    assert kinds(plan.steps) == [ResizePv]
    assert plan.steps[0].size == 2 * SIZE - EXTENT
    assert plan_group(lvm(now, plan.steps), Wanted(NAME)).steps == ()


def test_a_device_that_is_not_named_stays() -> None:
    now = sight(group(pv(1), pv(2)))
    plan = plan_group(now, Wanted(NAME, (seen(1),)))
    assert plan.steps == ()
    assert "also on /dev/mapper/lun2" in plan.warnings[0]
    assert plan_group(now, Wanted(NAME)).warnings == ()


def test_reduced_only_where_the_task_says_so() -> None:
    now = sight(group(pv(1), pv(2, used=EXTENT)))
    wanted = Wanted(NAME, (seen(1),), remove_devices=True)
    plan = plan_group(now, wanted)
    assert kinds(plan.steps) == [MoveAway, ReduceGroup, UnlabelDevice]
    after = lvm(now, plan.steps)
    assert [one.kernel for one in after.groups[0].pvs] == ["dm-1"]
    assert (after.orphans, plan_group(after, wanted).steps) == ((), ())


def test_an_interrupted_reduction_goes_on() -> None:
    wanted = Wanted(NAME, (seen(1),), remove_devices=True)
    now = sight(group(pv(1), pv(2, used=EXTENT)))
    steps = plan_group(now, wanted).steps
    for done in range(len(steps)):
        half = lvm(now, steps[:done])
        after = lvm(half, plan_group(half, wanted).steps)
        assert (len(after.groups[0].pvs), after.orphans) == (1, ())


def test_replaced_in_one_task() -> None:
    now = sight(group(pv(1, used=USABLE)))
    plan = plan_group(now, Wanted(NAME, (seen(2),), remove_devices=True))
    assert kinds(plan.steps) == [LabelDevice, ExtendGroup, MoveAway, ReduceGroup, UnlabelDevice]
    assert [one.kernel for one in lvm(now, plan.steps).groups[0].pvs] == ["dm-2"]


def test_no_room_for_what_is_moved() -> None:
    now = sight(group(pv(1, used=USABLE - EXTENT), pv(2, used=2 * EXTENT)))
    with pytest.raises(RefusedError, match=f"has room for {EXTENT}"):
        plan_group(now, Wanted(NAME, (seen(1),), remove_devices=True))


def test_an_interrupted_move_goes_on() -> None:
    """LVM has set the room aside that it moves to: what is left of it has to suffice for others alone."""
    first, begun, other = pv(1, used=USABLE), pv(2, used=USABLE, moving=True), pv(3, used=EXTENT)
    wanted = Wanted(NAME, (seen(1),), remove_devices=True)
    steps = plan_group(sight(group(first, begun)), wanted).steps
    assert kinds(steps) == [MoveAway, ReduceGroup, UnlabelDevice]
    assert steps[0].describe() == f"go on moving what is on {begun.label}"
    with pytest.raises(RefusedError, match=f"{EXTENT} bytes are in use on .* has room for 0"):
        plan_group(sight(group(first, begun, other)), wanted)


def test_a_missing_pv_is_told_and_nothing_is_changed() -> None:
    now = sight(group(pv(1), gone(2), volumes=(volume("a", active=False),)))
    lack = now.groups[0].lack
    assert plan_group(now, Wanted(NAME, (seen(1),))).warnings[0].startswith(f"{lack}. Bring it back")
    for refused, why in (
        (lambda: plan_group(now, Wanted(NAME, (seen(1), seen(3)))), "adding .* has to wait until it is back"),
        (lambda: plan_activate(now, NAME), "volumes on that would lack their data"),
        (lambda: plan_remove(now, NAME), "what is on that would stay .*delete_contents: false"),
    ):
        told = rf"{re.escape(lack)}: {why}.*Bring it back.*scsi_rescan.*vgreduce --removemissing {NAME}"
        with pytest.raises(RefusedError, match=told) as error:
            refused()
        assert error.value.details["missing"] == [gone(2).uuid]
    running = replace(now.groups[0], volumes=(volume("a"),))
    assert kinds(plan_deactivate(sight(running), NAME)) == [DeactivateGroup], "that needs nothing of it"


def test_two_groups_of_one_name_and_copies() -> None:
    with pytest.raises(AmbiguousError, match="2 volume groups are called guests"):
        plan_group(sight(group(pv(1)), group(pv(2))), Wanted(NAME))
    with pytest.raises(IdentityError, match="Unmap the copy"):
        plan_group(sight(group(pv(1), pv(2, duplicate=True))), Wanted(NAME))
    with pytest.raises(RefusedError, match="exported"):
        plan_activate(sight(group(pv(1), exported=True)), NAME)


def test_used() -> None:
    now = sight(group(pv(1), volumes=(volume("a"), volume("b", active=False))))
    assert kinds(plan_activate(now, NAME)) == [ActivateGroup]
    assert plan_activate(lvm(now, plan_activate(now, NAME)), NAME) == ()
    assert kinds(plan_deactivate(now, NAME)) == [DeactivateGroup]
    assert plan_deactivate(lvm(now, plan_deactivate(now, NAME)), NAME) == ()
    assert plan_deactivate(sight(), NAME) == ()
    with pytest.raises(NotFoundError, match="no volume group"):
        plan_activate(sight(), NAME)


def test_a_group_that_another_host_has_given_to_this_one() -> None:
    """LVM is told by a list which devices it is to use, and passes others over without a word."""
    idle = group(pv(1), pv(2), volumes=(volume("a", active=False),))
    now = sight(idle, used=frozenset({"dm-1"}), listing="devices_file")
    steps = plan_activate(now, NAME)
    assert (kinds(steps), steps[0].describe()) == ([UseDevice, ActivateGroup], f"have LVM use {pv(2).label}")
    running = lvm(now, steps)
    assert kinds(plan_deactivate(running, NAME)) == [DeactivateGroup]
    assert kinds(plan_deactivate(replace(running, used=now.used), NAME)) == [UseDevice, DeactivateGroup]
    assert kinds(plan_remove(now, NAME)) == [UseDevice, RemoveGroup, UnlabelDevice, UnlabelDevice]
    assert kinds(plan_group(now, Wanted(NAME, (seen(3),))).steps) == [UseDevice, LabelDevice, ExtendGroup]
    assert plan_group(now, Wanted(NAME)).steps == ()
    with pytest.raises(RefusedError, match=r"LVM of this host does not use /dev/mapper/lun2.*devicesfile"):
        plan_activate(replace(now, listing=""), NAME)


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (volume("a", uses=(Use("mount", "guests-a", "/srv"),)), r"a \(mount /srv\)"),
        (volume("a", opened=True), r"a \(open, by whom is not known\)"),
    ],
)
def test_what_is_open_is_neither_deactivated_nor_removed(held, told) -> None:
    now = sight(group(pv(1), volumes=(held, volume("b"))))
    for refused in (lambda: plan_deactivate(now, NAME), lambda: plan_remove(now, NAME)):
        with pytest.raises(InUseError, match=told):
            refused()


def test_a_thin_pool_is_open_by_what_is_in_it() -> None:
    """To the kernel its device is held by LVM's own: that is nobody's use."""
    inside = (Use("lvm_pv", "guests-thin-tpool", NAME),)
    pool = volume("thin", layout="thin,pool", opened=True, uses=inside)
    thin = volume("light", layout="thin,sparse", pool="thin")
    now = sight(group(pv(1), volumes=(pool, thin)))
    assert kinds(plan_deactivate(now, NAME)) == [DeactivateGroup]
    mounted = replace(thin, opened=True)
    with pytest.raises(InUseError, match=r"light \(open"):
        plan_deactivate(sight(group(pv(1), volumes=(pool, mounted))), NAME)


def test_removed() -> None:
    now = sight(group(pv(1), pv(2), volumes=(volume("a"),)))
    steps = plan_remove(now, NAME)
    assert kinds(steps) == [DeactivateGroup, RemoveGroup, UnlabelDevice, UnlabelDevice]
    assert "with the volumes a" in steps[1].describe()
    for done in range(len(steps) + 1):
        half = lvm(now, steps[:done])
        after = lvm(half, plan_remove(half, NAME))
        assert (after.groups, after.orphans) == ((), ())


def test_names() -> None:
    assert parse_group_name("vg_1.a+b-c") == "vg_1.a+b-c"
    for wrong in ("", "-a", "a/b", ".", "..", "a b", "x" * 128):
        with pytest.raises(ValueError, match="volume group"):
            parse_group_name(wrong)
    assert system_id("kvm 1", "x").startswith("virt-san-kvm1-")
    assert system_id("", "x") != system_id("", "y")
    assert [len(part) for part in pv_uuid("a", "b").split("-")] == [6, 4, 4, 4, 4, 4, 6]
    assert pv_uuid("a", Wwid("1")) != pv_uuid("a", Wwid("2"))


numbers = st.lists(st.integers(1, 5), unique=True, max_size=4)


@given(numbers, numbers, st.booleans(), st.data())
def test_planning_again_finds_nothing_and_no_device_is_lost_unasked(members, named, remove, data):
    used = {number: data.draw(st.integers(0, 3)) * EXTENT for number in members}
    now = sight(*([group(*(pv(number, used[number]) for number in members))] if members else []))
    wanted = Wanted(NAME, tuple(seen(number) for number in named), remove)
    try:
        plan = plan_group(now, wanted)
    except (RefusedError, NotFoundError):
        return
    after = lvm(now, plan.steps)
    assert plan_group(after, wanted).steps == ()
    assert (plan.before != plan.after) == bool(plan.steps)
    kernels = {one.kernel for one in after.groups[0].pvs}
    assert kernels >= {f"dm-{number}" for number in named}
    if not remove:
        assert kernels >= {f"dm-{number}" for number in members}
    assert sum(one.used for one in after.groups[0].pvs) == sum(used.values())
