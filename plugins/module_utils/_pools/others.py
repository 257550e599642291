# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pools may take from each other. Pure, and the same for every type."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.pool import FcHostAdapter, PoolDefinition


def refuse_shared(others: Mapping[str, PoolDefinition], pool: PoolDefinition) -> None:
    """Raise RefusedError where two pools would be in one folder, or would be one volume group, target or vHBA."""
    path = pool.target.path
    carrier = _carrier(pool)
    for name, other in others.items():
        if carrier is not None and carrier == _carrier(other) and not _log_in_apart(pool, other):
            raise RefusedError(
                f"{carrier} is already that of pool {name}: stopping one would take it from the other. Use that pool",
                name=name,
            )
    for name, other in others.items():
        if path is not None and path == other.target.path and (pool.type == "logical" or not is_devices(path)):
            raise RefusedError(f"{path} is already the target of pool {name}: name another target.path", name=name)


def _carrier(pool: PoolDefinition) -> str | None:
    """Return what a pool may bring to the host and take away again."""
    if pool.type == "iscsi" and pool.source.devices:
        return f"target {pool.source.devices[0].path.lower()}"
    adapter = pool.source.adapter
    return f"virtual HBA {adapter.wwpn.lower()}" if isinstance(adapter, FcHostAdapter) else None


def _log_in_apart(pool: PoolDefinition, other: PoolDefinition) -> bool:
    """Tell whether each logs in by an iSCSI name of its own: one that names none has all sessions."""
    names = {one.source.initiator.lower() for one in (pool, other) if one.source.initiator is not None}
    return len(names) == 2


def refuse_inside(others: Mapping[str, PoolDefinition], pool: PoolDefinition) -> None:
    """Raise RefusedError where another pool's storage would go, too."""
    for name, other in others.items():
        path, its = pool.target.path, other.target.path
        if path is not None and its is not None and f"{its}/".startswith(f"{path}/") and not is_devices(path):
            raise RefusedError(f"pool {name} is in {its}, and would be deleted with {path}: remove it first", name=name)


def is_devices(path: str) -> bool:
    """Tell whether a target is where the host has its devices: nobody's own, and no folder that could be deleted."""
    return f"{path}/".startswith("/dev/")
