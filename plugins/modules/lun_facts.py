#!/usr/bin/python
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what a host sees of the SAN."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lun_facts
short_description: Tell what a host sees of the SAN
version_added: 0.1.0
description:
  - Returns the HBAs of a host and what they see of the fabric, and the logical units with their identity, their
    paths, the multipath device over them, and who uses them.
  - Where a multipath device exists, it is the device; its paths are listed with it, not as devices of their own.
  - Paths are put together by what the device-mapper says, and otherwise by WWID as udev found it. Units that claim
    one WWID but differ in vendor, serial number or size are never merged; each says so in
    RV(ansible_facts.san.luns[].problem).
  - It reads sysfs, C(/proc) and udev's database, asks multipathd once and, as root, device-mapper for the open counts.
    No device is opened and nothing is sent to a LUN, so that it also answers while LUNs hang. It needs nothing but
    Python on the host.
  - What only I/O could tell is not claimed. A LUN that the array has unmapped or replaced may look as before; run
    M(virt.san.scsi_rescan) to notice.
extends_documentation_fragment:
  - virt.san.attributes
  - virt.san.attributes.reads
  - virt.san.attributes.facts
options:
  gather_subset:
    description:
      - What to return.
      - V(hbas) - HBAs, virtual HBAs and remote ports.
      - V(luns) - logical units, and whether multipathd runs.
      - V(iscsi) - iSCSI sessions.
      - V(lvm) - volume groups, physical and logical volumes, from LVM's own tools. These read from devices and can be
        slow; see O(timeout).
      - V(all) - all of these.
    type: list
    elements: str
    choices: [hbas, luns, iscsi, lvm, all]
    default: [hbas, luns]
  wwids:
    description:
      - Only logical units with one of these identities. Any usual spelling is accepted - as udev and multipath show it
        (V(36001405...)), V(naa.6001405...), V(eui....), or the bare hex digits of the NAA name.
      - Any designator of the logical unit counts.
    type: list
    elements: str
    default: []
  luns:
    description:
      - Only logical units with a path that has one of these LUN numbers, as the array counts or as the kernel does
        (LUN 300 in flat addressing is V(16684) there).
    type: list
    elements: int
    default: []
  size:
    description:
      - Only logical units of exactly this size, as in V(10G) or V(512MiB) (1024-based), or in bytes.
    type: str
  transport:
    description:
      - Only HBAs of these transports, and logical units with a path over one of them.
      - Without it, and unless they are named by O(hba) or O(device), disks and HBAs of ATA, USB and virtio are left
        out.
    type: list
    elements: str
    choices: [fc, fcoe, iscsi, sas, srp, ata, usb, virtio, scsi_debug, other]
    default: []
  hba:
    description:
      - Only these HBAs, and logical units with a path through one of them.
      - By name of the SCSI host (V(host3)), by WWPN, or by the iSCSI name of the initiator.
    type: list
    elements: str
    default: []
  target:
    description:
      - Only HBAs that see one of these targets, and logical units with a path to one of them. By WWPN or iSCSI name.
    type: list
    elements: str
    default: []
  device:
    description:
      - Only the logical units behind these devices - kernel name (V(sdb), V(dm-3)), name of a multipath device, any
        path under C(/dev), or a name under C(/dev/disk/by-id). A partition means the disk it is on.
    type: list
    elements: str
    default: []
  multipath:
    description:
      - V(true) - only logical units with a multipath device. V(false) - only those without one.
    type: bool
  timeout:
    description:
      - Seconds that multipathd may take to answer, and LVM's tools together. What does not come in time is missing
        from the facts, with a warning; the task does not fail.
    type: float
    default: 30.0
notes:
  - All filters given must hold. LUN number, transport, HBA and target must hold for the same path; a logical unit that
    fits is returned with all its paths.
  - Without root the facts still come, with a warning where usage may be incomplete.
seealso:
  - module: virt.san.scsi_rescan
  - module: virt.san.multipath_devices
