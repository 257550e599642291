# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that come by themselves behind a new SCSI host: a vHBA that has logged in, a new session."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ansible_collections.virt.san.plugins.module_utils._host import scsi, udev
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until

PATIENCE = 5.0
"""Seconds until a disk has to show: there may be none."""
INTERVAL = 0.1


def await_disks(host: Host, hosts: Callable[[], Iterable[str]]) -> int:
    """Wait a moment for a disk behind SCSI hosts ("host7"); return how many are ready for use by then."""
    return wait_until(
        host, lambda: sum(disks_behind(host, name) for name in hosts()), bool, PATIENCE, interval=INTERVAL
    )


def disks_behind(host: Host, name: str) -> int:
    """Return how many disks are behind a SCSI host; 0 while udev is not done with one that is there."""
    found = 0
    for hctl in scsi.read_addresses(host):
        for disk in host.entries(f"{scsi.DEVICES}/{hctl}/block") if f"host{hctl.host}" == name else ():
            number = host.read(f"/sys/class/block/{disk}/dev")
            if number is None or udev.read_record(host, number) is None:
                return 0
            found += 1
    return found
