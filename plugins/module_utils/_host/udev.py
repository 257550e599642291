# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What udev found out about a device, from its database: no daemon is asked, no device opened."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._host.host import Host

DATABASE = "/run/udev/data"
BY_ID = "disk/by-id/"

_PROPERTY = re.compile(r"^E:([^=\n]+)=(.*)$", re.MULTILINE)
_LINK = re.compile(r"^S:(.+)$", re.MULTILINE)


class Record(NamedTuple):
    """One device's record. Its being there means that udev has handled the device's last event."""

    properties: dict[str, str]
    links: tuple[str, ...]
    """Names under /dev, without it: "disk/by-id/wwn-0x6001405...", in alphabetical order."""

    @property
    def wwid(self) -> str | None:
        """Identity of the disk as scsi_id (or ata_id) found it."""
        return self.properties.get("ID_SERIAL")

    @property
    def content(self) -> str | None:
        """Type of the file system or other signature on it, or of its partition table."""
        return self.properties.get("ID_FS_TYPE") or self.properties.get("ID_PART_TABLE_TYPE")

    @property
    def by_id(self) -> tuple[str, ...]:
        return tuple(f"/dev/{link}" for link in self.links if link.startswith(BY_ID))


def read_record(host: Host, dev_t: str) -> Record | None:
    """Return udev's record of the block device `major:minor`; None while it has none."""
    text = host.read(f"{DATABASE}/b{dev_t}")
    return None if text is None else parse_record(text)


def parse_record(text: str) -> Record:
    """Return the content of a file of udev's database: lines `E:KEY=value` and `S:link`, others left out."""
    return Record(dict(_PROPERTY.findall(text)), tuple(sorted(_LINK.findall(text))))


def event_waker(host: Host) -> Callable[[float], None] | None:
    """Return a `wake(seconds)` for the waiting loop: it returns at the next event of a block device.

    None where pyudev is not installed or the kernel's events cannot be listened to; the loop then polls.
    The events are those that udev has handled, so that links and records are there when it wakes.
    Events from the moment of this call on are kept: nothing between two looks is missed.
    """
    if host.root:
        return None
    try:
        import pyudev
    except ImportError:
        return None
    try:
        monitor = pyudev.Monitor.from_netlink(pyudev.Context())
        monitor.filter_by("block")
        monitor.start()
    except OSError:
        return None

    def wake(seconds: float) -> None:
        event = monitor.poll(timeout=seconds)
        while event is not None:  # a burst of events is one reason to look
            event = monitor.poll(timeout=0)

    return wake
