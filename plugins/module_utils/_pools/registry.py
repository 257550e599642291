# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of storage pools there are. A new one is a file in this folder and a line here."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._pools.base import PoolType
from ansible_collections.virt.san.plugins.module_utils._pools.dir import DirPool
from ansible_collections.virt.san.plugins.module_utils._pools.disk import DiskPool
from ansible_collections.virt.san.plugins.module_utils._pools.fs import FsPool
from ansible_collections.virt.san.plugins.module_utils._pools.logical import LogicalPool
from ansible_collections.virt.san.plugins.module_utils._pools.netfs import NetfsPool

_ALL: tuple[PoolType, ...] = (DirPool(), DiskPool(), FsPool(), LogicalPool(), NetfsPool())
TYPES: dict[str, PoolType] = {one.name: one for one in _ALL}


def pool_type(name: str) -> PoolType:
    """Return a type by its name. Raises ValueError for one that nobody has written yet."""
    if name not in TYPES:
        raise ValueError(f"pools of type {name} cannot be kept yet; types are {', '.join(TYPES)}")
    return TYPES[name]
