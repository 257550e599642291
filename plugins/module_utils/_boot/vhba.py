# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one virtual HBA of its definition, now or whenever its port comes Online.

The boot waits for a vHBA as long as there is reason to think that it comes in seconds: libvirt and its guests shall
find it. After that the boot goes on, and so does the waiting, for hours if need be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._apply import npiv
from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import carry_out
from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import fc
from ansible_collections.virt.san.plugins.module_utils._host import npiv as kernel
from ansible_collections.virt.san.plugins.module_utils._host.arrival import await_disks
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.kept import read_definition
from ansible_collections.virt.san.plugins.module_utils._host.lock import host_lock
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.fabric import UP
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.plugins.module_utils._plan.npiv import plan_present
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_steps import AwaitLogin

PORT_WAIT = 20.0
"""Seconds the boot waits for a port that has a link: a login to the fabric takes seconds."""

LINK_GRACE = 3.0
"""Seconds a link may be down before it counts as dead: drivers report a new port before they have looked."""

HBA_GRACE = 10.0
"""Seconds until an HBA that is not there counts as gone: drivers load while the boot goes on."""

LOGIN_WAIT = 15.0
"""Seconds the boot waits for the vHBA's own login."""

LOCK_WAIT = 30.0
"""Seconds to wait for others that change the host, as the vHBAs before this one in the queue."""

RETRY = 30.0
"""Seconds between two attempts at a port that is Online."""

INTERVAL = 1.0
"""Seconds between two looks at a port when the boot does not wait: one attribute to read, for hours perhaps."""

NO_HBA = "not there"
Say = Callable[[str], None]


@dataclass
class Patience:
    """How long the boot waits for a port, by what is wrong with it."""

    host: Host
    state: str | None = None
    since: float = field(default=0.0)

    def over(self, state: str) -> bool:
        """Tell whether nothing is to be expected of a port that is still in `state`."""
        now = self.host.clock.monotonic()
        if state != self.state:
            self.state, self.since = state, now
        grace = {"Linkdown": LINK_GRACE, NO_HBA: HBA_GRACE}.get(state, math.inf)
        return now - self.since >= grace


def port_state(host: Host, wwpn: str | None) -> str:
    """Return the state of the HBA with a WWPN, in the kernel's words."""
    for name in host.entries(fc.HOSTS):
        port = fc.read_port_state(host, name, wwpn)
        if port is not None:
            return port
    return NO_HBA


def is_up(host: Host, wwpn: Wwn) -> bool:
    """Tell whether the vHBA is there and logged in."""
    name = kernel.find_vport(host, wwpn)
    return name is not None and npiv.read_login(host, name, kernel.scsi_host_of(host, name)).done


class Circumstances(NamedTuple):
    """What an attempt may succeed by; while none of it changes, trying again is of little use."""

    vhba: WantedVhba | None
    port_up: bool
    up: bool


def circumstances(host: Host, wwpn: Wwn) -> Circumstances:
    vhba = read_definition(host, wwpn)
    port_up = vhba is not None and port_state(host, vhba.parent) in UP
    return Circumstances(vhba, port_up, is_up(host, wwpn))


def bring_up(host: Host, wwpn: Wwn, say: Say, ready: Say) -> bool:
    """Return once the vHBA is up, or is no longer wanted. `ready` is called when the boot need not wait any more.

    Returns whether that was later than the boot. Raises RefusedError for what no waiting mends.
    """
    began = host.clock.monotonic()
    why: str | None = None
    while True:
        now = circumstances(host, wwpn)
        if now.vhba is None:
            say(f"vHBA {wwpn} has no definition (any more): nothing to do")
            ready("done")
            return False
        late, last = why is not None, why
        why = attempt(host, now.vhba, say, 0 if late else PORT_WAIT)
        if why is None:
            ready("done")
            return late
        if why != last:
            boot = "" if late else f"The boot goes on after {host.clock.monotonic() - began:.0f} s of waiting; "
            say(f"vHBA {wwpn} is not up: {why}. {boot}it comes as soon as it can")
            ready(f"waiting: {why}")
        _await_change(host, wwpn, now)


def _await_change(host: Host, wwpn: Wwn, before: Circumstances) -> None:
    """Return when there is reason to try again; after a while also without, where the port is not to blame."""
    timeout = RETRY if before.port_up else math.inf
    wait_until(host, lambda: circumstances(host, wwpn), lambda now: now != before, timeout, interval=INTERVAL)


def attempt(host: Host, vhba: WantedVhba, say: Say, patience: float) -> str | None:
    """Make the vHBA if its port lets it; return why it is not up, or None.

    `patience`: seconds to wait for the port. Raises RefusedError.
    """
    waiting = Patience(host)

    def settled(state: str) -> bool:
        return state in UP or waiting.over(state)

    state = wait_until(host, lambda: port_state(host, vhba.parent), settled, patience)
    if state not in UP:
        return f"its HBA {vhba.parent} is {state}"
    try:
        made = make(host, vhba)
        npiv.await_login(host, AwaitLogin(vhba.wwpn), LOGIN_WAIT)
    except RefusedError:
        raise
    except SanError as error:
        return error.message
    say(f"vHBA {vhba.wwpn} {'made' if made else 'was there'}, and is logged in: {_told(host, vhba)}")
    return None


def make(host: Host, vhba: WantedVhba) -> bool:
    """Have the kernel make the vHBA, unless it is there; tell whether there was anything to do.

    Its login is not waited for here: that is no reason to keep others from the host.
    """
    if not _steps(host, vhba):
        return False
    with host_lock(host, f"virt-san-vhba {vhba.wwpn}", LOCK_WAIT):
        seen = npiv.look(host)
        steps = [step for step in plan_present(seen, vhba).steps if not isinstance(step, AwaitLogin)]
        carry_out(steps, lambda step: npiv.perform(host, step, seen, LOGIN_WAIT))
    return bool(steps)


def _steps(host: Host, vhba: WantedVhba) -> bool:
    plan = plan_present(npiv.look(host), vhba)
    return any(not isinstance(step, AwaitLogin) for step in plan.steps)


def _told(host: Host, vhba: WantedVhba) -> str:
    """Wait a moment for its disks, which a guest may be about to need, and say where all is."""
    name = kernel.find_vport(host, vhba.wwpn)
    child = kernel.scsi_host_of(host, name) if name is not None else None
    disks = await_disks(host, lambda: (child,)) if child is not None else 0
    return f"{child or 'no SCSI host'} on HBA {vhba.parent}, {disks} disk(s) behind it so far"
