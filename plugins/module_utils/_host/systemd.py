# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd: what it knows of a unit, the few things it is asked to do, and what a service tells it."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host, parse_properties
from ansible_collections.virt.san.plugins.module_utils._model.units import UNITS

RUNNING = "/run/systemd/system"
"""There if systemd is the one that booted the machine."""

DEADLINE = 60.0
"""Seconds for one command: a reload runs all generators."""

_PROPERTIES = "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,Job"


class Unit(NamedTuple):
    """A unit as systemd knows it."""

    enabled: bool = False
    active: str = "inactive"
    """Its state in systemd's words: active, activating (also one that waits for its turn), inactive, failed..."""
    stale: bool = False
    """Its files are others than those that systemd has read."""
    loaded: bool = False
    """There is such a unit."""
    at_work: bool = False
    """A process of it runs."""


def is_running(host: Host) -> bool:
    return host.exists(RUNNING)


def read_unit(host: Host, name: str) -> Unit:
    """Return what systemd knows of a unit; one that does not exist is neither enabled nor active."""
    return read_units(host, [name])[name]


def read_units(host: Host, names: Sequence[str]) -> dict[str, Unit]:
    """Return what systemd knows of units, by their names; one command asks about all of them."""
    if not names:
        return {}
    told = host.run(["systemctl", "show", "-p", _PROPERTIES, "--", *names], DEADLINE).stdout
    # One after the other as they were asked for, with an empty line in between.
    blocks = told.strip("\n").split("\n\n")
    if len(blocks) != len(names):
        raise CommandError(f"systemctl told of {len(blocks)} units, and was asked about {len(names)}: {told!r}")
    return dict(zip(names, map(parse_unit, blocks)))


def parse_unit(text: str) -> Unit:
    told = parse_properties(text)
    active = told.get("ActiveState") or "inactive"
    waits = active == "inactive" and bool(told.get("Job"))
    return Unit(
        enabled=told.get("UnitFileState") == "enabled",
        active="activating" if waits else active,
        stale=told.get("NeedDaemonReload") == "yes",
        loaded=told.get("LoadState") == "loaded",
        at_work=told.get("SubState") in ("start-pre", "start", "start-post", "running", "reload"),
    )


def reload(host: Host) -> None:
    """Have all unit files read again."""
    host.run(["systemctl", "daemon-reload"], DEADLINE)


def enable(host: Host, name: str) -> None:
    """Have a unit started at boot, and begin to start it now. Unit files are read again on the way.

    Quietly: between the two it tells of the links it has made, and if this process was killed nobody hears that, which
    would end it halfway.
    """
    host.run(["systemctl", "enable", "--quiet", "--now", "--no-block", "--", name], DEADLINE)
    _sync_links(host)


def enable_for_boot(host: Host, name: str) -> None:
    """Have a unit started at boot, and not before. Unit files are read again on the way."""
    host.run(["systemctl", "enable", "--quiet", "--", name], DEADLINE)
    _sync_links(host)


def disable(host: Host, name: str) -> None:
    """End a unit, have it no longer started at boot, and forget that it failed."""
    host.run(["systemctl", "disable", "--quiet", "--now", "--", name], DEADLINE)
    _sync_links(host)
    host.run(["systemctl", "reset-failed", "--", name], DEADLINE, accept=(0, 1))


def _sync_links(host: Host) -> None:
    """Have the links on the disk that say what starts at boot: systemctl leaves that to the kernel's next seconds.

    Seen on Debian 12: after a power cut a moment later, a unit that had been enabled was not.
    """
    for folder in host.entries(UNITS):
        if folder.endswith(".wants"):
            host.sync(f"{UNITS}/{folder}")


def start_soon(host: Host, name: str) -> None:
    """Start a unit, and with it those it wants that are not active, without waiting for them."""
    host.run(["systemctl", "start", "--no-block", "--", name], DEADLINE)


def stop(host: Host, name: str) -> None:
    """End a unit; one that does not exist is ended already."""
    host.run(["systemctl", "stop", "--", name], DEADLINE, accept=(0, 5))


def tell(ready: bool, status: str) -> None:
    """Tell systemd how far this service is; no service, nobody to tell."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    text = f"{'READY=1' if ready else ''}\nSTATUS={status}".strip()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as said:
        try:
            said.sendto(text.encode(), f"\0{address[1:]}" if address.startswith("@") else address)
        except OSError:
            pass
