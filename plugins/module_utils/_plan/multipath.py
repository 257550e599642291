# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which multipath devices to make, name and grow. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import InputError, RefusedError, WaitTimeoutError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, MultipathMap
from ansible_collections.virt.san.plugins.module_utils._model.fabric import SAN_TRANSPORTS
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid, format_size
from ansible_collections.virt.san.plugins.module_utils._model.multipath import (
    SECTIONS,
    DropIn,
    MultipathState,
    Settings,
    Skipped,
    WantedDevice,
    WantedMaps,
)
from ansible_collections.virt.san.plugins.module_utils._plan.guard import (
    blocking,
    label,
    only_unit,
    paths_of,
    refuse_in_use,
)
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import (
    AddPaths,
    CreateMap,
    Reconfigure,
    ReloadMap,
    ResizeMap,
    WriteDropIn,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan, Step

BY_MULTIPATHD = "(multipathd chooses it)"
"""Stands in a plan for a name that is not known before the map is there."""


@dataclass(frozen=True)
class MapsPlan(Plan):
    """A plan about multipath devices."""

    concerned: tuple[Wwid, ...] = ()
    """The devices asked for."""
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class _Target:
    """A unit that shall have a map, and how."""

    unit: LogicalUnit
    wanted: WantedDevice
    named: bool
    """Asked for by its WWID; otherwise it is just one of all."""

    @property
    def wwid(self) -> Wwid:
        return self.wanted.wwid


def plan_present(state: MultipathState, wanted: WantedMaps) -> MapsPlan:
    """Return what makes the wanted maps.

    Raises InputError for a list that contradicts itself, NotFoundError and WaitTimeoutError for units
    and paths that are not there, IdentityError, InUseError and RefusedError for what must not be done.
    """
    targets, skipped = _targets(state, wanted)
    drop_in = _drop_in(state, wanted, targets)
    for target in targets:
        _refuse_alias(state, drop_in, target)
    renames = tuple(rename for target in targets for rename in _rename(state, drop_in, target))
    renamed = {wwid for wwid, _old, _new in renames}
    refuse_in_use((target.unit for target in targets if target.wwid in renamed), "renaming")
    grown, not_grown = _resizes(targets) if wanted.resize else ({}, ())
    steps = [
        *_configuration_steps(state, drop_in, targets, renames),
        *(_create(drop_in, target) for target in targets if target.unit.map is None),
        *(step for target in targets for step in _add_paths(state, target)),
        *(step for target in targets for step in _reload(target)),
        *(ResizeMap(wwid, found.name, found.dm, size) for wwid, (found, size) in grown.items()),
    ]
    before = _state(state.drop_in, state.drop_in.settings, {t.wwid: _now(state, t) for t in targets}, state.pending)
    after_maps = {t.wwid: _then(state, drop_in, t, renames, grown) for t in targets}
    after = _state(drop_in, drop_in.settings, after_maps, pending=False)
    return MapsPlan(
        steps=tuple(steps),
        before=before,
        after=after,
        warnings=_warnings(state, drop_in),
        concerned=tuple(target.wwid for target in targets),
        skipped=(*skipped, *not_grown),
    )


# Which units


def _targets(state: MultipathState, wanted: WantedMaps) -> tuple[list[_Target], tuple[Skipped, ...]]:
    if wanted.devices is not None:
        _refuse_repetitions(wanted.devices)
        return [_named(state, device) for device in wanted.devices], ()
    targets, skipped = [], []
    for unit in state.san.luns:
        if not unit.paths or not {path.transport for path in unit.paths} <= set(SAN_TRANSPORTS):
            continue
        reason = unit.problem or _read_only(state, unit) or ("" if unit.map else _unfit(state, unit)) or _local(unit)
        if reason or unit.wwid is None:
            skipped.append(Skipped(unit.wwid, reason or "it has no usable identity", unit.device))
        else:
            targets.append(_Target(unit, WantedDevice(unit.wwid), named=False))
    return targets, tuple(skipped)


def _refuse_repetitions(devices: tuple[WantedDevice, ...]) -> None:
    given: dict[str, list[str]] = {
        "WWID": [device.wwid for device in devices],
        "alias": [device.alias for device in devices if device.alias],
    }
    for what, values in given.items():
        repeated = sorted({value for value in values if values.count(value) > 1})
        if repeated:
            raise InputError(f"devices: the {what} {', '.join(repeated)} is given more than once", option="devices")


def _named(state: MultipathState, wanted: WantedDevice) -> _Target:
    unit = only_unit(state.san, wanted.wwid)
    usable = [path for path in unit.paths if path.usable]
    expected = wanted.paths or 1
    if len(usable) < expected:
        raise WaitTimeoutError(
            f"{label(unit)}: {len(usable)} of {expected} expected paths are usable; the paths seen: {paths_of(unit)}. "
            "Look at zoning, the mapping on the array, and the links",
            wwid=wanted.wwid,
            expected=expected,
            paths=[path.to_dict() for path in unit.paths],
        )
    if unit.map is None:
        refuse_in_use([unit], "making a multipath device")
    reason = _read_only(state, unit) or ("" if unit.map else _unfit(state, unit))
    if reason:
        raise RefusedError(f"{label(unit)} cannot be a multipath device to work with: {reason}", wwid=wanted.wwid)
    return _Target(unit, wanted, named=True)


def _unfit(state: MultipathState, unit: LogicalUnit) -> str:
    """Return why a unit without a map cannot get one, or ""."""
    uses = blocking(unit)
    if uses:
        return f"it is in use: {', '.join(map(str, uses))}"
    if not any(path.usable for path in unit.paths):
        return f"it has no usable path: {paths_of(unit)}"
    if not any(path.device in state.monitored for path in unit.paths):
        return "multipathd ignores its paths (a blacklist; `multipathd show blacklist` lists them)"
    sizes = {path.size for path in unit.paths if path.usable}
    if len(sizes) > 1 or 0 in sizes:
        told = ", ".join(f"{path.device} {format_size(path.size)}" for path in unit.paths)
        return f"its paths do not agree on a size ({told}): rescan them (virt.san.scsi_rescan)"
    return ""


def _read_only(state: MultipathState, unit: LogicalUnit) -> str:
    paths = [path.device for path in unit.paths if path.device in state.read_only_paths]
    return f"its paths are read-only ({', '.join(paths)}): the array maps it so" if paths else ""


def _local(unit: LogicalUnit) -> str:
    """A SAS disk of the host's own looks like a LUN with one path: it gets a map only if named."""
    if unit.map is None and len(unit.paths) == 1 and unit.paths[0].transport == "sas":
        return "a SAS disk with one path, likely the host's own; name it by its WWID if it is not"
    return ""


# Configuration


def _drop_in(state: MultipathState, wanted: WantedMaps, targets: Iterable[_Target]) -> DropIn:
    """Return our drop-in as it shall be: every unit that is named or made here is recorded."""
    devices = {}
    for target in targets:
        if target.named or target.unit.map is None:
            recorded = state.drop_in.devices.get(target.wwid, "")
            devices[target.wwid] = recorded if target.wanted.alias is None else target.wanted.alias
    return state.drop_in.with_settings(wanted.settings).with_devices(devices)


def _refuse_alias(state: MultipathState, drop_in: DropIn, target: _Target) -> None:
    alias = drop_in.devices.get(target.wwid, "")
    if not alias:
        return
    others = [claim for claim in state.claims if claim.alias == alias and claim.wwid != target.wwid]
    takers = [f"{claim.where} gives it to {claim.wwid}" for claim in others]
    uuid = state.dm_names.get(alias)
    if uuid is not None and uuid != f"mpath-{target.wwid}":
        takers.append(f"the device /dev/mapper/{alias} has it ({uuid or 'without uuid'})")
    for wwid, other in drop_in.devices.items():
        if other == alias and wwid != target.wwid:
            takers.append(f"it was given to {wwid} by this collection (state absent, or another alias, frees it)")
    if takers:
        raise RefusedError(
            f"the alias {alias} for {target.wwid} is taken: {'; '.join(takers)}. Choose another alias",
            wwid=target.wwid,
            alias=alias,
            taken_by=takers,
        )


def _rename(state: MultipathState, drop_in: DropIn, target: _Target) -> Iterable[tuple[Wwid, str, str]]:
    """Yield (WWID, name now, name then) when a named unit's map has another name than it shall have."""
    found = target.unit.map
    if found is None or not target.named:
        return
    alias = drop_in.devices.get(target.wwid, "")
    loses = not alias and found.name == state.drop_in.devices.get(target.wwid)
    if (alias and found.name != alias) or loses:
        yield target.wwid, found.name, alias


def _configuration_steps(
    state: MultipathState, drop_in: DropIn, targets: list[_Target], renames: tuple[tuple[Wwid, str, str], ...]
) -> list[Step]:
    """multipathd reads its configuration again only for what it must know, never for our record alone."""
    stale = any(_stale(state, drop_in, target.wwid) for target in targets if target.unit.map is None)
    load = drop_in.effective != state.drop_in.effective
    steps: list[Step] = [WriteDropIn(drop_in, load)] if drop_in != state.drop_in else []
    if load or stale or renames or state.pending:
        steps.append(Reconfigure(renames))
    return steps


def _stale(state: MultipathState, drop_in: DropIn, wwid: Wwid) -> bool:
    """Tell whether multipathd would give a new map another alias than it shall have.

    `state: absent` leaves the alias in multipathd's memory, where it does no harm until then.
    """
    alias, running = drop_in.devices.get(wwid, ""), state.running_aliases.get(wwid, "")
    if alias or not running:
        return alias != running
    return not any(claim.wwid == wwid and claim.alias == running for claim in state.claims)


# Maps


def _create(drop_in: DropIn, target: _Target) -> CreateMap:
    devices = tuple(path.device for path in target.unit.paths if path.usable)
    return CreateMap(target.wwid, drop_in.devices.get(target.wwid, ""), devices)


def _missing(state: MultipathState, target: _Target) -> tuple[str, ...]:
    """Return the usable paths that are not in the map they belong to."""
    paths = target.unit.unmapped_paths if target.unit.map else ()
    return tuple(path.device for path in paths if path.usable and path.device in state.monitored)


def _add_paths(state: MultipathState, target: _Target) -> Iterable[AddPaths]:
    missing = _missing(state, target)
    if missing and target.unit.map:
        yield AddPaths(target.wwid, target.unit.map.name, missing)


def _reload(target: _Target) -> Iterable[ReloadMap]:
    if target.unit.map and target.unit.map.read_only:
        yield ReloadMap(target.wwid, target.unit.map.name)


def _resizes(targets: Iterable[_Target]) -> tuple[dict[Wwid, tuple[MultipathMap, int]], tuple[Skipped, ...]]:
    """Return the maps to grow and their sizes; a named one that cannot be judged is an error, another is skipped."""
    grown: dict[Wwid, tuple[MultipathMap, int]] = {}
    skipped = []
    for target in targets:
        found = target.unit.map
        if found is None:
            continue
        reason = _no_resize(target.unit, found)
        if reason and target.named:
            raise RefusedError(f"{label(target.unit)} cannot be resized: {reason}", wwid=target.wwid)
        if reason:
            skipped.append(Skipped(target.wwid, f"not resized: {reason}", target.unit.device))
            continue
        size = next((path.size for path in target.unit.paths if path.usable), found.size)
        if size != found.size:
            grown[target.wwid] = (found, size)
    return grown, tuple(skipped)


def _no_resize(unit: LogicalUnit, found: MultipathMap) -> str:
    """Return why a map's size cannot follow its paths, or "".

    Where the usable paths have the map's size there is nothing to follow. Where they do not, all paths must
    be usable and agree: a path that is down keeps its old size, and multipathd may believe that one.
    """
    usable = [path for path in unit.paths if path.usable]
    sizes = {path.size for path in usable}
    if not usable or sizes == {found.size}:
        return ""
    told = ", ".join(f"{path.device} {format_size(path.size)}, {path.state}" for path in unit.paths)
    if len(usable) < len(unit.paths):
        return f"not all of its paths are usable ({told})"
    if len(sizes) > 1 or 0 in sizes:
        return f"its paths do not agree on a size ({told})"
    if min(sizes) < found.size:
        return (
            f"its paths have {format_size(min(sizes))}, less than the device's {format_size(found.size)}: "
            "a device is never shrunk, it would lose data"
        )
    return ""


# State as a person compares it


def _now(state: MultipathState, target: _Target) -> dict[str, Any]:
    found = target.unit.map
    return {
        "name": found.name if found else None,
        "paths": sorted(found.slaves) if found else [],
        "size": found.size if found else None,
        "read_only": found.read_only if found else None,
        "recorded": target.wwid in state.drop_in.devices,
    }


def _then(
    state: MultipathState,
    drop_in: DropIn,
    target: _Target,
    renames: tuple[tuple[Wwid, str, str], ...],
    grown: dict[Wwid, tuple[MultipathMap, int]],
) -> dict[str, Any]:
    unit, found = target.unit, target.unit.map
    name = found.name if found else drop_in.devices.get(target.wwid, "")
    for wwid, _old, new in renames:
        name = new if wwid == target.wwid else name
    if not name:
        name = BY_MULTIPATHD if state.user_friendly_names else target.wwid
    paths = (*found.slaves, *_missing(state, target)) if found else [path.device for path in unit.paths if path.usable]
    made = next((path.size for path in unit.paths if path.usable), unit.size)
    size = grown[target.wwid][1] if target.wwid in grown else found.size if found else made
    return {
        "name": name,
        "paths": sorted(paths),
        "size": size,
        "read_only": False,
        "recorded": target.wwid in drop_in.devices,
    }


def _state(drop_in: DropIn, settings: Settings, maps: dict[Wwid, dict[str, Any]], pending: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"maps": maps, "settings": {section: dict(settings[section]) for section in settings}}
    told["aliases"] = {wwid: alias for wwid, alias in sorted(drop_in.devices.items()) if alias}
    told["read_by_multipathd"] = not pending
    return told


def _warnings(state: MultipathState, drop_in: DropIn) -> tuple[str, ...]:
    option = "user_friendly_names"
    old = {section: state.drop_in.settings.get(section, {}).get(option) for section in SECTIONS}
    new = {section: drop_in.settings.get(section, {}).get(option) for section in SECTIONS}
    if old == new:
        return ()
    return (f"{option} changes: multipathd renames the maps that have no alias, those in use included",)
