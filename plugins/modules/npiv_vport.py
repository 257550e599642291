#!/usr/bin/python
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual HBAs (NPIV): made on a port that fits, logged in, and taken away without harm."""

from __future__ import annotations

DOCUMENTATION = r"""
module: npiv_vport
short_description: Make a virtual HBA by NPIV, or take it away
version_added: 0.1.0
description:
  - Gives a guest an identity of its own on the SAN - a virtual HBA (vHBA, vport) on a Fibre Channel port of the host,
    with a WWPN that the SAN team can zone and map LUNs to.
  - The vHBA is known by its WWPN, wherever it is. Numbers of SCSI hosts may be others after a reboot.
  - WWNs are given, or derived from O(name) and O(instance) alone, so that a guest has the same ones on every host.
  - WWNs that cannot work are refused before anything is written, with the reason; so are those that another port of
    this host has, or another port in its zones.
  - The module waits until the fabric has let the vHBA in, and until what O(expect) names is there. If the fabric
    turns it down, the task says what the state means and what to do.
  - With O(state=absent) what is only behind the vHBA leaves first, by the safe removal - refused if something uses it,
    multipath device flushed, paths deleted. A multipath device that has a working path elsewhere loses the paths
    through the vHBA and nothing else, and may be in use.
extends_documentation_fragment:
  - virt.san.attributes
  - virt.san.expect
  - virt.san.lock
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written. RV(steps) holds what would be done. A vHBA that is not there yet has no LUNs to foretell.
  diff_mode:
    support: full
    details:
      - Shows the vHBA, and the logical units that leave with it.
  idempotent:
    support: full
    details:
      - A vHBA with the WWPN, on an HBA that O(parent) and O(fabric) allow, is left as it is.
options:
  state:
    description:
      - V(present) - the vHBA is there and logged in.
      - V(absent) - no vHBA of this host has the WWPN, and nothing of what was only behind it is left.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Name to derive WWPN and WWNN from, as that of the guest. Upper and lower case are different names.
      - It is also the symbolic name of the vHBA unless O(symbolic_name) says otherwise, if it can be one.
      - Either this or O(wwpn) is needed.
    type: str
  instance:
    description:
      - Which vHBA of that name, V(0) for the first. A guest that is to reach two fabrics has two.
    type: int
    default: 0
  oui:
    description:
      - OUI of derived WWNs. They are V(5), the OUI, and 36 bits that follow from name and instance.
    type: str
    default: 001a4a
  wwpn:
    description:
      - Port name, 16 hex digits in any usual spelling. With O(state=present) give O(wwnn) too.
    type: str
  wwnn:
    description:
      - Node name.
    type: str
  parent:
    description:
      - HBA to make it on, by name of its SCSI host (V(host3)), WWPN, WWNN or PCI address (V(0000:3b:00.0)).
      - By default one is chosen - Online, NPIV capable, with free vports, in O(fabric) if that is given; of those, the
        one with the fewest vports.
      - Where WWNN or PCI address is that of several ports, one of them is chosen likewise.
    type: str
  fabric:
    description:
      - WWN of the fabric it is to be in (C(fabric_name) of its HBA).
    type: str
  move:
    description:
      - What to do if the vHBA is on another HBA than O(parent) and O(fabric) allow. By default the task fails and
        says where it is.
      - With V(true) it is taken away there, as with O(state=absent), and made anew. That is refused if something
        would lose its last path meanwhile.
    type: bool
    default: false
  symbolic_name:
    description:
      - What the vHBA calls itself in the fabric's name server, up to 63 printable ASCII characters. Drivers that take
        none are a warning.
    type: str
  persistent:
    description:
      - V(true) - the vHBA is there again after a reboot, on the HBA it is on now. Needs systemd.
      - V(false) - it is gone with the next reboot. A definition that an earlier run has left is removed.
      - With O(state=absent) the definition goes first, in either case.
    type: bool
    default: true
  force:
    description:
      - With O(state=absent), also flush multipath devices that have no working path and queue I/O. That I/O fails.
      - It never helps against a mount, a volume group, a guest or any other user.
    type: bool
    default: false
  timeout:
    description:
      - Seconds to wait for the login to the fabric, and for what O(expect) says, together.
      - The vHBA stays when they are over; the fabric may let it in later.
    type: float
    default: 60.0
