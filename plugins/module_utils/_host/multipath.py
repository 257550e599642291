# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""multipathd: is it there, what does it say, make it do something.

The daemon is asked over its socket, not through its command line tool: the tool gives up after
4 seconds (not enough on a thousand LUNs) and, up to 0.9.7, exits with 0 on `timeout` and `blacklisted`.
A request and its reply are a native size_t (the length with the final NUL) and the text.
"""

from __future__ import annotations

import errno
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until

PID_FILE = "/run/multipathd.pid"
ABSTRACT_SOCKET = "\0/org/kernel/linux/storage/multipathd"
SOCKET_FILE = "/run/multipathd.socket"
"""Also offered by newer daemons; the only one in a recorded tree."""
MAX_REPLY = 32 * 1024 * 1024
"""Bytes; the daemon's own limit."""

_SIZE_T = struct.Struct("@N")
_NOT_RUNNING = "start multipathd on this host (systemctl enable --now multipathd; role virt.san.host does)"


@dataclass(frozen=True)
class DaemonPath:
    """A path as multipathd sees it."""

    device: str
    """Kernel name, "sdb"."""
    checker: str
    """State by its path checker: ready, ghost, faulty, shaky, i/o pending, undef, delayed, ..."""
    dm_state: str
    """State in the map's table: active, failed or undef."""


@dataclass(frozen=True)
class DaemonMap:
    """A map as multipathd sees it."""

    name: str
    wwid: str
    dm: str
    """Kernel name, "dm-3"."""
    queueing: str
    """What happens without paths: "off", "on", "5 chk", "30 sec", "-"."""
    features: str
    """The features of the table, as in "1 queue_if_no_path"; "0" for none."""
    read_only: bool
    paths: tuple[DaemonPath, ...]


@dataclass(frozen=True)
class KnownPath:
    """A path multipathd monitors, in a map or not. What it ignores (blacklist) is not among them."""

    device: str
    wwid: str
    checker: str


def daemon_running(host: Host) -> bool:
    """Tell whether multipathd runs, without connecting to it: a connection could start it by socket activation."""
    pid = host.read(PID_FILE)
    return bool(pid) and host.read(f"/proc/{pid}/comm") == "multipathd"


def ask(host: Host, command: str, deadline: float) -> str:
    """Return multipathd's reply to a command, without the final newline; `deadline` is seconds for all of it.

    Raises UnavailableError when it does not run or does not take commands from this user,
    CommandError when it does not answer in time.
    """
    if not daemon_running(host):
        raise UnavailableError(f"multipathd does not run: {_NOT_RUNNING}", service="multipathd")
    until = host.clock.monotonic() + deadline
    try:
        with _connect(host, deadline) as connection:
            connection.sendall(_SIZE_T.pack(len(command) + 1) + command.encode() + b"\0")
            (length,) = _SIZE_T.unpack(_receive(host, connection, _SIZE_T.size, until))
            if not 0 < length < MAX_REPLY:
                raise CommandError(f"multipathd answered {command!r} with a reply of {length} bytes", command=command)
            reply = _receive(host, connection, length, until)
    except socket.timeout as late:
        raise CommandError(
            f"multipathd did not answer {command!r} within {deadline:g} s; it may wait for a device that hangs: "
            "look at its journal, or allow more time",
            command=command,
        ) from late
    except OSError as error:
        raise CommandError(f"multipathd, asked for {command!r}: {error.strerror or error}", command=command) from error
    text = reply.rstrip(b"\0").decode("utf-8", "replace").rstrip("\n")
    if text.startswith("permission den"):
        raise UnavailableError(
            f"multipathd takes {command!r} from root only; run the task with become: true", command=command
        )
    return text


def order(host: Host, command: str, deadline: float) -> None:
    """Have multipathd do something; success is the reply `ok` and nothing else. Raises CommandError with its reply."""
    reply = ask(host, command, deadline)
    if reply != "ok":
        raise CommandError(f"multipathd answered {command!r} with {reply!r}", command=command, reply=reply)


def show_maps(host: Host, deadline: float) -> list[DaemonMap]:
    """Return all maps multipathd keeps. Raises as `ask` does.

    One map that goes away while the daemon lists them spoils the whole reply: it is asked again.
    """

    def once() -> list[DaemonMap] | None:
        reply = ask(host, "show maps json", deadline)
        return parse_maps(reply) if reply.startswith("{") else None

    maps = wait_until(host, once, lambda answer: answer is not None, deadline)
    if maps is None:
        raise CommandError(f"multipathd could not list its maps within {deadline:g} s", command="show maps json")
    return maps


def show_paths(host: Host, deadline: float) -> list[KnownPath]:
    """Return all paths multipathd monitors, those without a map included. Raises as `ask` does."""
    return parse_paths(ask(host, "show paths raw format %d|%w|%T", deadline))


def is_busy(host: Host, deadline: float) -> bool:
    """Tell whether multipathd works through events of udev or reads its configuration. Raises as `ask` does."""
    return parse_busy(ask(host, "show daemon", deadline), ask(host, "show status", deadline))


def parse_busy(daemon: str, status: str) -> bool:
    """Return whether replies to `show daemon` ("pid 170 idle") and `show status` ("... busy: False") tell of work."""
    return daemon.split()[-1:] not in (["idle"], ["running"]) or "busy: False" not in status


def parse_maps(text: str) -> list[DaemonMap]:
    """Return the maps in a reply to `show maps json`. Raises CommandError when it is none."""
    try:
        return [_map(told) for told in json.loads(text)["maps"]]
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise CommandError(f"multipathd's list of maps makes no sense: {wrong!r}", command="show maps json") from wrong


def parse_paths(text: str) -> list[KnownPath]:
    """Return the paths in a reply to `show paths raw format %d|%w|%T`."""
    rows = [line.split("|") for line in text.splitlines()]
    return [KnownPath(row[0].strip(), row[1].strip(), row[2].strip()) for row in rows if len(row) == 3]


def _map(told: Mapping[str, Any]) -> DaemonMap:
    paths = [
        DaemonPath(path["dev"], path.get("chk_st", "undef"), path.get("dm_st", "undef"))
        for group in told.get("path_groups", ())
        for path in group.get("paths", ())
    ]
    return DaemonMap(
        name=told["name"],
        wwid=told["uuid"],
        dm=told["sysfs"],
        queueing=told.get("queueing", "-"),
        features=told.get("features", ""),
        read_only=told.get("write_prot") == "ro",
        paths=tuple(paths),
    )


def _connect(host: Host, deadline: float) -> socket.socket:
    addresses = [host.path(SOCKET_FILE)] if host.root else [ABSTRACT_SOCKET, SOCKET_FILE]
    refused: OSError | None = None
    for address in addresses:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        connection.settimeout(deadline)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            refused = refused or error
        else:
            return connection
    why = refused.strerror if refused else "no address"
    raise UnavailableError(f"multipathd's socket cannot be reached ({why}): {_NOT_RUNNING}", service="multipathd")


def _receive(host: Host, connection: socket.socket, length: int, until: float) -> bytes:
    """Receive exactly `length` bytes before the clock reads `until`."""
    received = bytearray()
    while len(received) < length:
        left = until - host.clock.monotonic()
        if left <= 0:
            raise socket.timeout
        connection.settimeout(left)
        chunk = connection.recv(min(length - len(received), 1 << 20))
        if not chunk:
            raise ConnectionResetError(errno.ECONNRESET, "the daemon closed the connection")
        received += chunk
    return bytes(received)
