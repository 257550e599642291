# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which multipath devices are made, named and grown, and what is refused instead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import (
    IdentityError,
    InputError,
    InUseError,
    NotFoundError,
    RefusedError,
    WaitTimeoutError,
)
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Use
from ansible_collections.virt.san.plugins.module_utils._model.multipath import (
    Claim,
    DropIn,
    MultipathState,
    WantedDevice,
    WantedMaps,
)
from ansible_collections.virt.san.plugins.module_utils._plan.multipath import BY_MULTIPATHD, MapsPlan, plan_present
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import (
    AddPaths,
    CreateMap,
    Reconfigure,
    ResizeMap,
    WriteDropIn,
)
from ansible_collections.virt.san.tests.unit.support.multipathing import GIB, MOUNTED, apply, path, state, unit, wwid

ONE, TWO = wwid(1), wwid(2)


def named(*devices: WantedDevice, resize: bool = False) -> WantedMaps:
    return WantedMaps(devices=devices, resize=resize)


def kinds(plan: MapsPlan) -> list[str]:
    return [type(step).__name__ for step in plan.steps]


def converges(before: MultipathState, wanted: WantedMaps) -> MultipathState:
    """Plan, apply, plan again: nothing is left."""
    plan = plan_present(before, wanted)
    after = apply(before, plan.steps)
    again = plan_present(after, wanted)
    assert not again.steps
    assert not again.changed
    return after


def test_all_units_of_the_san_get_a_map() -> None:
    before = state(unit(1), unit(2, name="b"), unit(3, ways=(path("sda", 3, transport="ata"),)))
    plan = plan_present(before, WantedMaps())
    assert kinds(plan) == ["WriteDropIn", "CreateMap"]
    assert plan.steps[1] == CreateMap(ONE, "", ("sdb0", "sdb1"))
    assert plan.concerned == (ONE, TWO)
    assert not plan.skipped
    after = converges(before, WantedMaps())
    assert after.drop_in.devices == {ONE: ""}, "only what was made here is recorded"


def test_no_reconfigure_without_alias_or_setting() -> None:
    plan = plan_present(state(unit(1)), named(WantedDevice(ONE)))
    assert kinds(plan) == ["WriteDropIn", "CreateMap"]
    nothing = {"name": None, "paths": [], "size": None, "read_only": None, "recorded": False}
    assert plan.before["maps"] == {ONE: nothing}
    made = {"name": ONE, "paths": ["sdb0", "sdb1"], "size": GIB, "read_only": False, "recorded": True}
    assert plan.after["maps"] == {ONE: made}


def test_a_name_multipathd_chooses_is_not_guessed() -> None:
    plan = plan_present(state(unit(1), user_friendly_names=True), named(WantedDevice(ONE)))
    assert plan.after["maps"][ONE]["name"] == BY_MULTIPATHD


def test_aliases_need_one_reconfigure_for_all() -> None:
    before = state(unit(1), unit(2, name=TWO))
    wanted = named(WantedDevice(ONE, "data"), WantedDevice(TWO, "logs"))
    plan = plan_present(before, wanted)
    assert kinds(plan) == ["WriteDropIn", "Reconfigure", "CreateMap"]
    assert plan.steps[1] == Reconfigure(((TWO, TWO, "logs"),))
    assert [line.split(":")[0] for line in plan.describe()] == [
        "write the multipath drop-in",
        "have multipathd read its configuration",
        f"create the multipath device data of {ONE} over sdb0, sdb1",
    ]
    after = converges(before, wanted)
    assert sorted(after.dm_names) == ["data", "logs"]


def test_an_alias_not_mentioned_stays_and_an_empty_one_goes() -> None:
    before = state(unit(1, name="data"), drop_in=DropIn(devices={ONE: "data"}))
    assert not plan_present(before, named(WantedDevice(ONE))).changed
    plan = plan_present(before, named(WantedDevice(ONE, "")))
    assert plan.steps == (WriteDropIn(DropIn(devices={ONE: ""}), True), Reconfigure(((ONE, "data", ""),)))
    assert plan.after["maps"][ONE]["name"] == ONE
    converges(before, named(WantedDevice(ONE, "")))


def test_a_run_killed_before_multipathd_read_the_drop_in_goes_on() -> None:
    drop_in = DropIn(devices={ONE: "data"})
    before = state(unit(1, name=ONE), drop_in=drop_in, pending=True, running_aliases={})
    plan = plan_present(before, named(WantedDevice(ONE, "data")))
    assert kinds(plan) == ["Reconfigure"]
    assert plan.changed
    converges(before, named(WantedDevice(ONE, "data")))


