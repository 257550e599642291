# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that describe a storage pool, and what they mean."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._argspec import parsed, parsed_list
from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._model import pool as model
from ansible_collections.virt.san.plugins.module_utils._model.disk import device_path
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Permissions,
    PoolDefinition,
    Source,
    SourceDevice,
    SourceHost,
    Target,
)

PERMISSIONS: dict[str, Any] = {
    "type": "dict",
    "options": {
        "mode": {"type": "str"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
    },
}

POOL: dict[str, Any] = {
    "name": {"type": "str"},
    "type": {"type": "str", "choices": ["dir", "disk", "fs", "logical", "netfs"]},
    "uuid": {"type": "str"},
    "source": {
        "type": "dict",
        "options": {
            "host": {"type": "str"},
            "dir": {"type": "str"},
            "name": {"type": "str"},
            "devices": {"type": "list", "elements": "str", "default": []},
            "format": {"type": "str"},
            "protocol": {"type": "str"},
            "mount_options": {"type": "list", "elements": "str", "default": []},
        },
    },
    "target": {
        "type": "dict",
        "options": {
            "path": {"type": "str"},
            "permissions": PERMISSIONS,
        },
    },
    "xml": {"type": "str"},
}


def described(options: Mapping[str, Any], name: str) -> PoolDefinition | None:
    """Return the pool that the typed options describe; None if they only name it. Raises InputError."""
    if options["type"] is None:
        return None
    source, target = _source(options["source"]), _target(options["target"])
    if options["type"] == "logical" and target.path is None:
        # libvirt wants it said, as below.
        target = replace(target, path=f"/dev/{source.name or name}")
    if options["type"] == "disk" and target.path is None:
        target = replace(target, path="/dev")
    return PoolDefinition(
        name=name,
        type=options["type"],
        source=source,
        target=target,
        uuid=_given("uuid", model.parse_uuid, options["uuid"]),
    )


def _given(option: str, parse: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else parsed(option, parse, value)


def _source(told: Mapping[str, Any] | None) -> Source:
    if told is None:
        return Source()
    server = _given("source.host", model.parse_server, told["host"])
    return Source(
        hosts=() if server is None else (SourceHost(server),),
        devices=tuple(map(SourceDevice, parsed_list("source.devices", device_path, told["devices"]))),
        directory=_given("source.dir", model.parse_path, told["dir"]),
        name=told["name"],
        format=told["format"],
        protocol_version=told["protocol"],
        mount_options=parsed_list("source.mount_options", model.parse_mount_option, told["mount_options"]),
    )


def _target(told: Mapping[str, Any] | None) -> Target:
    if told is None:
        return Target()
    path = _given("target.path", model.parse_path, told["path"])
    return Target(path, permissions_of(told["permissions"], "target.permissions"))


def permissions_of(told: Mapping[str, Any] | None, option: str) -> Permissions:
    """Return the permissions that an option of this name asks for. Raises InputError."""
    given = told or {}
    return Permissions(
        mode=_given(f"{option}.mode", model.parse_mode, given.get("mode")),
        owner=_given(f"{option}.owner", _user, given.get("owner")),
        group=_given(f"{option}.group", _group, given.get("group")),
    )


def _user(name: str) -> int:
    """Return the number of a user of this host. Raises ValueError."""
    return _number(name, lambda: pwd.getpwnam(name).pw_uid, "user")


def _group(name: str) -> int:
    return _number(name, lambda: grp.getgrnam(name).gr_gid, "group")


def _number(name: str, look_up: Callable[[], int], what: str) -> int:
    if name.isdigit():
        return int(name)
    try:
        return look_up()
    except KeyError:
        raise ValueError(f"this host has no {what} {name!r}") from None


def require_one_description(options: Mapping[str, Any]) -> None:
    """Raise InputError where options describe a pool and its type is not among them."""
    if options["type"] is None:
        for option in ("uuid", "source", "target"):
            if options[option] is not None:
                raise InputError(
                    f"{option}: give the type too, or only the name of a pool that is defined", option=option
                )
