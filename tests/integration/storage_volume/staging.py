# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of volumes have in common: stages that are looked at, done and done again; programs in the way."""

from __future__ import annotations

from typing import Any

from ..playing import Task, one, volume
from ..test_storage_pool import PLACE

FOLDER = f"{PLACE}/disks"
DISKS: dict[str, Any] = {"name": "disks", "type": "dir", "target": {"path": FOLDER}}
GROUP = "sanvols"
LOOP = "/dev/loop7"
LVS: dict[str, Any] = {"name": GROUP, "type": "logical"}
MAKE_GROUP = (
    f"truncate -s 512M /var/lib/{GROUP}.img && losetup {LOOP} /var/lib/{GROUP}.img"
    f" && vgcreate -q {GROUP} {LOOP} && lvcreate -q -y --type thin-pool -L 64M -n thin {GROUP}"
)
DROP_GROUP = (
    f"vgchange -qan {GROUP}; vgremove -qff -y {GROUP}; pvremove -q -y {LOOP}; losetup -d {LOOP};"
    f" rm -f /var/lib/{GROUP}.img; true"
)
MIB = 2**20
COMPARED = ("name", "path", "format", "capacity", "backing", "mode", "owner", "group", "thin_pool")


def stages(*wanted: dict[str, Any]) -> list[Task]:
    """Return three tasks for each stage: looked at, done, and done again."""
    return [
        volume(f"{number} {what}", check=what == "check", **options)
        for number, options in enumerate(wanted)
        for what in ("check", "run", "again")
    ]


def judge(run: Any, host: str, *wanted: dict[str, Any]) -> None:
    """What check mode and its diff say is what is done, and the second time there is nothing to do."""
    for number, options in enumerate(wanted):
        check, done, again = (one(run, host, f"{number} {what}") for what in ("check", "run", "again"))
        assert (check["changed"], done["changed"], again["changed"]) == (True, True, False), (host, options)
        assert check["steps"] == done["steps"]
        assert again["steps"] == []
        assert check["diff"]["before"] == done["diff"]["before"]
        told, made = (each["diff"]["after"]["volume"] for each in (check, done))
        if options.get("state") == "absent":
            assert told is made is None
            continue
        assert {key: value for key, value in told.items() if value is not None}.items() <= made.items(), options
        assert {key: again["volume"][key] for key in COMPARED} == {key: done["volume"][key] for key in COMPARED}


CLAIMS = "/run/virt-san-copies"
HOLDERS = f"sed -n 's/.*\"pid\": \\([0-9]*\\).*volume.*/\\1/p' /run/virt-san.lock {CLAIMS}/* 2>/dev/null"
KILL = (
    f"for i in $(seq 600); do for P in $({HOLDERS}); do [ -d /proc/$P ] && break 2; done; sleep 0.05; done;"
    " sleep {delay}; kill -9 $P; pkill -9 '^san-p'; pkill -9 -x qemu-img; sleep 0.2; true"
)
"""Kills the module that holds the lock, or has let go of it for long work, and what it has started."""
