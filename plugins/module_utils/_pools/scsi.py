# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of type scsi: all that is behind one HBA. A virtual one is made for a start, and goes when the pool stops."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    FcHostAdapter,
    PoolDefinition,
    ScsiHostAdapter,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools import adapters
from ansible_collections.virt.san.plugins.module_utils._pools.base import Changes, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.folders import check_source
from ansible_collections.virt.san.plugins.module_utils._pools.luns import LunPool, check_target, san_of, steps_of


class ScsiPool(LunPool):
    """It runs if that is noted and its HBA is there. With an HBA of the host's own nothing is started or stopped."""

    name = "scsi"

    def check(self, pool: PoolDefinition) -> None:
        check_source(pool, ("adapter",))
        check_target(pool)
        adapter = pool.source.adapter
        if adapter is None:
            raise ValueError("source.adapter: a pool of type scsi needs the HBA that its units are behind")
        if isinstance(adapter, FcHostAdapter):
            adapters.check_fc_host(adapter)
        else:
            adapters.check_scsi_host(pool, adapter)

    def units(self, pool: PoolDefinition, seen: Seen) -> tuple[LogicalUnit, ...]:
        name = _host(pool, seen)
        return tuple(unit for unit in san_of(seen).luns if any(path.hba == name for path in unit.paths))

    def is_running(self, pool: PoolDefinition, seen: Seen) -> bool:
        return seen.noted and _is_there(pool, seen)

    def adjust(self, pool: PoolDefinition, seen: Seen) -> Changes:
        """A vHBA that is there and not logged in is waited for, where the pool is to run."""
        return Changes(steps_of(seen.coming)) if self.is_running(pool, seen) else Changes()

    def start(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        if isinstance(pool.source.adapter, ScsiHostAdapter) and not _is_there(pool, seen):
            raise adapters.missing(pool, san_of(seen).hbas)
        return steps_of(seen.coming)

    def stop(self, pool: PoolDefinition, seen: Seen, force: bool) -> tuple[Step, ...]:
        """What is behind a vHBA of the pool's own leaves first. Raises what the removal raises."""
        return steps_of(seen.leaving)

    def restart_for(self, running: PoolDefinition, pool: PoolDefinition, seen: Seen) -> tuple[str, ...]:
        return ("source.adapter",) if _identity(running) != _identity(pool) else ()


def _identity(pool: PoolDefinition) -> object:
    """Return what an HBA is known by; of one that is always there not what libvirt calls it today."""
    if isinstance(pool.source.adapter, FcHostAdapter):
        return pool.source.adapter
    return (pool.kept.hba, getattr(pool.source.adapter, "unique_id", None))


def vhba(seen: Seen, wwpn: str) -> bool:
    """Tell whether there is a virtual HBA with a WWPN, logged in or not."""
    return any(vport.wwpn == wwpn for hba in san_of(seen).hbas for vport in hba.npiv.vports)


def _is_there(pool: PoolDefinition, seen: Seen) -> bool:
    adapter = pool.source.adapter
    if isinstance(adapter, FcHostAdapter):
        return vhba(seen, adapter.wwpn)
    return adapters.find_scsi_host(pool, san_of(seen).hbas, seen.unique_ids) is not None


def _host(pool: PoolDefinition, seen: Seen) -> str | None:
    """Return the SCSI host of the pool's HBA."""
    adapter = pool.source.adapter
    if isinstance(adapter, FcHostAdapter):
        vports = (vport for hba in san_of(seen).hbas for vport in hba.npiv.vports)
        return next((vport.host for vport in vports if vport.wwpn == adapter.wwpn), None)
    found = adapters.find_scsi_host(pool, san_of(seen).hbas, seen.unique_ids)
    return None if found is None else found.name
