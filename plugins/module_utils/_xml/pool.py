# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool's definition out of libvirt's storage pool XML.

What is not understood is refused, never dropped: a definition that has lost a part of itself would be another one.
Sizes, which libvirt reports and nobody can set, are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ansible_collections.virt.san.plugins.module_utils._model import pool as model
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
    parse_format,
)
from ansible_collections.virt.san.plugins.module_utils._xml import library

LONGEST = 1024 * 1024
"""Bytes. The definition of a pool has some hundred."""

MOUNT_OPTIONS = "{http://libvirt.org/schemas/storagepool/fs/1.0}mount_opts"
OPTION = "{http://libvirt.org/schemas/storagepool/fs/1.0}option"
REPORTED = ("capacity", "allocation", "available")
"""What libvirt says of a pool and does not keep."""

Parsed = TypeVar("Parsed")


def parse_pool(text: str) -> PoolDefinition:
    """Return the definition in an XML document.

    Raises ValueError for one that is malformed, too long, has a document type (and with it entities), is not about a
    pool, or says something that is not understood; UnavailableError without lxml.
    """
    root = _document(text)
    if root.tag != "pool":
        raise ValueError(f"the document is about <{root.tag}>, not about a <pool>")
    parts = _parts(root, ("name", "uuid", "source", "target", MOUNT_OPTIONS, *REPORTED))
    kind = _attributes(root, ("type",)).get("type")
    if kind not in model.POOL_TYPES:
        raise ValueError(f"pools of type {kind!r} are not known; known are {', '.join(model.POOL_TYPES)}")
    source = _source(parts.get("source"), _mount_options(parts.get(MOUNT_OPTIONS)))
    name = _text(parts.get("name")) or source.name
    if name is None:
        raise ValueError("the pool has no name")
    return PoolDefinition(
        name=model.parse_pool_name(name),
        type=kind,
        source=source,
        target=_target(parts.get("target")),
        uuid=_converted(model.parse_uuid, _text(parts.get("uuid"))),
    )


def _document(text: str) -> Any:
    data = text.encode("utf-8", "surrogateescape")
    if len(data) > LONGEST:
        raise ValueError(f"{len(data)} bytes are too many for the definition of a pool: {LONGEST} at most")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError("a document type and entities are not accepted: remove <!DOCTYPE ...>")
    etree = library.etree()
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as wrong:
        raise ValueError(f"not XML: {wrong.msg}") from wrong
    return root


# Reading: every element and attribute is named here, and what is left over is an error.


def _parts(element: Any, known: Iterable[str], many: Iterable[str] = ()) -> dict[str, Any]:
    """Return the children of an element by their names; those of `many` as lists."""
    found: dict[str, Any] = {name: [] for name in many}
    for child in element:
        if child.tag in found and child.tag in many:
            found[child.tag].append(child)
        elif child.tag not in known:
            raise ValueError(f"<{child.tag}> in <{element.tag}> is not understood")
        elif child.tag in found:
            raise ValueError(f"<{child.tag}> is there more than once in <{element.tag}>")
        else:
            found[child.tag] = child
    return found


def _attributes(element: Any, known: Iterable[str]) -> dict[str, str]:
    unknown = [name for name in element.attrib if name not in known]
    if unknown:
        raise ValueError(f"{', '.join(unknown)} of <{element.tag}> is not understood")
    return dict(element.attrib)


def _text(element: Any) -> str | None:
    if element is None:
        return None
    _parts(element, ())
    _attributes(element, ())
    text = (element.text or "").strip()
    return text or None


def _only(element: Any, name: str) -> str | None:
    """Return the one attribute of an element that has nothing else."""
    if element is None:
        return None
    _parts(element, ())
    value = _attributes(element, (name,)).get(name)
    if value is None:
        raise ValueError(f"<{element.tag}> needs {name}")
    return value


def _converted(parse: Callable[[str], Parsed], text: str | None) -> Parsed | None:
    return None if text is None else parse(text)


def _flag(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"{text!r} is neither yes nor no")
    return text == "yes"


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text!r} is not a number")
    return int(text)


def _octal(text: str) -> int:
    try:
        return int(text, 8)
    except ValueError:
        raise ValueError(f"{text!r} are no permissions in octal digits") from None


def _unless_minus_one(text: str) -> int | None:
    return None if text == "-1" else _number(text)


