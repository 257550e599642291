# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices that QEMU processes have open."""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

_NAMES = ("qemu", "kvm")
_GUEST = re.compile(r"^(?:guest=)?((?:[^,]|,,)+)")


class OpenDevice(NamedTuple):
    """A device under /dev that a QEMU process has open."""

    dev_t: str
    """major:minor. Not its name: inside a container that may be another's."""
    holder: str
    """"vm1 (pid 123)"."""


class OpenDevices(NamedTuple):
    """What QEMU has open, and whether that is all."""

    devices: tuple[OpenDevice, ...]
    complete: bool


def read_qemu_devices(host: Host) -> OpenDevices:
    """Return the block devices all QEMU processes have open. The devices themselves are not touched."""
    complete = True
    found: dict[OpenDevice, None] = {}
    for pid in host.entries("/proc"):
        if pid.isdigit() and (host.read(f"/proc/{pid}/comm") or "").startswith(_NAMES):
            try:
                found.update(dict.fromkeys(_open_devices(host, pid)))
            except UnavailableError:
                complete = False
    return OpenDevices(tuple(found), complete)


def _open_devices(host: Host, pid: str, name: str = "") -> list[OpenDevice]:
    """Return the block devices a process has open; without `name` it is called as the guest it runs."""
    found = []
    holder = f"{name} (pid {pid})" if name else None
    for fd in host.entries(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{fd}"
        target = host.link(path)
        # Only what is under /dev is looked at closer: a file may be on a file server that no longer answers.
        if target is None or not target.startswith("/dev/"):
            continue
        dev_t = host.block_number(path)
        if dev_t is not None:
            holder = holder or f"{guest_name(host.read_bytes(f'/proc/{pid}/cmdline'))} (pid {pid})"
            found.append(OpenDevice(dev_t, holder))
    return found


_WATCHERS = ("multipathd", "systemd-udevd", "(udev-worker)")
"""They let go of a disk that goes away."""


def read_openers(host: Host) -> dict[str, tuple[str, ...]]:
    """Return "dd (pid 12)" for every process that has a block device open, by major:minor.

    QEMU is told by read_qemu_devices. Raises UnavailableError without root.
    """
    found: dict[str, dict[str, None]] = {}
    for pid in host.entries("/proc"):
        name = host.read(f"/proc/{pid}/comm") if pid.isdigit() else None
        if not name or name.startswith((*_NAMES, *_WATCHERS)):
            continue
        for device in _open_devices(host, pid, name):
            found.setdefault(device.dev_t, {})[device.holder] = None
    return {dev_t: tuple(holders) for dev_t, holders in found.items()}


def guest_name(cmdline: bytes | None) -> str:
    """Return the guest's name in the arguments of a QEMU process; "qemu" when it has none."""
    arguments = (cmdline or b"").decode("utf-8", "replace").split("\0")
    for option, value in zip(arguments, arguments[1:]):
        named = _GUEST.match(value) if option == "-name" else None
        if named:
            return named.group(1).replace(",,", ",")
    return "qemu"
