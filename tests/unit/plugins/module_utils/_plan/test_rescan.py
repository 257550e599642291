# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What gets scanned: as little as will do, and never what was not asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._errors import NotFoundError
from ansible_collections.virt.san.plugins.module_utils._model.block import Designator
from ansible_collections.virt.san.plugins.module_utils._model.fabric import SAN_TRANSPORTS
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, same_lun
from ansible_collections.virt.san.plugins.module_utils._plan import rescan
from ansible_collections.virt.san.plugins.module_utils._plan.expected import Expect
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import (
    DeletePlaceholder,
    Request,
    Reread,
    Scan,
    plan_rereads,
    plan_scans,
    select,
    skipped_ports,
    unit_wwids,
)
from ansible_collections.virt.san.tests.unit.support.fabric import (
    FakeSan,
    Volume,
    hba,
    session,
    target,
    two_fabrics,
    wwid,
    wwpn,
)

IQN = "iqn.2026-01.test:array"


def lines(san: FakeSan, request: Request, choice: int = 0) -> list[str]:
    seen = san.seen()
    return [step.describe() for step in plan_scans(seen, select(seen.san.hbas, request), request, choice)]


# Which HBAs and targets.


def test_every_san_hba_unless_told_otherwise() -> None:
    hbas = [hba(number, transport=name) for number, name in enumerate(("ata", "fc", "usb", "iscsi", "virtio", "sas"))]
    hbas.append(hba(9, transport="scsi_debug"))
    assert [one.name for one in select(hbas, Request()).hbas] == ["host1", "host3", "host5"]


@pytest.mark.parametrize("name", ["host2", wwpn(202)])
def test_an_hba_by_name_or_wwpn(name: str) -> None:
    assert [one.name for one in select(two_fabrics().hbas, Request(hbas=(name,))).hbas] == ["host2"]


def test_an_initiator_name_means_all_its_sessions() -> None:
    hbas = (hba(4, session(IQN), transport="iscsi"), hba(5, session(IQN), transport="iscsi"))
    assert len(select(hbas, Request(hbas=("iqn.2026-01.test:host",))).hbas) == 2


def test_an_hba_that_no_san_is_on_only_by_name() -> None:
    assert [one.name for one in select(two_fabrics().hbas, Request(hbas=("host1",))).hbas] == ["host1"]


def test_an_unknown_hba_is_answered_with_those_there() -> None:
    with pytest.raises(NotFoundError, match=rf"no HBA host7; it has: host1 \(ata\), host2 \(fc {wwpn(202)}\)"):
        select(two_fabrics().hbas, Request(hbas=("host2", "host7")))


# Scans.


def test_numbers_are_scanned_one_by_one_where_the_target_is_known() -> None:
    assert lines(two_fabrics(), Request(luns=(27, 28))) == [
        f"host2: scan 0 0 27 (LUN 27 of {wwpn(1)})",
        f"host2: scan 0 0 28 (LUN 28 of {wwpn(1)})",
        f"host3: scan 0 0 27 (LUN 27 of {wwpn(2)})",
        f"host3: scan 0 0 28 (LUN 28 of {wwpn(2)})",
    ]


def test_without_numbers_each_target_and_not_the_whole_host() -> None:
    assert lines(two_fabrics(), Request()) == [
        f"host2: scan 0 0 - (all LUNs of {wwpn(1)})",
        f"host3: scan 0 0 - (all LUNs of {wwpn(2)})",
    ]


def test_expected_numbers_are_numbers() -> None:
    request = Request(expect=Expect(luns=(27,), lun_sizes={28: 1}))
    assert request.numbers == (27, 28)
    assert len(lines(two_fabrics(), request)) == 4


def test_expected_wwids_need_a_look_at_all_luns() -> None:
    assert lines(two_fabrics(), Request(expect=Expect(wwids=(wwid(1),))))[0].endswith(f"(all LUNs of {wwpn(1)})")


def test_only_the_targets_asked_for() -> None:
    san = FakeSan((hba(2, target(1), target(3, 1)), hba(3, target(2))))
    assert lines(san, Request(targets=(wwpn(3),), luns=(27,))) == [f"host2: scan 0 1 27 (LUN 27 of {wwpn(3)})"]


