# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host follows a LUN that has grown. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError, WaitTimeoutError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path
from ansible_collections.virt.san.plugins.module_utils._model.ids import format_size
from ansible_collections.virt.san.plugins.module_utils._plan.guard import label
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import ResizeMap
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan, Step


@dataclass(frozen=True)
class RereadPaths:
    """Have the kernel ask paths for their size and identity again. Asking alone changes nothing."""

    paths: tuple[Path, ...]

    def describe(self) -> str:
        return f"ask {', '.join(path.device for path in self.paths)} for size and identity again"


def plan_grow(before: LogicalUnit, now: LogicalUnit, wanted: int | None, asked: bool) -> Plan:
    """Return what makes the host show a unit's size.

    `before`: the unit before its paths were read again, `now`: after that; `asked`: whether they were (in check
    mode they are not, and what the LUN is wanted to be is believed). `wanted`: bytes; None: whatever it is.

    Raises RefusedError where the device would shrink or its paths cannot be trusted with a size,
    WaitTimeoutError where the LUN has not the wanted size.
    """
    steps: list[Step] = [RereadPaths(tuple(path for path in before.paths if path.state == "running"))]
    size = _size(before, now, wanted, asked)
    if now.map is not None and now.map.size != size:
        steps.append(ResizeMap(now.map.wwid, now.map.name, now.map.dm, size))
    return Plan(
        steps=tuple(steps),
        before={"luns": {key(before): _state(before)}},
        after={"luns": {key(before): _then(before, size)}},
    )


def refuse_shrunk(before: LogicalUnit, now: LogicalUnit) -> None:
    """Raise RefusedError when the LUN has become smaller than the device on this host."""
    smaller = [path for path in now.paths if 0 < path.size < before.size and path.usable]
    if smaller:
        told = ", ".join(f"{path.device} {format_size(path.size)}" for path in smaller)
        raise RefusedError(
            f"{label(before)} has shrunk on the array, from {format_size(before.size)} ({told}): what lay beyond is "
            "lost already, and a device is never made smaller here. Have the array restore the size before "
            "anything writes to it; or remove the LUN (state: absent) and scan it anew",
            wwid=before.wwid,
            size_before=before.size,
            size_after=min(path.size for path in smaller),
        )


def _size(before: LogicalUnit, now: LogicalUnit, wanted: int | None, asked: bool) -> int:
    """Return the size the unit is to have."""
    refuse_shrunk(before, now)
    if wanted is not None and wanted < now.size:
        raise RefusedError(
            f"{label(now)} has {format_size(now.size)}, more than the {format_size(wanted)} asked for: a device is "
            "never made smaller",
            wwid=now.wwid,
        )
    if wanted is not None and not asked and wanted > now.size:
        return wanted
    sizes = {path.size for path in now.paths if path.usable}
    if not sizes or sizes == {now.size} == {wanted or now.size}:
        # Nothing to follow: what is down neither helps nor harms.
        return _as_wanted(now, now.size, wanted)
    told = ", ".join(f"{path.device} {format_size(path.size)}, {_condition(path)}" for path in now.paths)
    if sizes == {0}:
        raise RefusedError(
            f"{label(now)} tells no size any more ({told}): the array may have taken it away from this host. "
            "probe: true asks the target",
            wwid=now.wwid,
        )
    if any(not path.usable for path in now.paths):
        raise RefusedError(
            f"{label(now)} cannot grow: not all of its paths are usable ({told}), and one that is not keeps its old "
            "size. Bring it back, or remove it if it is stale (state: absent with probe: true)",
            wwid=now.wwid,
        )
    if len(sizes) > 1 or 0 in sizes:
        raise RefusedError(f"{label(now)} cannot grow: its paths do not agree on a size ({told})", wwid=now.wwid)
    return _as_wanted(now, sizes.pop(), wanted)


def _as_wanted(now: LogicalUnit, size: int, wanted: int | None) -> int:
    if wanted is not None and size != wanted:
        raise WaitTimeoutError(
            f"{label(now)} has {format_size(size)}, not the {format_size(wanted)} asked for; was it grown on the "
            "array, and to exactly that size? Arrays round: compare with what the storage team says",
            wwid=now.wwid,
            size=size,
        )
    return size


def _condition(path: Path) -> str:
    return path.state if path.checker is None else f"{path.state}, {path.checker}"


def key(unit: LogicalUnit) -> str:
    """Return the name of a unit in the states of a plan."""
    return unit.wwid or ", ".join(str(path.hctl) for path in unit.paths)


def _state(unit: LogicalUnit) -> dict[str, Any]:
    return {"size": unit.size, "paths": {path.device: path.size for path in unit.paths}}


def _then(unit: LogicalUnit, size: int) -> dict[str, Any]:
    """A path that cannot be asked keeps its size; then the size is the one it has."""
    paths = {path.device: size if path.state == "running" else path.size for path in unit.paths}
    return {"size": size, "paths": paths}
