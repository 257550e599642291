#!/usr/bin/python
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What could become a storage pool: volume groups, HBAs, blank devices, iSCSI targets and NFS exports."""

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_pool_sources_info
short_description: Look for what could become a storage pool
version_added: 0.1.0
description:
  - Returns what a host has that M(virt.san.storage_pool) could make a pool of - volume groups with their PVs, HBAs, and
    devices that nothing is on.
  - On demand asks portals which iSCSI targets they have, and NFS servers what they export.
  - Nothing is changed, logged in to or mounted. What does not answer within O(timeout) is a warning and a C(problem) in
    the result, and never makes the module fail or hang.
extends_documentation_fragment:
  - virt.san.attributes
  - virt.san.attributes.reads
options:
  gather_subset:
    description:
      - What to look for on the host itself.
      - V(volume_groups) - all that are seen, those of other hosts, too.
      - V(adapters) - HBAs, virtual ones, too.
      - V(devices) - LUNs and disks of the host's own that nothing is on. Each that nothing uses is read at both ends.
    type: list
    elements: str
    choices: [volume_groups, adapters, devices]
    default: [volume_groups, adapters, devices]
  portals:
    description:
      - Portals of iSCSI arrays to ask for their targets, each an IP address, with the port if it is not 3260.
      - They are asked without a password.
    type: list
    elements: str
    default: []
  nfs_servers:
    description:
      - Names or addresses of NFS servers to ask for their exports. Servers of NFS 4 alone do not tell.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds for each portal and each server, and for reading all devices.
    type: float
    default: 30.0
requirements:
  - for O(portals) C(iscsiadm) and an iSCSI name (C(open-iscsi), C(iscsi-initiator-utils))
  - for O(nfs_servers) C(showmount) (C(nfs-common), C(nfs-utils))
  - for V(volume_groups) C(lvm2)
notes:
  - Needs root.
seealso:
  - module: virt.san.storage_pool
  - module: virt.san.lun_facts
author:
  - virt.san contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: What is there?
  virt.san.storage_pool_sources_info:
    portals: [10.77.1.1, 10.77.2.1]
    nfs_servers: [10.77.1.1]
  register: sources

- name: A volume group on all blank LUNs that other hosts see as well
  virt.san.storage_pool:
    name: guests
    type: logical
    source:
      devices: "{{ sources.devices | selectattr('shared') | map(attribute='wwid') }}"

- name: A pool for the first target of the array
  virt.san.storage_pool:
    name: array1
    type: iscsi
    source:
      target: "{{ target.target }}"
      portals: "{{ target.portals | map(attribute='portal') }}"
  vars:
    target: "{{ sources.iscsi[0].targets[0] }}"

- name: The HBAs that are up
  ansible.builtin.debug:
    msg: "{{ sources.adapters | selectattr('online') | map(attribute='host') }}"
"""