def test_iscsi_sessions_are_scanned_too() -> None:
    san = FakeSan((hba(4, session(IQN), transport="iscsi"),))
    assert lines(san, Request(luns=(27,))) == [f"host4: scan 0 0 27 (LUN 27 of {IQN})"]


def test_a_transport_whose_targets_have_no_names() -> None:
    san = FakeSan((hba(4, transport="sas"),))
    assert lines(san, Request(luns=(27,))) == ["host4: scan - - 27 (LUN 27 of every target)"]
    assert lines(san, Request()) == ["host4: scan - - - (all LUNs of every target)"]
    assert lines(san, Request(targets=(wwpn(1),))) == []


def test_what_is_there_is_not_scanned_again() -> None:
    assert lines(two_fabrics(luns={27: 1, 28: 2}, scanned=[27]), Request(luns=(27, 28))) == [
        f"host2: scan 0 0 28 (LUN 28 of {wwpn(1)})",
        f"host3: scan 0 0 28 (LUN 28 of {wwpn(2)})",
    ]


def test_the_other_counting_only_where_the_first_brought_nothing() -> None:
    san = two_fabrics()
    san.put("host2", wwpn(1), 27, Volume(1), scanned=True)
    san.put("host3", wwpn(2), 0x4000 + 27, Volume(1))
    request = Request(luns=(27,))
    assert lines(san, request) == [f"host3: scan 0 0 27 (LUN 27 of {wwpn(2)})"]
    assert lines(san, request, choice=1) == [f"host3: scan 0 0 16411 (LUN 27 of {wwpn(2)})"]
    assert lines(san, request, choice=2) == []
    san.put("host3", wwpn(2), 0x4000 + 27, Volume(1), scanned=True)
    assert lines(san, request) == []


def test_from_256_on_the_flat_counting_comes_first() -> None:
    assert lines(two_fabrics(), Request(luns=(300,)))[0] == f"host2: scan 0 0 16684 (LUN 300 of {wwpn(1)})"
    assert lines(two_fabrics(), Request(luns=(300,)), 1)[0] == f"host2: scan 0 0 300 (LUN 300 of {wwpn(1)})"


def test_a_flat_number_is_taken_as_it_is() -> None:
    assert lines(two_fabrics(), Request(luns=(16684,)))[0] == f"host2: scan 0 0 16684 (LUN 300 of {wwpn(1)})"
    assert lines(two_fabrics(), Request(luns=(16684,)), 1) == []


@pytest.mark.parametrize("request_", [Request(luns=(0,)), Request()])
def test_a_placeholder_goes_before_lun_zero_is_scanned(request_: Request) -> None:
    san = two_fabrics()
    san.put("host2", wwpn(1), 0, Volume(1, placeholder=True), scanned=True)
    told = lines(san, request_)
    assert told[0] == "host2: delete placeholder 2:0:0:0, which has no disk and hides LUN 0"
    assert told[1].startswith("host2: scan 0 0 ")
    assert not any("delete" in line for line in told[1:])


def test_a_placeholder_of_another_number_stays_unless_asked_for() -> None:
    san = two_fabrics()
    san.put("host2", wwpn(1), 27, Volume(1, placeholder=True), scanned=True)
    assert not any("delete" in line for line in lines(san, Request()))
    assert not any("delete" in line for line in lines(san, Request(luns=(0, 28))))
    assert lines(san, Request(luns=(27,)))[0].startswith("host2: delete placeholder 2:0:0:27")


def test_a_disk_being_set_up_is_no_placeholder() -> None:
    san = two_fabrics(luns={27: 1}, scanned=[27])
    seen = san.seen()
    path = replace(seen.san.luns[0].paths[0], device="", size=0)
    seen = replace(seen, san=replace(seen.san, luns=(), orphans=(path,)))
    request = Request(luns=(27,))
    assert plan_scans(seen, select(seen.san.hbas, request), request) == ()


# Ports that are skipped.


