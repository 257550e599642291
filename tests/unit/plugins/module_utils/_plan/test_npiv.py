# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning virtual HBAs: idempotent by WWPN, on a parent that fits, and never at somebody else's cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    IdentityError,
    NotFoundError,
    RefusedError,
    SanError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Target
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.plugins.module_utils._plan.npiv import (
    Seen,
    misplaced,
    plan_absent,
    plan_present,
)
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_states import COMING, DELETABLE, FAILED, advice
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_steps import (
    AwaitLogin,
    CreateVport,
    DeleteVport,
    NameVport,
)
from ansible_collections.virt.san.tests.unit.support.vports import (
    FABRICS,
    carried_out,
    child,
    port,
    vport,
    with_children,
)

ONE = vport(1, host=7)
WANTED = WantedVhba(ONE.wwpn, ONE.wwnn)


def test_made_named_and_waited_for():
    plan = plan_present(with_children(port(0)), replace(WANTED, symbolic_name="db01"))
    assert plan.steps == (
        CreateVport("host0", port(0).wwpn, ONE.wwpn, ONE.wwnn, "db01"),
        AwaitLogin(ONE.wwpn),
    )
    assert plan.changed
    assert plan.before == {"vhbas": []}
    assert plan.after["vhbas"][0]["parent"] == f"host0 ({port(0).wwpn})"
    assert plan.after["vhbas"][0]["symbolic_name"] == "db01"


def test_there_already_wherever_it_is():
    plan = plan_present(with_children(port(0), port(1, ONE)), WANTED)
    assert plan.steps == ()
    assert not plan.changed


def test_one_that_comes_up_is_waited_for_and_is_no_change():
    plan = plan_present(with_children(port(0, replace(ONE, state="Initializing"))), WANTED)
    assert plan.steps == (AwaitLogin(ONE.wwpn),)
    assert not plan.changed


def test_active_with_its_own_port_down_is_not_there_yet():
    parent = port(0, ONE)
    plan = plan_present(Seen((parent, child(ONE, parent, state="Linkdown"))), WANTED)
    assert plan.steps == (AwaitLogin(ONE.wwpn),)


@pytest.mark.parametrize("state", sorted(DELETABLE))
def test_one_that_was_turned_down_is_made_anew(state):
    plan = plan_present(with_children(port(0, replace(ONE, state=state))), WANTED)
    assert [type(step) for step in plan.steps] == [DeleteVport, CreateVport, AwaitLogin]
    assert plan.changed
    assert (plan.before["vhbas"][0]["state"], plan.after["vhbas"][0]["state"]) == (state, "Active")


def test_made_anew_it_is_named_if_its_driver_takes_a_name():
    seen = with_children(port(0, replace(ONE, state="Fabric Rejected WWN", symbolic_name="old")))
    wanted = replace(WANTED, symbolic_name="db01")
    for nameable, name in ((seen.nameable, "db01"), (frozenset(), None)):
        plan = plan_present(replace(seen, nameable=nameable), wanted)
        assert plan.describe()[1].endswith("with symbolic name 'db01'") == (name is not None)
        assert plan.after["vhbas"][0]["symbolic_name"] == name


@pytest.mark.parametrize("state", ["VPort Failed", "Fabric Logout", "Disabled"])
def test_never_with_disks_behind_it(state):
    seen = replace(with_children(port(0, replace(ONE, state=state))), with_devices=frozenset({"host7"}))
    with pytest.raises(UnavailableError, match=f"is {state}: "):
        plan_present(seen, WANTED)


def test_one_that_was_disabled_is_left_alone():
    with pytest.raises(UnavailableError, match="an administrator has disabled it"):
        plan_present(with_children(port(0, replace(ONE, state="Disabled"))), WANTED)


def test_renamed_where_the_driver_takes_it():
    seen = with_children(port(0, ONE))
    wanted = replace(WANTED, symbolic_name="db01")
    assert plan_present(seen, wanted).steps == (NameVport(ONE.wwpn, "db01"),)
    plan = plan_present(replace(seen, nameable=frozenset()), wanted)
    assert plan.steps == ()
    assert "takes no symbolic name" in plan.warnings[0]
    assert plan_present(with_children(port(0, replace(ONE, symbolic_name="db01"))), wanted).steps == ()


