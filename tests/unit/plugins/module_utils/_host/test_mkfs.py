# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making file systems: which command, within which time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import mkfs
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host

UUID = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
DISK = "/dev/mapper/lun1"


@pytest.mark.parametrize(
    ("kind", "mmp", "command"),
    [
        ("ext4", True, f"mkfs.ext4 -q -E nodiscard -U {UUID} -O mmp {DISK}"),
        ("ext4", False, f"mkfs.ext4 -q -E nodiscard -U {UUID} {DISK}"),
        ("xfs", False, f"mkfs.xfs -q -K -m uuid={UUID} {DISK}"),
    ],
)
def test_the_command(tmp_path: Path, kind: str, mmp: bool, command: str) -> None:
    log = tmp_path / "log"

    def run(argv, _deadline, _stdin):
        log.write_text(" ".join(argv))
        return Completed(tuple(argv), 0, "", "")

    mkfs.make(Host(str(tmp_path), run), DISK, kind, UUID, mmp, 5.0)
    assert log.read_text() == command


def test_what_goes_wrong(tmp_path: Path) -> None:
    def late(_argv, _deadline, _stdin):
        time.sleep(60)

    def fails(argv, _deadline, _stdin):
        return Completed(tuple(argv), 1, "", "mkfs.xfs: no space\n")

    with pytest.raises(CommandError, match=r"making an xfs on /dev/mapper/lun1: no answer within 0\.5 s"):
        mkfs.make(Host(str(tmp_path), late), DISK, "xfs", UUID, False, 0.5)
    with pytest.raises(CommandError, match=r"exit code 1: mkfs\.xfs: no space"):
        mkfs.make(Host(str(tmp_path), fails), DISK, "xfs", UUID, False, 5.0)


def test_a_tool_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"mkfs\.nothing is not installed"):
        mkfs.make(Host(str(tmp_path)), DISK, "nothing", UUID, False, 5.0)


@pytest.mark.parametrize(("kind", "command"), [("ext4", f"resize2fs {DISK}"), ("xfs", "xfs_growfs -d /vms")])
def test_growing(tmp_path: Path, kind: str, command: str) -> None:
    log = tmp_path / "log"

    def run(argv, _deadline, _stdin):
        log.write_text(" ".join(argv))
        return Completed(tuple(argv), 0, "", "")

    mkfs.grow(Host(str(tmp_path), run), DISK, kind, "/vms", 5.0)
    assert log.read_text() == command
