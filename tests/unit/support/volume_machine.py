# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of qcow2 images, and a machine of files with a qemu-img that makes them."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.virt.san.plugins.module_utils._host.host import Completed
from ansible_collections.virt.san.tests.unit.support.pool_machine import PoolMachine

BACKING_FORMAT = 0xE2792ACA
DATA_FILE = 0x44415441


def qcow2(
    capacity: int,
    backing: str | None = None,
    form: str | None = None,
    version: int = 3,
    bits: int = 16,
    data: str | None = None,
) -> bytes:
    """Return the first bytes of an image; `data`: the file that has its data, empty if it does not say which."""
    length = 104 if version == 3 else 72
    extension = _extension(BACKING_FORMAT, form) + _extension(DATA_FILE, data) + bytes(8)
    name = (backing or "").encode()
    at = length + len(extension) if backing else 0
    head = struct.pack(">4sIQIIQ", b"QFI\xfb", version, at, len(name), bits, capacity)
    if version == 3:
        features = 0 if data is None else 1 << 2
        head = head.ljust(72, b"\0") + struct.pack(">Q", features)
        head = head.ljust(100, b"\0") + struct.pack(">I", length)
    return (head.ljust(length, b"\0") + extension + name).ljust(1024, b"\0")


def _extension(kind: int, text: str | None) -> bytes:
    told = (text or "").encode()
    return struct.pack(">II", kind, len(told)) + told.ljust(-(-len(told) // 8) * 8, b"\0") if told else b""


class VolumeMachine(PoolMachine):
    """A PoolMachine with qemu-img and wipefs; what they are asked is in calls()."""

    def content(self, *kinds: str) -> None:
        """Say what wipefs finds in any file."""
        told = [{"offset": "0x438", "type": kind, "usage": "raid"} for kind in kinds]
        (self.top / "wipefs.json").write_text(json.dumps({"signatures": told}))

    def holds(self, end: int, depth: int = 0) -> None:
        """Say how far qemu-img finds data in any image, or in the backing of one."""
        part = {"start": 0, "length": end, "depth": depth, "present": True, "zero": False, "data": True}
        (self.top / "map.json").write_text(json.dumps([part]))

    def _command(self, argv: Sequence[str], deadline: float, stdin: str | None) -> Completed:
        if argv[0] not in ("qemu-img", "wipefs"):
            return super()._command(argv, deadline, stdin)
        told = " ".join(argv).replace(f"{self.top}", "")
        with (self.top / "calls").open("a") as log:
            log.write(f"{told}\n")
        if argv[0] == "wipefs":
            return self._answer(argv, "wipefs.json")
        words, path = list(argv[2:]), Path(argv[-2])
        if argv[1] == "convert":
            return self._convert(argv, words)
        if argv[1] == "map":
            return self._answer(argv, "map.json", "[]")
        if argv[1] == "create":
            assert not path.exists()
            backing, form = (words[words.index(flag) + 1] if flag in words else None for flag in ("-b", "-F"))
            path.write_bytes(qcow2(int(argv[-1]), backing, form))
        else:
            assert argv[1] == "resize"
            data = path.read_bytes()
            was = struct.unpack_from(">Q", data, 24)[0]
            assert (int(argv[-1]) < was) == ("--shrink" in words)
            path.write_bytes(data[:24] + struct.pack(">Q", int(argv[-1])) + data[32:])
        return Completed(tuple(argv), 0, "", "")

    def _convert(self, argv: Sequence[str], words: list[str]) -> Completed:
        source, target = Path(argv[-2]), Path(argv[-1])
        given, form = (words[words.index(flag) + 1] for flag in ("-f", "-O"))
        data = source.read_bytes()
        size = len(data) if given == "raw" else struct.unpack_from(">Q", data, 24)[0]
        assert target.exists() == ("-n" in words)
        if "-n" in words:
            # What is not written keeps what was there.
            target.write_bytes(b"converted".ljust(0 if "--target-is-zero" in words else target.stat().st_size, b"\0"))
        else:
            target.write_bytes(qcow2(size) if form == "qcow2" else b"converted".ljust(size, b"\0"))
        return Completed(tuple(argv), 0, "", "")

    def _answer(self, argv: Sequence[str], name: str, nothing: str = "") -> Completed:
        told = self.top / name
        return Completed(tuple(argv), 0, told.read_text() if told.exists() else nothing, "")
