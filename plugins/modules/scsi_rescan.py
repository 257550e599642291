#!/usr/bin/python
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for LUNs on the SAN, and wait for those expected."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scsi_rescan
short_description: Look for LUNs on the SAN, and wait for those expected
version_added: 0.1.0
description:
  - Has the kernel look for LUNs that the array has mapped to this host, and waits until their disks
    are ready for use - block device, size, udev's record, a path of its multipath device where there is
    one - and what O(expect) says is there.
  - It scans as narrowly as it can. Where LUN numbers are given, exactly these are asked for, on exactly
    the targets that are seen and ready - nothing else that the array has mapped comes in. SCSI hosts are
    scanned in parallel, each with a deadline, so that one dead target does not hold up the others.
  - Disks that are there already are asked for their size and identity again. A size that changed is
    reported. A path behind which the array has put B(another) unit is an error, never merged.
  - A LUN number is not an identity. If a number means more than one unit on the host, or one that is in
    use and was not provisioned before, the module stops and lists the candidates.
  - It needs nothing but Python on the host. Waiting is woken by the events of udev.
  - After growing a LUN, use M(virt.san.multipath_devices) to pass the new size on to its multipath device.
extends_documentation_fragment:
  - virt.san.attributes
  - virt.san.expect
  - virt.san.lock
attributes:
  check_mode:
    support: full
    details:
      - RV(scans) holds what would be done. The task is C(changed) exactly when something that O(expect) names
        is missing. Nothing is written, so that sizes and identities are as the kernel last knew them.
  diff_mode:
    support: full
    details:
      - Shows identity and size by SCSI address; in check mode what is expected and what is there.
  idempotent:
    support: full
    details:
      - The task is C(changed) only if the set of disks or a size changed, not because something was scanned.
options:
  hbas:
    description:
      - HBAs to scan, by name of the SCSI host (V(host3)), by WWPN, or by the iSCSI name of the initiator,
        which means all its sessions.
      - By default all HBAs of a SAN transport (FC, FCoE, iSCSI, SAS, SRP), virtual HBAs included. Others (ATA, USB,
        virtio, RAID) are scanned only if they are named here.
      - Name them on a host with local SAS disks if you ask for LUN 0, which each of these disks is.
    type: list
    elements: str
    default: []
  targets:
    description:
      - Targets to scan, by WWPN or iSCSI name. By default all that the HBAs see.
      - Use it where two targets have a LUN of the same number.
    type: list
    elements: str
    default: []
  luns:
    description:
      - LUN numbers to scan, as the array counts (V(0) to V(16383)) or as the kernel does (flat numbers from V(16384)
        on).
      - With numbers given, here or in O(expect), no other LUN is scanned in. Without, all LUNs of the targets are.
      - A number given here alone need not be there; it is then listed in RV(missing), with a warning.
        Name it in O(expect.luns) to have the task fail.
    type: list
    elements: int
    default: []
  timeout:
    description:
      - Seconds to wait for what O(expect) says, and for new disks to become ready.
    type: float
    default: 60.0
  scan_timeout:
    description:
      - Seconds that the scans of one SCSI host may take, and a tenth of a second more for each scan and disk.
        A host that has not answered by then is reported as hanging; what it was to scan after that is not begun.
        The task goes on with the other hosts, and fails only if something expected is missing.
    type: float
    default: 30.0
  refresh_sizes:
    description:
      - Have the kernel ask the disks that are there already for their size and identity again; those that the
        request names, or all of the selected HBAs and targets where it names none.
      - With V(false) neither a changed size nor a remapped LUN is noticed.
    type: bool
    default: true
  known_wwids:
    description:
      - WWIDs of units that earlier runs have provisioned, so that a LUN number may mean them although they are in use.
        Those that M(virt.san.multipath_devices) manages, and those in O(expect), need not be given.
    type: list
    elements: str
    default: []
notes:
  - Ports that are not ready (FC ports that are not V(Online), iSCSI sessions that are not logged in) are not scanned;
    RV(skipped_ports) lists them. The kernel skips them too, and calls the scan a success.
  - A process whose write to the kernel does not return is left behind, detached; C(ps) shows it as C(san-hostN). It
    ends when the driver gives up. While it is there, later runs report that host as hanging and do not scan it.
seealso:
  - module: virt.san.lun_facts
  - module: virt.san.multipath_devices
author:
  - virt.san contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Scan in the LUNs the SAN team has mapped, over both fabrics
  virt.san.scsi_rescan:
    expect:
      luns: [27, 28, 29, 53]
      paths: 2

- name: Two targets have a LUN 27; say which is meant
  virt.san.scsi_rescan:
    targets: ["50:01:40:5a:00:00:00:01"]
    expect:
      luns: [27]

- name: Or know it by its size or identity
  virt.san.scsi_rescan:
    expect:
      sizes:
        27: 100G
        36001405b2b3c4d5e6f708192a3b4c5d6: 2T

- name: Notice that LUNs have grown
  virt.san.scsi_rescan:
    expect:
      sizes:
        27: 200G
  register: grown

- name: Have all iSCSI sessions look for whatever is new
  virt.san.scsi_rescan:
    hbas: [iqn.1993-08.org.debian:01:kvm1]

- name: See what would be scanned, without scanning
  virt.san.scsi_rescan:
    luns: [27]
  check_mode: true
"""

RETURN = r"""
appeared:
  description: Paths (SCSI disks) that were not there before. Fields as of a path in RV(luns), and its unit's C(wwid).
  returned: always, also on failure
  type: list
  elements: dict
  sample:
    - device: sdc
      hctl: "2:0:0:27"
      lun: 27
      hba: host2
      target: 500140500a000001
      size: 107374182400
      wwid: 36001405b2b3c4d5e6f708192a3b4c5d6
