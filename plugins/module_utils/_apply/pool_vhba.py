# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual HBA of a pool: how it comes to be, and how it goes again with all that is only behind it."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.virt.san.plugins.module_utils._apply import npiv, removal
from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host import npiv as kernel
from ansible_collections.virt.san.plugins.module_utils._host.arrival import await_disks
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.definitions import definition_path
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn, parse_wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.plugins.module_utils._model.pool import FcHostAdapter, PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._plan.npiv import plan_absent, plan_present
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_steps import AwaitLogin, DeleteVport
from ansible_collections.virt.san.plugins.module_utils._pools.base import Way
from ansible_collections.virt.san.plugins.module_utils._pools.steps import MakeVhba, NoteMade

MADE = "vHBA "
"""How the note of one begins."""


def coming(host: Host, pool: PoolDefinition, adapter: FcHostAdapter, made: tuple[str, ...], started: bool) -> Way:
    """Return how the vHBA of a pool comes to be there and logged in.

    One that is there stays where it cannot log in if the pool was `started`: its link may be down for a moment.
    """
    wanted = _wanted(adapter)
    seen = npiv.look(host)
    try:
        planned = plan_present(seen, wanted)
    except SanError as error:
        return Way(refusal=error)
    if not planned.steps:
        return Way(warnings=planned.warnings)
    note, there = f"{MADE}{wanted.wwpn}", bool(seen.vhbas(wanted.wwpn))
    own = adapter.managed is not False and (note in made or not there)
    notes = (NoteMade(pool.name, (*made, note)),) if own and note not in made else ()
    make = MakeVhba(pool.name, wanted.wwpn, planned.steps, own and not (started and there), made)
    return Way((*notes, make), warnings=planned.warnings)


def _wanted(adapter: FcHostAdapter) -> WantedVhba:
    parent, fabric = adapter.parent_wwpn or adapter.parent_wwnn or adapter.parent, adapter.parent_fabric_wwn
    return WantedVhba(
        parse_wwn(adapter.wwpn), parse_wwn(adapter.wwnn), parent, None if fabric is None else parse_wwn(fabric)
    )


def leaving(host: Host, made: Iterable[str], check_mode: bool, force: bool, keep_record: bool) -> Way:
    """Return how the vHBAs go that a pool has made, after what is only behind them.

    One that is kept for boots by now is somebody else's. Outside check mode disks are asked who they are.
    """
    noted = [Wwn(one[len(MADE) :]) for one in made if one.startswith(MADE)]
    theirs = [wwpn for wwpn in noted if host.exists(definition_path(wwpn))]
    seen = npiv.look(host)
    going = [vhba for wwpn in noted if wwpn not in theirs for vhba in seen.vhbas(wwpn)]
    hosts = {vhba.vport.host for vhba in going if vhba.vport.host} & seen.with_devices
    try:
        cleared = removal.plan_behind(host, hosts, check_mode, force, keep_record)
    except SanError as error:
        return Way(refusal=error)
    ends = tuple(step for vhba in going for step in plan_absent(seen, vhba.vport.wwpn).steps)
    told = tuple(f"vHBA {wwpn} stays: it is kept for boots (virt.san.npiv_vport)" for wwpn in theirs)
    return Way((*cleared.steps, *ends), warnings=(*cleared.warnings, *told))


def make(host: Host, step: MakeVhba, timeout: float) -> None:
    """Make a vHBA and see it logged in. One of the pool's own that does not get there is deleted again.

    Raises what npiv raises; `undone` in its details says that nothing is left.
    """
    seen = npiv.look(host)
    try:
        for one in step.make:
            if isinstance(one, AwaitLogin):
                npiv.await_login(host, one, timeout, stays=not step.own)
            elif isinstance(one, npiv.VHBA_STEPS):
                npiv.perform(host, one, seen, timeout)
    except SanError as error:
        if step.own:
            _undo(host, step, timeout, error)
        raise
    name = kernel.find_vport(host, step.wwpn)
    child = None if name is None else kernel.scsi_host_of(host, name)
    if child is not None:
        await_disks(host, lambda: (child,))


def _undo(host: Host, step: MakeVhba, timeout: float, error: SanError) -> None:
    """Delete a vHBA that cannot log in; say what became of it in the error."""
    if error.details.get("pid"):
        return  # a write that hangs in the kernel may still make it
    seen = npiv.look(host)
    ends = plan_absent(seen, Wwn(step.wwpn)).steps
    try:
        for one in ends:
            npiv.perform(host, one, seen, timeout)
    except SanError as left:
        error.message = f"{error.message}. It could not be deleted again: {left.message}"
        return
    if ends:
        error.message = f"{error.message}. It was deleted again: nothing is left of it"
    error.details["undone"] = True


def delete(host: Host, step: DeleteVport, timeout: float) -> None:
    """Delete a vHBA behind which nothing is any more."""
    npiv.perform(host, step, npiv.look(host), timeout)
