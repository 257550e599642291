# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new volume is a copy of: whether it can be copied now, and what follows for the copy. Pure."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._errors import (
    InputError,
    InUseError,
    NotFoundError,
    RefusedError,
)
from ansible_collections.virt.san.plugins.module_utils._model.ids import format_size
from ansible_collections.virt.san.plugins.module_utils._model.volume import (
    Backing,
    Source,
    Volume,
    WantedVolume,
    rounded_up,
)
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight


def source_of(wanted: WantedVolume, sight: VolumeSight) -> Source | None:
    """Return what a new volume is a copy of. Raises NotFoundError, RefusedError, InUseError."""
    if wanted.clone_from is None:
        return None
    found, told = sight.source, wanted.clone_from
    if found is None:
        raise NotFoundError(f"clone_from: there is no volume {told.path} on this host", path=told.path)
    if found.problem is not None:
        raise RefusedError(f"clone_from: {found.path}: {found.problem}", path=found.path)
    if told.format == "qcow2" and found.format != "qcow2":
        raise RefusedError(f"clone_from: {found.path} is {found.format} by its header, not qcow2", path=found.path)
    if sight.source_users:
        raise InUseError(
            f"cloning {found.path} is refused, {', '.join(sight.source_users)} may write to it, and the copy would be "
            "of no one moment. End that first",
            path=found.path,
            holders=list(sight.source_users),
        )
    refuse_named_file("clone_from", told, found)
    # What is taken for raw is copied as it is, whatever its header says.
    form = told.format or found.format
    seen = found.capacity if form == found.format and not found.is_cow else found.size
    return Source(found.path, form, seen, found.name)


def capacity_for(wanted: WantedVolume, source: Source | None, unit: int) -> int | None:
    """Return the capacity asked for, or that of what is copied; None for a share. Raises InputError, RefusedError."""
    asked = wanted.capacity
    if asked is None and source is None:
        raise InputError(f"capacity: volume {wanted.name} is yet to be made; give its size", option="capacity")
    if asked is None and source is not None:
        return rounded_up(source.capacity, unit)
    capacity = rounded_up(asked, unit) if isinstance(asked, int) else None
    if capacity is not None and source is not None:
        require_whole(wanted, source, capacity)
    return capacity


def require_whole(wanted: WantedVolume, source: Source, capacity: int) -> None:
    """Raise RefusedError where a copy would lack the end of what it is a copy of."""
    if capacity < source.capacity:
        raise RefusedError(
            f"volume {wanted.name} would be smaller than {source.path} ({format_size(source.capacity)}), and the end "
            "of that would be missing from it. Give it at least as much, or leave capacity out"
        )


def refuse_header(option: str, path: str, form: str, remedy: str) -> None:
    """Raise RefusedError where a raw volume that begins as a file does would not be taken for raw."""
    if form != "raw":
        raise RefusedError(
            f"{option}: {path} begins as {form} does, and a raw file that does is taken for that. {remedy}",
            path=path,
        )


def refuse_named_file(option: str, told: Backing, found: Volume) -> None:
    """Raise RefusedError where a header names another file of the host, and nobody has said that it is to be believed.

    Whoever writes to a raw disk can write such a header, and would read that file by the copy, or by what is on top.
    """
    if told.format is None and found.backing is not None and found.format == "qcow2":
        raise RefusedError(
            f"{option}: the header of {found.path} says that it is qcow2 and reads from {found.backing.path}. Is that "
            f"so (give {option}.format: qcow2), or is it the disk of a guest that has written this (raw)?",
            path=found.path,
            backing=found.backing.path,
        )