notes:
  - Kept on the host - a definition in C(/etc/virt-san/vhbas), a unit C(virt-san-vhba@WWPN.service), the target
    C(virt-san-pools.target), and C(/usr/local/lib/virt-san/virt-san-boot.pyz), the program that the units run. It
    consists of this module's own code and is replaced when that changes. With the last definition all of it goes.
  - A process whose write to the kernel does not return is left behind, detached; C(ps) shows it as C(san-vp-hostN).
  - A vHBA that the fabric has turned down for good is made anew by the next run, if nothing is behind it. Some
    drivers try to log in only once.
seealso:
  - module: virt.san.lun_facts
  - module: virt.san.scsi_rescan
author:
  - virt.san contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Give a guest a vHBA in each fabric, on whichever HBA fits
  virt.san.npiv_vport:
    name: db01
    instance: "{{ item.instance }}"
    fabric: "{{ item.fabric }}"
  loop:
    - {instance: 0, fabric: "10:00:00:05:33:a1:b2:c3"}
    - {instance: 1, fabric: "10:00:00:05:33:d4:e5:f6"}

- name: Use the WWNs that the SAN team has zoned, and wait for the LUNs
  virt.san.npiv_vport:
    wwpn: "50:01:4a:40:00:00:00:01"
    wwnn: "50:01:4a:40:00:00:00:00"
    parent: "0000:3b:00.0"
    expect:
      luns: [27]
    timeout: 120
  register: vhba

- name: Learn the WWNs before the SAN team needs them
  virt.san.npiv_vport:
    name: db02
  check_mode: true
  register: names

- name: Have one for this boot only
  virt.san.npiv_vport:
    name: probe
    persistent: false

- name: Take it away; fails, naming the user, if a LUN behind it is in use
  virt.san.npiv_vport:
    name: db01
    state: absent
"""

RETURN = r"""
wwpn:
  description: Port name of the vHBA.
  returned: success
  type: str
  sample: 5001a4a6d3f20c81
wwnn:
  description: Node name; V(null) if it was not given and there is no such vHBA.
  returned: success
  type: str
  sample: 5001a4a6d3f20c80
vhba:
  description:
    - The vHBA as it is; with O(state=absent), as it was. V(null) if there is (or was) none.
  returned: success, and when LUNs that are expected do not come
  type: dict
  contains:
    name:
      description: Kernel name of the vport.
      type: str
      sample: vport-3:0-0
    host:
      description: Its SCSI host.
      type: str
      sample: host7
    number:
      description: Number of its SCSI host.
      type: int
      sample: 7
    wwpn:
      description: Port name.
      type: str
    wwnn:
      description: Node name.
      type: str
    state:
      description: State of the vport, in the kernel's words.
      type: str
      sample: Active
    last_state:
      description: The state before.
      type: str
      sample: Initializing
    symbolic_name:
      description: What it calls itself in the fabric's name server.
      type: str
      sample: db01
    port_state:
      description: State of the port of its SCSI host.
      type: str
      sample: Online
    parent:
      description: SCSI host of the HBA that carries it.
      type: str
      sample: host3
    parent_wwpn:
      description: That HBA's WWPN, by which it is known after a reboot too.
      type: str
      sample: 2100001b32a1b2c3
    parent_pci_address:
      description: That HBA's PCI address.
      type: str
      sample: "0000:3b:00.0"
    fabric:
      description: WWN of the fabric.
      type: str
      sample: "1000000533a1b2c3"
