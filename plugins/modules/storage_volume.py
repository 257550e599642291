#!/usr/bin/python
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of storage pools: made, grown, shrunk with care, and removed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_volume
short_description: Make, copy, snapshot, grow and remove volumes of storage pools
version_added: 0.1.0
description:
  - Keeps volumes in the pools of M(virt.san.storage_pool) - the disks of guests. In pools that are folders, such as
    those of type V(dir), they are files; in those of type V(logical), logical volumes; in those of type V(disk),
    partitions.
  - A volume appears whole, or not at all, and never in the place of something else. A run that is killed leaves nothing
    that hinders the next one.
  - A volume that is in use - open by a guest or any other process, mounted, swapped to, under a loop device, or read by
    another volume - is neither deleted nor shrunk. Who uses it is named. Where that cannot be found out in the volume's
    own pool, it is refused as well; of other pools, such as those that do not run, a warning says so.
extends_documentation_fragment:
  - virt.san.attributes
  - virt.san.lock
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written. RV(steps) holds what would be done. What only the backend decides, such as the key of a new
        logical volume, is V(null) then.
  diff_mode:
    support: full
    details:
      - Shows path, format, capacity, backing and permissions, and what the volume is a snapshot of. Not the allocation,
        which others change all the time.
  idempotent:
    support: full
    details:
      - Sizes are compared as the pool can have them, rounded up to 512 bytes for files, to extents for logical
        volumes, and to MiB for partitions.
