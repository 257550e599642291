# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device-mapper as sysfs shows it: multipath maps, their members, and what other maps are."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.block import BlockDevice, read_size
from ansible_collections.virt.san.plugins.module_utils._host.host import GONE, Ask, Host
from ansible_collections.virt.san.plugins.module_utils._model.block import MultipathMap
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid

MULTIPATH = "mpath-"
CONTROL = "/dev/mapper/control"

# include/uapi/linux/dm-ioctl.h: struct dm_ioctl and DM_DEV_STATUS, which finds a device by its number.
_STATUS = struct.Struct("=3I2I I i 3I Q 128s 136s")
_INTERFACE = (4, 0, 0)
"""Version asked for: any 4.x kernel answers it."""
_OPEN_COUNT = 6
DEV_STATUS = 3 << 30 | _STATUS.size << 16 | 0xFD << 8 | 7
_PARTITION = re.compile(r"^part(\d+)-mpath-(.+)$")


class DmDevice(NamedTuple):
    """A device of device-mapper."""

    dm: str
    """Kernel name, "dm-3"."""
    name: str
    uuid: str
    """"mpath-<wwid>", "part1-mpath-<wwid>", "LVM-...", "CRYPT-..."; empty where its maker gave none."""
    dev_t: str

    @property
    def partition_of(self) -> str | None:
        """For a partition of a multipath map (kpartx): the map's WWID."""
        found = _PARTITION.match(self.uuid)
        return found.group(2) if found else None


def is_multipath(device: DmDevice) -> bool:
    """Tell whether it is a multipath map (a partition of one is not)."""
    return device.uuid.startswith(MULTIPATH)


def read_dm_devices(host: Host, devices: Mapping[str, BlockDevice]) -> dict[str, DmDevice]:
    """Return the device-mapper devices among `devices`, by kernel name."""
    found = {}
    for name, device in devices.items():
        if name.startswith("dm-"):
            uuid, title = host.read(f"/sys/block/{name}/dm/uuid"), host.read(f"/sys/block/{name}/dm/name")
            if uuid is not None and title:  # no name: it is just being made or removed
                found[name] = DmDevice(name, title, uuid, device.dev_t)
    return found


def read_maps(
    host: Host, dm_devices: Iterable[DmDevice], lower: Mapping[str, tuple[str, ...]] | None = None
) -> list[MultipathMap]:
    """Return the multipath maps among `dm_devices`, by name. `lower` saves listing members known already."""
    maps = []
    for device in dm_devices:
        if not is_multipath(device):
            continue
        members = host.entries(f"/sys/block/{device.dm}/slaves") if lower is None else lower.get(device.dm, ())
        maps.append(
            MultipathMap(
                name=device.name,
                dm=device.dm,
                wwid=Wwid(device.uuid[len(MULTIPATH) :]),
                slaves=tuple(members),
                size=read_size(host, f"/sys/block/{device.dm}"),
                dev_t=device.dev_t,
                read_only=host.read(f"/sys/block/{device.dm}/ro") == "1",
            )
        )
    return sorted(maps, key=lambda found: found.name)


def read_wwid(host: Host, dm: str) -> Wwid | None:
    """Return the identity behind a multipath map or a partition of one; None for other devices."""
    _part, found, wwid = (host.read(f"/sys/block/{dm}/dm/uuid") or "").rpartition(MULTIPATH)
    return Wwid(wwid) if found and wwid else None


def volume_group(name: str) -> str:
    """Return the volume group in the dm name of a logical volume: "my--vg-root" is in my-vg."""
    return name.replace("--", "\0").partition("-")[0].replace("\0", "-")


def open_counts(host: Host, dev_ts: Iterable[str]) -> dict[str, int]:
    """Return how often each of these device-mapper devices is open, by major:minor; without those that are gone.

    Holders that lie on a device count too, once each. The kernel tells only root; raises UnavailableError.
    """
    counts = {}
    try:
        with host.control(CONTROL) as ask:
            for dev_t in dev_ts:
                count = _open_count(ask, dev_t)
                if count is not None:
                    counts[dev_t] = count
    except OSError as error:
        raise UnavailableError(f"{CONTROL}: {error.strerror}", path=CONTROL, errno=error.errno) from error
    return counts


def _open_count(ask: Ask, dev_t: str) -> int | None:
    major, _colon, minor = dev_t.partition(":")
    question = _STATUS.pack(*_INTERFACE, _STATUS.size, 0, 0, 0, 0, 0, 0, os.makedev(int(major), int(minor)), b"", b"")
    try:
        return int(_STATUS.unpack(ask(DEV_STATUS, question))[_OPEN_COUNT])
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
