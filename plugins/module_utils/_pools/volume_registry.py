# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kind of volumes pools of which type have. A new kind is a file in this folder and some lines here.

Only the kind that is asked for is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
    from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeKind

FOLDERS = ("dir", "fs", "netfs")
"""Types whose pools are folders."""
MOUNTED = ("fs", "netfs")
"""Those that mount what is in them: in an empty mount point there is nothing to be seen."""


def unseen(pools: Collection[PoolDefinition], points: Collection[str]) -> tuple[str, ...]:
    """Return the pools whose volumes cannot be seen. `points`: where something is mounted.

    What another pool has mounted is seen there.
    """
    mounts = [pool for pool in pools if pool.type in MOUNTED]
    seen = [_storage(pool) for pool in mounts if pool.target.path in points]
    return tuple(pool.name for pool in mounts if pool.target.path not in points and _storage(pool) not in seen)


def _storage(pool: PoolDefinition) -> tuple[object, ...]:
    return pool.source.hosts, pool.source.directory, pool.source.devices


def volume_kind(pool_type: str) -> VolumeKind | None:
    """Return what is known about the volumes of pools of a type; None where they are nobody's to make."""
    if pool_type in FOLDERS:
        from ansible_collections.virt.san.plugins.module_utils._pools.volume_files import FileVolumes

        return FileVolumes()
    if pool_type == "logical":
        from ansible_collections.virt.san.plugins.module_utils._pools.volume_lvs import LogicalVolumes

        return LogicalVolumes()
    if pool_type == "disk":
        from ansible_collections.virt.san.plugins.module_utils._pools.volume_parts import PartitionVolumes

        return PartitionVolumes()
    return None
