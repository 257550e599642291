# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What could become a storage pool. Nothing is changed, and what does not answer is a problem of its own alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply import iscsi_look
from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_look import Discovery
from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host import block, nfs, scsi, signatures
from ansible_collections.virt.san.plugins.module_utils._host.bare import read_bare
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._host.lvm_group import read_groups
from ansible_collections.virt.san.plugins.module_utils._host.parallel import in_parallel
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.disk import BareDevice, Disk
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import DEFAULT_INTERFACE, Portal, Problem
from ansible_collections.virt.san.plugins.module_utils._plan.disks import Sight, disk_of

SUBSETS = ("volume_groups", "adapters", "devices")
"""What is on the host itself."""

REMOVABLE = ("sr", "fd")
"""How the names of drives begin that are no place for a pool."""


@dataclass(frozen=True)
class Wanted:
    """What to look for."""

    subsets: Collection[str] = SUBSETS
    portals: tuple[Portal, ...] = ()
    servers: tuple[str, ...] = ()
    deadline: float = 30.0
    """Seconds for each portal and each server, and for all devices together."""


def gather(host: Host, wanted: Wanted) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what could become a pool, and warnings about what is not known."""
    facts: dict[str, Any] = {
        "iscsi": _targets(host, wanted.portals, wanted.deadline),
        "nfs": _exports(host, wanted.servers, wanted.deadline),
    }
    warnings = [f"{one['portal']}: {one['problem']}" for one in facts["iscsi"] if one["problem"]]
    warnings += [one["problem"] for one in facts["nfs"] if one["problem"]]
    if wanted.subsets:
        # LVM must not be let at a map that queues for ever, which multipathd tells of.
        san = read_san(host, checkers="volume_groups" in wanted.subsets, uses="devices" in wanted.subsets)
        if "adapters" in wanted.subsets:
            facts["adapters"] = _adapters(host, san)
        if "devices" in wanted.subsets:
            facts.update(_devices(host, san, wanted.deadline))
        if "volume_groups" in wanted.subsets:
            facts["volume_groups"], told = _groups(host, san)
            warnings += told
    return facts, tuple(warnings)


# On the network


def _targets(host: Host, portals: tuple[Portal, ...], deadline: float) -> list[dict[str, Any]]:
    """Ask each portal which targets it has; nothing is recorded."""
    if not portals:
        return []
    try:
        root = iscsi_look.open_database(host, DEFAULT_INTERFACE)
    except SanError as error:
        return [_told(portal, {}, Problem("setup", error.message)) for portal in portals]
    problems = iscsi_look.knock_all(host, root, portals, DEFAULT_INTERFACE, deadline)
    reached = [portal for portal in portals if portal not in problems]
    asked = iscsi_look.discover_all(
        host, root, reached, DEFAULT_INTERFACE, Discovery(deadline=deadline), check_mode=True
    )
    problems = {**problems, **asked.problems}
    found: dict[Portal, dict[str, dict[Portal, int]]] = {portal: {} for portal in portals}
    for portal, offers in asked.offers.items():
        for offer in offers:
            found[portal].setdefault(offer.target, {})[offer.portal] = offer.tpgt
    return [_told(portal, found[portal], problems.get(portal)) for portal in portals]


def _told(portal: Portal, targets: Mapping[str, Mapping[Portal, int]], problem: Problem | None) -> dict[str, Any]:
    return {
        "portal": str(portal),
        "targets": [
            {"target": name, "portals": [{"portal": str(at), "tpgt": tpgt} for at, tpgt in portals.items()]}
            for name, portals in sorted(targets.items())
        ],
        "reason": problem.reason if problem else None,
        "problem": problem.text if problem else None,
    }


def _exports(host: Host, servers: tuple[str, ...], deadline: float) -> list[dict[str, Any]]:
    """Ask all servers at once: each may not answer."""

    def ask(server: str) -> tuple[nfs.Export, ...] | str:
        try:
            return nfs.read_exports(host, server, deadline)
        except SanError as error:
            return error.message

    told = in_parallel(servers, ask)
    return [
        {
            "server": server,
            "exports": []
            if isinstance(said, str)
            else [{"dir": one.folder, "clients": list(one.clients)} for one in said],
            "problem": said if isinstance(said, str) else None,
        }
        for server, said in told.items()
    ]


# On the host


def _adapters(host: Host, san: San) -> list[dict[str, Any]]:
    """Return HBAs with the name that lasts, and how many units are behind each."""
    return [
        {
            **hba.to_dict(),
            "host": _lasting(hba),
            "unique_id": scsi.read_unique_id(host, hba.name),
            "luns": sum(any(path.hba == hba.name for path in unit.paths) for unit in san.luns),
        }
        for hba in san.hbas
    ]


def _lasting(hba: Hba) -> str | None:
    """Return by what a pool knows an HBA; a vHBA has the PCI address of its parent."""
    return hba.wwpn or (None if hba.parent else hba.pci_address)


def _groups(host: Host, san: San) -> tuple[list[dict[str, Any]] | None, list[str]]:
    try:
        sight = read_groups(host, san.luns, uses=False)
    except SanError as error:
        return None, [f"volume groups are not known: {error.message}"]
    told = [{**group.to_dict(), "belongs_here": group.belongs_to(sight.system_id)} for group in sight.groups]
    return told, []


def _devices(host: Host, san: San, deadline: float) -> dict[str, list[dict[str, Any]]]:
    """Return devices that nothing is on, and those of which nobody can tell. Each is read at both ends."""
    until = host.clock.monotonic() + deadline
    blank: list[dict[str, Any]] = []
    unclear: list[dict[str, Any]] = []
    for label, disk in _candidates(host, san):
        why = disk if isinstance(disk, str) else _what_is_on(host, disk, until - host.clock.monotonic(), deadline)
        if why == "" and isinstance(disk, Disk):
            blank.append({**disk.to_dict(), "by_id": disk.unit.by_id if disk.unit else None, "shared": disk.shared})
        elif why:
            unclear.append({"device": label, "problem": why})
    return {"devices": blank, "devices_not_known": unclear}


def _candidates(host: Host, san: San) -> Iterator[tuple[str, Disk | str]]:
    """Yield devices that nothing uses, with what to call them; or why one cannot be had."""
    names = {name for unit in san.luns for name in unit.kernel_names}
    others = [
        device.name
        for device in block.read_devices(host).values()
        if not device.virtual and device.disk is None and not device.name.startswith(REMOVABLE)
    ]
    bare = read_bare(host, others)
    sight = Sight(san, bare, {})
    for unit in san.luns:
        if unit.size and not unit.uses and unit.content is None:
            yield unit.wwid or unit.device, _disk_of(sight, unit)
    yield from ((one.path, Disk(one.path, one.kernel, one.size)) for one in _unused(bare, names))


def _disk_of(sight: Sight, unit: LogicalUnit) -> Disk | str:
    try:
        disk = disk_of(sight, unit)
    except SanError as error:
        return error.message
    return "read-only: the array maps it so, or its map was made over such a path" if disk.read_only else disk


def _unused(bare: Mapping[str, BareDevice], luns: Collection[str]) -> Iterable[BareDevice]:
    return (
        one
        for name, one in sorted(bare.items())
        if name not in luns and one.size and not one.uses and not one.read_only
    )


def _what_is_on(host: Host, disk: Disk, left: float, deadline: float) -> str | None:
    """Return "" for a blank device, None for one that something is on, and else why that is not known."""
    if left <= 0:
        return f"not looked at: the devices before it took {deadline:g} s. Give a longer timeout"
    found = signatures.read_contents(host, disk.path, min(signatures.DEADLINE, left))
    return found.problem or ("" if found.blank else None)
