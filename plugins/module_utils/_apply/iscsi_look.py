# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at iSCSI: sessions and records on the host, and portals over the network.

The order of calls: `open_database`, `look`, `ask` for what the network has to say, then a plan by `_plan/iscsi.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import NotFoundError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import iscsi, iscsi_lock, iscsi_records, iscsiadm, systemd
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.parallel import in_parallel
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import (
    Chap,
    Offer,
    Portal,
    Problem,
    Wanted,
)
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi import BootUnit, Seen, all_portals, unsettled

BOOT_UNITS = ("open-iscsi.service", "iscsi.service")
"""What logs in at boot: on Debian and Ubuntu, elsewhere."""


@dataclass(frozen=True)
class Discovery:
    """How to ask portals."""

    asking: bool = True
    """Ask portals that there is no record of. Without, the task is taken at its word."""
    chap: Chap | None = None
    all_portals: bool = False
    """Take in the other portals that the target has, too."""
    deadline: float = 60.0


@dataclass(frozen=True)
class Asked:
    """What portals have told."""

    offers: Mapping[Portal, tuple[Offer, ...]]
    problems: Mapping[Portal, Problem]
    not_asked: tuple[Portal, ...] = ()
    """In check mode: those that could only be asked with a password that is nowhere on record."""

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the targets with their portals."""
        found: dict[str, dict[Portal, int]] = {}
        for offers in self.offers.values():
            for offer in offers:
                found.setdefault(offer.target, {})[offer.portal] = offer.tpgt
        return [
            {"target": name, "portals": [{"portal": str(one), "tpgt": tpgt} for one, tpgt in portals.items()]}
            for name, portals in sorted(found.items())
        ]


def open_database(host: Host, interface: str) -> str:
    """Return the folder of open-iscsi's database, for use with an iface.

    Raises UnavailableError for a host without initiator name, NotFoundError for an iface that there is none of.
    """
    text = host.read(iscsi.INITIATOR_FILE)
    if text is None or not ("InitiatorName=" in text or "GenerateName=yes" in text):
        raise UnavailableError(
            f"this host has no iSCSI name in {iscsi.INITIATOR_FILE}: install open-iscsi (role virt.san.host does), or "
            "write a line InitiatorName=iqn... there, and restart iscsid",
            path=iscsi.INITIATOR_FILE,
        )
    root = database(host)
    if not iscsi_records.has_interface(host, root, interface):
        raise NotFoundError(
            f"open-iscsi has no iface {interface!r} on this host; `iscsiadm -m iface` lists them, and makes one",
            interface=interface,
        )
    return root


def database(host: Host) -> str:
    """Return the place of the database: where there are two, the one that iscsiadm itself reads."""
    places = iscsi_records.databases(host)
    if len(places) == 1:
        return places[0]
    told = iscsiadm.recorded(host)
    held = {place: {(one.target, one.portal) for one in iscsi_records.read_records(host, place)} for place in places}
    return next((place for place in places if held[place] == told), places[0])


def has_anything(host: Host) -> bool:
    """Tell whether there is any session or record: on a host without open-iscsi there is neither."""
    return bool(iscsi.read_sessions(host)) or any(host.entries(f"{root}/nodes") for root in iscsi_lock.ROOTS)


def look(host: Host, root: str, target: str | None = None) -> Seen:
    """Read sessions, records and what logs in at boot. Nothing is asked of the network."""
    return Seen(
        sessions=tuple(iscsi.read_sessions(host)),
        records=iscsi_records.read_records(host, root, target),
        boot=_boot_unit(host),
    )


def _boot_unit(host: Host) -> BootUnit | None:
    if not systemd.is_running(host):
        return None
    for name in BOOT_UNITS:
        unit = systemd.read_unit(host, name)
        if unit.loaded:
            return BootUnit(name, unit.enabled)
    return None


# The network


def ask(
    host: Host, root: str, seen: Seen, wanted: Wanted, how: Discovery, check_mode: bool
) -> tuple[Seen, Wanted, Asked]:
    """Try the portals that a login is to go to, and ask those that nothing is recorded of.

    Returns what is seen with that, what is wanted with the portals that came to be known, and what was told.
    """
    problems = knock_all(host, root, unsettled(seen, wanted), wanted.interface, how.deadline)
    to_ask = [
        portal
        for portal in wanted.portals
        if portal not in problems and (how.all_portals or (how.asking and _is_new(seen, wanted, portal)))
    ]
    told = discover_all(host, root, to_ask, wanted.interface, how, check_mode)
    problems = {**problems, **told.problems}
    if how.all_portals:
        offers = [offer for each in told.offers.values() for offer in each]
        known = frozenset(wanted.portals)
        wanted = replace(wanted, portals=all_portals(wanted, offers))
        more = [portal for portal in unsettled(seen, wanted) if portal not in known]
        problems.update(knock_all(host, root, more, wanted.interface, how.deadline))
    return replace(seen, offers=told.offers, problems=problems), wanted, told


def _is_new(seen: Seen, wanted: Wanted, portal: Portal) -> bool:
    return (
        seen.record(wanted.target, portal, wanted.interface) is None
        and seen.session(wanted.target, portal, wanted.interface) is None
    )


def knock_all(
    host: Host, root: str, portals: Collection[Portal], interface: str, deadline: float
) -> dict[Portal, Problem]:
    """Return the portals where nobody listens. Of an iface bound to a card it is not known how it gets there."""
    if not all(one.plain for one in iscsi_records.read_interfaces(host, root) if one.name == interface):
        return {}
    seconds = min(deadline, iscsiadm.KNOCK_DEADLINE)
    found = in_parallel(portals, lambda portal: iscsiadm.knock(portal, seconds))
    return {portal: problem for portal, problem in found.items() if problem is not None}


def discover_all(
    host: Host, root: str, portals: Iterable[Portal], interface: str, how: Discovery, check_mode: bool
) -> Asked:
    """Ask portals for their targets. In check mode nothing is written, and so not all can be asked with a password."""
    wanted, not_asked, chap = list(portals), [], how.chap
    if chap is not None and check_mode:
        not_asked = [one for one in wanted if not iscsi_records.has_discovery_record(host, root, one, chap)]
        wanted = [one for one in wanted if one not in not_asked]

    with ExitStack() as stack:
        # One after the other, and back in the opposite order: the first may make a folder that the others use.
        if chap is not None and not check_mode:
            for portal in wanted:
                stack.enter_context(iscsi_records.discovery_record(host, root, portal, chap))
        # Never at once: open-iscsi gives all its discoveries one ISID, and a target takes the second for the first
        # one coming back (session reinstatement, RFC 7143, 6.3.5), and drops the first.
        found = {portal: iscsiadm.discover(host, portal, interface, how.deadline) for portal in wanted}
    return Asked(
        {portal: said for portal, said in found.items() if not isinstance(said, Problem)},
        {portal: _asking(portal, said) for portal, said in found.items() if isinstance(said, Problem)},
        tuple(not_asked),
    )


def _asking(portal: Portal, problem: Problem) -> Problem:
    return Problem(problem.reason, f"{portal} does not tell which targets it has: {problem.text}")
