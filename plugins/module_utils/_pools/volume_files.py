# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that are files in a folder: raw images and qcow2."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._errors import (
    InUseError,
    NotFoundError,
    RefusedError,
)
from ansible_collections.virt.san.plugins.module_utils._model.ids import format_size
from ansible_collections.virt.san.plugins.module_utils._model.pool import Permissions, PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import (
    FULL,
    Backing,
    NewVolume,
    Share,
    Source,
    Volume,
    WantedVolume,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_source import (
    capacity_for,
    refuse_header,
    refuse_named_file,
    source_of,
)

UNIT = 512
"""Bytes; the size of an image is a multiple of it, or QEMU would make it one."""
DEFAULT_MODE = 0o600
"""Of a file that is made, as libvirt has it."""


class FileVolumes:
    """Sparse unless they are asked for otherwise. What a file holds is read from its header."""

    by_header = True

    def check(self, wanted: WantedVolume) -> None:
        if wanted.thin_pool is not None:
            raise ValueError("thin_pool: only pools of type logical have any")
        if isinstance(wanted.capacity, Share):
            raise ValueError(
                f"capacity: {wanted.capacity} is for pools of type logical and disk; give a size, as in 10G"
            )
        if wanted.backing is not None and wanted.format == "raw":
            raise ValueError("backing: a raw volume cannot have one; leave format out, or give format: qcow2")
        if wanted.backing is not None and wanted.clone_from is not None:
            raise ValueError("clone_from: a volume is a copy, or on top of a backing volume, not both")
        if wanted.backing is not None and wanted.allocation == FULL:
            raise ValueError("allocation: what is on top of a backing volume is allocated as it is written")

    def path(self, pool: PoolDefinition, name: str, sight: VolumeSight) -> str:
        return volume_path(pool, name)

    def complete(self, wanted: WantedVolume, sight: VolumeSight) -> NewVolume:
        backing, source = _backing(wanted, sight), source_of(wanted, sight)
        below = None
        if backing is not None and sight.backing is not None:
            below = Source(backing.path, backing.format or "raw", sight.backing.capacity)
        capacity = capacity_for(wanted, source or below, UNIT) or 0
        full = wanted.allocation == FULL
        if full:
            _require_room(wanted, sight, capacity)
        given = wanted.permissions
        mode = DEFAULT_MODE if given.mode is None else given.mode
        form = wanted.format or ("qcow2" if backing else source.format if source else "raw")
        if source is not None and sight.source is not None and (source.format, form) == ("raw", "raw"):
            refuse_header(
                "clone_from", source.path, sight.source.header, "format: qcow2 puts it into an image as it is"
            )
        permissions = Permissions(mode, given.owner, given.group)
        return NewVolume(wanted.name, capacity, form, full, backing, permissions, source=source)

    def refuse_difference(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume) -> None:
        if wanted.format not in (None, volume.format):
            raise RefusedError(
                f"{volume.path} is {volume.format} by its header, not {wanted.format}. It is not converted: remove it "
                "first (state: absent), or take another name",
                path=volume.path,
            )
        if wanted.backing is None or sight.pool is None:
            return
        asked = backing_path(sight.pool, wanted.backing)
        is_now = volume.backing
        if is_now is None or is_now.path != asked:
            told = f"on {is_now.path}" if is_now else "on nothing else"
            raise RefusedError(
                f"volume {volume.name} is {told}, not on {asked}. That is not changed: qemu-img rebase does it, or "
                "remove the volume first (state: absent)",
                path=volume.path,
            )
        if None not in (wanted.backing.format, is_now.format) and wanted.backing.format != is_now.format:
            raise RefusedError(
                f"volume {volume.name} takes {is_now.path} for {is_now.format}, not for {wanted.backing.format}",
                path=volume.path,
            )

    def refuse_growth(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume, capacity: int) -> None:
        if volume.format == "qcow2" and sight.users:
            raise InUseError(
                f"volume {volume.name} is qcow2 and in use by {', '.join(sight.users)}: only who has it open can grow "
                "it (virsh blockresize), or it grows when that has ended",
                path=volume.path,
                holders=list(sight.users),
            )
        if wanted.allocation == FULL:
            _require_room(wanted, sight, capacity - volume.capacity)

    def activation(self, pool: PoolDefinition, volume: Volume) -> tuple[Step, ...]:
        return ()

    def warnings(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume) -> tuple[str, ...]:
        if wanted.allocation == FULL and volume.allocation < volume.capacity:
            told = f"{volume.allocation} of {volume.capacity} bytes"
            return (f"volume {volume.name} has {told} allocated: allocation: full is for what is made, or grows",)
        return ()


def volume_path(pool: PoolDefinition, name: str) -> str:
    """Return where the file of a volume is."""
    return f"{(pool.target.path or '').rstrip('/')}/{name}"


def backing_path(pool: PoolDefinition, backing: Backing) -> str:
    """Return where the backing is that a task names."""
    return backing.path if backing.path.startswith("/") else volume_path(pool, backing.path)


def _backing(wanted: WantedVolume, sight: VolumeSight) -> Backing | None:
    if wanted.backing is None or sight.pool is None:
        return None
    path, found = backing_path(sight.pool, wanted.backing), sight.backing
    if found is None:
        raise NotFoundError(f"backing: there is no volume {path} on this host", path=path)
    if found.problem is not None:
        raise RefusedError(f"backing: {path}: {found.problem}", path=path)
    # A raw image may hold anything, also what looks like qcow2; the other way round it is a mistake.
    if wanted.backing.format == "qcow2" and found.format != "qcow2":
        raise RefusedError(f"backing: {path} is {found.format} by its header, not qcow2", path=path)
    refuse_named_file("backing", wanted.backing, found)
    return Backing(path, wanted.backing.format or found.format)


def _require_room(wanted: WantedVolume, sight: VolumeSight, size: int) -> None:
    if sight.free is not None and size > sight.free:
        raise RefusedError(
            f"the pool is too full for volume {wanted.name}: {format_size(size)} are to be allocated, "
            f"{format_size(sight.free)} are free",
            free=sight.free,
        )
