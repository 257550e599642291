#!/usr/bin/python
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools: defined, built, started, there again after a reboot, stopped and removed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_pool
short_description: Define, build, start, stop and remove storage pools
version_added: 0.1.0
description:
  - Keeps storage pools as libvirt knows them, without libvirt - the same few options for every kind of storage.
  - A pool is defined, built if there is nothing to start yet, started, and on demand started at every boot.
  - Types are V(dir), a folder of the host, V(disk), a LUN with a partition table, V(fs), a file system on a LUN
    of its own, V(iscsi), the LUNs of an iSCSI target, V(netfs), an export of an NFS server, V(logical), a volume group
    of LVM, V(mpath), the multipath devices of the host, and V(scsi), all LUNs behind an HBA, which may be a virtual one
    of the pool's own.
  - The definition is kept as libvirt's storage pool XML in C(/etc/virt-san/pools), so that C(virsh pool-define) takes
    the file as it is.
  - What is in use is not stopped and not deleted; who uses it is named. A server that does not answer makes the task
    fail within a deadline, or warn where an answer is not needed. It never makes it hang.
extends_documentation_fragment:
  - virt.san.attributes
  - virt.san.lock
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written. RV(steps) holds what would be done. The UUID of a pool that is yet to be defined shows as
        V((generated\)).
  diff_mode:
    support: full
    details:
      - Shows the definition, whether the pool is built and running, and what is kept to start it at boot.
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) - the pool is defined, and built unless O(build=never). Whether it runs is left alone.
      - V(active) - it is defined, built and runs.
      - V(inactive) - it is defined and built, and does not run.
      - V(absent) - it is stopped and no longer defined. What is stored in it stays, unless O(delete_contents).
    type: str
    choices: [present, active, inactive, absent]
    default: present
  name:
    description:
      - Name of the pool. With O(xml) it may be left out.
      - The name alone is enough for a pool that is defined.
    type: str
  type:
    description:
      - V(dir) - a folder of the host. That such a pool runs is a note, which a reboot strikes out.
      - V(disk) - a partition table on one LUN (or disk), and its partitions. That such a pool runs is a note, as with
        V(dir), and stopping it ends nothing.
      - V(fs) - a file system on one LUN (or disk), mounted with C(nodev), C(nosuid) and C(noexec). It runs as long as
        it is mounted, whoever has mounted it, on one host at a time.
      - V(iscsi) - the LUNs of one iSCSI target, each a volume named by its WWID. It runs if that is noted and there is
        a session with one of its portals. Sessions that are there already are used, and stay when the pool stops; so do
        those that M(virt.san.iscsi_session) has log in at boot by then.
      - V(netfs) - an NFS export, mounted with C(nodev), C(nosuid) and C(noexec). It runs as long as it is mounted,
        whoever has mounted it.
      - V(logical) - a volume group on LUNs. It belongs to the host that makes it; on others it is found built, and
        cannot be started. One that has no system ID belongs to none, and can only be stopped until it is given one
        (C(vgchange --systemid)). It runs as long as one of its volumes is active, and O(state=active)
        activates all.
      - V(mpath) - all multipath devices of the host, each a volume named by its WWID. That such a pool runs is a note,
        and starting and stopping it change no device.
      - V(scsi) - all LUNs behind one HBA, each a volume named by its WWID. It runs if that is noted and the HBA is
        there. A virtual HBA that is not there is made when the pool starts, and deleted when it stops, with what is
        only behind it.
    type: str
    choices: [dir, disk, fs, iscsi, logical, mpath, netfs, scsi]
  uuid:
    description:
      - UUID of a new pool. By default a random one, which then stays.
    type: str
  source:
    description:
      - Where the storage comes from. O(type=dir) and O(type=mpath) have none.
    type: dict
    suboptions:
      host:
        description:
          - Name or address of the NFS server.
        type: str
      dir:
        description:
          - Path that it exports.
        type: str
      name:
        description:
          - Name of the volume group of O(type=logical). By default that of the pool.
        type: str
      devices:
        description:
          - With O(type=disk) and O(type=fs), the one LUN that the partition table or the file system is on.
          - With O(type=logical), the LUNs that the group is on.
          - Each by its WWID or by a path below C(/dev). Always the multipath device of the LUN is used, and a name that
            the kernel gives (C(/dev/sdb)) is replaced by the WWID, as it may be another LUN after a reboot.
          - A device that is added here is added to a group. One that is left out stays, unless O(remove_devices).
          - With O(type=logical) and no devices, a group of that name has to be there.
        type: list
        elements: str
        default: []
      format:
        description:
          - O(type=netfs) - V(nfs) or V(auto), which mean the same.
          - O(type=disk) - V(gpt) or V(dos). With V(unknown), the default, either of them may be on the device, and none
            is made.
          - O(type=fs) - V(ext4) or V(xfs). With V(auto), the default, either of them may be on the device, and none is
            made.
          - O(type=logical) - V(lvm2).
        type: str
      target:
        description:
          - Name of the target of O(type=iscsi), which needs one.
        type: str
      portals:
        description:
          - Where the target listens, each an IP address, with the port if it is not 3260. O(type=iscsi) needs one.
          - A portal that does not answer is a warning as long as another one does. It is logged in to when the task
            runs again.
          - libvirt's XML has one portal. It is the first one; the others are kept beside it.
        type: list
        elements: str
        default: []
      initiator:
        description:
          - The iSCSI name by which the host logs in for O(type=iscsi), as the array knows it. By default the host's
            own, and then whatever sessions there are with the target count.
          - With it, only sessions count in which the host has that name. The volumes are what the array shows to it.
          - No two hosts may be logged in by one name at once. A target takes the second for the first one coming back,
            and drops that.
          - open-iscsi has such a name in an iface. One that is there is used; otherwise the pool makes one, and the
            last pool that uses that removes it.
        type: str
      chap:
        description:
          - What to log in with. By default without a password, or by that of a record that open-iscsi has already.
          - It is kept in C(/etc/virt-san/secrets), where only root reads it, so that the pool can start at boot; of a
            transient pool it is not. It is neither an argument of a command nor in results.
          - Of a pool that runs, another password counts from its next start on.
        type: dict
        suboptions:
          username:
            description:
              - Name of this host.
            type: str
            required: true
          password:
            description:
              - Password of this host.
            type: str
            required: true
          mutual_username:
            description:
              - Name by which the target proves itself to the host.
            type: str
          mutual_password:
            description:
              - Its password, another one than O(source.chap.password).
            type: str
      adapter:
        description:
          - The HBA of O(type=scsi), which needs one.
        type: dict
        suboptions:
          type:
            description:
              - V(scsi_host) - an HBA that is there, whoever has made it. Starting and stopping the pool change nothing.
              - V(fc_host) - a virtual HBA (NPIV). One that was there before the pool started is used, and stays when it
                stops; so does one that M(virt.san.npiv_vport) keeps for boots by then.
            type: str
            choices: [fc_host, scsi_host]
            required: true
          host:
            description:
              - With V(scsi_host), the HBA - its WWPN, its PCI address, or the name of its SCSI host (C(host3)).
              - What is kept is the WWPN or the PCI address. The number is the kernel's, and another one after a boot.
            type: str
          unique_id:
            description:
              - Which of several SCSI hosts of one PCI device, as in C(/sys/class/scsi_host/host3/unique_id).
            type: int
          wwpn:
            description:
              - With V(fc_host), the WWPN of the virtual HBA.
            type: str
          wwnn:
            description:
              - With V(fc_host), its WWNN.
            type: str
          parent:
            description:
              - The HBA to make it on - name of its SCSI host, WWPN, WWNN or PCI address. By default the one with the
                fewest virtual HBAs that fits. What is kept is its WWNs.
            type: str
          fabric:
            description:
              - WWN of the fabric that it is to be in, instead of O(source.adapter.parent).
            type: str
      protocol:
        description:
          - Version of NFS, V(3), V(4), V(4.1) or V(4.2). By default client and server agree on one.
        type: str
      mount_options:
        description:
          - Further options of mount(8), one an entry. They come last, so that V(exec) would undo C(noexec).
          - They take effect when the pool is started the next time. C(ro), C(nodev), C(nosuid) and C(noexec) are
            compared with what is mounted, whoever has mounted it (RV(restart_needed)).
        type: list
        elements: str
        default: []
  target:
    description:
      - Where the volumes are found on the host.
    type: dict
    suboptions:
      path:
        description:
          - Folder of a pool of O(type=dir), mount point of O(type=fs) and O(type=netfs). Needed for these. It is made
            if it is missing.
          - With O(type=logical) it is C(/dev/NAME), with O(type=disk) by default C(/dev), with O(type=mpath) by default
            C(/dev/mapper), with O(type=iscsi) and O(type=scsi) by default C(/dev/disk/by-id); these may leave it out.
            For the last three only libvirt goes by it.
        type: str
      permissions:
        description:
          - Of the folder. What is left out is left alone; a folder that is made has V('0711') and belongs to root.
          - With O(type=fs) they are those of what is mounted, unless it is mounted C(ro).
          - With O(type=netfs) they are those of a mount point that is made. Those of what is mounted are the server's.
        type: dict
        suboptions:
          mode:
            description:
              - Four octal digits in quotes.
            type: str
          owner:
            description:
              - Name or number of a user of the host.
            type: str
          group:
            description:
              - Name or number of a group of the host.
            type: str
  xml:
    description:
      - The pool in libvirt's storage pool XML, as C(virsh pool-dumpxml) prints it, instead of O(type), O(uuid),
        O(source) and O(target). Sizes in it are passed over.
      - What is not understood is refused, as are documents with a document type or entities, and those longer than
        1 MiB.
    type: str
  autostart:
    description:
      - Whether the pool is started at boot. By default that is left as it is. Needs systemd.
    type: bool
  persistent:
    description:
      - V(false) - the pool is transient; it is not defined, and gone when it is stopped or the host reboots. Only
        with O(state=active) and O(state=absent).
    type: bool
    default: true
  build:
    description:
      - V(if_needed) - make what is missing to start the pool, such as its folder. What an earlier run has made is known
        again, on any host. Anything else on a device that is named is refused.
      - V(never) - make nothing, and leave permissions as they are. With O(type=disk) and O(type=fs), a partition table
        or file system of the right format that others have made becomes the pool's, with all that is in it
        (RV(pool.adopted)).
      - V(overwrite) - what is on the devices that are named may be lost. A device in use, one of another volume group,
        a PV that a filter hides from LVM, or one that could not be looked at is refused all the same.
      - With V(dir), V(iscsi), V(mpath), V(netfs) and V(scsi) nothing is ever overwritten, and this means V(if_needed).
    type: str
    choices: [if_needed, never, overwrite]
    default: if_needed
  remove_devices:
    description:
      - With O(type=logical), take devices that O(source.devices) does not name out of the group. What is on them is
        moved to the others first, and they are left blank. Refused if the others have no room. Moving has to be done
        within O(timeout); where it is not, running the task again goes on.
    type: bool
    default: false
  exclusive:
    description:
      - While something is built on a LUN or erased, it is reserved for this host, so that hosts that run the same task
        at once do not both build. V(false) allows that for LUNs that do not know persistent reservations, and for other
        devices that come over a network, such as NVMe over fabrics, C(nbd) and C(rbd), which are not reserved.
    type: bool
    default: true
  single_host:
    description:
      - V(true) - nobody uses the storage on another host while this one does, and something else sees to that.
      - Needed for O(type=fs) on a LUN, or on another device that comes over a network, unless its file system is an
        ext4 with multiple mount protection (C(mmp)), which keeps other hosts out by itself. One that is made here is.
        With two hosts at work a file system is lost.
      - By default it is as it was said the last time, at first V(false). With O(delete_contents) only what this task
        says counts.
    type: bool
  delete_contents:
    description:
      - With O(state=absent), also delete what is stored in the pool, and what was built for it.
      - V(dir) - the folder with all that is in it. Refused if something in it is in use, if something is mounted
        below, if another pool is in it, or if it is a part of the host, such as C(/srv).
      - V(disk) - the partition table and its partitions are erased, so that the LUN is blank. Refused if a partition is
        in use on this host, or if the table is not the pool's. Uses by other hosts are not seen.
      - V(fs) - the file system is erased, so that the LUN is blank, and the mount point goes if it is empty then.
        Refused if it is in use on this host, or if it is not the pool's. If it is on a LUN and has multiple mount
        protection, also if another host has it mounted. Without that nobody could tell, and unless the pool runs on
        this host, the task has to say O(single_host=true).
      - V(iscsi), V(mpath), V(scsi) - nothing. The logical units are the array's.
      - V(netfs) - only the mount point, if it is empty then. The files are the server's, and may be in use by other
        hosts.
      - V(logical) - all volumes, the group, and the labels of LVM, so that the LUNs are blank.
    type: bool
    default: false
  force:
    description:
      - With O(state=inactive) and O(state=absent), unmount an export also if it is in use, or if its server does not
        answer. Who has a file open keeps that file alone, and what was not written yet is lost.
      - For a LUN that leaves with a pool of O(type=iscsi) or O(type=scsi), that I/O which waits in its multipath device
        for a path may fail. A LUN in use is refused all the same.
      - Without it nothing is ever unmounted lazily, and O(type=fs) never is. A file system that this host has mounted
        elsewhere as well, as by a bind mount or in a container, is not unmounted either.
    type: bool
    default: false
  timeout:
    description:
      - Seconds for each step that touches storage, such as mounting. A step that is not done by then has failed.
      - To move what is on a LUN (O(remove_devices)) takes as long as to read and to write it.
      - Another run that is about the same pool, such as the boot's attempt to start it, is waited for as long.
      - So is another host that builds on the same LUN.
      - An ext4 with multiple mount protection, in which a host that crashed has left its name, gets up to a minute more
        to be mounted. It takes 22 seconds.
    type: float
    default: 60.0
