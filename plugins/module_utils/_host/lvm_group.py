# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every volume group on the devices of this host, also those of other hosts, read past LVM's caches and filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host import block, lvm_conf
from ansible_collections.virt.san.plugins.module_utils._host.bare import exact_name, read_bare
from ansible_collections.virt.san.plugins.module_utils._host.host import Host, parse_properties
from ansible_collections.virt.san.plugins.module_utils._host.lvm import parse_report, refuse_dead
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Use
from ansible_collections.virt.san.plugins.module_utils._model.group import (
    Group,
    GroupPv,
    GroupSight,
    GroupVolume,
    system_id,
)
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import DEVICES_FILE, FILTER

_COLUMNS = {
    # Groups along with their PVs, of which each has one: every command reads all devices and all metadata anew.
    "pvs": "pv_uuid,pv_name,pv_size,dev_size,pv_used,pe_start,pv_missing,pv_duplicate,"
    "vg_uuid,vg_name,vg_size,vg_free,vg_extent_size,vg_systemid,vg_lock_type,vg_tags,vg_exported",
    "lvs": "lv_uuid,lv_name,vg_uuid,lv_path,lv_size,lv_active,lv_device_open,lv_layout,pool_lv,origin,"
    "data_percent,lv_snapshot_invalid,lv_skip_activation,lv_tags,lv_kernel_major,lv_kernel_minor,"
    "move_pv_uuid",
}
_ROWS = {"pvs": "pv", "lvs": "lv"}
_HIDDEN = "["
"""In front of the name of a volume that is LVM's own."""
_REPORT = ("--reportformat", "json", "--units", "b", "--nosuffix", "--foreign", "--shared")
INVALID, SKIPPED = ("snapshot invalid", "1"), ("skip activation", "1")
"""In words, or where lvm.conf has numbers for what is yes or no."""
PARTIAL = (0, 5)
"""Exit codes: 5 where something is wrong with some group; the report is there nevertheless."""


class _Machine(NamedTuple):
    host: Host
    wwids: Mapping[str, Wwid | None]
    uses: Mapping[str, tuple[Use, ...]]
    shared: frozenset[str]
    """Kernel names of LUNs."""


def read_groups(host: Host, units: Iterable[LogicalUnit], uses: bool = True) -> GroupSight:
    """Return all groups, with the identity of those of `units` that they are on.

    Without `uses`, for those who only look: neither who uses volumes, nor which devices LVM uses (`used`).

    Raises UnavailableError where LVM is not installed or would hang on a map without paths, CommandError.
    """
    luns = tuple(units)
    refuse_dead(luns)
    setting = lvm_conf.parse_block(lvm_conf.read_conf(host) or "")
    by_filter = setting is not None and setting.method == FILTER
    view = f"{lvm_conf.all_devices(by_filter)} report {{ mark_hidden_devices=1 }}"
    rows = {"pvs": _ask(host, "pvs", view), "lvs": _ask(host, "lvs", view, "--all")}
    active = [name for name in (_kernel(host, row) for row in _visible(rows["lvs"])) if name] if uses else []
    machine = _Machine(
        host,
        {name: unit.wwid for unit in luns for name in unit.kernel_names},
        {name: device.uses for name, device in read_bare(host, active).items()} if active else {},
        frozenset(name for unit in luns if unit.shared for name in unit.kernel_names),
    )
    groups, orphans = compose(machine, rows)
    used = [exact_name(host, row["pv_name"]) or "" for row in _ask(host, "pvs", None)] if uses else []
    listing = FILTER if by_filter else DEVICES_FILE if lvm_conf.read_devices_file(host) is not None else ""
    return GroupSight(
        system_id=read_system_id(host),
        groups=groups,
        orphans=orphans,
        used=frozenset(used) - {""},
        listing=listing,
        proposed_id=system_id(host.read("/proc/sys/kernel/hostname") or "", host.read("/etc/machine-id") or ""),
    )


def read_system_id(host: Host) -> str:
    """Return this host's system ID; empty where it has none."""
    told = parse_properties(host.run(["lvm", "systemid"], lvm_conf.DEADLINE).stdout, ":")
    found = {name.strip(): value.strip() for name, value in told.items()}
    if "system ID" not in found:
        raise CommandError("lvm systemid does not tell this host's system ID", command="lvm systemid")
    return found["system ID"]


