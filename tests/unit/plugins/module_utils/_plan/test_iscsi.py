# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for sessions, case by case: in which order, with which portal group, and what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.fabric import IscsiSession
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import (
    Chap,
    Interface,
    NodeRecord,
    Offer,
    Portal,
    Problem,
    Wanted,
    own_interface,
)
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi import (
    BootUnit,
    Scope,
    Seen,
    all_portals,
    interface_for,
    label,
    plan_absent,
    plan_present,
    unknown_target,
    unsettled,
)
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi_steps import CreateInterface, CreateRecord

TARGET = "iqn.2025-01.test:a"
ONE, TWO = Portal("10.0.0.1"), Portal("10.0.1.1")
WANTED = Wanted(TARGET, (ONE, TWO), chap=Chap("host1", "a-password"))
OFFERS = (Offer(TARGET, ONE, 1), Offer(TARGET, TWO, 2), Offer(f"{TARGET}0", Portal("10.0.2.1"), 1))
RECORD = NodeRecord(TARGET, ONE, 1, "default", "/r", "node.startup = automatic\n")


def session(
    portal: Portal = ONE, state: str = "LOGGED_IN", number: int = 7, interface: str = "default"
) -> IscsiSession:
    return IscsiSession(number, 4, TARGET, 1, None, interface, state, "up", str(portal), str(portal), 5, 0)


HOST, GUEST = "iqn.2025-01.test.host:1", "iqn.2025-01.test.guest:db01"
MADE = own_interface(GUEST)
OURS, PLAIN = Interface(MADE, GUEST), Interface("plain", GUEST)
BOUND, OTHER = Interface("a-card", GUEST, plain=False), Interface("other", HOST)


def test_the_iface_of_a_name() -> None:
    """The one that there is a session by, then one that is bound to nothing, then that of pools."""
    known = (BOUND, OTHER, PLAIN, OURS)
    assert interface_for(HOST, HOST, known, ()) == ("default", None)
    assert interface_for(HOST, None, known, ()) == ("other", None)
    assert interface_for(GUEST, HOST, known, ()) == (MADE, None)
    assert interface_for(GUEST, HOST, known[:3], ()) == ("plain", None)
    assert interface_for(GUEST, HOST, known[:2], ()) == ("a-card", None)
    assert interface_for(GUEST, HOST, known, (session(interface="a-card"),)) == ("a-card", None)
    for there in (known[1:2], (Interface(MADE),)):
        assert interface_for(GUEST, HOST, there, ()) == (MADE, CreateInterface(MADE, GUEST))
    with pytest.raises(RefusedError, match=f"{MADE} of open-iscsi is to have the iSCSI name {GUEST}"):
        interface_for(GUEST, HOST, (Interface(MADE, HOST),), ())


def test_a_record_that_would_be_dropped_for_another() -> None:
    old = replace(RECORD, tpgt=None)
    seen, wanted = Seen(records=(old,)), replace(WANTED, interface="storage", chap=None)
    plan = plan_present(seen, wanted)
    assert {portal: one.reason for portal, one in plan.problems.items()} == {ONE: "setup"}
    assert "-I default" in plan.problems[ONE].text
    assert not plan_present(seen, replace(WANTED, chap=None)).problems, "its own"
    assert not plan_present(Seen(records=(RECORD,)), wanted).problems


def test_from_nothing() -> None:
    plan = plan_present(Seen(offers={ONE: OFFERS}, boot=BootUnit("iscsi.service", False)), WANTED)
    auth = "node.session.auth"
    said = f"set node.startup = automatic, {auth}.authmethod = CHAP, {auth}.username = host1, {auth}.password"
    assert [line.partition(", no ")[0] for line in plan.describe()] == [
        f"record {TARGET} at {ONE} for iface default",
        f"{TARGET} at {ONE}: {said}",
        f"record {TARGET} at {TWO} for iface default",
        f"{TARGET} at {TWO}: {said}",
        f"log in to {TARGET} at {ONE}, {TWO}",
        "enable iscsi.service, which logs in at boot",
    ]
    groups = [step.tpgt for step in plan.steps if isinstance(step, CreateRecord)]
    assert groups == [1, 2], "the second portal's is known from the first one"


def test_the_portal_group_of_a_session_without_a_record() -> None:
    plan = plan_present(Seen(sessions=(session(),)), replace(WANTED, portals=(ONE,)))
    assert [step.tpgt for step in plan.steps if isinstance(step, CreateRecord)] == [1]
    assert not [line for line in plan.describe() if line.startswith("log in")]
    for seen in (Seen(sessions=(session(),)), Seen(records=(RECORD,))):
        plan = plan_present(seen, replace(WANTED, portals=(ONE,), interface="storage"))
        assert [step.tpgt for step in plan.steps if isinstance(step, CreateRecord)] == [1], "of another iface"


def test_only_what_is_missing_needs_the_network() -> None:
    seen = Seen(sessions=(session(), session(TWO, "FAILED", 8)))
    assert unsettled(seen, WANTED) == ()
    assert unsettled(seen, replace(WANTED, relogin=True)) == (TWO,)
    assert unsettled(Seen(), WANTED) == (ONE, TWO)


def test_a_second_session_that_is_up_counts() -> None:
    seen = Seen(sessions=(session(state="FAILED"), session(number=8)), records=(RECORD,))
    assert plan_present(seen, Wanted(TARGET, (ONE,))).steps == ()


def test_what_portals_tell_of_others() -> None:
    assert all_portals(replace(WANTED, portals=(ONE,)), OFFERS) == (ONE, TWO)


def test_a_portal_with_a_problem_is_left_alone() -> None:
    seen = Seen(problems={TWO: Problem("unreachable", "no")}, records=(RECORD,))
    plan = plan_present(seen, replace(WANTED, chap=None))
    assert plan.describe() == [f"log in to {TARGET} at {ONE}"]
    assert set(plan.problems) == {TWO}
    assert plan.after["sessions"][label(TARGET, TWO, "default")] == {"session": False, "record": None}


def test_a_target_that_is_not_there_is_told_what_is() -> None:
    problem = unknown_target(TARGET, ONE, [Offer(f"{TARGET}{number}", ONE, 1) for number in range(20)])
    assert f"but {TARGET}0, {TARGET}1" in problem.text
    assert "and others" in problem.text
    assert "admit this host's initiator name?" in problem.text
    assert f"admit the initiator name {GUEST}?" in unknown_target(TARGET, ONE, (), GUEST).text


def test_logged_out_before_it_is_forgotten() -> None:
    plan = plan_absent(Seen(sessions=(session(),), records=(RECORD,)), Scope(TARGET))
    assert plan.describe() == [
        f"log out of {TARGET} at {ONE} (session7, host4)",
        f"remove the record of {TARGET} at {ONE} for iface default",
    ]
    assert plan_absent(Seen(sessions=(session(),), records=(RECORD,)), Scope(TARGET, (TWO,))).steps == ()
