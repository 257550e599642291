# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have multipathd make, name, extend and grow multipath devices.

multipathd's answers are not proof: older ones say "fail" after a success and "ok" before the work.
What counts is the device as the kernel, udev and multipathd show it in the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._apply.multipath_flush import flush, forget
from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host.block import read_devices
from ansible_collections.virt.san.plugins.module_utils._host.dm import read_dm_devices, read_maps
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.multipath import ask, is_busy, order, show_maps
from ansible_collections.virt.san.plugins.module_utils._host.multipath_conf import (
    set_pending,
    sync_memory,
    write_drop_in,
)
from ansible_collections.virt.san.plugins.module_utils._host.udev import read_record
from ansible_collections.virt.san.plugins.module_utils._host.wait import require, wait_until
from ansible_collections.virt.san.plugins.module_utils._model.block import MultipathMap
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid, format_size
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import (
    AddPaths,
    CreateMap,
    FlushMap,
    ForgetWwid,
    Reconfigure,
    ReloadMap,
    ResizeMap,
    WriteDropIn,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step

DAEMON_DEADLINE = 60.0
"""Seconds for one answer of multipathd; it answers nobody while it sets up maps."""
RECONFIGURE_DEADLINE = 180.0
FALLBACK_AFTER = 5.0
"""Seconds after which a map that `add map` did not make is tried path by path."""


def perform(host: Host, step: Step, timeout: float) -> None:
    """Carry out one step and see that it is done; `timeout` is the seconds a map may take to come up.

    Raises WaitTimeoutError, CommandError, RefusedError or InUseError.
    """
    if isinstance(step, WriteDropIn):
        if step.load:
            set_pending(host, True)
        write_drop_in(host, step.content)
    elif isinstance(step, Reconfigure):
        _reconfigure(host, step)
    elif isinstance(step, CreateMap):
        _create(host, step, timeout)
    elif isinstance(step, AddPaths):
        _add_paths(host, step.devices)
        _await_map(host, step.wwid, step.name, step.devices, timeout)
    elif isinstance(step, ReloadMap):
        order(host, f"reload map {step.name}", DAEMON_DEADLINE)
        what = f"{step.name} becomes writable"
        require(
            host,
            lambda: find_map(host, step.wwid),
            lambda found: found is not None and not found.read_only,
            timeout,
            what,
        )
    elif isinstance(step, ResizeMap):
        _resize(host, step, timeout)
    elif isinstance(step, FlushMap):
        flush(host, step)
    elif isinstance(step, ForgetWwid):
        forget(host, step.wwid)
    else:
        raise SanError(f"no way is known to {step.describe()}")


def find_map(host: Host, wwid: Wwid) -> MultipathMap | None:
    """Return the map of a WWID as the kernel has it at this moment."""
    maps = read_maps(host, read_dm_devices(host, read_devices(host)).values())
    return next((found for found in maps if found.wwid == wwid), None)


def _reconfigure(host: Host, step: Reconfigure) -> None:
    order(host, "reconfigure", DAEMON_DEADLINE)
    await_idle(host, RECONFIGURE_DEADLINE)
    for wwid, old, new in step.renames:
        what = f"multipathd renames {old} ({wwid}) to {new or 'another name'}"

        def renamed(found: MultipathMap | None, old: str = old, new: str = new) -> bool:
            return found is not None and (found.name == new if new else found.name != old)

        def look(wwid: Wwid = wwid) -> MultipathMap | None:
            return find_map(host, wwid)

        require(host, look, renamed, DAEMON_DEADLINE, what, lambda found: found.name if found else "no such map")
    set_pending(host, False)


def await_idle(host: Host, timeout: float) -> None:
    """Wait until multipathd has nothing left to do: neither a reconfiguration nor events of udev.

    It must say so twice, for between two pieces of work it is idle too. Raises WaitTimeoutError.
    """
    quiet = 0

    def look() -> int:
        nonlocal quiet
        quiet = 0 if is_busy(host, DAEMON_DEADLINE) else quiet + 1
        return quiet

    require(host, look, lambda looks: looks >= 2, timeout, "multipathd becomes idle", lambda _looks: "busy")


def _create(host: Host, step: CreateMap, timeout: float) -> None:
    """Have a map made. By WWID this works with find_multipaths strict too, and multipathd remembers it."""

    def look() -> MultipathMap | None:
        return find_map(host, step.wwid)

    if look() is None:
        reply = ask(host, f"add map {step.wwid}", DAEMON_DEADLINE)
        if reply == "blacklisted":
            raise RefusedError(f"multipathd's configuration blacklists {step.wwid}", wwid=step.wwid)
        patience = FALLBACK_AFTER if reply == "ok" else 2.0
        if wait_until(host, look, lambda found: found is not None, patience) is None:
            for device in step.devices:
                host.run(["multipath", "-a", f"/dev/{device}"], DAEMON_DEADLINE, accept=(0, 1))
            _add_paths(host, step.devices)
    _await_map(host, step.wwid, step.name, step.devices, timeout)
    sync_memory(host)


def _add_paths(host: Host, devices: tuple[str, ...]) -> None:
    for device in devices:
        reply = ask(host, f"add path {device}", DAEMON_DEADLINE)
        if reply.startswith("blacklisted"):
            raise RefusedError(f"multipathd's configuration blacklists {device}", device=device)
        if reply != "ok":
            raise CommandError(
                f"multipathd answered 'add path {device}' with {reply!r}: its journal says why", device=device
            )


@dataclass(frozen=True)
class _MapNow:
    """A map, and who knows of it."""

    found: MultipathMap | None
    node: bool
    """/dev/mapper has it, and udev is done with it."""
    kept: bool
    """multipathd watches over it."""

    def __str__(self) -> str:
        if self.found is None:
            return "no map with this WWID"
        known = [who for who, knows in (("udev", self.node), ("multipathd", self.kept)) if knows]
        over = ", ".join(self.found.slaves) or "no path"
        return f"{self.found.name} over {over}, known to {' and '.join(known) or 'the kernel alone'}"


def _await_map(host: Host, wwid: Wwid, name: str, devices: tuple[str, ...], timeout: float) -> None:
    def look() -> _MapNow:
        found = find_map(host, wwid)
        if found is None:
            return _MapNow(None, False, False)
        node = host.exists(f"/dev/mapper/{found.name}") and read_record(host, found.dev_t) is not None
        kept = any(known.wwid == wwid for known in show_maps(host, DAEMON_DEADLINE))
        return _MapNow(found, node, kept)

    def complete(now: _MapNow) -> bool:
        found = now.found
        if found is None or (name and found.name != name):
            return False
        return now.node and now.kept and set(devices) <= set(found.slaves)

    what = f"the multipath device {name or wwid} of {wwid} comes up over {', '.join(devices)}"
    require(host, look, complete, timeout, what)


def _resize(host: Host, step: ResizeMap, timeout: float) -> None:
    """Grow a map. The paths were read again and compared before: older multipathds believe the first one."""
    order(host, f"resize map {step.dm}", DAEMON_DEADLINE)

    def look() -> int:
        found = find_map(host, step.wwid)
        return found.size if found else 0

    what = f"{step.name} grows to {format_size(step.size)}"
    require(host, look, lambda size: size == step.size, timeout, what, format_size)
