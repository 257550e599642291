# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which multipath devices are flushed, and which never."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import IdentityError, InUseError
from ansible_collections.virt.san.plugins.module_utils._model.block import Use
from ansible_collections.virt.san.plugins.module_utils._model.multipath import DropIn
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_absent import plan_absent
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import FlushMap, ForgetWwid, WriteDropIn
from ansible_collections.virt.san.tests.unit.support.multipathing import GIB, MOUNTED, apply, path, state, unit, wwid

ONE, TWO = wwid(1), wwid(2)


def test_a_map_is_flushed_and_forgotten() -> None:
    before = state(unit(1, name="data"), unit(2, name="logs"), drop_in=DropIn(devices={ONE: "data", TWO: "logs"}))
    plan = plan_absent(before, (ONE,))
    assert plan.steps == (
        FlushMap(ONE, "data", "dm-1"),
        ForgetWwid(ONE),
        WriteDropIn(DropIn(devices={TWO: "logs"}), False),
    )
    assert plan.changed
    assert not plan.warnings
    after = apply(before, plan.steps)
    again = plan_absent(after, (ONE,))
    assert not again.steps
    assert not again.changed


def test_what_is_not_there_is_unchanged() -> None:
    plan = plan_absent(state(unit(2, name="logs")), (ONE,))
    assert not plan.steps
    assert not plan.changed


def test_a_killed_run_is_finished() -> None:
    before = state(unit(1), drop_in=DropIn(devices={ONE: "data"}), remembered=frozenset({ONE}))
    assert plan_absent(before, (ONE,)).steps == (ForgetWwid(ONE), WriteDropIn(DropIn(), False))


@pytest.mark.parametrize(
    "use",
    [
        MOUNTED,
        Use("lvm_pv", "/dev/mapper/data", "vg0"),
        Use("swap", "/dev/mapper/data-part1", "swap"),
        Use("qemu", "/dev/mapper/data", "guest web1"),
        Use("open", "/dev/mapper/data", "opened 1 time"),
        Use("holder", "/dev/mapper/data", "dm-9"),
    ],
)
def test_one_map_in_use_refuses_all(use: Use) -> None:
    before = state(unit(1, name="data", uses=(use,)), unit(2, name="logs"))
    with pytest.raises(InUseError, match=use.by) as raised:
        plan_absent(before, (TWO, ONE))
    assert raised.value.details["holders"] == [dict(use.to_dict(), wwid=ONE)]


def test_a_unit_without_map_may_be_in_use() -> None:
    assert not plan_absent(state(unit(1, uses=(MOUNTED,))), (ONE,)).changed


def test_partitions_alone_do_not_hold_a_map() -> None:
    parted = unit(1, name="data", uses=(Use("partition", "/dev/mapper/data-part1", "data-part1"),))
    assert plan_absent(state(parted), (ONE,)).changed


def test_paths_that_differ_do_not_hold_a_map() -> None:
    assert plan_absent(state(unit(1, name="data", problem="its paths differ in size")), (ONE,)).changed


def test_two_units_with_one_wwid_are_refused() -> None:
    twin = unit(1, ways=(path("sdx", 1, size=2 * GIB),))
    with pytest.raises(IdentityError, match="different units"):
        plan_absent(state(unit(1, name="data"), twin), (ONE,))


def test_maps_that_may_come_back_are_warned_of() -> None:
    before = state(unit(1, name="data"), find_multipaths="off")
    assert "find_multipaths is 'off'" in plan_absent(before, (ONE,)).warnings[0]
    assert not plan_absent(before, (TWO,)).warnings
