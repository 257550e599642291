# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept on a host for its next boot: a definition for each virtual HBA, and what makes one of it.

Names and contents only; nothing is read or written here.
"""

from __future__ import annotations

import json

from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn, parse_wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.plugins.module_utils._model.units import GUESTS, POOLS, VHBA_SERVICE

DEFINITIONS = "/etc/virt-san/vhbas"
PROGRAM = "/usr/local/lib/virt-san/virt-san-boot.pyz"
SERVICE = VHBA_SERVICE
FOLDERS = (DEFINITIONS, "/etc/virt-san", "/usr/local/lib/virt-san")
"""Removed, inner ones first, with the last definition; others may keep something there."""

START_DEADLINE = 180
"""Seconds until systemd gives a start up. The program is far quicker in giving up what does not come."""

_SERVICE = """\
# Written by the Ansible module virt.san.npiv_vport, which also removes it. Change it by a drop-in.
[Unit]
Description=Virtual HBA %i
ConditionPathExists={definitions}/%i.json
Wants={pools}
# A virtual port of a converged card comes with its daemon.
After=fcoe.service
# Not before multipathd: it takes paths that come later.
Before={pools} {guests}

[Service]
# It says that it is ready once the vHBA is there, or once waiting would hold up the boot: then it waits on by itself.
Type=notify
RemainAfterExit=yes
TimeoutStartSec={deadline}
ExecStart={python} -IS {program} vhba %i
SyslogIdentifier=virt-san-vhba

[Install]
WantedBy=multi-user.target
"""


def definition_path(wwpn: Wwn) -> str:
    """Return where the definition of a vHBA is kept."""
    return f"{DEFINITIONS}/{wwpn}.json"


def unit_name(wwpn: Wwn) -> str:
    """Return the unit that makes a vHBA at boot."""
    return f"virt-san-vhba@{wwpn}.service"


def service_text(python: str) -> str:
    """Return the template of the units, one for each vHBA."""
    return _SERVICE.format(
        definitions=DEFINITIONS,
        pools=POOLS,
        guests=GUESTS,
        deadline=START_DEADLINE,
        python=python,
        program=PROGRAM,
    )


def definition_text(vhba: WantedVhba) -> str:
    """Return the content of a definition: the same vHBA always gives the same text."""
    told = {
        "wwpn": vhba.wwpn,
        "wwnn": vhba.wwnn,
        "parent": vhba.parent,
        "symbolic_name": vhba.symbolic_name,
    }
    return json.dumps(told, indent=2) + "\n"


def parse_definition(text: str) -> WantedVhba:
    """Return the vHBA of a definition. Raises ValueError for one that somebody has spoilt."""
    told = json.loads(text)
    if not isinstance(told, dict):
        raise ValueError("not a JSON object")
    missing = [key for key in ("wwpn", "wwnn", "parent") if not isinstance(told.get(key), str)]
    if missing:
        raise ValueError(f"{', '.join(missing)} is missing")
    name = told.get("symbolic_name")
    return WantedVhba(
        wwpn=parse_wwn(told["wwpn"]),
        wwnn=parse_wwn(told["wwnn"]),
        parent=parse_wwn(told["parent"]),
        symbolic_name=name if isinstance(name, str) else None,
    )