options:
  pool:
    description:
      - Name of the pool. It has to run (V(active\)).
      - In a pool that is not there, no volume is there either; O(state=absent) is content with that, and warns.
    type: str
    required: true
  name:
    description:
      - Name of the volume. That of a file, not beginning with a dot; in pools of type V(logical) that of a logical
        volume.
      - In pools of type V(disk) with a V(gpt), the label of the partition, at most 36 letters, digits and C(+ _ . -).
        Partitions that have no label of their own, and all in a V(dos) table, are V(part1), V(part2) and so on, by
        their numbers; in a V(dos) table V(part1) to V(part4) can be made.
    type: str
    required: true
  state:
    description:
      - V(present) - the volume is there, as large as O(capacity).
      - V(absent) - it is not, and what it held is lost.
    type: str
    choices: [present, absent]
    default: present
  capacity:
    description:
      - Size as its user sees it, V(10G) (powers of 1024) or a number of bytes. Needed to make a volume, unless it has
        O(backing) or O(clone_from), whose size is the default.
      - In pools of type V(logical) also a share of what is free, V(50%FREE), in those of type V(disk) of the largest
        gap between partitions. That counts when the volume is made; one that is there keeps its size.
      - A volume that is smaller grows in place, keeping what it holds. A guest that runs on it learns of that by a
        block resize (C(virsh blockresize\)) or at its next start. qcow2 does not grow while something has it open, a
        partition only into what is free right behind it.
      - One that is larger is an error, unless O(allow_shrink).
      - With O(snapshot_of), the space for what changes, and only for snapshots that are not thin.
    type: str
  allow_shrink:
    description:
      - Cut off what is behind the new end. Refused while the volume is in use, and if its content reaches farther - an
        ext2/3/4 or XFS file system, a partition table, the last byte that was written to a file, the last data in
        qcow2, also in its backing. Also refused if something else is on it of which nobody knows how far it reaches.
    type: bool
    default: false
  allocation:
    description:
      - V(sparse) - space is taken as it is written. For files the default. In pools of type V(logical), a thin volume
        in O(thin_pool), or in the only thin pool that the volume group has.
      - V(full) - all of it is taken at once. For logical volumes the default, for partitions all there is.
      - A logical volume that is there cannot change from one to the other. A file that is there is not allocated
        afterwards, which a warning says; what it grows by is.
    type: str
    choices: [sparse, full]
  thin_pool:
    description:
      - In pools of type V(logical), the thin pool of the volume group that a thin volume is made in.
    type: str
  format:
    description:
      - V(raw) or V(qcow2). By default V(raw), with O(backing) V(qcow2). Pools of type V(logical) and V(disk) have
        V(raw) only.
      - A volume that is there is what its header says, and is not converted. Whoever writes to a raw disk can write
        such a header, so name the format of disks that are given to guests.
    type: str
    choices: [raw, qcow2]
  backing:
    description:
      - What the volume reads where nothing was written to it yet. Only for V(qcow2), and not with O(allocation=full).
      - That of a volume that is there is not changed.
    type: dict
    suboptions:
      path:
        description:
          - Name of a volume in the same pool, or an absolute path.
        type: str
        required: true
      format:
        description:
          - Its format. By default what its header says, unless that names a further file; give V(raw) for a disk that
            guests have written to.
        type: str
        choices: [raw, qcow2]
  clone_from:
    description:
      - What a volume that is made begins as a copy of. Nothing is copied to a volume that is there.
      - The copy has at least the size of what it is a copy of, and by default just that; its format is by default the
        same. A thin logical volume is copied within its thin pool without copying anything (a snapshot).
      - A logical volume has to be active, unless it is copied within its thin pool.
      - Refused while somebody may write to what is copied, such as a guest that runs on it. Refused as well in a V(dos)
        table, where a copy that is not finished could not be told from others; use O(upload_from).
      - A V(raw) file is not made of a disk that begins as V(qcow2) does, such as by what its guest has written there.
        It would be taken for that. O(format=qcow2) puts such a disk into an image.
    type: dict
    suboptions:
      path:
        description:
          - Name of a volume in the same pool, or an absolute path on the host, of a file or a block device.
        type: str
        required: true
      format:
        description:
          - Its format. A device is V(raw) by default, a file what its header says, unless that names a further file;
            give V(raw) for a disk that guests have written to.
        type: str
        choices: [raw, qcow2]
  snapshot_of:
    description:
      - Name of a volume in the same pool, of type V(logical), that the volume is a snapshot of - it holds what that one
        (its origin) held when the snapshot was made, and can be written to by itself.
      - The origin may be in use, by a guest for instance. The snapshot then holds what a disk would after a power
        failure - file systems and databases recover from that (crash-consistent). To have it cleaner, freeze them
        meanwhile (C(virsh domfsfreeze\)).
      - Of a volume that is not thin, O(capacity) is needed - the space for what changes from then on, on either side,
        V(5G) or V(20%FREE). It is never more than changing all of the origin takes. A snapshot that is there grows to
        it, in use or not; one that has more keeps that. When it runs full the snapshot is lost, not the origin, and
        RV(volume.problem) says so.
      - Of a thin volume the snapshot is thin, in the same thin pool, and has no O(capacity). It stands alone - its
        origin can be removed.
      - A volume that is there and is no snapshot, or one of another origin, is an error.
      - Not for pools that are folders. There, use O(clone_from) or O(backing) for an image that nobody writes to, and
        for a disk in use a snapshot made by libvirt (C(virsh snapshot-create-as --disk-only\)).
      - Not together with O(clone_from), O(backing), O(upload_from), O(download_to), O(format), O(allocation),
        O(thin_pool) and O(permissions).
    type: str
  upload_from:
    description:
      - Absolute path of a file or block device on the host. The volume begins with the same bytes; what comes behind
        them stays. A volume that is made for it is by default as large.
      - Both are read whole to compare them, and only what differs is written. Only for V(raw) volumes that are not in
        use.
      - In pools that are folders refused for a file that is V(qcow2), as the volume would then be taken for that. Use
        O(clone_from).
    type: str
  download_to:
    description:
      - Absolute path of a file on the host that is to be what the volume is, byte by byte; of qcow2 the image itself.
        It appears whole, in the place of what was there, and belongs to root with V('0600').
      - Both are read whole to compare them. Refused while somebody may write to the volume.
      - What is there is replaced only if it is not in use. The disk of a guest is, and an image that others read.
    type: str
  permissions:
    description:
      - Of the file. What is left out is left alone; a file that is made has V('0600'), and belongs to root.
      - Not for pools of type V(logical) and V(disk), where the permissions of devices are udev's.
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
  wipe:
    description:
      - With O(state=absent), make what the volume holds unreadable before it is deleted. What is in use is not wiped,
        nor is a snapshot that is not thin, where writing covers nothing.
      - V(zero) is refused for thin volumes, where zeros would take all of the volume's size, and could fill the thin
        pool that others are in. V(discard) gives their blocks back.
      - V(zero) - zeros are written over it. V(discard) - its blocks are given back (TRIM), which is quick, and most but
        not all devices then read as zeros.
      - Devices and file systems that write elsewhere than before (SSDs, btrfs, thin pools) may still have the old bytes
        somewhere where no host gets at them.
      - There are no patterns of several passes, as C(virsh vol-wipe) has them by C(scrub) - an array or flash decides
        by itself where it puts what is written, so that no pass gets to more than V(zero) does.
    type: str
    choices: [zero, discard]
  timeout:
    description:
      - Seconds for each step. A step that is not done by then has failed. O(clone_from), O(wipe), and
        O(allocation=full) on a file system that has to write zeros for it, may need more.
      - Another run that is about the same volume is waited for as long; so is one that holds the lock of the host when
        long work is done.
    type: float
    default: 60.0