def test_ports_that_are_not_online_are_told_and_not_scanned() -> None:
    san = FakeSan((hba(2, target(1, state="Blocked"), target(2, None), target(3, 2)), hba(3, port_state="Linkdown")))
    request = Request(luns=(27,))
    assert lines(san, request) == [f"host2: scan 0 2 27 (LUN 27 of {wwpn(3)})"]
    assert [str(port) for port in skipped_ports(select(san.hbas, request))] == [
        f"host2 to {wwpn(1)}: not ready: Blocked",
        f"host2 to {wwpn(2)}: no SCSI target for this HBA (port is Online)",
        "host3: the HBA sees no target; the port is Linkdown",
    ]


def test_other_ports_of_the_fabric_are_not_worth_a_word() -> None:
    other = target(9, None, roles="FCP Initiator")
    assert skipped_ports(select((hba(2, target(1), other),), Request())) == ()


def test_a_target_asked_for_that_nobody_sees() -> None:
    request = Request(targets=(wwpn(1), wwpn(77)))
    (port,) = skipped_ports(select(two_fabrics().hbas, request))
    assert port.to_dict()["target"] == wwpn(77)
    assert port.hba is None
    assert "zoning" in port.reason


def test_a_session_that_is_not_logged_in() -> None:
    san = FakeSan((hba(4, session(IQN, "FAILED"), transport="iscsi"),))
    assert lines(san, Request()) == []
    assert str(skipped_ports(select(san.hbas, Request()))[0]) == f"host4 to {IQN}: not ready: FAILED"


# Reading again.


def reread(san: FakeSan, request: Request) -> list[str]:
    seen = san.seen()
    return [step.device for step in plan_rereads(seen, select(seen.san.hbas, request), request)]


def test_all_disks_are_read_again_when_nothing_is_named() -> None:
    assert reread(two_fabrics(luns={27: 1, 28: 2}, scanned=[27, 28]), Request()) == [
        "sd_2_0_27",
        "sd_3_0_27",
        "sd_2_0_28",
        "sd_3_0_28",
    ]


def test_only_those_asked_for_are_read_again() -> None:
    san = two_fabrics(luns={27: 1, 28: 2, 29: 3}, scanned=[27, 28, 29])
    assert reread(san, Request(luns=(27,))) == ["sd_2_0_27", "sd_3_0_27"]
    assert reread(san, Request(expect=Expect(wwids=(wwid(2),)))) == ["sd_2_0_28", "sd_3_0_28"]
    assert reread(san, Request(hbas=("host3",), luns=(27,))) == ["sd_3_0_27"]
    assert reread(san, Request(targets=(wwpn(1),), luns=(27,))) == ["sd_2_0_27"]
    assert reread(san, Request(luns=(27,), refresh_sizes=False)) == []


def test_a_disk_that_is_not_running_is_left_alone() -> None:
    san = two_fabrics(luns={27: 1}, scanned=[27])
    san.states[Hctl(2, 0, 0, 27)] = "offline"
    assert reread(san, Request(luns=(27,))) == ["sd_3_0_27"]


def test_a_unit_goes_by_any_of_its_designators() -> None:
    unit = two_fabrics(luns={27: 1}, scanned=[27]).seen().san.luns[0]
    unit = replace(unit, designators=(Designator("eui", "0025385b71b00a11"), Designator("t10", "x")))
    assert unit_wwids(unit) == {wwid(1), "20025385b71b00a11"}
    assert unit_wwids(replace(unit, wwid=None, designators=())) == frozenset()


# Properties: any host, any SAN, any request.

LUNS = st.integers(min_value=0, max_value=300)


@st.composite
def sans(draw: st.DrawFn) -> FakeSan:
    hbas = []
    for number in range(draw(st.integers(1, 4))):
        transport = draw(st.sampled_from(("fc", "fcoe", "iscsi", "sas", "ata", "usb", "scsi_debug")))
        targets = []
        if transport in rescan.LISTS_TARGETS:
            states = ("Online", "Marginal", "Blocked", "LOGGED_IN", "FAILED")
            targets = [
                target(10 * number + index, index, draw(st.sampled_from(states)))
                for index in range(draw(st.integers(0, 2)))
            ]
        hbas.append(hba(number, *targets, transport=transport))
    san = FakeSan(tuple(hbas))
    for one in hbas:
        for port in [known.name for known in one.targets] or ([] if one.transport in rescan.LISTS_TARGETS else [None]):
            for lun in draw(st.lists(LUNS, max_size=5, unique=True)):
                kernel_lun = lun + draw(st.sampled_from((0, 0x4000)))
                placeholder = draw(st.integers(0, 5)) == 0
                volume = Volume(draw(st.integers(1, 9)), placeholder=placeholder)
                san.put(one.name, port, kernel_lun, volume, scanned=draw(st.booleans()))
    return san