author:
  - virt.san contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Know the SAN from each host
  hosts: kvm
  become: true
  tasks:
    - name: Look at HBAs and LUNs
      virt.san.lun_facts:

    - name: Say what the array's administrator needs to map LUNs
      ansible.builtin.debug:
        msg: "{{ ansible_facts.san.hbas | selectattr('wwpn') | map(attribute='wwpn') }}"

    - name: Look at some LUNs by number
      virt.san.lun_facts:
        gather_subset: [luns]
        luns: [27, 28]

    - name: Look at LUNs that multipathd has not taken in
      virt.san.lun_facts:
        gather_subset: [luns]
        multipath: false

    - name: Look at one LUN of one array by identity
      virt.san.lun_facts:
        gather_subset: [luns]
        wwids: ["naa.600140512345678900000000000000ab"]

    - name: Find free LUNs of 64 GiB over Fibre Channel
      virt.san.lun_facts:
        gather_subset: [luns]
        size: 64G
        transport: [fc, fcoe]

    - name: List them
      ansible.builtin.debug:
        msg: "{{ ansible_facts.san.luns | selectattr('usage.state', 'equalto', 'free') | map(attribute='wwid') }}"

    - name: Look at the volume groups and the LUNs they lie on
      virt.san.lun_facts:
        gather_subset: [luns, lvm]
        timeout: 60
