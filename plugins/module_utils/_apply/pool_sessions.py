# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The iSCSI sessions of a pool: how they come to be, and how those go again that are the pool's own.

A record or session that was there before is used and left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._apply import iscsi_look, iscsi_steps, removal
from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_look import Discovery
from ansible_collections.virt.san.plugins.module_utils._errors import NotFoundError, SanError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import iscsi, iscsiadm
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
    CreateRecord,
    DeleteRecord,
    EditRecord,
    LogIn,
    LogOut,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import Way
from ansible_collections.virt.san.plugins.module_utils._pools.iscsi import portals, target_name
from ansible_collections.virt.san.plugins.module_utils._pools.steps import RECORD, LogInTo, NoteMade

SESSION = "session"
"""How the note of one begins; the target and the portal follow, as with a record."""

ASK_DEADLINE = 20.0
"""Seconds for a portal to tell which targets it has."""


class _Note(NamedTuple):
    kind: str
    target: str
    portal: Portal

    def __str__(self) -> str:
        return f"{self.kind} {self.target} {self.portal}"


def _notes(made: Iterable[str]) -> Iterator[_Note]:
    for one in made:
        words = one.split(" ")
        portal = read_portal(words[-1])
        if len(words) == 3 and words[0] in (SESSION, RECORD) and portal is not None:
            yield _Note(words[0], words[1], portal)


# Coming


def coming(host: Host, pool: PoolDefinition, made: tuple[str, ...], secret: Chap | None, check_mode: bool) -> Way:
    """Return how sessions with the portals of a pool come to be. Portals without one are asked, over the network."""
    wanted = model.Wanted(target_name(pool), portals(pool), startup=MANUAL, chap=_fitting(pool, secret))
    try:
        root = iscsi_look.open_database(host, DEFAULT_INTERFACE)
        first = iscsi_look.look(host, root, wanted.target)
        seen, wanted, _asked = iscsi_look.ask(host, root, first, wanted, Discovery(deadline=ASK_DEADLINE), check_mode)
    except SanError as error:
        return Way(refusal=error)
    # A portal that asks for a password at discovery may let in whoever has that for the target.
    seen = replace(seen, problems={at: one for at, one in seen.problems.items() if one.reason != "authentication"})
    planned = plan.plan_present(seen, wanted)
    known = {str(one) for one in _notes(made)}
    steps = tuple(_own_steps(planned.steps, seen, wanted, known))
    logins = tuple(portal for step in steps if isinstance(step, LogIn) for portal in step.portals)
    refusal = _no_session(seen, wanted, logins, planned.problems) or _no_password(pool, seen, wanted, logins)
    if refusal is not None:
        return Way(refusal=refusal)
    told = tuple(f"{portal}: {problem.text}" for portal, problem in planned.problems.items())
    return Way(_noted(pool, steps, seen, wanted, made), warnings=told)


def _fitting(pool: PoolDefinition, secret: Chap | None) -> Chap | None:
    """Return the password, if it is that of the user whom the pool logs in as."""
    auth = pool.source.auth
    return secret if auth is not None and secret is not None and secret.username == auth.username else None


def _own_steps(steps: Iterable[Step], seen: Seen, wanted: model.Wanted, known: set[str]) -> Iterator[Step]:
    """Yield what is to be done, without what changes the records of others or waits for lost connections."""
    for step in steps:
        if isinstance(step, EditRecord):
            there = seen.record(wanted.target, step.portal, DEFAULT_INTERFACE)
            if there is not None and str(_Note(RECORD, wanted.target, step.portal)) not in known:
                if seen.session(wanted.target, step.portal, DEFAULT_INTERFACE) is not None:
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
    if logins or any(seen.session(wanted.target, portal, DEFAULT_INTERFACE) for portal in wanted.portals):
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
    records = (seen.record(wanted.target, portal, DEFAULT_INTERFACE) for portal in logins)
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
    new: list[str] = []
    for step in steps:
        if isinstance(step, CreateRecord):
            new.append(str(_Note(RECORD, wanted.target, step.portal)))
        elif isinstance(step, LogIn):
            new.extend(str(_Note(SESSION, wanted.target, portal)) for portal in step.portals)
    then = tuple(dict.fromkeys((*made, *new)))
    others = any(seen.session(wanted.target, portal, DEFAULT_INTERFACE) for portal in wanted.portals)
    own = tuple(note.portal for note in _notes(then) if note.kind == RECORD and note.target == wanted.target)
    login = (
        LogInTo(pool.name, wanted.target, step.portals, own, others, made) if isinstance(step, LogIn) else step
        for step in steps
    )
    return (*((NoteMade(pool.name, then),) if then != made else ()), *login)


