# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What LVM could see on this host, what it does see as it is configured, and who has its volumes open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ansible_collections.virt.san.plugins.module_utils._host import block, dm, initramfs, lvm_conf, mount, proc, udev
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._host.lvm import parse_report, refuse_dead
from ansible_collections.virt.san.plugins.module_utils._host.lvm_claims import LVM, UUID_LENGTH, read_claims
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import (
    FILTER,
    ActiveLv,
    LvmSight,
    SeenPv,
    SeenVg,
)

_COLUMNS = "pv_uuid,pv_name,vg_uuid,vg_name,pv_missing,pv_duplicate"
_ARGV = ["lvm", "pvs", "--all", "--reportformat", "json", "-o", _COLUMNS]
SAN_TRANSPORTS = ("fc", "fcoe", "iscsi", "srp")


class _Machine(NamedTuple):
    """The block devices, read once."""

    devices: Mapping[str, block.BlockDevice]
    dm_devices: Mapping[str, dm.DmDevice]
    lower: Mapping[str, list[str]]
    holders: Mapping[str, list[str]]
    wwids: Mapping[str, Wwid]
    """Of the SAN's logical units, by kernel name of their whole devices."""


def read_sight(host: Host) -> LvmSight:
    """Return all of it. Nothing is written.

    Raises UnavailableError where LVM is not installed, or would hang on a map without paths.
    """
    units = read_san(host, uses=False).luns
    refuse_dead(units)
    machine = _read_machine(host, units)
    effective = lvm_conf.read_effective(host)
    setting = lvm_conf.parse_block(lvm_conf.read_conf(host) or "")
    knows = lvm_conf.knows_devices_file(host)
    claims = read_claims(host)
    groups, others = _groups(
        host, machine, _ask(host, lvm_conf.all_devices(setting is not None and setting.method == FILTER))
    )
    groups, orphaned = _with_active(host, machine, groups)
    # Only now: an LVM that is told to use no devices file may have put away one that was there (2.03.31).
    there = lvm_conf.read_devices_file(host) is not None
    own_filter = setting is not None and setting.method == FILTER
    others_filter = "" if own_filter else effective.get("global_filter", "")
    in_file = _ask(host, "devices/use_devicesfile=1") if there and knows else []
    return LvmSight(
        vgs=groups,
        others=others,
        visible=frozenset(_device(host, row["pv_name"]) for row in _ask(host, None)) - {""},
        listed={_device(host, row["pv_name"]): row["pv_name"] for row in in_file if _device(host, row["pv_name"])},
        devices_file=there,
        setting=setting,
        knows_devices_file=knows,
        global_filter="" if others_filter == lvm_conf.ALL_DEVICES else others_filter,
        claims=claims.claims,
        boots_from=tuple(vg.uuid for vg in groups if vg.uuid.replace("-", "") in claims.boots_from),
        initramfs=initramfs.read_initramfs(host, lvm_conf.LOCAL_CONF),
        begun=lvm_conf.read_note(host),
        warnings=(*claims.warnings, *orphaned),
    )


def _ask(host: Host, config: str | None) -> list[dict[str, Any]]:
    argv = _ARGV + (["--config", config] if config else [])
    # 5: something is wrong with some group (a PV missing); the report is there nevertheless.
    return parse_report(host.run(argv, lvm_conf.DEADLINE, accept=(0, 5)).stdout, "pv")


def _read_machine(host: Host, units: Iterable[LogicalUnit]) -> _Machine:
    devices = block.read_devices(host)
    holders = block.read_holders(host, devices)
    lower: dict[str, list[str]] = {}
    for name, on_top in holders.items():
        for holder in on_top:
            lower.setdefault(holder, []).append(name)
    for device in devices.values():
        if device.disk is not None:
            lower.setdefault(device.name, []).append(device.disk)
    wwids = {
        name: unit.wwid or Wwid(f"unknown:{unit.device}")
        for unit in units
        if unit.map is not None or any(path.transport in SAN_TRANSPORTS for path in unit.paths)
        for name in unit.kernel_names
    }
    return _Machine(devices, dm.read_dm_devices(host, devices), lower, holders, wwids)


def _device(host: Host, path: str) -> str:
    """Return the kernel name behind a path that LVM gives; "" for one that is missing."""
    return (host.link(path) or path).rpartition("/")[2] if path.startswith("/dev/") else ""


# Groups