requirements:
  - lxml (C(python3-lxml)) on the host
  - for O(type=logical) C(lvm2), for O(type=fs) C(e2fsprogs) or C(xfsprogs), for O(type=disk) C(sfdisk) (C(fdisk) on
    Debian, C(util-linux) elsewhere)
  - for these LUNs that know persistent reservations (SPC-3)
  - for O(type=iscsi) C(iscsiadm) and an iSCSI name (C(open-iscsi), C(iscsi-initiator-utils))
  - for O(type=scsi) with a virtual HBA, an HBA that can do NPIV
  - for O(type=netfs) C(mount.nfs) on the host (C(nfs-common), C(nfs-utils))
notes:
  - Kept on the host - a definition in C(/etc/virt-san/pools), with what XML cannot say in C(NAME.json), a password in
    C(/etc/virt-san/secrets), notes in C(/run/virt-san/pools), C(/run/virt-san/made) and C(/etc/virt-san/made), and for
    O(autostart) a unit C(virt-san-pool@NAME.service), the target C(virt-san-pools.target), and
    C(/usr/local/lib/virt-san/virt-san-pools.pyz), the program that the units run. It consists of this module's own code
    and is replaced when that changes. With the last definition all of it goes.
  - Of a pool that runs, source and target may be changed. It goes on by its old definition until it is stopped, which
    RV(restart_needed) and a warning say.
  - A process that hangs in the kernel because a server does not answer is left behind, detached; C(ps) shows it as
    C(san-p-...).
