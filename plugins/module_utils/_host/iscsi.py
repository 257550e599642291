# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iSCSI sessions and their connections, as the kernel has them.

Only the attributes named here are read: sessions also show the CHAP user names and passwords.
"""

from __future__ import annotations

import re

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.fabric import IscsiSession

INITIATOR_FILE = "/etc/iscsi/initiatorname.iscsi"
SESSIONS = "/sys/class/iscsi_session"
CONNECTIONS = "/sys/class/iscsi_connection"

_HOST = re.compile(r"/host(\d+)/session\d+/")
_SESSION = re.compile(r"^session(\d+)$")


def read_sessions(host: Host) -> list[IscsiSession]:
    """Return all sessions, by number. A session without connection has no portal."""
    found = (_session(host, name) for name in host.entries(SESSIONS))
    return sorted((session for session in found if session is not None), key=lambda session: session.number)


def read_initiator(host: Host) -> str | None:
    """Return the host's own iSCSI name; None where there is none, or where only root may know it."""
    try:
        return parse_initiator(host.read(INITIATOR_FILE) or "")
    except UnavailableError:
        return None


def parse_initiator(text: str) -> str | None:
    """Return the name in an initiatorname.iscsi file; the last one counts, as for iscsid."""
    names = [line.partition("=")[2].strip() for line in text.splitlines() if line.startswith("InitiatorName=")]
    return names[-1].lower() if names and names[-1] else None


def _session(host: Host, name: str) -> IscsiSession | None:
    base = f"{SESSIONS}/{name}"
    number, lies = _SESSION.match(name), _HOST.search(host.link(base) or "")
    target = _known(host, f"{base}/targetname")
    if number is None or lies is None or target is None:
        return None
    connection = f"{CONNECTIONS}/connection{number.group(1)}:0"
    target_id = _known(host, f"{base}/target_id")
    return IscsiSession(
        number=int(number.group(1)),
        host=int(lies.group(1)),
        target=target.lower(),
        tpgt=_number(_known(host, f"{base}/tpgt")),
        initiator=_known(host, f"{base}/initiatorname"),
        interface=_known(host, f"{base}/ifacename"),
        state=_known(host, f"{base}/state") or "UNKNOWN",
        connection_state=_known(host, f"{connection}/state"),
        portal=_portal(host, connection, "persistent_") or _portal(host, connection, ""),
        address=_portal(host, connection, ""),
        recovery_timeout=_number(_known(host, f"{base}/recovery_tmo")),
        target_id=_number(target_id),
    )


def _portal(host: Host, connection: str, prefix: str) -> str | None:
    address = _known(host, f"{connection}/{prefix}address")
    port = _known(host, f"{connection}/{prefix}port")
    return format_portal(address, port) if address and port else None


def format_portal(address: str, port: str) -> str:
    """Return address:port; an IPv6 address stands in brackets, as open-iscsi writes it."""
    return f"[{address}]:{port}" if ":" in address and not address.startswith("[") else f"{address}:{port}"


def _known(host: Host, path: str) -> str | None:
    text = host.read(path)
    return None if text is None or text in ("", "(null)", "<NULL>", "-1") else text


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
