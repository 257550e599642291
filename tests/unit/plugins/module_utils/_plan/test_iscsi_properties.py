# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every host: plans for sessions settle, touch nothing else, and tell no password."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as some

from ansible_collections.virt.san.plugins.module_utils._model import iscsi as model
from ansible_collections.virt.san.plugins.module_utils._model.fabric import IscsiSession
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import (
    Chap,
    NodeRecord,
    Offer,
    Portal,
    Problem,
    Wanted,
    edit_record,
    read_portal,
)
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi import (
    LOGGED_IN,
    BootUnit,
    Scope,
    Seen,
    plan_absent,
    plan_present,
)
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi_steps import (
    AwaitSessions,
    CreateRecord,
    DeleteRecord,
    EditRecord,
    EnableUnit,
    LogIn,
    LogOut,
    SessionStep,
)

TARGETS = ("iqn.2025-01.test:a", "iqn.2025-01.test:a0")
PORTALS = (Portal("10.0.0.1"), Portal("10.0.0.11"), Portal("10.0.0.1", 3261))
INTERFACES = ("default", "storage")
PASSWORD = "a-password-to-hide"
NEW = "# BEGIN RECORD\nnode.startup = manual\nnode.conn[0].startup = manual\n# END RECORD\n"

texts = some.sampled_from(
    [
        NEW,
        NEW.replace("manual", "automatic"),
        edit_record(NEW, {model.METHOD: "CHAP", model.USERNAME: "host1", model.PASSWORD: "another-password"}),
    ]
)
keys = some.tuples(some.sampled_from(TARGETS), some.sampled_from(PORTALS), some.sampled_from(INTERFACES))


def session(number: int, key: tuple[str, Portal, str], state: str = LOGGED_IN) -> IscsiSession:
    target, portal, interface = key
    return IscsiSession(number, number, target, 1, None, interface, state, "up", str(portal), str(portal), 5, 0)


def record(key: tuple[str, Portal, str], text: str, tpgt: int | None = 1) -> NodeRecord:
    target, portal, interface = key
    return NodeRecord(target, portal, tpgt, interface, f"/{target}/{portal}/{interface}", text)


@some.composite
def hosts(draw: some.DrawFn) -> Seen:
    sessions = draw(some.dictionaries(keys, some.sampled_from([LOGGED_IN, "FAILED"])))
    records = draw(some.dictionaries(keys, texts))
    reached = draw(some.dictionaries(some.sampled_from(PORTALS), some.sampled_from([(), TARGETS[:1], TARGETS])))
    return Seen(
        sessions=tuple(session(number, key, state) for number, (key, state) in enumerate(sessions.items())),
        records=tuple(record(key, text) for key, text in records.items()),
        offers={portal: tuple(Offer(name, portal, 1) for name in names) for portal, names in reached.items()},
        problems={
            portal: Problem("unreachable", "no answer")
            for portal in draw(some.sets(some.sampled_from(PORTALS)))
            if portal not in reached
        },
        boot=draw(some.sampled_from([None, BootUnit("iscsi.service", False), BootUnit("iscsi.service", True)])),
    )


wanteds = some.builds(
    Wanted,
    target=some.sampled_from(TARGETS),
    portals=some.lists(some.sampled_from(PORTALS), min_size=1, unique=True).map(tuple),
    interface=some.sampled_from(INTERFACES),
    startup=some.sampled_from(["automatic", "manual"]),
    chap=some.sampled_from([None, Chap("host1", PASSWORD)]),
    no_chap=some.booleans(),
    relogin=some.booleans(),
)


def carry_out(seen: Seen, steps: tuple[SessionStep, ...], wanted: Wanted | None = None) -> Seen:
    now = seen
    for step in steps:
        now = _step(now, step, wanted)
    return now


