# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iSCSI: portals, CHAP, what is wanted of a target, and what open-iscsi has on record for it."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.virt.san.plugins.module_utils._model.fabric import IscsiSession

PORT = 3260
DEFAULT_INTERFACE = "default"
LONGEST_SECRET = 255
"""Bytes open-iscsi keeps of a name or password."""

_INTERFACE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")


class Portal(NamedTuple):
    """Where a target listens."""

    address: str
    """IPv4 or IPv6 in its shortest form, without brackets."""
    port: int = PORT

    @property
    def other_port(self) -> int | None:
        """The port, if it is not the usual one."""
        return None if self.port == PORT else self.port

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def parse_portal(text: str) -> Portal:
    """Return the portal in `10.0.0.1`, `10.0.0.1:3260`, `2001:db8::1` or `[2001:db8::1]:3260`.

    Names are refused: open-iscsi knows records and sessions by address, and a name may mean another one tomorrow.
    """
    given = str(text).strip()
    match = re.match(r"^\[(?P<v6>[^\]]+)\](?::(?P<p6>\d+))?$|^(?P<v4>[^:\[\]]+)(?::(?P<p4>\d+))?$", given)
    address = (match["v6"] or match["v4"]) if match else given
    port = int((match["p6"] or match["p4"] or PORT) if match else PORT)
    try:
        known = str(ipaddress.ip_address(address))
    except ValueError:
        raise ValueError(
            f"{text!r} is not a portal: an IP address, with the port if it is not {PORT}, as in 10.0.0.1, "
            "10.0.0.1:3260 or [2001:db8::1]:3260"
        ) from None
    if not 0 < port < 65536:
        raise ValueError(f"{text!r}: {port} is not a TCP port")
    return Portal(known, port)


def read_portal(text: str | None) -> Portal | None:
    """Return the portal that a tool or the kernel names; None for what is no address."""
    try:
        return parse_portal(text or "")
    except ValueError:
        return None


def parse_interface(text: str) -> str:
    """Return the name of an iface record of open-iscsi."""
    if not _INTERFACE.match(text):
        raise ValueError(f"{text!r} is not the name of an iface of open-iscsi, as `iscsiadm -m iface` lists them")
    return text


@dataclass(frozen=True)
class Interface:
    """An iface record of open-iscsi: as whom a session logs in, and which way it goes."""

    name: str
    initiator: str | None = None
    """iSCSI name, lower case; None: the host's own."""
    plain: bool = True
    """By TCP, whichever way the host has to the portal: bound neither to a card nor to an address."""


INITIATOR = "iface.initiatorname"
_BOUND = ("iface.hwaddress", "iface.net_ifacename", "iface.ipaddress")
_UNSET = ("", "<empty>", "default")


def read_interface(name: str, text: str) -> Interface:
    """Return what an iface record says."""
    said = {key: value for key, value in parse_record(text).items() if value not in _UNSET}
    initiator = said.get(INITIATOR)
    plain = said.get("iface.transport_name", "tcp") == "tcp" and not any(key in said for key in _BOUND)
    return Interface(name, None if initiator is None else initiator.lower(), plain)


def own_interface(initiator: str) -> str:
    """Return the name of the iface that is made for an iSCSI name, the same at all times and on every host."""
    return f"virt-san-{hashlib.sha256(initiator.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Chap:
    """Names and passwords. Never shown: not even repr() has the passwords."""

    username: str
    password: str = field(repr=False)
    mutual_username: str | None = None
    """By which the target proves itself to the host, if it is to."""
    mutual_password: str | None = field(default=None, repr=False)


def parse_timeout(key: str, seconds: int) -> int:
    """Return a timeout of a session in seconds, as open-iscsi takes it."""
    least = {"replacement_timeout": -1, "login_timeout": 1}.get(key, 0)
    if not least <= seconds <= 86400:
        raise ValueError(f"{seconds} is out of range: {least} to 86400 seconds")
    return seconds


# CHAP


def parse_chap(given: Mapping[str, Any]) -> Chap:
    """Return credentials. No message holds a password."""
    for key in ("username", "password", "mutual_username", "mutual_password"):
        if given.get(key) is not None:
            _check_text(key, str(given[key]))
    chap = Chap(given["username"], given["password"], given.get("mutual_username"), given.get("mutual_password"))
    if chap.mutual_password is not None and chap.mutual_password == chap.password:
        raise ValueError("password and mutual_password are the same; initiators refuse that: whoever answers could "
                         "have sent it back")  # fmt: skip
    return chap


def _check_text(key: str, text: str) -> None:
    """Raise ValueError for what a line of a record cannot hold."""
    if not text or text != text.strip() or not text.isprintable():
        raise ValueError(f"{key} is empty, begins or ends with a space, or has characters that cannot be printed")
    if len(text.encode()) > LONGEST_SECRET:
        raise ValueError(f"{key} is longer than {LONGEST_SECRET} bytes")


# What is wanted


STARTUP, CONN_STARTUP, SCAN = "node.startup", "node.conn[0].startup", "node.session.scan"
AUTOMATIC, MANUAL = "automatic", "manual"
METHOD = "node.session.auth.authmethod"
USERNAME, PASSWORD = "node.session.auth.username", "node.session.auth.password"
USERNAME_IN, PASSWORD_IN = "node.session.auth.username_in", "node.session.auth.password_in"
AUTH = (METHOD, USERNAME, PASSWORD, USERNAME_IN, PASSWORD_IN)
SECRETS = (PASSWORD, PASSWORD_IN)
TIMEOUTS = {
    "replacement_timeout": "node.session.timeo.replacement_timeout",
    "login_timeout": "node.conn[0].timeo.login_timeout",
    "noop_out_interval": "node.conn[0].timeo.noop_out_interval",
    "noop_out_timeout": "node.conn[0].timeo.noop_out_timeout",
}
"""Options and the parameters of a record they stand for. Seconds."""

