# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with a partition table, and tools that work on it; anything they do not know is a failed test.

The table is kept as sfdisk (util-linux 2.38) prints it. The kernel learns of it by partx, or by kpartx and dmsetup
where the disk is a map. All of it is in files: what a child process does, its parent sees.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._host.host import Completed
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Source, SourceDevice, Target
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import made_uuid
from ansible_collections.virt.san.tests.unit.support.groups import disk
from ansible_collections.virt.san.tests.unit.support.volume_machine import VolumeMachine

MIB = 2**20
SECTORS = MIB // 512
SIZE = 64 * MIB
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
VDB = Disk("/dev/vdb", "vdb", SIZE)
MAP = disk(1, SIZE)
QUIETLY = ["--quiet", "--wipe", "never", "--no-reread", "--no-tell-kernel"]


def pool_on(one: Disk, kind: str = "gpt") -> PoolDefinition:
    return PoolDefinition("parts", "disk", Source(devices=(SourceDevice(one.path),), format=kind), Target("/dev"))


class PartMachine(VolumeMachine):
    """A machine whose one disk has the table of pool parts."""

    def __init__(self, root: Path, one: Disk, kind: str = "gpt") -> None:
        super().__init__(root)
        self.disk = one
        self.mapped = one.kernel.startswith("dm-")
        identity = made_uuid("parts", str(one.wwid or one.path))
        told: dict[str, Any] = {"label": kind, "device": one.path, "unit": "sectors", "sectorsize": 512}
        if kind == "gpt":
            told.update(id=identity.upper(), firstlba=2048, lastlba=SIZE // 512 - 34)
        else:
            told.update(id=f"0x{identity[:8]}")
        self.write({**told, "partitions": []})
        self._file(one.path, SIZE)
        if kind == "gpt":
            self.put_header(SIZE)
        folder = self.top / f"sys/class/block/{one.kernel}"
        folder.mkdir(parents=True)
        (self.top / "sbin/kpartx").touch()
        if self.mapped:
            (folder / "dm").mkdir()
            (folder / "dm/uuid").write_text(f"mpath-{one.wwid}\n")
            (folder / "dm/name").write_text(one.path.rpartition("/")[2] + "\n")

    # What there is

    def read_table(self) -> dict[str, Any]:
        return dict(json.loads((self.top / "table.json").read_text()))

    def write(self, told: dict[str, Any]) -> None:
        (self.top / "table.json").write_text(json.dumps(told))

    def rows(self) -> dict[int, dict[str, Any]]:
        return {int(re.sub(r".*\D", "", row["node"])): row for row in self.read_table()["partitions"]}

    def put(self, number: int, start: int, size: int, /, **facts: Any) -> None:
        """Have a partition in the table; sizes in MiB."""
        self._add(number, {"start": start * SECTORS, "size": size * SECTORS, **facts})

    def _add(self, number: int, facts: dict[str, Any]) -> None:
        told = self.read_table()
        row: dict[str, Any] = {"node": f"{self.disk.path}-part{number}"}
        row["type"] = LINUX if told["label"] == "gpt" else "83"
        if told["label"] == "gpt":
            row["uuid"] = f"00000000-0000-4000-8000-{number:012X}"
        told["partitions"].append({**row, **facts})
        self.write(told)

    def known(self) -> dict[int, str]:
        """Return the partitions that the kernel has, by number: kernel names."""
        found = {}
        for path in sorted((self.top / "sys/class/block").iterdir()):
            if (path / "number").exists():
                found[int((path / "number").read_text())] = path.name
        return found

    def tell_kernel(self) -> None:
        """Have the kernel know all that is in the table."""
        for number in self.rows():
            self._make_node(number)

    def ran(self) -> list[str]:
        """Return the commands that change something."""
        log = self.top / "changes"
        return log.read_text().splitlines() if log.exists() else []

    def put_header(self, end: int) -> None:
        """Have the header of the gpt say that its copy ends at a byte."""
        first = struct.pack("<8sIIIIQQ", b"EFI PART", 0x10000, 40, 0, 0, 1, end // 512 - 1)
        with (self.top / self.disk.path[1:]).open("r+b") as stream:
            stream.seek(512)
            stream.write(first[:16] + struct.pack("<I", zlib.crc32(first)) + first[20:])

    def resize(self, size: int) -> None:
        """Have the disk be larger or smaller."""
        self._file(self.disk.path, size)
        self.disk = replace(self.disk, size=size)

    # What tools do

    def _command(self, argv: Sequence[str], deadline: float, stdin: str | None) -> Completed:
        if argv[0] == "wipefs":
            return Completed(tuple(argv), 0, json.dumps({"signatures": self._signatures(argv[-1])}), "")
        if argv[0] == "sfdisk" and argv[1] == "--json":
            return Completed(tuple(argv), 0, json.dumps({"partitiontable": self.read_table()}), "")
        if list(argv) == ["dmsetup", "table", "--target", "linear"]:
            return Completed(tuple(argv), 0, "".join(self._linear(number) for number in self.known()), "")
        if argv[0] not in ("sfdisk", "partx", "/sbin/kpartx", "dmsetup"):
            return super()._command(argv, deadline, stdin)
        with (self.top / "changes").open("a") as log:
            log.write(" ".join(argv) + (f" <- {stdin.strip()}" if stdin else "") + "\n")
        failed = self._sfdisk(list(argv[1:]), stdin or "") if argv[0] == "sfdisk" else self._tell(list(argv))
        return Completed(tuple(argv), 1 if failed else 0, "", failed)

    def _signatures(self, path: str) -> list[dict[str, Any]]:
        if path != self.disk.path:
            return []
        kind = self.read_table()["label"]
        return [{"offset": "0x200", "length": 8, "type": kind, "usage": "partition-table", "uuid": None, "label": None}]

    def _sfdisk(self, words: list[str], stdin: str) -> str:
        assert words[:5] == QUIETLY
        self._relocate()
        told, words = self.read_table(), words[5:]
        rows = self.rows()
        if words[0] == "--append" or words[:3] == ["--wipe-partitions", "always", "--append"]:
            assert words[-1] == self.disk.path
            name, _colon, script = stdin.partition(" : ")
            number, facts = int(name[4:]), dict(one.split("=") for one in script.strip().split(", "))
            assert number not in rows
            place = {"start": int(facts["start"]), "size": int(facts["size"])}
            given = {"type": facts["type"], **({"name": facts["name"].strip('"')} if "name" in facts else {})}
            if not self._is_free(place, rows):
                return "Sector already used."
            self.write(told)
            self._add(number, {**place, **given})
        elif words[0] == "-N":
            number, facts = int(words[1]), dict(one.split("=") for one in stdin.strip().split(", "))
            given = {key: int(value) for key, value in facts.items()}
            others = {key: row for key, row in rows.items() if key != number}
            assert given["start"] == rows[number]["start"]
            if not self._is_free(given, others):
                return "Failed to resize partition"
            self.write({**told, "partitions": [*others.values(), {**rows[number], **given}]})
        elif words[0] == "--relocate":
            assert words[1:] == ["gpt-bak-std", self.disk.path]
        elif words[0] == "--part-type":
            rows[int(words[2])]["type"] = words[3]
            self.write({**told, "partitions": list(rows.values())})
        else:
            assert words[0] == "--delete"
            del rows[int(words[2])]
            self.write({**told, "partitions": list(rows.values())})
        return ""

    def _relocate(self) -> None:
        """Have the copy of a gpt at the end of the disk: every write of sfdisk does that."""
        told = self.read_table()
        if told["label"] == "gpt":
            self.write({**told, "lastlba": self.disk.size // 512 - 34})
            self.put_header(self.disk.size)

    def _is_free(self, one: dict[str, Any], rows: dict[int, dict[str, Any]]) -> bool:
        end = one["start"] + one["size"]
        apart = all(end <= row["start"] or one["start"] >= row["start"] + row["size"] for row in rows.values())
        return apart and end <= self.read_table().get("lastlba", SIZE // 512 - 1) + 1

    def _tell(self, argv: list[str]) -> str:
        if argv[0] == "partx":
            assert not self.mapped
            assert argv[2] == "--nr"
            if argv[1] == "--delete":
                self._drop_node(int(argv[3]))
            else:
                assert (argv[1] == "--update") == (int(argv[3]) in self.known())
                self._make_node(int(argv[3]))
        elif argv[0] == "dmsetup":
            assert argv[1:3] == ["remove", "--retry"]
            (number,) = [number for number in self.known() if argv[3] == self._title(number)]
            if (self.top / "busy").exists():
                return "device-mapper: remove ioctl failed: Device or resource busy"
            self._drop_node(number)
        else:
            assert argv[1:] == ["-a", "-s", "-p", "-part", self.disk.path]
            self.tell_kernel()
        return ""

    # What the kernel has

    def _title(self, number: int) -> str:
        return f"{self.disk.path.rpartition('/')[2]}-part{number}"

    def _linear(self, number: int) -> str:
        folder = self.top / f"sys/class/block/{self.known()[number]}"
        size, start = ((folder / name).read_text() for name in ("size", "below"))
        return f"{self._title(number)}: 0 {size} linear 253:1 {start}\n"

    def _make_node(self, number: int) -> None:
        row = self.rows()[number]
        name = f"dm-{100 + number}" if self.mapped else f"vdb{number}"
        folder = self.top / f"sys/class/block/{name}"
        folder.mkdir(exist_ok=True)
        facts = {"size": row["size"], "number": number, "below": row["start"], "dev": f"253:{100 + number}"}
        if self.mapped:
            (folder / "dm").mkdir(exist_ok=True)
            (folder / "dm/uuid").write_text(f"part{number}-mpath-{self.disk.wwid}\n")
            (folder / "dm/name").write_text(f"{self._title(number)}\n")
            link = self.top / f"dev/disk/by-id/dm-uuid-part{number}-mpath-{self.disk.wwid}"
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(f"../../{name}")
        else:
            inside = self.top / f"sys/class/block/vdb/{name}"
            inside.mkdir(exist_ok=True)
            for attribute, value in (("partition", number), ("size", row["size"]), ("start", row["start"])):
                (inside / attribute).write_text(f"{value}\n")
        for attribute, value in facts.items():
            (folder / attribute).write_text(f"{value}")
        self._file(f"/dev/{name}", row["size"] * 512)

    def _drop_node(self, number: int) -> None:
        name = self.known()[number]
        for folder in (self.top / f"sys/class/block/{name}", self.top / f"sys/class/block/vdb/{name}"):
            shutil.rmtree(folder, ignore_errors=True)
        (self.top / f"dev/{name}").unlink()
        link = self.top / f"dev/disk/by-id/dm-uuid-part{number}-mpath-{self.disk.wwid}"
        link.unlink(missing_ok=True)

    def _file(self, path: str, size: int) -> None:
        file = self.top / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab"):
            os.truncate(file, size)
