# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's interface for looking for LUNs: what to write where, and what it lets be known before.

Nothing is written here: the writes may block for as long as a LUN does not answer, so that they go
through the children room.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import scsi, vpd
from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult, Write, Written
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid

SCAN_PARAMETER = "/sys/module/scsi_mod/parameters/scan"
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_DEVICE_TYPE = 0x1F
"""Peripheral device type of "unknown or no device"."""


def scan_write(hba: str, channel: int | None, target_id: int | None, lun: int | None) -> Write:
    """Return the write that scans one address; None is the kernel's wildcard."""
    address = " ".join("-" if part is None else str(part) for part in (channel, target_id, lun))
    return Write(f"{scsi.HOSTS}/{hba}/scan", address)


def reread_write(hctl: Hctl) -> Write:
    """Return the write that makes the kernel read VPD pages and capacity of a device again."""
    return Write(f"{scsi.DEVICES}/{hctl}/rescan", "1")


def delete_write(hctl: Hctl) -> Write:
    """Return the write that removes a device. The kernel checks nothing: the caller must have."""
    return Write(f"{scsi.DEVICES}/{hctl}/delete", "1")


def require_scanning(host: Host) -> None:
    """Raise UnavailableError where the kernel was told never to scan: it would skip every scan and call it done."""
    if host.read(SCAN_PARAMETER) == "none":
        raise UnavailableError(
            f"this host was booted with scsi_mod.scan=none ({SCAN_PARAMETER}), with which the kernel silently skips "
            "every scan; set it to sync, async or manual on the kernel command line or in /etc/modprobe.d, and reboot",
            parameter=SCAN_PARAMETER,
        )


def require_permission(results: Iterable[ChildResult]) -> None:
    """Raise UnavailableError when every write was refused for want of permission (a container, a lockdown)."""
    written = [one for result in results for one in result.done]
    if written and all(one.errno in FORBIDDEN for one in written):
        raise UnavailableError(
            f"{describe(written[0])}; run the task as root (become: true) on the machine itself, not in a container "
            "with a read-only /sys",
            path=written[0].write.path,
        )


def describe(written: Written) -> str:
    """Say what became of a write that failed."""
    return f"writing {written.write.value!r} to {written.write.path}: {os.strerror(written.errno)}"


def is_placeholder(host: Host, hctl: Hctl) -> bool:
    """Tell whether the target said, when asked, that nothing is connected at this address.

    No driver binds to such a device, and it hides what the array maps there later.
    """
    inquiry = scsi.read_inquiry(host, hctl)
    return inquiry is not None and (inquiry.qualifier != 0 or inquiry.kind == NO_DEVICE_TYPE)


def read_identity(host: Host, hctl: Hctl) -> tuple[Wwid, ...]:
    """Return the WWIDs of a device by the kernel's copy of VPD page 83, the one udev would choose first.

    The copy is as fresh as the last rescan of the device. Empty where the device has no such page or is gone.
    """
    designators = vpd.parse_designators(scsi.read_vpd(host, hctl, "83"))
    best = vpd.udev_wwid(designators, None, None)
    others = sorted(vpd.spellings(designators) - {best})
    return tuple(Wwid(wwid) for wwid in ([best] if best else []) + others)


def held_devices(host: Host, hctls: Iterable[Hctl]) -> frozenset[Hctl]:
    """Return those devices that a process has open as /dev/sgN; the kernel would delete them all the same."""
    nodes = {f"/dev/{name}": hctl for hctl in hctls for name in host.entries(f"{scsi.DEVICES}/{hctl}/scsi_generic")}
    if not nodes:
        return frozenset()
    pids = [entry for entry in host.entries("/proc") if entry.isdigit()]
    files = (host.link(f"/proc/{pid}/fd/{fd}") for pid in pids for fd in host.entries(f"/proc/{pid}/fd"))
    return frozenset(nodes[file] for file in files if file in nodes)
