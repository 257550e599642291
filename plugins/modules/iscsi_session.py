#!/usr/bin/python
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iSCSI sessions: discovered, logged in, back after a reboot, and logged out without harm."""

from __future__ import annotations

DOCUMENTATION = r"""
module: iscsi_session
short_description: Log in to iSCSI targets, and out of them safely
version_added: 0.1.0
description:
  - Has a session with each portal named of one iSCSI target, by the host's open-iscsi, now and after each boot.
  - Names are taken to the last character. A target whose name begins like the one asked for is another target.
  - Each portal is tried before anything is recorded of it - whether somebody listens there, and whether it has the
    target for this host. What can be logged in to is logged in to, all portals at once; if a portal fails, the others
    come up all the same, and the task fails, naming it, what is wrong with it, and what to do.
  - With O(state=absent) what is behind the sessions leaves first, by the safe removal - refused if something uses it,
    multipath device flushed, paths deleted - then the sessions are logged out, then their records go. A multipath
    device that has a working path elsewhere loses the paths of these sessions and nothing else, and may be in use.
  - With O(state=discovered) portals are only asked which targets they have.
  - Passwords are in no argument of any command, in no result and no diff. They are written to the records of
    open-iscsi, which only root may read.
extends_documentation_fragment:
  - virt.san.attributes
  - virt.san.lock
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written. Portals are tried and asked all the same, which changes nothing; with O(discovery_chap) only
        those whose discovery record has these credentials already.
      - Whether a login will succeed cannot be foretold.
  diff_mode:
    support: full
    details:
      - Shows sessions and what the task says of their records, passwords only as right or wrong, and the logical units
        that leave.
  idempotent:
    support: full
    details:
      - A session is known by target, portal and iface. Where it is up and its record says what the task does, nothing
        is done, and no portal is asked unless O(all_portals) is set.
options:
  state:
    description:
      - V(present) - there is a session with each of O(portals).
      - V(absent) - there is neither a session nor a record.
      - V(discovered) - O(portals) are asked, nothing is changed.
    type: str
    choices: [present, absent, discovered]
    default: present
  target:
    description:
      - Name of the target (C(iqn.), C(eui.) or C(naa.)). Needed unless O(state=discovered).
    type: str
  portals:
    description:
      - IP addresses of portals, with the port if it is not 3260, such as V(10.0.0.1), V(10.0.0.1:3261) or
        V([2001:db8::1]:3260). Needed unless O(state=absent), where none means all.
      - Name one in each network that leads to the target; each is a path for multipath.
    type: list
    elements: str
    default: []
  all_portals:
    description:
      - Log in to all portals that the target has, as O(portals) tell when they are asked. They are asked in each run.
      - Portals that this host cannot reach, as those in other networks, count as failed; see O(min_portals).
    type: bool
    default: false
  min_portals:
    description:
      - How many of the portals must have a session, and with O(state=discovered) must answer. The others are warnings.
      - By default all.
    type: int
  discover:
    description:
      - Ask a portal that nothing is recorded of whether it has the target.
      - With V(false) the task is taken at its word. The portal group is not known then; for targets that answer no
        discovery.
    type: bool
    default: true
  interface:
    description:
      - Iface of open-iscsi that sessions go through. By default C(default), and with O(state=absent) any.
      - Whether anybody listens at a portal is tried first, but not for an iface that is bound to a card or an address.
    type: str
  startup:
    description:
      - V(automatic) - logged in at boot. The unit of open-iscsi that does so is enabled if it is not.
      - V(manual) - only by this module.
      - V(onboot) - by the unit for disks that the system boots from.
    type: str
    choices: [automatic, manual, onboot]
    default: automatic
  scan:
    description:
      - V(auto) - a login scans for all LUNs of the target. V(manual) - for none; M(virt.san.scsi_rescan) finds those
        that are asked for.
      - By default what the record says, for a new one C(node.session.scan) of C(iscsid.conf).
    type: str
    choices: [auto, manual]
  replacement_timeout:
    description:
      - Seconds until I/O fails once the connection is lost; V(0) at once, V(-1) never. With multipath small, such as
        V(5). While a path is in a multipath device, C(fast_io_fail_tmo) of multipath overrules it.
      - By default what the record says, for a new one C(iscsid.conf); likewise the other timeouts.
    type: int
  noop_out_interval:
    description:
      - Seconds between two pings of the target; V(0) none.
    type: int
  noop_out_timeout:
    description:
      - Seconds to wait for the answer to a ping until the connection counts as lost.
    type: int
  login_timeout:
    description:
      - Seconds that iscsid gives one attempt to log in.
    type: int
  auth:
    description:
      - V(chap) - log in with O(chap). V(none) - without a password; what the record has of one is removed.
      - By default V(chap) if O(chap) is given, otherwise what the record says, for a new one C(iscsid.conf).
    type: str
    choices: [chap, none]
  chap:
    description:
      - Name and password to log in with.
    type: dict
    suboptions:
      username:
        description: Name of the host.
        type: str
        required: true
      password:
        description: Its password. Many targets want 12 to 16 characters.
        type: str
        required: true
      mutual_username:
        description: Name by which the target proves itself to the host.
        type: str
      mutual_password:
        description: Its password, another one than O(chap.password).
        type: str
  discovery_chap:
    description:
      - Name and password for discovery, where the portals ask for them. They are on the host only while it asks.
    type: dict
    suboptions:
      username:
        description: Name of the host.
        type: str
        required: true
      password:
        description: Its password.
        type: str
        required: true
      mutual_username:
        description: Name by which the portal proves itself to the host.
        type: str
      mutual_password:
        description: Its password, another one than O(discovery_chap.password).
        type: str
  relogin:
    description:
      - A session that is up goes on with the password and the timeouts that it was logged in with. With V(true) it is
        logged out and in again when its record changes, and when it has lost its connection.
      - What is behind it leaves meanwhile, as with O(state=absent); refused if something would lose its last path.
        Multipath devices that were flushed are made again by M(virt.san.multipath_devices).
    type: bool
    default: false
  force:
    description:
      - With O(state=absent) and O(relogin), also flush multipath devices that have no working path and queue I/O. That
        I/O fails.
      - It never helps against a mount, a volume group, a guest or any other user.
    type: bool
    default: false
  timeout:
    description:
      - Seconds for the answer to a discovery, for the logins, and for each step of a removal.
      - When they are over iscsid goes on trying by itself, for C(node.session.initial_login_retry_max) times the login
        timeout. A portal where nobody listens is found out within 5 seconds.
    type: float
    default: 60.0
