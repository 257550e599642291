# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file system stays mounted that is unmounted at one place: as long as one mount is left, it is written to.

A mount namespace that was copied from the host's, as every service has that systemd shuts in, has all its mounts as
well. Such a copy goes with the original: the kernel takes along what is mounted at the same spot of a mount that gets
its news from the one below the original (mount_namespaces(7)). What lies at another spot, as a bind mount or what a
container was given, or gets no news, stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import busy, mount
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

TOLD = ("shared:", "master:", "propagate_from:")
"""In mountinfo: the groups of mounts that one gets its news from."""

Spot = tuple[str, str]
"""A file system, and a path in it."""


class Placed(NamedTuple):
    """A mount and its place in the tree of a namespace (proc(5))."""

    number: str
    parent: str
    dev_t: str
    root: str
    """What of the file system is mounted."""
    point: str
    sends: str
    """The group that learns what is mounted and unmounted on this one; empty where none does."""
    told_by: frozenset[str]
    """The groups that it learns that from."""


def read_staying(host: Host, points: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return, by path, where what is mounted there stays mounted once it is unmounted there.

    "/export" in one's own namespace, "/data of web (pid 9)" in another.
    """
    own = parse_placed(host.read("/proc/self/mountinfo") or "")
    wanted = [point for point in points if any(one.point == point for one in own)]
    trees = {"": own, **(_elsewhere(host) if wanted else {})}
    found = {point: tuple(dict.fromkeys(staying(point, trees))) for point in wanted}
    return {point: places for point, places in found.items() if places}


def _elsewhere(host: Host) -> dict[str, list[Placed]]:
    """Return the mounts of other namespaces, by whose they are."""
    here = host.link("/proc/self/ns/mnt") or ""
    found = mount.read_namespaces(host)[0].items()
    return {f" of {busy.title(host, pid)}": _tree(host, pid) for namespace, pid in found if namespace not in ("", here)}


def _tree(host: Host, pid: str) -> list[Placed]:
    try:
        return parse_placed(host.read(f"/proc/{pid}/mountinfo") or "")
    except UnavailableError:
        return []  # it just ended


def staying(point: str, trees: Mapping[str, Sequence[Placed]]) -> list[str]:
    """Return the places that keep what is mounted at `point` of one's own tree, "", once that is unmounted. Pure.

    A copy in another tree that goes with any mount of one's own is not told: that mount goes, or is told itself.
    """
    own = trees[""]
    going = next((one for one in reversed(own) if one.point == point), None)
    if going is None:
        return []
    links = {(group, one.sends) for tree in trees.values() for one in tree if one.sends for group in one.told_by}
    same = [one for one in own if one.dev_t == going.dev_t]
    with_it, with_any = _heard([going], own, links), _heard(same, own, links)
    return [
        f"{one.point}{whose}"
        for whose, tree in trees.items()
        for one in _left(tree, with_any if whose else with_it, going)
    ]


def _heard(mounts: Iterable[Placed], own: Sequence[Placed], links: set[tuple[str, str]]) -> set[tuple[str, Spot]]:
    """Return which groups learn of it when one of these mounts is unmounted, and at which spot."""
    numbers = {one.number: one for one in own}
    heard: set[tuple[str, Spot]] = set()
    for one in mounts:
        under = numbers.get(one.parent)
        groups = {under.sends} if under is not None and under.sends else set()
        while more := {to for group, to in links if group in groups} - groups:
            groups |= more
        heard |= {(group, _spot(one, under)) for group in groups if under is not None}
    return heard


def _left(tree: Sequence[Placed], heard: set[tuple[str, Spot]], going: Placed) -> Iterator[Placed]:
    """Return the mounts of a file system in a tree but for what goes with it; what is covered does not."""
    numbers, covered = {one.number: one for one in tree}, {one.parent for one in tree}
    for one in tree:
        if one.dev_t != going.dev_t or one is going:
            continue
        under = None if one.number in covered else numbers.get(one.parent)
        if under is None or not any((group, _spot(one, under)) in heard for group in under.told_by):
            yield one


def _spot(one: Placed, under: Placed) -> Spot:
    """Return on what of the file system below a mount lies, wherever that itself is mounted."""
    inside = one.point[len(under.point.rstrip("/")) :]
    return under.dev_t, f"{under.root.rstrip('/')}{inside}"


def parse_placed(text: str) -> list[Placed]:
    """Return every mount in a mountinfo file (proc(5)), in the order of mounting."""
    tree = []
    for fields, _source in mount.split_mountinfo(text):
        sends = next((tag.partition(":")[2] for tag in fields[6:] if tag.startswith("shared:")), "")
        told_by = frozenset(tag.partition(":")[2] for tag in fields[6:] if tag.startswith(TOLD))
        number, parent, dev_t, root, point = fields[:5]
        tree.append(Placed(number, parent, dev_t, mount.unescape(root), mount.unescape(point), sends, told_by))
    return tree
