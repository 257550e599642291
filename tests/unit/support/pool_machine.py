# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with folders, NFS servers and systemd, made of files: what a child process changes, its parent sees."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.tests.unit.support.fake_systemd import FakeSystemd

DISK, NUMBER = "/dev/vdb", "254:16"
MIB = 2**20


class PoolMachine(Host):
    """Files below `root`. `mount` and `umount` keep /proc/self/mountinfo; what tools say of the disk is what they have
    written to it. Any other command is a failed test.
    """

    def __init__(self, root: Path) -> None:
        (root / "proc/self").mkdir(parents=True)
        (root / "run").mkdir()
        (root / "sbin").mkdir()
        (root / "sbin/mount.nfs").touch()
        self.top = root
        self.table = root / "proc/self/mountinfo"
        self.table.write_text("22 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw\n")
        self.systemd = FakeSystemd(root, self._command)
        super().__init__(str(root), self.systemd)

    # What a test sets up

    def answer(self, command: str, *, code: int = 0, stderr: str = "", hangs: bool = False) -> None:
        """Say what the next calls of a command (mount, umount) come to."""
        (self.top / f"{command}.answer").write_text(f"{code}\n{int(hangs)}\n{stderr}")

    def mounted(self) -> list[str]:
        return [line for line in self.table.read_text().splitlines() if " - ext4 /dev/vda " not in line]

    def put_mount(self, source: str, point: str, kind: str = "nfs4", options: str = "rw") -> None:
        with self.table.open("a") as table:
            number = NUMBER if source == DISK else "0:45"
            table.write(f"40 22 {number} / {point} rw,relatime shared:9 - {kind} {source} {options}\n")

    def put_disk(self) -> None:
        """Have a disk of 8 MiB, blank."""
        for folder in ("dev", "sys/dev/block", "sys/class/block/vdb"):
            (self.top / folder).mkdir(parents=True)
        (self.top / f"sys/dev/block/{NUMBER}").symlink_to("../../devices/virtio1/block/vdb")
        (self.top / "sys/class/block/vdb/size").write_text(str(8 * MIB // 512))
        (self.top / "dev/vdb").touch()
        os.truncate(self.top / "dev/vdb", 8 * MIB)

    def on_disk(self) -> bytes:
        """Return what is on the disk, without zeros."""
        return (self.top / "dev/vdb").read_bytes().replace(b"\0", b"")

    def put_process(self, pid: int, name: str, *paths: str) -> None:
        """Have a process with files open."""
        process = self.top / f"proc/{pid}"
        (process / "fd").mkdir(parents=True)
        (process / "comm").write_text(f"{name}\n")
        for number, path in enumerate(paths):
            (process / "fd" / str(number)).symlink_to(path)

    def calls(self) -> list[str]:
        """Return the commands that were run for mounts."""
        log = self.top / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def files(self) -> dict[str, str]:
        """Return all files of ours, the programs without their content."""
        found = (path for top in ("etc", "usr", "run") for path in sorted((self.top / top).rglob("*")))
        ours = [
            path for path in found if path.is_file() and not path.is_symlink() and "systemd/system/x" not in str(path)
        ]
        return {
            str(path.relative_to(self.top)): "" if path.suffix == ".pyz" else path.read_text()
            for path in ours
            if "virt-san" in str(path) and path.suffix != ".lock"
        }

    # What the machine does

    def _command(self, argv: Sequence[str], _deadline: float, stdin: str | None) -> Completed:
        if argv[0] in ("wipefs", "mkfs.ext4", "sfdisk"):
            return Completed(tuple(argv), 0, self._on_disk(argv, stdin or ""), "")
        assert argv[0] in ("mount", "umount"), f"not to be run: {' '.join(argv)}"
        with (self.top / "calls").open("a") as log:
            log.write(" ".join(argv) + "\n")
        told = self.top / f"{argv[0]}.answer"
        code, hangs, stderr = told.read_text().split("\n", 2) if told.exists() else ("0", "0", "")
        if hangs == "1":
            time.sleep(60)
        if code != "0" and "-l" not in argv:
            return Completed(tuple(argv), int(code), "", stderr)
        if argv[0] == "mount":
            kind = "nfs4" if argv[2] == "nfs" else argv[2]
            self.put_mount(argv[-2], argv[-1], kind, argv[4])
        else:
            lines = self.table.read_text().splitlines()
            last = max(number for number, line in enumerate(lines) if line.split(" ")[4] == argv[-1])
            self.table.write_text("".join(f"{line}\n" for number, line in enumerate(lines) if number != last))
        return Completed(tuple(argv), 0, "", "")

    def _on_disk(self, argv: Sequence[str], stdin: str) -> str:
        """Do what a tool does to the disk, of which all is at its beginning: JSON, as that tool tells it."""
        assert argv[-1] == DISK
        file = self.top / "dev/vdb"
        if argv[0] == "mkfs.ext4":
            row = {"type": "ext4", "usage": "filesystem", "uuid": argv[argv.index("-U") + 1]}
        elif stdin:
            told = dict(line.split(": ") for line in stdin.splitlines())
            row = {"type": told["label"], "usage": "partition-table", "id": told["label-id"].upper()}
        else:
            found = file.read_bytes()[:512].rstrip(b"\0")
            there = json.loads(found) if found else {}
            if argv[0] == "wipefs":
                place = {"offset": "0", "length": 4096, "label": None, "uuid": None}
                return json.dumps({"signatures": [{**place, **there}] if there else []})
            table = {"label": there["type"], "id": there["id"], "unit": "sectors"}
            return json.dumps({"partitiontable": table})
        assert not self.on_disk(), "not blank"
        with file.open("r+b") as stream:
            stream.write(json.dumps(row).encode())
            stream.seek(1024 + 0x38)
            stream.write(b"\x53\xef")  # the magic of an ext4
        return ""
