# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a plan's steps in their order, say how far it got when one fails, and what came of it in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, SanError
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step

AnyStep = TypeVar("AnyStep", bound=Step)


@dataclass(frozen=True)
class Report:
    """What a module has to say."""

    changed: bool
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What becomes return values."""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def carry_out(steps: Sequence[AnyStep], perform: Callable[[AnyStep], None]) -> None:
    """Perform every step. Raises ApplyError that names the step that failed, why, and those completed before."""
    completed: list[str] = []
    for step in steps:
        try:
            perform(step)
        except (SanError, OSError) as error:
            why = error.message if isinstance(error, SanError) else str(error)
            before = f"; completed before: {'; '.join(completed)}" if completed else "; nothing was changed before"
            details = error.details if isinstance(error, SanError) else {}
            raise ApplyError(
                f"{step.describe()}: failed: {why}{before}. Running the task again continues from here",
                **{**details, "cause": type(error).__name__, "failed": step.describe(), "completed": completed},
            ) from error
        completed.append(step.describe())
