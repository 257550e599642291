# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves a host, what has to stay, and what refuses."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import IdentityError, InUseError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San, Use
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import Listed
from ansible_collections.virt.san.plugins.module_utils._model.multipath import DropIn, MultipathState
from ansible_collections.virt.san.plugins.module_utils._plan.identity import Remapped
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import FlushMap, ForgetWwid, WriteDropIn
from ansible_collections.virt.san.plugins.module_utils._plan.removal import (
    Leaving,
    RemovalPlan,
    Seen,
    behind,
    plan_removal,
    whole_units,
)
from ansible_collections.virt.san.plugins.module_utils._plan.removal_steps import DeletePaths, TakeOut, UnlistDevice
from ansible_collections.virt.san.tests.unit.support.multipathing import MOUNTED, path, state, unit, wwid

ONE, TWO = wwid(1), wwid(2)
PHYSICAL = path("sda", 1, hctl=Hctl(2, 0, 0, 1))
OTHER = path("sdb", 1, hctl=Hctl(3, 0, 0, 1), hba="host3")
VIRTUAL = path("sdc", 1, hctl=Hctl(7, 0, 0, 1), hba="host7")
OPENED = Use("open", "data", "1 x open, by whom is not known")


def seen(*units: LogicalUnit, **facts: Any) -> Seen:
    return Seen(state(*units, **{"drop_in": DropIn(devices={ONE: "data"}), **facts}))


def plan(now: Seen, wwids: tuple[Any, ...] = (ONE,), **options: bool) -> RemovalPlan:
    return plan_removal(now, whole_units(now, wwids), **options)


def leave_host7(now: Seen, **options: bool) -> RemovalPlan:
    return plan_removal(now, behind(now, ["host7"], **options))


def deleted(made: RemovalPlan) -> list[str]:
    return [gone.device for step in made.steps if isinstance(step, DeletePaths) for gone in step.paths]


def test_map_first_then_what_remembers_it_then_all_paths() -> None:
    one = unit(1, name="data", ways=(PHYSICAL, OTHER, VIRTUAL))
    sibling = replace(one, map=replace(one.map, slaves=("sda", "sdb")))
    now = replace(
        seen(sibling, unit(2, name="logs")), listed={ONE: (Listed("mpath_uuid", f"mpath-{ONE}", "/dev/mapper/data"),)}
    )
    made = plan(now)
    assert [type(step) for step in made.steps] == [FlushMap, ForgetWwid, WriteDropIn, UnlistDevice, DeletePaths]
    assert deleted(made) == ["sda", "sdb", "sdc"], "the unmapped sibling too"
    assert made.needs_multipathd
    assert made.after["luns"][ONE] == {
        "map": None,
        "map_paths": [],
        "paths": [],
        "remembered": False,
        "recorded": False,
        "lvm_devices": [],
    }


def test_what_is_not_there_is_unchanged() -> None:
    made = plan(seen(unit(2, name="logs")), (wwid(5),))
    assert not made.changed
    assert not made.steps


def test_what_remembers_a_unit_that_is_gone_goes_too() -> None:
    now = seen(remembered=frozenset({ONE}))
    assert plan(now).steps == (ForgetWwid(ONE), WriteDropIn(DropIn(), load=False))
    assert plan(now).changed


@pytest.mark.parametrize(
    "use",
    [
        MOUNTED,
        Use("lvm_pv", "data", "vg0"),
        Use("md", "data", "md0"),
        Use("crypt", "data", "secret"),
        Use("swap", "data-part1", "swap"),
        Use("qemu", "data", "web1 (pid 12)"),
        Use("holder", "data", "dm-9"),
        OPENED,
    ],
)
@pytest.mark.parametrize("name", ["data", None])
@pytest.mark.parametrize("options", [{}, {"force": True}, {"purge_remapped": True}])
def test_one_in_use_refuses_all(use: Use, name: str | None, options: dict[str, bool]) -> None:
    now = seen(unit(1, name=name, uses=(use,)), unit(2, name="logs"))
    with pytest.raises(InUseError, match=re.escape(use.by)) as raised:
        plan(now, (TWO, ONE), **options)
    assert raised.value.details["holders"] == [dict(use.to_dict(), wwid=ONE)]


def test_a_process_is_named() -> None:
    now = replace(seen(unit(1, name="data", uses=(OPENED,))), openers={"dm-1": ("dd (pid 9)",)})
    with pytest.raises(InUseError, match=r"data open dd \(pid 9\)"):
        plan(now)


def test_a_process_on_a_bare_disk_is_found() -> None:
    now = replace(seen(unit(1, ways=(PHYSICAL,))), openers={"sda": ("dd (pid 9)",)})
    with pytest.raises(InUseError, match=r"sda open dd \(pid 9\)"):
        plan(now)


@pytest.mark.parametrize("use", [Use("lvm_pv", "data", "no active volume group", active=False)])
def test_what_is_only_written_on_it_is_warned_of(use: Use) -> None:
    made = plan(seen(unit(1, name="data", uses=(use,))))
    assert made.changed
    assert "still carries lvm_pv no active volume group" in made.warnings[0]


def test_partitions_without_a_user_hold_nothing() -> None:
    assert plan(seen(unit(1, name="data", uses=(Use("partition", "data", "data-part1", active=False),)))).changed


def dead(queueing: str, *uses: Use) -> Seen:
    one = unit(1, name="data", ways=(replace(PHYSICAL, state="transport-offline"),), uses=uses)
    return seen(replace(one, map=one.map.with_queueing(queueing)) if one.map else one)


