# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices by the names people give them, exactly: a partition is not its disk here."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ansible_collections.virt.san.plugins.module_utils._host import block, dm, remote, udev, usage
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.disk import BareDevice


def exact_name(host: Host, path: str) -> str | None:
    """Return the kernel name of the device at a path under /dev; None where there is none."""
    told = host.link(path)
    node = os.path.normpath(path if told is None else os.path.join(os.path.dirname(path), told))
    if not node.startswith("/dev/"):
        return None
    found = node[len("/dev/") :].replace("/", "!")  # as in /dev/cciss/c0d0
    return found if host.exists(f"/sys/class/block/{found}") else None


def read_bare(host: Host, names: Iterable[str]) -> dict[str, BareDevice]:
    """Return devices by kernel name, with all that uses them; what is gone is left out."""
    wanted = tuple(dict.fromkeys(names))
    devices = block.read_devices(host)
    dm_devices = dm.read_dm_devices(host, devices)
    evidence = usage.read_evidence(host, devices, dm_devices, block.read_holders(host, devices))
    maps = {device.uuid[len(dm.MULTIPATH) :]: name for name, device in dm_devices.items() if dm.is_multipath(device)}
    found = {}
    for name in wanted:
        device, mapped = devices.get(name), dm_devices.get(name)
        if device is None:
            continue
        found[name] = BareDevice(
            kernel=name,
            size=block.parse_sectors(host.read(f"/sys/class/block/{name}/size")),
            read_only=host.read(f"/sys/class/block/{name}/ro") == "1",
            uses=usage.uses_of_device(host, evidence, name, udev.read_record(host, device.dev_t)),
            part_of=device.disk or (maps.get(mapped.partition_of or "") if mapped else None),
            name=mapped.name if mapped else "",
            remote=remote.is_remote(host, devices, dm_devices, name),
        )
    return found
