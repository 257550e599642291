# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes storage pools start at boot: the names and contents of the files. Nothing is read or written here."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._model.pool import escaped
from ansible_collections.virt.san.plugins.module_utils._model.units import GUESTS, POOL_SERVICE, POOLS

DEFINITIONS = "/etc/virt-san/pools"
STARTED = "/run/virt-san/pools"
"""By which definition a pool was started, until the next boot."""
PROGRAM = "/usr/local/lib/virt-san/virt-san-pools.pyz"
SERVICE = POOL_SERVICE
FOLDERS = (DEFINITIONS, "/etc/virt-san")
STARTED_FOLDERS = (STARTED, "/run/virt-san")
PROGRAM_FOLDERS = ("/usr/local/lib/virt-san",)
"""Removed, inner ones first, with the last file; others may keep something there."""

START_DEADLINE = 180
"""Seconds until systemd gives a start up. The program is far quicker in giving up what does not come."""

_SERVICE = """\
# Written by the Ansible module virt.san.storage_pool, which also removes it. Change it by a drop-in.
[Unit]
Description=Storage pool %I
ConditionPathExists={definitions}/%I.xml
Wants=network-online.target
After={pools} network-online.target remote-fs-pre.target iscsid.service multipathd.service
Before={guests}

[Service]
# It says that it is ready once the pool is, or once waiting would hold up the boot: then it goes on trying by itself.
Type=notify
RemainAfterExit=yes
TimeoutStartSec={deadline}
ExecStart={python} -I {program} start %I
SyslogIdentifier=virt-san-pool

[Install]
WantedBy={pools} multi-user.target
"""


def definition_path(name: str) -> str:
    """Return where the definition of a pool is kept."""
    return f"{DEFINITIONS}/{name}.xml"


def kept_path(definition: str) -> str:
    """Return where that is kept which a definition in XML cannot say."""
    return f"{definition[: -len('.xml')]}.json"


def started_path(name: str) -> str:
    """Return where it is noted by which definition a pool was started."""
    return f"{STARTED}/{name}.xml"


def lock_path(name: str) -> str:
    """Return the lock of one pool: what takes long for one is no reason for others to wait."""
    return f"/run/virt-san-pool-{name}.lock"


def unit_name(name: str) -> str:
    """Return the unit that starts a pool at boot."""
    return f"{UNIT}{escaped(name)}.service"


UNIT = "virt-san-pool@"


def service_text(python: str) -> str:
    """Return the template of the units, one for each pool."""
    return _SERVICE.format(
        definitions=DEFINITIONS, pools=POOLS, guests=GUESTS, deadline=START_DEADLINE, python=python, program=PROGRAM
    )
