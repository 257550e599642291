# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that starts storage pools at boot: `virt-san-pools.pyz start NAME`, `virt-san-pools.pyz status`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ansible_collections.virt.san.plugins.module_utils._apply import pool
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper, defined
from ansible_collections.virt.san.plugins.module_utils._boot.pools import bring_up
from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host import systemd
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.pool import parse_pool_name
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted

USAGE = """\
usage: virt-san-pools.pyz start NAME   start this pool, trying as long as it takes
       virt-san-pools.pyz status       say of each pool that is defined whether it runs; exit code 3 if one does not
"""
DONE, FAILED, MISUSED, NOT_UP = 0, 1, 2, 3


def main() -> None:
    raise SystemExit(run(Host(), sys.argv[1:]))


def run(host: Host, words: Sequence[str]) -> int:
    """Do what the words say and return the exit code."""
    try:
        if len(words) == 2 and words[0] == "start":
            host.require_root("starting a pool")
            bring_up(host, parse_pool_name(words[1]), say, lambda status: systemd.tell(ready=True, status=status))
            return DONE
        if list(words) == ["status"]:
            return status(host)
    except SanError as error:
        return _failed(error.message)
    except (OSError, ValueError) as error:
        return _failed(str(error))
    sys.stderr.write(USAGE)
    return MISUSED


def status(host: Host) -> int:
    """Say of each definition whether its pool runs."""
    keeper, up = NativeKeeper(host), []
    for name in defined(host):
        try:
            running = pool.plan(host, keeper, Wanted(name, "present", build="never"), None, "").pool.running
            say(f"pool {name}: {'active' if running else 'inactive'}")
        except SanError as error:
            running = False
            say(f"pool {name}: {error.message}")
        up.append(running)
    return DONE if all(up) else NOT_UP


def say(line: str, level: int = 6) -> None:
    """Write a line for people, to the journal with its level."""
    prefix = f"<{level}>" if "JOURNAL_STREAM" in os.environ else ""
    sys.stdout.write(f"{prefix}{line}\n")
    sys.stdout.flush()


def _failed(why: str) -> int:
    say(why, level=3)
    return FAILED
