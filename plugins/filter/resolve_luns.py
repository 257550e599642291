# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out which logical units are meant."""

from __future__ import annotations

DOCUMENTATION = r"""
name: resolve_luns
short_description: Find out which logical units are meant
version_added: 0.1.0
author:
  - virt.san contributors (@virt-san)
description:
  - Turns WWIDs and names of multipath devices into WWIDs, by what all hosts see. A name that is not one and the same
    logical unit everywhere is a problem, never a guess.
positional: _input
options:
  _input:
    description: From host name to the logical units it sees, as M(virt.san.lun_facts) returns them.
    type: dict
    required: true
  wwids:
    description: Logical units by identity, in any usual spelling.
    type: list
    elements: str
    default: []
  names:
    description: Names of multipath devices.
    type: list
    elements: str
    default: []
  aliases:
    description: From WWID or LUN number to name, as role C(virt.san.provision) takes them.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Which LUN is guests27
  ansible.builtin.debug:
    msg: "{{ {'kvm1': ansible_facts.san.luns} | virt.san.resolve_luns(names=['guests27']) }}"
"""

RETURN = r"""
_value:
  description: What is meant.
  type: dict
  contains:
    titles:
      description: From WWID to what a person calls the unit.
      type: dict
    problems:
      description: Why it is not known what is meant.
      type: list
      elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._plan.decommission import resolve_luns


def resolve(
    views: Mapping[str, Sequence[Mapping[str, Any]]],
    wwids: Sequence[str] = (),
    names: Sequence[str] = (),
    aliases: Mapping[Any, str] | None = None,
) -> dict[str, Any]:
    """Return the units meant, as plain data."""
    return asdict(resolve_luns(views, list(wwids), list(names), aliases or {}))


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"resolve_luns": resolve}
