# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the virtual HBAs of several hosts keep out of each other's way? Pure: works on what hosts want and have.

A WWPN that is logged in from two hosts gives one of them the other's LUNs, or neither any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn, is_wwn, parse_wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import (
    DEFAULT_OUI,
    generated_names,
    parse_instance,
    parse_oui,
    parse_vhba_name,
    parse_vhba_wwn,
)


@dataclass(frozen=True)
class Names:
    """The names of one virtual or physical port."""

    wwpn: Wwn
    wwnn: Wwn | None
    what: str
    """As people call it: "vHBA db01", "host3"."""


@dataclass(frozen=True)
class HostPorts:
    """What a host wants and what it has."""

    wanted: tuple[Names, ...] = ()
    has: tuple[Names, ...] | None = None
    """None: it was not asked."""
    failure: str | None = None


@dataclass
class Collisions:
    """What is wrong, for each host, and which hosts were not asked what they have."""

    problems: dict[str, list[str]] = field(default_factory=dict)
    not_asked: dict[str, str] = field(default_factory=dict)

    def add(self, host: str, problem: str) -> None:
        told = self.problems.setdefault(host, [])
        if problem not in told:
            told.append(problem)


def wanted_names(vhba: Mapping[str, Any]) -> Names | None:
    """Return the names of a vHBA as the role's list has it; None for one that is to go. Raises ValueError."""
    if vhba.get("state", "present") == "absent":
        return None
    if vhba.get("wwpn") is not None:
        if vhba.get("wwnn") is None:
            raise ValueError(f"vHBA {vhba['wwpn']}: give the wwnn that goes with the wwpn")
        wwpn = parse_vhba_wwn(vhba["wwpn"])
        return Names(wwpn, parse_vhba_wwn(vhba["wwnn"]), f"vHBA {vhba.get('name') or wwpn}")
    if vhba.get("name") is None:
        raise ValueError(f"{dict(vhba)}: give a vHBA a name, or wwpn and wwnn")
    name, instance = parse_vhba_name(vhba["name"]), parse_instance(int(vhba.get("instance") or 0))
    names = generated_names(name, instance, parse_oui(vhba.get("oui") or DEFAULT_OUI))
    return Names(*names, f"vHBA {name}{f' ({instance})' if instance else ''}")


def names_of_hbas(hbas: Iterable[Mapping[str, Any]]) -> tuple[Names, ...]:
    """Return the names of all FC ports, virtual ones too, of what lun_facts calls hbas."""
    return tuple(
        Names(parse_wwn(hba["wwpn"]), parse_wwn(hba["wwnn"]) if is_wwn(hba.get("wwnn") or "") else None, hba["name"])
        for hba in hbas
        if is_wwn(hba.get("wwpn") or "")
    )


def find_collisions(hosts: Mapping[str, HostPorts]) -> Collisions:
    """Compare what every host wants with what it and all others want and have."""
    found = Collisions()
    for host, ports in hosts.items():
        if ports.has is None:
            found.not_asked[host] = (
                ports.failure or "no answer in this run (outside the limit or batch, or unreachable)"
            )
        for index, mine in enumerate(ports.wanted):
            for other, its, is_wanted in _others(hosts, host, index):
                problem = _clash(mine, its, same_host=other == host, is_wanted=is_wanted)
                if problem:
                    where = "" if other == host else f" of {other}"
                    found.add(
                        host, f"{mine.what}: {problem} {its.what}{where}{'' if is_wanted else ', which is there'}"
                    )
    return found


def _others(hosts: Mapping[str, HostPorts], host: str, index: int) -> Iterator[tuple[str, Names, bool]]:
    """Yield every other port: whose it is, its names, and whether it is only wanted."""
    for other, ports in hosts.items():
        for place, its in enumerate(ports.wanted):
            if (other, place) != (host, index):
                yield other, its, True
        for its in ports.has or ():
            yield other, its, False


def _clash(mine: Names, its: Names, same_host: bool, is_wanted: bool) -> str | None:
    """Say what two ports must not share. Ports of one node share its name, and a node is on one host."""
    if mine.wwpn == its.wwpn:
        # On its own host it is there from an earlier run.
        return None if same_host and not is_wanted else f"its WWPN {mine.wwpn} is also that of"
    if mine.wwpn == its.wwnn:
        return f"its WWPN {mine.wwpn} is also the WWNN of"
    if mine.wwnn == its.wwpn:
        return f"its WWNN {mine.wwnn} is also the WWPN of"
    if mine.wwnn is not None and mine.wwnn == its.wwnn and not same_host:
        return f"its WWNN {mine.wwnn} is also that of"
    return None
