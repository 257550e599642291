# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths lead to one logical unit. Pure.

- A path in the table of a multipath map belongs to that map's unit: device-mapper says so.
- Any other path belongs where its WWID says (udev's ID_SERIAL), if everything else agrees.
- Paths that claim one WWID but differ in vendor, serial number or size are never put together: each
  lot is a unit of its own with a `problem`. So is each path without a usable WWID, and each whose
  WWID in udev's record is not the one the kernel read from the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional

from ansible_collections.virt.san.plugins.module_utils._model.block import MultipathMap, Path
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid, format_size


class SeenPath(NamedTuple):
    """A path and what it says of the unit behind it. None: it says nothing."""

    path: Path
    vendor: str | None = None
    serial: str | None = None
    contradiction: str | None = None
    """The WWID in the kernel's VPD page 83 where that is another one than udev's."""


class Group(NamedTuple):
    """Paths to one logical unit."""

    wwid: Wwid | None
    paths: tuple[Path, ...]
    map: MultipathMap | None
    problem: str | None


class _Cluster:
    """Paths of one WWID that agree with each other, and the map over them."""

    def __init__(self, seen: Iterable[SeenPath] = (), over: MultipathMap | None = None) -> None:
        self.seen = list(seen)
        self.map = over
        self.faces = {_face(one) for one in self.seen}

    def agrees(self, other: SeenPath) -> bool:
        face = _face(other)
        return face in self.faces or not any(_differences(mine, face) for mine in self.faces)

    def add(self, one: SeenPath) -> None:
        self.seen.append(one)
        self.faces.add(_face(one))

    @property
    def size(self) -> int:
        return max((seen.path.size for seen in self.seen), default=self.map.size if self.map else 0)

    def __str__(self) -> str:
        first = self.seen[0]
        where = ", ".join(f"{seen.path.device} ({seen.path.hctl})" for seen in self.seen[:4])
        more = f" and {len(self.seen) - 4} more" if len(self.seen) > 4 else ""
        return f"{first.vendor or '?'} serial {first.serial or '?'} {format_size(self.size)} on {where}{more}"


def group_paths(seen: Iterable[SeenPath], maps: Iterable[MultipathMap]) -> list[Group]:
    """Return the logical units behind `seen`, by WWID; a map whose paths are all gone is one too."""
    maps = sorted(maps, key=lambda over: over.wwid)
    owners = {device: over.dm for over in maps for device in over.slaves}
    members: dict[str, list[SeenPath]] = {over.dm: [] for over in maps}
    loose: dict[Wwid | None, list[SeenPath]] = {}
    for one in sorted(seen, key=lambda one: one.path.hctl):
        owner = owners.get(one.path.device)
        if owner is not None:
            members[owner].append(one)
        else:
            loose.setdefault(None if one.contradiction else one.path.wwid, []).append(one)
    strangers = loose.pop(None, [])
    clusters: dict[Wwid, list[_Cluster]] = {}
    for over in maps:
        clusters.setdefault(over.wwid, []).append(_Cluster(members[over.dm], over))
    for wwid, paths in loose.items():
        if wwid is not None:
            _spread(clusters.setdefault(wwid, []), paths)
    groups = [group for wwid in sorted(clusters) for group in _groups(wwid, clusters[wwid])]
    return groups + [Group(None, (one.path,), None, _remapped(one) or _nameless(one)) for one in strangers]


def _spread(clusters: list[_Cluster], paths: Iterable[SeenPath]) -> None:
    """Put each path to the first cluster it agrees with."""
    for one in paths:
        for cluster in clusters:
            if cluster.agrees(one):
                cluster.add(one)
                break
        else:
            clusters.append(_Cluster([one]))


def _groups(wwid: Wwid, clusters: Sequence[_Cluster]) -> list[Group]:
    rivals = None
    if len(clusters) > 1:
        rivals = (
            f"WWID {wwid} is claimed by {len(clusters)} logical units that differ: "
            + "; ".join(str(cluster) for cluster in clusters if cluster.seen)
            + ". Give each volume an identity of its own on the array; after a resize, rescan all paths"
        )
    found = []
    for cluster in clusters:
        paths = tuple(sorted((seen.path for seen in cluster.seen), key=lambda path: path.hctl))
        found.append(Group(wwid, paths, cluster.map, rivals or _problem(wwid, cluster)))
    return found


def _problem(wwid: Wwid, cluster: _Cluster) -> str | None:
    """Say what is wrong with the paths of one unit."""
    for seen in cluster.seen:
        path = seen.path
        remapped = _remapped(seen)
        if remapped is not None:
            return remapped
        # Configured otherwise, multipathd names a map by another spelling of the same designator (0x6001405...).
        if cluster.map is not None and path.wwid is not None and path.wwid[1:] not in wwid:
            return f"path {path.device} ({path.hctl}) is in map {cluster.map.name} ({wwid}) but leads to {path.wwid}"
    if len(cluster.faces) == 1:
        return None
    for first, second in zip(cluster.seen, cluster.seen[1:]):
        differing = _differences(_face(first), _face(second))
        if differing:
            devices = f"{first.path.device} and {second.path.device}"
            where = f"of map {cluster.map.name} " if cluster.map else ""
            return f"paths {devices} {where}differ in {differing}; after a resize, rescan all paths"
    return None


def _nameless(seen: SeenPath) -> str:
    path = seen.path
    return (
        f"{path.device or path.hctl} ({path.hctl}) has no usable identity: no designator for the logical unit and "
        "no serial number, or zeros only; give the volume one on the array"
    )


def _remapped(seen: SeenPath) -> str | None:
    if not seen.contradiction:
        return None
    path = seen.path
    return (
        f"path {path.device} ({path.hctl}): udev knows it as {path.wwid}, the device now says "
        f"{seen.contradiction}: another LUN was mapped there; do not use it before that is cleared up"
    )


_Face = tuple[Optional[str], Optional[str], int]


def _face(seen: SeenPath) -> _Face:
    return seen.vendor, seen.serial, seen.path.size


def _differences(first: _Face, second: _Face) -> str:
    """Name what two paths say differently. What one of them does not know is no difference."""
    pairs = zip(("vendor", "serial number", "size"), first, second)
    return ", ".join(f"{what} ({mine}, {others})" for what, mine, others in pairs if mine and others and mine != others)
