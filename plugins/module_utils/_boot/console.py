# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs that run at boot have in common: how they answer, and to whom."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from ansible_collections.virt.san.plugins.module_utils._errors import SanError

DONE, FAILED, MISUSED, NOT_UP = 0, 1, 2, 3


def answer(usage: str, work: Callable[[], int | None]) -> int:
    """Return the exit code. `work` returns its own, or None where nothing is known by the words it was given."""
    try:
        code = work()
    except SanError as error:
        return _failed(error.message)
    except (OSError, ValueError) as error:
        return _failed(str(error))
    if code is None:
        sys.stderr.write(usage)
        return MISUSED
    return code


def say(line: str, level: int = 6) -> None:
    """Write a line for people, to the journal with its level."""
    prefix = f"<{level}>" if "JOURNAL_STREAM" in os.environ else ""
    sys.stdout.write(f"{prefix}{line}\n")
    sys.stdout.flush()


def _failed(why: str) -> int:
    say(why, level=3)
    return FAILED
