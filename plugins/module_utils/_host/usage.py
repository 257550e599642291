# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a logical unit: what lies on its devices, what is mounted, what guests have open.

Evidence is collected once for the whole machine and then looked up per device. No device is opened:
a device that something has open without a trace in sysfs or /proc shows in the open count of its
map alone, and for a bare path not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._errors import SanError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import block, dm, mount, proc, udev
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.block import MultipathMap, Path, Use

PVS_ONLINE = "/run/lvm/pvs_online"
BTRFS = "/sys/fs/btrfs"

_SIGNATURES = {"LVM2_member": "lvm_pv", "linux_raid_member": "md", "crypto_LUKS": "crypt"}
"""What udev finds on a device that serves something even while nothing has it open."""


class Evidence(NamedTuple):
    """All that says that a device is in use. Keys are kernel names, unless said otherwise."""

    devices: Mapping[str, block.BlockDevice]
    dm_devices: Mapping[str, dm.DmDevice]
    partitions: Mapping[str, list[str]]
    """Partitions by disk; for a multipath map its partition maps."""
    holders: Mapping[str, list[str]]
    mounts: Mapping[str, list[Use]]
    qemu: Mapping[str, list[str]]
    """By major:minor."""
    open_counts: Mapping[str, int]
    """By major:minor, device-mapper only."""
    warnings: tuple[str, ...]


def read_evidence(
    host: Host,
    devices: Mapping[str, block.BlockDevice],
    dm_devices: Mapping[str, dm.DmDevice],
    holders: Mapping[str, list[str]],
) -> Evidence:
    """Collect the evidence for all devices. What this user may not see is a warning, never a failure."""
    names = {device.dev_t: device.name for device in devices.values()}
    mounts = mount.read_mounts(host)
    qemu = proc.read_qemu_devices(host)
    counts, warnings = _open_counts(host, dm_devices)
    if not (mounts.complete and qemu.complete):
        warnings.append(
            "without root, the mounts of other namespaces and the devices of guests cannot all be seen: "
            "usage may be incomplete; run the task with become: true"
        )
    return Evidence(
        devices=devices,
        dm_devices=dm_devices,
        partitions=_partitions(devices, dm_devices),
        holders=holders,
        mounts=_mounted(host, mounts.mounts, names),
        qemu=_by_number(qemu.devices),
        open_counts=counts,
        warnings=tuple(warnings),
    )


def _open_counts(host: Host, dm_devices: Mapping[str, dm.DmDevice]) -> tuple[dict[str, int], list[str]]:
    """Return the open counts; without root there are none, and that is no failure."""
    if not dm_devices or not host.is_root():
        return {}, []
    try:
        return dm.open_counts(host, (device.dev_t for device in dm_devices.values())), []
    except SanError as error:
        return {}, [f"open counts of maps are not known, usage may be incomplete: {error.message}"]


def _partitions(
    devices: Mapping[str, block.BlockDevice], dm_devices: Mapping[str, dm.DmDevice]
) -> dict[str, list[str]]:
    partitions = block.partitions_by_disk(devices)
    maps = {device.uuid[len(dm.MULTIPATH) :]: name for name, device in dm_devices.items() if dm.is_multipath(device)}
    for name, device in dm_devices.items():
        parent = maps.get(device.partition_of or "")
        if parent is not None:
            partitions.setdefault(parent, []).append(name)
    return partitions


def _mounted(host: Host, mounts: Iterable[mount.Mount], names: Mapping[str, str]) -> dict[str, list[Use]]:
    found: dict[str, list[Use]] = {}
    for mounted in mounts:
        name = names.get(mounted.dev_t) or _named(host, mounted.source)
        if name is not None:
            found.setdefault(name, []).append(Use("mount", name, mounted.point))
    for path in mount.read_swaps(host):
        name = _named(host, path)
        if name is not None:
            found.setdefault(name, []).append(Use("swap", name, "swap"))
    for filesystem in host.entries(BTRFS):
        for name in host.entries(f"{BTRFS}/{filesystem}/devices"):
            found.setdefault(name, []).append(Use("mount", name, f"btrfs {filesystem}"))
    return found


def _named(host: Host, path: str) -> str | None:
    """Return the kernel name behind a path under /dev; None for anything else."""
    if not path.startswith("/dev/"):
        return None
    return (host.link(path) or path).rpartition("/")[2]


