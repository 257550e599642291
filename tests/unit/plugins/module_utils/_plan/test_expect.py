# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is missing is said, with what was seen instead."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._model.block import Designator
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid
from ansible_collections.virt.san.plugins.module_utils._plan import expect as room
from ansible_collections.virt.san.plugins.module_utils._plan.expect import Unmet, pending, view
from ansible_collections.virt.san.plugins.module_utils._plan.expected import Expect
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import Request, Seen, select
from ansible_collections.virt.san.tests.unit.support.fabric import GIB, FakeSan, Volume, two_fabrics, wwid, wwpn


def unmet(san: FakeSan, request: Request) -> tuple[Unmet, ...]:
    return room.unmet(san.seen(), select(san.hbas, request), request)


def told(san: FakeSan, expect: Expect, **request: tuple[str, ...]) -> list[str]:
    return [str(one) for one in unmet(san, Request(expect=expect, **request))]


@pytest.fixture
def san() -> FakeSan:
    """LUN 27, 28 and 29 over two fabrics, of 1 GiB each."""
    return two_fabrics(luns={27: 1, 28: 2, 29: 3}, scanned=[27, 28, 29])


def test_nothing_expected_is_nothing_missing(san: FakeSan) -> None:
    assert not Expect().anything
    assert unmet(san, Request(luns=(99,))) == ()


@pytest.mark.parametrize(
    "expect",
    [
        Expect(luns=(27, 28)),
        Expect(luns=(27,), paths=2),
        Expect(lun_sizes={27: GIB}),
        Expect(wwids=(wwid(1),), paths=1),
        Expect(wwid_sizes={wwid(3): GIB}),
        Expect(luns=(27, 28), count=2),
        Expect(count=3, paths=2),
    ],
)
def test_expectations_that_are_met(san: FakeSan, expect: Expect) -> None:
    assert told(san, expect) == []


def test_a_number_that_is_not_there(san: FakeSan) -> None:
    (one,) = unmet(san, Request(expect=Expect(luns=(27, 53))))
    seen = f"LUN 27 ({wwid(1)}, 1G), LUN 28 ({wwid(2)}, 1G), LUN 29 ({wwid(3)}, 1G)"
    assert str(one) == f"LUN 53: a LUN wanted; none is seen; seen there: {seen}"
    assert one.to_dict() == {
        "lun": 53,
        "wwid": None,
        "problem": "absent",
        "wanted": "a LUN",
        "seen": f"none is seen; seen there: {seen}",
    }


def test_a_number_on_a_host_that_sees_nothing() -> None:
    assert told(two_fabrics(), Expect(luns=(27,))) == ["LUN 27: a LUN wanted; no LUN is seen at all"]


def test_a_wwid_that_is_not_there(san: FakeSan) -> None:
    (line,) = told(san, Expect(wwids=(wwid(9),), luns=(27,)))
    assert line == (
        f"WWID {wwid(9)}: a unit wanted; seen instead is {wwid(1)} of 1G, sd_2_0_27 as LUN 27 over host2 to {wwpn(1)}, "
        f"sd_3_0_27 as LUN 27 over host3 to {wwpn(2)}"
    )


def test_a_wwid_by_another_of_its_names(san: FakeSan) -> None:
    seen = san.seen()
    eui = Wwid("20025385b71b00a11")
    unit = replace(seen.san.luns[0], designators=(Designator("eui", eui[1:]),))
    seen = replace(seen, san=replace(seen.san, luns=(unit,)))
    request = Request(expect=Expect(wwids=(eui,)))
    assert room.unmet(seen, select(san.hbas, request), request) == ()


def test_another_size_than_expected(san: FakeSan) -> None:
    (one,) = unmet(san, Request(expect=Expect(lun_sizes={27: 2 * GIB})))
    assert str(one).startswith(f"LUN 27: 2G LUN wanted; seen is {wwid(1)} of 1G, sd_2_0_27 as LUN 27 over host2")
    assert (one.problem, one.lun, one.wwid) == ("size", 27, wwid(1))


def test_a_size_that_is_almost_right_is_told_in_bytes(san: FakeSan) -> None:
    san.put("host2", wwpn(1), 30, Volume(4, size=GIB + 512), scanned=True)
    (line,) = told(san, Expect(lun_sizes={30: GIB}))
    assert "of 1.00G (1073742336 bytes)" in line


