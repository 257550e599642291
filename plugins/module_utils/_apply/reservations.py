# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reservations of one LUN: asked for, and changed by orders, through those paths of this host that work.

What the orders come to when other hosts give some as well is not known here: that is `exclusion`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, SanError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import children
from ansible_collections.virt.san.plugins.module_utils._host.children import Write, Written
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.reservations import (
    Order,
    describe_reply,
    parse_reply,
    parse_reservations,
    questions,
)
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path, San
from ansible_collections.virt.san.plugins.module_utils._model.reservation import Reservations, host_key
from ansible_collections.virt.san.plugins.module_utils._plan.guard import label, paths_of

MACHINE_ID = "/etc/machine-id"
COMMAND_DEADLINE = 30.0
"""Seconds for the commands to one path."""


@dataclass(frozen=True)
class Lun:
    """A LUN with this host's ways to it."""

    unit: LogicalUnit
    paths: tuple[Path, ...]
    """Those that work."""
    initiators: frozenset[str]
    """All that this host logs in with."""

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(f"/dev/{path.device}" for path in self.paths)


def own_key(host: Host) -> int:
    """Return what this host registers with. Raises UnavailableError where it has no identity."""
    try:
        return host_key(host.read(MACHINE_ID) or "")
    except ValueError as wrong:
        raise UnavailableError(
            f"{MACHINE_ID}: {wrong}. By it this host's reservations of LUNs are known; make one "
            "(systemd-machine-id-setup)",
            path=MACHINE_ID,
        ) from wrong


def reach(host: Host, san: San, unit: LogicalUnit) -> Lun:
    """Return a LUN of `san`. Raises UnavailableError where no path works, or a command to one still hangs."""
    paths = tuple(path for path in unit.paths if path.usable and path.device)
    if not paths:
        raise UnavailableError(f"{label(unit)} has no path that works: {paths_of(unit)}", wwid=unit.wwid)
    hung = children.left_behind(host, [_job(path) for path in paths])
    for job, pid in hung.items():
        raise UnavailableError(
            f"{label(unit)}: process {pid} ({job}) of an earlier run still waits for this path, whose target does not "
            "answer; wait until the driver gives up, or bring the link back",
            pid=pid,
        )
    names = (*(hba.initiator for hba in san.hbas), *(path.initiator for one in san.luns for path in one.paths))
    return Lun(unit, paths, frozenset(name.lower() for name in names if name))


def ask(host: Host, lun: Lun) -> Reservations:
    """Ask a LUN through one path after the other, until it answers through one.

    Raises UnavailableError where it does not know reservations, CommandError where no path has an answer.
    """
    problem: SanError = CommandError(f"{label(lun.unit)} does not answer")
    for path, device in zip(lun.paths, lun.devices):
        result = children.write_all(host, {_job(path): questions(device)}, COMMAND_DEADLINE)[_job(path)]
        if len(result.done) < len(questions(device)):
            problem = CommandError(f"{device} does not answer within {COMMAND_DEADLINE:g} s")
            continue
        try:
            return parse_reservations(result.done)
        except CommandError as error:
            problem = error
    raise problem


def ask_all(host: Host, luns: Sequence[Lun]) -> list[Reservations | None]:
    """Ask LUNs all at once, through one path each; None for one that has no answer to it."""
    jobs = {_job(lun.paths[0]): questions(lun.devices[0]) for lun in luns}
    answers = children.write_all(host, jobs, COMMAND_DEADLINE) if jobs else {}
    return [_read(lun.devices[0], answers[_job(lun.paths[0])].done) for lun in luns]


def _read(device: str, answer: tuple[Written, ...]) -> Reservations | None:
    try:
        return parse_reservations(answer) if len(answer) == len(questions(device)) else None
    except SanError:
        return None


def send(host: Host, lun: Lun, orders: Sequence[Order], together: bool = False) -> list[str]:
    """Send orders, each path its own; return what was not done. `together`: one after the other."""
    by_path = {path.device: path for path in lun.paths}
    jobs: dict[str, list[Write]] = {}
    for order in orders:
        path = by_path[order.path.rpartition("/")[2]]
        jobs.setdefault(_job(lun.paths[0] if together else path), []).append(order)
    problems = []
    for name, result in children.write_all(host, jobs, COMMAND_DEADLINE).items():
        problems += [told for told in map(_problem, result.done) if told]
        if result.stuck is not None:
            problems.append(f"{name}: no answer within {COMMAND_DEADLINE:g} s")
    return problems


def _problem(written: Written) -> str:
    try:
        told = describe_reply(parse_reply(written))
    except CommandError as error:
        return error.message
    return f"{written.write.value} through {written.write.path}: {told}" if told else ""


def _job(path: Path) -> str:
    return f"pr-{path.device}"