"""

RETURN = r"""
ansible_facts:
  description: The facts. They replace those of an earlier call as a whole.
  returned: success
  type: dict
  contains:
    san:
      description: What the host sees of the SAN.
      type: dict
      returned: success
      contains:
        hbas:
          description:
            - HBAs (SCSI hosts), by number. An iSCSI session in software is one.
            - V(null) stands for what the kernel does not know.
          type: list
          elements: dict
          returned: when V(hbas) is gathered
          contains:
            name:
              description: Name of the SCSI host.
              type: str
              returned: always
              sample: host3
            number:
              description: Number of the SCSI host. It may be another one after a reboot.
              type: int
              returned: always
              sample: 3
            transport:
              description:
                - How it reaches its targets - V(fc), V(fcoe), V(iscsi), V(sas), V(srp), V(ata), V(usb), V(virtio),
                  V(scsi_debug) or V(other).
              type: str
              returned: always
              sample: fc
            wwpn:
              description: FC - name of the port, 16 hex digits.
              type: str
              returned: always
              sample: "2100001b32a1b2c3"
            wwnn:
              description: FC - name of the node.
              type: str
              returned: always
              sample: "2000001b32a1b2c3"
            initiator:
              description: The name by which targets know it - WWPN, IQN or SAS address.
              type: str
              returned: always
              sample: "2100001b32a1b2c3"
            online:
              description: FC - whether the port is up; V(null) for other transports.
              type: bool
              returned: always
            port_state:
              description: FC - state of the port.
              type: str
              returned: always
              sample: Online
            port_type:
              description: FC - type of the port, in the kernel's words.
              type: str
              returned: always
              sample: NPort (fabric via point-to-point)
            speed:
              description: FC - negotiated speed.
              type: str
              returned: always
              sample: 16 Gbit
            fabric_name:
              description: FC - name of the fabric it is in.
              type: str
              returned: always
              sample: "1000000533a1b2c3"
            symbolic_name:
              description: FC - what it calls itself in the fabric's name server.
              type: str
              returned: always
              sample: QLE2692 FW:v8.08.05 DVR:v10.02
            vendor:
              description: Maker of the board.
              type: str
              returned: always
              sample: QLogic
            model:
              description: Model of the board.
              type: str
              returned: always
              sample: QLE2692
            driver:
              description: Kernel driver.
              type: str
              returned: always
              sample: qla2xxx
            firmware:
              description: Firmware version.
              type: str
              returned: always
              sample: 8.08.05
            pci_address:
              description: PCI address.
              type: str
              returned: always
              sample: "0000:3b:00.0"
            parent:
              description: For a virtual HBA - the HBA that carries it.
              type: str
              returned: always
              sample: host1
            children:
              description: SCSI hosts of the virtual HBAs it carries.
              type: list
              elements: str
              returned: always
              sample: [host7]
            npiv:
              description: What it can do with NPIV.
              type: dict
              returned: always
              contains:
                capable:
                  description: Whether virtual HBAs can be made on it.
                  type: bool
                  returned: always
                max_vports:
                  description: How many the driver allows.
                  type: int
                  returned: always
                  sample: 254
                vports_in_use:
                  description: How many there are.
                  type: int
                  returned: always
                  sample: 1
                vports:
                  description: The virtual HBAs on it.
                  type: list
                  elements: dict
                  returned: always
                  contains:
                    name:
                      description: Kernel name of the vport.
                      type: str
                      returned: always
                      sample: vport-3:0-0
                    wwpn:
                      description: Name of the virtual port.
                      type: str
                      returned: always
                      sample: "5001a4a000000001"
                    wwnn:
                      description: Name of the virtual node.
                      type: str
                      returned: always
                      sample: "5001a4a000000000"
                    host:
                      description: Its SCSI host; V(null) while it has none.
                      type: str
                      returned: always
                      sample: host7
                    state:
                      description: State of the vport, in the kernel's words.
                      type: str
                      returned: always
                      sample: Active
                    last_state:
                      description: The state before this one; V(null) if the kernel does not say.
                      type: str
                      returned: always
                      sample: Initializing
                    symbolic_name:
                      description: What it calls itself in the fabric's name server.
                      type: str
                      returned: always
                      sample: db01
            targets:
              description: FC - remote ports it knows, the fabric's own left out. iSCSI - the session's target.
              type: list
              elements: dict
              returned: always
              contains:
                name:
                  description: WWPN, or IQN.
                  type: str
                  returned: always
                  sample: "50014057a0000001"
                node:
                  description: FC - WWNN.
                  type: str
                  returned: always
                  sample: "50014057a0000000"
                state:
                  description: State of the remote port or of the session, in the kernel's words.
                  type: str
                  returned: always
                  sample: Online
                roles:
                  description: FC - roles of the remote port.
                  type: list
                  elements: str
                  returned: always
                  sample: [FCP Target]
                channel:
                  description: SCSI channel; V(null) where the port is no SCSI target.
                  type: int
                  returned: always
                  sample: 0
                target_id:
                  description: SCSI target number; V(null) where the port is no SCSI target.
                  type: int
                  returned: always
                  sample: 1
                portal:
                  description: iSCSI - address and port.
                  type: str
                  returned: always
                  sample: "10.77.1.1:3260"
        luns:
          description:
            - Logical units, by WWID; those without one come last.
          type: list
          elements: dict
          returned: when V(luns) is gathered
          contains:
            wwid:
              description: Identity as udev and multipath spell it; V(null) if it has none that can be used.
              type: str
              returned: always
              sample: "3600140512345678900000000000000ab"
            problem:
              description: Why the identity cannot be trusted, and what to do; V(null) when all is well.
              type: str
              returned: always
            designators:
              description: All names it gives itself (VPD page 83, association logical unit).
              type: list
              elements: dict
              returned: always
              contains:
                type:
                  description: V(naa), V(eui), V(t10), V(name), V(uuid) or V(vendor).
                  type: str
                  returned: always
                  sample: naa
                value:
                  description: The name - hex digits, or text.
                  type: str
                  returned: always
                  sample: "600140512345678900000000000000ab"
            serial:
              description: Unit serial number (VPD page 80).
              type: str
              returned: always
            vendor:
              description: Vendor.
              type: str
              returned: always
              sample: LIO-ORG
            product:
              description: Product.
              type: str
              returned: always
              sample: db01
            revision:
              description: Revision.
              type: str
              returned: always
              sample: "4.0"
            size:
              description: Size in bytes - of the multipath device if there is one, else of the paths.
              type: int
              returned: always
              sample: 10737418240
            logical_block_size:
              description: Bytes.
              type: int
              returned: always
              sample: 512
            physical_block_size:
              description: Bytes.
              type: int
              returned: always
              sample: 4096
            device:
              description: The device to use.
              type: str
              returned: always
              sample: /dev/mapper/db01
            by_id:
              description: A stable path of that device.
              type: str
              returned: always
              sample: /dev/disk/by-id/dm-uuid-mpath-3600140512345678900000000000000ab
            content:
              description: What udev found on it - type of file system, partition table or other signature.
              type: str
              returned: always
              sample: LVM2_member
            multipath:
              description: The multipath device; V(null) if there is none.
              type: dict
              returned: always
              contains:
                name:
                  description: Name under C(/dev/mapper).
                  type: str
                  returned: always
                  sample: db01
                alias:
                  description: The name, if it is not just the WWID.
                  type: str
                  returned: always
                  sample: db01
                dm:
                  description: Kernel name.
                  type: str
                  returned: always
                  sample: dm-3
                size:
                  description: Size in bytes.
                  type: int
                  returned: always
                  sample: 10737418240
                read_only:
                  description: Whether the multipath device is read-only.
                  type: bool
                  returned: always
                path_counts:
                  description:
                    - Number of paths by state - of multipathd's path checker where known, else of the SCSI device.
                  type: dict
                  returned: always
                  sample: {ready: 3, faulty: 1}
                queueing:
                  description: What happens to I/O without a path, in multipathd's words; V(null) if not known.
                  type: str
                  returned: always
                  sample: "off"
                unmapped_paths:
                  description: Paths to the unit that are not in the multipath device.
                  type: list
                  elements: str
                  returned: always
                  sample: [sdk]
            paths:
              description: All paths, by SCSI address.
              type: list
              elements: dict
              returned: always
              contains:
                device:
                  description: Kernel name of the disk.
                  type: str
                  returned: always
                  sample: sdb
                hctl:
                  description: SCSI address - host, channel, target, LUN as the kernel counts.
                  type: str
                  returned: always
                  sample: "3:0:1:27"
                lun:
                  description: LUN number as the array counts.
                  type: int
                  returned: always
                  sample: 27
                lun_kernel:
                  description: LUN number as the kernel counts.
                  type: int
                  returned: always
                  sample: 27
                hba:
                  description: The HBA.
                  type: str
                  returned: always
                  sample: host3
                initiator:
                  description: The name by which the target knows the HBA.
                  type: str
                  returned: always
                  sample: "2100001b32a1b2c3"
                target:
                  description: WWPN, IQN or SAS address of the target port.
                  type: str
                  returned: always
                  sample: "50014057a0000001"
                portal:
                  description: iSCSI - address and port.
                  type: str
                  returned: always
                  sample: "10.77.1.1:3260"
                transport:
                  description: Transport, as for HBAs.
                  type: str
                  returned: always
                  sample: fc
                state:
                  description:
                    - State of the SCSI device, in the kernel's words. V(running) alone does not prove that the array
                      still maps it.
                  type: str
                  returned: always
                  sample: running
                checker_state:
                  description:
                    - State by multipathd's path checker; V(null) for a path in no multipath device, or if multipathd
                      did not say.
                  type: str
                  returned: always
                  sample: ready
                size:
                  description: Size in bytes; 0 if not known.
                  type: int
                  returned: always
                  sample: 10737418240
            usage:
              description: Whether something uses it.
              type: dict
              returned: always
              contains:
                state:
                  description:
                    - V(used) or V(free). A free unit may still hold data; see RV(ansible_facts.san.luns[].content).
                  type: str
                  returned: always
                  sample: used
                by:
                  description: Each use.
                  type: list
                  elements: dict
                  returned: always
                  contains:
                    kind:
                      description:
                        - V(mount), V(swap), V(lvm_pv), V(md), V(crypt), V(partition), V(qemu), V(holder) (another
                          device lies on it) or V(open) (nobody knows by whom).
                      type: str
                      returned: always
                      sample: lvm_pv
                    device:
                      description: What is used - the multipath device, a path, or a partition.
                      type: str
                      returned: always
                      sample: db01
                    by:
                      description: Mount point, volume group, md or dm device, partition, or guest.
                      type: str
                      returned: always
                      sample: vg_db
                    active:
                      description:
                        - V(false) if nothing has it open now, as with the physical volume of a volume group that is
                          not active.
                      type: bool
                      returned: always
        suspects:
          description:
            - Paths of the returned LUNs that may lead nowhere, by what is known without asking them. That proves
              nothing; O(virt.san.scsi_device#module:probe) asks the target.
          type: list
          elements: dict
          returned: when V(luns) is gathered
          contains:
            device:
              description: Kernel name.
              type: str
              returned: always
              sample: sdb
            hctl:
              description: SCSI address.
              type: str
              returned: always
              sample: "2:0:0:27"
            lun:
              description: LUN number as the array counts.
              type: int
              returned: always
              sample: 27
            hba:
              description: Its SCSI host.
              type: str
              returned: always
              sample: host2
            target:
              description: WWPN or IQN of the target port.
              type: str
              returned: always
              sample: 500140500a000001
            wwid:
              description: The LUN it is a path of; V(null) if that has no identity.
              type: str
              returned: always
              sample: 36001405b2b3c4d5e6f708192a3b4c5d6
            reasons:
              description: Why it is suspected.
              type: list
              elements: str
              returned: always
              sample: ["its state is transport-offline", "multipathd's checker says faulty"]
        multipath:
          description: Multipathing on the host.
          type: dict
          returned: when V(luns) is gathered
          contains:
            running:
              description: Whether multipathd runs.
              type: bool
              returned: always
            maps:
              description: Number of multipath devices, those not returned included.
              type: int
              returned: always
              sample: 4
        iscsi:
          description: iSCSI on the host.
          type: dict
          returned: when V(iscsi) is gathered
          contains:
            initiator:
              description: The host's IQN; V(null) without root or open-iscsi.
              type: str
              returned: always
              sample: "iqn.1993-08.org.debian:01:kvm1"
            sessions:
              description: Sessions, by number.
              type: list
              elements: dict
              returned: always
              contains:
                name:
                  description: Kernel name.
                  type: str
                  returned: always
                  sample: session1
                hba:
                  description: Its SCSI host.
                  type: str
                  returned: always
                  sample: host4
                target:
                  description: IQN of the target.
                  type: str
                  returned: always
                  sample: "iqn.2003-01.org.linux-iscsi.array:lab"
                tpgt:
                  description: Target portal group.
                  type: int
                  returned: always
                  sample: 1
                initiator:
                  description: IQN it logged in with.
                  type: str
                  returned: always
                  sample: "iqn.1993-08.org.debian:01:kvm1"
                interface:
                  description: Name of the iface record.
                  type: str
                  returned: always
                  sample: default
                state:
                  description: State of the session.
                  type: str
                  returned: always
                  sample: LOGGED_IN
                connection_state:
                  description: State of its connection; V(null) if the kernel does not say.
                  type: str
                  returned: always
                  sample: up
                portal:
                  description: Address and port it logged in to.
                  type: str
                  returned: always
                  sample: "10.77.1.1:3260"
                address:
                  description: Address and port it talks to now.
                  type: str
                  returned: always
                  sample: "10.77.1.1:3260"
                recovery_timeout:
                  description: Seconds until I/O fails once the connection is lost.
                  type: int
                  returned: always
                  sample: 120
        lvm:
          description:
            - LVM on the host, whatever it lies on.
            - V(null) if LVM is not installed or did not answer in time; a warning says why.
          type: dict
          returned: when V(lvm) is gathered
          contains:
            vgs:
              description: Volume groups.
              type: list
              elements: dict
              returned: always
              contains:
                uuid:
                  description: UUID.
                  type: str
                  returned: always
                name:
                  description: Name.
                  type: str
                  returned: always
                  sample: vg_db
                size:
                  description: Bytes.
                  type: int
                  returned: always
                free:
                  description: Bytes.
                  type: int
                  returned: always
                pvs:
                  description: Physical volumes.
                  type: list
                  elements: dict
                  returned: always
                  contains:
                    uuid:
                      description: UUID.
                      type: str
                      returned: always
                    path:
                      description: Device.
                      type: str
                      returned: always
                      sample: /dev/mapper/db01
                    size:
                      description: Bytes.
                      type: int
                      returned: always
                    wwid:
                      description: Identity of the logical unit it lies on; V(null) for a local disk.
                      type: str
                      returned: always
            lvs:
              description: Logical volumes.
              type: list
              elements: dict
              returned: always
              contains:
                uuid:
                  description: UUID.
                  type: str
                  returned: always
                name:
                  description: Name.
                  type: str
                  returned: always
                  sample: data
                vg:
                  description: Name of the volume group.
                  type: str
                  returned: always
                  sample: vg_db
                path:
                  description: Device; V(null) for parts that are none of their own.
                  type: str
                  returned: always
                  sample: /dev/vg_db/data
                size:
                  description: Bytes.
                  type: int
                  returned: always
                active:
                  description: Whether it is active.
                  type: bool
                  returned: always
            free_pvs:
              description: Physical volumes in no volume group, with the same keys as those of a volume group.
              type: list
              elements: dict
              returned: always
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._apply.facts import SUBSETS, gather
from ansible_collections.virt.san.plugins.module_utils._argspec import parsed, parsed_list
from ansible_collections.virt.san.plugins.module_utils._entry import Outcome, run_info
from ansible_collections.virt.san.plugins.module_utils._host.block import existing_name
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.fabric import TRANSPORTS
from ansible_collections.virt.san.plugins.module_utils._model.ids import parse_size, parse_wwid
from ansible_collections.virt.san.plugins.module_utils._model.options import (
    parse_hba,
    parse_lun,
    parse_port,
    parse_seconds,
)
from ansible_collections.virt.san.plugins.module_utils._plan.select import Filters


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "gather_subset": {
                "type": "list",
                "elements": "str",
                "choices": [*SUBSETS, "all"],
                "default": ["hbas", "luns"],
            },
            "wwids": {"type": "list", "elements": "str", "default": []},
            "luns": {"type": "list", "elements": "int", "default": []},
            "size": {"type": "str"},
            "transport": {"type": "list", "elements": "str", "choices": list(TRANSPORTS), "default": []},
            "hba": {"type": "list", "elements": "str", "default": []},
            "target": {"type": "list", "elements": "str", "default": []},
            "device": {"type": "list", "elements": "str", "default": []},
            "multipath": {"type": "bool"},
            "timeout": {"type": "float", "default": 30.0},
        },
        supports_check_mode=True,
    )
    run_info(module, gather_facts)


def gather_facts(host: Host, options: Mapping[str, Any]) -> Outcome:
    subset = set(SUBSETS) if "all" in options["gather_subset"] else set(options["gather_subset"])
    deadline = parsed("timeout", parse_seconds, options["timeout"])
    facts, warnings = gather(host, subset, filters_of(host, options), deadline)
    return Outcome(changed=False, facts={"ansible_facts": {"san": facts}}, warnings=warnings)


def filters_of(host: Host, options: Mapping[str, Any]) -> Filters:
    return Filters(
        wwids=parsed_list("wwids", parse_wwid, options["wwids"]),
        luns=parsed_list("luns", parse_lun, options["luns"]),
        size=None if options["size"] is None else parsed("size", parse_size, options["size"]),
        transports=tuple(options["transport"]),
        hbas=parsed_list("hba", parse_hba, options["hba"]),
        targets=parsed_list("target", parse_port, options["target"]),
        devices=parsed_list("device", lambda device: existing_name(host, device), options["device"]),
        mapped=options["multipath"],
    )


if __name__ == "__main__":
    main()
