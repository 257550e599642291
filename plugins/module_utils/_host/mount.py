# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems mounted and swap in use, in all mount namespaces of the machine.

A container or a service with a private namespace may have mounted what the host itself does not show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

_ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A mounted file system."""

    dev_t: str
    """major:minor; 0:n for file systems that make up numbers of their own (btrfs)."""
    point: str
    source: str
    """What was mounted, as its mounter named it: "/dev/mapper/mpatha"."""


class Mounts(NamedTuple):
    """What is mounted, and whether that is all."""

    mounts: tuple[Mount, ...]
    complete: bool
    """False where namespaces of other users could not be looked into."""


class TableEntry(NamedTuple):
    """A mount as this process sees it, whatever it is of."""

    point: str
    source: str
    kind: str
    options: str
    dev_t: str = ""
    """major:minor; 0:n for what is on no block device."""


def read_table(host: Host) -> list[TableEntry]:
    """Return all that is mounted in this process's namespace, in the order of mounting. Nothing mounted is touched."""
    return parse_table(host.read("/proc/self/mountinfo") or "")


def parse_table(text: str) -> list[TableEntry]:
    """Return every mount in a mountinfo file (proc(5))."""
    table = []
    for fields, source in split_mountinfo(text):
        options = ",".join(dict.fromkeys((*fields[5].split(","), *source[2].split(","))))
        table.append(TableEntry(unescape(fields[4]), unescape(source[1]), source[0], options, fields[2]))
    return table


def split_mountinfo(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the fields of each mount in a mountinfo file (proc(5)): up to the dash, at least six, and three after it.

    They are as the kernel escapes them (`unescape`).
    """
    for line in text.splitlines():
        head, _dash, tail = line.partition(" - ")
        fields, source = head.split(" "), tail.split(" ")
        if len(fields) >= 6 and len(source) >= 3:
            yield fields, source


def read_mounts(host: Host) -> Mounts:
    """Return the mounts of all namespaces, each namespace read once."""
    namespaces, complete = read_namespaces(host)
    found: dict[Mount, None] = {}
    for pid in ("self", *namespaces.values()):
        found.update(dict.fromkeys(_mounts_of(host, pid)))
    return Mounts(tuple(found), complete)


def read_namespaces(host: Host) -> tuple[dict[str, str], bool]:
    """Return a process of every mount namespace, by what the namespace is called ("" for such as have ended).

    And whether these are all: those of other users may not be known.
    """
    complete = True
    found: dict[str, str] = {}
    for pid in host.entries("/proc"):
        if pid.isdigit():
            namespace = _namespace(host, pid)
            if namespace is None:
                complete = False
            else:
                found.setdefault(namespace, pid)
    return found, complete


def _namespace(host: Host, pid: str) -> str | None:
    """Return the mount namespace of a process, "" for one that has ended, None where it may not be known."""
    try:
        return host.link(f"/proc/{pid}/ns/mnt") or ""
    except UnavailableError:
        return None


def _mounts_of(host: Host, pid: str) -> list[Mount]:
    try:
        return parse_mountinfo(host.read(f"/proc/{pid}/mountinfo") or "")
    except UnavailableError:
        return []


def parse_mountinfo(text: str) -> list[Mount]:
    """Return the mounts in a mountinfo file (proc(5)) that may lie on a block device."""
    mounts = []
    for fields, source in split_mountinfo(text):
        mount = Mount(fields[2], unescape(fields[4]), unescape(source[1]))
        if not mount.dev_t.startswith("0:") or mount.source.startswith("/dev/"):
            mounts.append(mount)
    return mounts


def read_swaps(host: Host) -> list[str]:
    """Return the paths of the devices and files swapped to."""
    return parse_swaps(host.read("/proc/swaps") or "")


def parse_swaps(text: str) -> list[str]:
    """Return the first column of /proc/swaps, without its heading."""
    return [unescape(line.split()[0]) for line in text.splitlines()[1:] if line.strip()]


def unescape(text: str) -> str:
    """Return a path from a table of mounts as it is."""
    return _ESCAPE.sub(lambda found: chr(int(found.group(1), 8)), text) if "\\" in text else text
