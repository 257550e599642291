# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How what carries the units of a pool comes to this host and leaves it: worked out only where a plan needs it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.pool import FcHostAdapter, PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import PoolType, Seen, Way
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known, Wanted
from ansible_collections.virt.san.plugins.module_utils._pools.registry import built_on
from ansible_collections.virt.san.plugins.module_utils._pools.steps import MakeVhba

PASSING = re.compile(r"^/dev/(sd[a-z]+|dm-\d+)$")
"""What the kernel calls devices by the order in which it finds them."""


@dataclass(frozen=True)
class Look:
    """How far a look may go."""

    ways: bool = False
    """Work out how what carries the units comes or leaves."""
    check_mode: bool = True
    """Nothing may be written, not even so that disks say who they are."""


def with_lasting_names(host: Host, wanted: Wanted, known: Known) -> Wanted:
    """Return what is wanted, by names that mean the same after a reboot: HBAs by WWPN or PCI address, LUNs by WWID.

    Raises what `adapters.lasting` raises.
    """
    pool = wanted.pool
    if pool is None or wanted.state == "absent":
        return wanted
    if pool.source.adapter is None:
        return replace(wanted, pool=_by_wwid(host, pool))
    from ansible_collections.virt.san.plugins.module_utils._host import scsi
    from ansible_collections.virt.san.plugins.module_utils._host.hbas import read_fabric
    from ansible_collections.virt.san.plugins.module_utils._pools import adapters

    hbas = read_fabric(host).hbas
    numbers = {hba.name: scsi.read_unique_id(host, hba.name) for hba in hbas}
    return replace(wanted, pool=adapters.lasting(pool, hbas, numbers, known.latest))


def _by_wwid(host: Host, pool: PoolDefinition) -> PoolDefinition:
    passing = tuple(name for name in built_on(pool) if PASSING.match(name))
    if not passing:
        return pool
    from ansible_collections.virt.san.plugins.module_utils._apply.pool_devices import lasting_names

    lasting = lasting_names(host, passing)
    devices = (replace(one, path=lasting.get(one.path, one.path)) for one in pool.source.devices)
    return replace(pool, source=replace(pool.source, devices=tuple(dict.fromkeys(devices))))


def coming_by(kind: PoolType, known: Known, pool: PoolDefinition, seen: Seen) -> PoolDefinition:
    """Return the definition by which units are to come: the one that a pool goes on by until it is started anew."""
    live = known.started
    runs = live is not None and kind.is_running(live, seen)
    return live if live is not None and runs and kind.restart_for(live, pool, seen) else pool


def with_ways(host: Host, known: Known, wanted: Wanted, pool: PoolDefinition, seen: Seen, how: Look) -> Seen:
    """Return what is seen, with how the pool's units come or leave, whichever the plan will ask for."""
    if not how.ways:
        return seen
    if wanted.state == "active":
        return replace(seen, coming=_coming(host, known, wanted, pool, how))
    if wanted.state in ("inactive", "absent"):
        return replace(seen, leaving=_leaving(host, known, wanted, how))
    return seen


def _coming(host: Host, known: Known, wanted: Wanted, pool: PoolDefinition, how: Look) -> Way | None:
    adapter = pool.source.adapter
    if isinstance(adapter, FcHostAdapter):
        from ansible_collections.virt.san.plugins.module_utils._apply import pool_vhba

        return pool_vhba.coming(host, pool, adapter, known.made, known.started is not None)
    if pool.type == "iscsi":
        from ansible_collections.virt.san.plugins.module_utils._apply import pool_sessions

        return pool_sessions.coming(host, pool, known.made, wanted.secret or known.secret, how.check_mode)
    return None


def _leaving(host: Host, known: Known, wanted: Wanted, how: Look) -> Way:
    """Return how all leaves that a pool has made, whatever it is by now."""
    if not known.made:
        return Way()
    from ansible_collections.virt.san.plugins.module_utils._apply import pool_sessions, pool_vhba

    options = (known.made, how.check_mode, wanted.force, wanted.state == "inactive")
    ways = (pool_sessions.leaving(host, *options), pool_vhba.leaving(host, *options))
    return Way(
        tuple(step for way in ways for step in way.steps),
        next((way.refusal for way in ways if way.refusal is not None), None),
        tuple(warning for way in ways for warning in way.warnings),
    )


def perform(host: Host, step: Step, timeout: float) -> bool:
    """Carry out a step, if it is one about what carries units; tell whether it is. Raises SanError, OSError."""
    if isinstance(step, MakeVhba):
        from ansible_collections.virt.san.plugins.module_utils._apply import pool_vhba

        pool_vhba.make(host, step, timeout)
        return True
    from ansible_collections.virt.san.plugins.module_utils._apply import pool_sessions

    return pool_sessions.perform(host, step, timeout) or _remove(host, step, timeout)


def _remove(host: Host, step: Step, timeout: float) -> bool:
    """Carry out a step by which a virtual HBA goes, or what is behind one or behind a session."""
    from ansible_collections.virt.san.plugins.module_utils._apply import pool_vhba, removal
    from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import (
        FlushMap,
        ForgetWwid,
        WriteDropIn,
    )
    from ansible_collections.virt.san.plugins.module_utils._plan.npiv_steps import DeleteVport
    from ansible_collections.virt.san.plugins.module_utils._plan.removal_steps import DeletePaths, TakeOut, UnlistDevice

    if isinstance(step, DeleteVport):
        pool_vhba.delete(host, step, timeout)
    elif isinstance(step, (FlushMap, ForgetWwid, WriteDropIn, TakeOut, UnlistDevice, DeletePaths)):
        removal.perform(host, step, timeout)
    else:
        return False
    return True
