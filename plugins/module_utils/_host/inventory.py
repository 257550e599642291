# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host sees of the SAN: all rooms put together.

No device is opened and no command is run per device. Whatever vanishes while it is being read is
left out; what multipathd or the privileges of this user hold back is a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host import block, dm, multipath, scsi, udev, usage, vpd
from ansible_collections.virt.san.plugins.module_utils._host.hbas import Fabric, read_fabric
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.block import (
    Designator,
    LogicalUnit,
    MultipathMap,
    Path,
    San,
)
from ansible_collections.virt.san.plugins.module_utils._model.grouping import Group, SeenPath, group_paths
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid

MULTIPATHD_DEADLINE = 30.0
"""Seconds, unless the caller says otherwise. The 4 of the daemon's own tool are not enough for a thousand LUNs."""


SCSI_DISK = "sd"
"""How the names of SCSI disks begin; those of CD drives (sr), NVMe namespaces and virtio disks do not."""


class Daemon(NamedTuple):
    """What multipathd adds to the picture."""

    running: bool
    checkers: Mapping[str, str]
    """Path checker state by kernel name of the path."""
    queueing: Mapping[str, str]
    """By kernel name of the map."""
    warnings: tuple[str, ...]


def read_san(
    host: Host,
    *,
    checkers: bool = True,
    uses: bool = True,
    deadline: float = MULTIPATHD_DEADLINE,
    fabric: Fabric | None = None,
) -> San:
    """Return HBAs and logical units.

    `checkers`: ask multipathd for path states and queueing, if it runs; `deadline` is seconds for that.
    `uses`: find out who uses what. `fabric`: what was read of it just now.
    """
    fabric = read_fabric(host) if fabric is None else fabric
    devices = block.read_devices(host)
    holders = block.read_holders(host, devices)
    dm_devices = dm.read_dm_devices(host, devices)
    maps = [over for over in dm.read_maps(host, dm_devices.values(), _lower(holders)) if _over_scsi(over)]
    daemon = _ask_multipathd(host, maps, deadline) if checkers else Daemon(multipath.daemon_running(host), {}, {}, ())
    seen = _read_paths(host, devices, fabric, daemon.checkers)
    groups = group_paths(seen, (_with_queueing(over, daemon) for over in maps))
    evidence = usage.read_evidence(host, devices, dm_devices, holders) if uses else None
    luns = tuple(_unit(host, group, evidence) for group in groups)
    return San(
        hbas=fabric.hbas,
        luns=luns,
        orphans=_read_orphans(host, fabric, {str(one.path.hctl) for one in seen}),
        sessions=fabric.sessions,
        multipath_running=daemon.running,
        warnings=(*daemon.warnings, *(evidence.warnings if evidence else ()), *_conflicts(luns)),
    )


