# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trip of lvm_devices: look, plan, configure, make sure that the host's own groups are still seen, deactivate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report, carry_out
from ansible_collections.virt.san.plugins.module_utils._errors import (
    ApplyError,
    CommandError,
    SanError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._host import initramfs, lvm_conf
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.lvm_seen import read_sight
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import MADE_FILE, OLD_INITRAMFS, LvmSight
from ansible_collections.virt.san.plugins.module_utils._plan.lvm_devices import LvmPlan, plan_absent, plan_present
from ansible_collections.virt.san.plugins.module_utils._plan.lvm_steps import (
    DeactivateVg,
    ListDevice,
    LvmStep,
    MakeDevicesFile,
    RefreshInitramfs,
    RemoveDevicesFile,
    RemoveSetting,
    UnlistDevice,
    WriteSetting,
)

TRANSIENT = 5.0
"""Seconds for an opening that nobody answers for to go away: udev probes a volume when it comes up."""

Planner = Callable[[LvmSight], LvmPlan]


def ensure_present(host: Host, names: Sequence[str], method: str, check_mode: bool) -> Report:
    """Keep LVM to the host's own volume groups.

    Raises what the planner raises before anything is written, ApplyError for a step that failed; LVM's configuration is
    then as before if the host's own volume groups would not all be seen.
    """
    return _trip(host, lambda sight: plan_present(sight, names, method), check_mode)


def ensure_absent(host: Host, check_mode: bool) -> Report:
    """Take our setting away again."""
    return _trip(host, plan_absent, check_mode)


def _trip(host: Host, make: Planner, check_mode: bool) -> Report:
    try:
        first = wait_until(host, lambda: read_sight(host), _calm, TRANSIENT)
    except UnavailableError as missing:
        if check_mode and missing.details.get("command") == "lvm":
            return _not_installed()
        raise
    plan = make(first)
    if check_mode:
        return _report(first, plan, plan.after)
    if not plan.steps:
        lvm_conf.write_note(host, frozenset())
        return _report(first, plan, plan.after)
    lvm_conf.write_note(host, first.begun | _begun(plan))
    config = [step for step in plan.steps if not isinstance(step, (DeactivateVg, RefreshInitramfs))]
    rest = [step for step in plan.steps if isinstance(step, (DeactivateVg, RefreshInitramfs))]
    _configure(host, config, plan, first.begun)
    carry_out(rest, lambda step: _perform(host, step))
    lvm_conf.write_note(host, frozenset())
    last = read_sight(host)
    left = make(last)
    if left.steps:
        raise ApplyError(
            f"carried out, but not as planned; still to do: {'; '.join(left.describe())}. Something else changes LVM "
            "on this host at the same time",
            completed=plan.describe(),
            left=left.describe(),
        )
    return _report(last, replace(plan, own=left.own), left.before)


def _begun(plan: LvmPlan) -> frozenset[str]:
    """Return what nothing would tell of, were this run killed on the way."""
    file = any(isinstance(step, (MakeDevicesFile, RemoveDevicesFile)) for step in plan.steps)
    boot = any(isinstance(step, RefreshInitramfs) for step in plan.steps)
    return frozenset(([MADE_FILE] if file else []) + ([OLD_INITRAMFS] if boot else []))


def _not_installed() -> Report:
    """Return what check mode says where an earlier task would have installed LVM."""
    facts: dict[str, Any] = {"method": None, "volume_groups": [], "initramfs_updated": False, "steps": []}
    told = "LVM is not installed on this host: what would be done once it is cannot be said"
    return Report(True, facts, {"lvm": "absent"}, {"lvm": "installed, and kept to the host's own"}, (told,))


def _calm(sight: LvmSight) -> bool:
    """Tell whether nobody unknown has a volume open just now."""
    return not any("not known" in by for vg in sight.vgs for lv in vg.active for by in lv.holders)


# Configuration


def _configure(host: Host, steps: Sequence[LvmStep], plan: LvmPlan, begun: frozenset[str]) -> None:
    """Carry out the steps that configure LVM; all or none of them. `begun`: what an earlier run had begun."""
    if not steps:
        return
    conf, devices = lvm_conf.read_conf(host), lvm_conf.read_devices_file(host)
    try:
        carry_out(steps, lambda step: _perform(host, step))
        _verify(host, plan)
    except SanError as error:
        lvm_conf.write_devices_file(host, devices)
        lvm_conf.write_conf(host, conf)
        lvm_conf.write_note(host, begun)
        raise ApplyError(
            f"LVM's configuration was put back as it was: {error.message}",
            **{**error.details, "rolled_back": True},
        ) from error


def _verify(host: Host, plan: LvmPlan) -> None:
    """Raise CommandError unless LVM reads our setting, sees what is the host's, and nothing that is not."""
    if not plan.method:
        return
    sight = read_sight(host)
    if sight.setting is not None:
        wrong = lvm_conf.differences(lvm_conf.values(sight.setting), lvm_conf.read_effective(host))
        if wrong:
            raise CommandError(
                f"LVM does not take the setting from {lvm_conf.LOCAL_CONF}: {'; '.join(wrong)}. Something else sets "
                "it, there or in /etc/lvm/lvm_<tag>.conf; remove that"
            )
    lost, astray = plan.needed - sight.visible, plan.unwanted & sight.visible
    if lost:
        raise CommandError(f"LVM would no longer see devices of this host's own: {', '.join(sorted(lost))}")
    if astray:
        raise CommandError(f"LVM would still see devices that are not the host's: {', '.join(sorted(astray))}")


def _perform(host: Host, step: LvmStep) -> None:
    if isinstance(step, MakeDevicesFile):
        lvm_conf.make_devices_file(host, [one.path for one in step.devices])
    elif isinstance(step, ListDevice):
        lvm_conf.list_device(host, step.path)
    elif isinstance(step, UnlistDevice):
        lvm_conf.unlist_device(host, step.path)
    elif isinstance(step, RemoveDevicesFile):
        lvm_conf.write_devices_file(host, None)
    elif isinstance(step, (WriteSetting, RemoveSetting)):
        setting = step.setting if isinstance(step, WriteSetting) else None
        lvm_conf.write_conf(host, lvm_conf.with_block(lvm_conf.read_conf(host) or "", setting))
    elif isinstance(step, RefreshInitramfs):
        initramfs.update_initramfs(host)
    else:
        lvm_conf.deactivate(host, step.uuid, lvm_conf.all_devices(our_filter=True))


def _report(sight: LvmSight, plan: LvmPlan, after: Mapping[str, Any]) -> Report:
    facts: dict[str, Any] = {
        "method": plan.method or None,
        "volume_groups": [
            {
                "name": vg.name,
                "uuid": vg.uuid,
                "own": vg.uuid in plan.own,
                "why": plan.own.get(vg.uuid),
                "devices": [pv.path for pv in vg.pvs],
                "wwids": list(vg.wwids),
                "visible": any(pv.device in sight.visible for pv in vg.pvs),
                "active": [lv.name for lv in vg.active],
            }
            for vg in sight.vgs
        ],
        "initramfs_updated": any(isinstance(step, RefreshInitramfs) for step in plan.steps),
        "steps": plan.describe(),
    }
    warnings = (*sight.warnings, *plan.warnings)
    return Report(plan.before != after, facts, plan.before, after, warnings)
