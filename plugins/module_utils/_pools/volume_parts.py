# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that are partitions of a table, gpt or dos.

Their names are the same on every host: in a gpt what a task says, kept as the partition's label. Partitions without a
label of their own, and all in a dos table, are part1, part2, ...
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import NoReturn

from ansible_collections.virt.san.plugins.module_utils._errors import InputError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.ids import format_size
from ansible_collections.virt.san.plugins.module_utils._model.partitions import MIB, Parted, Partition, Table
from ansible_collections.virt.san.plugins.module_utils._model.pool import Permissions, PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import (
    SPARSE,
    NewVolume,
    Share,
    Volume,
    WantedVolume,
    parse_volume_name,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_source import (
    capacity_for,
    require_whole,
    source_of,
)
from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import ActivateVolume

GPT_COUNT, DOS_COUNT = 128, 4
TYPES: Mapping[str, str] = {"gpt": "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "dos": "83"}
"""What new partitions are for: Linux."""
UNFINISHED = "76697274-2E73-416E-8E75-6E66696E6973"
"""Type, of nobody else's, of a partition whose content is still being copied."""

_NAME = re.compile(r"^[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,35}$")
"""A gpt has room for 36 characters; none of these has to be spelled otherwise in scripts of sfdisk or below /dev."""
_NUMBERED = re.compile(r"^part([1-9]\d*)$")


class PartitionVolumes:
    """Sizes are whole MiB, rounded up. A partition is of one piece: what counts is the largest gap."""

    by_header = False

    def check(self, wanted: WantedVolume) -> None:
        if wanted.thin_pool is not None:
            raise ValueError("thin_pool: only pools of type logical have any")
        if wanted.format not in (None, "raw"):
            raise ValueError(f"format: a volume of a pool of type disk is raw, not {wanted.format}")
        if wanted.backing is not None:
            raise ValueError("backing: a volume of a pool of type disk has none")
        if wanted.permissions != Permissions():
            raise ValueError("permissions: the volume is a device, whose permissions are udev's: give it a rule there")
        if wanted.allocation == SPARSE:
            raise ValueError("allocation: a partition has all its space, and is never sparse")

    def path(self, pool: PoolDefinition, name: str, sight: VolumeSight) -> str:
        if sight.volume is not None or sight.parted is None:
            return "" if sight.volume is None else sight.volume.path
        return sight.parted.path_of(_number(name, sight.parted))

    def complete(self, wanted: WantedVolume, sight: VolumeSight) -> NewVolume:
        parted = _require(sight)
        number = _number(wanted.name, parted)
        source = source_of(wanted, sight)
        kind = parted.table.kind
        if source is not None and kind != "gpt":
            raise RefusedError(
                f"clone_from: {parted.label} has a {kind} table, in which a copy that a killed run has not finished "
                "looks like any other partition. Have the volume made without it, and copied to by upload_from"
            )
        capacity = capacity_for(wanted, source, MIB) or _share(wanted, parted)
        if source is not None:
            require_whole(wanted, source, capacity)
        start = next((begin for begin, room in parted.table.gaps(parted.size) if room >= capacity), None)
        if start is None:
            _refuse_full(wanted, parted, capacity)
        label = wanted.name if kind == "gpt" else ""
        part = Partition(parted.path_of(number), start, capacity, TYPES[kind], number, name=label)
        return NewVolume(wanted.name, capacity, full=True, source=source, part=part)

    def refuse_difference(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume) -> None:
        return

    def refuse_growth(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume, capacity: int) -> None:
        parted = _require(sight)
        part = parted.table.keyed(volume.key)
        room = 0 if part is None else parted.table.room_behind(part, parted.size)
        if capacity - volume.capacity > room:
            raise RefusedError(
                f"volume {volume.name} cannot grow by {format_size(capacity - volume.capacity)}: it is partition "
                f"{part.number if part else '?'} of {parted.label}, and {format_size(room)} are free right behind it. "
                "Remove what is there, or make a larger volume and copy this one to it (clone_from)",
                path=volume.path,
                free=room,
            )

    def activation(self, pool: PoolDefinition, volume: Volume) -> tuple[Step, ...]:
        return () if volume.active else (ActivateVolume(pool, volume),)

    def warnings(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume) -> tuple[str, ...]:
        return ()


def names_in(table: Table) -> dict[int, str]:
    """Return the names of all volumes in a table by number; a label that several partitions have is nobody's name."""
    labels = Counter(one.name for one in table.partitions)
    return {
        one.number: one.name if labels[one.name] == 1 and _is_own_name(one.name) else f"part{one.number}"
        for one in table.partitions
        if not one.extended
    }


def taken_by(table: Table, name: str) -> str | None:
    """Return what has the name of no volume, so that none can get it."""
    if sum(one.name == name for one in table.partitions) > 1:
        return "the label of several partitions"
    extended = {f"part{one.number}" for one in table.partitions if one.extended}
    return "an extended partition" if name in extended else None


def is_logical(table: Table, part: Partition) -> bool:
    """Tell whether a partition of a dos table lies in an extended one, and is numbered anew when another one goes."""
    return table.kind == "dos" and part.number > DOS_COUNT


def is_unfinished(part: Partition) -> bool:
    """Tell whether a partition was left by a run that was killed while it copied something there."""
    return part.type.upper() == UNFINISHED


def largest(parted: Parted) -> int:
    """Return the bytes that a new volume can have at most."""
    return max((room for _begin, room in parted.table.gaps(parted.size)), default=0)


def _is_own_name(label: str) -> bool:
    try:
        return parse_volume_name(label) == label and not _NUMBERED.match(label)
    except ValueError:
        return False


def _require(sight: VolumeSight) -> Parted:
    if sight.parted is None:
        raise RefusedError("it is not known what partitions the pool has")
    return sight.parted


def _number(name: str, parted: Parted) -> int:
    """Return the number of a partition that is to be made. Raises InputError for a name that it cannot have."""
    numbered = _NUMBERED.match(name)
    if parted.table.kind == "dos":
        if not numbered:
            raise InputError(
                f"name: {name!r} cannot be kept in a dos table, which has no labels: name the volume by its number, "
                "part1 to part4. In a pool with a gpt it can have any name",
                option="name",
            )
        number = int(numbered.group(1))
        if number > DOS_COUNT:
            raise RefusedError(f"{name}: a dos table has {DOS_COUNT} primary partitions, and logical ones are not made")
        return number
    if numbered or not _NAME.match(name):
        raise InputError(
            f"name: {name!r} is no name for a new partition: at most 36 letters, digits and + _ . -, not a - in front, "
            "and not part and a number, as partitions without a label are called",
            option="name",
        )
    used = {one.number for one in parted.table.partitions}
    free = next((number for number in range(1, GPT_COUNT + 1) if number not in used), None)
    if free is None:
        raise RefusedError(f"{parted.label} has {GPT_COUNT} partitions, and room for no further one in its table")
    return free


def _share(wanted: WantedVolume, parted: Parted) -> int:
    asked = wanted.capacity
    if not isinstance(asked, Share):
        raise InputError(f"capacity: {asked} is no size", option="capacity")
    capacity = largest(parted) * asked.percent // 100 // MIB * MIB
    if capacity == 0:
        _refuse_full(wanted, parted, MIB)
    return capacity


def _refuse_full(wanted: WantedVolume, parted: Parted, capacity: int) -> NoReturn:
    gap = largest(parted)
    raise RefusedError(
        f"{parted.label} has no room for volume {wanted.name}: it needs {format_size(capacity)} in one piece, and the "
        f"largest gap has {format_size(gap) if gap else 'not even 1 MiB'}",
        free=gap,
    )