notes:
  - The LUNs come after the login, by themselves. M(virt.san.scsi_rescan) waits for those that are expected.
  - Records are in C(/etc/iscsi/nodes) or C(/var/lib/iscsi/nodes), as the distribution has it.
seealso:
  - module: virt.san.scsi_rescan
  - module: virt.san.multipath_devices
  - module: virt.san.lun_facts
author:
  - virt.san contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Two paths to the target, for multipath, also after a reboot
  virt.san.iscsi_session:
    target: iqn.2025-01.com.example:array1.vol7
    portals: [10.77.1.1, 10.77.2.1]
    replacement_timeout: 5

- name: With passwords both ways, and no LUN that nobody asked for
  virt.san.iscsi_session:
    target: iqn.2025-01.com.example:array1.vol7
    portals: [10.77.1.1, 10.77.2.1]
    scan: manual
    chap:
      username: host1
      password: "{{ vault_iscsi_password }}"
      mutual_username: array1
      mutual_password: "{{ vault_iscsi_mutual_password }}"

- name: One address is known; take all portals of the target, three at least
  virt.san.iscsi_session:
    target: iqn.2025-01.com.example:array1.vol7
    portals: [10.77.1.1]
    all_portals: true
    min_portals: 3

- name: What does the array have for this host?
  virt.san.iscsi_session:
    state: discovered
    portals: [10.77.1.1]
  register: array

- name: Log out of one portal before its switch is replaced; what is in use keeps the other one
  virt.san.iscsi_session:
    target: iqn.2025-01.com.example:array1.vol7
    portals: [10.77.1.1]
    state: absent

- name: Leave the target; fails, naming the user, if one of its LUNs is in use
  virt.san.iscsi_session:
    target: iqn.2025-01.com.example:array1.vol7
    state: absent
"""

RETURN = r"""
target:
  description: Name of the target.
  returned: success, and when too few portals answer
  type: str
  sample: iqn.2025-01.com.example:array1.vol7