def _step(now: Seen, step: SessionStep, wanted: Wanted | None) -> Seen:
    if isinstance(step, LogIn):
        for portal in step.portals:
            assert now.record(step.target, portal, step.interface), "logged in without a record"
            assert now.session(step.target, portal, step.interface) is None
            number = 1 + max((one.number for one in now.sessions), default=0)
            made = session(number, (step.target, portal, step.interface))
            now = replace(now, sessions=(*now.sessions, made))
        return now
    if isinstance(step, AwaitSessions):
        awaited = [(step.target, portal) for portal in step.portals]
        return replace(
            now,
            sessions=tuple(
                replace(one, state=LOGGED_IN) if (one.target, read_portal(one.portal)) in awaited else one
                for one in now.sessions
            ),
        )
    if isinstance(step, LogOut):
        assert any(one.number == step.session for one in now.sessions)
        return replace(now, sessions=tuple(one for one in now.sessions if one.number != step.session))
    if isinstance(step, EnableUnit):
        return replace(now, boot=BootUnit(step.name, True))
    if isinstance(step, CreateRecord):
        assert now.record(step.target, step.portal, step.interface) is None, "overwritten"
        return replace(now, records=(*now.records, record((step.target, step.portal, step.interface), NEW, step.tpgt)))
    there = now.record(step.target, step.portal, step.interface)
    assert there is not None
    rest = tuple(one for one in now.records if one != there)
    if isinstance(step, DeleteRecord):
        assert not any(model.same_session(one, *_key(there)) for one in now.sessions), "open-iscsi would refuse"
        return replace(now, records=rest)
    assert isinstance(step, EditRecord)
    assert wanted is not None
    edited = edit_record(there.text, model.edits_of(wanted, there.values))
    return replace(now, records=(*rest, replace(there, text=edited)))


def _key(one: NodeRecord) -> tuple[str, Portal, str]:
    return one.target, one.portal, one.interface


def untouched(before: Seen, after: Seen, target: str, portals: tuple[Portal, ...], interface: str | None) -> None:
    """Check that sessions and records of others are as they were."""

    def others(seen: Seen) -> tuple[list[IscsiSession], set[NodeRecord]]:
        scope = Scope(target, portals, interface)
        kept = [one for one in seen.sessions if not scope.has(one.target, read_portal(one.portal), one.interface)]
        return kept, {one for one in seen.records if not scope.has(one.target, one.portal, one.interface)}

    assert others(before) == others(after)


@settings(max_examples=400, deadline=None)
@given(hosts(), wanteds)
def test_present(before: Seen, wanted: Wanted) -> None:
    plan = plan_present(before, wanted)
    assert PASSWORD not in str(plan.describe())
    assert PASSWORD not in str((plan.before, plan.after, plan.warnings, plan))
    after = carry_out(before, plan.steps, wanted)
    # A session that only waits for its connection is not one of another iface.
    untouched(_calm(before), _calm(after), wanted.target, wanted.portals, wanted.interface)
    again = plan_present(after, wanted)
    assert again.steps == ()
    assert again.before == again.after == plan.after
    assert plan.changed == any(not isinstance(step, AwaitSessions) for step in plan.steps)
    for portal in wanted.portals:
        up = after.session(wanted.target, portal, wanted.interface)
        assert (portal in plan.problems) != (up is not None and up.state == LOGGED_IN)


def _calm(seen: Seen) -> Seen:
    return replace(seen, sessions=tuple(replace(one, state=LOGGED_IN) for one in seen.sessions))


scopes = some.builds(
    Scope,
    some.sampled_from(TARGETS),
    some.lists(some.sampled_from(PORTALS), unique=True).map(tuple),
    some.sampled_from([None, *INTERFACES]),
)


@settings(max_examples=300, deadline=None)
@given(hosts(), scopes)
def test_absent(before: Seen, scope: Scope) -> None:
    plan = plan_absent(before, scope)
    assert plan.changed == bool(plan.steps)
    after = carry_out(before, plan.steps)
    untouched(before, after, scope.target, scope.portals, scope.interface)
    again = plan_absent(after, scope)
    assert again.steps == ()
    assert again.before == plan.after
