# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths make one unit, and which never do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._model.block import MultipathMap, Path
from ansible_collections.virt.san.plugins.module_utils._model.grouping import SeenPath, group_paths
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid

ONE, TWO = Wwid("36001405" + "1" * 25), Wwid("36001405" + "2" * 25)


def path(device: str, wwid: Wwid | None = ONE, size: int = 1024, host: int = 0) -> Path:
    return Path(
        device=device,
        hctl=Hctl(host, 0, 0, ord(device[-1])),
        state="running",
        transport="fc",
        hba=f"host{host}",
        initiator=None,
        target=None,
        portal=None,
        size=size,
        wwid=wwid,
    )


def seen(device: str, wwid: Wwid | None = ONE, size: int = 1024, vendor: str = "ACME", serial: str | None = "1"):
    return SeenPath(path(device, wwid, size), vendor, serial)


def over(*slaves: str, wwid: Wwid = ONE, dm: str = "dm-0") -> MultipathMap:
    return MultipathMap(name=wwid, dm=dm, wwid=wwid, slaves=slaves, size=1024)


def summary(groups):
    return [("".join(one.device[-1] for one in group.paths), group.map and group.map.dm) for group in groups]


def test_paths_of_one_wwid_are_one_unit():
    (group,) = group_paths([seen("sdb"), seen("sda")], [])
    assert [one.device for one in group.paths] == ["sda", "sdb"]
    assert (group.wwid, group.map, group.problem) == (ONE, None, None)


def test_members_of_a_map_and_those_left_out_of_it():
    groups = group_paths([seen("sda"), seen("sdb"), seen("sdc")], [over("sda", "sdb")])
    assert summary(groups) == [("abc", "dm-0")]
    assert groups[0].problem is None


def test_a_map_without_paths_is_still_a_unit():
    (group,) = group_paths([], [over()])
    assert (group.wwid, group.paths, group.problem) == (ONE, (), None)


def test_one_wwid_on_different_units_is_never_merged():
    for other in (
        seen("sdb", size=2048),
        seen("sdb", vendor="OTHER"),
        seen("sdb", serial="2"),
    ):
        groups = group_paths([seen("sda"), other], [])
        assert summary(groups) == [("a", None), ("b", None)]
        for group in groups:
            assert group.problem is not None
            assert f"WWID {ONE} is claimed by 2 logical units" in group.problem
            assert "sda" in group.problem
            assert "sdb" in group.problem


def test_a_stranger_with_the_wwid_of_a_map_stays_outside():
    groups = group_paths([seen("sda"), seen("sdb", size=2048)], [over("sda")])
    assert summary(groups) == [("a", "dm-0"), ("b", None)]
    assert all(group.problem for group in groups)


def test_what_is_not_known_is_no_difference():
    groups = group_paths([seen("sda"), seen("sdb", size=0, serial=None)], [])
    assert summary(groups) == [("ab", None)]
    assert groups[0].problem is None


def test_members_of_a_map_that_differ_are_named():
    (group,) = group_paths([seen("sda"), seen("sdb", size=2048)], [over("sda", "sdb")])
    assert (
        group.problem == f"paths sda and sdb of map {ONE} differ in size (1024, 2048); after a resize, rescan all paths"
    )


def test_a_member_that_leads_elsewhere_is_named():
    (group,) = group_paths([seen("sda"), seen("sdb", wwid=TWO)], [over("sda", "sdb")])
    assert group.wwid == ONE
    assert group.problem is not None
    assert f"sdb (0:0:0:98) is in map {ONE} ({ONE}) but leads to {TWO}" in group.problem


def test_a_map_named_by_another_spelling_is_no_stranger():
    (group,) = group_paths([seen("sda")], [over("sda", wwid=Wwid("0x" + ONE[1:]))])
    assert group.problem is None


def test_a_remapped_path_joins_nobody():
    stranger = SeenPath(path("sdb"), "ACME", "1", contradiction=TWO)
    groups = group_paths([seen("sda"), stranger], [])
    assert summary(groups) == [("a", None), ("b", None)]
    assert groups[0].problem is None
    assert groups[1].wwid is None
    assert f"udev knows it as {ONE}, the device now says {TWO}" in (groups[1].problem or "")


def test_a_remapped_member_of_a_map_stays_with_a_problem():
    (group,) = group_paths([SeenPath(path("sda"), "ACME", "1", contradiction=TWO)], [over("sda")])
    assert group.wwid == ONE
    assert f"the device now says {TWO}" in (group.problem or "")


def test_those_without_identity_stay_alone():
    groups = group_paths([seen("sda", wwid=None), seen("sdb", wwid=None)], [])
    assert summary(groups) == [("a", None), ("b", None)]
    assert all("no usable identity" in (group.problem or "") for group in groups)


WWIDS = st.sampled_from([None, ONE, TWO])
PATHS = st.lists(
    st.builds(
        lambda wwid, size, vendor, serial, contradiction: (wwid, size, vendor, serial, contradiction),
        WWIDS,
        st.sampled_from([0, 1024, 2048]),
        st.sampled_from([None, "ACME", "OTHER"]),
        st.sampled_from([None, "1", "2"]),
        st.sampled_from([None, TWO]),
    ),
    max_size=12,
)


@given(PATHS, st.integers(min_value=0, max_value=12), st.randoms())
def test_every_path_is_in_exactly_one_unit_whatever_the_order(facts, mapped, random):
    paths = [
        SeenPath(path(f"sd{chr(97 + number)}", wwid, size), vendor, serial, contradiction)
        for number, (wwid, size, vendor, serial, contradiction) in enumerate(facts)
    ]
    maps = [over(*[one.path.device for one in paths[:mapped]])]
    groups = group_paths(paths, maps)
    devices = [one.device for group in groups for one in group.paths]
    assert sorted(devices) == sorted(one.path.device for one in paths)
    random.shuffle(paths)
    assert group_paths(paths, maps) == groups


@given(PATHS)
def test_units_without_a_problem_agree_in_everything(facts):
    paths = {
        f"sd{chr(97 + number)}": SeenPath(path(f"sd{chr(97 + number)}", wwid, size), vendor, serial, contradiction)
        for number, (wwid, size, vendor, serial, contradiction) in enumerate(facts)
    }
    groups = group_paths(paths.values(), [])
    for group in groups:
        if group.problem is None:
            members = [paths[one.device] for one in group.paths]
            assert not any(member.contradiction for member in members)
            for facet in ({one.path.size for one in members} - {0}, {one.vendor for one in members} - {None}):
                assert len(facet) <= 1
    sound = [group.wwid for group in groups if group.problem is None]
    assert len(sound) == len(set(sound))