seealso:
  - module: virt.san.storage_volume
  - module: virt.san.iscsi_session
  - module: virt.san.npiv_vport
  - module: virt.san.multipath_devices
  - module: virt.san.scsi_device
  - module: community.libvirt.virt_pool
author:
  - virt.san contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: A folder for images, now and at every boot
  virt.san.storage_pool:
    name: images
    type: dir
    target:
      path: /var/lib/virt-san/images
      permissions:
        mode: "0711"
    state: active
    autostart: true

- name: An export that all hosts mount
  virt.san.storage_pool:
    name: isos
    type: netfs
    source:
      host: 10.77.1.1
      dir: /srv/nfs
      mount_options: [ro, vers=4.2]
    target:
      path: /var/lib/virt-san/isos
    state: active
    autostart: true

- name: A file system on a LUN; the task may run on all hosts that see it, and starts the pool on one
  virt.san.storage_pool:
    name: vms
    type: fs
    source:
      devices: [3600140512345678abcdef0123456789a]
      format: ext4
    target:
      path: /var/lib/virt-san/vms
    state: "{{ 'active' if inventory_hostname == 'kvm1' else 'inactive' }}"

- name: A partition table on a LUN
  virt.san.storage_pool:
    name: parts
    type: disk
    source:
      devices: [3600140512345678abcdef0123456789a]
      format: gpt
    state: active

