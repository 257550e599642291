# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that makes virtual HBAs at boot: `virt-san-boot.pyz vhba WWPN`, `virt-san-boot.pyz status`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ansible_collections.virt.san.plugins.module_utils._boot.console import DONE, NOT_UP, answer, say
from ansible_collections.virt.san.plugins.module_utils._boot.vhba import bring_up, is_up, port_state
from ansible_collections.virt.san.plugins.module_utils._host import systemd
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.kept import defined, read_definition
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn, parse_wwn
from ansible_collections.virt.san.plugins.module_utils._model.units import POOLS

USAGE = """\
usage: virt-san-boot.pyz vhba WWPN   make the vHBA of this definition, waiting for its port as long as it takes
       virt-san-boot.pyz status      say of each definition whether its vHBA is up; exit code 3 if one is not
"""


def main() -> None:
    raise SystemExit(run(Host(), sys.argv[1:]))


def run(host: Host, words: Sequence[str]) -> int:
    """Do what the words say and return the exit code."""

    def work() -> int | None:
        if len(words) == 2 and words[0] == "vhba":
            return vhba(host, parse_wwn(words[1]))
        return status(host) if list(words) == ["status"] else None

    return answer(USAGE, work)


def vhba(host: Host, wwpn: Wwn) -> int:
    """Bring one vHBA up; what needs it is started once more if it was late."""
    host.require_root("making a vHBA")
    late = bring_up(host, wwpn, say, lambda status: systemd.tell(ready=True, status=status))
    if late:
        systemd.start_soon(host, POOLS)
        systemd.tell(ready=True, status="done")
    return DONE


def status(host: Host) -> int:
    """Say of each definition how far it is."""
    up = []
    for wwpn in defined(host):
        wanted = read_definition(host, wwpn)
        if wanted is not None:
            up.append(is_up(host, wwpn))
            state = port_state(host, wanted.parent)
            say(f"vHBA {wwpn}: {'up' if up[-1] else 'not up'}; HBA {wanted.parent}: {state}")
    return DONE if all(up) else NOT_UP
