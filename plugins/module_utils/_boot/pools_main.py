# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that starts storage pools at boot: `virt-san-pools.pyz start NAME`, `virt-san-pools.pyz status`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ansible_collections.virt.san.plugins.module_utils._apply.pool_info import gather
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper, defined
from ansible_collections.virt.san.plugins.module_utils._boot.console import DONE, NOT_UP, answer, say
from ansible_collections.virt.san.plugins.module_utils._boot.pools import bring_up
from ansible_collections.virt.san.plugins.module_utils._host import systemd
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.pool import parse_pool_name

USAGE = """\
usage: virt-san-pools.pyz start NAME   start this pool, trying as long as it takes
       virt-san-pools.pyz status       say of each pool that is defined whether it runs; exit code 3 if one does not
"""


def main() -> None:
    raise SystemExit(run(Host(), sys.argv[1:]))


def run(host: Host, words: Sequence[str]) -> int:
    """Do what the words say and return the exit code."""

    def work() -> int | None:
        if len(words) == 2 and words[0] == "start":
            return start(host, parse_pool_name(words[1]))
        return status(host) if list(words) == ["status"] else None

    return answer(USAGE, work)


def start(host: Host, name: str) -> int:
    """Start one pool, trying as long as it takes."""
    host.require_root("starting a pool")
    bring_up(host, name, say, lambda status: systemd.tell(ready=True, status=status))
    return DONE


def status(host: Host) -> int:
    """Say of each definition whether its pool runs."""
    pools = gather(host, NativeKeeper(host), defined(host), lister=None)
    for pool in pools:
        say(f"pool {pool['name']}: {', '.join(filter(None, (pool['state'], pool['problem'])))}")
    return DONE if all(pool["state"] == "active" for pool in pools) else NOT_UP