- name: A file system that libvirt has made, with all that is in it
  virt.san.storage_pool:
    xml: "{{ lookup('ansible.builtin.file', 'archive.xml') }}"
    build: never
    single_host: true

- name: A volume group on two LUNs
  virt.san.storage_pool:
    name: guests
    type: logical
    source:
      devices:
        - 3600140512345678abcdef0123456789a
        - 36001405fedcba9876543210abcdef012
    state: active
    autostart: true

- name: All multipath devices of the host
  virt.san.storage_pool:
    name: maps
    type: mpath
    state: active

- name: The LUNs of a guest, by a virtual HBA that is there as long as the pool runs
  virt.san.storage_pool:
    name: db01
    type: scsi
    source:
      adapter:
        type: fc_host
        wwpn: 5001a4a000000001
        wwnn: 5001a4a000000000
        parent: 0000:3b:00.0
    state: active

- name: The LUNs of an iSCSI target over two portals
  virt.san.storage_pool:
    name: array1
    type: iscsi
    source:
      target: iqn.2025-01.com.example:array1.vol7
      portals: [10.77.1.1, 10.77.2.1]
      chap:
        username: kvm1
        password: "{{ chap_password }}"
        mutual_username: array1
        mutual_password: "{{ chap_password_of_array }}"
    state: active
    autostart: true

