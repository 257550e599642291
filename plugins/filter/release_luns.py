# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell whether logical units have left all hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: release_luns
short_description: Tell whether logical units have left all hosts
version_added: 0.1.0
author:
  - virt.san contributors (@virt-san)
description:
  - Lists what the storage team may unmap, once every host is clean. Before that the list is empty, and the hosts that
    stand in the way are named.
positional: _input, titles
options:
  _input:
    description:
      - From host name to what was found there in the end, a dictionary with C(left) (WWIDs that are still there) and
        C(failure) (why the host failed, if it did).
      - An empty dictionary stands for a host that gave no answer.
    type: dict
    required: true
  titles:
    description: From WWID to what a person calls the unit.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: What may be unmapped
  ansible.builtin.debug:
    msg: "{{ views | virt.san.release_luns({'36001405b2b3c4d5e6f708192a3b4c5d6': 'guests27'}) }}"
"""

RETURN = r"""
_value:
  description: What may be done.
  type: dict
  contains:
    luns:
      description: What may be unmapped, all or nothing.
      type: list
      elements: str
    in_the_way:
      description: From host to why it is not known to be clean.
      type: dict
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._plan.decommission import release_luns


def release(views: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> dict[str, Any]:
    """Return what may be unmapped, as plain data."""
    return asdict(release_luns(views, titles))


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"release_luns": release}
