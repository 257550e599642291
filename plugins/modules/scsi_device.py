#!/usr/bin/python
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grow a LUN's devices with it, or take it off the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scsi_device
short_description: Grow a LUN's devices with it, or take it off the host
version_added: 0.1.0
description:
  - Works on one logical unit with all its paths, named by O(wwid), by O(device), or by O(hba), O(target) and O(lun).
  - With O(state=present) it makes the host show the size the LUN has on the array. All paths are asked again, must
    agree, and the multipath device over them is grown. A device is never made smaller.
  - With O(state=absent) the LUN leaves the host - the multipath device is flushed, multipath and LVM's devices file
    forget it, every path is deleted, also those that are not in the multipath device, and it is made sure that no
    device and no name under C(/dev/disk/by-id) is left. Do this before the storage team unmaps the LUN, and do not scan
    until they have; role C(virt.san.decommission) does it for many LUNs and hosts.
  - What is in use is never removed, and the holder is named - a mount in any mount namespace, swap, a volume group, md,
    dm-crypt or another device on top, a running guest, or a process that has it open. Partitions count by what uses
    them.
  - A path behind which the array has put another LUN is found and refused, or with O(purge_remapped) cleared up.
extends_documentation_fragment:
  - virt.san.attributes
  - virt.san.lock
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written, so that sizes and identities are as the kernel last knew them. A size in O(size) is taken
        for what the LUN will have. With O(probe) the targets are asked all the same, which changes nothing.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A LUN that is not there is absent; one that has its size is present.
options:
  state:
    description:
      - V(present) grows, V(absent) removes.
      - V(present) does not make a LUN appear; M(virt.san.scsi_rescan) does.
    type: str
    choices: [present, absent]
    default: present
  wwid:
    description:
      - Identity of the LUN, as multipath and udev spell it (V(36001405...)), as V(naa.6001405...), V(eui.0025385...),
        or the bare hex digits. The surest way to name it.
    type: str
  device:
    description:
      - One of its devices - the multipath device, a path, or a link to one of them.
      - A removal that was interrupted may have taken that name away. Only O(wwid) then tells the next run what is left.
    type: str
  hba:
    description:
      - HBA of one of its paths, by name of the SCSI host (V(host3)), WWPN or iSCSI name. Needs O(target) and O(lun).
    type: str
  target:
    description:
      - Target port of that path, by WWPN or iSCSI name.
    type: str
  lun:
    description:
      - LUN number of that path, as the array counts or as the kernel does.
    type: int
  size:
    description:
      - V(current) follows the size the LUN has now. A size such as V(20G) (1024-based) waits for the LUN to have
        exactly this size, up to O(timeout).
    type: str
    default: current
  timeout:
    description:
      - Seconds to wait for O(size), for devices to go away or come up, and for processes that hold the LUN only for a
        moment.
    type: float
    default: 60.0
  force:
    description:
      - Also remove a LUN whose multipath device has no working path and queues I/O. That I/O fails, and what it was to
        write is lost.
      - It never removes what a mount, a volume group, swap, a guest or any other device holds.
    type: bool
    default: false
  purge_remapped:
    description:
      - Where the array has put another LUN behind paths of this one, remove these paths (and the multipath device, if
        it keeps no other), if nothing holds it. With O(state=present) the new LUN is then scanned in; it can be named
        by its own O(wwid).
      - A run that is killed in between is finished by the next one that allows it and names the new LUN by O(wwid) or
        by its address, until the host boots.
    type: bool
    default: false
  probe:
    description:
      - Ask each target of the LUN which LUNs it has for this host (REPORT LUNS), through one disk, within 20 seconds.
      - With O(state=absent) only those paths are removed that the target proves stale, so that a LUN in use through
        other paths may stay. Where a target does not answer nothing is proven.
    type: bool
    default: false
notes:
  - A delete that hangs is left to a process of its own, named C(san-hostN). It ends when the driver gives up; until
    then nothing else is done on that SCSI host.
seealso:
  - module: virt.san.scsi_rescan
  - module: virt.san.multipath_devices
  - module: virt.san.lun_facts
author:
  - virt.san contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: The LUN has grown on the array; let the host see it
  virt.san.scsi_device:
    wwid: 36001405b2b3c4d5e6f708192a3b4c5d6

- name: Wait for the storage team to grow it
  virt.san.scsi_device:
    wwid: 36001405b2b3c4d5e6f708192a3b4c5d6
    size: 200G
    timeout: 600

- name: Take a LUN off the host before it is unmapped
  virt.san.scsi_device:
    wwid: 36001405b2b3c4d5e6f708192a3b4c5d6
    state: absent

- name: It was unmapped too early, and its multipath device queues for ever
  virt.san.scsi_device:
    device: /dev/mapper/guests27
    state: absent
    force: true

- name: Remove only the paths whose target no longer has the LUN
  virt.san.scsi_device:
    wwid: 36001405b2b3c4d5e6f708192a3b4c5d6
    state: absent
    probe: true

- name: LUN 28 of this target is another volume now; clear up and take the new one in
  virt.san.scsi_device:
    hba: host2
    target: "50:01:40:5a:00:00:00:01"
    lun: 28
    purge_remapped: true
"""

RETURN = r"""
wwid:
  description: Identity of the LUN.
  returned: success
  type: str
  sample: 36001405b2b3c4d5e6f708192a3b4c5d6
device:
  description: Its device, now or before it was removed; none if it was not there.
  returned: success
  type: str
  sample: /dev/mapper/guests27
