# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which logical units are to leave all hosts, and may they be unmapped? Pure: works on what the hosts returned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.ids import parse_wwid
from ansible_collections.virt.san.plugins.module_utils._plan.compare import Unit, unit_title

SILENT = "not checked: no answer in this run (outside the limit or batch, unreachable, or failed before)"


LONGEST_NUMBER = 5
"""Digits of a LUN number; what is longer is a WWID, and may consist of digits too."""


@dataclass
class Resolution:
    """The units that are meant."""

    titles: dict[str, str] = field(default_factory=dict)
    """WWID to what a person calls it, in the order asked for."""
    problems: list[str] = field(default_factory=list)
    """Why it is not known what is meant."""


def resolve_luns(
    views: Mapping[str, Sequence[Unit]], wwids: Sequence[str], names: Sequence[str], aliases: Mapping[Any, str]
) -> Resolution:
    """Return the units meant by WWID, or by the name of their multipath device.

    `views`: the units each host sees. `aliases`: WWID (or LUN number) to name, as given to role provision: one by
    WWID counts even where no host has the device any more.
    """
    found = Resolution()
    wanted = dict.fromkeys((_wwid(text) for text in wwids), "")
    for name in names:
        meant = _named(views, name, aliases)
        if len(meant) == 1:
            wanted[next(iter(meant))] = name
        elif meant:
            told = ", ".join(f"{wwid} ({', '.join(where)})" for wwid, where in meant.items())
            found.problems.append(f"{name} is more than one logical unit: {told}. Name it by its WWID")
        else:
            found.problems.append(
                f"{name} is not the name of a multipath device on any host that answered. If the LUN has left already, "
                "name it by its WWID"
            )
    found.titles = {wwid: _title(views, wwid, name) for wwid, name in wanted.items()}
    return found


def _named(views: Mapping[str, Sequence[Unit]], name: str, aliases: Mapping[Any, str]) -> dict[str, list[str]]:
    """Return the WWIDs that bear a name, and where."""
    meant: dict[str, list[str]] = {}
    for key, alias in aliases.items():
        if alias == name and len(str(key)) > LONGEST_NUMBER:
            meant.setdefault(_wwid(str(key)), []).append("provision_aliases")
    for host, units in views.items():
        for unit in units:
            if _name(unit) == name and unit["wwid"]:
                meant.setdefault(unit["wwid"], []).append(host)
    return meant


def _wwid(text: str) -> str:
    """Return a WWID in udev's form. What is none stays as it is: the module says so where it is used."""
    try:
        return parse_wwid(text)
    except ValueError:
        return text


def _name(unit: Unit) -> str | None:
    return (unit.get("multipath") or {}).get("name")


def _title(views: Mapping[str, Sequence[Unit]], wwid: str, name: str) -> str:
    seen = [unit for units in views.values() for unit in units if unit["wwid"] == wwid]
    if not seen:
        return f"{wwid} (seen on no host)"
    names = {name or _name(unit) or "" for unit in seen} - {"", wwid}
    serial = f", serial {seen[0]['serial']}" if seen[0].get("serial") else ""
    return " ".join([unit_title(seen[0]) + serial, *sorted(names)])


@dataclass
class Release:
    """Whether the units have left all hosts."""

    luns: list[str] = field(default_factory=list)
    """Those the storage team may unmap: all or none."""
    in_the_way: dict[str, str] = field(default_factory=dict)
    """Host to why it is not clean, or not known to be."""


def release_luns(views: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> Release:
    """Return what the storage team may unmap: everything once every host is clean, and nothing before.

    `views`: for every host of the group what was found there in the end: `left` (WWIDs still there) and `failure`;
    an empty one for a host that gave no answer.
    """
    result = Release()
    for host, view in views.items():
        if not view:
            result.in_the_way[host] = SILENT
        elif view.get("failure"):
            result.in_the_way[host] = str(view["failure"])
        elif view.get("left") is None:
            result.in_the_way[host] = "not checked: it was not looked whether the LUNs are gone"
        elif view["left"]:
            result.in_the_way[host] = f"still there: {', '.join(view['left'])}"
    if views and not result.in_the_way:
        result.luns = list(titles.values())
    return result