def _ask(host: Host, tool: str, config: str | None, *more: str) -> list[dict[str, Any]]:
    argv = ["lvm", tool, *_REPORT, *more, "-o", _COLUMNS[tool], *(["--config", config] if config else [])]
    return parse_report(host.run(argv, lvm_conf.DEADLINE, accept=PARTIAL).stdout, _ROWS[tool])


def compose(
    machine: _Machine, rows: Mapping[str, list[dict[str, Any]]]
) -> tuple[tuple[Group, ...], tuple[GroupPv, ...]]:
    """Return groups with what they are on and what is in them, and the PVs in no group."""
    members: dict[str, list[GroupPv]] = {}
    moving = {row["move_pv_uuid"] for row in rows["lvs"] if row.get("move_pv_uuid")}
    for row in rows["pvs"]:
        pv = _pv(machine, row)
        members.setdefault(row.get("vg_uuid") or "", []).append(replace(pv, moving=pv.uuid in moving))
    volumes: dict[str, list[GroupVolume]] = {}
    for row in _visible(rows["lvs"]):
        volumes.setdefault(row.get("vg_uuid") or "", []).append(_volume(machine, row))
    told = {row["vg_uuid"]: row for row in rows["pvs"] if row.get("vg_uuid")}
    groups = tuple(
        Group(
            uuid=uuid,
            name=row["vg_name"],
            size=_bytes(row["vg_size"]),
            free=_bytes(row["vg_free"]),
            extent=_bytes(row["vg_extent_size"]),
            system_id=row.get("vg_systemid") or "",
            lock_type=row.get("vg_lock_type") or "",
            tags=tuple(tag for tag in (row.get("vg_tags") or "").split(",") if tag),
            exported=bool(row.get("vg_exported")),
            pvs=tuple(members[uuid]),
            volumes=tuple(volumes.get(uuid, ())),
        )
        for uuid, row in sorted(told.items(), key=lambda one: (one[1]["vg_name"], one[0]))
    )
    return groups, tuple(members.get("", ()))


def _visible(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if not row["lv_name"].startswith(_HIDDEN)]


def _pv(machine: _Machine, row: Mapping[str, Any]) -> GroupPv:
    missing = bool(row.get("pv_missing"))
    kernel = "" if missing else exact_name(machine.host, row["pv_name"]) or ""
    return GroupPv(
        uuid=row["pv_uuid"],
        path=row["pv_name"] if kernel else "",
        kernel=kernel,
        size=_bytes(row["pv_size"]),
        device_size=_bytes(row["dev_size"]),
        used=_bytes(row["pv_used"]),
        start=_bytes(row["pe_start"]),
        wwid=machine.wwids.get(kernel),
        duplicate=bool(row.get("pv_duplicate")),
        shared=bool(kernel) and not machine.shared.isdisjoint(block.foundations(machine.host, kernel)),
    )


def _volume(machine: _Machine, row: Mapping[str, Any]) -> GroupVolume:
    kernel = _kernel(machine.host, row)
    active = str(row.get("lv_active") or "").startswith("active")
    return GroupVolume(
        uuid=row["lv_uuid"],
        name=row["lv_name"],
        path=row.get("lv_path") or "",
        size=_bytes(row["lv_size"]),
        active=active,
        opened=str(row.get("lv_device_open") or "") not in ("", "0", "unknown"),
        uses=machine.uses.get(kernel, ()),
        layout=row.get("lv_layout") or "",
        pool=row.get("pool_lv") or "",
        origin=row.get("origin") or "",
        tags=tuple(tag for tag in (row.get("lv_tags") or "").split(",") if tag),
        percent=_percent(row.get("data_percent")),
        kernel=kernel,
        # One that is not active is told to be invalid as well: the kernel has not been asked.
        invalid=active and str(row.get("lv_snapshot_invalid") or "") in INVALID,
        skipped=str(row.get("lv_skip_activation") or "") in SKIPPED,
    )


def _kernel(host: Host, row: Mapping[str, Any]) -> str:
    """Return the kernel name of an active volume; empty for one that is not."""
    major, minor = str(row.get("lv_kernel_major") or "-1"), str(row.get("lv_kernel_minor") or "-1")
    if not (major.isdigit() and minor.isdigit()):
        return ""
    return (host.link(f"/sys/dev/block/{major}:{minor}") or "").rpartition("/")[2]


def _percent(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _bytes(text: Any) -> int:
    return int(text) if str(text or "").isdigit() else 0
