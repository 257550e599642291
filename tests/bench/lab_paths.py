# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lun_facts beside what administrators would run instead, on a lab machine with 256 paths, in one run.

scsi_debug makes 64 LUNs with four paths each; multipathd builds real maps of them. The tools and
the module take turns; the best time of each counts. The module's time counts from main() on.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import on_lab
import table

MACHINE = "kvm1"
PATHS = 256
PER_LUN = 4


def measure() -> list[table.Row]:
    """Make the paths, measure on the machine, take the paths away. The lab's own LUNs would be measured along."""
    on_lab.lab("clean")
    return rows(on_lab.run(MACHINE, "on_machine.py", PATHS, PER_LUN))


def rows(told: dict[str, float]) -> list[table.Row]:
    """Return the lines for what the machine measured, in seconds by name."""
    facts, empty = told.pop("lun_facts"), told.pop("empty module")
    start, empty_start = told.pop("lun_facts start"), told.pop("empty module start")
    complete = told.pop("luns") == PATHS // PER_LUN and told.pop("paths") == PATHS
    floor = 2 * (told["lsscsi"] + told["multipathd show maps json"])
    return [
        *(table.Row(f"{name}, {PATHS} paths", f"{seconds:.2f} s") for name, seconds in told.items()),
        table.Row("empty module", f"{empty:.2f} s", startup=f"{empty_start:.2f} s"),
        table.Row(
            f"lun_facts, {PATHS} paths", f"{facts:.2f} s", "all LUNs and paths", complete, startup=f"{start:.2f} s"
        ),
        table.at_most("lun_facts / (lsscsi + show maps json)", 2 * facts / floor, 2, "x"),
        table.at_least("multipath -ll / lun_facts", told["multipath -ll"] / facts, 5, "x"),
    ]


if __name__ == "__main__":
    print(table.render(measure()), end="")
