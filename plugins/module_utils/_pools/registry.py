# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of storage pools there are. A new one is a file in this folder, and a function and a line here.

A run is about pools of one type, most of the time: that one is loaded, and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
    from ansible_collections.virt.san.plugins.module_utils._pools.base import PoolType
    from ansible_collections.virt.san.plugins.module_utils._pools.luns import LunPool


def _dir() -> PoolType:
    from ansible_collections.virt.san.plugins.module_utils._pools.dir import DirPool

    return DirPool()


def _disk() -> PoolType:
    from ansible_collections.virt.san.plugins.module_utils._pools.disk import DiskPool

    return DiskPool()


def _fs() -> PoolType:
    from ansible_collections.virt.san.plugins.module_utils._pools.fs import FsPool

    return FsPool()


def _iscsi() -> LunPool:
    from ansible_collections.virt.san.plugins.module_utils._pools.iscsi import IscsiPool

    return IscsiPool()


def _logical() -> PoolType:
    from ansible_collections.virt.san.plugins.module_utils._pools.logical import LogicalPool

    return LogicalPool()


def _mpath() -> LunPool:
    from ansible_collections.virt.san.plugins.module_utils._pools.mpath import MpathPool

    return MpathPool()


def _netfs() -> PoolType:
    from ansible_collections.virt.san.plugins.module_utils._pools.netfs import NetfsPool

    return NetfsPool()


def _scsi() -> LunPool:
    from ansible_collections.virt.san.plugins.module_utils._pools.scsi import ScsiPool

    return ScsiPool()


LUN_TYPES: Mapping[str, Callable[[], LunPool]] = {"iscsi": _iscsi, "mpath": _mpath, "scsi": _scsi}
"""Those whose volumes are logical units as the array has them, with what loads each."""

_OTHERS: Mapping[str, Callable[[], PoolType]] = {
    "dir": _dir,
    "disk": _disk,
    "fs": _fs,
    "logical": _logical,
    "netfs": _netfs,
}
TYPES: tuple[str, ...] = tuple(sorted((*LUN_TYPES, *_OTHERS)))

ON_DEVICES = ("disk", "fs", "logical")
"""Types whose pools are built on devices. What others call a device is none: the name of an iSCSI target."""


@cache
def pool_type(name: str) -> PoolType:
    """Return a type by its name. Raises ValueError for one that nobody has written yet."""
    if name in LUN_TYPES:
        return lun_pool(name)
    if name not in _OTHERS:
        raise ValueError(f"pools of type {name} cannot be kept yet; types are {', '.join(TYPES)}")
    return _OTHERS[name]()


@cache
def lun_pool(name: str) -> LunPool:
    """Return one of LUN_TYPES."""
    return LUN_TYPES[name]()


def built_on(pool: PoolDefinition) -> tuple[str, ...]:
    """Return the devices that a pool is built on, by the names that its definition has for them."""
    return tuple(device.path for device in pool.source.devices) if pool.type in ON_DEVICES else ()
