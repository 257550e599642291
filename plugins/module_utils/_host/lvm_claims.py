# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What on this host says that a volume group is the host's own.

Names come from files (fstab, crypttab, the kernel's command line, libvirt's pools and guests); where a name leads to a
device that is there, device-mapper's UUID says which volume group it is, and two of one name are told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree as ET

from ansible_collections.virt.san.plugins.module_utils._host import dm, mount
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import VgClaim

POOLS = "/etc/libvirt/storage"
OWN_POOLS = "/etc/virt-san/pools"
"""Of this collection; the same format."""
GUESTS = "/etc/libvirt/qemu"
LVM = "LVM-"
UUID_LENGTH = 32

_TAGS = {"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel"}
_LV = re.compile(r"^/dev/([A-Za-z0-9+_.][A-Za-z0-9+_.-]*)/[A-Za-z0-9+_.-]+$")
_NO_GROUPS = frozenset(("mapper", "disk", "block", "char", "cciss", "shm", "fd", "md", "loop", "input", "bus"))


class Claims(NamedTuple):
    claims: tuple[VgClaim, ...]
    boots_from: tuple[str, ...]
    """UUIDs (without dashes) of the groups that / and /usr are on."""
    warnings: tuple[str, ...]


def read_claims(host: Host) -> Claims:
    """Return every claim of this host on a volume group."""
    warnings: list[str] = []
    boot = [group for point in ("/", "/usr") for group in _mounted(host, point)]
    found = [VgClaim(group, "the host boots from it") for group in boot]
    for source, by in _sources(host):
        found += [VgClaim(group, by) for group in groups_of(host, source)]
    found += _libvirt(host, warnings)
    return Claims(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(boot)), tuple(warnings))


def _mounted(host: Host, point: str) -> list[str]:
    """Return the groups under what the host's own first process has mounted there."""
    mounts = mount.parse_mountinfo(host.read("/proc/1/mountinfo") or "")
    found: list[str] = []
    for one in mounts:
        if one.point == point:
            device = (host.link(f"/sys/dev/block/{one.dev_t}") or "").rpartition("/")[2]
            found += _below(host, device) if device else groups_of(host, one.source)
    return found


def _sources(host: Host) -> Iterator[tuple[str, str]]:
    for words in _rows(host.read("/etc/fstab")):
        if len(words) >= 2:
            yield words[0], f"fstab: {words[1]}"
    for words in _rows(host.read("/etc/crypttab")):
        if len(words) >= 2:
            yield words[1], f"crypttab: {words[0]}"
    for path in mount.read_swaps(host):
        yield path, "swap"
    for word in (host.read("/proc/cmdline") or "").split():
        name, _equals, value = word.partition("=")
        if name in ("root", "resume"):
            yield value, f"kernel command line: {word}"


def _rows(text: str | None) -> Iterator[list[str]]:
    for line in (text or "").splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            yield words


def groups_of(host: Host, source: str) -> list[str]:
    """Return the volume groups (UUID where the device is there, else name) that a source of a mount lies on."""
    tag, _equals, value = source.partition("=")
    path = f"/dev/disk/{_TAGS[tag]}/" + value.strip('"') if tag in _TAGS else source
    if not path.startswith("/dev/"):
        return []
    device = (host.link(path) or path).rpartition("/")[2]
    if host.exists(f"/sys/class/block/{device}"):
        return _below(host, device)
    return _by_name(path)


def _by_name(path: str) -> list[str]:
    """Return the group in the name of a logical volume that is not active."""
    if path.startswith("/dev/mapper/"):
        name = path[len("/dev/mapper/") :]
        return [dm.volume_group(name)] if "-" in name.replace("--", "") else []
    found = _LV.match(path)
    return [found.group(1)] if found and found.group(1) not in _NO_GROUPS else []


def _below(host: Host, device: str) -> list[str]:
    """Return the groups of all logical volumes a device is, or lies on."""
    found: list[str] = []
    pending, seen = [device], {device}
    while pending:
        name = pending.pop()
        uuid = host.read(f"/sys/class/block/{name}/dm/uuid") or ""
        if uuid.startswith(LVM):
            found.append(uuid[len(LVM) :][:UUID_LENGTH])
            continue
        lower = [one for one in host.entries(f"/sys/class/block/{name}/slaves") if one not in seen]
        seen.update(lower)
        pending += lower
    return found


# libvirt


def _libvirt(host: Host, warnings: list[str]) -> list[VgClaim]:
    """Return claims of defined pools and guests. A guest's disk is a claim too: it must be there when it starts."""
    found: list[VgClaim] = []
    for folder, parse in ((POOLS, parse_pool), (OWN_POOLS, parse_pool), (GUESTS, parse_guest)):
        for name in host.entries(folder):
            if not name.endswith(".xml"):
                continue
            try:
                named = parse(host.read(f"{folder}/{name}") or "")
            except ET.ParseError as wrong:
                warnings.append(f"{folder}/{name} is not read, no volume group is known from it: {wrong}")
                continue
            by = f"{'guest' if folder == GUESTS else 'storage pool'} {name[:-4]}"
            for source in named:
                groups = groups_of(host, source) if source.startswith("/dev/") else [source]
                found += [VgClaim(group, by) for group in groups]
    return found


def parse_pool(text: str) -> list[str]:
    """Return the group of a pool of type logical, the device of one of type fs."""
    pool = ET.fromstring(text)
    kind = pool.get("type")
    if kind == "logical":
        # libvirt takes the pool's own name where the source has none.
        name = pool.findtext("source/name") or pool.findtext("name") or ""
        return [name.strip()] if name.strip() else []
    devices = [device.get("path") or "" for device in pool.findall("source/device")] if kind == "fs" else []
    return [path for path in devices if path.startswith("/dev/")]


def parse_guest(text: str) -> list[str]:
    """Return the devices of the host that a guest's disks are on."""
    disks = ET.fromstring(text).findall("devices/disk/source")
    return [path for path in (disk.get("dev") or "" for disk in disks) if path.startswith("/dev/")]
