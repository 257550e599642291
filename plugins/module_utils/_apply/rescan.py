# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for LUNs: plan, scan, wait until what came is ready and what is expected is there, look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply.rescan_machine import Machine
from ansible_collections.virt.san.plugins.module_utils._errors import NotFoundError, SanError, WaitTimeoutError
from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult
from ansible_collections.virt.san.plugins.module_utils._host.scan import describe
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit
from ansible_collections.virt.san.plugins.module_utils._plan import expect, identity, rescan_report
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import (
    Request,
    Reread,
    RescanStep,
    Seen,
    Selection,
    bare_lun_zeros,
    concerned_paths,
    plan_rereads,
    plan_scans,
    select,
    skipped_ports,
)
from ansible_collections.virt.san.plugins.module_utils._plan.rescan_report import HostReport

FIRST_PAUSE = 2.0
"""Seconds until LUNs that are still missing are scanned for again; each further pause is twice as long."""

SETTING_UP = 2.0
"""Seconds within which the kernel gives a new device its disk, if it is to have one."""


@dataclass(frozen=True)
class Times:
    """Deadlines in seconds."""

    expect: float
    """For what is expected, and for what came to be ready."""
    scan: float
    """For the writes of one SCSI host."""


@dataclass(frozen=True)
class Rescanned:
    """What a rescan has to say."""

    changed: bool
    facts: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    warnings: tuple[str, ...]


def rescan(machine: Machine, request: Request, times: Times, check_mode: bool = False) -> Rescanned:
    """Scan as requested, wait for what is expected, and return what came of it.

    In check mode nothing is written, not even to have sizes read again; `changed` then tells whether
    anything expected is missing.

    Raises NotFoundError (an HBA or target), UnavailableError (the kernel or this user may not scan),
    IdentityError (remapped paths, units of doubtful identity), AmbiguousError and InUseError (a LUN number
    that is not enough), WaitTimeoutError (an expectation that is not met). From the first scan on their
    details hold all that the result would.
    """
    machine.require_scanning()
    before = machine.look(None, request, None, uses=check_mode)
    selection = select(before.san.hbas, request)
    if not check_mode:
        _require_somewhere(before, selection, request)
    run = _Run(machine, request, selection, times, before)
    return run.foretell() if check_mode else run.carry_out()


def _require_somewhere(seen: Seen, selection: Selection, request: Request) -> None:
    """Raise NotFoundError when nothing can be scanned at all though something was asked for."""
    if not selection.hbas and (request.expect.anything or request.luns or request.targets):
        there = ", ".join(f"{hba.name} ({hba.transport})" for hba in seen.san.hbas) or "none"
        raise NotFoundError(
            f"this host has no HBA of a SAN transport; SCSI hosts there: {there}. For iSCSI log in to the target "
            "first; for FC check that the driver is loaded; or name the HBA with hbas",
            hbas=[hba.name for hba in seen.san.hbas],
        )
    ports = {target.name for hba in selection.hbas for target in hba.targets}
    if request.targets and not ports & set(request.targets):
        raise NotFoundError(
            f"targets: no selected HBA sees {', '.join(request.targets)}; seen are "
            f"{', '.join(sorted(ports)) or 'none at all'}. Check zoning, cabling or the iSCSI login",
            targets=sorted(ports),
        )


