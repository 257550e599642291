#!/usr/bin/python
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a host's LVM to the host's own volume groups."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lvm_devices
short_description: Keep a host's LVM to the host's own volume groups
version_added: 0.1.0
description:
  - A guest that is given a LUN often makes a volume group on it. The host's LVM sees that group as if it were the
    host's own, and by default activates it - at boot, and whenever a LUN appears. Two systems then have one volume
    group open, and the multipath device or the LUN cannot be removed any more.
  - The module has the host's LVM use the devices of the host's own volume groups and no other. Where LVM knows
    devices files (2.03.12 and later), it is the devices file that says which; else it is a filter.
  - A volume group is the host's own if it is named in O(volume_groups), has a physical volume on a local disk, or
    if the host refers to it - it boots from it, or fstab, crypttab, swap or the kernel's command line name it, or a
    storage pool or guest that is defined in libvirt does. All others are on the LUNs of the SAN, and taken for those
    of guests.
  - Volume groups of guests that are active on the host are deactivated. If one is open (mounted, used by a
    running guest, or by another device), the task fails before anything is written and says by whom.
  - Metadata of volume groups and content of LUNs are never written.
extends_documentation_fragment:
  - virt.san.attributes
  - virt.san.lock
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the setting, which devices LVM uses, and which logical volumes are active.
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) keeps LVM to the host's own volume groups.
      - V(absent) takes the setting away again. Nothing is activated by that, but LVM does so at the next boot.
        A devices file that was there before the module came stays as it is.
    type: str
    choices: [present, absent]
    default: present
  volume_groups:
    description:
      - Volume groups on LUNs that are the host's own, by name or, where guests have some of the same name, by UUID.
      - Those that are not there yet are a warning. Where the devices file is used, C(vgcreate) on the host lists
        the devices of the new group by itself.
    type: list
    elements: str
    default: []
  method:
    description:
      - How LVM is told. V(devices_file) is LVM's own list of devices, V(filter) the option C(devices/global_filter).
      - V(auto) is the devices file where this LVM has one.
      - With V(filter), LVM sees no device that is not named in it - take the setting away before making a
        volume group on the host, and run the task again afterwards.
    type: str
    choices: [auto, devices_file, filter]
    default: auto
notes:
  - The setting is a marked block in C(/etc/lvm/lvmlocal.conf), which overrides C(lvm.conf); other lines are kept.
  - If LVM would no longer see a device of the host's own, its configuration is put back as it was and the task fails.
  - A volume group on a local disk that is hidden from LVM already (by a filter or a devices file) stays hidden,
    unless it is named in O(volume_groups).
  - On Debian the initramfs has a copy of LVM's configuration and activates volume groups. It is updated along
    with the setting, unless / or /usr is on LVM. Then there is a warning that says what to check first.
  - Seen working on Debian 12 and 13. Red Hat's and SUSE's families are untested.
seealso:
  - module: virt.san.lun_facts
author:
  - virt.san contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Leave the volume groups of guests to the guests
  virt.san.lvm_devices:

- name: Keep a volume group on a LUN for the host itself
  virt.san.lvm_devices:
    volume_groups: [images]

- name: See what would be hidden and deactivated
  virt.san.lvm_devices:
  check_mode: true
  diff: true

- name: Have LVM as the distribution configures it
  virt.san.lvm_devices:
    state: absent
"""

RETURN = r"""
method:
  description: How LVM is told, V(devices_file) or V(filter); none with state V(absent).
  returned: success
  type: str
volume_groups:
  description: All volume groups that LVM could see.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    uuid:
      description: Its UUID.
      type: str
    own:
      description: Whether it is the host's own. Always V(false) with state V(absent).
      type: bool
    why:
      description: What says that it is the host's own; none for others.
      type: str
    devices:
      description: Its physical volumes that are there.
      type: list
      elements: str
    wwids:
      description: The LUNs they are on.
      type: list
      elements: str
    visible:
      description: Whether LVM, as it is configured, uses it. In check mode, as it is configured before.
      type: bool
    active:
      description: Its logical volumes that are active on the host. In check mode, before.
      type: list
      elements: str
initramfs_updated:
  description: Whether the initramfs was updated.
  returned: success
  type: bool
steps:
  description: What was done (in check mode, what would be), one line each.
  returned: success
  type: list
  elements: str
  sample: ["have LVM use the devices that its devices file names, and no other"]
holders:
  description: Who has volume groups open that are not the host's own.
  returned: when the task is refused because of them
  type: list
  elements: dict
  contains:
    vg:
      description: The volume group.
      type: str
    vg_uuid:
      description: Its UUID.
      type: str
    lv:
      description: The logical volume that is open.
      type: str
    by:
      description: By whom.
      type: list
      elements: str
    wwids:
      description: The LUNs of the volume group.
      type: list
      elements: str
error:
  description:
    - Kind of failure - V(InUseError), V(AmbiguousError), V(IdentityError), V(RefusedError), V(UnavailableError),
      V(CommandError), V(ApplyError), V(LockedError).
  returned: on failure
  type: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._apply.lvm_devices import ensure_absent, ensure_present
from ansible_collections.virt.san.plugins.module_utils._argspec import LOCK_TIMEOUT
from ansible_collections.virt.san.plugins.module_utils._entry import Outcome, run_change
from ansible_collections.virt.san.plugins.module_utils._host.host import Host


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "volume_groups": {"type": "list", "elements": "str", "default": []},
            "method": {"type": "str", "choices": ["auto", "devices_file", "filter"], "default": "auto"},
            **LOCK_TIMEOUT,
        },
        supports_check_mode=True,
    )
    run_change(module, keep_to_own_groups)


def keep_to_own_groups(host: Host, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    if options["state"] == "absent":
        done = ensure_absent(host, check_mode)
    else:
        done = ensure_present(host, options["volume_groups"], options["method"], check_mode)
    return Outcome(done.changed, done.facts, done.before, done.after, done.warnings)


if __name__ == "__main__":
    main()
