# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iscsiadm: discovery, node records, ifaces, logins and logouts; and what its exit codes mean.

Every call names target, portal and iface exactly. None has a password among its arguments.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.plugins.module_utils._host.iscsi_lock import free_lock
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import (
    INITIATOR,
    Offer,
    Portal,
    Problem,
    read_portal,
)

DEADLINE = 60.0
"""Seconds for what only reads or writes records."""

KNOCK_DEADLINE = 5.0
"""Seconds for a TCP connection: two repetitions of what was lost on the way."""

EXISTS, NONE_FOUND, NO_SESSION, IN_USE = 15, 21, 2, 28

_MEANING: Mapping[int, tuple[str, str]] = {
    1: ("other", "open-iscsi gives no reason; see the journal of iscsid"),
    2: ("other", "there is no such session"),
    3: ("service", "open-iscsi ran out of memory"),
    4: ("unreachable", "the connection failed: is the portal's address right, and is the target listening there?"),
    5: ("refused", "the login failed; see the journal of iscsid, and what the array says of this initiator"),
    6: (
        "setup",
        "open-iscsi cannot use its database: is /etc full or read-only, or /run/lock/iscsi/lock.write left over?",
    ),
    7: (
        "setup",
        "open-iscsi takes an argument for invalid: is there an initiator name in /etc/iscsi/initiatorname.iscsi?",
    ),
    8: ("timeout", "the portal did not answer in time: is the network to it up, and its port open?"),
    9: ("service", "iscsid failed; see its journal"),
    10: ("other", "the logout failed; see the journal of iscsid"),
    11: ("timeout", "the target answered too late, or not at all"),
    12: (
        "setup",
        "the kernel has no transport for it: load the module iscsi_tcp; after an upgrade of the kernel, reboot first",
    ),
    13: ("service", "iscsid refuses: it needs root"),
    15: ("other", "there is a session already"),
    18: ("service", "the connection to iscsid broke: did it end? See its journal, and start it"),
    19: (
        "refused",
        "refused for good: is the target still there, open to this host, and (mutual CHAP) known by another password?",
    ),
    20: ("service", "iscsid does not run and could not be started: systemctl status iscsid.socket iscsid.service"),
    21: ("other", "there is no such record, session or portal"),
    24: (
        "authentication",
        "the target refuses this host: CHAP name or password wrong or missing, or the initiator name not admitted",
    ),
    28: ("in_use", "the session is in use"),
    32: ("unreachable", "the session has lost its connection"),
    33: ("timeout", "iscsid did not answer in time"),
}


def problem_of(code: int) -> Problem:
    """Return what an exit code of iscsiadm means, and what to do about it."""
    reason, text = _MEANING.get(code, ("other", "open-iscsi gives no reason"))
    return Problem(reason, f"{text} (iscsiadm: code {code})")


# Looking


def knock(portal: Portal, deadline: float) -> Problem | None:
    """Try whether anybody listens at a portal. iscsid would go on trying for minutes, and not say why."""
    try:
        with socket.create_connection(portal, deadline):
            return None
    except OSError as error:
        said = f"no answer within {deadline:g} s" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return Problem(
            "unreachable",
            f"no TCP connection to {portal}: {said}. Is the address right, the network up, and the target listening?",
        )


def discover(host: Host, portal: Portal, interface: str, deadline: float) -> tuple[Offer, ...] | Problem:
    """Ask a portal which targets it has for this host. Nothing is recorded."""
    asked = ["-m", "discoverydb", "-t", "sendtargets", "-p", str(portal), "-I", interface]
    done = _run(host, [*asked, "--discover", "-o", "nonpersistent"], deadline)
    if isinstance(done, Problem):
        return done
    if done.code == NONE_FOUND:
        return ()
    return parse_offers(done.stdout) if done.code == 0 else problem_of(done.code)


def parse_offers(text: str) -> tuple[Offer, ...]:
    """Return the lines `10.0.0.1:3260,1 iqn...` of a discovery."""
    found = []
    for line in text.splitlines():
        where, _space, target = line.strip().partition(" ")
        address, _comma, tpgt = where.rpartition(",")
        portal = read_portal(address)
        if portal is not None and tpgt.isdigit() and target:
            found.append(Offer(target.strip().lower(), portal, int(tpgt)))
    return tuple(dict.fromkeys(found))


def recorded(host: Host) -> frozenset[tuple[str, Portal]]:
    """Return the targets and portals that iscsiadm has records of."""
    done = _require(host, ["-m", "node"], (0, NONE_FOUND))
    return frozenset((offer.target, offer.portal) for offer in parse_offers(done.stdout))


# Changing


def create_record(host: Host, target: str, portal: Portal, tpgt: int | None, interface: str) -> None:
    """Make a node record from the defaults in iscsid.conf. Raises CommandError.

    One that is there would be overwritten.
    """
    where = str(portal) if tpgt is None else f"{portal},{tpgt}"
    _require(host, ["-m", "node", "-o", "new", "-T", target, "-p", where, "-I", interface])


def delete_record(host: Host, target: str, portal: Portal, interface: str) -> None:
    """Remove a node record; one that is not there is removed already. Raises CommandError."""
    _require(host, [*_node(target, portal, interface), "-o", "delete"], (0, NONE_FOUND))


def create_interface(host: Host, name: str, initiator: str) -> None:
    """Make an iface for plain TCP with an iSCSI name. Raises CommandError. That it has the name, no exit code says.

    One that is there would be overwritten.
    """
    _require(host, ["-m", "iface", "-I", name, "-o", "new"])
    _require(host, ["-m", "iface", "-I", name, "-o", "update", "-n", INITIATOR, "-v", initiator])


def delete_interface(host: Host, name: str) -> None:
    """Remove an iface, and with it all records of its own. Raises CommandError."""
    _require(host, ["-m", "iface", "-I", name, "-o", "delete"])


def log_in(host: Host, target: str, portal: Portal, interface: str, deadline: float) -> Problem | None:
    """Log in to one portal, from its record; return why it failed. One that is logged in already is."""
    done = _run(host, [*_node(target, portal, interface), "--login"], deadline)
    if isinstance(done, Problem):
        return Problem(done.reason, f"{done.text}. iscsid goes on trying for a while by itself")
    return None if done.code in (0, EXISTS) else problem_of(done.code)


def log_out(host: Host, session: int, deadline: float) -> None:
    """End one session by its number, which is never given twice. Raises CommandError."""
    _require(host, ["-m", "session", "-r", str(session), "--logout"], (0, NO_SESSION, NONE_FOUND), deadline)


def _node(target: str, portal: Portal, interface: str) -> list[str]:
    return ["-m", "node", "-T", target, "-p", str(portal), "-I", interface]


def _call(host: Host, arguments: list[str], deadline: float) -> Completed:
    free_lock(host)
    return host.run(["iscsiadm", *arguments], deadline, accept=range(256))


def _run(host: Host, arguments: list[str], deadline: float) -> Completed | Problem:
    try:
        return _call(host, arguments, deadline)
    except CommandError as late:
        return Problem("timeout", late.message)


def _require(host: Host, arguments: list[str], accept: tuple[int, ...] = (0,), deadline: float = DEADLINE) -> Completed:
    done = _call(host, arguments, deadline)
    if done.code not in accept:
        problem = problem_of(done.code)
        raise CommandError(problem.text, command=list(done.argv), code=done.code, reason=problem.reason)
    return done
