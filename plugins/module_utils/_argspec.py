# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option groups that several modules share, and the parsers that turn options into the model's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ansible_collections.virt.san.plugins.module_utils._errors import InputError

Parsed = TypeVar("Parsed")

LOCK_TIMEOUT: dict[str, Any] = {"lock_timeout": {"type": "float", "default": 60.0}}
"""For every module that changes a host: seconds to wait for another run."""

CHAP: dict[str, Any] = {
    "type": "dict",
    "options": {
        "username": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "mutual_username": {"type": "str"},
        "mutual_password": {"type": "str", "no_log": True},
    },
    "required_together": [("mutual_username", "mutual_password")],
}
"""Names and passwords of an iSCSI login."""


def parsed(option: str, parse: Callable[[Any], Parsed], value: Any) -> Parsed:
    """Return `parse(value)`; its ValueError becomes an InputError that names the option."""
    try:
        return parse(value)
    except ValueError as wrong:
        raise InputError(f"{option}: {wrong}", option=option) from wrong


def parsed_list(option: str, parse: Callable[[Any], Parsed], values: Iterable[Any] | None) -> tuple[Parsed, ...]:
    """Return every value parsed, in order, without repetitions."""
    return tuple(dict.fromkeys(parsed(option, parse, value) for value in values or ()))
