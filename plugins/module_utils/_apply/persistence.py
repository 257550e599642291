# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a virtual HBA outlast a reboot, or no longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import carry_out
from ansible_collections.virt.san.plugins.module_utils._apply.keep_steps import boot_python, perform
from ansible_collections.virt.san.plugins.module_utils._apply.npiv import Report
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, SanError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import keeping, systemd
from ansible_collections.virt.san.plugins.module_utils._host import kept as room
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.definitions import (
    FOLDERS,
    PROGRAM,
    SERVICE,
    definition_path,
    service_text,
    unit_name,
)
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.plugins.module_utils._model.units import POOL_SERVICE, TARGET, target_text
from ansible_collections.virt.san.plugins.module_utils._plan import persistence as plan
from ansible_collections.virt.san.plugins.module_utils._plan.keep_steps import KeepPlan
from ansible_collections.virt.san.plugins.module_utils._plan.persistence import Kept


def look(host: Host, wwpn: Wwn) -> Kept:
    """Read what is kept of a vHBA. Where systemd does not run, nothing is enabled."""
    contents = {path: host.read_bytes(path) for path in (*plan.SHARED, definition_path(wwpn))}
    unit = systemd.read_unit(host, unit_name(wwpn)) if systemd.is_running(host) else systemd.Unit()
    return Kept(
        wwpn=wwpn,
        files={path: content for path, content in contents.items() if content is not None},
        others=tuple(one for one in room.defined(host) if one != wwpn),
        folders=keeping.folders(host, FOLDERS, contents),
        enabled=unit.enabled,
        active=unit.active,
        stale=unit.stale,
        pools=host.exists(POOL_SERVICE),
    )


def look_for_nothing(host: Host, wwpn: Wwn) -> Kept:
    """Read what is kept of a vHBA that is not to be kept. On most hosts nothing is of any, and systemd is not asked."""
    if not any(host.exists(path) for path in (*plan.SHARED, *FOLDERS)):
        return Kept(wwpn)
    return look(host, wwpn)


def require_systemd(host: Host) -> None:
    """Raise UnavailableError where nothing would make a vHBA at boot."""
    if not systemd.is_running(host):
        raise UnavailableError(
            "systemd does not run on this host, and a vHBA lasts by a unit of systemd: give persistent: false, and "
            "have the task run after each boot"
        )


def shared_files(host: Host, program: bytes) -> dict[str, bytes]:
    """Return the contents of what all definitions share."""
    return {PROGRAM: program, SERVICE: service_text(boot_python(host)).encode(), TARGET: target_text().encode()}


def ensure_kept(host: Host, report: Report, vhba: WantedVhba, program: bytes, check_mode: bool) -> Report:
    """Have a vHBA that is there outlast a reboot, on the port that carries it; add that to its report."""
    pinned = replace(vhba, parent=report.parent_wwpn, fabric=None)
    shared = shared_files(host, program)
    return _ensure(host, report, lambda: plan.plan_kept(look(host, vhba.wwpn), pinned, shared), check_mode)


def ensure_not_kept(host: Host, report: Report, wwpn: Wwn, check_mode: bool) -> Report:
    """Have a vHBA go with the next reboot; add that to its report."""
    return _ensure(host, report, lambda: plan_gone(host, wwpn), check_mode)


def plan_gone(host: Host, wwpn: Wwn) -> KeepPlan:
    """Return what makes the host forget a vHBA."""
    return plan.plan_gone(look_for_nothing(host, wwpn))


def _ensure(host: Host, report: Report, planning: Callable[[], KeepPlan], check_mode: bool) -> Report:
    planned = planning()
    if check_mode or not planned.steps:
        return _joined(report, planned, planned.after)
    try:
        carry_out(planned.steps, lambda step: perform(host, step))
        left = planning()
        require_done(planned, left)
    except SanError as error:
        error.details["changed"] = True
        error.details.update(vhba=report.vhba.to_dict() if report.vhba else None, steps=report.steps)
        raise
    return _joined(report, planned, left.before)


def require_done(planned: KeepPlan, left: KeepPlan) -> None:
    """Raise ApplyError where something is still to be done after all was."""
    if left.steps:
        raise ApplyError(
            f"carried out, but not as planned; still to do: {'; '.join(left.describe())}. Does something else write "
            "there, or is /etc read-only?",
            completed=planned.describe(),
            left=left.describe(),
        )


def _joined(report: Report, planned: KeepPlan, after: Mapping[str, Any]) -> Report:
    return replace(
        report,
        changed=report.changed or planned.before != after,
        steps=[*report.steps, *planned.describe()],
        before={**report.before, **planned.before},
        after={**report.after, **after},
    )
