# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a virtual HBA away, with what is only behind it; or have it on another HBA.

The kernel tears down the SCSI host of a vHBA without asking whether its disks are open. All that is
behind it leaves by the safe removal first, and only then the vHBA itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply import keep_steps, npiv, persistence, removal
from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import carry_out
from ansible_collections.virt.san.plugins.module_utils._apply.multipath_look import require_daemon
from ansible_collections.virt.san.plugins.module_utils._apply.npiv import Report
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.plugins.module_utils._plan.keep_steps import KEEP_STEPS
from ansible_collections.virt.san.plugins.module_utils._plan.npiv import (
    Seen,
    Vhba,
    VhbaPlan,
    misplaced,
    plan_absent,
    plan_present,
    the_one,
)
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_steps import (
    AwaitLogin,
    CreateVport,
    DeleteVport,
    NameVport,
)
from ansible_collections.virt.san.plugins.module_utils._plan.removal import RemovalPlan, behind, plan_removal
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step


def ensure_absent(host: Host, wwpn: Wwn, timeout: float, check_mode: bool = False, force: bool = False) -> Report:
    """Have no vHBA with this WWPN, now and after the next boot. `timeout`: seconds for each step to show.

    It is forgotten first: what waits to make it would do so in the middle, and a boot would bring it back.

    Raises InUseError, naming all holders of what would lose its last path, before anything is written.
    """
    seen = npiv.look(host)
    plan = plan_absent(seen, wwpn)
    cleared = clear(host, seen, seen.vhbas(wwpn), check_mode, force)
    forget = persistence.plan_gone(host, wwpn)
    steps: tuple[Step, ...] = (*forget.steps, *cleared.steps, *plan.steps)
    if not check_mode:
        _carry_out(host, steps, seen, timeout)
        _require_done(steps, plan_absent(npiv.look(host), wwpn))
        persistence.require_done(forget, persistence.plan_gone(host, wwpn))
    before = {**plan.before, "luns": cleared.before["luns"], **forget.before}
    after = {**plan.after, "luns": cleared.after["luns"], **forget.after}
    vhbas = seen.vhbas(wwpn)
    told = [step.describe() for step in steps]
    return Report(before != after, vhbas[0] if vhbas else None, told, before, after, cleared.warnings, removed(cleared))


def ensure_moved(host: Host, wanted: WantedVhba, timeout: float, check_mode: bool = False) -> Report:
    """Have the vHBA where it is wanted: one on another HBA is taken away there, with its paths, and made anew.

    Raises InUseError where something would lose its last path meanwhile.
    """
    seen = npiv.look(host)
    there = misplaced(seen, wanted)
    if there is None:
        return npiv.ensure_present(host, wanted, timeout, check_mode)
    make = plan_present(seen.without(there), wanted)  # refuse before anything goes
    cleared = clear(host, seen, (there,), check_mode, keep_record=True)
    leave = plan_absent(seen, wanted.wwpn)
    steps: tuple[Step, ...] = (*cleared.steps, *leave.steps, *make.steps)
    before = {**leave.before, "luns": cleared.before["luns"]}
    after: Mapping[str, Any] = {**make.after, "luns": cleared.after["luns"]}
    last = there
    if not check_mode:
        _carry_out(host, steps, seen, timeout)
        now = npiv.look(host)
        left = plan_present(now, wanted)
        _require_done(steps, left)
        last = the_one(now, wanted) or there
        after = {**left.before, "luns": cleared.after["luns"]}
    told = [step.describe() for step in steps]
    warnings = (*cleared.warnings, *make.warnings)
    carrier = npiv.parent_of(make, last)
    return Report(True, last, told, before, after, warnings, removed(cleared), parent_wwpn=carrier)


def clear(
    host: Host,
    seen: Seen,
    vhbas: Iterable[Vhba],
    check_mode: bool,
    force: bool = False,
    keep_record: bool = False,
) -> RemovalPlan:
    """Plan what takes away all that is behind vHBAs. Where nothing is, multipath and LVM are not even asked.

    Outside check mode the disks are asked who they are first: a LUN number may mean another LUN by now.
    """
    hosts = {vhba.vport.host for vhba in vhbas if vhba.vport.host} & seen.with_devices
    if not hosts:
        return RemovalPlan(before={"luns": {}}, after={"luns": {}})
    if check_mode:
        found = removal.look(host)
    else:
        san = read_san(host, checkers=False, uses=False)
        _results, asked = removal.reread(host, (path for unit in san.luns for path in unit.paths if path.hba in hosts))
        found = removal.look(host, san, asked)
    plan = plan_removal(found, behind(found, hosts, keep_record=keep_record), force=force)
    if plan.needs_multipathd:
        require_daemon(host)
    return plan


def _carry_out(host: Host, steps: tuple[Step, ...], seen: Seen, timeout: float) -> None:
    def perform(step: Step) -> None:
        if isinstance(step, (CreateVport, NameVport, AwaitLogin, DeleteVport)):
            npiv.perform(host, step, seen, timeout)
        elif isinstance(step, KEEP_STEPS):
            keep_steps.perform(host, step)
        else:
            removal.perform(host, step, timeout)

    carry_out(steps, perform)


def _require_done(steps: tuple[Step, ...], left: VhbaPlan) -> None:
    if left.steps:
        raise ApplyError(
            f"carried out, but not as planned; still to do: {'; '.join(left.describe())}. Something else changes vHBAs "
            "on this host at the same time",
            completed=[step.describe() for step in steps],
            left=left.describe(),
        )


def removed(plan: RemovalPlan) -> dict[str, Any]:
    """Return what a removal takes away, for the result."""
    gone = [(one, path) for one in plan.leaving for path in one.gone]
    return {
        "removed_luns": [one.wwid for one in plan.leaving if one.whole and one.wwid],
        "removed_paths": [
            {"wwid": one.wwid, "device": path.device, "hctl": str(path.hctl), "lun": path.lun} for one, path in gone
        ],
        "kept_maps": [one.map.name for one in plan.leaving if one.map is not None and one.flushed is None],
    }
