# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start one storage pool, now or as soon as it can be.

The boot waits for a pool as long as there is reason to think that it comes in seconds: libvirt and its guests shall
find it. After that the boot goes on, and so do the attempts. A pool that cannot start stops no other: each has a
process of its own, which holds no lock but that of its pool, and that of the host where it makes a
virtual HBA or logs in to a target.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from ansible_collections.virt.san.plugins.module_utils._apply import pool
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.lock import host_lock
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.pool import FcHostAdapter
from ansible_collections.virt.san.plugins.module_utils._model.pool_boot import definition_path
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted

STEP_WAIT = 20.0
"""Seconds for each step of an attempt: the boot waits for the first one, and a task about the pool for any."""

DEVICES_WAIT, DEVICES_RETRY = 20.0, 2.0
"""Seconds that the boot waits for a pool on LUNs, and between two attempts then: HBAs log in while it goes on."""

LOCK_WAIT = 30.0
"""Seconds to wait for others that change the host."""

RETRY = 30.0
"""Seconds between two attempts."""

INTERVAL = 1.0
"""Seconds between two looks whether the definition is still the same."""

Say = Callable[[str], None]


def bring_up(host: Host, name: str, say: Say, ready: Say) -> None:
    """Return once the pool runs, or is no longer wanted. `ready` is called when the boot need not wait any more.

    Raises RefusedError for a definition that cannot be read: no waiting mends it.
    """
    began = host.clock.monotonic()
    last: str | None = None
    while True:
        before = host.read(definition_path(name))
        if before is None:
            say(f"pool {name} has no definition (any more): nothing to do")
            return ready("done")
        why = attempt(host, name, say)
        if why is None:
            return ready("done")
        if _on_devices(host, name) and host.clock.monotonic() - began < DEVICES_WAIT:
            _pause(host, name, before, DEVICES_RETRY)
            continue
        if why != last:
            boot = "" if last else f"The boot goes on after {host.clock.monotonic() - began:.0f} s of waiting; "
            say(f"pool {name} does not run: {why}. {boot}it is tried again every {RETRY:.0f} s")
            ready(f"waiting: {why}")
            last = why
        _pause(host, name, before, RETRY)


def attempt(host: Host, name: str, say: Say) -> str | None:
    """Start a pool if it does not run; return why it does not, or None. Raises RefusedError."""
    keeper = NativeKeeper(host)
    spoilt = keeper.look(name).spoilt
    if spoilt:
        raise RefusedError(f"the definition of pool {name} cannot be read: {spoilt}")
    # A folder that is missing may be on a file system that is not mounted yet: nothing is built at boot.
    # A LUN without persistent reservations was refused when the pool was made, or allowed.
    wanted = Wanted(name, "active", build="never", exclusive=False)
    try:
        with _alone(host, keeper, name):
            report = pool.ensure(host, keeper, wanted, None, STEP_WAIT, check_mode=False)
    except SanError as error:
        return error.message
    say(f"pool {name} {'started' if report.changed else 'runs already'}: {'; '.join(report.facts['steps']) or 'done'}")
    return None


def _alone(host: Host, keeper: NativeKeeper, name: str) -> AbstractContextManager[object]:
    """Have the host's lock for a pool that makes a virtual HBA or logs in: nobody else does so at the same time."""
    known = keeper.look(name).pool
    makes = known is not None and (known.type == "iscsi" or isinstance(known.source.adapter, FcHostAdapter))
    return host_lock(host, f"virt-san-pool {name}", LOCK_WAIT) if makes else nullcontext()


def _on_devices(host: Host, name: str) -> bool:
    pool = NativeKeeper(host).look(name).pool
    return pool is not None and bool(pool.source.devices or pool.source.adapter)


def _pause(host: Host, name: str, before: str, seconds: float) -> None:
    """Return when there is reason to try again: after a while, or because the definition is another one."""
    wait_until(
        host,
        lambda: host.read(definition_path(name)),
        lambda now: now != before,
        seconds,
        interval=INTERVAL,
    )
