# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of type netfs: an export of an NFS server, mounted, and the files on it.

Everything that asks the server may wait for it for ever: whatever is looked at or done here is done within a deadline,
in a process that can be left behind.
"""

from __future__ import annotations

import re

from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Space, parse_path
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools import folders
from ansible_collections.virt.san.plugins.module_utils._pools.base import Changes, Needs, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.steps import Mount, RemoveFolder, Unmount

FORMATS = (None, "auto", "nfs")
SAFE = ("nodev", "nosuid", "noexec")
"""An export has files of guests; no device or program on it is to be taken for the host's. As libvirt mounts it."""

TAKEN = ("hosts", "directory", "format", "protocol_version", "mount_options")
_VERSION = re.compile(r"^[234](\.\d)?$")


class NetfsPool:
    """The export may be mounted by somebody else as well: what counts is what is mounted, not who did it."""

    name = "netfs"

    def check(self, pool: PoolDefinition) -> None:
        folders.check_target(pool)
        folders.check_source(pool, TAKEN)
        source = pool.source
        if len(source.hosts) != 1:
            raise ValueError("source.host: a pool of type netfs needs one server")
        if source.hosts[0].port is not None:
            raise ValueError("source.host: NFS has no port here; give mount option port=... if the server's is another")
        if source.directory is None:
            raise ValueError("source.dir: a pool of type netfs needs the path that the server exports")
        parse_path(source.directory)
        if source.format not in FORMATS:
            raise ValueError(f"source.format: {source.format} cannot be mounted yet, only nfs")
        if source.protocol_version is not None and not _VERSION.match(source.protocol_version):
            raise ValueError(f"source.protocol: {source.protocol_version!r} is not a version of NFS: 3, 4, 4.1 or 4.2")

    def needs(self, pool: PoolDefinition) -> Needs:
        return folders.needs(pool)

    def adopts(self, pool: PoolDefinition, seen: Seen) -> str | None:
        return None

    def is_built(self, pool: PoolDefinition, seen: Seen) -> bool:
        path = folders.check_target(pool)
        return path in seen.mounts or folders.is_folder(seen, path)

    def is_running(self, pool: PoolDefinition, seen: Seen) -> bool:
        found = seen.mounts.get(folders.check_target(pool))
        return found is not None and found.kind.startswith("nfs") and _same(found.source, export(pool))

    def build(self, pool: PoolDefinition, seen: Seen, overwrite: bool) -> tuple[Step, ...]:
        return () if self.is_built(pool, seen) else folders.build(pool, seen, folders.check_target(pool))

    def adjust(self, pool: PoolDefinition, seen: Seen) -> Changes:
        # The permissions of what is mounted are the server's.
        return Changes()

    def start(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        path = folders.mount_point(pool, seen)
        return (Mount(export(pool), path, "nfs", options(pool)),)

    def stop(self, pool: PoolDefinition, seen: Seen, force: bool) -> tuple[Step, ...]:
        path = folders.check_target(pool)
        purpose = f"unmounting {path}"
        folders.refuse_mounts_below(seen, path, purpose)
        if not force:
            folders.refuse_users(seen, path, purpose, ", or give force: true, which takes it away from them")
        return (Unmount(export(pool), path, force),)

    def delete(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        """The files are the server's, and perhaps in use by other hosts: only the empty mount point goes."""
        path = folders.check_target(pool)
        gone = path not in seen.folders and path not in seen.mounts and path not in seen.silent
        foreign = path in seen.mounts and not self.is_running(pool, seen)
        return () if gone or foreign or path in folders.SYSTEM else (RemoveFolder(path, if_empty=True),)

    def restart_for(self, running: PoolDefinition, pool: PoolDefinition, seen: Seen) -> tuple[str, ...]:
        as_wanted = folders.is_mounted_with(seen, folders.check_target(running), options(pool))
        pairs = {
            "source": (export(running), export(pool)),
            "source.mount_options": ((options(running), True), (options(pool), as_wanted)),
            "target.path": (running.target.path, pool.target.path),
        }
        return tuple(name for name, (one, other) in pairs.items() if one != other)

    def space(self, pool: PoolDefinition, seen: Seen) -> Space | None:
        return seen.space.get(folders.check_target(pool))


def export(pool: PoolDefinition) -> str:
    """Return what is mounted, as mount(8) wants it."""
    server = pool.source.hosts[0].name
    return f"{f'[{server}]' if ':' in server else server}:{parse_path(pool.source.directory or '/')}"


def options(pool: PoolDefinition) -> tuple[str, ...]:
    """Return the options to mount with: what the task says comes last, and so has the last word."""
    version = pool.source.protocol_version
    return (*SAFE, *([] if version is None else [f"nfsvers={version}"]), *pool.source.mount_options)


def _same(mounted: str, wanted: str) -> bool:
    server, _colon, path = mounted.rpartition(":/")
    return f"{server}:{parse_path('/' + path)}" == wanted if server else False