@pytest.mark.parametrize("queueing", ["on", "5 chk", "30 sec"])
def test_a_map_that_queues_needs_force(queueing: str) -> None:
    with pytest.raises(RefusedError, match="force: true"):
        plan(dead(queueing))
    assert plan(dead(queueing), force=True).steps[0] == FlushMap(ONE, "data", "dm-1", fail_queued=True)


def test_a_map_that_fails_needs_none() -> None:
    assert plan(dead("off")).steps[0] == FlushMap(ONE, "data", "dm-1")


def test_force_frees_who_waits_for_a_path_and_no_other() -> None:
    assert plan(dead("on", OPENED), force=True).changed
    with pytest.raises(InUseError, match="/srv"):
        plan(dead("on", OPENED, MOUNTED), force=True)


def test_two_units_with_one_wwid_are_refused() -> None:
    with pytest.raises(IdentityError, match="different units"):
        plan(seen(unit(1, name="data"), unit(1, ways=(path("sdx", 1),))))


def test_remapped_paths() -> None:
    one = unit(1, name="data", ways=(PHYSICAL,))
    now = replace(seen(one), remapped=(Remapped(PHYSICAL, ONE, TWO, "data"),))
    with pytest.raises(IdentityError, match="another unit behind 1 path"):
        plan(now)
    assert deleted(plan(now, purge_remapped=True)) == ["sda"]
    assert not plan(now, (TWO,)).steps, "another unit's removal has nothing to do with it"
    held = replace(now, multipath=seen(replace(one, uses=(MOUNTED,))).multipath)
    with pytest.raises(InUseError, match="/srv"):
        plan(held, purge_remapped=True)


# Some of the paths.


def test_a_map_that_keeps_a_path_stays_and_may_be_in_use() -> None:
    made = leave_host7(seen(unit(1, name="data", ways=(PHYSICAL, VIRTUAL), uses=(MOUNTED,))))
    assert [type(step) for step in made.steps] == [TakeOut, DeletePaths]
    assert deleted(made) == ["sdc"]
    before, after = made.before["luns"][ONE], made.after["luns"][ONE]
    assert (after["map"], after["map_paths"], after["paths"]) == ("data", ["sda"], ["sda (2:0:0:1)"])
    assert (after["remembered"], after["recorded"]) == (before["remembered"], before["recorded"]) == (True, True)


def test_the_last_path_that_works_is_not_taken_from_a_user() -> None:
    failed = replace(PHYSICAL, checker="faulty")
    with pytest.raises(InUseError, match="/srv"):
        leave_host7(seen(unit(1, name="data", ways=(failed, VIRTUAL), uses=(MOUNTED,))))
    with pytest.raises(InUseError, match="/srv"):
        leave_host7(seen(unit(1, name="data", ways=(VIRTUAL,), uses=(MOUNTED,))))


def test_a_path_beside_the_map_does_not_count() -> None:
    one = unit(1, name="data", ways=(PHYSICAL, VIRTUAL), uses=(MOUNTED,))
    with pytest.raises(InUseError, match="/srv"):
        leave_host7(seen(replace(one, map=replace(one.map, slaves=("sdc",)))))


def test_a_free_map_without_a_working_path_does_not_stay() -> None:
    made = leave_host7(seen(unit(1, name="data", ways=(replace(PHYSICAL, state="offline"), VIRTUAL))))
    assert [type(step) for step in made.steps] == [FlushMap, DeletePaths]
    assert deleted(made) == ["sdc"]


def test_a_unit_behind_nothing_else_leaves_whole() -> None:
    now = seen(unit(1, name="data", ways=(VIRTUAL,)))
    assert [type(step) for step in leave_host7(now).steps] == [FlushMap, ForgetWwid, WriteDropIn, DeletePaths]
    kept = leave_host7(now, keep_record=True)
    assert [type(step) for step in kept.steps] == [FlushMap, ForgetWwid, DeletePaths]
    assert kept.after["luns"][ONE]["recorded"]


def test_without_a_map_each_path_is_for_itself() -> None:
    used = Use("mount", "sda1", "/srv")
    assert deleted(leave_host7(seen(unit(1, ways=(PHYSICAL, VIRTUAL), uses=(used,))))) == ["sdc"]
    with pytest.raises(InUseError, match="/srv"):
        leave_host7(seen(unit(1, ways=(PHYSICAL, VIRTUAL), uses=(replace(used, device="sdc1"),))))


def test_a_use_of_the_path_itself_counts_beside_the_map() -> None:
    beside = Use("lvm_pv", "sdc", "vg9")
    with pytest.raises(InUseError, match="vg9"):
        leave_host7(seen(unit(1, name="data", ways=(PHYSICAL, VIRTUAL), uses=(beside,))))


def test_devices_without_disk_and_units_without_identity_go_too() -> None:
    orphan = replace(VIRTUAL, device="", hctl=Hctl(7, 0, 0, 9), wwid=None)
    nameless = LogicalUnit(None, (replace(VIRTUAL, device="sdn", hctl=Hctl(7, 0, 0, 8), wwid=None),), 1)
    now = Seen(MultipathState(San(luns=(nameless,), orphans=(orphan,))))
    assert deleted(leave_host7(now)) == ["sdn", ""]
    assert set(leave_host7(now).before["luns"]) == {"7:0:0:8", "7:0:0:9"}


def test_the_other_paths_of_a_remapped_unit_are_not_asked_for() -> None:
    one = unit(1, name="data", ways=(PHYSICAL, VIRTUAL))
    now = replace(seen(one), remapped=(Remapped(PHYSICAL, ONE, TWO, "data"),))
    assert plan_removal(now, [Leaving(ONE, one, frozenset((VIRTUAL.hctl,)))]).changed