@st.composite
def requests(draw: st.DrawFn, san: FakeSan) -> Request:
    names = [one.name for one in san.hbas]
    ports = [known.name for one in san.hbas for known in one.targets]
    return Request(
        hbas=tuple(draw(st.lists(st.sampled_from(names), max_size=2))),
        targets=tuple(draw(st.lists(st.sampled_from(ports), max_size=2))) if ports else (),
        luns=tuple(draw(st.lists(LUNS, max_size=4))),
        expect=Expect(luns=tuple(draw(st.lists(LUNS, max_size=2)))),
    )


CASES = sans().flatmap(lambda san: st.tuples(st.just(san), requests(san)))


@given(CASES)
def test_nothing_is_scanned_that_was_not_asked_for(case: tuple[FakeSan, Request]) -> None:
    san, request = case
    seen = san.seen()
    for choice in (0, 1):
        for step in plan_scans(seen, select(seen.san.hbas, request), request, choice):
            owner = next(one for one in san.hbas if one.name == step.hba)
            assert step.hba in request.hbas if request.hbas else owner.transport in SAN_TRANSPORTS
            if isinstance(step, Scan):
                assert not request.targets or step.target in request.targets
                lun = step.lun
                assert (lun is None) == (not request.numbers)
                assert lun is None or any(same_lun(number, lun) for number in request.numbers)
                assert step.target_id is not None or owner.transport not in rescan.LISTS_TARGETS


@given(CASES)
def test_a_scan_adds_what_was_asked_for_and_a_second_finds_nothing_to_do(case: tuple[FakeSan, Request]) -> None:
    san, request = case
    before = dict(san.known)
    selection = select(san.hbas, request)
    for choice in (0, 1):
        san.apply(plan_scans(san.seen(), selection, request, choice))
    added = set(san.known) - set(before)
    if request.numbers:
        assert all(any(same_lun(number, hctl.lun) for number in request.numbers) for hctl in added)
    again = [plan_scans(san.seen(), selection, request, choice) for choice in (0, 1)]
    for step in (step for steps in again for step in steps):
        if isinstance(step, Scan) and step.lun is not None and step.channel is not None and step.target_id is not None:
            there = Hctl(int(step.hba[4:]), step.channel, step.target_id, step.lun) in san.known
            assert not there or san.known[Hctl(int(step.hba[4:]), step.channel, step.target_id, step.lun)].placeholder
    state = dict(san.known)
    for steps in again:
        san.apply(steps)
    assert san.known == state


@given(CASES)
def test_only_what_has_no_disk_is_ever_deleted(case: tuple[FakeSan, Request]) -> None:
    san, request = case
    seen = san.seen()
    disks = {path.hctl for unit in seen.san.luns for path in unit.paths}
    for choice in (0, 1):
        steps = plan_scans(seen, select(seen.san.hbas, request), request, choice)
        for index, step in enumerate(steps):
            if isinstance(step, DeletePlaceholder):
                assert step.hctl not in disks
                assert any(isinstance(later, Scan) and later.hba == step.hba for later in steps[index:])


@given(CASES)
def test_only_running_disks_of_the_selection_are_read_again(case: tuple[FakeSan, Request]) -> None:
    san, request = case
    for number, hctl in enumerate(san.known):
        san.states[hctl] = ("running", "offline", "blocked")[number % 3]
    seen = san.seen()
    selection = select(seen.san.hbas, request)
    by_address = {path.hctl: path for unit in seen.san.luns for path in unit.paths}
    for step in plan_rereads(seen, selection, request):
        assert isinstance(step, Reread)
        assert by_address[step.hctl].state == "running"
        assert selection.covers(by_address[step.hctl])
