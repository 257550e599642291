# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of type fs: a file system on a device of its own, and the files in it.

A file system is one host's at a time. If other hosts see its device, an ext4 made here keeps them from mounting it as
well, by multiple mount protection; of any other file system somebody has to promise that no second host does.
"""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.contents import Mmp, Signature
from ansible_collections.virt.san.plugins.module_utils._model.pool import Permissions, PoolDefinition, Space
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools import devices, folders
from ansible_collections.virt.san.plugins.module_utils._pools.base import Changes, Needs, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.blank import Inspected
from ansible_collections.virt.san.plugins.module_utils._pools.steps import (
    WORTH_GROWING,
    EraseFilesystem,
    GrowFilesystem,
    MakeFilesystem,
    Mount,
    MountAlone,
    RemoveFolder,
    SetPermissions,
    Unmount,
)

MADE = ("ext4", "xfs")
FORMATS = (None, "auto", *MADE)
PROTECTED = "ext4"
"""What has multiple mount protection, if it is made so."""
SAFE = ("nodev", "nosuid", "noexec")
"""The files are guests'; no device or program among them is to be taken for the host's. As libvirt mounts it."""

PATIENCE = 60.0
"""Seconds. The kernel waits 11 s, or 22, for a host that has left its name; longer if that host's device was slow."""

SMALLEST = {"xfs": 300 * 2**20}
"""Bytes, where a tool makes no smaller file system."""

TAKEN = ("devices", "format", "mount_options", "single_host")