- name: What the array shows to a guest, by a name that is the guest's, on one host at a time
  virt.san.storage_pool:
    name: db02
    type: iscsi
    source:
      target: iqn.2025-01.com.example:array1.vol7
      portals: [10.77.1.1, 10.77.2.1]
      initiator: iqn.2025-01.com.example.guests:db02
    state: active

- name: All LUNs behind an HBA
  virt.san.storage_pool:
    name: fabric_a
    type: scsi
    source:
      adapter:
        type: scsi_host
        host: 2100001b32a1b2c3
    state: active
    autostart: true

- name: Take over a pool of libvirt's
  virt.san.storage_pool:
    xml: "{{ lookup('ansible.builtin.file', 'images.xml') }}"

- name: Stop it; fails, naming the users, if something is open on it
  virt.san.storage_pool:
    name: isos
    state: inactive

- name: The server is gone for good
  virt.san.storage_pool:
    name: isos
    state: absent
    force: true

- name: Remove a pool with all that is in it
  virt.san.storage_pool:
    name: images
    state: absent
    delete_contents: true
"""

RETURN = r"""
pool:
  description: The pool as it is (in check mode, would be). V(null) if it is not defined and does not run.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: isos
    uuid:
      description: Its UUID.
      type: str
      sample: 5b1c1f7e-1d25-4d0c-9a52-2b0d6f6f4a11
    type:
      description: Its type.
      type: str
      sample: netfs
    state:
      description: V(active) or V(inactive), as seen on the host.
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
    source:
      description: Where the storage comes from, as far as it is set.
      type: dict
      sample: {"hosts": [{"name": "10.77.1.1"}], "directory": "/srv/nfs"}
    single_host:
      description: Whether somebody has promised that no other host uses it, where that is so.
      type: bool
    hba:
      description: WWPN or PCI address by which an HBA of type V(scsi_host) is known.
      type: str
    portals:
      description: Further portals of V(iscsi); the first one is in C(source.hosts).
      type: list
      elements: str
    sessions:
      description: Of V(iscsi), which portals there is a session with.
      type: dict
      sample: {"10.77.1.1:3260": true, "10.77.2.1:3260": true}
    chap:
      description: Whether the password that is kept is the one asked for. V(as asked for) once the task is done.
      type: str
    made:
      description:
        - What the pool has made to get at its LUNs, and takes away when it is stopped. Missing where it has made
          nothing.
      type: list
      elements: str
      sample: [vHBA 5001a4a000000001]
    adopted:
      description: UUID of the file system, or identity of the partition table, that was taken over from others.
      type: str
    target:
      description: Where the volumes are found.
      type: dict
      sample: {"path": "/var/lib/virt-san/isos"}
    folder:
      description: Permissions of the folder, where they are changed. C(mode) is octal, C(owner) and C(group) numbers.
      type: dict
    fills_device:
      description:
        - Whether the file system of O(type=fs), or the GPT of O(type=disk), takes all of its LUN, where that is
          changed, as the LUN has grown.
      type: bool
    group:
      description:
        - What is compared of a volume group - its name, system ID, and by device the bytes it has of it, or C(whole).
      type: dict
    volume_group:
      description:
        - The volume group of O(type=logical), with UUID, C(size), C(free), C(system_id), C(tags), the PVs (C(uuid),
          C(path), C(wwid), C(size), C(used), C(missing)) and the volumes (C(uuid), C(name), C(path), C(size),
          C(active)). Sizes are in bytes. V(null) for other types, and before it is made.
      type: dict
    capacity:
      description:
        - Bytes it has in all. V(null) if it does not run, or if its server does not answer. Logical units count as in
          use.
      type: int
    allocation:
      description: Bytes in use there.
      type: int
    available:
      description: Bytes that are free.
      type: int
restart_needed:
  description: Options that take effect when the pool is stopped and started again.
  returned: success
  type: list
  elements: str
  sample: [source.mount_options]
