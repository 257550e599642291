# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find virtual HBAs of several hosts that would have the same WWNs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: vhba_collisions
short_description: Find virtual HBAs that would have the WWN of another port
version_added: 0.1.0
author:
  - virt.san contributors (@virt-san)
description:
  - Compares the WWNs of the virtual HBAs that hosts are to have with those of all other hosts, and with the ports that
    hosts have already, physical and virtual.
  - Nothing is asked of hosts. WWNs that are derived from names are derived here, as M(virt.san.npiv_vport) does it, so
    that hosts outside the run count as far as the inventory knows them.
positional: _input
options:
  _input:
    description:
      - From host name to a dictionary with C(wanted) (list of virtual HBAs, with the options of
        M(virt.san.npiv_vport)), C(hbas) (those that M(virt.san.lun_facts) returned; left out for a host that was not
        asked), and C(failure) (why asking failed).
      - An empty dictionary stands for a host outside the run.
    type: dict
    required: true
  inventory:
    description:
      - From host name to the virtual HBAs that the inventory wants there; counts for hosts without C(wanted).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Compare two guests' virtual HBAs
  ansible.builtin.debug:
    msg: "{{ {'kvm1': {'wanted': [{'name': 'a'}]}, 'kvm2': {'wanted': [{'name': 'b'}]}} | virt.san.vhba_collisions }}"
"""

RETURN = r"""
_value:
  description: What was found.
  type: dict
  contains:
    problems:
      description: For each host with a virtual HBA that must not be made, a list of messages.
      type: dict
    not_asked:
      description: Hosts whose ports are not known, with the reason. What the inventory wants for them was compared.
      type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.virt.san.plugins.module_utils._plan.vhba_hosts import (
    HostPorts,
    Names,
    find_collisions,
    names_of_hbas,
    wanted_names,
)


def collisions(hosts: Mapping[str, Mapping[str, Any]], inventory: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what is wrong with the vHBAs of several hosts as plain data."""
    known = {host: {"wanted": (inventory or {}).get(host), **view} for host, view in hosts.items()}
    found = find_collisions({str(host): _ports(str(host), view) for host, view in known.items()})
    return {"problems": found.problems, "not_asked": found.not_asked}


def _ports(host: str, view: Mapping[str, Any]) -> HostPorts:
    hbas = view.get("hbas")
    return HostPorts(
        wanted=tuple(_wanted(host, view)),
        has=None if hbas is None else names_of_hbas(hbas),
        failure=view.get("failure") or None,
    )


def _wanted(host: str, view: Mapping[str, Any]) -> list[Names]:
    try:
        names = [wanted_names(vhba) for vhba in view.get("wanted") or ()]
    except ValueError as wrong:
        raise AnsibleFilterError(f"{host}: {wrong}") from wrong
    return [one for one in names if one is not None]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"vhba_collisions": collisions}
