# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LVM as its own tools report it, in JSON, each tool asked once.

The tools read devices: a LUN that does not answer can hold them up. Hence a deadline, and facts
without LVM where it passes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import block, dm
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.plugins.module_utils._model.lvm import LogicalVolume, Lvm, PhysicalVolume, VolumeGroup

_COLUMNS = {
    "pvs": "pv_uuid,pv_name,pv_size,dev_size,vg_name,vg_uuid",
    "vgs": "vg_uuid,vg_name,vg_size,vg_free",
    "lvs": "lv_uuid,lv_name,vg_name,lv_path,lv_size,lv_active",
}
_ROWS = {"pvs": "pv", "vgs": "vg", "lvs": "lv"}


Identify = Callable[[str], Optional[Wwid]]
"""Returns the identity of the logical unit on a path under /dev, None for a local disk."""


def read_lvm(host: Host, units: Iterable[LogicalUnit], deadline: float) -> Lvm:
    """Return all that LVM reports, its physical volumes with the identity of the one of `units` they lie on.

    `deadline` is seconds for all three tools together.

    Raises UnavailableError where LVM is not installed, CommandError when it fails or is late.
    """
    until = host.clock.monotonic() + deadline
    told = {}
    for tool in _COLUMNS:
        left = max(until - host.clock.monotonic(), 0.1)
        told[tool] = _ask(host, tool, left)
    wwids = {name: unit.wwid for unit in units for name in unit.kernel_names}

    def identify(path: str) -> Wwid | None:
        name = block.kernel_name(host, path) or ""
        return wwids.get(name) or dm.read_wwid(host, name)

    return compose(told["pvs"], told["vgs"], told["lvs"], identify)


def _ask(host: Host, tool: str, deadline: float) -> list[dict[str, Any]]:
    argv = [tool, "--reportformat", "json", "--units", "b", "--nosuffix", "-o", _COLUMNS[tool]]
    return parse_report(host.run(argv, deadline).stdout, _ROWS[tool])


def parse_report(text: str, kind: str) -> list[dict[str, Any]]:
    """Return the rows of a JSON report; `kind` is pv, vg or lv. Raises CommandError when it is none."""
    try:
        return [row for part in json.loads(text)["report"] for row in part.get(kind, ())]
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise CommandError(f"LVM's report makes no sense: {wrong!r}", command=f"{kind}s") from wrong


def compose(pvs: list[dict[str, Any]], vgs: list[dict[str, Any]], lvs: list[dict[str, Any]], identify: Identify) -> Lvm:
    """Return the volumes in three reports, as one picture."""
    members: dict[str, list[PhysicalVolume]] = {}  # by UUID: two groups of one name can meet on a host
    for row in pvs:
        members.setdefault(row.get("vg_uuid") or "", []).append(_physical(row, identify))
    return Lvm(
        vgs=tuple(_group(row, tuple(members.get(row["vg_uuid"], ()))) for row in vgs),
        lvs=tuple(_logical(row) for row in lvs),
        free_pvs=tuple(members.get("", ())),
    )


def _physical(row: Mapping[str, Any], identify: Identify) -> PhysicalVolume:
    # A PV in no group has pv_size 0 in some releases: then it is the size of its device.
    size = _bytes(row.get("pv_size")) or _bytes(row.get("dev_size"))
    path = row["pv_name"]
    return PhysicalVolume(row["pv_uuid"], path, size, row.get("vg_name") or None, identify(path))


def _group(row: Mapping[str, Any], members: tuple[PhysicalVolume, ...]) -> VolumeGroup:
    return VolumeGroup(row["vg_uuid"], row["vg_name"], _bytes(row["vg_size"]), _bytes(row["vg_free"]), members)


def _logical(row: Mapping[str, Any]) -> LogicalVolume:
    return LogicalVolume(
        uuid=row["lv_uuid"],
        name=row["lv_name"],
        vg=row["vg_name"],
        path=row.get("lv_path") or None,
        size=_bytes(row["lv_size"]),
        active=str(row.get("lv_active", "")).startswith("active"),
    )


def _bytes(text: Any) -> int:
    return int(text) if str(text or "").isdigit() else 0


def refuse_dead(units: Iterable[LogicalUnit]) -> None:
    """Raise UnavailableError where a command of LVM would open a map that swallows its reads for ever.

    Where multipathd does not tell whether a map queues, it may.
    """
    dead = [unit for unit in units if unit.map and unit.map.queueing not in ("off", "-") and not _alive(unit)]
    if dead:
        names = ", ".join(f"{unit.device} ({unit.wwid})" for unit in dead)
        raise UnavailableError(
            f"{names}: no path works, and the map queues or multipathd does not say: LVM could wait for it without "
            "end. Restore a path, or flush the map (virt.san.multipath_devices, state absent), then run again",
            wwids=[unit.wwid for unit in dead],
        )


def _alive(unit: LogicalUnit) -> bool:
    return any(path.usable for path in unit.paths)