requirements:
  - lxml (C(python3-lxml)) on the host
  - for qcow2, also as O(clone_from), C(qemu-img) (C(qemu-utils), C(qemu-img))
  - for pools of type V(logical) C(lvm2)
  - for pools of type V(disk) C(sfdisk) (C(fdisk), C(util-linux)), and C(kpartx) where they are on multipath devices
notes:
  - What may take long - to copy, to carry over, to wipe, to allocate - keeps no other task waiting, neither about the
    host nor about the same pool. Meanwhile the volume and what it is copied from are claimed - whoever would change
    them, or have a volume that is being written, waits for O(timeout) and is then refused, and their pools are not
    stopped. The message names the process. Afterwards all is looked at once more, before the volume gets its name.
  - A file is made under a name that begins with a dot and ends in C(.virt-san), in the pool's folder. If a run is
    killed that file stays until the volume is made or removed the next time. A logical volume has the tag
    C(virt.san.unfinished) while something is copied to it, or it becomes a snapshot with space of its own; one that a
    killed run has left so is made once more.
  - What other hosts have open shows on NFS if they lock it, as QEMU does.
  - A partition table belongs to all hosts that see its LUN, and no LUN is reserved while it is changed. Run a task that
    changes it on one host at a time, by the keyword C(throttle). A host on which the same task runs later makes the
    device of a partition that another one has made, which is a change there.
seealso:
  - module: virt.san.storage_pool
  - module: community.libvirt.virt_volume
author:
  - virt.san contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: A disk in a folder
  virt.san.storage_volume:
    pool: images
    name: db01.raw
    capacity: 20G
    format: raw
    permissions:
      owner: libvirt-qemu
      group: libvirt-qemu

- name: A disk on top of an image that many share
  virt.san.storage_volume:
    pool: images
    name: web01.qcow2
    backing:
      path: debian-13.qcow2

- name: A logical volume; asking for more later makes it grow
  virt.san.storage_volume:
    pool: guests
    name: db01-data
    capacity: 50G

- name: A copy of an image, larger, as a logical volume
  virt.san.storage_volume:
    pool: guests
    name: web02-root
    clone_from:
      path: /var/lib/virt-san/images/debian-13.qcow2
    capacity: 20G
    timeout: 1800

- name: A snapshot of a disk that a guest runs on, with space for what changes meanwhile
  virt.san.storage_volume:
    pool: guests
    name: db01-data-backup
    snapshot_of: db01-data
    capacity: 5G

- name: Its bytes, as they were at that moment, in a file
  virt.san.storage_volume:
    pool: guests
    name: db01-data-backup
    download_to: /srv/backup/db01-data.raw
    timeout: 7200

- name: A snapshot of a thin one, which needs no space of its own
  virt.san.storage_volume:
    pool: guests
    name: web01-root-before
    snapshot_of: web01-root

