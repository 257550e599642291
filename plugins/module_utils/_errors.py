# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that may cross from one room of the core to another.

Every error says what happened, where, why and what to do about it. `details` holds the same
facts for programs: JSON types only, no secrets.
"""

from __future__ import annotations

from typing import Any


class SanError(Exception):
    """Base of all errors an administrator is meant to read."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InputError(SanError):
    """An option has a value that cannot be right; nothing was read or written because of it."""


class NotFoundError(SanError):
    """Something named by the user does not exist on this host."""


class RefusedError(SanError):
    """The plan would do harm; refused before the first write."""


class InUseError(RefusedError):
    """A device is in use; the holders are named in `details`."""


class IdentityError(RefusedError):
    """A device is not the logical unit it is taken for, or two units claim one identity."""


class AmbiguousError(RefusedError):
    """A request fits more than one thing; the candidates are in `details`."""


class UnavailableError(SanError):
    """A service, tool or permission that the work needs is missing."""


class CommandError(SanError):
    """A command or daemon answered with an error, or not in time."""


class WaitTimeoutError(SanError):
    """What was waited for did not come; the last observed state is in `details`."""


class LockedError(SanError):
    """Another run holds the host's lock; the holder is named."""


class ApplyError(SanError):
    """A step of a plan failed; `details` names the steps completed and the one that failed."""
