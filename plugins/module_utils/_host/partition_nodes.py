# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partitions as this host's kernel has them: devices of their own, which know nothing of a change in the table.

Those of a disk are the kernel's own, kept by partx(8). Those of a map are maps themselves: kpartx(8) makes them, and
each is found by its UUID.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, InUseError
from ansible_collections.virt.san.plugins.module_utils._host.block import parse_sectors
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.signatures import KPARTX
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Partition

DEADLINE = 30.0
"""Seconds for a device to come or go."""
RULES = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")

_LINEAR = re.compile(r"^(.+): 0 \d+ linear \d+:\d+ (\d+)$")
_DELIMITER = re.compile(r"kpartx\s+-\w+\s+-p\s+(\S+)")


class Node(NamedTuple):
    """The device of a partition."""

    kernel: str
    size: int
    """Bytes."""
    start: int | None = None
    """Bytes; None: not known."""
    name: str = ""
    """Of a map."""

    def is_of(self, part: Partition) -> bool:
        """Tell whether it is where the table has the partition."""
        return self.size == part.size and self.start in (None, part.start)


def mapper_uuid(host: Host, kernel: str) -> str:
    """Return what device-mapper knows a device by; nothing for other devices."""
    return (host.read(f"/sys/class/block/{kernel}/dm/uuid") or "") if kernel.startswith("dm-") else ""


def read_nodes(host: Host, kernel: str) -> dict[int, Node]:
    """Return the partitions that the kernel has of a device, by number. Raises CommandError."""
    return _of_map(host, kernel) if kernel.startswith("dm-") else _of_disk(host, kernel)


def _of_disk(host: Host, kernel: str) -> dict[int, Node]:
    nodes = {}
    for name in host.entries(f"/sys/class/block/{kernel}"):
        folder = f"/sys/class/block/{kernel}/{name}"
        number = host.read(f"{folder}/partition") if name.startswith(kernel) else None
        if number is not None:
            size, start = (parse_sectors(host.read(f"{folder}/{attribute}")) for attribute in ("size", "start"))
            nodes[int(number)] = Node(name, size, start)
    return nodes


def _of_map(host: Host, kernel: str) -> dict[int, Node]:
    whole = mapper_uuid(host, kernel)
    found: dict[int, str] = {}
    for name in host.entries("/sys/class/block") if whole else ():
        part, _dash, uuid = mapper_uuid(host, name).partition("-")
        if uuid == whole and part.startswith("part") and part[4:].isdigit():
            found[int(part[4:])] = name
    starts = _starts(host) if found else {}
    nodes = {}
    for number, name in found.items():
        folder = f"/sys/class/block/{name}"
        title = host.read(f"{folder}/dm/name") or ""
        nodes[number] = Node(name, parse_sectors(host.read(f"{folder}/size")), starts.get(title), title)
    return nodes


def _starts(host: Host) -> dict[str, int]:
    return parse_starts(host.run(["dmsetup", "table", "--target", "linear"], DEADLINE).stdout)


def parse_starts(text: str) -> dict[str, int]:
    """Return where on the device below linear maps begin, in bytes, by their names."""
    found = (_LINEAR.match(line) for line in text.splitlines())
    return {one.group(1): parse_sectors(one.group(2)) for one in found if one}


def make_node(host: Host, disk: str, kernel: str, part: Partition, path: str) -> None:
    """Have the kernel know a partition of a disk as its table has it, at `path`. Raises CommandError, InUseError.

    Whatever udev does at the same time, what counts is what there is in the end.
    """

    def is_there() -> bool:
        node = read_nodes(host, kernel).get(part.number)
        return node is not None and node.is_of(part) and host.exists(path)

    if is_there():
        return  # kpartx loads those beside it anew, too
    was = read_nodes(host, kernel)
    stale = was.get(part.number)
    if stale is not None and stale.start not in (None, part.start):
        # Another host has made it anew elsewhere. It is not moved below whoever has it open.
        remove_node(host, kernel, part.number)
        was = read_nodes(host, kernel)
    if kernel.startswith("dm-"):
        argv = [KPARTX, "-a", "-s", *_delimiter(host, kernel, was), disk]
    else:
        argv = ["partx", "--update" if part.number in was else "--add", "--nr", str(part.number), disk]
    told = host.run(argv, DEADLINE, accept=range(256))
    if not wait_until(host, is_there, lambda there: there, DEADLINE):
        said = told.stderr.strip().splitlines()
        raise CommandError(
            f"{path} has not become partition {part.number} of {disk} within {DEADLINE:g} s"
            + (f": {argv[0]} says {said[-1]}" if said else ""),
            path=path,
        )


def _delimiter(host: Host, kernel: str, nodes: Mapping[int, Node]) -> tuple[str, ...]:
    """Return how kpartx is to name partitions: as those that are there, which it would rename, or as udev has it."""
    whole = host.read(f"/sys/class/block/{kernel}/dm/name") or ""
    for number, node in nodes.items():
        if whole and node.name.startswith(whole) and node.name.endswith(str(number)):
            return ("-p", node.name[len(whole) : -len(str(number))])
    for folder in RULES:
        for name in host.entries(folder):
            text = host.read(f"{folder}/{name}") if name.endswith("kpartx.rules") else None
            if text and "kpartx -" in text:
                told = _DELIMITER.search(text)
                return ("-p", told.group(1)) if told else ()
    return ("-p", "-part")


def remove_node(host: Host, kernel: str, number: int, paths: Iterable[str] = ()) -> None:
    """Have the kernel forget a partition of a disk, and of the `paths` below a map. Raises InUseError.

    On a path nobody uses a partition: the map has it. udev may make one again as long as the table has it.
    """
    said: list[str] = []
    for path in paths:
        if number in read_nodes(host, path):
            _remove(host, path, number, "")

    def is_gone() -> bool:
        node = read_nodes(host, kernel).get(number)
        if node is not None:
            said.append(_remove(host, kernel, number, node.name))
        return node is None

    if not wait_until(host, is_gone, lambda gone: gone, DEADLINE, interval=1.0):
        raise InUseError(f"partition {number} of {kernel} is in use on this host: {said[-1]}")


def _remove(host: Host, kernel: str, number: int, name: str) -> str:
    if name:
        argv = ["dmsetup", "remove", "--retry", name]
    else:
        argv = ["partx", "--delete", "--nr", str(number), f"/dev/{kernel}"]
    done = host.run(argv, DEADLINE, accept=range(256))
    return (done.stderr.strip().splitlines() or [f"{argv[0]} does not say why"])[-1]
