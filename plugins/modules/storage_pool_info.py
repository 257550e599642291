#!/usr/bin/python
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What storage pools there are on a host, what they are on, and which volumes are in them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_pool_info
short_description: Look at storage pools and their volumes
version_added: 0.1.0
description:
  - Returns the storage pools of M(virt.san.storage_pool) on a host, with their sizes, what they are on, and their
    volumes.
  - No program is started for a volume. Files are read by their headers, logical volumes by one report of LVM, so that a
    thousand volumes take a moment.
  - What does not answer is a problem of that one pool (RV(pools[].problem)), and never makes the module fail or hang.
extends_documentation_fragment:
  - virt.san.attributes
  - virt.san.attributes.reads
options:
  name:
    description:
      - Names of the pools to look at. By default all. One that is not there is not in the result.
    type: list
    elements: str
  volumes:
    description:
      - Whether to look at the volumes of pools that run.
    type: bool
    default: true
  timeout:
    description:
      - Seconds for reading the volumes of one pool that is a folder.
    type: float
    default: 60.0
requirements:
  - lxml (C(python3-lxml)) on the host
notes:
  - Needs root for pools of type V(logical).
seealso:
  - module: virt.san.storage_pool
  - module: virt.san.storage_volume
author:
  - virt.san contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: All pools with all volumes
  virt.san.storage_pool_info:
  register: storage

- name: Is there room for one more guest?
  ansible.builtin.assert:
    that: (storage.pools | selectattr('name', 'eq', 'guests') | first).available > 50 * 1024 ** 3

- name: On which LUNs is the volume group?
  virt.san.storage_pool_info:
    name: [guests]
    volumes: false
  register: guests

- name: They are the sources with their WWIDs
  ansible.builtin.debug:
    msg: "{{ guests.pools[0].sources | map(attribute='wwid') }}"
"""

RETURN = r"""
pools:
  description: The pools, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: guests
    uuid:
      description: Its UUID.
      type: str
      sample: 5b1c1f7e-1d25-4d0c-9a52-2b0d6f6f4a11
    type:
      description: Its type.
      type: str
      sample: logical
    state:
      description: V(active) or V(inactive), as seen on the host. V(null) if that cannot be told.
      type: str
      sample: active
    built:
      description: Whether there is something that can be started.
      type: bool
    persistent:
      description: Whether it is defined, and so outlasts its being stopped.
      type: bool
    autostart:
      description: Whether it is started at boot.
      type: bool
    restart_needed:
      description: Options in which it runs otherwise than it is defined.
      type: list
      elements: str
    source:
      description: Where the storage comes from, as it is defined.
      type: dict
    target:
      description: Where the volumes are found.
      type: dict
      sample: {"path": "/dev/guests"}
    capacity:
      description: Bytes it has in all. V(null) if it does not run or does not answer.
      type: int
    allocation:
      description: Bytes in use there.
      type: int
    available:
      description: Bytes that are free.
      type: int
    sources:
      description:
        - What it is on. For V(logical) the PVs, each with C(uuid), C(path), C(wwid), C(size), C(used) (bytes) and
          C(missing); for V(netfs) C(host) and C(dir); for V(iscsi) C(target), C(portal) and, where the pool names one,
          C(initiator); for V(scsi) the adapter as in RV(virt.san.storage_pool#module:pool.source), with C(hba), its
          WWPN or PCI address; for others that name devices, their C(path).
        - A PV that is C(missing) has the C(wwid) or the C(path) by which the pool names it, if this collection has made
          it; otherwise neither.
      type: list
      elements: dict
      sample:
        - uuid: Vb2Ylk-xxxx-xxxx-xxxx-xxxx-xxxx-0vPyEw
          path: /dev/mapper/36001405aaaa
          wwid: 36001405aaaa
          size: 107369988096
          used: 53687091200
          missing: false
    volume_group:
      description: For V(logical), C(uuid), C(name), C(size), C(free), C(system_id) and C(tags) of the volume group.
      type: dict
    volumes:
      description:
        - Its volumes. V(null) if the pool does not run or does not answer, if they are not asked for, or if this
          collection does not look at volumes of such pools.
      type: list
      elements: dict
      contains:
        name:
          description:
            - Its name. That of a logical unit is its WWID, that of a partition its label, or V(part1) by its number.
          type: str
          sample: db01-data
        key:
          description:
            - What it is known by for good - the path of a file, the UUID that LVM gave a logical volume, the PARTUUID
              of a partition, the WWID of a logical unit.
          type: str
          sample: 3oEnHX-oYVK-0bzP-qH6h-Jcoh-1dXq-DU1UJN
        path:
          description:
            - Where it is on the host. Of a logical unit the name below C(/dev/disk/by-id) of its multipath device,
              which is the same on every host; of one without a multipath device that of its path. Likewise of a
              partition of one.
          type: str
          sample: /dev/guests/db01-data
        format:
          description: V(raw) or V(qcow2), by its header.
          type: str
          sample: raw
        capacity:
          description: Bytes that its user sees. Of a snapshot that is not thin, its space for what changes.
          type: int
        allocation:
          description: Bytes that it takes in the pool. Of a snapshot that is not thin, how much of its space is taken.
          type: int
        backing:
          description:
            - What it reads from, as C(path) and C(format); for a snapshot of LVM that is not thin its origin. V(null)
              for nothing.
          type: dict
        mode:
          description: Permissions of the file, octal. V(null) for what is a device, as are owner and group.
          type: str
          sample: "0600"
        owner:
          description: Number of the user it belongs to.
          type: int
        group:
          description: Number of the group it belongs to.
          type: int
        thin_pool:
          description: The thin pool that a logical volume is in.
          type: str
        snapshot_of:
          description:
            - Name of the volume that a logical volume is a snapshot of. V(null) if it is none, or its origin is gone.
          type: str
        active:
          description:
            - Whether a logical volume can be used, the host has the device of a partition as its table says, or a
              logical unit has a working path. Files always can be used.
          type: bool
        problem:
          description:
            - Why it cannot be worked with, such as a header that makes no sense, a snapshot that has run full, or
              several paths and no multipath device.
          type: str
    problem:
      description:
        - Why something is not known of the pool or of what is on its device, as of one that has become smaller than its
          GPT says, or which PVs its volume group lacks. V(null) if all is well.
      type: str
error:
  description: Kind of failure - V(InputError), V(UnavailableError) (no lxml).
  returned: on failure
  type: str
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._apply.pool_info import gather
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.volumes_native import list_volumes
from ansible_collections.virt.san.plugins.module_utils._argspec import parsed, parsed_list
from ansible_collections.virt.san.plugins.module_utils._entry import Outcome, run_info
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.options import parse_deadline
from ansible_collections.virt.san.plugins.module_utils._model.pool import parse_pool_name


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str"},
            "volumes": {"type": "bool", "default": True},
            "timeout": {"type": "float", "default": 60.0},
        },
        supports_check_mode=True,
    )
    run_info(module, look)


def look(host: Host, options: Mapping[str, Any]) -> Outcome:
    names = None if options["name"] is None else parsed_list("name", parse_pool_name, options["name"])
    timeout = parsed("timeout", parse_deadline, options["timeout"])
    lister = partial(list_volumes, host, deadline=timeout)
    pools = gather(host, NativeKeeper(host), names, lister if options["volumes"] else None)
    warnings = tuple(f"pool {pool['name']}: {pool['problem']}" for pool in pools if pool["problem"] is not None)
    return Outcome(False, {"pools": pools}, warnings=warnings)


if __name__ == "__main__":
    main()
