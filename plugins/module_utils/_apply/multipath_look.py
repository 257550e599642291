# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a host's multipathing, from all places that know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.block import read_devices
from ansible_collections.virt.san.plugins.module_utils._host.dm import read_dm_devices
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._host.multipath import ask, daemon_running, is_busy, show_paths
from ansible_collections.virt.san.plugins.module_utils._host.multipath_check import installed
from ansible_collections.virt.san.plugins.module_utils._host.multipath_conf import (
    aliases_of,
    is_pending,
    parse_conf,
    read_claims,
    read_drop_in,
    read_remembered,
    settings_of,
)
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit
from ansible_collections.virt.san.plugins.module_utils._model.multipath import MultipathState, WantedMaps

DAEMON_DEADLINE = 60.0


def require_daemon(host: Host) -> None:
    """Raise UnavailableError unless multipathd runs."""
    if not installed(host):
        raise UnavailableError(
            "multipath-tools (device-mapper-multipath) are not installed on this host; "
            "install them (role virt.san.host does)",
            service="multipathd",
        )
    if not daemon_running(host):
        raise UnavailableError(
            "multipathd does not run on this host: systemctl enable --now multipathd (role virt.san.host does)",
            service="multipathd",
        )


def look(host: Host) -> MultipathState:
    """Return the state of multipathing. Without multipathd, what only it knows is left empty."""
    running = daemon_running(host)
    san = read_san(host, checkers=running, uses=True)
    devices = read_dm_devices(host, read_devices(host)).values()
    state = MultipathState(
        san=san,
        drop_in=read_drop_in(host),
        dm_names={device.name: device.uuid for device in devices},
        read_only_paths=frozenset(
            path.device for unit in san.luns for path in unit.paths if host.read(f"/sys/block/{path.device}/ro") == "1"
        ),
        pending=is_pending(host),
    )
    if not running:
        return replace(state, claims=read_claims(host), remembered=read_remembered(host))
    return _with_daemon(host, state)


def _with_daemon(host: Host, state: MultipathState) -> MultipathState:
    conf = parse_conf(ask(host, "show config", DAEMON_DEADLINE))
    defaults: Mapping[str, str] = settings_of(conf, ("defaults",)).get("defaults", {})
    return replace(
        state,
        claims=read_claims(host, defaults),
        remembered=read_remembered(host, defaults),
        monitored=frozenset(path.device for path in show_paths(host, DAEMON_DEADLINE)),
        running_aliases={wwid: alias for wwid, alias in aliases_of(conf).items() if alias},
        find_multipaths=defaults.get("find_multipaths", "strict"),
        user_friendly_names=defaults.get("user_friendly_names") == "yes",
        busy=is_busy(host, DAEMON_DEADLINE),
    )


def settled(wanted: WantedMaps) -> Callable[[MultipathState], bool]:
    """Return a predicate: may the plan be made, or is something still on its way?

    Wanted units must have their paths. A usable path that multipathd does not monitor is either new to
    it, or ignored by it for good: the latter is believed when multipathd was idle at two looks.
    """
    quiet = 0

    def satisfied(state: MultipathState) -> bool:
        nonlocal quiet
        quiet = 0 if state.busy else quiet + 1
        if wanted.devices is not None and not all(
            _has_paths(state.unit(device.wwid), device.paths or 1) for device in wanted.devices
        ):
            return False
        wwids = None if wanted.devices is None else {device.wwid for device in wanted.devices}
        units = [unit for unit in state.san.luns if wwids is None or unit.wwid in wwids]
        usable = {path.device for unit in units for path in unit.paths if path.usable}
        return usable <= state.monitored or quiet >= 2

    return satisfied


def _has_paths(unit: LogicalUnit | None, expected: int) -> bool:
    return unit is not None and len([path for path in unit.paths if path.usable]) >= expected