size_before:
  description: Bytes before; none if it was not there.
  returned: success
  type: int
size_after:
  description: Bytes now (in check mode, then); none if it is gone.
  returned: success
  type: int
removed:
  description: The paths that were removed (in check mode, would be). Fields as of a path in
    RV(virt.san.lun_facts#module:ansible_facts.san.luns[].paths), and C(wwid).
  returned: success
  type: list
  elements: dict
flushed:
  description: Names of the multipath devices that were flushed.
  returned: success
  type: list
  elements: str
  sample: [guests27]
remapped:
  description: Paths behind which the array has put another LUN. Fields as
    RV(virt.san.scsi_rescan#module:remapped).
  returned: always where there are some, also on failure
  type: list
  elements: dict
suspects:
  description: Paths of the LUN that may lead nowhere, as far as is known without asking. Fields as
    RV(virt.san.lun_facts#module:ansible_facts.san.suspects).
  returned: success
  type: list
  elements: dict
stale:
  description: Paths whose target has said that it has no such LUN for this host, with O(probe).
  returned: success
  type: list
  elements: dict
probed:
  description: What the targets said, with O(probe).
  returned: success
  type: list
  elements: dict
  contains:
    hba:
      description: The SCSI host.
      type: str
    target:
      description: WWPN or iSCSI name.
      type: str
    through:
      description: The disk that was asked.
      type: str
    answered:
      description: Whether the target answered.
      type: bool
    luns:
      description: LUN numbers it has for this host; none where it only said that the LUN asked does not exist.
      type: list
      elements: int
    problem:
      description: Why nothing is known.
      type: str
holders:
  description: What uses the LUN.
  returned: when the task fails because of them
  type: list
  elements: dict
  contains:
    kind:
      description: V(mount), V(swap), V(lvm_pv), V(md), V(crypt), V(holder), V(qemu) or V(open).
      type: str
    device:
      description: What is used - the multipath device, a path, or a partition.
      type: str
    by:
      description: Mount point, volume group, device, guest or process.
      type: str
steps:
  description: What was done (in check mode, what would be), one line each.
  returned: success
  type: list
  elements: str
  sample:
    - flush the multipath device guests27 (36001405b2b3c4d5e6f708192a3b4c5d6)
    - delete sdb (2:0:0:27), sdf (3:0:0:27) of 36001405b2b3c4d5e6f708192a3b4c5d6
lun:
  description: The LUN as it is now; none if it is gone, and in check mode of a removal. Fields as those of
    M(virt.san.lun_facts).
  returned: success
  type: dict
completed:
  description: The steps that were done before the one that failed.
  returned: when a step failed
  type: list
  elements: str
error:
  description:
    - Kind of failure - V(InputError), V(NotFoundError), V(AmbiguousError), V(IdentityError), V(InUseError),
      V(RefusedError), V(UnavailableError), V(WaitTimeoutError), V(ApplyError), V(LockedError).
  returned: on failure
  type: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._apply.device_absent import ensure_absent
from ansible_collections.virt.san.plugins.module_utils._apply.device_present import ensure_present
from ansible_collections.virt.san.plugins.module_utils._apply.device_run import Order
from ansible_collections.virt.san.plugins.module_utils._argspec import LOCK_TIMEOUT, parsed
from ansible_collections.virt.san.plugins.module_utils._entry import Outcome, run_change
from ansible_collections.virt.san.plugins.module_utils._host import block
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model import options as parse
from ansible_collections.virt.san.plugins.module_utils._model.ids import parse_wwid
from ansible_collections.virt.san.plugins.module_utils._plan.named import Named

CURRENT = "current"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "wwid": {"type": "str"},
            "device": {"type": "str"},
            "hba": {"type": "str"},
            "target": {"type": "str"},
            "lun": {"type": "int"},
            "size": {"type": "str", "default": CURRENT},
            "timeout": {"type": "float", "default": 60.0},
            "force": {"type": "bool", "default": False},
            "purge_remapped": {"type": "bool", "default": False},
            "probe": {"type": "bool", "default": False},
            **LOCK_TIMEOUT,
        },
        supports_check_mode=True,
        required_one_of=[("wwid", "device", "hba")],
        mutually_exclusive=[("wwid", "device", "hba")],
        required_together=[("hba", "target", "lun")],
    )
    run_change(module, bring_about)


def bring_about(host: Host, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    size = options["size"]
    order = Order(
        size=None if size == CURRENT else parsed("size", parse.parse_wanted_size, size),
        timeout=parsed("timeout", parse.parse_seconds, options["timeout"]),
        force=options["force"],
        purge_remapped=options["purge_remapped"],
        probe=options["probe"],
    )
    ensure = ensure_absent if options["state"] == "absent" else ensure_present
    report = ensure(host, named_by(host, options), order, check_mode)
    return Outcome(report.changed, report.facts, report.before, report.after, report.warnings)


def named_by(host: Host, options: Mapping[str, Any]) -> Named:
    if options["wwid"] is not None:
        return Named(wwid=parsed("wwid", parse_wwid, options["wwid"]))
    if options["device"] is not None:
        return Named(device=options["device"], disk=block.kernel_name(host, options["device"]))
    return Named(
        hba=parsed("hba", parse.parse_hba, options["hba"]),
        target=parsed("target", parse.parse_port, options["target"]),
        lun=parsed("lun", parse.parse_lun, options["lun"]),
    )


if __name__ == "__main__":
    main()
