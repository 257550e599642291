# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which alias belongs to which logical unit. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import AmbiguousError, InputError
from ansible_collections.virt.san.plugins.module_utils._model.ids import parse_wwid
from ansible_collections.virt.san.plugins.module_utils._plan.compare import Unit, lun_numbers, unit_title


def name_devices(units: Sequence[Unit], aliases: Mapping[Any, str], paths: int | None = None) -> list[dict[str, Any]]:
    """Return the `devices` option of multipath_devices for these units.

    `aliases` goes from LUN number or WWID to name; a WWID beats a number. Raises AmbiguousError
    when a number fits two units and InputError when a key is neither.
    """
    chosen: dict[str, str] = {}
    for key, alias in sorted(aliases.items(), key=lambda item: not str(item[0]).isdigit()):
        matches = [unit for unit in units if _fits(key, unit)]
        if len(matches) > 1:
            told = ", ".join(unit_title(unit) for unit in matches)
            raise AmbiguousError(f"alias {alias}: {key} is more than one logical unit: {told}; name it by WWID")
        if matches:
            chosen[matches[0]["wwid"]] = alias
    extra = {} if paths is None else {"paths": paths}
    named = ({"wwid": unit["wwid"]} for unit in units)
    return [{**device, **_alias(chosen.get(device["wwid"])), **extra} for device in named]


def _alias(alias: str | None) -> dict[str, str]:
    return {} if alias is None else {"alias": alias}


def _fits(key: Any, unit: Unit) -> bool:
    text = str(key)
    if text.isdigit() and len(text) < 6:
        return int(text) in lun_numbers(unit)
    try:
        return bool(parse_wwid(text) == unit["wwid"])
    except ValueError as wrong:
        raise InputError(f"aliases: {key!r} is neither a LUN number nor a WWID: {wrong}") from wrong
