# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes between files of the host and volumes. Pure: what differs was seen, here it is decided what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, NotFoundError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.ids import format_size
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import Volume, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import ActivateVolume

AnyPlan = TypeVar("AnyPlan", bound=Plan)


@dataclass(frozen=True)
class UploadToVolume:
    """Have a volume begin with the bytes of a file."""

    pool: PoolDefinition
    name: str
    path: str
    """Of the volume."""
    source: str

    def describe(self) -> str:
        return f"write {self.source} to volume {self.name} in pool {self.pool.name}"


@dataclass(frozen=True)
class DownloadVolume:
    """Have a file be what a volume is. It appears whole, in the place of what was there."""

    pool: PoolDefinition
    volume: Volume
    target: str

    def describe(self) -> str:
        return f"write volume {self.volume.name} in pool {self.pool.name} to {self.target}"


def with_capacity(wanted: WantedVolume, sight: VolumeSight) -> WantedVolume:
    """Return what is wanted; a volume that is made for a file is as large as that, unless it is said otherwise."""
    file = sight.transfer
    if wanted.upload_from is None or wanted.capacity is not None or sight.volume is not None or file is None:
        return wanted
    return replace(wanted, capacity=file.size or None)


def upload(pool: PoolDefinition, path: str, wanted: WantedVolume, sight: VolumeSight, plan: AnyPlan) -> AnyPlan:
    """Return the plan with what writes a file to the volume at `path`. Raises NotFoundError, RefusedError."""
    file, then, source = sight.transfer, plan.after["volume"], wanted.upload_from or ""
    if file is None:
        raise NotFoundError(f"upload_from: there is no file {source} on this host", path=source)
    if file.problem:
        raise RefusedError(f"upload_from: {source} {file.problem}", path=source)
    if then["format"] != "raw":
        raise RefusedError(
            f"upload_from: volume {wanted.name} is {then['format']}, and bytes are for raw ones only. clone_from makes "
            "a volume of any format of an image",
            path=path,
        )
    activated = any(isinstance(step, ActivateVolume) for step in plan.steps)
    if sight.volume is not None and not sight.volume.active and not activated:
        raise RefusedError(
            f"upload_from: volume {wanted.name} is not active. Activate it first (lvchange --activate y)", path=path
        )
    room = sight.volume.size if sight.volume is not None and sight.volume.is_cow else then["capacity"]
    if file.size > room:
        raise RefusedError(
            f"upload_from: {source} has {format_size(file.size)}, more than the {format_size(room)} of volume "
            f"{wanted.name}",
            path=path,
        )
    return plan if file.same else _joined(plan, UploadToVolume(pool, wanted.name, path, source), "content", source)


def download(pool: PoolDefinition, wanted: WantedVolume, sight: VolumeSight, plan: AnyPlan) -> AnyPlan:
    """Return the plan with what writes the volume to a file. Raises NotFoundError, RefusedError, InUseError."""
    volume, file, target = sight.volume, sight.transfer, wanted.download_to or ""
    if volume is None or file is None:
        raise NotFoundError(f"download_to: there is no volume {wanted.name} in pool {pool.name}", pool=pool.name)
    if file.problem:
        raise RefusedError(f"download_to: {target} {file.problem}", path=target)
    if sight.source_users and not file.same:
        raise InUseError(
            f"writing volume {volume.name} to {target} is refused, {', '.join(sight.source_users)} may write to it, "
            "and the file would be of no one moment. End that first",
            path=volume.path,
            holders=list(sight.source_users),
        )
    if file.same:
        return plan
    told = () if file.replaces is None else file.replaces.warnings
    joined = _joined(plan, DownloadVolume(pool, volume, target), "file", target)
    return replace(joined, warnings=(*joined.warnings, *told))


def _joined(plan: AnyPlan, step: UploadToVolume | DownloadVolume, key: str, path: str) -> AnyPlan:
    before, after = {**plan.before, key: f"not as {path}"}, {**plan.after, key: f"as {path}"}
    if key == "file":
        before[key], after[key] = f"{path}: not as the volume", f"{path}: as the volume"
    return replace(plan, steps=(*plan.steps, step), before=before, after=after)