steps:
  description: What was done (in check mode, what would be), one line each.
  returned: success
  type: list
  elements: str
  sample: [define pool isos, make the folder /var/lib/virt-san/isos (mode 0711)]
holders:
  description: Who uses the pool.
  returned: when the task fails because of them
  type: list
  elements: str
  sample: [guest db01 (pid 4711)]
completed:
  description: The steps that were done before the one that failed.
  returned: when a step failed
  type: list
  elements: str
error:
  description:
    - Kind of failure - V(InputError), V(NotFoundError), V(InUseError), V(RefusedError), V(UnavailableError),
      V(ApplyError) (a step failed), V(LockedError).
  returned: on failure
  type: str
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._apply.pool import ensure
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._argspec import LOCK_TIMEOUT, parsed
from ansible_collections.virt.san.plugins.module_utils._argspec_pool import (
    POOL,
    described,
    require_one_description,
    secret_of,
)
from ansible_collections.virt.san.plugins.module_utils._boot.pack_pools import packed
from ansible_collections.virt.san.plugins.module_utils._entry import Outcome, run_change
from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.options import parse_deadline
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, parse_pool_name
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.plugins.module_utils._pools.registry import pool_type
from ansible_collections.virt.san.plugins.module_utils._xml.pool import parse_pool


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "active", "inactive", "absent"], "default": "present"},
            **POOL,
            "autostart": {"type": "bool"},
            "persistent": {"type": "bool", "default": True},
            "build": {"type": "str", "choices": ["if_needed", "never", "overwrite"], "default": "if_needed"},
            "remove_devices": {"type": "bool", "default": False},
            "exclusive": {"type": "bool", "default": True},
            "single_host": {"type": "bool"},
            "delete_contents": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 60.0},
            **LOCK_TIMEOUT,
        },
        supports_check_mode=True,
        required_one_of=[("name", "xml")],
        mutually_exclusive=[("xml", "type"), ("xml", "uuid"), ("xml", "source"), ("xml", "target")],
    )
    run_change(module, bring_about)


def bring_about(host: Host, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    wanted = wanted_of(options)
    timeout = parsed("timeout", parse_deadline, options["timeout"])
    report = ensure(host, NativeKeeper(host, packed), wanted, options["autostart"], timeout, check_mode)
    return Outcome(report.changed, report.facts, report.before, report.after, report.warnings)


def wanted_of(options: Mapping[str, Any]) -> Wanted:
    state, persistent = options["state"], options["persistent"]
    refuse_nonsense(options)
    pool = pool_of(options)
    return Wanted(
        name=parsed("name", parse_pool_name, options["name"]) if pool is None else pool.name,
        state=state,
        pool=pool,
        persistent=persistent,
        build=options["build"],
        delete_contents=options["delete_contents"],
        force=options["force"],
        remove_devices=options["remove_devices"],
        exclusive=options["exclusive"],
        single_host=options["single_host"],
        secret=secret_of(options),
    )


def refuse_nonsense(options: Mapping[str, Any]) -> None:
    """Raise InputError for options that contradict each other."""
    state = options["state"]
    if options["delete_contents"] and state != "absent":
        raise InputError(f"delete_contents: goes with state absent, not with {state}", option="delete_contents")
    if not options["persistent"]:
        if state not in ("active", "absent"):
            raise InputError(
                f"persistent: a transient pool is active or absent; stopped it is gone, and cannot be {state}",
                option="persistent",
            )
        if options["autostart"]:
            raise InputError("autostart: a transient pool is gone at the next boot", option="autostart")
    require_one_description(options)


def pool_of(options: Mapping[str, Any]) -> PoolDefinition | None:
    """Return the pool that is described; None if it is only named. Raises InputError, UnavailableError (no lxml)."""
    name = options["name"]
    if options["xml"] is not None:
        pool: PoolDefinition | None = parsed("xml", parse_pool, options["xml"])
        if pool is not None and name is not None and pool.name != name:
            raise InputError(f"name: the pool in xml is called {pool.name}, not {name}", option="name")
    else:
        pool = described(options, parsed("name", parse_pool_name, name))
    if pool is not None:
        check(replace(pool, kept=replace(pool.kept, single_host=bool(options["single_host"]))))
    return pool


def check(pool: PoolDefinition) -> None:
    """Raise InputError for what the pool's type lacks or cannot do anything with."""
    try:
        pool_type(pool.type).check(pool)
    except ValueError as wrong:
        raise InputError(str(wrong)) from wrong


if __name__ == "__main__":
    main()
