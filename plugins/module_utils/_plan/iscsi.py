# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the sessions with an iSCSI target come to be as they are wanted, and how they go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._model import iscsi as model
from ansible_collections.virt.san.plugins.module_utils._model.fabric import IscsiSession
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import (
    AUTOMATIC,
    DEFAULT_INTERFACE,
    Interface,
    NodeRecord,
    Offer,
    Portal,
    Problem,
    Wanted,
    read_portal,
    same_session,
)
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi_steps import (
    AwaitSessions,
    CreateInterface,
    CreateRecord,
    DeleteRecord,
    EditRecord,
    EnableUnit,
    LogIn,
    LogOut,
    SessionStep,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan

LOGGED_IN = "LOGGED_IN"
LISTED = 8
"""How many targets a message names."""


@dataclass(frozen=True)
class BootUnit:
    """What logs in at boot."""

    name: str
    enabled: bool


@dataclass(frozen=True)
class Seen:
    """One look at the host and, where something is missing, at what portals say."""

    sessions: tuple[IscsiSession, ...] = ()
    records: tuple[NodeRecord, ...] = ()
    offers: Mapping[Portal, tuple[Offer, ...]] = field(default_factory=dict)
    """What the portals that were asked have told."""
    problems: Mapping[Portal, Problem] = field(default_factory=dict)
    """Portals that do not answer, or not as they should."""
    boot: BootUnit | None = None

    def session(self, target: str, portal: Portal, interface: str | None) -> IscsiSession | None:
        """Return the session; of several one that is up."""
        found = [one for one in self.sessions if same_session(one, target, portal, interface)]
        return min(found, key=lambda one: one.state != LOGGED_IN, default=None)

    def record(self, target: str, portal: Portal, interface: str) -> NodeRecord | None:
        return next(
            (
                one
                for one in self.records
                if one.target == target and one.portal == portal and one.interface == interface
            ),
            None,
        )


@dataclass(frozen=True)
class SessionPlan(Plan):
    """A plan for the sessions with one target."""

    steps: tuple[SessionStep, ...] = ()
    again: tuple[IscsiSession, ...] = ()
    """Sessions to be ended before the logins: what is behind them is the removal's to plan."""
    problems: Mapping[Portal, Problem] = field(default_factory=dict)
    """Portals that no session can be had with, and why."""


# Ifaces


def interface_for(
    initiator: str, own: str | None, known: Iterable[Interface], sessions: Iterable[IscsiSession]
) -> tuple[str, CreateInterface | None]:
    """Return the iface by which the host has an iSCSI name, and what makes it where there is none.

    `own`: what the host is called by default. `sessions`: those that are there already; their iface comes first, then
    one that is bound to nothing, then one that was made for another pool. Raises RefusedError.
    """
    if initiator == own:
        return DEFAULT_INTERFACE, None
    known, made = tuple(known), model.own_interface(initiator)
    used = {session.interface for session in sessions}
    found = [one for one in known if one.initiator == initiator]
    if found:
        best = min(found, key=lambda one: (one.name not in used, not one.plain, one.name != made, one.name))
        return best.name, None
    taken = next((one.initiator for one in known if one.name == made and one.initiator is not None), None)
    if taken is not None:
        raise RefusedError(
            f"iface {made} of open-iscsi is to have the iSCSI name {initiator}, but somebody has given it {taken}: "
            f"remove it (iscsiadm -m iface -I {made} -o delete), or give it its name back",
            interface=made,
        )
    return made, CreateInterface(made, initiator)


# Present


def unsettled(seen: Seen, wanted: Wanted) -> tuple[Portal, ...]:
    """Return the portals whose network matters: those without a session, and those to be logged in to again."""
    found = []
    for portal in wanted.portals:
        session = seen.session(wanted.target, portal, wanted.interface)
        if session is None or (wanted.relogin and session.state != LOGGED_IN):
            found.append(portal)
    return tuple(found)


def all_portals(wanted: Wanted, offers: Iterable[Offer]) -> tuple[Portal, ...]:
    """Return the wanted portals and the others that the target has by what portals told."""
    told = (offer.portal for offer in offers if offer.target == wanted.target)
    return tuple(dict.fromkeys((*wanted.portals, *told)))


def plan_present(seen: Seen, wanted: Wanted) -> SessionPlan:
    """Return what makes the sessions be there, with their records as wanted.

    Portals with a problem get neither record nor login; the others do.
    """
    problems = {portal: found for portal in wanted.portals if (found := _problem(seen, wanted, portal)) is not None}
    usable = tuple(portal for portal in wanted.portals if portal not in problems)
    again = tuple(_outdated(seen, wanted, usable)) if wanted.relogin else ()
    steps: list[SessionStep] = [step for portal in usable for step in _recording(seen, wanted, portal)]
    steps.extend(_connecting(seen, wanted, usable, again))
    if usable and wanted.startup == AUTOMATIC and seen.boot is not None and not seen.boot.enabled:
        steps.append(EnableUnit(seen.boot.name))
    return SessionPlan(
        tuple(steps),
        before=shown(seen, wanted, wanted.portals),
        after=_then(seen, wanted, usable),
        warnings=tuple(_warnings(seen, wanted, usable)),
        again=again,
        problems=problems,
    )


def _connecting(
    seen: Seen, wanted: Wanted, usable: tuple[Portal, ...], again: tuple[IscsiSession, ...]
) -> Iterable[SessionStep]:
    """Yield the steps that have a session with each portal: all of them at once. `again`: sessions to end first."""
    yield from map(_log_out, again)
    ended = {read_portal(session.portal) for session in again}
    logins = tuple(
        portal for portal in usable if portal in ended or not seen.session(wanted.target, portal, wanted.interface)
    )
    if logins:
        yield LogIn(wanted.target, logins, wanted.interface)
    down = tuple(portal for portal in usable if portal not in logins and not _is_up(seen, wanted, portal))
    if down:
        yield AwaitSessions(wanted.target, down)


def _problem(seen: Seen, wanted: Wanted, portal: Portal) -> Problem | None:
    """Return why there can be no session with a portal. One that is up needs nothing more from there."""
    if _is_up(seen, wanted, portal):
        return None
    if portal in seen.problems:
        return seen.problems[portal]
    offers = seen.offers.get(portal)
    there = seen.session(wanted.target, portal, wanted.interface) is not None
    if there or offers is None or any(offer.target == wanted.target for offer in offers):
        return _in_the_way(seen, wanted, portal)
    return unknown_target(wanted.target, portal, offers, wanted.initiator)


def _in_the_way(seen: Seen, wanted: Wanted, portal: Portal) -> Problem | None:
    """Return the problem of a record that would go without a word where one for another iface is made."""
    if seen.record(wanted.target, portal, wanted.interface) is not None:
        return None
    for one in seen.records:
        if (one.target, one.portal, one.tpgt) == (wanted.target, portal, None):
            return Problem(
                "setup",
                f"{portal} has a record for iface {one.interface} that was made without the portal group, and "
                f"open-iscsi drops that when it makes one for iface {wanted.interface}: remove it, or have it made "
                f"anew by a discovery (iscsiadm -m discovery -t sendtargets -p {portal} -I {one.interface})",
            )
    return None


def unknown_target(target: str, portal: Portal, offers: Iterable[Offer], initiator: str | None = None) -> Problem:
    """Return the problem of a target that a portal does not have."""
    names = list(dict.fromkeys(offer.target for offer in offers))
    told = f"{', '.join(names[:LISTED])}{' and others' if len(names) > LISTED else ''}" if names else "no target at all"
    admitted = f"the initiator name {initiator}" if initiator else "this host's initiator name"
    return Problem(
        "target_unknown",
        f"{portal} has no target {target} for this host, but {told}. Is the name right to the last character, and does "
        f"the array admit {admitted}?",
    )


def _recording(seen: Seen, wanted: Wanted, portal: Portal) -> Iterable[SessionStep]:
    """Return the steps that make a record, and make it say what it should."""
    record = seen.record(wanted.target, portal, wanted.interface)
    if record is None:
        yield CreateRecord(wanted.target, portal, _tpgt(seen, wanted, portal), wanted.interface)
    # Of a record to be made it is not known yet what it says: all that is wanted is told.
    edits = model.edits_of(wanted, record.values) if record else model.wanted_values(wanted, {})
    if edits:
        yield EditRecord(wanted.target, portal, wanted.interface, edits)


def _tpgt(seen: Seen, wanted: Wanted, portal: Portal) -> int | None:
    """Return the portal group, as the portal itself, another one, a session or a record told, of whichever iface."""
    offers = [*seen.offers.get(portal, ()), *(offer for told in seen.offers.values() for offer in told)]
    told: list[int | None] = [offer.tpgt for offer in offers if (offer.target, offer.portal) == (wanted.target, portal)]
    told += [one.tpgt for one in seen.sessions if same_session(one, wanted.target, portal, None)]
    told += [one.tpgt for one in seen.records if (one.target, one.portal) == (wanted.target, portal)]
    return next((tpgt for tpgt in told if tpgt is not None), None)


def _is_up(seen: Seen, wanted: Wanted, portal: Portal) -> bool:
    session = seen.session(wanted.target, portal, wanted.interface)
    return session is not None and session.state == LOGGED_IN


def _outdated(seen: Seen, wanted: Wanted, usable: Iterable[Portal]) -> Iterable[IscsiSession]:
    """Yield the sessions that a login would mend: their record changes, or they have lost their connection."""
    for portal in usable:
        session = seen.session(wanted.target, portal, wanted.interface)
        record = seen.record(wanted.target, portal, wanted.interface)
        changes = record is not None and model.waits_for_login(model.edits_of(wanted, record.values))
        if session is not None and (changes or session.state != LOGGED_IN):
            yield session


def _log_out(session: IscsiSession) -> LogOut:
    return LogOut(session.number, f"host{session.host}", session.target, session.portal or "no portal")


def _warnings(seen: Seen, wanted: Wanted, usable: Iterable[Portal]) -> Iterable[str]:
    if wanted.relogin:
        return
    for portal in usable:
        session, record = (find(wanted.target, portal, wanted.interface) for find in (seen.session, seen.record))
        if session is None or not isinstance(record, NodeRecord):
            continue
        if model.waits_for_login(model.edits_of(wanted, record.values)):
            yield (
                f"the session with {portal} is up and goes on with what it was logged in with; what has changed in its "
                "record counts from the next login on (relogin: true does that, if nothing uses its LUNs)"
            )


# State as a person compares it


def label(target: str, portal: Portal, interface: str) -> str:
    """Return the name of a session in the diff."""
    return f"{target} at {portal}" + ("" if interface == DEFAULT_INTERFACE else f" by {interface}")


def shown(seen: Seen, wanted: Wanted, portals: Iterable[Portal]) -> dict[str, Any]:
    """Return the sessions and their records."""
    told: dict[str, Any] = {}
    for portal in portals:
        record = seen.record(wanted.target, portal, wanted.interface)
        told[label(wanted.target, portal, wanted.interface)] = {
            "session": _shown_session(seen.session(wanted.target, portal, wanted.interface), wanted),
            "record": model.shown_record(wanted, record.values) if record else None,
        }
    return {"sessions": told, **_shown_boot(seen, wanted)}


def _shown_session(session: IscsiSession | None, wanted: Wanted) -> bool | str:
    """Tell whether there is a session. Whether one has its connection counts only where it is we who mend that."""
    if session is not None and wanted.relogin and session.state != LOGGED_IN:
        return "connection lost"
    return session is not None


def _then(seen: Seen, wanted: Wanted, usable: Iterable[Portal]) -> dict[str, Any]:
    told = shown(seen, wanted, wanted.portals)
    for portal in usable:
        record = seen.record(wanted.target, portal, wanted.interface)
        now = dict(record.values) if record else {}
        now.update({key: value or "" for key, value in model.wanted_values(wanted, now).items()})
        values = {key: value for key, value in now.items() if value}
        told["sessions"][label(wanted.target, portal, wanted.interface)] = {
            "session": True,
            "record": model.shown_record(wanted, values),
        }
    if "at_boot" in told and usable:
        told["at_boot"] = dict.fromkeys(told["at_boot"], True)
    return told


def _shown_boot(seen: Seen, wanted: Wanted) -> dict[str, Any]:
    if wanted.startup != AUTOMATIC or seen.boot is None:
        return {}
    return {"at_boot": {seen.boot.name: seen.boot.enabled}}


# Absent


@dataclass(frozen=True)
class Scope:
    """Which sessions and records of a target are to go."""

    target: str
    portals: tuple[Portal, ...] = ()
    """Empty: all."""
    interface: str | None = None
    """None: all."""

    def has(self, target: str, portal: Portal | None, interface: str | None) -> bool:
        return (
            target == self.target
            and (not self.portals or portal in self.portals)
            and self.interface in (None, interface or DEFAULT_INTERFACE)
        )


def leaving(seen: Seen, scope: Scope) -> tuple[IscsiSession, ...]:
    """Return the sessions that go."""
    return tuple(one for one in seen.sessions if scope.has(one.target, read_portal(one.portal), one.interface))


def plan_absent(seen: Seen, scope: Scope) -> SessionPlan:
    """Return what ends the sessions and removes the records. What is behind them is the removal's to plan."""
    sessions = leaving(seen, scope)
    records = tuple(one for one in seen.records if scope.has(one.target, one.portal, one.interface))
    told: dict[str, Any] = {}
    for session in sessions:
        where = session.portal or session.name
        told.setdefault(f"{session.target} at {where}", {"session": True, "record": False})
    for record in records:
        told.setdefault(f"{record.target} at {record.portal}", {"session": False})["record"] = True
    ends = tuple(_log_out(session) for session in sessions)
    gone = dict.fromkeys(DeleteRecord(one.target, one.portal, one.interface) for one in records)
    return SessionPlan((*ends, *gone), {"sessions": told}, {"sessions": {}})
