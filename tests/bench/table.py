# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of all benchmarks: what was measured, what was promised, met or missed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEADINGS = ("Benchmark", "Measured", "Start-up", "Promised", "")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    promised: str = ""
    """Empty: the line only informs."""
    met: bool | None = None
    startup: str = ""
    """What interpreter and Ansible take before main(): measured apart, not part of `measured`."""

    @property
    def verdict(self) -> str:
        return {None: "", True: "met", False: "MISSED"}[self.met]

    def cells(self) -> tuple[str, ...]:
        return (self.what, self.measured, self.startup, self.promised, self.verdict)


def at_most(what: str, value: float, limit: float, unit: str = "", note: str = "") -> Row:
    """Return the line of a value that must not be above `limit`."""
    measured = f"{value:.2f} {unit}".strip() + (f" ({note})" if note else "")
    return Row(what, measured, f"at most {limit:g} {unit}".strip(), value <= limit)


def at_least(what: str, value: float, limit: float, unit: str = "", note: str = "") -> Row:
    """Return the line of a value that must not be below `limit`."""
    measured = f"{value:.2f} {unit}".strip() + (f" ({note})" if note else "")
    return Row(what, measured, f"at least {limit:g} {unit}".strip(), value >= limit)


def render(rows: Iterable[Row]) -> str:
    """Return the lines as a table in reStructuredText, which also reads well on a terminal."""
    cells = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) or 1 for column in range(len(HEADINGS))]
    rule = "  ".join("=" * width for width in widths)

    def text(line: Sequence[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()

    return "\n".join([rule, text(cells[0]), rule, *(text(line) for line in cells[1:]), rule]) + "\n"


def missed(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.met is False]