disappeared:
  description: Paths that went away meanwhile. The module removes none itself.
  returned: always, also on failure
  type: list
  elements: dict
resized:
  description: Units whose paths have another size than before.
  returned: always, also on failure
  type: list
  elements: dict
  contains:
    wwid:
      description: The unit.
      type: str
    luns:
      description: Its LUN numbers on these paths.
      type: list
      elements: int
    old_size:
      description: Bytes before.
      type: int
    new_size:
      description: Bytes now. V(0) means that the LUN does not answer any more.
      type: int
    devices:
      description: The paths concerned.
      type: list
      elements: str
missing:
  description: What is expected and not there, and the numbers in O(luns) that were not seen.
  returned: always, also on failure
  type: list
  elements: dict
  contains:
    lun:
      description: LUN number, where one is meant.
      type: int
    wwid:
      description: WWID, where one is meant or known.
      type: str
    problem:
      description: V(absent), V(size), V(paths) or V(count).
      type: str
    wanted:
      description: What was expected, in words.
      type: str
    seen:
      description: What was seen instead, in words.
      type: str
skipped_ports:
  description: Ports that were not scanned.
  returned: always, also on failure
  type: list
  elements: dict
  contains:
    hba:
      description: The HBA; none where no HBA sees the target.
      type: str
    target:
      description: WWPN or iSCSI name; none where the HBA sees no target at all.
      type: str
    reason:
      description: Why.
      type: str
hosts:
  description: The SCSI hosts that were scanned.
  returned: always, also on failure
  type: list
  elements: dict
  contains:
    hba:
      description: Name of the SCSI host.
      type: str
    seconds:
      description: Time its scans took.
      type: float
    scans:
      description: What was done on it, in order.
      type: list
      elements: str
    stuck:
      description: What did not return in time; none when all did.
      type: str
    errors:
      description: What the kernel refused.
      type: list
      elements: str
scans:
  description: What was done (in check mode, what would be), one line each.
  returned: always, also on failure
  type: list
  elements: str
  sample: ["host2: scan 0 0 27 (LUN 27 of 500140500a000001)"]
remapped:
  description: Paths behind which the array has put another unit. Not empty only when the task fails because of it.
  returned: always, also on failure
  type: list
  elements: dict
  contains:
    device:
      description: Kernel name of the path.
      type: str
    hctl:
      description: Its SCSI address.
      type: str
    lun:
      description: LUN number.
      type: int
    hba:
      description: Name of the SCSI host.
      type: str
    target:
      description: WWPN or iSCSI name.
      type: str
    old_wwid:
      description: The unit it was, by udev's record or the multipath device.
      type: str
    new_wwid:
      description: The unit it is, asked just now.
      type: str
    map:
      description: The multipath device that holds the path, if any.
      type: str
candidates:
  description: The units a LUN number may mean, or whose identity cannot be trusted.
  returned: when the task fails because of them
  type: list
  elements: dict
  contains:
    lun:
      description: The LUN number that was asked for.
      type: int
    wwid:
      description: Identity.
      type: str
    size:
      description: Bytes.
      type: int
    targets:
      description: WWPNs or iSCSI names.
      type: list
      elements: str
    usage:
      description: Whether it is free, and what uses it.
      type: dict
error:
  description:
    - Kind of failure - V(InputError), V(NotFoundError), V(UnavailableError), V(IdentityError), V(AmbiguousError),
      V(InUseError), V(WaitTimeoutError), V(LockedError).
  returned: on failure
  type: str
luns:
  description: The units that were requested; all that the selected HBAs and targets show where none was. Fields as
    those of M(virt.san.lun_facts).
  returned: always, also on failure
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._apply.rescan import Times, rescan
from ansible_collections.virt.san.plugins.module_utils._apply.rescan_machine import Machine
from ansible_collections.virt.san.plugins.module_utils._argspec import LOCK_TIMEOUT, parsed, parsed_list
from ansible_collections.virt.san.plugins.module_utils._argspec_expect import EXPECT, expect_of
from ansible_collections.virt.san.plugins.module_utils._entry import Outcome, run_change
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model import options as parse
from ansible_collections.virt.san.plugins.module_utils._model.ids import parse_wwid
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import Request


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "hbas": {"type": "list", "elements": "str", "default": []},
            "targets": {"type": "list", "elements": "str", "default": []},
            "luns": {"type": "list", "elements": "int", "default": []},
            "timeout": {"type": "float", "default": 60.0},
            "scan_timeout": {"type": "float", "default": 30.0},
            "refresh_sizes": {"type": "bool", "default": True},
            "known_wwids": {"type": "list", "elements": "str", "default": []},
            **EXPECT,
            **LOCK_TIMEOUT,
        },
        supports_check_mode=True,
    )
    run_change(module, look_for_luns)


def look_for_luns(host: Host, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    request = request_of(options)
    times = Times(
        expect=parsed("timeout", parse.parse_seconds, options["timeout"]),
        scan=parsed("scan_timeout", parse.parse_deadline, options["scan_timeout"]),
    )
    done = rescan(Machine(host), request, times, check_mode)
    return Outcome(done.changed, done.facts, done.before, done.after, done.warnings)


def request_of(options: Mapping[str, Any]) -> Request:
    return Request(
        hbas=parsed_list("hbas", parse.parse_hba, options["hbas"]),
        targets=parsed_list("targets", parse.parse_port, options["targets"]),
        luns=parsed_list("luns", parse.parse_lun, options["luns"]),
        expect=expect_of(options["expect"]),
        refresh_sizes=options["refresh_sizes"],
        known_wwids=frozenset(parsed_list("known_wwids", parse_wwid, options["known_wwids"])),
    )


if __name__ == "__main__":
    main()
