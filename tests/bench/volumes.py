# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""storage_pool_info beside virsh, on both lab hosts, in one run: pools of a thousand volumes, refreshed and listed.

virsh refreshes the pool and lists its volumes with their details, both in one call. The module reads them anew anyway.
Both take turns. Of neither counts its start; what virsh needs to start is what `virsh uri` takes. What is compared was
measured in one round: an emulated machine may be slower for a while. The median of the rounds counts.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import on_lab
import table

HOSTS = ("kvm1", "kvm2")
VOLUMES = 1_000
KINDS = {"dir": f"{VOLUMES:,} files", "logical": f"{VOLUMES:,} logical volumes"}
"""By type of pool."""


def measure() -> list[table.Row]:
    """Make a pool of each type on each host, and measure there. The lab's own LUNs would be measured along."""
    on_lab.lab("clean")
    return [
        row
        for host in HOSTS
        for kind, what in KINDS.items()
        for row in rows(f"{host}, {what}", on_lab.run(host, "on_machine_volumes.py", kind, VOLUMES))
    ]


def rows(where: str, rounds: list[dict[str, float]]) -> list[table.Row]:
    """Return the lines for what a machine measured, in seconds by name."""
    middle = {name: statistics.median(told[name] for told in rounds) for name in rounds[0]}
    ratios = [told["module"] / told["virsh"] for told in rounds]
    note = f"at worst {max(ratios):.2f}"
    return [
        table.Row(
            f"{where}: virsh pool-refresh, vol-list --details",
            f"{middle['virsh']:.2f} s",
            startup=f"{middle['virsh start']:.2f} s",
        ),
        table.Row(
            f"{where}: storage_pool_info", f"{middle['module']:.2f} s", startup=f"{middle['module start']:.2f} s"
        ),
        table.at_most(f"{where}: storage_pool_info / virsh", statistics.median(ratios), 1, "x", note),
    ]


if __name__ == "__main__":
    print(table.render(measure()), end="")
