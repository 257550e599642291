# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that describe a storage pool, and what they mean."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.virt.san.plugins.module_utils._argspec import CHAP, parsed, parsed_list
from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._model import pool as model
from ansible_collections.virt.san.plugins.module_utils._model.ids import is_wwn, parse_iqn, parse_wwn
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Adapter,
    Auth,
    FcHostAdapter,
    Permissions,
    PoolDefinition,
    ScsiHostAdapter,
    Source,
    SourceDevice,
    SourceHost,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Chap, Portal

PERMISSIONS: dict[str, Any] = {
    "type": "dict",
    "options": {
        "mode": {"type": "str"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
    },
}

ADAPTER: dict[str, Any] = {
    "type": "dict",
    "options": {
        "type": {"type": "str", "choices": ["fc_host", "scsi_host"], "required": True},
        "host": {"type": "str"},
        "unique_id": {"type": "int"},
        "wwpn": {"type": "str"},
        "wwnn": {"type": "str"},
        "parent": {"type": "str"},
        "fabric": {"type": "str"},
    },
    "required_if": [("type", "fc_host", ("wwpn", "wwnn")), ("type", "scsi_host", ("host",))],
}

DEVICE_FOLDERS = {"disk": "/dev", "iscsi": "/dev/disk/by-id", "mpath": "/dev/mapper", "scsi": "/dev/disk/by-id"}
"""Where libvirt is to look for the devices of a pool, unless somebody says otherwise."""

POOL: dict[str, Any] = {
    "name": {"type": "str"},
    "type": {"type": "str", "choices": ["dir", "disk", "fs", "iscsi", "logical", "mpath", "netfs", "scsi"]},
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
            "adapter": ADAPTER,
            "target": {"type": "str"},
            "portals": {"type": "list", "elements": "str", "default": []},
            "initiator": {"type": "str"},
            "chap": CHAP,
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
    source, target = _source(options["source"], name), _target(options["target"])
    if options["type"] == "logical" and target.path is None:
        # libvirt wants it said, as below.
        target = replace(target, path=f"/dev/{source.name or name}")
    if target.path is None and options["type"] in DEVICE_FOLDERS:
        target = replace(target, path=DEVICE_FOLDERS[options["type"]])
    return PoolDefinition(
        name=name,
        type=options["type"],
        source=source,
        target=target,
        uuid=_given("uuid", model.parse_uuid, options["uuid"]),
        kept=Kept(hba=_hba(options["source"]), portals=tuple(map(str, _portals(options["source"])[1:]))),
    )


def _given(option: str, parse: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else parsed(option, parse, value)


def secret_of(options: Mapping[str, Any]) -> Chap | None:
    """Return what the pool is to log in with. Raises InputError."""
    given = (options["source"] or {}).get("chap")
    if given is None:
        return None
    from ansible_collections.virt.san.plugins.module_utils._model.iscsi import parse_chap

    return parsed("source.chap", parse_chap, given)


def _portals(told: Mapping[str, Any] | None) -> tuple[Portal, ...]:
    given = (told or {}).get("portals")
    if not given:
        return ()
    from ansible_collections.virt.san.plugins.module_utils._model.iscsi import parse_portal

    return parsed_list("source.portals", parse_portal, given)


def _source(told: Mapping[str, Any] | None, name: str) -> Source:
    if told is None:
        return Source()
    server = _given("source.host", model.parse_server, told["host"])
    hosts = () if server is None else (SourceHost(server),)
    # libvirt knows one.
    first = tuple(SourceHost(one.address, one.other_port) for one in _portals(told)[:1])
    target, chap = _given("source.target", parse_iqn, told.get("target")), told.get("chap")
    return Source(
        hosts=(*hosts, *first),
        devices=(*_devices(told["devices"]), *(() if target is None else (SourceDevice(target),))),
        auth=None if chap is None else Auth("chap", chap["username"], None, f"virt-san/{name}"),
        directory=_given("source.dir", model.parse_path, told["dir"]),
        name=told["name"],
        format=model.parse_format(told["format"]),
        protocol_version=told["protocol"],
        initiator=_given("source.initiator", parse_iqn, told.get("initiator")),
        mount_options=parsed_list("source.mount_options", model.parse_mount_option, told["mount_options"]),
        adapter=_adapter(told.get("adapter")),
    )


def _devices(names: Sequence[str]) -> tuple[SourceDevice, ...]:
    if not names:
        return ()
    from ansible_collections.virt.san.plugins.module_utils._model.disk import device_path

    return tuple(map(SourceDevice, parsed_list("source.devices", device_path, names)))


def _adapter(told: Mapping[str, Any] | None) -> Adapter | None:
    if told is None:
        return None
    from ansible_collections.virt.san.plugins.module_utils._model.npiv import parse_parent

    foreign = ("wwpn", "wwnn", "parent", "fabric") if told["type"] == "scsi_host" else ("host", "unique_id")
    for name in foreign:
        if told[name] is not None:
            raise InputError(
                f"source.adapter.{name}: an adapter of type {told['type']} has none", option=f"source.adapter.{name}"
            )
    if told["type"] == "fc_host":
        return FcHostAdapter(
            wwnn=parsed("source.adapter.wwnn", parse_wwn, told["wwnn"]),
            wwpn=parsed("source.adapter.wwpn", parse_wwn, told["wwpn"]),
            parent=_given("source.adapter.parent", parse_parent, told["parent"]),
            parent_fabric_wwn=_given("source.adapter.fabric", parse_wwn, told["fabric"]),
        )
    name = parsed("source.adapter.host", parse_parent, told["host"])
    if is_wwn(name):
        return ScsiHostAdapter(unique_id=told["unique_id"])
    by_number = name.startswith("host")
    return ScsiHostAdapter(name if by_number else None, None if by_number else name, told["unique_id"])


def _hba(told: Mapping[str, Any] | None) -> str | None:
    """Return the WWPN that an HBA is named by; libvirt's XML has no place for it."""
    given = ((told or {}).get("adapter") or {}).get("host")
    if given is None:
        return None
    from ansible_collections.virt.san.plugins.module_utils._model.npiv import parse_parent

    name: str = parsed("source.adapter.host", parse_parent, given)
    return name if is_wwn(name) else None


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
