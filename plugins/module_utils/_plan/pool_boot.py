# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be there so that a pool starts at boot, and what has to go with the last one that does. Pure.

That a pool starts at boot is said by its unit being enabled, and by nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.pool_boot import PROGRAM, SERVICE, unit_name
from ansible_collections.virt.san.plugins.module_utils._model.units import POOLS, TARGET
from ansible_collections.virt.san.plugins.module_utils._plan.keep_steps import (
    DisableUnit,
    EnableForBoot,
    KeepPlan,
    KeepStep,
    ReloadUnits,
    RemoveFile,
    RemoveFolders,
    StopUnit,
    WriteFile,
)

WHAT = {PROGRAM: "program that starts pools at boot", SERVICE: "unit for it", TARGET: "target for what needs vHBAs"}
SHARED = (PROGRAM, SERVICE, TARGET)
"""What all pools share that start at boot: there with the first, gone with the last."""


@dataclass(frozen=True)
class BootSeen:
    """What a host has to start one pool at boot."""

    name: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Of what is shared, what is there."""
    others: bool = False
    """Other pools start at boot."""
    vhbas: bool = False
    """vHBAs are made at boot, and need the target as well."""
    folders: tuple[str, ...] = ()
    """Of those for the files, the ones that nobody else keeps something in."""
    enabled: bool = False
    at_work: bool = False
    """The program is about to start the pool, or waits until it can."""
    there: bool = False
    """systemd has something to do with the unit."""
    stale: bool = False
    """systemd has read other unit files than those that are there."""


def plan_started(seen: BootSeen, shared: Mapping[str, bytes]) -> KeepPlan:
    """Return what has a pool started at boot. `shared`: contents of the files that all such pools share."""
    steps: list[KeepStep] = [
        WriteFile(path, shared[path], WHAT[path]) for path in SHARED if seen.files.get(path) != shared[path]
    ]
    units_written = any(isinstance(step, WriteFile) and step.path != PROGRAM for step in steps)
    if not seen.enabled:
        steps.append(EnableForBoot(unit_name(seen.name)))  # which has the files read, too
    elif units_written or seen.stale:
        steps.append(ReloadUnits())
    return KeepPlan(tuple(steps), _shown(seen, seen.files, seen.enabled), _shown(seen, shared, enabled=True))


def plan_not_started(seen: BootSeen) -> KeepPlan:
    """Return what has a pool no longer started at boot; with the last one goes all that is shared."""
    steps: list[KeepStep] = []
    if seen.enabled or seen.there:
        steps.append(DisableUnit(unit_name(seen.name)))
    files = seen.files
    if not seen.others:
        removing = tuple(_remove_shared(seen))
        steps.extend(removing)
        files = {path: content for path, content in files.items() if RemoveFile(path) not in removing}
    return KeepPlan(tuple(steps), _shown(seen, seen.files, seen.enabled), _shown(seen, files, enabled=False))


def _remove_shared(seen: BootSeen) -> Iterator[KeepStep]:
    going = [path for path in reversed(SHARED) if path in seen.files and not (path == TARGET and seen.vhbas)]
    if TARGET in going:
        yield StopUnit(POOLS)
    for path in going:
        yield RemoveFile(path)
    if PROGRAM in going and seen.folders:
        yield RemoveFolders(seen.folders)
    if SERVICE in going or TARGET in going:
        yield ReloadUnits()


def _shown(seen: BootSeen, files: Mapping[str, bytes], enabled: bool) -> dict[str, Any]:
    """Return it as a person compares it: the program by its digest."""
    told = {
        path: hashlib.sha256(files[path]).hexdigest() if path == PROGRAM else files[path].decode("utf-8", "replace")
        for path in SHARED
        if path in files
    }
    return {"boot": {"unit": unit_name(seen.name) if enabled else None, "files": told}}
