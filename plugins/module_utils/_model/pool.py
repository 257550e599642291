# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A storage pool as libvirt's storage pool XML knows it, whatever its type. Stdlib only, nothing is read here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Union

from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept

POOL_TYPES = ("dir", "fs", "netfs", "logical", "disk", "iscsi", "scsi", "mpath")

GENERATED = "(generated)"
"""Stands for the UUID of a pool that is yet to be defined, where nothing may be written."""

LONGEST_NAME = 200
"""Bytes. A name is that of files and, escaped, of a unit; neither may have more than 255."""

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_")
_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_HOST_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9.])?$")
_IPV6 = re.compile(r"^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?$")
_MODE = re.compile(r"^0[0-7]{3}$|^[0-7]{4}$")
_OPTION = re.compile(r"^[!-+\--~]+$")


def parse_format(text: str | None) -> str | None:
    """Return the format of a source; None for lvm2, which libvirt tells of each volume group: there is no other."""
    return None if text == "lvm2" else text


@dataclass(frozen=True)
class SourceHost:
    """A server: of an export, of an iSCSI target."""

    name: str
    port: int | None = None


@dataclass(frozen=True)
class SourceDevice:
    """A block device, or for iSCSI the name of the target."""

    path: str
    part_separator: bool | None = None
    """Whether "p" stands between the device's name and the number of its partitions."""


@dataclass(frozen=True)
class Auth:
    """How to log in. The secret itself is nowhere in the model."""

    type: str
    username: str
    secret_uuid: str | None = None
    secret_usage: str | None = None


@dataclass(frozen=True)
class ScsiHostAdapter:
    """A SCSI host, by its name or by where it is."""

    name: str | None = None
    parent_address: str | None = None
    """PCI address, 0000:3b:00.0."""
    unique_id: int | None = None
    """Which of several SCSI hosts at that address."""


@dataclass(frozen=True)
class FcHostAdapter:
    """A virtual HBA, made when the pool starts."""

    wwnn: str
    wwpn: str
    parent: str | None = None
    parent_wwnn: str | None = None
    parent_wwpn: str | None = None
    parent_fabric_wwn: str | None = None
    managed: bool | None = None


Adapter = Union[ScsiHostAdapter, FcHostAdapter]


@dataclass(frozen=True)
class Source:
    """Where a pool's storage comes from. Each type takes some of it."""

    hosts: tuple[SourceHost, ...] = ()
    devices: tuple[SourceDevice, ...] = ()
    directory: str | None = None
    name: str | None = None
    format: str | None = None
    protocol_version: str | None = None
    initiator: str | None = None
    auth: Auth | None = None
    adapter: Adapter | None = None
    vendor: str | None = None
    product: str | None = None
    mount_options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Permissions:
    """Of the folder a pool is in. What is None is left as it is."""

    mode: int | None = None
    owner: int | None = None
    group: int | None = None
    label: str | None = None
    """libvirt reports it and sets it nowhere; so do we."""

    @property
    def settable(self) -> Permissions:
        """Return what of them takes effect."""
        return replace(self, label=None)

    def differing_from(self, mode: int | None, owner: int | None, group: int | None) -> Permissions:
        """Return what is to be set on something that has these."""
        return Permissions(
            mode=self.mode if self.mode != mode else None,
            owner=self.owner if self.owner != owner else None,
            group=self.group if self.group != group else None,
        )

    def shown(self) -> dict[str, Any]:
        """Return what is set, for diffs."""
        mode = None if self.mode is None else format_mode(self.mode)
        return _set({"mode": mode, "owner": self.owner, "group": self.group})


@dataclass(frozen=True)
class Target:
    """Where a pool's volumes are found on the host."""

    path: str | None = None
    permissions: Permissions = field(default_factory=Permissions)


@dataclass(frozen=True)
class PoolDefinition:
    """All that is to be known to have a pool."""

    name: str
    type: str
    source: Source = field(default_factory=Source)
    target: Target = field(default_factory=Target)
    uuid: str | None = None
    """None until it is defined for the first time."""
    kept: Kept = field(default_factory=Kept)
    """What libvirt's XML has no place for."""

    def to_dict(self) -> dict[str, Any]:
        """Return it for people: what is not set is left out."""
        source = _set(asdict(self.source))
        if self.source.adapter is not None:
            kind = "fc_host" if isinstance(self.source.adapter, FcHostAdapter) else "scsi_host"
            source["adapter"] = {"type": kind, **_set(asdict(self.source.adapter))}
        given = self.target.permissions
        permissions = {**given.shown(), **_set({"label": given.label})}
        target = {"path": self.target.path, **({"permissions": permissions} if permissions else {})}
        told = {"name": self.name, "uuid": self.uuid, "type": self.type, "source": source, "target": _set(target)}
        return {**told, **self.kept.to_dict()}


def _set(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is set, lists instead of tuples, inside as well."""
    return {key: _plain(value) for key, value in values.items() if value not in (None, (), [], {})}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return _set(value)
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class Space:
    """Bytes of the file system, or of whatever a pool is made of."""

    capacity: int
    available: int

    @property
    def allocation(self) -> int:
        return self.capacity - self.available


# What people write. ValueError says what would be right.


def parse_pool_name(text: str) -> str:
    """Return a name that can be that of a file and of a unit, and that libvirt takes."""
    if not text or text != text.strip() or text.startswith("."):
        raise ValueError(f"{text!r} is no name for a pool: it must not be empty, nor begin with a dot or with a space")
    if "/" in text or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ValueError(f"{text!r} is no name for a pool: it is that of a file, without / and control characters")
    if len(escaped(text)) > LONGEST_NAME:
        raise ValueError(f"{text!r} is too long for the name of a pool: {LONGEST_NAME} bytes, escaped for systemd")
    return text


def escaped(name: str) -> str:
    """Return a pool's name as the instance of a unit, as systemd-escape(1) does it."""
    first, rest = name[:1], name[1:]
    return (first if first in _PLAIN else _hex(first)) + "".join(
        char if char in _PLAIN or char == "." else _hex(char) for char in rest
    )


def _hex(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode())


def parse_uuid(text: str) -> str:
    """Return a UUID in lower case with its dashes."""
    bare = text.strip().lower().replace("-", "")
    found = "-".join((bare[:8], bare[8:12], bare[12:16], bare[16:20], bare[20:]))
    if not _UUID.match(found):
        raise ValueError(f"{text!r} is not a UUID, as in 3301e4fb-5ff7-4a3d-8c1a-9f3b1c0d2e4f")
    return found


def parse_path(text: str) -> str:
    """Return an absolute path in its shortest spelling."""
    if not text.startswith("/") or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ValueError(f"{text!r} is not an absolute path")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"{text!r}: no .. in a path, please")
    return "/" + "/".join(parts)


def parse_server(text: str) -> str:
    """Return the name or address of a server."""
    name = text.strip().strip("[]")
    if not _HOST_NAME.match(name) and not _IPV6.match(name):
        raise ValueError(f"{text!r} is neither the name of a server nor an IP address")
    return name


def parse_mode(text: str) -> int:
    """Return permissions in their octal spelling. Three digits are refused: YAML makes 457 of an unquoted 0711."""
    if not _MODE.match(text):
        raise ValueError(f"{text!r} are no permissions: give four octal digits in quotes, as in '0711'")
    return int(text, 8)


def format_mode(mode: int) -> str:
    return f"{mode:04o}"


def parse_mount_option(text: str) -> str:
    """Return one option of mount(8)."""
    if not _OPTION.match(text):
        raise ValueError(f"{text!r} is not one mount option: one an entry, no commas, no spaces")
    return text