class _Run:
    """One rescan under way."""

    def __init__(self, machine: Machine, request: Request, selection: Selection, times: Times, before: Seen) -> None:
        self.machine = machine
        self.request = request
        self.selection = selection
        self.times = times
        self.before = self.now = before
        self.bare = bare_lun_zeros(before)
        self.reports = {hba.name: HostReport(hba.name) for hba in selection.hbas}
        self.warnings: list[str] = []

    # Check mode.

    def foretell(self) -> Rescanned:
        steps = self._plan(self.now, 0) + plan_rereads(self.now, self.selection, self.request)
        for step in steps:
            self.reports[step.hba].scans.append(step.describe())
        self._judge()
        unmet = expect.unmet(self.now, self.selection, self.request)
        before, after = rescan_report.foretold(self._view(), unmet)
        return Rescanned(bool(unmet), self._facts(), before, after, tuple(self.warnings))

    # For real.

    def carry_out(self) -> Rescanned:
        try:
            self._skip_hung()
            self._let_disks_come()
            self._scan_until_there()
            if not self.now.with_uses:
                self.now = self._look(uses=True)
            self._judge()
            self._require_expected()
        except SanError as error:
            self._warn_of_the_rest()
            facts = dict(self._facts(), changed=self._changed(), warnings=self.warnings)
            for key, value in facts.items():
                error.details.setdefault(key, value)
            raise
        before, after = (rescan_report.projection(seen, self.selection) for seen in (self.before, self.now))
        self._warn_of_the_rest()
        return Rescanned(before != after, self._facts(), before, after, tuple(self.warnings))

    def _skip_hung(self) -> None:
        """Leave out hosts on which a scan of an earlier run still hangs: another one would only join it."""
        for name, pid in self.machine.left_behind(self.reports).items():
            self._hangs(self.reports[name], f"process {pid} of an earlier run has not come back from the kernel yet")

    def _let_disks_come(self) -> None:
        """Give a LUN 0 that was found just now the time to get its disk: it must not be taken for a placeholder."""
        if self.reports.keys() & {f"host{hctl.host}" for hctl in self.bare}:
            self.now = wait_until(self.machine.host, self._look, lambda seen: not bare_lun_zeros(seen), SETTING_UP)
            self.bare &= bare_lun_zeros(self.now)

    def _scan_until_there(self) -> None:
        clock = self.machine.clock
        self._scan(first=True)
        deadline = clock.monotonic() + self.times.expect
        pause = FIRST_PAUSE if self.request.expect.anything else self.times.expect
        while True:
            left = max(deadline - clock.monotonic(), 0.0)
            self.now = wait_until(self.machine.host, self._glance, self._settled, min(pause, left), self.machine.wake)
            if self._settled(self.now) or left <= pause or not self._scannable().hbas:
                return
            pause *= 2
            # Where all is there, and only udev or multipathd still at it, a scan would but get in their way.
            if expect.unmet(self.now, self.selection, self.request):
                self._scan(first=False)

    def _scan(self, first: bool) -> None:
        """Scan and read again; then look for LUNs that did not come under their likeliest number."""
        rereads: tuple[RescanStep, ...] = ()
        if first or any(one.problem == "size" for one in expect.unmet(self.now, self.selection, self.request)):
            rereads = plan_rereads(self.now, self._scannable(), self.request)
        self._write(self._plan(self.now, 0) + rereads)
        self.now = self._look()
        others = self._plan(self.now, 1)
        if others:
            self._write(others)
            self.now = self._look()
        answers = {step.device: self.machine.identities(step.hctl) for step in rereads if isinstance(step, Reread)}
        identity.refuse_remapped(identity.find_remapped(self.before.san, answers))

    def _plan(self, seen: Seen, choice: int) -> tuple[RescanStep, ...]:
        return plan_scans(seen, self._scannable(), self.request, choice, self.bare)

    def _scannable(self) -> Selection:
        """Return the selection as it is now, without the hosts that hang."""
        hbas = {hba.name: hba for hba in self.now.san.hbas}
        fine = tuple(hbas[name] for name, report in self.reports.items() if not report.stuck and name in hbas)
        return replace(self.selection, hbas=fine)

    def _write(self, steps: tuple[RescanStep, ...]) -> None:
        jobs: dict[str, list[RescanStep]] = {}
        for step in steps:
            jobs.setdefault(step.hba, []).append(step)
        for name, result in self.machine.write(jobs, self.times.scan).items():
            self._record(self.reports[name], jobs[name], result)

    def _record(self, report: HostReport, steps: list[RescanStep], result: ChildResult) -> None:
        begun = len(steps) - len(result.not_begun)
        report.seconds += result.seconds
        report.scans += [step.describe() for step in steps[:begun]]
        report.errors += [describe(written) for written in result.failed]
        if result.stuck is not None:
            left = f"; process {result.pid} still hangs in the kernel" if result.pid else ""
            what = steps[begun - 1].describe().partition(": ")[2]
            self._hangs(report, f"no return from {what} within {self.times.scan:g} s{left}")
        if result.not_begun:
            self.warnings.append(f"{report.hba}: {len(result.not_begun)} more scans were not begun")

    def _hangs(self, report: HostReport, what: str) -> None:
        report.stuck = what
        self.warnings.append(
            f"{report.hba} hangs: {what}. A target or LUN behind it does not answer; the other hosts were scanned"
        )

    # What there is.

    def _look(self, uses: bool = False) -> Seen:
        return self.machine.look(self.selection, self.request, self.before, uses=uses)

    def _glance(self) -> Seen:
        """Look again, unless udev is not done with a disk that is waited for: nothing can be settled before it is.

        A whole look takes processor time, which udev needs just then.
        """
        waiting = expect.pending(self.now, self.before, self.selection, self.request)
        unhandled = [path for path in waiting if path.device and path.device not in self.now.recorded]
        if not any(self.machine.in_udevs_hands(path) for path in unhandled):
            # Once udev is done this most likely is the last look, and who uses what is told along.
            self.now = self._look(uses=bool(unhandled))
        return self.now

    def _view(self) -> expect.View:
        return expect.view(self.now, self.selection, self.request)

    def _settled(self, seen: Seen) -> bool:
        """Tell whether there is nothing left to wait for: all is ready and there, or a number is ambiguous."""
        if expect.pending(seen, self.before, self.selection, self.request):
            return False
        shown = expect.view(seen, self.selection, self.request)
        ambiguous = any(len(shown.candidates(number)) > 1 for number in self.request.numbers)
        return ambiguous or not expect.unmet(seen, self.selection, self.request)

    # Judgement.

    def _judge(self) -> None:
        """Refuse what must not be taken for what was asked for."""
        shown = self._view()
        doubtful = [unit for unit in shown.requested() if unit.problem]
        if self.request.numbers or self.request.expect.all_wwids:
            identity.refuse_untrusted(doubtful)
        self.warnings += [f"{expect.describe_unit(unit)}: {unit.problem}" for unit in doubtful]
        identity.refuse_ambiguous(shown, self.request.known_wwids | self.machine.managed_wwids())

    def _require_expected(self) -> None:
        unmet = expect.unmet(self.now, self.selection, self.request)
        if unmet:
            skipped = skipped_ports(self._current())
            raise WaitTimeoutError(
                rescan_report.failure(unmet, self.times.expect, skipped, self.reports.values()),
                missing=rescan_report.missing(self._view(), unmet),
            )

    def _warn_of_the_rest(self) -> None:
        for one in rescan_report.missing(self._view(), ()):
            self.warnings.append(
                f"LUN {one['lun']} was asked for and is not there; name it in expect.luns to have the task wait for it"
            )
        for path in expect.pending(self.now, self.before, self.selection, self.request):
            self.warnings.append(f"{path.device or path.hctl} was not ready for use within {self.times.expect:g} s")
        if self.request.refresh_sizes:
            self._warn_of_disks_not_asked()
        for report in self.reports.values():
            self.warnings += [f"{report.hba}: {error}" for error in report.errors]
        self.warnings += self.now.san.warnings

    def _warn_of_disks_not_asked(self) -> None:
        concerned = concerned_paths(self.before.san, self.selection, self.request)
        told = [f"{path.device} ({path.state})" for path in concerned if path.state != "running"]
        if told:
            more = f" and {len(told) - expect.MOST_NAMED} more" if len(told) > expect.MOST_NAMED else ""
            self.warnings.append(
                f"not running, so that size and identity are as they were: {', '.join(told[: expect.MOST_NAMED])}{more}"
            )

    # The result.

    def _changed(self) -> bool:
        before, after = (rescan_report.projection(seen, self.selection) for seen in (self.before, self.now))
        return before != after

    def _current(self) -> Selection:
        return replace(self.selection, hbas=tuple(hba for hba in self.now.san.hbas if hba.name in self.reports))

    def _facts(self) -> dict[str, Any]:
        unmet = expect.unmet(self.now, self.selection, self.request)
        shown = self._view()
        return {
            **rescan_report.differences(self.before, self.now, self.selection),
            "missing": rescan_report.missing(shown, unmet),
            "skipped_ports": [port.to_dict() for port in skipped_ports(self._current())],
            "hosts": [report.to_dict() for report in self.reports.values()],
            "scans": [line for report in self.reports.values() for line in report.lines()],
            "remapped": [],
            "luns": [unit.to_dict() for unit in self._whole(shown.requested())],
        }

    def _whole(self, units: tuple[LogicalUnit, ...]) -> list[LogicalUnit]:
        """Return units with all their paths, also those outside the selection."""
        addresses = {unit.paths[0].hctl for unit in units}
        return [unit for unit in self.now.san.luns if any(path.hctl in addresses for path in unit.paths)]