def _groups(host: Host, machine: _Machine, rows: list[dict[str, Any]]) -> tuple[tuple[SeenVg, ...], tuple[SeenPv, ...]]:
    members: dict[str, list[SeenPv]] = {}
    others: list[SeenPv] = []
    for row in rows:
        pv = _seen(host, machine, row)
        if pv.device and pv.vg_uuid:
            members.setdefault(pv.vg_uuid, []).append(pv)
        elif pv.device:
            others.append(pv)
    groups = tuple(SeenVg(uuid, pvs[0].vg_name, tuple(pvs)) for uuid, pvs in members.items())
    return groups, tuple(others)


def _seen(host: Host, machine: _Machine, row: Mapping[str, Any]) -> SeenPv:
    device = "" if row.get("pv_missing") else _device(host, row["pv_name"])
    known = machine.devices.get(device)
    record = udev.read_record(host, known.dev_t) if known else None
    return SeenPv(
        uuid=row["pv_uuid"],
        path=row["pv_name"],
        device=device,
        vg_uuid=row.get("vg_uuid") or "",
        vg_name=row.get("vg_name") or "",
        wwids=_units_below(machine, device),
        links=tuple(f"/dev/{link}" for link in record.links) if record else (),
        duplicate=bool(row.get("pv_duplicate")),
    )


def _units_below(machine: _Machine, device: str) -> tuple[Wwid, ...]:
    """Return the SAN's units a device is, or lies on: a partition, md and dm devices are followed down."""
    found: dict[Wwid, None] = {}
    pending, seen = [device], {device}
    while pending:
        name = pending.pop()
        if name in machine.wwids:
            found[machine.wwids[name]] = None
        lower = [one for one in machine.lower.get(name, ()) if one not in seen]
        seen.update(lower)
        pending += lower
    return tuple(found)


# Who has what open?


def _with_active(
    host: Host, machine: _Machine, groups: tuple[SeenVg, ...]
) -> tuple[tuple[SeenVg, ...], tuple[str, ...]]:
    """Add the active volumes, which device-mapper knows by the UUID of their group."""
    volumes = {name: device for name, device in machine.dm_devices.items() if device.uuid.startswith(LVM)}
    if not volumes:
        return groups, ()
    counts = dm.open_counts(host, (device.dev_t for device in volumes.values()))
    told = _told_holders(host, machine)
    active: dict[str, list[ActiveLv]] = {}
    for name, device in volumes.items():
        by = _holders(machine, volumes, name, counts.get(device.dev_t, 0), told.get(name, []))
        group = _group_of(device)
        active.setdefault(group, []).append(ActiveLv(_volume(device), group, tuple(by)))
    known = {vg.uuid.replace("-", ""): vg for vg in groups}
    orphaned = [lv.name for group, lvs in active.items() if group not in known for lv in lvs]
    complete = tuple(replace(vg, active=tuple(active.get(plain, ()))) for plain, vg in known.items())
    if not orphaned:
        return complete, ()
    return complete, (f"active, but LVM sees no device of their volume groups: {', '.join(sorted(orphaned))}",)


def _group_of(device: dm.DmDevice) -> str:
    return device.uuid[len(LVM) :][:UUID_LENGTH]


def _volume(device: dm.DmDevice) -> str:
    """Return the volume's own name in the dm name: "vg-my--lv" is my-lv."""
    return device.name.replace("--", "\0").partition("-")[2].replace("\0", "-")


def _holders(
    machine: _Machine, volumes: Mapping[str, dm.DmDevice], name: str, count: int, told: list[str]
) -> list[str]:
    """Return who has a volume open. Volumes of its own group (a thin volume on its pool) do not count."""
    on_top = machine.holders.get(name, ())
    inside = [one for one in on_top if one in volumes and _group_of(volumes[one]) == _group_of(volumes[name])]
    by = told + [f"device {_title(machine, one)}" for one in on_top if one not in inside]
    if not by and count > len(inside):
        by.append(f"{count - len(inside)} x open, by whom is not known")
    return by


def _title(machine: _Machine, name: str) -> str:
    known = machine.dm_devices.get(name)
    return known.name if known else name


def _told_holders(host: Host, machine: _Machine) -> dict[str, list[str]]:
    """Return mounts, swap and guests by kernel name."""
    names = {device.dev_t: device.name for device in machine.devices.values()}
    found: dict[str, dict[str, None]] = {}
    for mounted in mount.read_mounts(host).mounts:
        name = names.get(mounted.dev_t) or _device(host, mounted.source)
        found.setdefault(name, {})[f"mount {mounted.point}"] = None
    for path in mount.read_swaps(host):
        found.setdefault(_device(host, path), {})["swap"] = None
    for opened in proc.read_qemu_devices(host).devices:
        found.setdefault(names.get(opened.dev_t, ""), {})[f"guest {opened.holder}"] = None
    return {name: list(by) for name, by in found.items()}