def _by_number(opened: Iterable[proc.OpenDevice]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for device in opened:
        found.setdefault(device.dev_t, []).append(device.holder)
    return found


def uses_of(
    host: Host,
    evidence: Evidence,
    over: MultipathMap | None,
    paths: Sequence[Path],
    records: Mapping[str, udev.Record | None],
) -> tuple[Use, ...]:
    """Return every use of a unit: of its map, of its paths, and of the partitions on either.

    `records` holds what udev knows of the map (or of the paths, where there is none), by kernel name.
    """
    own = [over.dm] if over is not None else []
    found: dict[Use, None] = {}
    for name in (*own, *(path.device for path in paths)):
        whole_is_map = over is not None and name != over.dm
        found.update(dict.fromkeys(_uses_of_device(evidence, name, over)))
        for partition in evidence.partitions.get(name, ()):
            on_partition = list(_uses_of_device(evidence, partition, over))
            if not on_partition and not whole_is_map:
                on_partition = [Use("partition", _title(evidence, name), _title(evidence, partition), active=False)]
            found.update(dict.fromkeys(on_partition))
    for name, record in records.items():
        signature = _signature(host, evidence, name, record)
        if signature is not None and not any(use.kind == signature.kind for use in found):
            found[signature] = None
    if over is not None and not any(use.active for use in found):
        # Each map on top (of a partition) holds it open once; that alone is no use.
        unexplained = evidence.open_counts.get(over.dev_t, 0) - len(evidence.holders.get(over.dm, ()))
        if unexplained > 0:
            found[Use("open", over.name, f"{unexplained} x open, by whom is not known")] = None
    return tuple(found)


def uses_of_device(host: Host, evidence: Evidence, name: str, record: udev.Record | None) -> tuple[Use, ...]:
    """Return every use of a block device that is no LUN, by its kernel name, and of its partitions."""
    found: dict[Use, None] = dict.fromkeys(_uses_of_device(evidence, name, None))
    for partition in evidence.partitions.get(name, ()):
        uses = list(_uses_of_device(evidence, partition, None))
        found.update(dict.fromkeys(uses or [Use("partition", _title(evidence, name), partition, active=False)]))
    signature = _signature(host, evidence, name, record)
    if signature is not None and not any(use.kind == signature.kind for use in found):
        found[signature] = None
    return tuple(found)


def _uses_of_device(evidence: Evidence, name: str, over: MultipathMap | None) -> Iterator[Use]:
    title = _title(evidence, name)
    for use in evidence.mounts.get(name, ()):
        yield Use(use.kind, title, use.by)
    for holder in evidence.holders.get(name, ()):
        if over is None or holder != over.dm:
            use_by_holder = _held(evidence, title, holder)
            if use_by_holder is not None:
                yield use_by_holder
    device = evidence.devices.get(name)
    for guest in evidence.qemu.get(device.dev_t, ()) if device else ():
        yield Use("qemu", title, guest)


def _held(evidence: Evidence, title: str, holder: str) -> Use | None:
    """Say what a device on top of another one is; None for a partition map, whose uses count by themselves."""
    on_top = evidence.dm_devices.get(holder)
    if on_top is None:
        return Use("md" if holder.startswith("md") else "holder", title, holder)
    if on_top.partition_of is not None:
        return None
    if on_top.uuid.startswith("LVM-"):
        return Use("lvm_pv", title, dm.volume_group(on_top.name))
    return Use("crypt" if on_top.uuid.startswith("CRYPT-") else "holder", title, on_top.name)


def _title(evidence: Evidence, name: str) -> str:
    """Return the name a person knows: the dm name of a map, else the kernel's."""
    mapped = evidence.dm_devices.get(name)
    return mapped.name if mapped else name


def _signature(host: Host, evidence: Evidence, name: str, record: udev.Record | None) -> Use | None:
    content = record.properties.get("ID_FS_TYPE") if record else None
    kind = _SIGNATURES.get(content or "")
    if kind is None or record is None:
        return None
    by = content or ""
    if kind == "lvm_pv":
        by = _online_group(host, record.properties.get("ID_FS_UUID", "")) or "no active volume group"
    return Use(kind, _title(evidence, name), by, active=False)


def _online_group(host: Host, pv_uuid: str) -> str | None:
    """Return the volume group of a PV that LVM has seen complete since boot; None where that may not be known."""
    if not pv_uuid:
        return None  # udev looked while another host was writing the label
    try:
        return parse_pv_online(host.read(f"{PVS_ONLINE}/{pv_uuid.replace('-', '')}"))
    except UnavailableError:
        return None


def parse_pv_online(text: str | None) -> str | None:
    """Return the volume group in LVM's note on a PV that came online; None when it says none."""
    for line in (text or "").splitlines():
        if line.startswith("vg:"):
            return line[3:].strip() or None
    return None