# Leaving


def leaving(host: Host, made: Iterable[str], check_mode: bool, force: bool, keep_record: bool) -> Way:
    """Return how the sessions and records go that a pool has made, after what is only behind the sessions.

    Those that log in at boot by now are somebody else's. Outside check mode disks are asked who they are.
    """
    notes = set(_notes(made))
    if not notes or not iscsi_look.has_anything(host):
        return Way()
    root = iscsi_look.database(host)
    ends: list[Step] = []
    warnings: list[str] = []
    for target in sorted({note.target for note in notes}):
        seen = iscsi_look.look(host, root, target)
        theirs = {one.portal for one in seen.records if one.values.get(STARTUP, MANUAL) != MANUAL}
        warnings += [
            f"the session of {note.target} with {note.portal} stays: it logs in at boot (virt.san.iscsi_session)"
            for note in sorted(notes)
            if note.kind == SESSION and note.target == target and note.portal in theirs
        ]
        mine = {note for note in notes if note.portal not in theirs}
        scope = Scope(target, tuple({note.portal for note in mine if note.target == target}), DEFAULT_INTERFACE)
        ends += [step for step in plan.plan_absent(seen, scope).steps if scope.portals and _is_noted(step, mine)]
    hosts = {step.host for step in ends if isinstance(step, LogOut)}
    try:
        cleared = removal.plan_behind(host, hosts, check_mode, force, keep_record)
    except SanError as error:
        return Way(refusal=error)
    ends.sort(key=lambda step: isinstance(step, DeleteRecord))
    return Way((*cleared.steps, *ends), warnings=(*cleared.warnings, *warnings))


def _is_noted(step: Step, notes: set[_Note]) -> bool:
    if isinstance(step, LogOut):
        portal = read_portal(step.portal)
        return portal is not None and _Note(SESSION, step.target, portal) in notes
    return isinstance(step, DeleteRecord) and _Note(RECORD, step.target, step.portal) in notes


# Carrying out


def perform(host: Host, step: Step, timeout: float) -> bool:
    """Carry out a step about sessions; tell whether it is one. Raises SanError, OSError."""
    if isinstance(step, LogInTo):
        _log_in(host, step, timeout)
    elif isinstance(step, SESSION_STEPS):
        iscsi_steps.perform(host, iscsi_look.database(host), step, None, timeout)
    else:
        return False
    return True


def _log_in(host: Host, step: LogInTo, timeout: float) -> None:
    """Log in to all portals at once. One that works is enough; the others are missing afterwards, which is told.

    Raises UnavailableError where none does. `undone` in its details says that nothing is left.
    """
    login = LogIn(step.target, step.portals, DEFAULT_INTERFACE)
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
            iscsiadm.delete_record(host, step.target, portal, DEFAULT_INTERFACE)
        except SanError as left:  # noqa: PERF203 - each record by itself
            error.message = f"{error.message}. The record of {portal} could not be removed: {left.message}"
            return
    error.details["undone"] = True


def _hosts(host: Host, step: LogInTo) -> list[str]:
    """Return the SCSI hosts of the new sessions."""
    return [
        f"host{one.host}"
        for one in iscsi.read_sessions(host)
        if any(same_session(one, step.target, portal, DEFAULT_INTERFACE) for portal in step.portals)
    ]