# Parents


@pytest.mark.parametrize(
    ("ports", "chosen"),
    [
        ((port(0, vport(2)), port(1)), "host1"),
        ((port(0), port(1)), "host0"),
        ((port(0, state="Linkdown"), port(1, vport(2), vport(3))), "host1"),
        ((port(0, capable=False), port(1)), "host1"),
        ((port(0, vport(2), vport(3), most=2), port(1, vport(4), vport(5), vport(6))), "host1"),
    ],
)
def test_the_one_that_fits_with_the_fewest_vports(ports, chosen):
    assert plan_present(with_children(*ports), WANTED).steps[0].parent == chosen


@pytest.mark.parametrize(
    "name", ["host1", "2100001b32000001", "2000001b32000000", "0000:3b:00.1"], ids=["name", "WWPN", "WWNN", "PCI"]
)
def test_named(name):
    seen = with_children(port(0, vport(2)), port(1))
    assert plan_present(seen, replace(WANTED, parent=name)).steps[0].parent == "host1"


def test_in_the_wanted_fabric():
    seen = with_children(port(0), port(1, vport(2), fabric=1))
    assert plan_present(seen, replace(WANTED, fabric=FABRICS[1])).steps[0].parent == "host1"
    with pytest.raises(UnavailableError, match=r"host0 .* is in fabric"):
        plan_present(seen, replace(WANTED, fabric=FABRICS[1], parent="host0"))


def test_a_vhba_is_no_parent():
    seen = with_children(port(0, vport(2, host=7), most=1))
    with pytest.raises(UnavailableError, match="1 of 1 vports in use"):
        plan_present(seen, WANTED)
    with pytest.raises(NotFoundError, match="no HBA host7; it has: host0"):
        plan_present(seen, replace(WANTED, parent="host7"))


def test_each_that_does_not_fit_says_why():
    seen = with_children(port(0, state="Linkdown"), port(1, capable=False), port(2, vport(2), most=1))
    with pytest.raises(UnavailableError) as caught:
        plan_present(seen, WANTED)
    for reason in ("is Linkdown, not Online", "is not NPIV capable", "has 1 of 1 vports in use"):
        assert reason in caught.value.message
    assert set(caught.value.details["hbas"]) == {"host0", "host1", "host2"}


def test_no_fibre_channel_at_all():
    with pytest.raises(NotFoundError, match="no Fibre Channel HBA"):
        plan_present(Seen(), WANTED)


@pytest.mark.parametrize("change", [{"parent": "host1"}, {"fabric": FABRICS[1]}])
def test_elsewhere_is_refused_and_says_where(change):
    seen = with_children(port(0, ONE), port(1, fabric=1))
    wanted = replace(WANTED, **change)
    with pytest.raises(RefusedError, match=r"is host7 on host0 .* move: true"):
        plan_present(seen, wanted)
    there = misplaced(seen, wanted)
    assert there is not None
    assert plan_present(seen.without(there), wanted).steps[0].parent == "host1"
    assert misplaced(seen, WANTED) is None


def test_two_with_one_wwpn():
    seen = with_children(port(0, ONE), port(1, vport(1, host=8)))
    with pytest.raises(AmbiguousError, match="that of 2 vHBAs"):
        plan_present(seen, WANTED)
    assert plan_present(seen, replace(WANTED, parent="host1")).steps == ()
    assert len(plan_absent(seen, ONE.wwpn).steps) == 2


