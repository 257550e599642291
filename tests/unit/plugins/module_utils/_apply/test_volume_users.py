# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked about the users of a volume, and what is not, as it would cost time and change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.volume_users import with_users
from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._model.volume import Share, Volume, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight

UNIT = 4096
VOLUME = Volume("a", "/images/a", "/images/a", "raw", 4 * UNIT, 0)
SIGHT = VolumeSight(volume=VOLUME, unit=UNIT)
SHRINKS: dict[str, Any] = {"capacity": UNIT, "allow_shrink": True}


class Volumes:
    """A kind of volumes that notes what it is asked."""

    def __init__(self, users: tuple[str, ...] = (), end: int | str | Exception = 7) -> None:
        self.asked: list[str] = []
        self._users, self._end = users, end

    def look(self, sight: VolumeSight = SIGHT, **wanted: Any) -> VolumeSight:
        return with_users(sight, WantedVolume("a", **wanted), self.users, self.readers, self.end)

    def users(self) -> tuple[str, ...]:
        self.asked.append("users")
        return self._users

    def readers(self, so_far: VolumeSight) -> VolumeSight:
        self.asked.append("readers")
        assert so_far.users == self._users
        return replace(so_far, dependents=("/images/top",))

    def end(self) -> int | str:
        self.asked.append("end")
        if isinstance(self._end, Exception):
            raise self._end
        return self._end


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ({}, []),
        ({"capacity": 4 * UNIT}, []),
        ({"capacity": 3 * UNIT + 1, "allow_shrink": True}, []),
        ({"capacity": Share(50)}, []),
        ({"download_to": "/f"}, []),
        ({"capacity": 5 * UNIT}, ["users"]),
        ({"capacity": UNIT}, ["users"]),
        (SHRINKS, ["users", "readers", "end"]),
        ({"state": "absent"}, ["users", "readers"]),
        ({"state": "absent", **SHRINKS}, ["users", "readers"]),
        ({"upload_from": "/f"}, ["users", "readers"]),
        ({"upload_from": "/f", **SHRINKS}, ["users", "readers", "end"]),
    ],
)
def test_only_what_matters_is_asked(wanted: dict[str, Any], asked: list[str]) -> None:
    volumes = Volumes()
    volumes.look(**wanted)
    assert volumes.asked == asked


def test_nothing_of_what_is_not_there() -> None:
    volumes = Volumes()
    assert volumes.look(VolumeSight(), state="absent") == VolumeSight()
    assert volumes.asked == []


def test_no_end_of_what_is_in_use() -> None:
    volumes = Volumes(("guest vm1 (pid 7)",))
    seen = volumes.look(**SHRINKS)
    assert (seen.users, seen.dependents, seen.end) == (("guest vm1 (pid 7)",), ("/images/top",), None)
    assert volumes.asked == ["users", "readers"]


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (7, (7, "")),
        (0, (0, "")),
        ("it holds LUKS", (None, "it holds LUKS")),
        (CommandError("no answer within 10 s"), (None, "no answer within 10 s")),
        (FileNotFoundError(2, "gone"), (None, "its content cannot be read: No such file or directory")),
    ],
)
def test_the_end_or_why_nobody_knows(end: int | str | Exception, told: tuple[int | None, str]) -> None:
    seen = Volumes(end=end).look(**SHRINKS)
    assert (seen.end, seen.end_unknown) == told
