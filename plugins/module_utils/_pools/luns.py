# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What types have in common whose volumes are logical units.

There is one volume a unit, however many paths, by the same name on every host. What is stored on the units is nobody's
here: such a pool builds nothing and deletes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Space
from ansible_collections.virt.san.plugins.module_utils._model.volume import Volume
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import Changes, Needs, Seen, Way
from ansible_collections.virt.san.plugins.module_utils._pools.folders import check_device_target


class LunPool:
    """A pool of logical units that others have made."""

    name = ""

    def units(self, pool: PoolDefinition, seen: Seen) -> tuple[LogicalUnit, ...]:
        """Return the units that are the pool's volumes while it runs."""
        raise NotImplementedError

    def check(self, pool: PoolDefinition) -> None:
        raise NotImplementedError

    def needs(self, pool: PoolDefinition) -> Needs:
        return Needs(san=True)

    def adopts(self, pool: PoolDefinition, seen: Seen) -> str | None:
        return None

    def is_built(self, pool: PoolDefinition, seen: Seen) -> bool:
        return True

    def is_running(self, pool: PoolDefinition, seen: Seen) -> bool:
        """Units may be there for the sake of others: that is no sign of the pool."""
        return seen.noted

    def build(self, pool: PoolDefinition, seen: Seen, overwrite: bool) -> tuple[Step, ...]:
        return ()

    def adjust(self, pool: PoolDefinition, seen: Seen) -> Changes:
        return Changes()

    def start(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        return ()

    def stop(self, pool: PoolDefinition, seen: Seen, force: bool) -> tuple[Step, ...]:
        return ()

    def delete(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        return ()

    def restart_for(self, running: PoolDefinition, pool: PoolDefinition, seen: Seen) -> tuple[str, ...]:
        return ()

    def space(self, pool: PoolDefinition, seen: Seen) -> Space | None:
        """All of it is taken: what is free on a unit is its user's to know."""
        return Space(sum(unit.size for unit in self.units(pool, seen)), 0)


def check_target(pool: PoolDefinition) -> None:
    """Raise ValueError for a target that is not among the host's devices."""
    check_device_target(pool, "logical units")


def san_of(seen: Seen) -> San:
    """Return what was seen of the SAN; nothing where that was not asked for."""
    return San() if seen.san is None else seen.san


def steps_of(way: Way | None) -> tuple[Step, ...]:
    """Return the steps of a way, none where it was not asked for. Raises its refusal."""
    if way is None:
        return ()
    if way.refusal is not None:
        raise way.refusal
    return way.steps


def volumes_of(units: Iterable[LogicalUnit]) -> list[Volume]:
    """Return the volumes that units are, by name."""
    return sorted(map(_volume, units), key=lambda volume: volume.name)


def _volume(unit: LogicalUnit) -> Volume:
    path = unit.by_id or unit.device
    return Volume(
        name=unit.wwid or f"unknown-{unit.device.rpartition('/')[2]}",
        key=unit.wwid or path,
        path=path,
        format="raw",
        capacity=unit.size,
        allocation=unit.size,
        kind="lun",
        active=any(one.usable for one in unit.paths),
        problem=_problem(unit),
    )


def _problem(unit: LogicalUnit) -> str | None:
    """Return what is wrong with a unit: none of this keeps it from being listed."""
    if unit.problem is not None:
        return unit.problem
    if unit.wwid is None:
        return "it says of itself nothing it could be known by: give it a WWID on the array"
    if unit.map is None and len(unit.paths) > 1:
        return (
            f"it has {len(unit.paths)} paths and no multipath device: make it (virt.san.multipath_devices) before "
            "anybody uses a path"
        )
    return None
