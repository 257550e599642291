# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions of virtual HBAs on a host."""

from __future__ import annotations

import re

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.definitions import (
    DEFINITIONS,
    definition_path,
    parse_definition,
)
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba

_NAME = re.compile(r"^([0-9a-f]{16})\.json$")


def defined(host: Host) -> tuple[Wwn, ...]:
    """Return the WWPNs of all definitions."""
    found = (_NAME.match(name) for name in host.entries(DEFINITIONS))
    return tuple(Wwn(name[1]) for name in found if name)


def read_definition(host: Host, wwpn: Wwn) -> WantedVhba | None:
    """Return a definition; None where there is none. Raises RefusedError for one that cannot be read."""
    text = host.read(definition_path(wwpn))
    if text is None:
        return None
    try:
        vhba = parse_definition(text)
    except ValueError as wrong:
        raise RefusedError(
            f"{definition_path(wwpn)}: {wrong}. Run the task that has made it again", path=definition_path(wwpn)
        ) from wrong
    if vhba.wwpn != wwpn:
        raise RefusedError(f"{definition_path(wwpn)} is about another vHBA, {vhba.wwpn}", path=definition_path(wwpn))
    return vhba