- name: The bytes of a file, which may take long
  virt.san.storage_volume:
    pool: guests
    name: db01-data
    upload_from: /srv/restore/db01-data.raw
    timeout: 7200
  async: 7200
  poll: 30

- name: A copy in a file of the host
  virt.san.storage_volume:
    pool: images
    name: db01.raw
    download_to: /srv/backup/db01.raw

- name: A partition of a LUN, on all hosts that see it; the first one makes it, the others learn of it
  virt.san.storage_volume:
    pool: parts
    name: db01-log
    capacity: 20G
  throttle: 1

- name: Half of what is left
  virt.san.storage_volume:
    pool: guests
    name: scratch
    capacity: 50%FREE

- name: A thin one, in the thin pool of the volume group
  virt.san.storage_volume:
    pool: guests
    name: web01-root
    capacity: 20G
    allocation: sparse

- name: Smaller, once the file system on it is
  virt.san.storage_volume:
    pool: guests
    name: db01-data
    capacity: 30G
    allow_shrink: true

- name: Away with it, and nobody who gets its space reads what it held
  virt.san.storage_volume:
    pool: guests
    name: db01-data
    state: absent
    wipe: zero
    timeout: 3600

- name: Away with it; fails, naming the guest, if one has it open
  virt.san.storage_volume:
    pool: images
    name: db01.raw
    state: absent
"""

RETURN = r"""
volume:
  description: The volume as it is (in check mode, would be). V(null) if there is none.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: db01.raw
    pool:
      description: Name of its pool.
      type: str
      sample: images
    key:
      description:
        - What it is known by for good - the path of a file, the UUID that LVM gave a logical volume, the PARTUUID of a
          partition.
      type: str
      sample: /var/lib/virt-san/images/db01.raw
    path:
      description: Where it is on the host; of a partition on a multipath device by a name that every host has for it.
      type: str
      sample: /var/lib/virt-san/images/db01.raw
    format:
      description: V(raw) or V(qcow2), by its header.
      type: str
      sample: raw
    capacity:
      description: Bytes that its user sees. Of a snapshot that is not thin, its space for what changes.
      type: int
      sample: 21474836480
    allocation:
      description: Bytes that it takes in the pool. Of a snapshot that is not thin, how much of its space is taken.
      type: int
      sample: 4096
    backing:
      description:
        - What it reads from, as C(path) and C(format); for a snapshot of LVM that is not thin its origin. V(null) for
          nothing.
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
        - Name of the volume that a logical volume is a snapshot of, also a thin one that was made by O(clone_from).
          V(null) if it is none, or its origin is gone.
      type: str
    active:
      description:
        - Whether a logical volume can be used, or the host has the device of a partition. Files always can be used.
      type: bool
    problem:
      description: Why it cannot be worked with. V(null) if it can.
      type: str
transfer:
  description: What O(upload_from) or O(download_to) has carried over, or would have to.
  returned: with these options
  type: dict
  contains:
    bytes:
      description: Bytes that the file has then, or that are carried into the volume.
      type: int
    checksum:
      description: Of all of them, V(sha256:) and hexadecimal digits.
      type: str
    seconds:
      description: Seconds that the steps took. V(null) if nothing was to be done.
      type: float
steps:
  description: What was done (in check mode, what would be), one line each.
  returned: success
  type: list
  elements: str
  sample: ["create volume db01.raw in pool images: 20G, raw, sparse"]
holders:
  description: Who uses the volume.
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
    - Kind of failure - V(InputError), V(NotFoundError), V(InUseError), V(RefusedError), V(AmbiguousError),
      V(UnavailableError), V(CommandError), V(ApplyError) (a step failed), V(LockedError).
  returned: on failure
  type: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.volume import ensure, nothing_held
