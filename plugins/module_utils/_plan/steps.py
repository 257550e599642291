# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is. Pure: a plan says what would be done, `_apply` does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Step(Protocol):
    """One change to the host. Steps are frozen dataclasses, one class a kind of change."""

    def describe(self) -> str:
        """Say in one line what the step does, as an administrator would: verb, object, identity."""


@dataclass(frozen=True)
class Plan:
    """Steps in their order, and the state before and after them as a person compares it.

    `before` and `after` hold what the plan is about and nothing else: `changed` and the diff
    come from them alone, never from the number of steps (a scan may find nothing).
    """

    steps: tuple[Step, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Tell whether carrying out the plan is expected to change the host."""
        return self.before != self.after

    def describe(self) -> list[str]:
        """Return the steps as lines."""
        return [step.describe() for step in self.steps]
