# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of scsi_device: what it is about, what was planned and done, and what to say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply import removal
from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report, carry_out
from ansible_collections.virt.san.plugins.module_utils._apply.multipath_look import require_daemon
from ansible_collections.virt.san.plugins.module_utils._apply.probe import probe
from ansible_collections.virt.san.plugins.module_utils._apply.rescan import Times, rescan
from ansible_collections.virt.san.plugins.module_utils._apply.rescan_machine import Machine
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path, San
from ansible_collections.virt.san.plugins.module_utils._plan.device import ScanAgain
from ansible_collections.virt.san.plugins.module_utils._plan.expected import Expect
from ansible_collections.virt.san.plugins.module_utils._plan.identity import Remapped
from ansible_collections.virt.san.plugins.module_utils._plan.named import Named
from ansible_collections.virt.san.plugins.module_utils._plan.removal import RemovalPlan
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import Request
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan, Step
from ansible_collections.virt.san.plugins.module_utils._plan.suspect import Told, proven_stale, suspects

SCAN_DEADLINE = 30.0


@dataclass(frozen=True)
class Order:
    """What the task asks for, besides which unit."""

    size: int | None = None
    """Bytes; None: whatever it is."""
    timeout: float = 60.0
    force: bool = False
    purge_remapped: bool = False
    probe: bool = False


class Run:
    """What was found and done on the way. Every plan that is made is carried out here, or only noted in check mode."""

    def __init__(self, host: Host, named: Named, order: Order, check_mode: bool) -> None:
        self.host = host
        self.named = named
        self.order = order
        self.check_mode = check_mode
        self.plans: list[Plan] = []
        self.remapped: tuple[Remapped, ...] = ()
        self.stale: tuple[Path, ...] = ()
        self.told: tuple[Told, ...] = ()
        self.warnings: list[str] = []

    def probe(self, san: San, unit: LogicalUnit) -> None:
        """Ask the targets of a unit, if the task says so, which of its paths are stale."""
        if self.order.probe:
            told = probe(self.host, san, unit.paths)
            self.told = tuple(told.values())
            self.stale = proven_stale(unit.paths, told)
            self.warnings += [f"not known whether it is stale: {one.problem}" for one in self.told if one.problem]

    def carry_out(self, plan: Plan, needs_multipathd: bool) -> None:
        """Carry out a plan, unless in check mode. Raises UnavailableError without multipathd, ApplyError."""
        self.plans.append(plan)
        self.warnings += plan.warnings
        if self.check_mode or not plan.steps:
            return
        if needs_multipathd:
            require_daemon(self.host)
        carry_out(plan.steps, self._perform)

    def _perform(self, step: Step) -> None:
        if isinstance(step, ScanAgain):
            self._scan(step)
        else:
            removal.perform(self.host, step, self.order.timeout)

    def _scan(self, step: ScanAgain) -> None:
        request = Request(
            hbas=tuple(dict.fromkeys(path.hba for path in step.addresses)),
            targets=tuple(dict.fromkeys(path.target for path in step.addresses if path.target)),
            luns=tuple(dict.fromkeys(path.lun for path in step.addresses)),
            expect=Expect(wwids=step.wwids),
        )
        rescan(Machine(self.host), request, Times(expect=self.order.timeout, scan=SCAN_DEADLINE))

    def report(self, san: San, before: LogicalUnit | None, after: LogicalUnit | None) -> Report:
        """Return the result for a unit as it was, and as it is in the end (or will be)."""
        states = [{name: told for plan in self.plans for name, told in side(plan)["luns"].items()} for side in _SIDES]
        leaving = [one for plan in self.plans if isinstance(plan, RemovalPlan) for one in plan.leaving]
        flushed = [one.flushed for one in leaving if one.flushed]
        unit = after or before
        wwid = unit.wwid if unit else self.named.wwid
        planned = self.plans[-1].after["luns"].get(wwid or "", {}) if self.plans else {}
        facts = {
            "wwid": wwid,
            "device": unit.device if unit else None,
            "size_before": before.size if before else None,
            "size_after": planned.get("size", after.size if after else None),
            "removed": [dict(path.to_dict(), wwid=one.wwid) for one in leaving for path in one.gone],
            "flushed": [found.name for found in flushed],
            "remapped": [one.to_dict() for one in self.remapped],
            "suspects": [one.to_dict() for one in suspects(san, [before] if before else [])],
            "stale": [path.to_dict() for path in self.stale],
            "probed": [one.to_dict() for one in self.told],
            "steps": [line for plan in self.plans for line in plan.describe()],
            "lun": after.to_dict() if after else None,
        }
        changed = states[0] != states[1]
        return Report(changed, facts, {"luns": states[0]}, {"luns": states[1]}, tuple(dict.fromkeys(self.warnings)))


def _before(plan: Plan) -> Mapping[str, Any]:
    return plan.before


def _after(plan: Plan) -> Mapping[str, Any]:
    return plan.after


_SIDES = (_before, _after)
