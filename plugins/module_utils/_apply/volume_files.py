# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at volumes that are files. Whatever touches their folder is done within a deadline."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.virt.san.plugins.module_utils._apply.pool_look import DEADLINE
from ansible_collections.virt.san.plugins.module_utils._apply.volume_users import (
    device_users,
    image_users,
    with_readers,
    with_users,
)
from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host import images
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.images import Image
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import Backing, Volume, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.base import Seen
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_files import UNIT, backing_path

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_file_steps import VolumeStep
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_keeper import Apart

TAKEN = {"folder": "a folder", "link": "a link", "device": "a device, a pipe or a socket"}


def look(host: Host, sight: VolumeSight, seen: Seen, wanted: WantedVolume, others: tuple[str, ...]) -> VolumeSight:
    """Return what is there of a volume. `others`: folders of other pools, where images may lie that read from it.

    Raises CommandError where the pool's folder cannot be looked at, or does not answer.
    """
    folder = (sight.pool.target.path if sight.pool else None) or ""
    image = _look_at(host, folder, lambda there: images.read_image(there, folder, wanted.name))
    room = seen.space.get(folder)
    sight = replace(
        sight, unit=UNIT, free=None if room is None else room.available, backing=_backing(host, sight, wanted)
    )
    if image is None:
        if wanted.clone_from is None or sight.pool is None:
            return sight
        return with_source(host, sight, backing_path(sight.pool, wanted.clone_from), wanted.clone_from.format)
    if image.kind != "file":
        return replace(sight, taken_by=TAKEN[image.kind])
    volume = volume_of(image)
    return with_users(
        replace(sight, volume=volume),
        wanted,
        lambda: image_users(host, image),
        lambda so_far: with_readers(host, so_far, volume.path, (folder,), others),
        lambda: _end(host, volume),
    )


def list_volumes(host: Host, pool: PoolDefinition, _seen: Seen, deadline: float) -> list[Volume]:
    """Return all volumes in a pool's folder. Raises CommandError at the deadline (seconds), OSError."""
    folder = pool.target.path or ""
    found = guarded(host, folder, "looking into", lambda there: images.list_images(there, folder), deadline)
    return [volume_of(Image(*told)) for told in found]


def perform(host: Host, step: VolumeStep, timeout: float, apart: Apart) -> None:
    """Carry out one step within `timeout` seconds; what takes long, `apart`. Raises SanError, OSError."""
    from ansible_collections.virt.san.plugins.module_utils._apply import volume_file_steps

    volume_file_steps.perform(host, step, timeout, apart)


def _look_at(host: Host, path: str, look_for: Callable[[Host], Image | None]) -> Image | None:
    """Return what is found, within a deadline. Raises CommandError."""
    try:
        told: list[Any] | None = guarded(host, path, "looking at", look_for, DEADLINE, f"look {path}")
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise CommandError(f"{path} cannot be looked at: {why}", path=path, errno=error.errno) from error
    return None if told is None else Image(*told)


def volume_of(image: Image) -> Volume:
    """Return an image as a volume."""
    return Volume(
        name=image.name,
        key=image.path,
        path=image.path,
        format=image.format,
        capacity=image.capacity,
        allocation=image.allocation,
        backing=None if image.backing is None else Backing(image.backing, image.backing_format),
        mode=image.mode,
        owner=image.owner,
        group=image.group,
        problem=image.problem,
        length=image.length,
        inode=f"{image.device}:{image.inode}",
        modified=image.modified,
        header=image.format or "raw",
    )


def _backing(host: Host, sight: VolumeSight, wanted: WantedVolume) -> Volume | None:
    if wanted.backing is None or sight.pool is None:
        return None
    path = backing_path(sight.pool, wanted.backing)
    image = _look_at(host, path, lambda there: images.read_at(there, path))
    return volume_of(image) if image is not None and image.format else None


def with_source(host: Host, sight: VolumeSight, path: str, form: str | None) -> VolumeSight:
    """Return what is seen, with the file or device at a path that is to be cloned, and who may write to it.

    A device is raw unless `form` says otherwise: what looks like a header there was likely written by a guest.
    Raises CommandError where it cannot be looked at.
    """
    image = _look_at(host, path, lambda there: images.read_at(there, path))
    if image is None or not image.format:
        return sight
    header = image.format
    if image.kind == "device" and form is None:
        image = image._replace(format="raw", capacity=image.length, backing=None, problem=None)
    users = image_users(host, image, writing=True) if image.kind == "file" else device_users(host, path)
    return replace(sight, source=replace(volume_of(image), header=header), source_users=users)


def writers_of(host: Host, volume: Volume) -> tuple[str, ...]:
    """Return who may write to a volume. Raises CommandError."""
    return with_source(host, VolumeSight(), volume.path, volume.format).source_users


def look_at_file(host: Host, path: str, folders: tuple[str, ...], unseen: tuple[str, ...] = ()) -> VolumeSight | None:
    """Return a file of the host as if it were a volume, with who uses it, and what reads from it; None: not there.

    `folders`: of pools, where images may lie that read from it; `unseen`: pools where nobody can look.
    Raises CommandError where it cannot be looked at.
    """
    image = _look_at(host, path, lambda there: images.read_at(there, path))
    if image is None:
        return None
    sight = VolumeSight(volume=volume_of(image), users=image_users(host, image), unseen=unseen)
    folder = os.path.dirname(path)
    own = (folder,) if folder in folders else ()
    return with_readers(host, sight, path, own, (folder, *folders))


def _end(host: Host, volume: Volume) -> int | str:
    """Return how far the content of a volume reaches, or why nobody knows. Raises CommandError, OSError."""
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_file_steps import find_end

    return find_end(host, volume)
