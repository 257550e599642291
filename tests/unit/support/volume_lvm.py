# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An LVM of one volume group that makes and removes volumes; anything it does not know is a failed test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._host.host import Completed
from ansible_collections.virt.san.plugins.module_utils._host.lvm_volumes import UNFINISHED
from ansible_collections.virt.san.plugins.module_utils._model.group import Group, GroupSight, GroupVolume
from ansible_collections.virt.san.plugins.module_utils._model.volume import rounded_up
from ansible_collections.virt.san.tests.unit.support.groups import EXTENT, HERE, NAME, group, pv
from ansible_collections.virt.san.tests.unit.support.volume_machine import VolumeMachine


class LvmMachine(VolumeMachine):
    """A machine with a volume group. `sight()` stands for what LVM reports."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.group: Group = replace(group(pv(1)), free=10 * EXTENT)
        self.ran: list[str] = []
        self.made = 0
        self.zeroing = True
        """Thin pools zero blocks before a volume gets them."""

    def sight(self, *_args: object, **_more: object) -> GroupSight:
        return GroupSight(system_id=HERE, groups=(self.group,), used=frozenset(one.kernel for one in self.group.pvs))

    def put(self, name: str, extents: int = 1, **facts: Any) -> None:
        """Have a volume, active unless it is said otherwise."""
        self.made += 1
        told = {"active": True, "layout": "linear", **facts}
        made = GroupVolume(f"uuid-{self.made}", name, f"/dev/{NAME}/{name}", extents * EXTENT, **told)
        self.group = replace(self.group, volumes=(*self.group.volumes, made))

    def change(self, name: str, **facts: Any) -> None:
        volumes = tuple(replace(one, **facts) if one.name == name else one for one in self.group.volumes)
        self.group = replace(self.group, volumes=volumes)

    def _command(self, argv: Sequence[str], deadline: float, stdin: str | None) -> Completed:
        if argv[0] != "lvm":
            return super()._command(argv, deadline, stdin)
        self.ran.append(" ".join(argv[1:]))
        if argv[1] == "lvs":
            assert "zero" in argv
            told = json.dumps({"report": [{"lv": [{"zero": "1" if self.zeroing else "0"}]}]})
            return Completed(tuple(argv), 0, told, "")
        words = {flag: word for flag, word in pairwise(argv) if flag.startswith("--")}
        if words.get("--type") == "snapshot":
            self._create_cow(words, argv[-1])
        elif "--snapshot" in argv:
            origin = next(one for one in self.group.volumes if f"{NAME}/{one.name}" == argv[-1])
            assert origin.pool
            extents = origin.size // EXTENT
            self.put(words["--name"], extents, pool=origin.pool, layout="thin,sparse", origin=origin.name)
        elif argv[1] == "lvcreate":
            self._create(words, argv[-1])
        elif argv[1] == "lvchange":
            assert words["--deltag"] == UNFINISHED
            self.change(argv[-1].rpartition("/")[2], tags=())
        elif argv[1] == "lvremove":
            (gone,) = [one for one in self.group.volumes if f"lv_uuid={one.uuid}" == words["--select"]]
            assert not gone.held
            assert gone.pool or not [one for one in self.group.volumes if one.origin == gone.name]
            self._remove(gone)
        else:
            assert argv[1] in ("lvextend", "lvreduce")
            found = next(one for one in self.group.volumes if f"{NAME}/{one.name}" == argv[-1])
            size = int(words["--size"][:-1])
            assert (size < found.size) == (argv[1] == "lvreduce")
            assert argv[1] == "lvextend" or not found.origin or found.pool
            self.change(found.name, size=size)
            self.group = replace(self.group, free=self.group.free - (0 if found.pool else size - found.size))
        return Completed(tuple(argv), 0, "", "")

    def _create(self, words: dict[str, str], name: str) -> None:
        assert name == NAME
        assert words["--name"] not in {one.name for one in self.group.volumes}
        thin = words["--type"] == "thin"
        size = int(words["--virtualsize" if thin else "--size"][:-1])
        assert size == rounded_up(size, EXTENT)
        facts = {"pool": words["--thinpool"], "layout": "thin,sparse", "percent": 0.0} if thin else {}
        tags = (words["--addtag"],) if "--addtag" in words else ()
        self.put(words["--name"], size // EXTENT, tags=tags, **facts)
        device = self.top / f"dev/{NAME}" / words["--name"]
        device.parent.mkdir(parents=True, exist_ok=True)
        device.write_bytes(b"old" * (size // 3) + b"ol"[: size % 3])
        self.group = replace(self.group, free=self.group.free - (0 if thin else size))

    def _create_cow(self, words: dict[str, str], path: str) -> None:
        origin = next(one for one in self.group.volumes if f"{NAME}/{one.name}" == path)
        size = int(words["--size"][:-1])
        assert size == rounded_up(size, EXTENT)
        assert size <= self.group.free
        # All of the origin can change, and a table tells what has: LVM gives no more.
        assert size <= rounded_up(origin.size + origin.size // 256 + 3 * 4096, EXTENT)
        assert not origin.origin
        self.put(words["--name"], size // EXTENT, origin=origin.name, percent=0.0, tags=(words["--addtag"],))
        self.group = replace(self.group, free=self.group.free - size)

    def _remove(self, gone: GroupVolume) -> None:
        free = self.group.free + (0 if gone.pool else gone.size)
        self.group = replace(self.group, free=free, volumes=tuple(one for one in self.group.volumes if one != gone))
