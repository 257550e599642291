# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be kept on a host so that a virtual HBA outlasts a reboot, and what has to go with it. Pure.

The order lets a run that was killed be run again, and a boot in between do no harm: a unit is enabled when all it
needs is there, and is ended and disabled before anything of that goes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model import definitions
from ansible_collections.virt.san.plugins.module_utils._model.definitions import (
    PROGRAM,
    SERVICE,
    definition_path,
    unit_name,
)
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.plugins.module_utils._model.units import TARGET
from ansible_collections.virt.san.plugins.module_utils._plan.keep_steps import (
    DisableUnit,
    EnableUnit,
    KeepPlan,
    KeepStep,
    ReloadUnits,
    RemoveFile,
    WriteFile,
    remove_shared,
)

SHARED = (PROGRAM, SERVICE, TARGET)
"""What all definitions of a host share: there with the first, gone with the last."""


@dataclass(frozen=True)
class Kept:
    """What a host keeps of one vHBA."""

    wwpn: Wwn
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Of the definition and of what is shared, those that are there."""
    others: tuple[str, ...] = ()
    """WWPNs of the other definitions."""
    folders: tuple[str, ...] = ()
    """Of those for the files, the ones that are there."""
    enabled: bool = False
    active: str = "inactive"
    stale: bool = False
    """systemd has read other unit files than those that are there."""
    pools: bool = False
    """Pools start at boot, and need the target as well."""

    def text(self, path: str) -> str | None:
        content = self.files.get(path)
        return None if content is None else content.decode("utf-8", "replace")


def plan_kept(kept: Kept, vhba: WantedVhba, shared: Mapping[str, bytes]) -> KeepPlan:
    """Return what makes a vHBA outlast a reboot. `shared`: contents of the files that all definitions share."""
    name = unit_name(kept.wwpn)
    path = definition_path(kept.wwpn)
    text = definitions.definition_text(vhba)
    steps: list[KeepStep] = [
        WriteFile(one, shared[one], WHAT[one]) for one in SHARED if kept.files.get(one) != shared[one]
    ]
    units_written = any(isinstance(step, WriteFile) and step.path in (SERVICE, TARGET) for step in steps)
    if kept.text(path) != text:
        steps.append(WriteFile(path, text.encode(), f"definition of vHBA {kept.wwpn}"))
    if not kept.enabled or _state(kept) != "active":
        steps.append(EnableUnit(name))  # which has the files read, too
    elif units_written or kept.stale:
        steps.append(ReloadUnits())
    after = {
        "definition": text,
        "unit": name,
        "unit_state": "active",
        "files": {one: _shown(one, shared[one]) for one in SHARED},
    }
    return KeepPlan(tuple(steps), shown(kept), {"persistence": after})


def plan_gone(kept: Kept) -> KeepPlan:
    """Return what makes a host forget a vHBA; with the last one goes all that is shared."""
    steps: list[KeepStep] = []
    if kept.enabled or kept.active != "inactive":
        steps.append(DisableUnit(unit_name(kept.wwpn)))
    if definition_path(kept.wwpn) in kept.files:
        steps.append(RemoveFile(definition_path(kept.wwpn)))
    files: dict[str, Any] = {one: _shown(one, kept.files[one]) for one in SHARED if one in kept.files}
    if not kept.others:
        units = (SERVICE,) if kept.pools else (TARGET, SERVICE)
        removing = tuple(remove_shared(kept.files, units, PROGRAM, kept.folders))
        steps.extend(removing)
        files = {path: told for path, told in files.items() if RemoveFile(path) not in removing}
    after = {"definition": None, "unit": None, "unit_state": "inactive", "files": files}
    return KeepPlan(tuple(steps), shown(kept), {"persistence": after})


WHAT = {PROGRAM: "program that makes vHBAs at boot", SERVICE: "unit for it", TARGET: "target for what needs vHBAs"}


def shown(kept: Kept) -> dict[str, Any]:
    """Return what is kept as a person compares it."""
    files = {one: _shown(one, kept.files[one]) for one in SHARED if one in kept.files}
    return {
        "persistence": {
            "definition": kept.text(definition_path(kept.wwpn)),
            "unit": unit_name(kept.wwpn) if kept.enabled else None,
            "unit_state": _state(kept),
            "files": files,
        }
    }


def _state(kept: Kept) -> str:
    """Return whether the unit has done what it is for, or is at it; it stays active then."""
    return kept.active if kept.active in ("failed", "inactive") else "active"


def _shown(path: str, content: bytes) -> str:
    """Return a file for the diff: a program by its digest, anything else as it is."""
    return hashlib.sha256(content).hexdigest() if path == PROGRAM else content.decode("utf-8", "replace")
