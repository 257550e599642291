# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The LUNs behind a virtual HBA: wait for those expected, and tell which there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.virt.san.plugins.module_utils._apply.npiv import Report
from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host import fc
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._plan.expected import Expect

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._apply.rescan import Rescanned

SCAN_DEADLINE = 30.0
TARGET_INTERVAL = 0.05
"""Seconds between two looks for targets: a remote port becomes a target without an event."""

NOTHING: Mapping[str, Any] = {"luns": [], "appeared": [], "missing": [], "skipped_ports": [], "scans": []}
"""What is told of LUNs where none is looked for."""


def with_luns(host: Host, report: Report, expect: Expect, timeout: float, check_mode: bool) -> Report:
    """Wait until what is expected behind the vHBA is there, at most `timeout` seconds, and add it to the report.

    Raises what a rescan does; the details hold the vHBA too.
    """
    name = report.vhba.vport.host if report.vhba is not None else None
    if name is None:
        return replace(report, facts={**NOTHING, **report.facts})
    if not expect.anything:
        return replace(report, facts={**NOTHING, **report.facts, "luns": luns_behind(host, name)})
    try:
        refresh = not report.changed or bool(expect.lun_sizes or expect.wwid_sizes)
        found = _scan(host, name, expect, timeout, check_mode, refresh)
    except SanError as error:
        error.details["changed"] = report.changed or bool(error.details.get("changed"))
        error.details.update(vhba=report.vhba.to_dict() if report.vhba else None, steps=report.steps)
        raise
    return _combined(report, found)


def _scan(host: Host, name: str, expect: Expect, timeout: float, check_mode: bool, refresh: bool) -> Rescanned:
    """Have what is missing scanned for. `refresh`: and what is there asked for its size, unless it came just now."""
    from ansible_collections.virt.san.plugins.module_utils._apply.rescan import Times, rescan
    from ansible_collections.virt.san.plugins.module_utils._apply.rescan_machine import Machine
    from ansible_collections.virt.san.plugins.module_utils._plan.rescan import Request

    began = host.clock.monotonic()
    machine = Machine(host)
    if not check_mode:
        # Until the vHBA sees a target there is nothing to scan.
        wait_until(host, lambda: _sees_target(host, name), bool, timeout, interval=TARGET_INTERVAL)
    left = max(timeout - (host.clock.monotonic() - began), 0.0)
    request = Request(hbas=(name,), expect=expect, refresh_sizes=refresh, uses_allowed=True)
    return rescan(machine, request, Times(expect=left, scan=SCAN_DEADLINE), check_mode)


def _sees_target(host: Host, name: str) -> bool:
    return any(port.target.scannable for port in fc.read_remote_ports(host, of=name))


def luns_behind(host: Host, name: str) -> list[dict[str, Any]]:
    """Return the units with a path over a SCSI host."""
    units = read_san(host).luns
    return [unit.to_dict() for unit in units if any(path.hba == name for path in unit.paths)]


def _combined(report: Report, found: Rescanned) -> Report:
    told = {key: found.facts[key] for key in NOTHING}
    return replace(
        report,
        changed=report.changed or found.changed,
        before={**report.before, "paths": found.before},
        after={**report.after, "paths": found.after},
        warnings=(*report.warnings, *found.warnings),
        facts={**report.facts, **told},
    )
