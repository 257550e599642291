# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a host for what a type of pool wants to know."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host import folders, mount
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.pool import Space
from ansible_collections.virt.san.plugins.module_utils._pools.base import Folder, Mounted, Needs, Seen

DEADLINE = 10.0
"""Seconds for a look at one path. A server that is slower than that is no help to guests either."""


def look(host: Host, needs: Needs, noted: bool, with_users: bool) -> Seen:
    """Return what is there of what is needed. What gives no answer within the deadline is silent.

    Raises UnavailableError or CommandError where LVM is needed and does not tell.
    """
    seen = _look_at_paths(host, needs, noted, with_users)
    if needs.san:
        from ansible_collections.virt.san.plugins.module_utils._host import scsi
        from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san

        # sysfs alone: neither a device nor multipathd is asked, and so nothing can hang.
        san = read_san(host, checkers=False, uses=False)
        numbers = {hba.name: scsi.read_unique_id(host, hba.name) for hba in san.hbas}
        seen = replace(seen, san=san, unique_ids=numbers)
    if needs.group is None and not needs.devices:
        return seen
    from ansible_collections.virt.san.plugins.module_utils._apply.pool_devices import look_at_devices

    return look_at_devices(host, needs, seen)


def _look_at_paths(host: Host, needs: Needs, noted: bool, with_users: bool) -> Seen:
    table = mount.read_table(host)
    found: dict[str, dict[str, Any]] = {}
    silent: dict[str, str] = {}
    for path in dict.fromkeys((*needs.folders, *needs.space)):
        told = _look_at(host, path)
        if isinstance(told, str):
            silent[path] = told
        else:
            found[path] = told
    spaces = {path: found[path]["space"] for path in needs.space if path in found}
    entries = {path: found[path]["folder"] for path in needs.folders if path in found}
    return Seen(
        folders={path: Folder(**entry) for path, entry in entries.items() if entry is not None},
        # The last one lies on top.
        mounts={one.point: _mounted(host, one) for one in table if one.point in needs.mounts},
        below=_below(table, needs.mounts),
        staying=_find_staying(host, needs.mounts) if with_users else {},
        users=find_users(host, needs.users) if with_users else {},
        space={path: Space(*room) for path, room in spaces.items() if room is not None},
        leads_to={path: told["real"] for path, told in found.items() if told["real"] != path},
        silent=silent,
        noted=noted,
    )


def _mounted(host: Host, one: mount.TableEntry) -> Mounted:
    device = (host.link(f"/sys/dev/block/{one.dev_t}") or "").rpartition("/")[2]
    return Mounted(one.source, one.kind, one.options, device)


def _look_at(host: Host, path: str) -> dict[str, Any] | str:
    """Return what is at a path, or why that is not known."""
    try:
        told: dict[str, Any] = guarded(host, path, "looking at", lambda there: _at(there, path), DEADLINE)
    except SanError as error:
        return error.message
    except OSError as error:
        return f"it cannot be looked at: {os.strerror(error.errno or 0)}"
    return told


def _at(host: Host, path: str) -> dict[str, Any]:
    """Return what is at a path as JSON holds it."""
    entry, room = folders.look_at(host, path), folders.read_room(host, path)
    return {
        "folder": None if entry is None else entry._asdict(),
        "space": None if room is None else list(room),
        "real": folders.real_path(host, path),
    }


def find_users(host: Host, paths: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return who uses something at each path or below; where that cannot be found out, somebody does."""
    if not paths:
        return {}
    from ansible_collections.virt.san.plugins.module_utils._host import busy

    own = os.getpid()
    try:
        found = guarded(host, "/proc", "looking in", lambda there: busy.users_of(there, paths, own), DEADLINE)
    except SanError as error:
        return dict.fromkeys(paths, (f"somebody, perhaps: {error.message}",))
    return {path: tuple(users) for path, users in found.items()}


def _find_staying(host: Host, paths: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    from ansible_collections.virt.san.plugins.module_utils._host import mount_copies

    return mount_copies.read_staying(host, paths)


def _below(table: list[mount.TableEntry], paths: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    below = {path: tuple(one.point for one in table if one.point.startswith(f"{path}/")) for path in paths}
    return {path: points for path, points in below.items() if points}