_NEXT_LOGIN = (*AUTH, *TIMEOUTS.values())


@dataclass(frozen=True)
class Wanted:
    """The sessions a host is to have with one target."""

    target: str
    portals: tuple[Portal, ...]
    interface: str = DEFAULT_INTERFACE
    initiator: str | None = None
    """The iSCSI name that records of the iface are to have. None: whatever they say."""
    startup: str = AUTOMATIC
    scan: str | None = None
    """manual: a login scans for no LUN. None: whatever the record says; likewise below."""
    timeouts: Mapping[str, int] = field(default_factory=dict)
    """Seconds by parameter."""
    chap: Chap | None = None
    no_chap: bool = False
    """Log in without a password, whatever the record says."""
    least: int | None = None
    """Sessions that must be up; None: one with every portal."""
    relogin: bool = False


@dataclass(frozen=True)
class Offer:
    """A portal of a target, as a portal told at discovery."""

    target: str
    portal: Portal
    tpgt: int

    def to_dict(self) -> dict[str, Any]:
        return {"target": self.target, "portal": str(self.portal), "tpgt": self.tpgt}


@dataclass(frozen=True)
class Problem:
    """Why there is no session with a portal."""

    reason: str
    """unreachable, target_unknown, authentication, timeout, refused, in_use, service, setup or other."""
    text: str

    def to_dict(self) -> dict[str, str]:
        return {"reason": self.reason, "problem": self.text}


# Records


@dataclass(frozen=True)
class NodeRecord:
    """What open-iscsi keeps of a portal of a target. It holds passwords."""

    target: str
    portal: Portal
    tpgt: int | None
    """None: made without knowing it."""
    interface: str
    path: str
    text: str = field(repr=False)

    @property
    def values(self) -> Mapping[str, str]:
        return parse_record(self.text)


def parse_record(text: str) -> dict[str, str]:
    """Return the parameters of a record."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            found[key.strip()] = value.strip()
    return found


def edit_record(text: str, edits: Mapping[str, str | None]) -> str:
    """Return a record with parameters replaced, added, or (None) left out. All other lines stay as they are."""
    left = {key: value for key, value in edits.items() if value is not None}
    lines = []
    for line in text.splitlines():
        key = line.partition("=")[0].strip()
        if line.lstrip().startswith("# END"):
            lines += [f"{name} = {value}" for name, value in left.items()]
            left = {}
        if line.lstrip().startswith("#") or key not in edits:
            lines.append(line)
        elif key in left:
            lines.append(f"{key} = {left.pop(key)}")
    lines += [f"{name} = {value}" for name, value in left.items()]
    return "\n".join([*lines, ""])


def wanted_values(wanted: Wanted, now: Mapping[str, str]) -> dict[str, str | None]:
    """Return what a record is to say, of what the task is about. `now`: what it says."""
    values: dict[str, str | None] = {STARTUP: wanted.startup}
    if now.get(CONN_STARTUP, MANUAL) not in (MANUAL, wanted.startup):
        values[CONN_STARTUP] = MANUAL  # or the boot would go by this one
    if wanted.initiator is not None:
        values[INITIATOR] = wanted.initiator
    if wanted.scan is not None:
        values[SCAN] = wanted.scan
    values.update({key: str(seconds) for key, seconds in wanted.timeouts.items()})
    if wanted.chap is not None:
        chap = wanted.chap
        values.update(zip(AUTH, ("CHAP", chap.username, chap.password, chap.mutual_username, chap.mutual_password)))
    elif wanted.no_chap:
        # What is left there would be used, whatever the method says.
        values.update({METHOD: "None", **dict.fromkeys(AUTH[1:])})
    return values


def edits_of(wanted: Wanted, now: Mapping[str, str]) -> dict[str, str | None]:
    """Return the parameters that are to change."""
    return differing(wanted_values(wanted, now), now)


def differing(values: Mapping[str, str | None], now: Mapping[str, str]) -> dict[str, str | None]:
    """Return those of the values that a record does not say yet."""
    return {key: value for key, value in values.items() if _said(now, key) != value}


def _said(values: Mapping[str, str], key: str) -> str | None:
    """Return what a record says. Without a line there is none of it, and no password."""
    return values.get(key, "None" if key == METHOD else None)


def waits_for_login(edits: Mapping[str, str | None]) -> bool:
    """Tell whether a session that is up goes on with what it was logged in with."""
    return any(key in _NEXT_LOGIN for key in edits)


def shown_record(wanted: Wanted, now: Mapping[str, str]) -> dict[str, Any]:
    """Return what a record says of what the task is about, for people: passwords only as right or wrong."""
    told: dict[str, Any] = {}
    for key, value in wanted_values(wanted, now).items():
        said = _said(now, key)
        if key not in SECRETS:
            told[key] = said
        elif said is not None:
            told[key] = "as asked for" if said == value else "not as asked for"
        else:
            told[key] = None
    return told


def same_session(session: IscsiSession, target: str, portal: Portal, interface: str | None) -> bool:
    """Tell whether a session is the one with exactly this target, portal and iface (None: any)."""
    there = session.interface or DEFAULT_INTERFACE
    return session.target == target and read_portal(session.portal) == portal and interface in (None, there)
