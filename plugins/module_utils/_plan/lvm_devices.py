# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a host's LVM to the host's own volume groups. Pure.

A volume group on the SAN's logical units is a guest's unless something says that it is the host's:
the host must neither activate nor change it, for a guest on this or another host may have it open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    IdentityError,
    InUseError,
    RefusedError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import (
    DEVICES_FILE,
    FILTER,
    MADE_FILE,
    OLD_INITRAMFS,
    LvmSight,
    SeenPv,
    SeenVg,
    Setting,
)
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

NAMED = "named in volume_groups"
LOCAL = "on a local disk"

_STABLE = ("dm-uuid-", "md-uuid-", "wwn-", "scsi-", "nvme-", "virtio-", "ata-")
_CONTENT = ("lvm-pv-uuid-", "dm-name-", "md-name-")
"""Links that say what is on a device or what somebody called it: a guest may write what it likes."""
_PLAIN = re.compile(r"^[A-Za-z0-9._:/@=-]+$")


@dataclass(frozen=True)
class LvmPlan:
    """What would be done, and what the volume groups are."""

    steps: tuple[LvmStep, ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    own: Mapping[str, str]
    """Why a volume group is the host's, by UUID."""
    needed: frozenset[str] = frozenset()
    """Kernel names of the devices that LVM must see."""
    unwanted: frozenset[str] = frozenset()
    """Kernel names of the devices that it must not."""
    method: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def describe(self) -> list[str]:
        return [step.describe() for step in self.steps]


# Whose is it?


def plain(uuid: str) -> str:
    """Return a UUID without dashes, as device-mapper and the devices file have it."""
    return uuid.replace("-", "")


def owners(sight: LvmSight, names: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return why each of the host's own volume groups is its own, by UUID, and warnings.

    Raises AmbiguousError when a name fits several groups and nothing tells which one is the host's.
    """
    own: dict[str, str] = {}
    warnings = []
    for name in dict.fromkeys(names):
        found = _called(sight, name)
        if len(found) > 1:
            raise _ambiguous(name, "volume_groups", found)
        if found:
            own.setdefault(found[0].uuid, NAMED)
        else:
            warnings.append(f"volume_groups names {name}, and no such volume group is seen on this host")
    own.update({vg.uuid: LOCAL for vg in sight.vgs if vg.local and vg.uuid not in own})
    for claim in sight.claims:
        found = _called(sight, claim.vg)
        if len(found) > 1 and not any(vg.uuid in own for vg in found):
            raise _ambiguous(claim.vg, claim.by, found)
        if len(found) == 1 and own.get(found[0].uuid) in (None, LOCAL):
            own[found[0].uuid] = claim.by
    return own, tuple(warnings)


def _called(sight: LvmSight, name: str) -> list[SeenVg]:
    by_uuid = [vg for vg in sight.vgs if plain(vg.uuid) == plain(name)]
    return by_uuid or [vg for vg in sight.vgs if vg.name == name]


def _ambiguous(name: str, by: str, found: list[SeenVg]) -> AmbiguousError:
    return AmbiguousError(
        f"several volume groups are called {name} ({by}): {'; '.join(vg.label for vg in found)}. "
        "Give the UUID of the host's own in volume_groups",
        candidates=[{"name": vg.name, "uuid": vg.uuid, "wwids": list(vg.wwids)} for vg in found],
    )


def _refuse_open(foreign: Iterable[SeenVg]) -> None:
    held = [(vg, lv) for vg in foreign for lv in vg.active if lv.holders]
    if held:
        told = "; ".join(f"{vg.label}: {vg.name}/{lv.name} by {', '.join(lv.holders)}" for vg, lv in held)
        raise InUseError(
            f"volume groups that are not known to be this host's own are open on it: {told}. "
            "If one is the host's, name it in volume_groups; else release it (unmount, close) first",
            holders=[
                {"vg": vg.name, "vg_uuid": vg.uuid, "lv": lv.name, "by": list(lv.holders), "wwids": list(vg.wwids)}
                for vg, lv in held
            ],
        )


# Which devices are LVM's to use?


def _devices(sight: LvmSight, own: Mapping[str, str]) -> list[SeenPv]:
    """Return the devices of the host's own volume groups.

    What lies on a local disk and is hidden from LVM was hidden by somebody, and stays so unless it is asked for.
    """
    found: list[SeenPv] = []
    for vg in sight.vgs:
        kept = own.get(vg.uuid)
        if kept and (kept != LOCAL or any(pv.device in sight.visible for pv in vg.pvs)):
            found += _of_group(sight, vg)
    return found + [pv for pv in sight.others if pv.uuid and not pv.on_san and pv.device in sight.visible]


def _of_group(sight: LvmSight, vg: SeenVg) -> list[SeenPv]:
    """Return one device for each PV of a group; of copies (a snapshot mapped to the host) the one in use."""
    copies: dict[str, list[SeenPv]] = {}
    for pv in vg.pvs:
        copies.setdefault(pv.uuid, []).append(pv)
    chosen = []
    for same in copies.values():
        if len(same) > 1:
            seen = [pv for pv in same if pv.device in sight.visible] if sight.setting else []
            same = seen if len(seen) == 1 else [pv for pv in same if not pv.duplicate] if vg.active else same
        if len(same) > 1:
            raise IdentityError(
                f"volume group {vg.label} has one PV on several devices: {', '.join(pv.path for pv in same)}, and none "
                "of them is in use; unmap the copy, then run again",
                devices=[pv.path for pv in same],
            )
        chosen += same
    return chosen


def _pattern(pv: SeenPv) -> str:
    """Return the name that most surely means this device and no other, after a reboot too."""
    names = [link for link in pv.links if _PLAIN.match(link) and not _last(link).startswith(_CONTENT)]
    for prefix in _STABLE:
        for name in names:
            if _last(name).startswith(prefix):
                return name
    by_path = [name for name in names if "/by-path/" in name]
    return (by_path or [pv.path])[0]


def _last(link: str) -> str:
    return link.rpartition("/")[2]


# Plans


def plan_present(sight: LvmSight, names: Iterable[str], method: str) -> LvmPlan:
    """Plan that LVM uses the host's own volume groups and no other.

    Raises InUseError where a foreign one is open, AmbiguousError, IdentityError, RefusedError, UnavailableError.
    """
    method = _method(sight, method)
    own, warnings = owners(sight, names)
    foreign = [vg for vg in sight.vgs if vg.uuid not in own]
    _refuse_open(foreign)
    devices = _devices(sight, own)
    needed = frozenset(pv.device for pv in devices)
    everything = [pv for vg in sight.vgs for pv in vg.pvs] + list(sight.others)
    unwanted = {pv.device: pv for pv in everything if pv.on_san and pv.device not in needed}
    setting = _setting(sight, method, devices)
    steps = _config_steps(sight, setting, devices, unwanted)
    steps += [DeactivateVg(vg.uuid, vg.name, tuple(lv.name for lv in vg.active)) for vg in foreign if vg.active]
    refresh = sight.initramfs.copies and (sight.initramfs.stale or any(isinstance(one, WriteSetting) for one in steps))
    boot, told = _initramfs(sight, refresh)
    # What LVM does not see although nothing is left to do is not hidden by us, and stays as it is.
    visible = (sight.visible | needed) - set(unwanted) if steps else sight.visible
    listed = _listed(sight, method, steps)
    return LvmPlan(
        steps=(*steps, *boot),
        before={**_state(sight, sight.setting, sight.visible), "listed": listed[0], "initramfs": _age(boot)},
        after={
            **_state(sight, setting, visible, frozenset(vg.uuid for vg in foreign)),
            "devices_file": method == DEVICES_FILE or (sight.devices_file and not _goes(sight)),
            "listed": listed[1],
            "initramfs": "current",
        },
        own=own,
        needed=needed,
        unwanted=frozenset(unwanted),
        method=method,
        warnings=(*warnings, *told, *_hidden(pv for pv in devices if pv.device not in visible)),
    )


def _hidden(devices: Iterable[SeenPv]) -> Iterator[str]:
    paths = [pv.path for pv in devices]
    if paths:
        yield (f"LVM may use {', '.join(paths)} and does not see it: look for a filter in lvm.conf")


def _listed(sight: LvmSight, method: str, steps: Iterable[LvmStep]) -> tuple[list[str], list[str]]:
    """Return what is on the devices file before and after the steps, where it is what counts."""
    before = set(sight.listed.values()) if method == DEVICES_FILE else set()
    after = set(before)
    for step in steps:
        if isinstance(step, MakeDevicesFile):
            after.update(one.path for one in step.devices)
        elif isinstance(step, ListDevice):
            after.add(step.path)
        elif isinstance(step, UnlistDevice):
            after.discard(step.path)
    return sorted(before), sorted(after)


def plan_absent(sight: LvmSight) -> LvmPlan:
    """Plan that LVM is configured as it was before. Nothing is activated by that, and nothing deactivated."""
    steps: list[LvmStep] = []
    goes = _goes(sight) and sight.devices_file
    if goes:
        steps.append(RemoveDevicesFile())  # before the block, which is what tells that it was ours
    if sight.setting is not None:
        steps.append(RemoveSetting())
    old = sight.setting is not None or OLD_INITRAMFS in sight.begun
    boot, told = _initramfs(sight, sight.initramfs.copies and old)
    return LvmPlan(
        steps=(*steps, *boot),
        before={"setting": _words(sight.setting), "devices_file": sight.devices_file, "initramfs": _age(boot)},
        after={"setting": None, "devices_file": sight.devices_file and not goes, "initramfs": "current"},
        own={},
        warnings=told,
    )


def _method(sight: LvmSight, asked: str) -> str:
    if asked == "auto":
        return DEVICES_FILE if sight.knows_devices_file else FILTER
    if asked == DEVICES_FILE and not sight.knows_devices_file:
        raise UnavailableError(
            "method devices_file: the LVM of this host knows no devices file (it came with 2.03.12); use method filter"
        )
    return asked


def _setting(sight: LvmSight, method: str, devices: list[SeenPv]) -> Setting:
    known = sight.setting
    if method == FILTER:
        if sight.global_filter:
            raise RefusedError(
                f"devices/global_filter is set by somebody else ({sight.global_filter}), and would lose its effect; "
                "remove it, or use method devices_file",
                global_filter=sight.global_filter,
            )
        return Setting(FILTER, tuple(sorted(map(_pattern, devices))), False, sight.knows_devices_file)
    made = (
        known.devices_file_made
        if known and known.method == DEVICES_FILE
        else (not sight.devices_file or MADE_FILE in sight.begun)
    )
    return Setting(DEVICES_FILE, devices_file_made=made)


def _goes(sight: LvmSight) -> bool:
    """Tell whether the devices file was ours alone."""
    return MADE_FILE in sight.begun or bool(sight.setting and sight.setting.devices_file_made)


def _config_steps(
    sight: LvmSight, setting: Setting, devices: list[SeenPv], unwanted: Mapping[str, SeenPv]
) -> list[LvmStep]:
    steps: list[LvmStep] = []
    astray = sight.visible & set(unwanted)
    if setting.method == DEVICES_FILE:
        if sight.devices_file:
            steps += [ListDevice(pv.path, pv.device, pv.vg_name) for pv in devices if pv.device not in sight.listed]
            steps += [
                UnlistDevice(sight.listed[name], pv.vg_name) for name, pv in unwanted.items() if name in sight.listed
            ]
        astray -= set(sight.listed)
    if sight.setting != setting or astray:
        steps.append(WriteSetting(setting))
    if setting.method == DEVICES_FILE and not sight.devices_file:
        # After the setting: an LVM that is to use no devices file puts away one that it finds (2.03.31).
        steps.append(MakeDevicesFile(tuple(ListDevice(pv.path, pv.device, pv.vg_name) for pv in devices)))
    if setting.method == FILTER and _goes(sight) and sight.devices_file:
        steps.append(RemoveDevicesFile())
    return steps


def _initramfs(sight: LvmSight, wanted: bool) -> tuple[tuple[LvmStep, ...], tuple[str, ...]]:
    """Return the step that updates the initramfs, or the warning that somebody has to look first.

    Where / or /usr is on LVM the host does not boot when the initramfs does not find them: that is not done unseen.
    """
    if not wanted:
        return (), ()
    names = [vg.name for vg in sight.vgs if vg.uuid in sight.boots_from]
    if sight.boots_from:
        advice = (
            f"/ or /usr is on volume group {', '.join(names)}, and the initramfs has an older copy of LVM's "
            "configuration: it was left as it is. Check with `lvm pvs` that every PV of that group is seen, then run "
            "`update-initramfs -u`; do so again whenever the group gets another PV"
        )
        return (), (advice,)
    return (RefreshInitramfs(),), ()


def _age(refresh: tuple[LvmStep, ...]) -> str:
    return "stale" if refresh else "current"


def _state(
    sight: LvmSight, setting: Setting | None, visible: Iterable[str], deactivated: frozenset[str] = frozenset()
) -> dict[str, Any]:
    shown = frozenset(visible)
    return {
        "setting": _words(setting),
        "devices_file": sight.devices_file,
        "volume_groups": {
            f"{vg.name} ({vg.uuid})": {
                "devices": {pv.path: "used" if pv.device in shown else "hidden" for pv in vg.pvs},
                "active": [] if vg.uuid in deactivated else sorted(lv.name for lv in vg.active),
            }
            for vg in sight.vgs
        },
    }


def _words(setting: Setting | None) -> dict[str, Any] | None:
    if setting is None:
        return None
    return {"method": setting.method, **({"devices": list(setting.patterns)} if setting.method == FILTER else {})}
