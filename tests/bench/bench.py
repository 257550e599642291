# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All benchmarks in one run, or the parts that are named, as one table.

Needs the running lab, and a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import facts_scale
import fleet
import lab_paths
import npiv
import table
import volumes

PARTS = {part.__name__: part for part in (facts_scale, lab_paths, npiv, volumes, fleet)}


def main() -> int:
    parser = argparse.ArgumentParser()
    # argparse takes no names for an empty list of them, and asks whether that is a choice.
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=", ".join(PARTS))
    chosen = parser.parse_args().parts
    rows: list[table.Row] = []
    failed = False
    for part in [PARTS[name] for name in chosen] or PARTS.values():
        try:
            rows += part.measure()
        except Exception:  # noqa: BLE001 - whatever it is, it is shown, and the run counts as failed
            # Minutes of measuring came before: what they found is shown all the same.
            failed = True
            print(f"{part.__name__} failed:", file=sys.stderr)
            traceback.print_exc()
    print(table.render(rows), end="")
    missed = table.missed(rows)
    for row in missed:
        print(f"missed: {row.what}: {row.measured}, {row.promised}", file=sys.stderr)
    return 1 if missed or failed else 0


if __name__ == "__main__":
    sys.exit(main())
