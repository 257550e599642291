# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on volumes that are files. Whatever touches their folder is done within a deadline."""

from __future__ import annotations

from functools import partial
from typing import Union

from ansible_collections.virt.san.plugins.module_utils._apply.volume_keeper import Apart
from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import (
    copying,
    image_files,
    images,
    qemu_img,
    signatures,
    wiping,
)
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.volume import (
    DISCARD,
    NewVolume,
    Source,
    Volume,
    rounded_up,
)
from ansible_collections.virt.san.plugins.module_utils._pools.volume_files import UNIT, volume_path
from ansible_collections.virt.san.plugins.module_utils._pools.volume_source import refuse_header
from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import (
    ActivateVolume,
    CreateVolume,
    DeleteVolume,
    PermitVolume,
    ResizeVolume,
    WipeVolume,
)

END_DEADLINE = 60.0
"""Seconds for finding where the content of an image ends."""

VolumeStep = Union[ActivateVolume, CreateVolume, ResizeVolume, PermitVolume, WipeVolume, DeleteVolume]


def perform(host: Host, step: VolumeStep, timeout: float, apart: Apart) -> None:
    """Carry out one step within `timeout` seconds; what takes long, `apart`. Raises SanError, OSError."""
    if isinstance(step, CreateVolume):
        _create(host, step, timeout, apart)
    elif isinstance(step, ResizeVolume):
        resize = partial(guarded, host, step.volume.path, "resizing", lambda there: _resize(there, step, timeout))
        # A file system that cannot allocate has to write zeros instead.
        apart(lambda: resize(timeout)) if step.full else resize(timeout)
    elif isinstance(step, PermitVolume):
        wanted, path = step.permissions, step.volume.path
        guarded(
            host,
            path,
            "changing",
            lambda there: image_files.set_permissions(there, path, wanted.mode, wanted.owner, wanted.group),
            timeout,
        )
    elif isinstance(step, WipeVolume):
        path, discard = step.volume.path, step.how == DISCARD
        apart(lambda: guarded(host, path, "wiping", lambda there: wiping.wipe_file(there, path, discard), timeout))
    elif isinstance(step, ActivateVolume):
        raise SanError(f"{step.describe()}: a file needs no device")
    else:
        path = step.volume.path
        guarded(host, path, "deleting", lambda there: image_files.delete(there, path), timeout)


def _create(host: Host, step: CreateVolume, timeout: float, apart: Apart) -> None:
    path = volume_path(step.pool, step.volume.name)
    if step.volume.source is None and not step.volume.full:
        guarded(host, path, "making", lambda there: _publish(there, path, _make(there, step, path, timeout)), timeout)
        return
    try:
        made = apart(lambda: guarded(host, path, "making", lambda there: _make(there, step, path, timeout), timeout))
    except RefusedError:
        guarded(host, path, "clearing up", lambda there: image_files.discard_leftover(there, path), timeout)
        raise
    guarded(host, path, "making", lambda there: _publish(there, path, made), timeout)


def _make(host: Host, step: CreateVolume, path: str, timeout: float) -> list[int]:
    """Make a volume under another name; return its identity."""
    new, made = step.volume, image_files.temporary_path(host, path)
    image_files.discard_leftover(host, path)
    try:
        if new.source is not None:
            _copy(host, new, new.source, made, timeout)
        elif new.format == "raw":
            image_files.make_raw(host, made, new.capacity, new.full)
        else:
            below = None if new.backing is None else (new.backing.path, new.backing.format or "raw")
            qemu_img.create(host, host.path(made), new.capacity, new.full, below, timeout)
        given = new.permissions
        image_files.set_permissions(host, made, given.mode, given.owner, given.group)
        return image_files.identity(host, made)
    except BaseException:
        image_files.discard_leftover(host, path)
        raise


def _publish(host: Host, path: str, identity: list[int]) -> None:
    made = image_files.temporary_path(host, path)
    try:
        image_files.require_same(host, made, identity)
        image_files.publish(host, made, path)
    finally:
        # Also what is whole and could not get its name.
        image_files.discard_leftover(host, path)


def _copy(host: Host, new: NewVolume, source: Source, made: str, timeout: float) -> None:
    if (source.format, new.format) == ("raw", "raw"):
        image_files.make_raw(host, made, new.capacity, new.full)
        copying.copy_file(host, source.path, made, share=not new.full)
        return
    place = host.path(made)
    qemu_img.convert(host, (host.path(source.path), source.format), (place, new.format), new.full, timeout)
    if new.format == "raw":
        inside = images.read_at(host, made)
        if inside is not None:
            # It was a guest's to write this, and only whoever has the image open sees it before.
            refuse_header("clone_from", f"what is in {source.path}", inside.format, "format: qcow2 keeps it as it is")
        image_files.resize_raw(host, made, new.capacity, new.full)
    elif new.capacity > rounded_up(source.capacity, UNIT):
        qemu_img.resize(host, place, new.capacity, shrink=False, full=new.full, deadline=timeout)


def _resize(host: Host, step: ResizeVolume, timeout: float) -> None:
    if step.volume.format == "raw":
        image_files.resize_raw(host, step.volume.path, step.capacity, step.full)
    else:
        qemu_img.resize(host, host.path(step.volume.path), step.capacity, step.shrinks, step.full, timeout)


def find_end(host: Host, volume: Volume) -> int | str:
    """Return how far the content of a volume reaches, or why nobody knows. Raises CommandError, OSError."""
    end: int | str = guarded(host, volume.path, "reading", lambda there: _find_end(there, volume), END_DEADLINE)
    return end


def _find_end(host: Host, volume: Volume) -> int | str:
    path = volume.path
    if volume.format == "qcow2":
        return qemu_img.last_data(host, host.path(path), END_DEADLINE)
    end = image_files.read_end(host, path)
    if end is not None:
        return end
    found = signatures.read_signatures(host, host.path(path), END_DEADLINE)
    if found:
        return f"it holds {', '.join(map(str, found))}, and how far that reaches is not known"
    return image_files.last_data(host, path)
