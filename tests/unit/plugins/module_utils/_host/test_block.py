# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel calls block devices, and where they lie in sysfs."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.plugins.module_utils._host.block import BlockDevice


@pytest.mark.parametrize(
    ("link", "disk"),
    [
        ("../../devices/pci0000:00/host2/target2:0:0/2:0:0:27/block/sda", None),
        ("../../devices/pci0000:00/host2/target2:0:0/2:0:0:27/block/sda/sda12", "sda"),
        ("../../devices/pci0000:00/nvme/nvme0/nvme0n1", None),
        ("../../devices/pci0000:00/nvme/nvme0/nvme0n1/nvme0n1p3", "nvme0n1"),
        ("../../devices/virtual/nvme-subsystem/nvme-subsys2/nvme2n1", None),
        ("../../devices/virtual/block/loop1", None),
        ("../../devices/virtual/block/loop1/loop1p1", "loop1"),
        ("../../devices/virtual/block/dm-11", None),
        ("../../devices/pci0000:00/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p1", "mmcblk0"),
        ("../../devices/pci0000:00/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0boot0", None),
        ("../../devices/pci0000:00/cciss0/c0d0/block/cciss!c0d0/cciss!c0d0p2", "cciss!c0d0"),
    ],
)
def test_what_is_a_partition(link: str, disk: str | None) -> None:
    assert BlockDevice(link.rpartition("/")[2], "8:0", link).disk == disk
