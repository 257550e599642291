# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run works on while it lets others have the host's lock. Stdlib only, nothing is read here."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """Files and devices that nobody else may change meanwhile, by all the paths that are known of them."""

    what: str
    """What it is for: "volume web01 of pool guests"."""
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    pid: int = 0
    pool: str = ""
    """In which the volume is: that tells also where no folder does, as of partitions."""

    def keeps_from(self, other: Claim) -> str | None:
        """Say what another run cannot do meanwhile, and because of whom; None where neither is in the other's way."""
        for path in other.writes + other.reads:
            if path in self.writes:
                return f"{path} is being written by pid {self.pid} ({self.what})"
        for path in other.writes:
            if path in self.reads:
                return f"{path} is being copied by pid {self.pid} ({self.what})"
        return None

    def is_below(self, place: str) -> bool:
        """Tell whether something of it is in a folder, or in a volume group by the folder of its devices."""
        return any(path.startswith(f"{place.rstrip('/')}/") for path in self.writes + self.reads)

    def __str__(self) -> str:
        return f"{self.what} (pid {self.pid})"


def claim_text(claim: Claim) -> str:
    """Return it for a file, beginning as that of the host's lock does: who looks for the process finds it in both."""
    told = {"pid": claim.pid, "what": claim.what, "pool": claim.pool, "writes": claim.writes, "reads": claim.reads}
    return json.dumps(told)


def parse_claim(text: str) -> Claim | None:
    """Return what claim_text has written; None for what is not, or not yet, a whole one."""
    try:
        told = json.loads(text)
        paths = tuple(told["writes"]), tuple(told["reads"])
        return Claim(str(told["what"]), *paths, int(told["pid"]), str(told["pool"]))
    except (ValueError, KeyError, TypeError):
        return None
