# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have sessions with an iSCSI target, or ask portals what they have.

What goes away with a session, at `relogin`, leaves by the removal first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply import iscsi_look, removal
from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report, carry_out
from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_look import Asked, Discovery
from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_steps import perform
from ansible_collections.virt.san.plugins.module_utils._errors import (
    ApplyError,
    NotFoundError,
    SanError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Portal, Problem, Wanted
from ansible_collections.virt.san.plugins.module_utils._plan import iscsi as plan
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi import LOGGED_IN, Scope, Seen, SessionPlan
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi_steps import SESSION_STEPS, LogOut
from ansible_collections.virt.san.plugins.module_utils._plan.removal import RemovalPlan
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step

NO_REMOVAL = RemovalPlan(before={"luns": {}}, after={"luns": {}})


@dataclass(frozen=True)
class Order:
    """How to go about it."""

    discovery: Discovery = field(default_factory=Discovery)
    timeout: float = 60.0
    force: bool = False
    check_mode: bool = False


# Present


def ensure_present(host: Host, wanted: Wanted, order: Order) -> Report:
    """Have a session with every portal wanted, each with its record as wanted.

    What can be had is had, also where the rest fails. Raises NotFoundError where no portal has the target,
    UnavailableError that names the portals without a session and why, InUseError (relogin), ApplyError.
    """
    root = iscsi_look.open_database(host, wanted.interface)
    first = iscsi_look.look(host, root, wanted.target)
    seen, wanted, asked = iscsi_look.ask(host, root, first, wanted, order.discovery, order.check_mode)
    planned = plan.plan_present(seen, wanted)
    cleared = _clear(host, planned, order)
    steps = _joined(planned, cleared)
    problems = dict(planned.problems)
    last, after = seen, planned.after
    if not order.check_mode and steps:
        _carry_out(host, root, steps, wanted, problems, order)
        # The first record of a host tells where its database is.
        last = iscsi_look.look(host, iscsi_look.database(host), wanted.target)
        left = plan.plan_present(replace(last, offers=seen.offers, problems=problems), replace(wanted, relogin=False))
        _require_done(steps, left)
        after = left.before
    warnings = (*planned.warnings, *cleared.warnings, *_not_asked(asked), *_not_told(asked, planned))
    before = {**planned.before, "luns": cleared.before["luns"]}
    after = {**after, "luns": cleared.after["luns"]}
    facts = {
        **_facts(last, wanted, problems),
        **removal.removed(cleared),
        "targets": asked.to_dict(),
        "steps": [step.describe() for step in steps],
    }
    up = len(wanted.portals) - len(problems) if order.check_mode else _count_up(last, wanted)
    report = Report(before != after, facts, before, after, warnings)
    return _judged(report, wanted, problems, up)


def _clear(host: Host, planned: SessionPlan, order: Order) -> RemovalPlan:
    """Plan how what is behind the sessions that are to be logged in again leaves."""
    if not planned.again:
        return NO_REMOVAL
    hosts = {f"host{session.host}" for session in planned.again}
    return removal.plan_behind(host, hosts, order.check_mode, order.force, keep_record=True)


def _joined(planned: SessionPlan, cleared: RemovalPlan) -> tuple[Step, ...]:
    """Put the removal before the first logout."""
    steps: tuple[Step, ...] = planned.steps
    first = next((place for place, step in enumerate(steps) if isinstance(step, LogOut)), len(steps))
    return (*steps[:first], *cleared.steps, *steps[first:])


def _carry_out(
    host: Host, root: str, steps: tuple[Step, ...], wanted: Wanted | None, problems: dict[Portal, Problem], order: Order
) -> None:
    def do(step: Step) -> None:
        if isinstance(step, SESSION_STEPS):
            problems.update(perform(host, root, step, wanted, order.timeout))
        else:
            removal.perform(host, step, order.timeout)

    carry_out(steps, do)


def _require_done(steps: tuple[Step, ...], left: SessionPlan) -> None:
    if left.steps:
        raise ApplyError(
            f"carried out, but not as planned; still to do: {'; '.join(left.describe())}. Something else changes "
            "sessions or records on this host at the same time",
            completed=[step.describe() for step in steps],
            left=left.describe(),
        )


def _not_asked(asked: Asked) -> Iterable[str]:
    for portal in asked.not_asked:
        yield (
            f"{portal} was not asked for its targets: that takes the password for discovery to be written for a "
            "moment, and check mode writes nothing"
        )


def _not_told(asked: Asked, planned: SessionPlan) -> Iterable[str]:
    """Yield what went wrong at portals that have a session all the same: what other portals there are is not known."""
    return (problem.text for portal, problem in asked.problems.items() if portal not in planned.problems)


def _count_up(seen: Seen, wanted: Wanted) -> int:
    sessions = [seen.session(wanted.target, portal, wanted.interface) for portal in wanted.portals]
    return sum(session is not None and session.state == LOGGED_IN for session in sessions)


def _judged(report: Report, wanted: Wanted, problems: Mapping[Portal, Problem], up: int) -> Report:
    """Return the report, with a warning for each portal that can be done without. Raises where too few are up."""
    least = len(wanted.portals) if wanted.least is None else wanted.least
    told = [f"{portal}: {problem.text}" for portal, problem in problems.items()]
    if up >= least:
        return replace(report, warnings=(*report.warnings, *told))
    missing = "; ".join(told) or "what is there has lost its connection"
    kind: type[SanError] = UnavailableError
    if not up and problems and all(problem.reason == "target_unknown" for problem in problems.values()):
        kind = NotFoundError
    raise kind(
        f"{up} of {len(wanted.portals)} sessions with {wanted.target} {'is' if up == 1 else 'are'} up"
        f"{'' if least == len(wanted.portals) else f', {least} are asked for'}. {missing}",
        **{**report.facts, "changed": report.changed, "warnings": list(report.warnings)},
    )


def _facts(seen: Seen, wanted: Wanted, problems: Mapping[Portal, Problem]) -> dict[str, Any]:
    """Return what is told of the portals and sessions. A problem that goes with a portal stands beside it."""
    told = []
    for portal in wanted.portals:
        session = seen.session(wanted.target, portal, wanted.interface)
        problem = problems.get(portal)
        told.append(
            {
                "portal": str(portal),
                "session": session.to_dict() if session else None,
                "reason": problem.reason if problem else None,
                "problem": problem.text if problem else None,
            }
        )
    return {"target": wanted.target, "portals": told}


# Absent


def ensure_absent(host: Host, scope: Scope, order: Order) -> Report:
    """End sessions, after all that is behind them has left, and have open-iscsi forget their records.

    Raises InUseError, naming all holders of what would lose its last path, before anything is written.
    """
    if not iscsi_look.has_anything(host):
        return Report(False, {**_NOTHING, "target": scope.target})
    root = iscsi_look.database(host)
    seen = iscsi_look.look(host, root, scope.target)
    planned = plan.plan_absent(seen, scope)
    hosts = {f"host{session.host}" for session in plan.leaving(seen, scope)}
    cleared = removal.plan_behind(host, hosts, order.check_mode, order.force)
    steps: tuple[Step, ...] = (*cleared.steps, *planned.steps)
    if not order.check_mode and steps:
        _carry_out(host, root, steps, None, {}, order)
        _require_done(steps, plan.plan_absent(iscsi_look.look(host, root, scope.target), scope))
    before = {**planned.before, "luns": cleared.before["luns"]}
    after = {**planned.after, "luns": cleared.after["luns"]}
    sessions = [session.to_dict() for session in plan.leaving(seen, scope)]
    facts = {
        "target": scope.target,
        "portals": [{"portal": one["portal"], "session": one, "reason": None, "problem": None} for one in sessions],
        **removal.removed(cleared),
        "targets": [],
        "steps": [step.describe() for step in steps],
    }
    return Report(before != after, facts, before, after, cleared.warnings)


_NOTHING: Mapping[str, Any] = {
    "portals": [],
    **removal.removed(NO_REMOVAL),
    "targets": [],
    "steps": [],
}


# Only asking


def ensure_discovered(
    host: Host, portals: tuple[Portal, ...], target: str | None, interface: str, least: int | None, order: Order
) -> Report:
    """Ask portals for their targets; nothing is recorded and nobody logs in.

    Raises UnavailableError where fewer than `least` (None: all) of the portals answer, NotFoundError where the
    target is asked for and none of them has it.
    """
    root = iscsi_look.open_database(host, interface)
    problems = iscsi_look.knock_all(host, root, portals, interface, order.timeout)
    reached = [portal for portal in portals if portal not in problems]
    asked = iscsi_look.discover_all(host, root, reached, interface, order.discovery, order.check_mode)
    problems.update(asked.problems)
    targets = [one for one in asked.to_dict() if target in (None, one["target"])]
    told = [
        {
            "portal": str(portal),
            "session": None,
            "reason": problems[portal].reason if portal in problems else None,
            "problem": problems[portal].text if portal in problems else None,
        }
        for portal in portals
    ]
    facts = {**_NOTHING, "target": target, "portals": told, "targets": targets}
    missing = [f"{portal}: {problem.text}" for portal, problem in problems.items()]
    if len(portals) - len(problems) < (len(portals) if least is None else least):
        raise UnavailableError("; ".join(missing), **facts)
    if target is not None and not targets and not asked.not_asked:
        texts = [plan.unknown_target(target, portal, offers).text for portal, offers in asked.offers.items()]
        raise NotFoundError("; ".join((*texts, *missing)), **facts)
    return Report(False, facts, {}, {}, (*missing, *_not_asked(asked)))