def test_paths_that_disagree_about_the_size_have_none(san: FakeSan) -> None:
    san.known[Hctl(3, 0, 0, 27)] = Volume(1, size=2 * GIB)
    assert [one.split(";")[0] for one in told(san, Expect(wwid_sizes={wwid(1): GIB}))] == [
        f"WWID {wwid(1)}: 1G unit wanted"
    ]


def test_fewer_paths_and_through_which(san: FakeSan) -> None:
    del san.known[Hctl(3, 0, 0, 27)]
    (line,) = told(san, Expect(luns=(27, 28), paths=2))
    assert line.startswith(f"LUN 27 (WWID {wwid(1)}): 2 paths wanted; 1 usable: sd_2_0_27 as LUN 27 over host2 to ")
    assert line.endswith("; nothing over host3")


def test_an_offline_path_does_not_count(san: FakeSan) -> None:
    san.states[Hctl(3, 0, 0, 27)] = "offline"
    (line,) = told(san, Expect(luns=(27,), paths=2))
    assert line.endswith(
        f"1 usable: sd_2_0_27 as LUN 27 over host2 to {wwpn(1)}, sd_3_0_27 as LUN 27 over host3 to {wwpn(2)} (offline)"
    )


def test_a_path_that_multipathd_calls_faulty_does_not_count(san: FakeSan) -> None:
    seen = san.seen()
    first, *others = seen.san.luns[0].paths
    unit = replace(seen.san.luns[0], paths=(replace(first, checker="faulty"), *others))
    seen = replace(seen, san=replace(seen.san, luns=(unit, *seen.san.luns[1:])))
    request = Request(expect=Expect(luns=(27,), paths=2))
    (one,) = room.unmet(seen, select(san.hbas, request), request)
    assert "(checker: faulty)" in one.seen


def test_a_lun_that_answers_no_more(san: FakeSan) -> None:
    """Read again after the array took it away, a disk has no size."""
    for host in (2, 3):
        san.known[Hctl(host, 0, 0, 27)] = Volume(1, size=0)
    (by_number, by_wwid) = told(san, Expect(luns=(27,), wwids=(wwid(1),)))
    for line in (by_number, by_wwid):
        assert "sd_2_0_27 as LUN 27 over host2" in line
        assert "as when the array takes a LUN away" in line


def test_only_what_the_request_is_about_counts(san: FakeSan) -> None:
    assert told(san, Expect(luns=(27,), paths=2), hbas=("host2",)) != []
    assert told(san, Expect(luns=(27,), paths=1), hbas=("host2",)) == []
    assert told(san, Expect(luns=(27,)), targets=(wwpn(9),)) == ["LUN 27: a LUN wanted; no LUN is seen at all"]


def test_a_count_of_units(san: FakeSan) -> None:
    assert told(san, Expect(count=4)) != []
    assert told(san, Expect(count=2)) != []
    (line,) = told(san, Expect(luns=(27, 53), count=2))[-1:]
    assert line.startswith(f"number of requested units: 2 wanted; 1 seen: {wwid(1)} of 1G")


def test_a_message_names_not_every_unit_of_a_large_host() -> None:
    san = two_fabrics(luns={lun: lun for lun in range(1, 60)}, scanned=range(1, 60))
    (line,) = told(san, Expect(count=60))
    assert line.endswith("and 47 more")
    (line,) = told(san, Expect(luns=(99,)))
    assert line.endswith("and 47 more")


# Which units a number may mean.


@pytest.fixture
def double() -> FakeSan:
    """LUN 27 of two targets is not the same volume."""
    san = two_fabrics()
    san.put("host2", wwpn(1), 27, Volume(1), scanned=True)
    san.put("host3", wwpn(2), 27, Volume(2, size=2 * GIB), scanned=True)
    return san


def candidates(san: FakeSan, request: Request) -> list[Wwid | None]:
    return [unit.wwid for unit in view(san.seen(), select(san.hbas, request), request).candidates(27)]


def test_every_unit_with_the_number_is_a_candidate(double: FakeSan) -> None:
    assert candidates(double, Request(luns=(27,))) == [wwid(1), wwid(2)]


@pytest.mark.parametrize(
    "request_",
    [
        Request(luns=(27,), targets=(wwpn(2),)),
        Request(luns=(27,), hbas=("host3",)),
        Request(luns=(27,), expect=Expect(lun_sizes={27: 2 * GIB})),
        Request(luns=(27,), expect=Expect(wwids=(wwid(2),))),
    ],
)
def test_candidates_are_narrowed_down(double: FakeSan, request_: Request) -> None:
    assert candidates(double, request_) == [wwid(2)]


