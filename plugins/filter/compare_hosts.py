# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what hosts see of the SAN."""

from __future__ import annotations

DOCUMENTATION = r"""
name: compare_hosts
short_description: Prove that all hosts see the same logical units
version_added: 0.1.0
author:
  - virt.san contributors (@virt-san)
description:
  - Compares the logical units that several hosts returned from M(virt.san.scsi_rescan), M(virt.san.multipath_devices)
    or M(virt.san.lun_facts) by WWID, size and number of paths.
  - LUN numbers may differ from host to host; they are not an identity.
positional: _input
options:
  _input:
    description:
      - From host name to what the host saw, a dictionary with C(luns) (list of logical units) and, when the
        host's own check failed, C(failure) (its message).
      - An empty dictionary stands for a host that gave no answer in this run.
    type: dict
    required: true
  paths:
    description: Number of paths every logical unit must have on every host. Not checked when omitted.
    type: int
"""

EXAMPLES = r"""
- name: Compare all hosts of the group
  ansible.builtin.set_fact:
    comparison: >-
      {{ dict(groups['kvm'] | zip(groups['kvm'] | map('extract', hostvars) | map(attribute='view', default={})))
         | virt.san.compare_hosts(paths=2) }}
  run_once: true
"""

RETURN = r"""
_value:
  description: What the comparison found.
  type: dict
  contains:
    same:
      description: Whether every host compared sees the same units, sizes and number of paths.
      type: bool
    compared:
      description: Hosts that were compared.
      type: list
      elements: str
    not_compared:
      description: Hosts that gave no answer, with the reason.
      type: dict
    problems:
      description: For each host what it misses, a list of messages.
      type: dict
    conflicts:
      description: For each host where it contradicts the others, a list of messages.
      type: dict
    summary:
      description: Lines for people, saying which host sees what through which paths.
      type: list
      elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._plan.compare import HostView, compare_hosts, summarise


def compare(views: Mapping[str, Mapping[str, Any]], paths: int | None = None) -> dict[str, Any]:
    """Return the comparison of the hosts' views as plain data."""
    parsed = {
        str(host): HostView(tuple(view.get("luns") or ()), view.get("failure")) if view else None
        for host, view in views.items()
    }
    comparison = compare_hosts(parsed, paths)
    return dict(comparison.to_dict(), summary=summarise(parsed, comparison))


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"compare_hosts": compare}
