# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The iSCSI sessions of a pool: how they come to be, and how those go again that are the pool's own.

A record or session that was there before is used and left as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._apply import iscsi_look, iscsi_steps, removal
from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_look import Discovery
from ansible_collections.virt.san.plugins.module_utils._errors import (
    InUseError,
    NotFoundError,
    SanError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._host import iscsi, iscsi_records, iscsiadm
from ansible_collections.virt.san.plugins.module_utils._host.arrival import await_disks
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model import iscsi as model
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import (
    CONN_STARTUP,
    DEFAULT_INTERFACE,
    MANUAL,
    PASSWORD,
    STARTUP,
    Chap,
    Portal,
    Problem,
    read_portal,
    same_session,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._plan import iscsi as plan
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi import Scope, Seen
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi_steps import (
    SESSION_STEPS,
    CreateInterface,
    CreateRecord,
    DeleteInterface,
    DeleteRecord,
    EditRecord,
    LogIn,
    LogOut,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import Way
from ansible_collections.virt.san.plugins.module_utils._pools.iscsi import initiator_name, portals, target_name
from ansible_collections.virt.san.plugins.module_utils._pools.steps import INTERFACE, RECORD, LogInTo, NoteMade

SESSION = "session"
"""How the note of one begins; the target, the portal and the iface follow, as with a record."""

ASK_DEADLINE = 20.0
"""Seconds for a portal to tell which targets it has."""


class _Note(NamedTuple):
    kind: str
    target: str
    portal: Portal
    interface: str = DEFAULT_INTERFACE

    def __str__(self) -> str:
        """Return the note as it is kept: the default iface is left out."""
        by = "" if self.interface == DEFAULT_INTERFACE else f" {self.interface}"
        return f"{self.kind} {self.target} {self.portal}{by}"


def _notes(made: Iterable[str]) -> Iterator[_Note]:
    for one in made:
        kind, *words = one.split(" ")
        if kind in (SESSION, RECORD) and len(words) in (2, 3):
            portal = read_portal(words[1])
            if portal is not None:
                yield _Note(kind, words[0], portal, *words[2:])


def _interfaces(made: Iterable[str]) -> list[str]:
    """Return the ifaces that were made for a pool, or for another one as well."""
    return sorted({one[len(INTERFACE) + 1 :] for one in made if one.startswith(f"{INTERFACE} ")})


# Coming


def coming(host: Host, pool: PoolDefinition, made: tuple[str, ...], secret: Chap | None, check_mode: bool) -> Way:
    """Return how sessions with the portals of a pool come to be. Portals without one are asked, over the network."""
    wanted = model.Wanted(target_name(pool), portals(pool), startup=MANUAL, chap=_fitting(pool, secret))
    try:
        root = iscsi_look.open_database(host, DEFAULT_INTERFACE)
        first = iscsi_look.look(host, root, wanted.target)
        wanted, new = _by_initiator(host, root, pool, first, wanted)
        # An iface that is yet to be made cannot ask, and by another one the array may tell something else.
        how = Discovery(asking=new is None, deadline=ASK_DEADLINE)
        seen, wanted, _asked = iscsi_look.ask(host, root, first, wanted, how, check_mode)
    except SanError as error:
        return Way(refusal=error)
    # A portal that asks for a password at discovery may let in whoever has that for the target.
    seen = replace(seen, problems={at: one for at, one in seen.problems.items() if one.reason != "authentication"})
    planned = plan.plan_present(seen, wanted)
    known = {str(one) for one in _notes(made)}
    own = _own_steps(planned.steps, seen, wanted, known)
    steps: tuple[Step, ...] = (*((new,) if new is not None else ()), *own)
    logins = tuple(portal for step in steps if isinstance(step, LogIn) for portal in step.portals)
    refusal = _no_session(seen, wanted, logins, planned.problems) or _no_password(pool, seen, wanted, logins)
    if refusal is not None:
        return Way(refusal=refusal)
    told = tuple(f"{portal}: {problem.text}" for portal, problem in planned.problems.items())
    return Way(_noted(pool, steps, seen, wanted, made), warnings=told)


def _by_initiator(
    host: Host, root: str, pool: PoolDefinition, seen: Seen, wanted: model.Wanted
) -> tuple[model.Wanted, CreateInterface | None]:
    """Return what is wanted by the iface that has the pool's initiator name, and what makes that iface."""
    initiator = initiator_name(pool)
    if initiator is None:
        return wanted, None
    own, known = iscsi.read_initiator(host), iscsi_records.read_interfaces(host, root)
    there = [one for one in seen.sessions if (one.target, (one.initiator or "").lower()) == (wanted.target, initiator)]
    interface, new = plan.interface_for(initiator, own, known, there)
    said = None if interface == DEFAULT_INTERFACE else initiator
    return replace(wanted, interface=interface, initiator=said), new


def _fitting(pool: PoolDefinition, secret: Chap | None) -> Chap | None:
    """Return the password, if it is that of the user whom the pool logs in as."""
    auth = pool.source.auth
    return secret if auth is not None and secret is not None and secret.username == auth.username else None


def _own_steps(steps: Iterable[Step], seen: Seen, wanted: model.Wanted, known: set[str]) -> Iterator[Step]:
    """Yield what is to be done, without what changes the records of others or waits for lost connections."""
    for step in steps:
        if isinstance(step, EditRecord):
            there = seen.record(wanted.target, step.portal, step.interface)
            if there is not None and str(_Note(RECORD, wanted.target, step.portal, step.interface)) not in known:
                if seen.session(wanted.target, step.portal, step.interface) is not None:
                    continue
                step = replace(step, edits=_without_startup(step.edits))
            if step.edits:
                yield step
        elif isinstance(step, (CreateRecord, LogIn)):
            yield step


def _without_startup(edits: Mapping[str, str | None]) -> dict[str, str | None]:
    return {key: value for key, value in edits.items() if key not in (STARTUP, CONN_STARTUP)}


def _no_session(
    seen: Seen, wanted: model.Wanted, logins: tuple[Portal, ...], problems: Mapping[Portal, Problem]
) -> SanError | None:
    """Return the error where neither there is a session nor one can be had."""
    if logins or any(seen.session(wanted.target, portal, wanted.interface) for portal in wanted.portals):
        return None
    told = "; ".join(f"{portal}: {problem.text}" for portal, problem in problems.items())
    reasons = {problem.reason for problem in problems.values()}
    kind = NotFoundError if reasons == {"target_unknown"} else UnavailableError
    return kind(f"no session with {wanted.target} can be had. {told}", target=wanted.target, reasons=sorted(reasons))


def _no_password(pool: PoolDefinition, seen: Seen, wanted: model.Wanted, logins: tuple[Portal, ...]) -> SanError | None:
    """Return the error where a login needs a password that nobody has given."""
    auth = pool.source.auth
    if auth is None or wanted.chap is not None:
        return None
    records = (seen.record(wanted.target, portal, wanted.interface) for portal in logins)
    if all(record is not None and PASSWORD in record.values for record in records):
        return None
    return UnavailableError(
        f"pool {pool.name} logs in to {wanted.target} as {auth.username}, and no password of that user is kept: "
        "describe the pool with source.chap",
        target=wanted.target,
    )


def _noted(
    pool: PoolDefinition, steps: tuple[Step, ...], seen: Seen, wanted: model.Wanted, made: tuple[str, ...]
) -> tuple[Step, ...]:
    """Return the steps after a note of what they make."""
    target, interface = wanted.target, wanted.interface
    # Its name says that it is of pools: it goes with the last one that uses it, whichever has made it.
    ours = wanted.initiator is not None and interface == model.own_interface(wanted.initiator)
    new = [f"{INTERFACE} {interface}"] if steps and ours else []
    for step in steps:
        if isinstance(step, CreateRecord):
            new.append(str(_Note(RECORD, target, step.portal, interface)))
        elif isinstance(step, LogIn):
            new.extend(str(_Note(SESSION, target, portal, interface)) for portal in step.portals)
    then = tuple(dict.fromkeys((*made, *new)))
    others = any(seen.session(target, portal, interface) for portal in wanted.portals)
    own = tuple(
        one.portal for one in _notes(then) if (one.kind, one.target, one.interface) == (RECORD, target, interface)
    )
    own_interface = interface in _interfaces(then)
    login = (
        LogInTo(pool.name, target, step.portals, own, others, made, interface, own_interface)
        if isinstance(step, LogIn)
        else step
        for step in steps
    )
    return (*((NoteMade(pool.name, then),) if then != made else ()), *login)


# Leaving


def leaving(host: Host, made: Iterable[str], check_mode: bool, force: bool, keep_record: bool) -> Way:
    """Return how the sessions, records and ifaces go that a pool has made, after what is only behind the sessions.

    Those that log in at boot by now are somebody else's. Outside check mode disks are asked who they are.
    """
    notes, interfaces = set(_notes(made)), _interfaces(made)
    if not notes and not interfaces:
        return Way()
    root = iscsi_look.database(host)
    interfaces = [name for name in interfaces if iscsi_records.has_interface(host, root, name)]
    if not interfaces and not iscsi_look.has_anything(host):
        return Way()
    seen = iscsi_look.look(host, root)
    at_boot = (one for one in seen.records if one.values.get(STARTUP, MANUAL) != MANUAL)
    theirs = {(one.target, one.portal, one.interface) for one in at_boot}
    warnings = (
        f"the session of {note.target} with {note.portal} stays: it logs in at boot (virt.san.iscsi_session)"
        for note in sorted(notes)
        if note.kind == SESSION and note[1:] in theirs
    )
    ends = list(_ends(seen, {note for note in notes if note[1:] not in theirs}))
    ends.sort(key=lambda step: isinstance(step, DeleteRecord))
    hosts = {step.host for step in ends if isinstance(step, LogOut)}
    try:
        cleared = removal.plan_behind(host, hosts, check_mode, force, keep_record)
    except SanError as error:
        return Way(refusal=error)
    unused = _unused(interfaces, seen, ends)
    return Way((*cleared.steps, *ends, *unused), warnings=(*cleared.warnings, *warnings))


def _ends(seen: Seen, mine: set[_Note]) -> Iterator[Step]:
    """Yield what ends sessions and removes records that are noted."""
    for target, interface in sorted({(note.target, note.interface) for note in mine}):
        noted = {note for note in mine if (note.target, note.interface) == (target, interface)}
        scope = Scope(target, tuple({note.portal for note in noted}), interface)
        yield from (step for step in plan.plan_absent(seen, scope).steps if _note_of(step, interface) in noted)


def _note_of(step: Step, interface: str) -> _Note | None:
    if isinstance(step, DeleteRecord):
        return _Note(RECORD, step.target, step.portal, interface)
    if isinstance(step, LogOut):
        portal = read_portal(step.portal)
        return None if portal is None else _Note(SESSION, step.target, portal, interface)
    return None


def _unused(interfaces: Iterable[str], seen: Seen, ends: Collection[Step]) -> Iterator[Step]:
    """Yield what removes the ifaces that neither a record nor a session is left of, whoever has made these."""
    gone = {(step.target, step.portal, step.interface) for step in ends if isinstance(step, DeleteRecord)}
    ended = {step.session for step in ends if isinstance(step, LogOut)}
    left = {one.interface for one in seen.records if (one.target, one.portal, one.interface) not in gone}
    left |= {one.interface or DEFAULT_INTERFACE for one in seen.sessions if one.number not in ended}
    yield from (DeleteInterface(name) for name in interfaces if name not in left)


# Carrying out


def perform(host: Host, step: Step, timeout: float) -> bool:
    """Carry out a step about sessions; tell whether it is one. Raises SanError, OSError."""
    if isinstance(step, LogInTo):
        _log_in(host, step, timeout)
    elif isinstance(step, CreateRecord):
        iscsi_steps.perform(host, iscsi_look.database(host), _with_group(host, step), None, timeout)
    elif isinstance(step, SESSION_STEPS):
        iscsi_steps.perform(host, iscsi_look.database(host), step, None, timeout)
    else:
        return False
    return True


def _with_group(host: Host, step: CreateRecord) -> CreateRecord:
    """Return a record with its portal group, asked for by an iface that was not there when the plan was made.

    Without it open-iscsi has one record for all ifaces. Why a portal does not tell, the login will say.
    """
    if step.tpgt is not None or step.interface == DEFAULT_INTERFACE:
        return step
    told = iscsiadm.discover(host, step.portal, step.interface, ASK_DEADLINE)
    groups = () if isinstance(told, Problem) else told
    group = next((one.tpgt for one in groups if (one.target, one.portal) == (step.target, step.portal)), None)
    return replace(step, tpgt=group)


def _log_in(host: Host, step: LogInTo, timeout: float) -> None:
    """Log in to all portals at once. One that works is enough; the others are missing afterwards, which is told.

    Raises UnavailableError where none does. `undone` in its details says that nothing is left.
    """
    login = LogIn(step.target, step.portals, step.interface)
    problems = iscsi_steps.perform(host, iscsi_look.database(host), login, None, timeout)
    if len(problems) == len(step.portals) and not step.others:
        told = "; ".join(f"{portal}: {problem.text}" for portal, problem in problems.items())
        reasons = sorted({problem.reason for problem in problems.values()})
        error = UnavailableError(f"no session with {step.target}. {told}", target=step.target, reasons=reasons)
        if "timeout" not in reasons:  # then iscsid may get there yet, by the record
            _undo(host, step, error)
        raise error
    await_disks(host, lambda: _hosts(host, step))


def _undo(host: Host, step: LogInTo, error: SanError) -> None:
    for portal in step.own_records:
        try:
            iscsiadm.delete_record(host, step.target, portal, step.interface)
        except SanError as left:  # noqa: PERF203 - each record by itself
            error.message = f"{error.message}. The record of {portal} could not be removed: {left.message}"
            return
    if step.own_interface:
        try:
            iscsi_steps.delete_interface(host, iscsi_look.database(host), step.interface)
        except InUseError:
            pass  # another pool has records for it
        except SanError as left:
            error.message = f"{error.message}. The iface {step.interface} could not be removed: {left.message}"
            return
    error.details["undone"] = True


def _hosts(host: Host, step: LogInTo) -> list[str]:
    """Return the SCSI hosts of the new sessions."""
    return [
        f"host{one.host}"
        for one in iscsi.read_sessions(host)
        if any(same_session(one, step.target, portal, step.interface) for portal in step.portals)
    ]