def _source(element: Any, mount_options: tuple[str, ...]) -> Source:
    if element is None:
        return Source(mount_options=mount_options)
    _attributes(element, ())
    single = ("dir", "name", "format", "protocol", "initiator", "auth", "adapter", "vendor", "product")
    parts = _parts(element, single, ("host", "device"))
    initiator = parts.get("initiator")
    return Source(
        hosts=tuple(_host(one) for one in parts["host"]),
        devices=tuple(_device(one) for one in parts["device"]),
        directory=_only(parts.get("dir"), "path"),
        name=_text(parts.get("name")),
        format=parse_format(_only(parts.get("format"), "type")),
        protocol_version=_only(parts.get("protocol"), "ver"),
        initiator=None if initiator is None else _only(_parts(initiator, ("iqn",)).get("iqn"), "name"),
        auth=_auth(parts.get("auth")),
        adapter=_adapter(parts.get("adapter")),
        vendor=_only(parts.get("vendor"), "name"),
        product=_only(parts.get("product"), "name"),
        mount_options=mount_options,
    )


def _host(element: Any) -> SourceHost:
    _parts(element, ())
    told = _attributes(element, ("name", "port"))
    if "name" not in told:
        raise ValueError("<host> needs name")
    return SourceHost(model.parse_server(told["name"]), _converted(_number, told.get("port")))


def _device(element: Any) -> SourceDevice:
    # What is free on a disk is reported, as sizes are.
    _parts(element, (), ("freeExtent",))
    told = _attributes(element, ("path", "part_separator"))
    if "path" not in told:
        raise ValueError("<device> needs path")
    return SourceDevice(told["path"], _converted(_flag, told.get("part_separator")))


def _auth(element: Any) -> Auth | None:
    if element is None:
        return None
    told = _attributes(element, ("type", "username"))
    secret = _parts(element, ("secret",)).get("secret")
    named = {} if secret is None else _attributes(secret, ("uuid", "usage", "type"))
    if "type" not in told or "username" not in told:
        raise ValueError("<auth> needs type and username")
    return Auth(told["type"], told["username"], named.get("uuid"), named.get("usage"))


def _adapter(element: Any) -> Adapter | None:
    if element is None:
        return None
    if element.get("type") == "fc_host":
        _parts(element, ())
        names = ("wwnn", "wwpn", "parent", "parent_wwnn", "parent_wwpn", "parent_fabric_wwn")
        told = _attributes(element, ("type", "managed", *names))
        if "wwnn" not in told or "wwpn" not in told:
            raise ValueError("<adapter type='fc_host'> needs wwnn and wwpn")
        managed = _converted(_flag, told.get("managed"))
        return FcHostAdapter(managed=managed, **{name: told[name] for name in names if name in told})
    if element.get("type", "scsi_host") != "scsi_host":
        raise ValueError(f"adapters of type {element.get('type')!r} are not known; known are scsi_host and fc_host")
    told = _attributes(element, ("type", "name"))
    place = _parts(element, ("parentaddr",)).get("parentaddr")
    if place is None:
        return ScsiHostAdapter(name=told.get("name"))
    return ScsiHostAdapter(
        told.get("name"),
        _pci_address(_parts(place, ("address",)).get("address")),
        _converted(_number, _attributes(place, ("unique_id",)).get("unique_id")),
    )


PCI = (("domain", 4), ("bus", 2), ("slot", 2), ("function", 1))


def _pci_address(element: Any) -> str:
    if element is None:
        raise ValueError("<parentaddr> needs an address")
    _parts(element, ())
    told = _attributes(element, [name for name, _digits in PCI])
    try:
        domain, bus, slot, function = (f"{int(told.get(name, '0'), 0):0{digits}x}" for name, digits in PCI)
    except ValueError:
        raise ValueError("the <address> in <parentaddr> is not that of a PCI device") from None
    return f"{domain}:{bus}:{slot}.{function}"


def _target(element: Any) -> Target:
    if element is None:
        return Target()
    _attributes(element, ())
    parts = _parts(element, ("path", "permissions"))
    permissions = parts.get("permissions")
    told = {} if permissions is None else _parts(permissions, ("mode", "owner", "group", "label"))
    texts = {name: _text(one) for name, one in told.items()}
    return Target(
        path=_converted(model.parse_path, _text(parts.get("path"))),
        permissions=Permissions(
            mode=_converted(_octal, texts.get("mode")),
            owner=_converted(_unless_minus_one, texts.get("owner")),
            group=_converted(_unless_minus_one, texts.get("group")),
            label=texts.get("label"),
        ),
    )


def _mount_options(element: Any) -> tuple[str, ...]:
    if element is None:
        return ()
    _attributes(element, ())
    options = (_only(one, "name") for one in _parts(element, (), (OPTION,))[OPTION])
    return tuple(model.parse_mount_option(option) for option in options if option is not None)
