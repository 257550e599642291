# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NFS servers: what they export."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

EVERYBODY = ("(everyone)", "*")


class Export(NamedTuple):
    """A folder that a server exports."""

    folder: str
    clients: tuple[str, ...]
    """Whom it is exported to, as the server says; empty: to everybody."""


def read_exports(host: Host, server: str, deadline: float) -> tuple[Export, ...]:
    """Ask a server for its exports; nothing is mounted. `deadline` is seconds.

    Raises CommandError where it does not tell, UnavailableError without the NFS client.
    """
    try:
        done = host.run(["showmount", "--no-headers", "--exports", server], deadline)
    except CommandError as error:
        raise CommandError(
            f"{server} does not tell what it exports: {error.message}. Is the name right, and the network up? A server "
            "of NFS 4 alone tells nobody",
            server=server,
        ) from error
    return parse_exports(done.stdout)


def parse_exports(text: str) -> tuple[Export, ...]:
    """Return the exports in `/srv/a b  10.0.0.0/8,kvm1` or `/srv (everyone)`: the last word is whom they are for."""
    found = []
    for line in text.splitlines():
        folder, _space, clients = line.rstrip().rpartition(" ")
        folder = folder.rstrip()
        if folder.startswith("/"):
            found.append(Export(folder, tuple(one for one in clients.split(",") if one not in EVERYBODY)))
    return tuple(sorted(found))
