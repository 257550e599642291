# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which block devices lie on another machine, so that other hosts may have them as well.

NVMe over fabrics, and what network block drivers have. SCSI is not looked at: what is a LUN of a SAN is known as such.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.virt.san.plugins.module_utils._host.block import BlockDevice
from ansible_collections.virt.san.plugins.module_utils._host.dm import DmDevice
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

_NETWORK = re.compile(r"(?:nbd|rbd|drbd|rnbd)\d|etherd!|scini[a-z]")
"""Names of devices whose driver has them from the network; the last is that of PowerFlex."""

_OWN = ("pcie", "apple-nvme")
"""Transports of NVMe that do not leave the machine."""

_SUBSYSTEM = re.compile(r"/(nvme-subsys\d+)/nvme[^/]+$")
"""Where the kernel itself puts the paths to a namespace together."""
_CONTROLLER = re.compile(r"/(nvme\d+)/nvme[^/]+$")


def is_remote(host: Host, devices: Mapping[str, BlockDevice], dm_devices: Mapping[str, DmDevice], name: str) -> bool:
    """Tell whether a device is on another machine, or lies on one that is.

    A volume of LVM is not told of: its group belongs to one host, wherever it is.
    """
    device = devices.get(name)
    if device is None:
        return False
    whole = devices.get(device.disk or "", device)
    if _NETWORK.match(whole.name):
        return True
    if whole.name.startswith("nvme"):
        return _is_over_fabrics(host, whole)
    mapped = dm_devices.get(whole.name)
    if not whole.virtual or (mapped is not None and mapped.uuid.startswith("LVM-")):
        return False
    below = host.entries(f"/sys/block/{whole.name}/slaves")
    return any(is_remote(host, devices, dm_devices, lower) for lower in below)


def _is_over_fabrics(host: Host, namespace: BlockDevice) -> bool:
    """Tell whether a namespace comes by a controller elsewhere; one of which that is not known may as well."""
    together, alone = _SUBSYSTEM.search(namespace.link), _CONTROLLER.search(namespace.link)
    known = host.entries("/sys/class/nvme")
    controllers = [alone.group(1)] if alone else []
    if together:
        controllers = [one for one in host.entries(f"/sys/class/nvme-subsystem/{together.group(1)}") if one in known]
    transports = {host.read(f"/sys/class/nvme/{one}/transport") for one in controllers}
    return not transports or not transports <= set(_OWN)