portals:
  description: The portals, with O(state=absent) those that had a session.
  returned: success, and when too few portals answer
  type: list
  elements: dict
  contains:
    portal:
      description: Address and port.
      type: str
      sample: 10.77.1.1:3260
    session:
      description: The session with it; with O(state=absent), as it was. V(null) if there is none. Fields as those of
        RV(virt.san.lun_facts#module:ansible_facts.san.iscsi.sessions).
      type: dict
    reason:
      description: Kind of what is wrong with it - V(unreachable), V(target_unknown), V(authentication), V(timeout),
        V(refused), V(connection_lost), V(service) (iscsid), V(setup) (of this host) or V(other). V(null) if nothing is.
      type: str
    problem:
      description: What is wrong with it, and what to do.
      type: str
targets:
  description: What the portals told that were asked.
  returned: success, and when too few portals answer
  type: list
  elements: dict
  contains:
    target:
      description: Name of a target.
      type: str
    portals:
      description: Where it is.
      type: list
      elements: dict
      contains:
        portal:
          description: Address and port.
          type: str
        tpgt:
          description: Target portal group.
          type: int
removed_luns:
  description: WWIDs of the units that have left the host (in check mode, that would).
  returned: success
  type: list
  elements: str
removed_paths:
  description: Paths that have left.
  returned: success
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
  returned: success
  type: list
  elements: str
steps:
  description: What was done (in check mode, what would be), one line each.
  returned: success
  type: list
  elements: str
  sample:
    - record iqn.2025-01.com.example:array1.vol7 at 10.77.1.1:3260 for iface default
    - log in to iqn.2025-01.com.example:array1.vol7 at 10.77.1.1:3260
holders:
  description: What uses the LUNs that would leave. Fields as RV(virt.san.scsi_device#module:holders).
  returned: when the task fails because of them
  type: list
  elements: dict
error:
  description:
    - Kind of failure - V(InputError), V(NotFoundError) (no portal has the target, or there is no such iface),
      V(UnavailableError) (portals without a session, or this host lacks something), V(InUseError), V(IdentityError),
      V(RefusedError), V(WaitTimeoutError), V(LockedError), V(ApplyError) (a step failed).
  returned: on failure
  type: str
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_look import Discovery
from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_session import (
    Order,
    ensure_absent,
    ensure_discovered,
    ensure_present,
)
from ansible_collections.virt.san.plugins.module_utils._argspec import CHAP, LOCK_TIMEOUT, parsed, parsed_list
from ansible_collections.virt.san.plugins.module_utils._entry import Outcome, run_change
from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model import iscsi as model
from ansible_collections.virt.san.plugins.module_utils._model.ids import parse_iqn
from ansible_collections.virt.san.plugins.module_utils._model.options import parse_count, parse_deadline
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi import Scope


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent", "discovered"], "default": "present"},
            "target": {"type": "str"},
            "portals": {"type": "list", "elements": "str", "default": []},
            "all_portals": {"type": "bool", "default": False},
            "min_portals": {"type": "int"},
            "discover": {"type": "bool", "default": True},
            "interface": {"type": "str"},
            "startup": {"type": "str", "choices": ["automatic", "manual", "onboot"], "default": "automatic"},
            "scan": {"type": "str", "choices": ["auto", "manual"]},
            "replacement_timeout": {"type": "int"},
            "noop_out_interval": {"type": "int"},
            "noop_out_timeout": {"type": "int"},
            "login_timeout": {"type": "int"},
            "auth": {"type": "str", "choices": ["chap", "none"]},
            "chap": CHAP,
            "discovery_chap": CHAP,
            "relogin": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 60.0},
            **LOCK_TIMEOUT,
        },
        supports_check_mode=True,
        required_if=[("state", "present", ("target",)), ("state", "absent", ("target",)), ("auth", "chap", ("chap",))],
    )
    run_change(module, bring_about)


def bring_about(host: Host, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    state = options["state"]
    portals = parsed_list("portals", model.parse_portal, options["portals"])
    if state != "absent" and not portals:
        raise InputError("portals: name at least one, as in 10.0.0.1", option="portals")
    given = options["interface"]
    interface = None if given is None else parsed("interface", model.parse_interface, given)
    target = None if options["target"] is None else parsed("target", parse_iqn, options["target"])
    order = order_of(options, check_mode)
    if state == "absent" and target is not None:
        report = ensure_absent(host, Scope(target, portals, interface), order)
    elif state == "present" and target is not None:
        report = ensure_present(host, wanted_of(options, target, portals, interface), order)
    else:
        report = ensure_discovered(
            host, portals, target, interface or model.DEFAULT_INTERFACE, least_of(options, len(portals)), order
        )
    return Outcome(report.changed, report.facts, report.before, report.after, report.warnings)


def order_of(options: Mapping[str, Any], check_mode: bool) -> Order:
    timeout = parsed("timeout", parse_deadline, options["timeout"])
    given = options["discovery_chap"]
    discovery = Discovery(
        asking=options["discover"],
        chap=parsed("discovery_chap", model.parse_chap, given) if given else None,
        all_portals=options["all_portals"],
        deadline=timeout,
    )
    return Order(discovery, timeout, options["force"], check_mode)


def wanted_of(
    options: Mapping[str, Any], target: str, portals: tuple[model.Portal, ...], interface: str | None
) -> model.Wanted:
    if options["auth"] == "none" and options["chap"]:
        raise InputError("auth: none and chap cannot both be", option="auth")
    timeouts = {
        parameter: parsed(option, partial(model.parse_timeout, option), options[option])
        for option, parameter in model.TIMEOUTS.items()
        if options[option] is not None
    }
    return model.Wanted(
        target=target,
        portals=portals,
        interface=interface or model.DEFAULT_INTERFACE,
        startup=options["startup"],
        scan=options["scan"],
        timeouts=timeouts,
        chap=parsed("chap", model.parse_chap, options["chap"]) if options["chap"] else None,
        no_chap=options["auth"] == "none",
        least=least_of(options, None if options["all_portals"] else len(portals)),
        relogin=options["relogin"],
    )


def least_of(options: Mapping[str, Any], most: int | None) -> int | None:
    given = options["min_portals"]
    if given is None:
        return None
    least = parsed("min_portals", parse_count, given)
    if most is not None and least > most:
        raise InputError(f"min_portals: {least} are more than the {most} that are named", option="min_portals")
    return least


if __name__ == "__main__":
    main()