def test_a_size_that_no_candidate_has_leaves_none(double: FakeSan) -> None:
    request = Request(expect=Expect(lun_sizes={27: 5 * GIB}))
    assert candidates(double, request) == []
    (one,) = unmet(double, request)
    assert one.problem == "size"
    assert wwid(1) in one.seen
    assert wwid(2) in one.seen


def test_the_units_of_a_request(san: FakeSan) -> None:
    def requested(request: Request) -> list[Wwid | None]:
        return [unit.wwid for unit in view(san.seen(), select(san.hbas, request), request).requested()]

    assert requested(Request()) == [wwid(1), wwid(2), wwid(3)]
    assert requested(Request(luns=(28,), expect=Expect(wwids=(wwid(1),)))) == [wwid(1), wwid(2)]
    assert requested(Request(luns=(53,))) == []


# Ready or not.


def ready(seen: Seen, before: Seen, request: Request | None = None) -> list[str]:
    asked = request or Request()
    return [path.device or str(path.hctl) for path in pending(seen, before, select(seen.san.hbas, asked), asked)]


def test_what_came_is_ready_once_udev_is_done() -> None:
    san = two_fabrics(luns={27: 1}, scanned=[27])
    before, seen = two_fabrics().seen(), san.seen()
    assert ready(seen, before) == []
    assert ready(replace(seen, recorded=frozenset(["sd_2_0_27"])), before) == ["sd_3_0_27"]


def test_a_disk_without_a_block_device_yet() -> None:
    seen = two_fabrics(luns={27: 1}, scanned=[27]).seen()
    orphan = replace(seen.san.luns[0].paths[0], device="", size=0)
    seen = replace(seen, san=replace(seen.san, luns=(), orphans=(orphan,)))
    assert ready(seen, two_fabrics().seen()) == ["2:0:0:27"]
    assert ready(seen, seen) == [], "what hung there before the scan is not waited for"


def test_a_placeholder_is_not_waited_for() -> None:
    san = two_fabrics()
    san.put("host2", wwpn(1), 0, Volume(1, placeholder=True), scanned=True)
    assert ready(san.seen(), two_fabrics().seen()) == []


def test_a_new_path_belongs_into_its_map() -> None:
    san = two_fabrics(luns={27: 1}, scanned=[27])
    san.maps[wwid(1)] = "lun27"
    seen = san.seen()
    assert ready(seen, two_fabrics().seen()) == []
    unit = seen.san.luns[0]
    assert unit.map is not None
    late = replace(unit, map=replace(unit.map, slaves=("sd_2_0_27",)))
    seen = replace(seen, san=replace(seen.san, luns=(late,)))
    assert ready(seen, two_fabrics().seen()) == ["sd_3_0_27"]
    assert ready(replace(seen, san=replace(seen.san, multipath_running=False)), two_fabrics().seen()) == []
    assert ready(seen, seen) == [], "a path that its map did not want before is not waited for"


def test_a_map_is_waited_for_where_udev_says_there_will_be_one() -> None:
    seen = two_fabrics(luns={27: 1}, scanned=[27]).seen()
    seen = replace(seen, san=replace(seen.san, multipath_running=True))
    assert ready(seen, two_fabrics().seen()) == []
    assert ready(replace(seen, claimed=seen.recorded), two_fabrics().seen()) == ["sd_2_0_27", "sd_3_0_27"]


def test_a_path_asked_for_that_udev_has_not_seen_yet() -> None:
    seen = replace(two_fabrics(luns={27: 1}, scanned=[27]).seen(), recorded=frozenset())
    assert ready(seen, seen, Request(luns=(27,))) == ["sd_2_0_27", "sd_3_0_27"]
    assert ready(seen, seen, Request(luns=(28,))) == []


@given(st.sets(st.integers(1, 40), max_size=6), st.sets(st.integers(1, 40), max_size=6))
def test_missing_is_what_is_wanted_and_not_there(there: set[int], wanted: set[int]) -> None:
    san = two_fabrics(luns={lun: lun for lun in there}, scanned=there)
    missing = [one.lun for one in unmet(san, Request(expect=Expect(luns=tuple(sorted(wanted)))))]
    assert missing == sorted(wanted - there)