def test_an_alias_left_in_multipathds_memory_does_not_come_back() -> None:
    before = state(unit(1), running_aliases={ONE: "old"})
    assert kinds(plan_present(before, named(WantedDevice(ONE)))) == ["WriteDropIn", "Reconfigure", "CreateMap"]
    elsewhere = replace(before, claims=(Claim("old", ONE, "/etc/multipath.conf"),))
    assert kinds(plan_present(elsewhere, named(WantedDevice(ONE)))) == ["WriteDropIn", "CreateMap"]


def test_settings_replace_their_section_only() -> None:
    before = state(drop_in=DropIn({"defaults": {"polling_interval": "7"}, "overrides": {"no_path_retry": "5"}}))
    plan = plan_present(before, WantedMaps(settings={"defaults": {"find_multipaths": "strict"}}))
    assert kinds(plan) == ["WriteDropIn", "Reconfigure"]
    assert plan.after["settings"] == {"defaults": {"find_multipaths": "strict"}, "overrides": {"no_path_retry": "5"}}
    assert not plan.warnings
    emptied = plan_present(before, WantedMaps(settings={"defaults": {}, "overrides": {}}))
    assert emptied.steps[0] == WriteDropIn(DropIn(), True)


def test_names_that_change_by_a_setting_are_warned_of() -> None:
    plan = plan_present(state(), WantedMaps(settings={"defaults": {"user_friendly_names": "yes"}}))
    assert "user_friendly_names" in plan.warnings[0]


def test_a_path_left_out_of_its_map_is_added() -> None:
    found = unit(1, name="data")
    assert found.map is not None
    before = state(replace(found, map=replace(found.map, slaves=("sdb0",))), drop_in=DropIn(devices={ONE: "data"}))
    plan = plan_present(before, named(WantedDevice(ONE, "data")))
    assert plan.steps == (AddPaths(ONE, "data", ("sdb1",)),)
    assert plan.after["maps"][ONE]["paths"] == ["sdb0", "sdb1"]
    converges(before, named(WantedDevice(ONE, "data")))


# Refusals


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dm_names": {"data": "LVM-xyz"}}, "/dev/mapper/data has it"),
        ({"dm_names": {"data": f"mpath-{TWO}"}}, TWO),
        ({"claims": (Claim("data", TWO, "/etc/multipath/bindings"),)}, "/etc/multipath/bindings gives it to"),
        ({"drop_in": DropIn(devices={TWO: "data"})}, TWO),
    ],
)
def test_a_taken_alias_is_refused_with_its_owner(changes: dict[str, object], says: str) -> None:
    before = replace(state(unit(1)), **changes)  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match="alias data") as raised:
        plan_present(before, named(WantedDevice(ONE, "data")))
    assert says in raised.value.message


def test_ones_own_alias_is_not_taken() -> None:
    before = state(unit(1, name="data"), claims=(Claim("data", ONE, "/etc/multipath.conf"),))
    assert kinds(plan_present(before, named(WantedDevice(ONE, "data")))) == ["WriteDropIn", "Reconfigure"]


def test_two_units_with_one_wwid_are_refused() -> None:
    twin = unit(1, ways=(path("sdx", 1, size=2 * GIB),))
    with pytest.raises(IdentityError, match="claimed by different units"):
        plan_present(state(unit(1), twin), named(WantedDevice(ONE)))
    odd = unit(1, problem="its paths differ in serial")
    with pytest.raises(IdentityError, match="differ in serial"):
        plan_present(state(odd), named(WantedDevice(ONE)))
    assert plan_present(state(odd), WantedMaps()).skipped[0].reason == "its paths differ in serial"


def test_an_unknown_wwid_lists_what_is_seen() -> None:
    with pytest.raises(NotFoundError, match=rf"seen are {TWO} \(LUN 2, 1G\)"):
        plan_present(state(unit(2)), named(WantedDevice(ONE)))
    with pytest.raises(NotFoundError, match="no LUN is seen at all"):
        plan_present(state(), named(WantedDevice(ONE)))


