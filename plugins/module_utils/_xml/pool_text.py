# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool's definition as libvirt's storage pool XML: the same definition always makes the same text.

Elements are in libvirt's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Adapter,
    FcHostAdapter,
    PoolDefinition,
    Source,
    Target,
    format_mode,
)
from ansible_collections.virt.san.plugins.module_utils._xml import library

FS = "http://libvirt.org/schemas/storagepool/fs/1.0"
BARE = ("dir", "mpath")
"""Types whose pools may do without a source."""


def pool_text(pool: PoolDefinition) -> str:
    """Return the definition as XML. Raises ValueError for characters that XML has none for, UnavailableError."""
    namespaces = {"fs": FS} if pool.source.mount_options else None
    root = library.etree().Element("pool", {"type": pool.type}, nsmap=namespaces)
    _add(root, "name", text=pool.name)
    if pool.uuid is not None:
        _add(root, "uuid", text=pool.uuid)
    if pool.type not in BARE or _has_elements(pool.source):
        _add_source(_add(root, "source"), pool.source)
    if pool.target != Target():
        _add_target(_add(root, "target"), pool.target)
    if pool.source.mount_options:
        options = _add(root, f"{{{FS}}}mount_opts")
        for option in pool.source.mount_options:
            _add(options, f"{{{FS}}}option", {"name": option})
    return str(library.etree().tostring(root, encoding="unicode", pretty_print=True))


def _add(parent: Any, name: str, attributes: Mapping[str, str | None] | None = None, text: str | None = None) -> Any:
    """Append an element; attributes that are None are left out."""
    told = {key: value for key, value in (attributes or {}).items() if value is not None}
    element = library.etree().SubElement(parent, name, told)
    element.text = text
    return element


def _add_named(parent: Any, name: str, attribute: str, value: str | None) -> None:
    if value is not None:
        _add(parent, name, {attribute: value})


def _has_elements(source: Source) -> bool:
    return any(value not in (None, ()) for key, value in vars(source).items() if key != "mount_options")


def _flag(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _add_source(element: Any, source: Source) -> None:
    for host in source.hosts:
        _add(element, "host", {"name": host.name, "port": _number(host.port)})
    for device in source.devices:
        _add(element, "device", {"path": device.path, "part_separator": _flag(device.part_separator)})
    _add_named(element, "dir", "path", source.directory)
    if source.adapter is not None:
        _add_adapter(element, source.adapter)
    if source.name is not None:
        _add(element, "name", text=source.name)
    if source.initiator is not None:
        _add(_add(element, "initiator"), "iqn", {"name": source.initiator})
    _add_named(element, "format", "type", source.format)
    if source.auth is not None:
        auth = _add(element, "auth", {"type": source.auth.type, "username": source.auth.username})
        if source.auth.secret_uuid or source.auth.secret_usage:
            _add(auth, "secret", {"uuid": source.auth.secret_uuid, "usage": source.auth.secret_usage})
    _add_named(element, "protocol", "ver", source.protocol_version)
    _add_named(element, "vendor", "name", source.vendor)
    _add_named(element, "product", "name", source.product)


def _add_adapter(parent: Any, adapter: Adapter) -> None:
    if isinstance(adapter, FcHostAdapter):
        names = ("parent", "parent_wwnn", "parent_wwpn", "parent_fabric_wwn")
        told = {name: getattr(adapter, name) for name in names}
        names_of_it = {"wwnn": adapter.wwnn, "wwpn": adapter.wwpn}
        _add(parent, "adapter", {"type": "fc_host", **told, "managed": _flag(adapter.managed), **names_of_it})
        return
    element = _add(parent, "adapter", {"type": "scsi_host", "name": adapter.name})
    if adapter.parent_address is not None:
        domain, bus, rest = adapter.parent_address.split(":")
        slot, _dot, function = rest.partition(".")
        numbers = {"domain": domain, "bus": bus, "slot": slot, "function": function}
        place = _add(element, "parentaddr", {"unique_id": _number(adapter.unique_id)})
        _add(place, "address", {name: f"0x{digits}" for name, digits in numbers.items()})


def _add_target(element: Any, target: Target) -> None:
    if target.path is not None:
        _add(element, "path", text=target.path)
    permissions = target.permissions
    told = {
        "mode": None if permissions.mode is None else format_mode(permissions.mode),
        "owner": _number(permissions.owner),
        "group": _number(permissions.group),
        "label": permissions.label,
    }
    if any(value is not None for value in told.values()):
        inner = _add(element, "permissions")
        for name, value in told.items():
            if value is not None:
                _add(inner, name, text=value)