# Names that are taken


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (replace(WANTED, wwpn=port(0).wwpn), "host0, a physical port"),
        (replace(WANTED, wwpn=port(0).wwnn), "host0, a physical port"),
        (replace(WANTED, wwnn=port(0).wwpn), "host0, a physical port"),
        (replace(WANTED, wwpn=vport(2).wwnn), "a name of the vHBA host8"),
        (replace(WANTED, wwnn=vport(2).wwpn), "a name of the vHBA host8"),
        (replace(WANTED, wwpn=vport(2).wwpn), "with WWNN"),
        (replace(WANTED, wwnn=ONE.wwpn), "port and node need names of their own"),
        (replace(WANTED, wwpn=vport(9).wwpn), "logged in to the fabric already, as host0 sees"),
    ],
)
def test_a_name_that_is_taken(wanted, says):
    other = Target(vport(9).wwpn, vport(9).wwnn, "Online", ("FCP Initiator",), None, None)
    parent = replace(port(0, vport(2, host=8)), targets=(other,))
    with pytest.raises(IdentityError, match=says):
        plan_present(with_children(parent), wanted)


def test_what_is_left_of_itself_in_the_fabric_is_not_another():
    gone = Target(ONE.wwpn, ONE.wwnn, "Not Present", (), None, None)
    assert plan_present(with_children(replace(port(0), targets=(gone,))), WANTED).changed


# Away


def test_absent():
    seen = with_children(port(0, ONE, vport(2, host=8)))
    plan = plan_absent(seen, ONE.wwpn)
    assert plan.steps == (DeleteVport("host0", ONE.wwpn, ONE.wwnn, "host7"),)
    assert plan.changed
    assert not plan_absent(seen, vport(5).wwpn).changed


def test_every_state_has_advice():
    for state in (*FAILED, *COMING):
        assert len(advice(state)) > 20
    assert "does not know" in advice("Confused")


# Generated hosts

STATES = st.sampled_from(["Active", "Initializing", "Linkdown", "Disabled", *sorted(DELETABLE)])


@st.composite
def hosts(draw: st.DrawFn) -> Seen:
    """Return up to four ports with up to four vHBAs; each with its own number, some with disks behind them."""
    numbers = draw(st.lists(st.integers(1, 9), unique=True, max_size=5))
    ports = []
    for index in range(draw(st.integers(1, 4))):
        mine = [vport(number, 20 + number, draw(STATES)) for number in numbers if number % 4 == index]
        state = draw(st.sampled_from(["Online", "Linkdown"]))
        capable = bool(mine) or draw(st.booleans())
        ports.append(port(index, *mine, most=draw(st.integers(2, 5)), state=state, fabric=index % 2, capable=capable))
    seen = with_children(*ports)
    names = [one.vport.host for one in seen.vhbas()]
    return replace(seen, with_devices=frozenset(draw(st.sets(st.sampled_from(names))) if names else ()))


@given(
    seen=hosts(),
    number=st.integers(1, 9),
    parent=st.sampled_from([None, "host0", "host1", "0000:3b:00.2"]),
    fabric=st.sampled_from([None, *FABRICS]),
    title=st.sampled_from([None, "db01"]),
)
def test_carried_out_and_planned_again_there_is_nothing_to_do(seen, number, parent, fabric, title):
    wanted = WantedVhba(vport(number).wwpn, vport(number).wwnn, parent, fabric, title)
    before = {one.vport.wwpn: one for one in seen.vhbas()}
    try:
        plan = plan_present(seen, wanted)
    except SanError:
        return
    after = carried_out(seen, plan.steps)  # asserts that nothing with disks behind it goes
    left = plan_present(after, wanted)
    waiting = [step for step in left.steps if not isinstance(step, AwaitLogin)]
    assert not waiting
    assert left.before["vhbas"] == plan.after["vhbas"]
    others = {one.vport.wwpn: one.vport for one in after.vhbas() if one.vport.wwpn != wanted.wwpn}
    assert others == {wwpn: one.vport for wwpn, one in before.items() if wwpn != wanted.wwpn}


@given(seen=hosts(), number=st.integers(1, 9))
def test_absent_leaves_all_others(seen, number):
    clear = replace(seen, with_devices=frozenset())
    wwpn = vport(number).wwpn
    after = carried_out(clear, plan_absent(clear, wwpn).steps)
    assert plan_absent(after, wwpn).steps == ()
    assert {one.vport.wwpn for one in after.vhbas()} == {one.vport.wwpn for one in seen.vhbas()} - {wwpn}