def _lower(holders: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Turn "who lies on this" into "what does this lie on"."""
    lower: dict[str, list[str]] = {}
    for name, on_top in holders.items():
        for holder in on_top:
            lower.setdefault(holder, []).append(name)
    return {name: tuple(below) for name, below in lower.items()}


def _over_scsi(over: MultipathMap) -> bool:
    """Tell whether a map is over SCSI disks, or has lost them all. NVMe has maps too, but no LUNs."""
    return not over.slaves or any(name.startswith(SCSI_DISK) for name in over.slaves)


def _ask_multipathd(host: Host, maps: Iterable[MultipathMap], deadline: float) -> Daemon:
    if not multipath.daemon_running(host):
        idle = "multipathd does not run: maps exist, but nothing watches their paths; start multipathd"
        return Daemon(False, {}, {}, (idle,) if any(True for _over in maps) else ())
    try:
        told = multipath.show_maps(host, deadline)
    except SanError as error:
        return Daemon(True, {}, {}, (f"states of path checkers are not known: {error.message}",))
    checker_states = {path.device: path.checker for over in told for path in over.paths}
    return Daemon(True, checker_states, {over.dm: over.queueing for over in told}, ())


def _with_queueing(over: MultipathMap, daemon: Daemon) -> MultipathMap:
    queueing = daemon.queueing.get(over.dm)
    return over if queueing is None else over.with_queueing(queueing)


def _read_paths(
    host: Host, devices: Mapping[str, block.BlockDevice], fabric: Fabric, checkers: Mapping[str, str]
) -> list[SeenPath]:
    """Read every SCSI disk."""
    initiators = {hba.number: hba.initiator for hba in fabric.hbas}
    carriers: dict[str, tuple[str, str | None]] = {}
    found = []
    for device in devices.values():
        address = scsi.parse_address(device.link, carriers) if device.name.startswith(SCSI_DISK) else None
        if address is None:
            continue
        seen = _read_path(host, device, address, fabric, initiators.get(address.hctl.host), checkers.get(device.name))
        if seen is not None:
            found.append(seen)
    return found


def _read_path(
    host: Host,
    device: block.BlockDevice,
    address: scsi.Address,
    fabric: Fabric,
    initiator: str | None,
    checker: str | None,
) -> SeenPath | None:
    folder = device.folder
    scsi_folder = folder.partition("/block/")[0]
    state = scsi.read_state(host, scsi_folder)
    if state is None:
        return None  # it went away
    record = udev.read_record(host, device.dev_t)
    designators = vpd.parse_designators(scsi.read_vpd(host, scsi_folder, "83"))
    identity = _identity(host, scsi_folder, record, designators)
    target = fabric.targets.get(address.carrier or "")
    path = Path(
        device=device.name,
        hctl=address.hctl,
        state=state,
        transport=address.transport,
        hba=f"host{address.hctl.host}",
        initiator=initiator,
        target=target.name if target else scsi.read_sas_target(host, address.carrier),
        portal=target.portal if target else None,
        size=block.read_size(host, folder),
        wwid=identity.wwid,
        dev_t=device.dev_t,
        checker=checker,
    )
    return SeenPath(path, identity.vendor, identity.serial, identity.contradiction)


class _Identity(NamedTuple):
    wwid: Wwid | None
    vendor: str | None
    serial: str | None
    contradiction: str | None = None


def _identity(host: Host, folder: str, record: udev.Record | None, designators: tuple[Designator, ...]) -> _Identity:
    """Return who the unit behind a path says it is: by udev, by the kernel's copy of its pages where udev has none."""
    if record is None or record.wwid is None:
        inquiry, serial = scsi.read_inquiry(host, folder), vpd.parse_serial(scsi.read_vpd(host, folder, "80"))
        wwid = vpd.udev_wwid(designators, serial, inquiry)
        vendor = vpd.udev_text(inquiry.vendor) if inquiry else None
        return _Identity(_usable(wwid), vendor, vpd.udev_text(serial) if serial else None)
    wwid = _usable(record.wwid)
    properties = record.properties
    return _Identity(
        wwid, properties.get("ID_VENDOR"), properties.get("ID_SCSI_SERIAL"), vpd.contradiction(wwid, designators)
    )


def _usable(wwid: str | None) -> Wwid | None:
    return Wwid(wwid) if wwid is not None and vpd.identifies(wwid) else None


def _unit(host: Host, group: Group, evidence: usage.Evidence | None) -> LogicalUnit:
    """Complete a group of paths with what is read once per unit."""
    over, paths = group.map, group.paths
    records = _records(host, over, paths)
    record = next((record for record in records.values() if record is not None), None)
    device = over.dm if over is not None else paths[0].device
    logical, physical = block.read_block_sizes(host, device)
    first = paths[0].hctl if paths else None
    inquiry = scsi.read_inquiry(host, first) if first else None
    return LogicalUnit(
        wwid=group.wwid,
        paths=paths,
        size=over.size if over is not None else max(path.size for path in paths),
        map=over,
        designators=vpd.parse_designators(scsi.read_vpd(host, first, "83")) if first else (),
        serial=vpd.parse_serial(scsi.read_vpd(host, first, "80")) if first else None,
        vendor=inquiry.vendor if inquiry else None,
        product=inquiry.product if inquiry else None,
        revision=inquiry.revision if inquiry else None,
        logical_block_size=logical,
        physical_block_size=physical,
        by_id=_best_link(record, group.wwid),
        content=record.content if record else None,
        uses=usage.uses_of(host, evidence, over, paths, records) if evidence else (),
        problem=group.problem,
    )


def _records(host: Host, over: MultipathMap | None, paths: tuple[Path, ...]) -> dict[str, udev.Record | None]:
    """Return udev's record of the device to use. On members of a map udev says no more than that."""
    if over is not None:
        return {over.dm: udev.read_record(host, over.dev_t)}
    return {paths[0].device: udev.read_record(host, paths[0].dev_t)}


def _best_link(record: udev.Record | None, wwid: Wwid | None) -> str | None:
    """Return the by-id path that names the unit most surely: of a map the one no path can have, else the WWID's."""
    links = record.by_id if record else ()
    wanted = (f"/dev/disk/by-id/dm-uuid-mpath-{wwid}", f"/dev/disk/by-id/scsi-{wwid}")
    for link in wanted:
        if link in links:
            return link
    named = [link for link in links if link.startswith("/dev/disk/by-id/wwn-")] or list(links)
    return named[0] if named else None


def _read_orphans(host: Host, fabric: Fabric, with_disk: set[str]) -> tuple[Path, ...]:
    """Return SCSI disks without a block device, and placeholders of LUNs that are not mapped (qualifier not 0)."""
    transports = {hba.number: hba for hba in fabric.hbas}
    found = []
    for hctl in scsi.read_addresses(host, without=with_disk):
        inquiry, state = scsi.read_inquiry(host, hctl), scsi.read_state(host, hctl)
        if inquiry is None or state is None or not (inquiry.qualifier or inquiry.kind in scsi.DISK_TYPES):
            continue
        hba = transports.get(hctl.host)
        target = next((one for one in (hba.targets if hba else ()) if (one.channel, one.target_id) == hctl[1:3]), None)
        found.append(
            Path(
                device="",
                hctl=hctl,
                state=state,
                transport=hba.transport if hba else "other",
                hba=f"host{hctl.host}",
                initiator=hba.initiator if hba else None,
                target=target.name if target else None,
                portal=target.portal if target else None,
                size=0,
                wwid=None,
            )
        )
    return tuple(found)


def _conflicts(luns: Iterable[LogicalUnit]) -> tuple[str, ...]:
    """Return a warning for each identity that several units claim."""
    claims: dict[Wwid, list[LogicalUnit]] = {}
    for unit in luns:
        if unit.wwid is not None:
            claims.setdefault(unit.wwid, []).append(unit)
    return tuple(units[0].problem or f"WWID {wwid} twice" for wwid, units in claims.items() if len(units) > 1)
