# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a rescan: what came and went, what grew, what is missing."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl
from ansible_collections.virt.san.plugins.module_utils._plan import rescan_report as report
from ansible_collections.virt.san.plugins.module_utils._plan.expect import Unmet, unmet, view
from ansible_collections.virt.san.plugins.module_utils._plan.expected import Expect
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import (
    Request,
    Selection,
    SkippedPort,
    select,
)
from ansible_collections.virt.san.tests.unit.support.fabric import GIB, FakeSan, Volume, two_fabrics, wwid, wwpn


@pytest.fixture
def san() -> FakeSan:
    return two_fabrics(luns={27: 1, 28: 2}, scanned=[27])


@pytest.fixture
def everything(san: FakeSan) -> Selection:
    return select(san.hbas, Request())


def test_nothing_happened(san: FakeSan, everything: Selection) -> None:
    told = report.differences(san.seen(), san.seen(), everything)
    assert told == {"appeared": [], "disappeared": [], "resized": []}
    assert report.projection(san.seen(), everything) == {
        "2:0:0:27": f"{wwid(1)} 1G",
        "3:0:0:27": f"{wwid(1)} 1G",
    }


def test_came_went_and_grew(san: FakeSan, everything: Selection) -> None:
    before = san.seen()
    del san.known[Hctl(3, 0, 0, 27)]
    san.known[Hctl(2, 0, 0, 27)] = Volume(1, size=2 * GIB)
    san.known[Hctl(2, 0, 0, 28)] = Volume(2)
    told = report.differences(before, san.seen(), everything)
    assert [(one["hctl"], one["wwid"]) for one in told["appeared"]] == [("2:0:0:28", wwid(2))]
    assert [(one["hctl"], one["wwid"]) for one in told["disappeared"]] == [("3:0:0:27", wwid(1))]
    assert told["resized"] == [
        {"wwid": wwid(1), "luns": [27], "old_size": GIB, "new_size": 2 * GIB, "devices": ["sd_2_0_27"]}
    ]


def test_only_the_selection_counts(san: FakeSan) -> None:
    before = san.seen()
    del san.known[Hctl(3, 0, 0, 27)]
    only = select(san.hbas, Request(hbas=("host2",)))
    assert report.differences(before, san.seen(), only)["disappeared"] == []


def test_numbers_asked_for_are_missing_too(san: FakeSan, everything: Selection) -> None:
    request = Request(luns=(27, 53, 54), expect=Expect(luns=(54,)))
    shown = view(san.seen(), everything, request)
    told = report.missing(shown, unmet(san.seen(), everything, request))
    assert [(one["lun"], one["problem"]) for one in told] == [(54, "absent"), (53, "absent")]


def test_one_message() -> None:
    stuck = report.HostReport("host3", stuck="no return", errors=["writing x: Invalid argument"])
    message = report.failure(
        [Unmet("LUN 27", "absent", "a LUN", "none is seen")],
        60,
        [SkippedPort("host2", wwpn(1), "not ready: Blocked")],
        [report.HostReport("host2"), stuck],
    )
    assert message == (
        "not all that is expected is there after 60 s. LUN 27: a LUN wanted; none is seen. "
        f"Not scanned: host2 to {wwpn(1)}: not ready: Blocked. host3 hangs: no return. "
        "host3: writing x: Invalid argument. "
        "Check mapping and zoning of what is missing, or correct the expectation; then run again"
    )


def test_what_is_done_over_and_over_is_told_once() -> None:
    one = report.HostReport("host2", seconds=1.23456, scans=["a", "b", "a"])
    assert one.to_dict() == {"hba": "host2", "seconds": 1.235, "scans": ["a", "b"], "stuck": None, "errors": []}


def test_check_mode_compares_what_is_there_with_what_is_wanted(san: FakeSan, everything: Selection) -> None:
    request = Request(expect=Expect(luns=(27, 53)))
    shown = view(san.seen(), everything, request)
    before, after = report.foretold(shown, unmet(san.seen(), everything, request))
    assert before[wwid(1)] == after[wwid(1)] == "1G"
    assert after["LUN 53 (absent)"] == "a LUN wanted"
    assert before != after
    request = Request(expect=Expect(luns=(27,)))
    before, after = report.foretold(view(san.seen(), everything, request), ())
    assert before == after