from ansible_collections.virt.san.plugins.module_utils._apply.volumes_native import NativeVolumes
from ansible_collections.virt.san.plugins.module_utils._argspec import LOCK_TIMEOUT, parsed
from ansible_collections.virt.san.plugins.module_utils._argspec_pool import PERMISSIONS, permissions_of
from ansible_collections.virt.san.plugins.module_utils._entry import Apart, Outcome, run_long_change
from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.options import parse_deadline
from ansible_collections.virt.san.plugins.module_utils._model.pool import parse_path, parse_pool_name
from ansible_collections.virt.san.plugins.module_utils._model.volume import (
    DISCARD,
    FORMATS,
    ZERO,
    Backing,
    WantedVolume,
    parse_capacity,
    parse_volume_name,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "pool": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "capacity": {"type": "str"},
            "allow_shrink": {"type": "bool", "default": False},
            "allocation": {"type": "str", "choices": ["sparse", "full"]},
            "thin_pool": {"type": "str"},
            "format": {"type": "str", "choices": list(FORMATS)},
            "backing": {
                "type": "dict",
                "options": {
                    "path": {"type": "str", "required": True},
                    "format": {"type": "str", "choices": list(FORMATS)},
                },
            },
            "clone_from": {
                "type": "dict",
                "options": {
                    "path": {"type": "str", "required": True},
                    "format": {"type": "str", "choices": list(FORMATS)},
                },
            },
            "snapshot_of": {"type": "str"},
            "upload_from": {"type": "str"},
            "download_to": {"type": "str"},
            "permissions": PERMISSIONS,
            "wipe": {"type": "str", "choices": [ZERO, DISCARD]},
            "timeout": {"type": "float", "default": 60.0},
            **LOCK_TIMEOUT,
        },
        supports_check_mode=True,
        mutually_exclusive=[
            ("backing", "clone_from", "upload_from", "snapshot_of"),
            ("upload_from", "download_to"),
            *(("snapshot_of", other) for other in ("download_to", "format", "allocation", "thin_pool", "permissions")),
        ],
    )
    run_long_change(module, bring_about)


def bring_about(host: Host, options: Mapping[str, Any], check_mode: bool, apart: Apart = nothing_held) -> Outcome:
    pool = parsed("pool", parse_pool_name, options["pool"])
    timeout = parsed("timeout", parse_deadline, options["timeout"])
    keeper = NativeVolumes(host, NativeKeeper(host), timeout)
    report = ensure(host, keeper, pool, wanted_of(options), timeout, check_mode, apart)
    return Outcome(report.changed, report.facts, report.before, report.after, report.warnings)


def wanted_of(options: Mapping[str, Any]) -> WantedVolume:
    """Return the volume that the options describe. Raises InputError."""
    capacity, backing, clone = options["capacity"], options["backing"], options["clone_from"]
    origin = _only_with(options, "present", "snapshot_of")
    return WantedVolume(
        name=parsed("name", parse_volume_name, options["name"]),
        state=options["state"],
        capacity=None if capacity is None else parsed("capacity", parse_capacity, capacity),
        allocation=options["allocation"],
        thin_pool=options["thin_pool"],
        format=options["format"],
        backing=None if backing is None else parsed("backing.path", _backing, backing),
        permissions=permissions_of(options["permissions"], "permissions"),
        allow_shrink=options["allow_shrink"],
        wipe=_only_with(options, "absent", "wipe"),
        snapshot_of=None if origin is None else parsed("snapshot_of", parse_volume_name, origin),
        upload_from=_file(options, "upload_from"),
        download_to=_file(options, "download_to"),
        clone_from=None if clone is None else parsed("clone_from.path", _backing, clone),
    )


def _only_with(options: Mapping[str, Any], state: str, option: str) -> str | None:
    """Return an option that goes with one state only. Raises InputError."""
    value: str | None = options[option]
    if value is not None and options["state"] != state:
        raise InputError(f"{option}: goes with state {state}, not with {options['state']}", option=option)
    return value


def _file(options: Mapping[str, Any], option: str) -> str | None:
    path = _only_with(options, "present", option)
    return None if path is None else parsed(option, parse_path, path)


def _backing(told: Mapping[str, Any]) -> Backing:
    path = told["path"]
    return Backing(parse_path(path) if path.startswith("/") else parse_volume_name(path), told["format"])


if __name__ == "__main__":
    main()