def test_too_few_paths_are_named() -> None:
    ways = (path("sdb0", 1), path("sdb1", 1, state="offline"))
    with pytest.raises(WaitTimeoutError, match=r"1 of 2 expected paths .*sdb1 \(offline\) by host2"):
        plan_present(state(unit(1, ways=ways)), named(WantedDevice(ONE, paths=2)))
    assert plan_present(state(unit(1, ways=ways)), named(WantedDevice(ONE, paths=1))).steps[1] == CreateMap(
        ONE, "", ("sdb0",)
    )


@pytest.mark.parametrize(
    "devices", [(WantedDevice(ONE), WantedDevice(ONE, "a")), (WantedDevice(ONE, "a"), WantedDevice(TWO, "a"))]
)
def test_a_list_that_contradicts_itself(devices: tuple[WantedDevice, ...]) -> None:
    with pytest.raises(InputError, match="more than once"):
        plan_present(state(unit(1), unit(2)), named(*devices))


def unfit() -> list[tuple[LogicalUnit, str]]:
    return [
        (unit(1, uses=(MOUNTED,)), "/dev/mapper/x mount /srv"),
        (unit(1, ways=(path("sdb0", 1, size=GIB), path("sdb1", 1, size=2 * GIB))), "do not agree on a size"),
        (unit(1, ways=(path("sdb0", 1, state="offline"),)), "usable"),
    ]


@pytest.mark.parametrize(("one", "says"), unfit())
def test_what_cannot_get_a_map_is_refused_or_skipped(one: LogicalUnit, says: str) -> None:
    with pytest.raises((RefusedError, WaitTimeoutError), match=says):
        plan_present(state(one), named(WantedDevice(ONE)))
    plan = plan_present(state(one), WantedMaps())
    assert not plan.changed
    assert says in plan.skipped[0].reason


def test_what_multipathd_ignores_is_refused_or_reported() -> None:
    before = state(unit(1), monitored=frozenset())
    with pytest.raises(RefusedError, match="blacklist"):
        plan_present(before, named(WantedDevice(ONE)))
    assert "blacklist" in plan_present(before, WantedMaps()).skipped[0].reason


def test_a_disk_of_the_host_itself_is_left_alone() -> None:
    disk = unit(1, ways=(path("sda", 1, transport="sas"),))
    assert "SAS" in plan_present(state(disk), WantedMaps()).skipped[0].reason
    assert kinds(plan_present(state(disk), named(WantedDevice(ONE)))) == ["WriteDropIn", "CreateMap"]


def test_partitions_alone_do_not_hinder_a_map() -> None:
    partitioned = unit(1, uses=(Use("partition", "/dev/sdb1", "sdb1"),))
    assert "CreateMap" in kinds(plan_present(state(partitioned), named(WantedDevice(ONE))))


def test_a_map_in_use_keeps_its_name() -> None:
    used = unit(1, name="data", uses=(MOUNTED,))
    with pytest.raises(InUseError, match="renaming is refused, in use"):
        plan_present(state(used), named(WantedDevice(ONE, "other")))
    assert kinds(plan_present(state(used), named(WantedDevice(ONE, "data")))) == ["WriteDropIn", "Reconfigure"]


# Size


def grown(size: int, **facts: object) -> LogicalUnit:
    """A map of one GiB whose paths have another size."""
    ways = tuple(path(f"sdb{index}", 1, size=size) for index in range(2))
    return unit(1, name="data", ways=ways, size=GIB, **facts)  # type: ignore[arg-type]


def test_a_map_grows_to_its_paths_even_in_use() -> None:
    before = state(grown(2 * GIB, uses=(MOUNTED,)))
    assert plan_present(before, WantedMaps(resize=True)).steps == (ResizeMap(ONE, "data", "dm-1", 2 * GIB),)
    assert not plan_present(before, WantedMaps()).changed
    converges(before, WantedMaps(resize=True))


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (grown(GIB // 2), "never shrunk"),
        (grown(0), "do not agree on a size"),
        (unit(1, name="data", ways=(path("sdb0", 1), path("sdb1", 1, size=2 * GIB))), "do not agree on a size"),
        (
            unit(1, name="data", ways=(path("sdb0", 1, size=2 * GIB), path("sdb1", 1, state="offline"))),
            "not all of its paths",
        ),
    ],
)
def test_a_size_that_is_not_sure_is_not_followed(one: LogicalUnit, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        plan_present(state(one), named(WantedDevice(ONE), resize=True))
    plan = plan_present(state(one), WantedMaps(resize=True))
    assert not plan.changed
    assert says in plan.skipped[0].reason
