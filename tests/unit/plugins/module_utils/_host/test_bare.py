# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices by exactly the name they are given: what has another name is another device, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._host.bare import exact_name
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

LINKS = {
    "disk/by-id/wwn-0x1": "../../sda",
    "disk/by-path/far": "/dev/vdb",
    "guests/root": "../dm-3",
    "guests/odd": "../other/vdb",
}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for name in ("sda", "vdb", "dm-3", "cciss!c0d0"):
        (tmp_path / f"sys/class/block/{name}").mkdir(parents=True)
    for link, target in LINKS.items():
        path = tmp_path / "dev" / link
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return Host(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/dev/vdb", "vdb"),
        ("/dev//vdb", "vdb"),
        ("/dev/cciss/c0d0", "cciss!c0d0"),
        ("/dev/disk/by-id/wwn-0x1", "sda"),
        ("/dev/disk/by-path/far", "vdb"),
        ("/dev/guests/root", "dm-3"),
        ("/dev/guests/vdb", None),
        ("/dev/guests/odd", None),
        ("/dev/vdz", None),
        ("/srv/vdb", None),
        ("vdb", None),
    ],
)
def test_named_exactly(host: Host, path: str, name: str | None) -> None:
    """A volume of a group that is not active must not be taken for the disk that is called alike."""
    assert exact_name(host, path) == name
