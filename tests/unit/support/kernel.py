# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel does with a recorded tree when it is written to: devices go, sizes and identities change."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult, Write, Written
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock, Host


class Timer:
    """A clock that runs as fast as one waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.clock = Clock(lambda: self.now, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds


class Kernel:
    """Stands in for `children.write_all`. What is asked of it is kept in `asked`."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.stubborn: tuple[str, ...] = ()
        """SCSI hosts that never answer."""
        self.asked: dict[str, Sequence[Write]] = {}
        self.sizes: dict[str, list[int]] = {}
        """Bytes a disk will tell, by its SCSI address: one at each question, the last one from then on."""
        self.pages: dict[str, bytes] = {}
        """VPD page 83 a disk will tell, by its SCSI address."""
        self.answers: dict[str, str] = {}
        """What a disk answers to a question, by its path below /dev."""

    def __call__(
        self, _host: Host, jobs: Mapping[str, Sequence[Write]], _deadline: float, _each: float = 0.0
    ) -> dict[str, ChildResult]:
        self.asked.update(jobs)
        return {name: self._job(name, writes) for name, writes in jobs.items()}

    def writes(self, attribute: str) -> list[str]:
        """Return the SCSI addresses of which an attribute was written."""
        paths = [Path(write.path) for writes in self.asked.values() for write in writes]
        return sorted(path.parent.name for path in paths if path.name == attribute)

    def _job(self, name: str, writes: Sequence[Write]) -> ChildResult:
        if name in self.stubborn:
            return ChildResult((), writes[0], 60.0, tuple(writes[1:]), 4242)
        return ChildResult(tuple(Written(write, 0, 0.01, self._do(write)) for write in writes), None, 0.01)

    def _do(self, write: Write) -> str:
        device = Path(self.host.path(write.path)).parent
        if write.path.endswith("/delete"):
            self._forget(device)
        elif write.path.endswith("/rescan"):
            self._reread(device)
        return self.answers.get(write.path, "")

    def _reread(self, device: Path) -> None:
        told = self.sizes.get(device.name)
        if told:
            size = told.pop(0) if len(told) > 1 else told[0]
            for disk in (device / "block").iterdir():
                (disk / "size").write_text(f"{size // 512}\n", encoding="utf-8")
        if device.name in self.pages:
            (device / "vpd_pg83").write_bytes(self.pages[device.name])

    def _forget(self, device: Path) -> None:
        place, root = device.resolve(), Path(self.host.root)
        for disk in [entry.name for entry in (place / "block").iterdir()]:
            for link in (root / "sys/class/block" / disk, root / "sys/block" / disk):
                link.unlink(missing_ok=True)
            for link in (*(root / "sys/dev/block").iterdir(), *(root / "dev/disk/by-id").glob("*")):
                if link.is_symlink() and link.readlink().name == disk:
                    link.unlink()
        shutil.rmtree(place)
        device.unlink(missing_ok=True)


def page_83(naa: str) -> bytes:
    """Return VPD page 83 with one designator of the logical unit."""
    designator = bytes((0x01, 0x03, 0, len(naa) // 2)) + bytes.fromhex(naa)
    return bytes((0, 0x83, 0, len(designator))) + designator
