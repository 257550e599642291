# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give logical units their aliases."""

from __future__ import annotations

DOCUMENTATION = r"""
name: name_devices
short_description: Give logical units their aliases
version_added: 0.1.0
author:
  - virt.san contributors (@virt-san)
description:
  - Turns the logical units a host sees into the O(virt.san.multipath_devices#module:devices) option of
    M(virt.san.multipath_devices), with aliases given by LUN number or WWID.
positional: _input, aliases
options:
  _input:
    description: Logical units, as RV(virt.san.scsi_rescan#module:luns) returns them.
    type: list
    elements: dict
    required: true
  aliases:
    description: From LUN number or WWID to the name of the multipath device. Units without an entry get none.
    type: dict
    default: {}
  paths:
    description: Number of paths every device must have.
    type: int
"""

EXAMPLES = r"""
- name: Create multipath devices with names
  virt.san.multipath_devices:
    devices: "{{ scan.luns | virt.san.name_devices({27: 'guests27', 28: 'guests28'}, paths=2) }}"
"""

RETURN = r"""
_value:
  description: A list of C(wwid), C(alias) and C(paths).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._plan.naming import name_devices


def devices(
    units: Sequence[Mapping[str, Any]], aliases: Mapping[Any, str] | None = None, paths: int | None = None
) -> list[dict[str, Any]]:
    """Return WWID, alias and number of paths for every unit. Raises ValueError with the reason."""
    try:
        return name_devices(units, aliases or {}, paths)
    except SanError as error:
        raise ValueError(error.message) from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"name_devices": devices}