luns:
  description: The units with a path through the vHBA, those of O(expect) if it names any. Fields as those of
    M(virt.san.lun_facts).
  returned: with O(state=present)
  type: list
  elements: dict
persistence:
  description: What makes the vHBA again at boot (in check mode, what would). V(null) if nothing does.
  returned: success
  type: dict
  contains:
    unit:
      description: Unit of systemd; C(journalctl -u) shows what it did.
      type: str
      sample: virt-san-vhba@5001a4a6d3f20c81.service
    definition:
      description: File that says what it is to make.
      type: str
      sample: /etc/virt-san/vhbas/5001a4a6d3f20c81.json
    parent_wwpn:
      description: WWPN of the HBA it is made on.
      type: str
      sample: 2100001b32a1b2c3
appeared:
  description: Paths that came while O(expect) was waited for. Fields as of M(virt.san.scsi_rescan).
  returned: with O(state=present)
  type: list
  elements: dict
missing:
  description: What is expected and not there. Fields as of M(virt.san.scsi_rescan).
  returned: with O(state=present)
  type: list
  elements: dict
skipped_ports:
  description: Ports that were not scanned. Fields as of M(virt.san.scsi_rescan).
  returned: with O(state=present)
  type: list
  elements: dict
scans:
  description: What was scanned for O(expect), one line each.
  returned: with O(state=present)
  type: list
  elements: str
removed_luns:
  description: WWIDs of the units that have left the host (in check mode, that would).
  returned: with O(state=absent), and when it was moved
  type: list
  elements: str
removed_paths:
  description: Paths that have left.
  returned: with O(state=absent), and when it was moved
  type: list
  elements: dict
  contains:
    wwid:
      description: The unit.
      type: str
    device:
      description: Kernel name.
      type: str
    hctl:
      description: SCSI address.
      type: str
    lun:
      description: LUN number.
      type: int
kept_maps:
  description: Names of multipath devices that have lost paths and keep others.
  returned: with O(state=absent), and when it was moved
  type: list
  elements: str
steps:
  description: What was done (in check mode, what would be), one line each.
  returned: success
  type: list
  elements: str
  sample: ["host3: create vHBA 5001a4a6d3f20c81 (node 5001a4a6d3f20c80)"]
vport_state:
  description: State of the vport when its login was given up, in the kernel's words.
  returned: when the login to the fabric failed
  type: str
vport_last_state:
  description: The state before that.
  returned: when the login to the fabric failed
  type: str
error:
  description:
    - Kind of failure - V(InputError), V(NotFoundError), V(UnavailableError), V(IdentityError), V(AmbiguousError),
      V(InUseError), V(RefusedError), V(WaitTimeoutError), V(LockedError), V(ApplyError) (a step failed).
  returned: on failure
  type: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._apply.npiv import Report, ensure_present
from ansible_collections.virt.san.plugins.module_utils._apply.npiv_luns import with_luns
from ansible_collections.virt.san.plugins.module_utils._apply.persistence import (
    ensure_kept,
    ensure_not_kept,
    require_systemd,
)
from ansible_collections.virt.san.plugins.module_utils._argspec import LOCK_TIMEOUT, parsed
from ansible_collections.virt.san.plugins.module_utils._argspec_expect import EXPECT, expect_of
from ansible_collections.virt.san.plugins.module_utils._boot.pack import packed
from ansible_collections.virt.san.plugins.module_utils._entry import Outcome, run_change
from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model import npiv as model
from ansible_collections.virt.san.plugins.module_utils._model.definitions import definition_path, unit_name
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn, parse_wwn
from ansible_collections.virt.san.plugins.module_utils._model.options import parse_seconds


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "name": {"type": "str"},
            "instance": {"type": "int", "default": 0},
            "oui": {"type": "str", "default": model.DEFAULT_OUI},
            "wwpn": {"type": "str"},
            "wwnn": {"type": "str"},
            "parent": {"type": "str"},
            "fabric": {"type": "str"},
            "move": {"type": "bool", "default": False},
            "symbolic_name": {"type": "str"},
            "persistent": {"type": "bool", "default": True},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 60.0},
            **EXPECT,
            **LOCK_TIMEOUT,
        },
        supports_check_mode=True,
        required_one_of=[("name", "wwpn")],
        required_by={"wwnn": ["wwpn"]},
    )
    run_change(module, bring_about)


