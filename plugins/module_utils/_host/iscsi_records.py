# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of open-iscsi's database: node records, ifaces, and the discovery records that hold a password.

iscsiadm makes and removes records. What is in them is written here, since iscsiadm takes values, passwords among
them, as arguments only, and all users of a host may read those. Files are replaced whole, under the database's own
lock; a new file is prepared outside of the folders whose every file is a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.iscsi import format_portal
from ansible_collections.virt.san.plugins.module_utils._host.iscsi_lock import ROOTS, database_lock, remove_leftovers
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import (
    DEFAULT_INTERFACE,
    Chap,
    Interface,
    NodeRecord,
    Portal,
    parse_record,
    read_interface,
    read_portal,
)

_PORTAL = re.compile(r"^(?P<address>[^,]+),(?P<port>\d+)(?:,(?P<tpgt>\d+))?$")


def databases(host: Host) -> tuple[str, ...]:
    """Return the places that hold node records, or, where none does, the one where the first will come."""
    used = tuple(root for root in ROOTS if host.entries(f"{root}/nodes"))
    return used or (next((root for root in ROOTS if host.exists(root)), ROOTS[-1]),)


def read_records(host: Host, root: str, target: str | None = None) -> tuple[NodeRecord, ...]:
    """Return all node records, or those of exactly one target."""
    found: list[NodeRecord] = []
    for name in host.entries(f"{root}/nodes"):
        if target in (None, name.lower()):
            for entry in host.entries(f"{root}/nodes/{name}"):
                found.extend(_records(host, f"{root}/nodes/{name}/{entry}", name.lower(), entry))
    return tuple(found)


def _records(host: Host, path: str, target: str, entry: str) -> Iterator[NodeRecord]:
    """Yield the records of a portal: a file for each iface or, made without knowing the portal group, a single file."""
    match = _PORTAL.match(entry)
    if match is None:
        return
    address = match["address"].strip("[]")
    portal = read_portal(format_portal(address, match["port"]))
    if portal is None:
        return
    if match["tpgt"] is None:
        text = host.read(path)
        if text is not None:
            interface = parse_record(text).get("iface.iscsi_ifacename", DEFAULT_INTERFACE)
            yield NodeRecord(target, portal, None, interface, path, text)
        return
    for interface in host.entries(path):
        text = host.read(f"{path}/{interface}")
        if text is not None:
            yield NodeRecord(target, portal, int(match["tpgt"]), interface, f"{path}/{interface}", text)


def has_interface(host: Host, root: str, name: str) -> bool:
    """Tell whether an iface of that name can be used."""
    return name == DEFAULT_INTERFACE or any(host.exists(f"{place}/ifaces/{name}") for place in {root, *ROOTS})


def read_interfaces(host: Host, root: str) -> tuple[Interface, ...]:
    """Return the ifaces that there are records of; the default one is built into open-iscsi."""
    found: dict[str, Interface] = {}
    for place in dict.fromkeys((root, *ROOTS)):
        for name in host.entries(f"{place}/ifaces"):
            text = host.read(f"{place}/ifaces/{name}")
            if text is not None:
                found.setdefault(name, read_interface(name, text))
    return tuple(found.values())


def replace_record(host: Host, root: str, record: NodeRecord, text: str) -> None:
    """Replace a record, unless somebody else has changed it since it was read.

    Raises CommandError then, and where the lock does not come free.
    """
    with database_lock(host):
        if host.read(record.path) != record.text:
            raise CommandError(f"{record.path} was changed by something else meanwhile; run again", path=record.path)
        _write(host, root, record.path, text)


def _write(host: Host, root: str, path: str, content: str | bytes) -> None:
    """Replace a file that may hold a password; what a killed run was about to write goes."""
    remove_leftovers(host, root)
    host.write_file(path, content, 0o600, staging=root)


# Discovery with a password

FOR_NOW = b"# Here for the moment of a discovery by virt.san. What was here before, if anything, follows.\n"
ASIDE = b"#|"


@contextmanager
def discovery_record(host: Host, root: str, portal: Portal, chap: Chap) -> Iterator[None]:
    """Have a discovery record with these credentials for as long as the context lasts; then it is as it was before.

    What was before is kept in the record itself, as comments: a run that is killed loses nothing of it.
    """
    top = f"{root}/send_targets"
    folder = f"{top}/{portal.address},{portal.port}"
    path = f"{folder}/st_config"
    found = host.read_bytes(path)
    before = _before(found)
    made = [place for place in (folder, top) if found != before or not host.exists(place)]
    with database_lock(host):
        _write(host, root, path, discovery_text(portal, chap).encode() + FOR_NOW + _aside(before))
    try:
        yield
    finally:
        with database_lock(host):
            if before is None:
                host.remove_file(path)
            else:
                _write(host, root, path, before)
            for place in made:
                host.remove_folder(place)


def _aside(before: bytes | None) -> bytes:
    return b"" if before is None else b"".join(ASIDE + line for line in before.splitlines(keepends=True))


def _before(found: bytes | None) -> bytes | None:
    """Return what was there before a killed run, or what is there."""
    if found is None or FOR_NOW not in found:
        return found
    lines = found.partition(FOR_NOW)[2].splitlines(keepends=True)
    return b"".join(line[len(ASIDE) :] for line in lines) or None


def has_discovery_record(host: Host, root: str, portal: Portal, chap: Chap) -> bool:
    """Tell whether the discovery record that is kept has these credentials."""
    said = parse_record(host.read(f"{root}/send_targets/{portal.address},{portal.port}/st_config") or "")
    asked = parse_record(discovery_text(portal, chap))
    return all(said.get(key) == value for key, value in asked.items())


def discovery_text(portal: Portal, chap: Chap) -> str:
    auth = "discovery.sendtargets.auth"
    values = {
        "discovery.startup": "manual",
        "discovery.type": "sendtargets",
        "discovery.sendtargets.address": portal.address,
        "discovery.sendtargets.port": str(portal.port),
        f"{auth}.authmethod": "CHAP",
        f"{auth}.username": chap.username,
        f"{auth}.password": chap.password,
        f"{auth}.username_in": chap.mutual_username,
        f"{auth}.password_in": chap.mutual_password,
    }
    lines = [f"{key} = {value}" for key, value in values.items() if value is not None]
    return "\n".join(["# BEGIN RECORD", *lines, "# END RECORD", ""])
