# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who keeps pools: the seam between what the collection knows about pools and where they are written down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan, Step
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known


class PoolKeeper(Protocol):
    """Keeps definitions, and notes of which pools run. `pools_native.py` does so in files of its own."""

    def names(self) -> tuple[str, ...]:
        """Return the names of all pools that are written down, transient ones too."""

    def look(self, name: str) -> Known:
        """Return what is written down of a pool."""

    def boot_plan(self, name: str, autostart: bool | None) -> Plan:
        """Return what has a pool started at boot, or not; with None, what keeps it as it is.

        Raises UnavailableError where the host cannot do it.
        """

    def quiet_steps(self, name: str) -> tuple[Step, ...]:
        """Return what ends whoever is about to start a pool by himself."""

    def start_at_boot(self, names: Sequence[str]) -> set[str]:
        """Return those of these pools that start at boot."""

    def perform(self, step: Step) -> bool:
        """Carry out a step, if it is about what is written down; tell whether it is. Raises SanError, OSError."""
