# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of type iscsi: the LUNs of a target, by sessions with its portals.

libvirt knows one portal a pool. The first one is in the XML, the others are kept beside it (`Kept.portals`).
"""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit
from ansible_collections.virt.san.plugins.module_utils._model.ids import parse_iqn
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import (
    PORT,
    Portal,
    parse_portal,
    read_portal,
    same_session,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, SourceHost
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import Changes, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.folders import check_source
from ansible_collections.virt.san.plugins.module_utils._pools.luns import LunPool, check_target, san_of, steps_of
from ansible_collections.virt.san.plugins.module_utils._pools.steps import LogInTo

TAKEN = ("hosts", "devices", "auth", "initiator")


class IscsiPool(LunPool):
    """It runs if that is noted and there is a session with one of its portals, whoever has logged in.

    Where it names an initiator, only sessions count in which the host has that name.
    """

    name = "iscsi"

    def check(self, pool: PoolDefinition) -> None:
        check_source(pool, TAKEN)
        check_target(pool)
        target_name(pool)
        initiator_name(pool)
        if not pool.source.hosts:
            raise ValueError("source.portals: a pool of type iscsi needs a portal of the target, as in 10.0.0.1")
        found = portals(pool)
        if len(set(found)) != len(found):
            raise ValueError("source.portals: a portal is named more than once")
        if pool.source.auth is not None and pool.source.auth.type != "chap":
            raise ValueError(f"source.chap: targets know CHAP, not {pool.source.auth.type}")

    def units(self, pool: PoolDefinition, seen: Seen) -> tuple[LogicalUnit, ...]:
        target, known = target_name(pool), portals(pool)
        return tuple(
            unit
            for unit in san_of(seen).luns
            if any(
                path.target == target and read_portal(path.portal) in known and _is_its(pool, path.initiator)
                for path in unit.paths
            )
        )

    def is_running(self, pool: PoolDefinition, seen: Seen) -> bool:
        return seen.noted and any(_sessions(pool, seen).values())

    def adjust(self, pool: PoolDefinition, seen: Seen) -> Changes:
        """Portals that a running pool has no session with are logged in to, where it is to run."""
        running, now = self.is_running(pool, seen), _sessions(pool, seen)
        if not running and seen.coming is None:
            return Changes()
        if seen.leaving is not None:
            return Changes((), {"sessions": now})
        steps = steps_of(seen.coming)
        new = {str(portal): True for step in steps if isinstance(step, LogInTo) for portal in step.portals}
        new = {portal: True for portal in new if portal in now}
        lost = () if seen.coming is not None else tuple(portal for portal, there in now.items() if not there)
        warnings = tuple(f"pool {pool.name} has no session with {portal}" for portal in lost)
        return Changes(steps if running else (), {"sessions": now}, {"sessions": {**now, **new}}, warnings)

    def start(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        return steps_of(seen.coming)

    def stop(self, pool: PoolDefinition, seen: Seen, force: bool) -> tuple[Step, ...]:
        """What is only behind sessions of the pool's own leaves first. Raises what the removal raises."""
        return steps_of(seen.leaving)

    def restart_for(self, running: PoolDefinition, pool: PoolDefinition, seen: Seen) -> tuple[str, ...]:
        found = []
        if target_name(running) != target_name(pool):
            found.append("source.target")
        if set(portals(running)) - set(portals(pool)):
            found.append("source.portals")  # those that are new are logged in to at once
        if initiator_name(running) != initiator_name(pool):
            found.append("source.initiator")
        if _user(running) != _user(pool):
            found.append("source.chap")
        return tuple(found)


def target_name(pool: PoolDefinition) -> str:
    """Return the name of the target. Raises ValueError."""
    if len(pool.source.devices) != 1:
        raise ValueError("source.target: a pool of type iscsi is one target")
    try:
        return parse_iqn(pool.source.devices[0].path)
    except ValueError as wrong:
        raise ValueError(f"source.target: {wrong}") from wrong


def initiator_name(pool: PoolDefinition) -> str | None:
    """Return the iSCSI name that the host is to log in by; None: it may be any. Raises ValueError."""
    try:
        return None if pool.source.initiator is None else parse_iqn(pool.source.initiator)
    except ValueError as wrong:
        raise ValueError(
            f"source.initiator: {wrong}. Give the name that the array knows; without it, the host logs in by its own"
        ) from wrong


def _is_its(pool: PoolDefinition, initiator: str | None) -> bool:
    """Tell whether a session in which the host has this name counts."""
    return initiator_name(pool) in (None, (initiator or "").lower())


def portals(pool: PoolDefinition) -> tuple[Portal, ...]:
    """Return where the target listens. Raises ValueError."""
    try:
        return (*map(_portal, pool.source.hosts), *map(parse_portal, pool.kept.portals))
    except ValueError as wrong:
        raise ValueError(f"source.portals: {wrong}") from wrong


def _portal(server: SourceHost) -> Portal:
    name = f"[{server.name}]" if ":" in server.name else server.name
    return parse_portal(f"{name}:{server.port or PORT}")


def _sessions(pool: PoolDefinition, seen: Seen) -> dict[str, bool]:
    target = target_name(pool)
    its = [one for one in san_of(seen).sessions if _is_its(pool, one.initiator)]
    return {str(portal): any(same_session(one, target, portal, None) for one in its) for portal in portals(pool)}


def _user(pool: PoolDefinition) -> str | None:
    return None if pool.source.auth is None else pool.source.auth.username
