# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Multipathing of a host in the model's terms, and what multipathd makes of a plan's steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, MultipathMap, Path, San, Use
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid
from ansible_collections.virt.san.plugins.module_utils._model.multipath import DropIn, MultipathState
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import (
    AddPaths,
    CreateMap,
    FlushMap,
    ForgetWwid,
    Reconfigure,
    ResizeMap,
    WriteDropIn,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step

GIB = 2**30
MOUNTED = Use("mount", "/dev/mapper/x", "/srv")


def wwid(number: int) -> Wwid:
    return Wwid(f"36001405{number:025d}")


def path(device: str, number: int, **facts: Any) -> Path:
    """Return a running FC path to unit `number`."""
    told: dict[str, Any] = {
        "device": device,
        "hctl": Hctl(2, 0, 0, number),
        "state": "running",
        "transport": "fc",
        "hba": "host2",
        "initiator": "2100000000000001",
        "target": "5000000000000001",
        "portal": None,
        "size": GIB,
        "wwid": wwid(number),
        "checker": None,
    }
    return Path(**{**told, **facts})


def unit(
    number: int, *, name: str | None = None, paths: int = 2, uses: tuple[Use, ...] = (), **facts: Any
) -> LogicalUnit:
    """Return a unit with that many paths and, if `name` is given, a map over all of them."""
    ways = facts.pop("ways", None) or tuple(path(f"sd{chr(97 + number)}{index}", number) for index in range(paths))
    size = facts.pop("size", GIB)
    held = None
    if name is not None:
        held = MultipathMap(name, f"dm-{number}", wwid(number), tuple(way.device for way in ways), size)
    return LogicalUnit(wwid(number), ways, size, held, uses=uses, **facts)


def state(*units: LogicalUnit, **facts: Any) -> MultipathState:
    """Return a host with these units, all of whose paths multipathd monitors."""
    told: dict[str, Any] = {
        "monitored": frozenset(way.device for one in units for way in one.paths),
        "dm_names": {one.map.name: f"mpath-{one.wwid}" for one in units if one.map},
        "remembered": frozenset(one.wwid for one in units if one.map),
        "running_aliases": {key: alias for key, alias in facts.get("drop_in", DropIn()).devices.items() if alias},
    }
    return MultipathState(San(luns=units, multipath_running=True), **{**told, **facts})


def apply(before: MultipathState, steps: Iterable[Step]) -> MultipathState:
    """Return the host after the steps, as multipathd carries them out."""
    after = before
    for step in steps:
        after = _step(after, step)
    names = {one.map.name: f"mpath-{one.wwid}" for one in after.san.luns if one.map}
    others = {name: uuid for name, uuid in before.dm_names.items() if not uuid.startswith("mpath-")}
    return replace(after, dm_names={**others, **names})


def _step(now: MultipathState, step: Step) -> MultipathState:
    if isinstance(step, WriteDropIn):
        assert step.content != now.drop_in
        return replace(now, drop_in=step.content, pending=now.pending or step.load)
    if isinstance(step, Reconfigure):
        return _reconfigure(now)
    if isinstance(step, ForgetWwid):
        return replace(now, remembered=now.remembered - {step.wwid})
    assert isinstance(step, (CreateMap, AddPaths, ResizeMap, FlushMap))
    one = now.unit(step.wwid)
    assert one is not None
    if isinstance(step, CreateMap):
        assert one.map is None
        assert not one.uses or all(use.kind == "partition" for use in one.uses)
        name = now.running_aliases.get(step.wwid) or step.wwid
        sizes = {way.size for way in one.paths if way.device in step.devices}
        assert len(sizes) == 1, "multipathd makes no map of paths that differ in size"
        made = MultipathMap(name, "dm-99", step.wwid, step.devices, sizes.pop())
        return replace(_put(now, replace(one, map=made)), remembered=now.remembered | {step.wwid})
    assert one.map is not None
    if isinstance(step, FlushMap):
        assert not any(use.active and use.kind != "partition" for use in one.uses)
        return _put(now, replace(one, map=None))
    if isinstance(step, AddPaths):
        return _put(now, replace(one, map=replace(one.map, slaves=(*one.map.slaves, *step.devices))))
    assert step.size > one.map.size, "a shrink"
    return _put(now, replace(one, size=step.size, map=replace(one.map, size=step.size)))


def _reconfigure(now: MultipathState) -> MultipathState:
    aliases: Mapping[str, str] = {
        **{claim.wwid: claim.alias for claim in now.claims},
        **{key: alias for key, alias in now.drop_in.devices.items() if alias},
    }
    units = [
        replace(one, map=replace(one.map, name=aliases.get(str(one.wwid)) or str(one.wwid))) if one.map else one
        for one in now.san.luns
    ]
    return replace(now, san=replace(now.san, luns=tuple(units)), running_aliases=aliases, pending=False)


def _put(now: MultipathState, changed: LogicalUnit) -> MultipathState:
    units = tuple(changed if one.wwid == changed.wwid else one for one in now.san.luns)
    return replace(now, san=replace(now.san, luns=units))