RETURN = r"""
volume_groups:
  description: Volume groups. V(null) if LVM does not tell, which a warning explains.
  returned: if asked for
  type: list
  elements: dict
  contains:
    name:
      description: Name, for O(virt.san.storage_pool#module:source.name).
      type: str
      sample: guests
    uuid:
      description: Its UUID.
      type: str
    size:
      description: Bytes in all.
      type: int
    free:
      description: Bytes that are free.
      type: int
    system_id:
      description: The host that it belongs to. V(null) if to none.
      type: str
    belongs_here:
      description: Whether this host may use it. One on LUNs that belongs to no host may not be used by any.
      type: bool
    tags:
      description: Its tags; V(virt.san) if this collection has made it.
      type: list
      elements: str
    pvs:
      description: Its PVs, each with C(uuid), C(path), C(wwid), C(size), C(used) (bytes) and C(missing).
      type: list
      elements: dict
    volumes:
      description: Its volumes, each with C(uuid), C(name), C(path), C(size) (bytes) and C(active).
      type: list
      elements: dict
adapters:
  description: HBAs. Fields as those of RV(virt.san.lun_facts#module:ansible_facts.san.hbas), and these.
  returned: if asked for
  type: list
  elements: dict
  contains:
    host:
      description:
        - WWPN or PCI address, for O(virt.san.storage_pool#module:source.adapter.host). V(null) for what has neither, as
          the SCSI host of an iSCSI session.
      type: str
      sample: 2100001b32a1b2c3
    unique_id:
      description: Which of several SCSI hosts of one PCI device it is.
      type: int
    luns:
      description: How many LUNs have a path over it.
      type: int
devices:
  description: Devices that nothing uses and nothing is on. Of a LUN with several paths it is the multipath device.
  returned: if asked for
  type: list
  elements: dict
  contains:
    path:
      description: Where it is.
      type: str
      sample: /dev/mapper/36001405aaaa
    wwid:
      description: Identity of a LUN, for O(virt.san.storage_pool#module:source.devices). V(null) for other disks.
      type: str
      sample: 36001405aaaa
    by_id:
      description: Its name below C(/dev/disk/by-id), if it is a LUN.
      type: str
    size:
      description: Bytes.
      type: int
    shared:
      description: Whether other hosts may see it, too.
      type: bool
devices_not_known:
  description:
    - Devices that nothing is known to use, and that are not offered nevertheless, such as a LUN without its multipath
      device, or one that does not answer.
  returned: if asked for devices
  type: list
  elements: dict
  contains:
    device:
      description: WWID or path.
      type: str
    problem:
      description: Why.
      type: str
iscsi:
  description: What the portals told, in the order of O(portals).
  returned: success
  type: list
  elements: dict
  contains:
    portal:
      description: Address and port.
      type: str
      sample: 10.77.1.1:3260
    targets:
      description: Targets that it has for this host, each as C(target) with its C(portals) (C(portal), C(tpgt)).
      type: list
      elements: dict
    reason:
      description:
        - Kind of what is wrong, as in RV(virt.san.iscsi_session#module:portals[].reason). V(null) if nothing is.
      type: str
    problem:
      description: What is wrong, and what to do.
      type: str
nfs:
  description: What the servers told, in the order of O(nfs_servers).
  returned: success
  type: list
  elements: dict
  contains:
    server:
      description: As it was asked for.
      type: str
    exports:
      description:
        - Each with C(dir), for O(virt.san.storage_pool#module:source.dir), and C(clients); none means everybody.
      type: list
      elements: dict
      sample: [{"dir": "/srv/nfs", "clients": ["10.77.0.0/16"]}]
    problem:
      description: Why it told nothing.
      type: str
error:
  description: Kind of failure - V(InputError), V(UnavailableError) (no permission).
  returned: on failure
  type: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._apply.pool_sources import SUBSETS, Wanted, gather
from ansible_collections.virt.san.plugins.module_utils._argspec import parsed, parsed_list
from ansible_collections.virt.san.plugins.module_utils._entry import Outcome, run_info
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import parse_portal
from ansible_collections.virt.san.plugins.module_utils._model.options import parse_deadline
from ansible_collections.virt.san.plugins.module_utils._model.pool import parse_server


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "gather_subset": {"type": "list", "elements": "str", "choices": list(SUBSETS), "default": list(SUBSETS)},
            "portals": {"type": "list", "elements": "str", "default": []},
            "nfs_servers": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float", "default": 30.0},
        },
        supports_check_mode=True,
    )
    run_info(module, look)


def look(host: Host, options: Mapping[str, Any]) -> Outcome:
    wanted = Wanted(
        subsets=frozenset(options["gather_subset"]),
        portals=parsed_list("portals", parse_portal, options["portals"]),
        servers=parsed_list("nfs_servers", parse_server, options["nfs_servers"]),
        deadline=parsed("timeout", parse_deadline, options["timeout"]),
    )
    host.require_root("virt.san.storage_pool_sources_info")
    facts, warnings = gather(host, wanted)
    return Outcome(False, facts, warnings=warnings)


if __name__ == "__main__":
    main()