class FsPool:
    """It runs as long as its device is mounted at its target, whoever has mounted it."""

    name = "fs"

    def check(self, pool: PoolDefinition) -> None:
        folders.check_target(pool)
        folders.check_source(pool, TAKEN)
        devices.device_name(pool)
        if pool.source.format not in FORMATS:
            raise ValueError(f"source.format: {pool.source.format} cannot be kept yet, only {', '.join(MADE)} and auto")

    def needs(self, pool: PoolDefinition) -> Needs:
        return folders.needs(pool) + Needs(devices=(devices.device_name(pool),))

    def adopts(self, pool: PoolDefinition, seen: Seen) -> str | None:
        found = devices.device(pool, seen)
        inside = None if found is None else _filesystem(pool, found)
        if found is None or inside is None or not inside.uuid or inside.uuid == devices.own_uuid(pool, found.disk):
            return None
        return inside.uuid

    def is_built(self, pool: PoolDefinition, seen: Seen) -> bool:
        if self.is_running(pool, seen):
            return True
        return folders.is_folder(seen, folders.check_target(pool)) and _own(pool, seen) is not None

    def is_running(self, pool: PoolDefinition, seen: Seen) -> bool:
        mounted, found = seen.mounts.get(folders.check_target(pool)), devices.device(pool, seen)
        if mounted is None:
            return False
        # A device that is silent may be mounted all the same.
        return bool(mounted.device) and (seen.noted if found is None else mounted.device == found.disk.kernel)

    def build(self, pool: PoolDefinition, seen: Seen, overwrite: bool) -> tuple[Step, ...]:
        if self.is_running(pool, seen):
            return ()
        path = folders.check_target(pool)
        found = devices.require_device(pool, seen, f"building pool {pool.name}")
        folder = folders.build(pool, seen, path)
        if _own(pool, seen) is not None:
            return folder
        if not overwrite:
            _refuse_foreign(pool, found)
        blank = devices.prepare(seen, found, overwrite)
        kind = pool.source.format
        if kind not in MADE:
            raise RefusedError(f"{found.disk.label} is blank: say what is to be made on it, source.format: ext4 or xfs")
        if found.disk.size < SMALLEST.get(kind, 0):
            raise RefusedError(f"{found.disk.label} has {found.disk.size} bytes; an {kind} needs {SMALLEST[kind]}")
        mmp = found.disk.shared and kind == PROTECTED
        _require_one_host(pool, found, mmp)
        return (*folder, *blank, MakeFilesystem(found.disk, kind, devices.own_uuid(pool, found.disk), mmp))

    def adjust(self, pool: PoolDefinition, seen: Seen) -> Changes:
        # Permissions of the mount point do not matter, and those of what is mounted show while it is. So it is with
        # growing: what is not mounted would have to be checked before.
        if not self.is_running(pool, seen) or "ro" in pool.source.mount_options:
            return Changes()
        path = folders.check_target(pool)
        return folders.adjust(pool, seen, path) + _growth(pool, devices.device(pool, seen), path)

    def start(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        path = folders.mount_point(pool, seen)
        found = devices.require_device(pool, seen, f"starting pool {pool.name}")
        there = _own(pool, seen)
        kind = there.kind if there is not None else str(pool.source.format)
        if there is not None:
            devices.refuse_used(found, f"starting pool {pool.name}")
            _require_one_host(pool, found, found.contents.mmp is not None)
        mmp = found.contents.mmp if there is not None else Mmp()
        protected = kind == PROTECTED and found.disk.shared and mmp is not None
        permissions = pool.target.permissions.settable
        ruled = permissions != Permissions() and "ro" not in pool.source.mount_options
        patience = PATIENCE if protected else 0.0
        mount = Mount(found.disk.path, path, kind, options(pool), patience)
        # The kernel does not wait for others where nobody has it: two at once would not see each other. Where somebody
        # has it, nothing may keep him from writing.
        alone = protected and mmp is not None and not mmp.holder
        first: Step = MountAlone(found.disk, mount) if alone else mount
        grown = () if "ro" in pool.source.mount_options else _growth(pool, found, path).steps
        return (first, *((SetPermissions(path, permissions),) if ruled else ()), *grown)

    def stop(self, pool: PoolDefinition, seen: Seen, force: bool) -> tuple[Step, ...]:
        """Never taken from anybody, not even by force: who has a file open would go on writing to the device."""
        path = folders.check_target(pool)
        purpose = f"unmounting {path}"
        folders.refuse_mounts_below(seen, path, purpose)
        folders.refuse_users(seen, path, purpose)
        _refuse_staying(seen, path, purpose)
        return (Unmount(seen.mounts[path].source, path),)

    def delete(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        path = folders.check_target(pool)
        purpose = f"erasing the file system of pool {pool.name}"
        found = devices.require_device(pool, seen, purpose)
        running = self.is_running(pool, seen)
        foreign = path in seen.mounts and not running
        gone = path not in seen.folders or foreign or path in folders.SYSTEM
        folder = () if gone else (RemoveFolder(path, if_empty=True),)
        if found.contents.blank:
            return folder
        devices.refuse_held(found, purpose, path if running else None)
        own = _own(pool, seen)
        if own is None:
            devices.refuse_strange(found, purpose)
        if not running:
            _require_unused(pool, found, purpose)
        return (EraseFilesystem(found.disk, own.uuid), *folder)

    def restart_for(self, running: PoolDefinition, pool: PoolDefinition, seen: Seen) -> tuple[str, ...]:
        as_wanted = folders.is_mounted_with(seen, folders.check_target(running), options(pool))
        pairs = {
            "source.devices": (devices.device_name(running), devices.device_name(pool)),
            "source.format": (running.source.format, pool.source.format),
            "source.mount_options": ((options(running), True), (options(pool), as_wanted)),
            "target.path": (running.target.path, pool.target.path),
        }
        return tuple(name for name, (one, other) in pairs.items() if one != other)

    def space(self, pool: PoolDefinition, seen: Seen) -> Space | None:
        return seen.space.get(folders.check_target(pool)) if self.is_running(pool, seen) else None


def options(pool: PoolDefinition) -> tuple[str, ...]:
    """Return the options to mount with: what the task says comes last, and so has the last word."""
    return (*SAFE, *pool.source.mount_options)


def _filesystem(pool: PoolDefinition, found: Inspected) -> Signature | None:
    """Return the file system on a device if it is all there is, and of a kind that the pool is to have."""
    kinds = MADE if pool.source.format not in MADE else (pool.source.format,)
    inside = found.contents.signatures
    return inside[0] if len(inside) == 1 and inside[0].kind in kinds and not found.contents.problem else None


def _own(pool: PoolDefinition, seen: Seen) -> Signature | None:
    """Return the pool's own file system on its device: one that a run has made for it, or that was taken over."""
    found = devices.device(pool, seen)
    inside = None if found is None else _filesystem(pool, found)
    if found is None or inside is None or not inside.uuid:
        return None
    return inside if inside.uuid in (devices.own_uuid(pool, found.disk), pool.kept.adopted) else None


def _growth(pool: PoolDefinition, found: Inspected | None, path: str) -> Changes:
    """Return what has the pool's file system fill its device, which has grown; one that others have made stays."""
    inside = None if found is None else _filesystem(pool, found)
    if found is None or inside is None or found.contents.filled is None:
        return Changes()
    filled, size = found.contents.filled, found.disk.size
    if size - filled < WORTH_GROWING:
        return Changes()
    if inside.uuid != devices.own_uuid(pool, found.disk):
        tool = f"xfs_growfs {path}" if inside.kind == "xfs" else f"resize2fs {found.disk.path}"
        told = f"{found.disk.label} has {size} bytes, and the {inside.kind} on it takes {filled} of them"
        return Changes(warnings=(f"{told}. Others have made it, so it stays as it is; {tool} has it grow",))
    step = GrowFilesystem(found.disk, inside.kind, path)
    return Changes((step,), {"fills_device": False}, {"fills_device": True})


def _refuse_foreign(pool: PoolDefinition, found: Inspected) -> None:
    """Raise RefusedError for a file system that could be the pool's, and was not made for it."""
    inside = _filesystem(pool, found)
    if inside is not None:
        devices.refuse_foreign(pool, found, str(inside))


def _require_unused(pool: PoolDefinition, found: Inspected, purpose: str) -> None:
    """Raise RefusedError where another host may have a file system mounted unseen, and this task does not say that
    none has. What was said for the time that this host uses it does not count: it does not, and another one may.
    """
    if found.disk.shared and found.contents.mmp is None and not pool.kept.single_host:
        raise RefusedError(
            f"{purpose} is refused: {found.disk.label} is seen by other hosts, and nothing on it tells whether one of "
            "them has it mounted. See to it that none has, and say so in this task with single_host: true",
            wwid=found.disk.wwid,
        )


def _refuse_staying(seen: Seen, path: str, purpose: str) -> None:
    """Raise InUseError where a file system would stay mounted elsewhere on this host, for a second one to mount it."""
    places = seen.staying.get(path, ())
    if places:
        raise InUseError(
            f"{purpose} is refused: the file system would stay mounted on this host, at {', '.join(places)}. Unmount "
            "that, or end what has it, first",
            path=path,
            holders=list(places),
        )


def _require_one_host(pool: PoolDefinition, found: Inspected, protected: bool) -> None:
    """Raise RefusedError where a second host could mount a file system unseen, and nobody has said that none does."""
    if found.disk.shared and not protected and not pool.kept.single_host:
        raise RefusedError(
            f"{found.disk.label} is seen by other hosts, and nothing on it keeps a second one from mounting it, which "
            "would destroy the file system. See to it that none does, and say so with single_host: true; or have "
            f"source.format: {PROTECTED}, made here, which keeps them out",
            wwid=found.disk.wwid,
        )
