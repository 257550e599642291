# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Multipath's configuration: read all of it, write the one file that is ours, check it before it counts.

Ours is a drop-in of its own. bindings and wwids are multipath's: they are read here, never written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.plugins.module_utils._model.multipath import SECTIONS, Claim, DropIn

MAIN = "/etc/multipath.conf"
FOLDER = "/etc/multipath/conf.d"
DROP_IN = f"{FOLDER}/virt-san.conf"
BINDINGS = "/etc/multipath/bindings"
WWIDS = "/etc/multipath/wwids"
PENDING = "/run/virt-san.multipath-pending"
"""There while multipathd may not have read our drop-in yet; the reboot that clears it makes multipathd read it."""

HEADER = """\
# Kept by virt.san.multipath_devices: do not edit, put settings of your own into another file.
# Every section below "multipaths" is a device that this host was given through the collection.
"""


@dataclass(frozen=True)
class Entry:
    """One line of multipath.conf: an option with its value, or a section with its entries."""

    name: str
    value: str = ""
    entries: tuple[Entry, ...] = field(default=())

    def section(self, name: str) -> Iterator[Entry]:
        """Yield the entries of all sections of that name."""
        for entry in self.entries:
            if entry.name == name:
                yield from entry.entries

    def options(self) -> dict[str, str]:
        """Return the options among the entries; of several with one name the last, as multipath does."""
        return {entry.name: entry.value for entry in self.entries if not entry.entries}


def parse_conf(text: str) -> Entry:
    """Return the content of a configuration file, or of what multipath prints as its configuration.

    One entry a line; `#` and `!` begin a comment. Braces that do not match end what they can.
    """
    stack: list[tuple[str, list[Entry]]] = [("", [])]
    for line in text.splitlines():
        words = _words(line)
        if not words:
            continue
        if words[0] == "}":
            if len(stack) > 1:
                name, entries = stack.pop()
                stack[-1][1].append(Entry(name, "", tuple(entries)))
        elif words[-1] == "{":
            stack.append((words[0], []))
        else:
            stack[-1][1].append(Entry(words[0], " ".join(words[1:])))
    while len(stack) > 1:
        name, entries = stack.pop()
        stack[-1][1].append(Entry(name, "", tuple(entries)))
    return Entry("", "", tuple(stack[0][1]))


def _words(line: str) -> list[str]:
    """Split a line as multipath does: words, "quoted text", braces; the rest after # or ! is a comment."""
    words: list[str] = []
    rest = line.strip()
    while rest and rest[0] not in "#!":
        if rest[0] == '"':
            word, _quote, rest = rest[1:].partition('"')
        elif rest[0] in "{}":
            word, rest = rest[0], rest[1:]
        else:
            end = next((at for at, sign in enumerate(rest) if sign.isspace() or sign in '"#!{}'), len(rest))
            word, rest = rest[:end], rest[end:]
        words.append(word)
        rest = rest.lstrip()
    return words


def aliases_of(conf: Entry) -> dict[str, str]:
    """Return WWID -> alias ("" for none) of the multipath sections."""
    found: dict[str, str] = {}
    for entry in conf.section("multipaths"):
        options = entry.options()
        if entry.name == "multipath" and options.get("wwid"):
            found[options["wwid"]] = options.get("alias", "")
    return found


def settings_of(conf: Entry, sections: Iterable[str] = SECTIONS) -> dict[str, dict[str, str]]:
    """Return the options of the named sections; empty ones are left out."""
    merged = {name: Entry(name, "", tuple(conf.section(name))).options() for name in sections}
    return {name: options for name, options in merged.items() if options}


# Our file


def read_drop_in(host: Host) -> DropIn:
    """Return our drop-in as it is. Raises RefusedError when somebody else wrote into it."""
    text = host.read(DROP_IN)
    if text is None:
        return DropIn()
    conf = parse_conf(text)
    found = DropIn(settings_of(conf), {Wwid(wwid): alias for wwid, alias in aliases_of(conf).items()})
    if parse_conf(render(found)) != conf:
        raise RefusedError(
            f"{DROP_IN} holds what this collection did not write, and would lose it; move that into a file of its own",
            path=DROP_IN,
        )
    return found


def managed_wwids(host: Host) -> frozenset[Wwid]:
    """Return every WWID this host was given through us, with or without alias."""
    text = host.read(DROP_IN)
    return frozenset(Wwid(wwid) for wwid in aliases_of(parse_conf(text or "")))


def render(drop_in: DropIn) -> str:
    """Return the text of our drop-in; "" when it says nothing."""
    lines: list[str] = []
    for section in SECTIONS:
        options = drop_in.settings.get(section)
        if options:
            lines += [f"{section} {{", *(f'\t{name} "{value}"' for name, value in sorted(options.items())), "}"]
    if drop_in.devices:
        lines.append("multipaths {")
        for wwid, alias in sorted(drop_in.devices.items()):
            lines += ["\tmultipath {", f'\t\twwid "{wwid}"', *([f'\t\talias "{alias}"'] if alias else []), "\t}"]
        lines.append("}")
    return HEADER + "\n".join(lines) + "\n" if lines else ""


def write_drop_in(host: Host, drop_in: DropIn) -> None:
    """Replace our drop-in atomically; one that says nothing is removed."""
    text = render(drop_in)
    if text:
        host.write_file(DROP_IN, text)
    else:
        host.remove_file(DROP_IN)


# Files of others


def other_files(host: Host) -> dict[str, str]:
    """Return path -> text of every configuration file but ours, in the order multipath reads them."""
    paths = [MAIN, *(f"{FOLDER}/{name}" for name in host.entries(FOLDER) if name.endswith(".conf"))]
    texts = {path: host.read(path) for path in paths if path != DROP_IN}
    return {path: text for path, text in texts.items() if text is not None}


def read_claims(host: Host, running: Mapping[str, str] | None = None) -> tuple[Claim, ...]:
    """Return the aliases that other files and the bindings give to WWIDs.

    `running` are the defaults multipathd runs with: they may place the bindings elsewhere.
    """
    claims = [
        Claim(alias, wwid, path)
        for path, text in other_files(host).items()
        for wwid, alias in aliases_of(parse_conf(text)).items()
        if alias
    ]
    place = (running or {}).get("bindings_file", BINDINGS)
    for line in (host.read(place) or "").splitlines():
        words = line.partition("#")[0].split()
        if len(words) == 2:
            claims.append(Claim(words[0], words[1], place))
    return tuple(claims)


def read_remembered(host: Host, running: Mapping[str, str] | None = None) -> frozenset[str]:
    """Return the WWIDs in multipath's wwids file: those it makes maps for by itself."""
    lines = (host.read((running or {}).get("wwids_file", WWIDS)) or "").splitlines()
    return frozenset(line.strip().strip("/") for line in lines if line.startswith("/"))


def sync_memory(host: Host) -> None:
    """Have on the disk what multipath remembers: it leaves that to the kernel, which takes half a minute.

    A map that was made by WWID would not come back from a power cut before that.
    """
    for path in (WWIDS, BINDINGS, os.path.dirname(WWIDS)):
        host.sync(path)


# Was our drop-in read?


def is_pending(host: Host) -> bool:
    """Tell whether a run ended between writing our drop-in and multipathd's reading it."""
    return os.path.exists(host.path(PENDING))


def set_pending(host: Host, pending: bool) -> None:
    """Note that multipathd has yet to read our drop-in, or that it has."""
    if pending:
        host.write_file(PENDING, "multipathd has to read " + DROP_IN + "\n")
    else:
        host.remove_file(PENDING)
