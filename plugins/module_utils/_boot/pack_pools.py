# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack the program that starts storage pools at boot."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._boot import pools_main as entry
from ansible_collections.virt.san.plugins.module_utils._boot.packing import program

FILES: tuple[str, ...] = (
    "_apply/carry_out.py",
    "_apply/keep_steps.py",
    "_apply/pool.py",
    "_apply/pool_keeper.py",
    "_apply/pool_look.py",
    "_apply/pool_steps.py",
    "_apply/pools_native.py",
    "_boot/console.py",
    "_boot/pools.py",
    "_boot/pools_main.py",
    "_errors.py",
    "_host/busy.py",
    "_host/children.py",
    "_host/folders.py",
    "_host/guarded.py",
    "_host/host.py",
    "_host/keeping.py",
    "_host/lock.py",
    "_host/mount.py",
    "_host/mounting.py",
    "_host/proc.py",
    "_host/systemd.py",
    "_host/wait.py",
    "_model/pool.py",
    "_model/pool_boot.py",
    "_model/units.py",
    "_plan/keep_steps.py",
    "_plan/pool_boot.py",
    "_plan/steps.py",
    "_pools/base.py",
    "_pools/dir.py",
    "_pools/folders.py",
    "_pools/netfs.py",
    "_pools/plan.py",
    "_pools/registry.py",
    "_pools/steps.py",
    "_xml/library.py",
    "_xml/pool.py",
    "_xml/pool_text.py",
)
"""What the entry imports, directly and indirectly. A test compares the list with the source."""


def packed() -> bytes:
    """Return the program. Raises UnavailableError where the running module does not give its source."""
    return program(entry.__name__, FILES)
