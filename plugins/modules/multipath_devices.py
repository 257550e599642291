#!/usr/bin/python
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make, name, grow and flush multipath devices."""

from __future__ import annotations

DOCUMENTATION = r"""
module: multipath_devices
short_description: Make, name, grow and flush multipath devices
version_added: 0.1.0
description:
  - Has multipathd make a multipath device of every logical unit named, with the alias and over the number of paths that
    are wanted, also where C(find_multipaths) is strict. Without O(devices), of every logical unit of the SAN.
  - Grows a device whose LUN has grown, after all its paths have been asked for their size again. It is never shrunk.
  - With O(state=absent) it flushes devices that nothing uses, and keeps them away. Their paths stay.
  - Aliases and settings are written to one file of its own, C(/etc/multipath/conf.d/virt-san.conf). Before multipathd
    sees it, C(multipath) of the host reads a copy; what it would not take is an error, and nothing is changed. The file
    also records the units without alias, so that other modules know what was given to this host. The bindings and
    wwids files are multipath's own and are never edited.
  - What is in use is refused before anything is written, and the holder is named.
extends_documentation_fragment:
  - virt.san.attributes
  - virt.san.lock
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written, so sizes are as the kernel last knew them, and it does not wait for paths.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) makes, names and grows devices. V(absent) flushes those in O(devices).
    type: str
    choices: [present, absent]
    default: present
  devices:
    description:
      - The devices. Without, O(state=present) means all logical units of the SAN; those that cannot become a multipath
        device are listed in RV(skipped). O(state=absent) needs it.
    type: list
    elements: dict
    suboptions:
      wwid:
        description:
          - Identity of the logical unit, as multipath and udev spell it (V(36001405...)), as V(naa.6001405...),
            V(eui.0025385...), or the bare hex digits.
        type: str
        required: true
      alias:
        description:
          - Name of the device below C(/dev/mapper). An empty one takes the alias away. Without this option an alias
            that is there stays.
          - A name that another device has, or another file gives to another unit, is refused.
          - A device that is in use is not renamed.
        type: str
      paths:
        description:
          - So many paths must be usable at least, otherwise the task fails. At least one is needed anyway.
        type: int
  settings:
    description:
      - Options of C(multipath.conf), as a dictionary of options for each section. A section that is given replaces what
        this module wrote into it before; an empty one removes that.
    type: dict
    suboptions:
      defaults:
        description: Options of the section C(defaults).
        type: dict
      overrides:
        description: Options of the section C(overrides).
        type: dict
  resize:
    description:
      - Let devices grow with their LUNs. All paths must be usable and agree on the size.
    type: bool
    default: true
  timeout:
    description:
      - Seconds to wait for the units and their paths, and for each device to come up.
    type: float
    default: 60.0
notes:
  - multipathd must run; role C(virt.san.host) sees to it.
  - multipathd reads its configuration again at most once a task, and only if an alias or a setting has changed.
seealso:
  - module: virt.san.scsi_rescan
  - module: virt.san.lun_facts
author:
  - virt.san contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Multipath devices for all LUNs
  virt.san.multipath_devices:

- name: One with a name, over four paths
  virt.san.multipath_devices:
    devices:
      - wwid: 36001405b2b3c4d5e6f708192a3b4c5d6
        alias: guests27
        paths: 4

- name: Fail I/O half a minute after the last path is gone
  virt.san.multipath_devices:
    devices: []
    settings:
      overrides:
        no_path_retry: 6
        polling_interval: 5

- name: Follow LUNs that have grown
  virt.san.multipath_devices:
  register: grown

- name: Flush a device that is no longer needed
  virt.san.multipath_devices:
    state: absent
    devices:
      - wwid: 36001405b2b3c4d5e6f708192a3b4c5d6
"""

RETURN = r"""
maps:
  description:
    - The logical units concerned as they are now, as RV(virt.san.lun_facts#module:ansible_facts.san.luns) shows them.
  returned: success
  type: list
  elements: dict
created:
  description: WWIDs of the devices that were made.
  returned: success
  type: list
  elements: str
renamed:
  description: Devices that have another name than before.
  returned: success
  type: list
  elements: dict
  contains:
    wwid:
      description: The unit.
      type: str
    from:
      description: Name before.
      type: str
    to:
      description: Name now.
      type: str
resized:
  description: Devices that have grown.
  returned: success
  type: list
  elements: dict
  contains:
    wwid:
      description: The unit.
      type: str
    from:
      description: Bytes before.
      type: int
    to:
      description: Bytes now.
      type: int
flushed:
  description: WWIDs of the devices that were flushed.
  returned: success
  type: list
  elements: str
skipped:
  description: Units that were left without a device, or not grown, where no devices are named.
  returned: success
  type: list
  elements: dict
  contains:
    wwid:
      description: The unit, if it has an identity.
      type: str
    device:
      description: Its device.
      type: str
    reason:
      description: Why.
      type: str
steps:
  description: What was done (in check mode, what would be), one line each.
  returned: success
  type: list
  elements: str
  sample: ["create the multipath device guests27 of 36001405b2b3c4d5e6f708192a3b4c5d6 over sdb, sdf"]
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._apply.multipath_devices import ensure_absent, ensure_present
from ansible_collections.virt.san.plugins.module_utils._argspec import LOCK_TIMEOUT, parsed
from ansible_collections.virt.san.plugins.module_utils._entry import Outcome, run_change
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.ids import parse_wwid
from ansible_collections.virt.san.plugins.module_utils._model.multipath import (
    WantedDevice,
    WantedMaps,
    parse_alias,
    parse_option,
    parse_value,
)
from ansible_collections.virt.san.plugins.module_utils._model.options import parse_path_count, parse_seconds

DEVICE: dict[str, Any] = {"wwid": {"type": "str", "required": True}, "alias": {"type": "str"}, "paths": {"type": "int"}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "devices": {"type": "list", "elements": "dict", "options": DEVICE},
            "settings": {"type": "dict", "options": {"defaults": {"type": "dict"}, "overrides": {"type": "dict"}}},
            "resize": {"type": "bool", "default": True},
            "timeout": {"type": "float", "default": 60.0},
            **LOCK_TIMEOUT,
        },
        supports_check_mode=True,
        required_if=[("state", "absent", ["devices"])],
    )
    run_change(module, bring_about)


def bring_about(host: Host, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    timeout = parsed("timeout", parse_seconds, options["timeout"])
    devices = None if options["devices"] is None else tuple(device_of(given) for given in options["devices"])
    if options["state"] == "absent":
        report = ensure_absent(host, tuple(device.wwid for device in devices or ()), timeout, check_mode)
    else:
        wanted = WantedMaps(devices, settings_of(options["settings"] or {}), options["resize"])
        report = ensure_present(host, wanted, timeout, check_mode)
    return Outcome(report.changed, report.facts, report.before, report.after, report.warnings)


def device_of(given: Mapping[str, Any]) -> WantedDevice:
    alias, paths = given["alias"], given["paths"]
    return WantedDevice(
        wwid=parsed("devices.wwid", parse_wwid, given["wwid"]),
        alias=None if alias is None else parsed("devices.alias", parse_alias, alias),
        paths=None if paths is None else parsed("devices.paths", parse_path_count, paths),
    )


def settings_of(given: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {
        section: {
            parsed(f"settings.{section}", parse_option, name): parsed(f"settings.{section}.{name}", parse_value, value)
            for name, value in options.items()
        }
        for section, options in given.items()
        if options is not None
    }


if __name__ == "__main__":
    main()
