# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What udev found out about a device, from its database: no daemon is asked, no device opened."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._host.host import Host

DATABASE = "/run/udev/data"
BY_ID = "disk/by-id/"

_KOBJECT_UEVENT = 15
"""Netlink protocol of device events (linux/netlink.h)."""
_HANDLED_BY_UDEV = 2
"""Its multicast group for events that udev has handled; group 1 has the kernel's own."""
_MESSAGE = 16384
_LOST = b"lost"
"""Stands for messages that were too many to keep."""

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

    None where the kernel's events cannot be listened to; the loop then polls.
    The events are those that udev has handled, so that links and records are there when it wakes.
    Events from the moment of this call on are kept: nothing between two looks is missed.

    Not by pyudev: importing that takes a second of an emulated processor, which udev needs just then.
    """
    if host.root:
        return None
    try:
        events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _KOBJECT_UEVENT)
        events.setblocking(False)
        events.bind((0, _HANDLED_BY_UDEV))
    except OSError:
        return None

    def wake(seconds: float) -> None:
        deadline = host.clock.monotonic() + seconds
        left = seconds
        while left > 0 and select.select([events], [], [], left)[0]:
            if _tells_of_disk(events):
                return
            left = deadline - host.clock.monotonic()

    return wake


def _tells_of_disk(events: socket.socket) -> bool:
    """Take all messages there are; a burst of events is one reason to look."""
    found = False
    message = _receive(events)
    while message:
        found = found or message == _LOST or is_block_event(message)
        message = b"" if message == _LOST else _receive(events)
    return found


def _receive(events: socket.socket) -> bytes:
    """Return the next message; nothing when there is none."""
    try:
        return events.recv(_MESSAGE)
    except BlockingIOError:
        return b""
    except OSError:
        return _LOST


def is_block_event(message: bytes) -> bool:
    """Tell whether a message of udev is about a block device: its properties are KEY=value, each with a NUL."""
    return message.startswith(b"libudev\0") and b"\0SUBSYSTEM=block\0" in message