def bring_about(host: Host, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    timeout = parsed("timeout", parse_seconds, options["timeout"])
    wwpn, wwnn = names_of(options)
    if options["state"] == "absent":
        from ansible_collections.virt.san.plugins.module_utils._apply.npiv_away import ensure_absent

        return outcome(ensure_absent(host, wwpn, timeout, check_mode, options["force"]), wwpn, wwnn, lasts=False)
    if wwnn is None:
        raise InputError("wwnn: give the node name that goes with wwpn, or a name to derive both from", option="wwnn")
    expect = expect_of(options["expect"])
    ensure = ensure_present
    if options["move"]:
        from ansible_collections.virt.san.plugins.module_utils._apply.npiv_away import ensure_moved

        ensure = ensure_moved
    program = None
    if options["persistent"]:
        require_systemd(host)
        program = packed()
    began = host.clock.monotonic()
    wanted = wanted_of(options, wwpn, wwnn)
    report = ensure(host, wanted, timeout, check_mode)
    if program is not None:
        report = ensure_kept(host, report, wanted, program, check_mode)
    else:
        report = ensure_not_kept(host, report, wwpn, check_mode)
    left = max(timeout - (host.clock.monotonic() - began), 0.0)
    return outcome(with_luns(host, report, expect, left, check_mode), wwpn, wwnn, lasts=options["persistent"])


def names_of(options: Mapping[str, Any]) -> tuple[Wwn, Wwn | None]:
    if options["wwpn"] is None:
        name = parsed("name", model.parse_vhba_name, options["name"])
        instance = parsed("instance", model.parse_instance, options["instance"])
        return model.generated_names(name, instance, parsed("oui", model.parse_oui, options["oui"]))
    # One that cannot work cannot be there either, but may be asked to go.
    parse = parse_wwn if options["state"] == "absent" else model.parse_vhba_wwn
    wwnn = options["wwnn"]
    return parsed("wwpn", parse, options["wwpn"]), None if wwnn is None else parsed("wwnn", parse, wwnn)


def wanted_of(options: Mapping[str, Any], wwpn: Wwn, wwnn: Wwn) -> model.WantedVhba:
    parent, fabric, title = options["parent"], options["fabric"], options["symbolic_name"]
    return model.WantedVhba(
        wwpn=wwpn,
        wwnn=wwnn,
        parent=None if parent is None else parsed("parent", model.parse_parent, parent),
        fabric=None if fabric is None else parsed("fabric", parse_wwn, fabric),
        symbolic_name=(
            model.symbolic_name_of(options["name"] or "")
            if title is None
            else parsed("symbolic_name", model.parse_symbolic_name, title)
        ),
    )


def outcome(report: Report, wwpn: Wwn, wwnn: Wwn | None, lasts: bool) -> Outcome:
    vhba = report.vhba
    kept = {"unit": unit_name(wwpn), "definition": definition_path(wwpn), "parent_wwpn": report.parent_wwpn}
    facts = {
        **report.facts,
        "wwpn": wwpn,
        "wwnn": wwnn or (vhba.vport.wwnn if vhba else None),
        "vhba": vhba.to_dict() if vhba else None,
        "persistence": kept if lasts else None,
        "steps": report.steps,
    }
    return Outcome(report.changed, facts, report.before, report.after, report.warnings)


if __name__ == "__main__":
    main()
