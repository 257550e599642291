# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out the steps of iSCSI sessions."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, InUseError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import (
    iscsi,
    iscsi_lock,
    iscsi_records,
    iscsiadm,
    scan,
    scsi,
    systemd,
)
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.parallel import in_parallel
from ansible_collections.virt.san.plugins.module_utils._host.wait import require, wait_until
from ansible_collections.virt.san.plugins.module_utils._model import iscsi as model
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import NodeRecord, Portal, Problem, Wanted
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi import LOGGED_IN, Seen
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi_steps import (
    AwaitSessions,
    CreateInterface,
    CreateRecord,
    DeleteInterface,
    DeleteRecord,
    EditRecord,
    EnableUnit,
    LogIn,
    LogOut,
    SessionStep,
)

NOTHING: Mapping[Portal, Problem] = {}


def perform(
    host: Host, root: str, step: SessionStep, wanted: Wanted | None, timeout: float
) -> Mapping[Portal, Problem]:
    """Carry out one step; return the portals it did not succeed with, where the others did not suffer from that.

    Raises CommandError, InUseError, UnavailableError, WaitTimeoutError.
    """
    if isinstance(step, LogIn):
        return _log_in(host, step, timeout)
    if isinstance(step, AwaitSessions):
        return _await_sessions(host, step, wanted, timeout)
    if isinstance(step, CreateRecord):
        iscsiadm.create_record(host, step.target, step.portal, step.tpgt, step.interface)
        _the_record(host, root, step.target, step.portal, step.interface)
    elif isinstance(step, EditRecord):
        _edit(host, root, step, wanted)
    elif isinstance(step, LogOut):
        _log_out(host, step, timeout)
    elif isinstance(step, DeleteRecord):
        iscsiadm.delete_record(host, step.target, step.portal, step.interface)
    elif isinstance(step, EnableUnit):
        systemd.enable_for_boot(host, step.name)
    elif isinstance(step, CreateInterface):
        _create_interface(host, root, step)
    elif isinstance(step, DeleteInterface):
        delete_interface(host, root, step.name)
    return NOTHING


# Ifaces


def _create_interface(host: Host, root: str, step: CreateInterface) -> None:
    iscsiadm.create_interface(host, step.name, step.initiator)
    found = [one.initiator for one in iscsi_records.read_interfaces(host, root) if one.name == step.name]
    if found != [step.initiator]:
        raise UnavailableError(
            f"open-iscsi was to make iface {step.name} with the iSCSI name {step.initiator}, but below "
            f"{' and '.join(iscsi_lock.ROOTS)} there is {found[0] if found else 'no such iface'}: is its database "
            "elsewhere on this host?",
            interface=step.name,
        )


def delete_interface(host: Host, root: str, name: str) -> None:
    """Remove an iface, if it is there. Raises InUseError for one with records: open-iscsi would remove them as well."""
    users = [f"{one.target} at {one.portal}" for one in iscsi_records.read_records(host, root) if one.interface == name]
    if users:
        raise InUseError(f"iface {name} has records meanwhile, of {', '.join(users)}: run the task again")
    if iscsi_records.has_interface(host, root, name):
        iscsiadm.delete_interface(host, name)


# Records


def _the_record(host: Host, root: str, target: str, portal: Portal, interface: str) -> tuple[str, NodeRecord]:
    """Return the record and the database it is in: the first record of a host may show that it is another one."""
    for place in dict.fromkeys((root, *iscsi_lock.ROOTS)):
        seen = Seen(records=iscsi_records.read_records(host, place, target))
        found = seen.record(target, portal, interface)
        if found is not None:
            return place, found
    raise UnavailableError(
        f"open-iscsi has made the record of {target} at {portal}, but it is neither below "
        f"{' nor '.join(iscsi_lock.ROOTS)}: is its database elsewhere on this host?",
        target=target,
        portal=str(portal),
    )


def _edit(host: Host, root: str, step: EditRecord, wanted: Wanted | None) -> None:
    """Write what is to change. A record that was made just now says some of it already."""
    place, record = _the_record(host, root, step.target, step.portal, step.interface)
    edits = model.edits_of(wanted, record.values) if wanted else model.differing(step.edits, record.values)
    if edits:
        iscsi_records.replace_record(host, place, record, model.edit_record(record.text, edits))


# Sessions


def _log_in(host: Host, step: LogIn, timeout: float) -> Mapping[Portal, Problem]:
    """Log in to all portals at once; return those where it failed, and why."""

    def log_in(portal: Portal) -> Problem | None:
        return iscsiadm.log_in(host, step.target, portal, step.interface, timeout)

    failed = {
        portal: Problem(problem.reason, f"no login: {problem.text}")
        for portal, problem in in_parallel(step.portals, log_in).items()
        if problem is not None
    }
    logged_in = tuple(portal for portal in step.portals if portal not in failed)
    return {**failed, **_await(host, step.target, logged_in, step.interface, timeout)}


def _await_sessions(host: Host, step: AwaitSessions, wanted: Wanted | None, timeout: float) -> Mapping[Portal, Problem]:
    return _await(host, step.target, step.portals, wanted.interface if wanted else None, timeout)


def _await(
    host: Host, target: str, portals: tuple[Portal, ...], interface: str | None, timeout: float
) -> Mapping[Portal, Problem]:
    """Wait until sessions are up; return those that are not."""

    def down() -> dict[Portal, str | None]:
        seen = Seen(sessions=tuple(iscsi.read_sessions(host)))
        found = {portal: seen.session(target, portal, interface) for portal in portals}
        states = {portal: session.state if session else None for portal, session in found.items()}
        return {portal: state for portal, state in states.items() if state != LOGGED_IN}

    left = wait_until(host, down, lambda states: not states, timeout)
    return {portal: _not_up(state, timeout) for portal, state in left.items()}


def _not_up(state: str | None, timeout: float) -> Problem:
    if state is None:
        return Problem(
            "timeout",
            f"iscsid is at it since an earlier run, and did not get through within {timeout:g} s: is the portal up, "
            "and the network to it? It goes on trying for a while; see its journal",
        )
    return Problem(
        "connection_lost",
        f"its session is {state}, and did not come up within {timeout:g} s: is the portal up, and the network to it? "
        "iscsid goes on trying; if the password has changed meanwhile, it needs relogin: true",
    )


def _log_out(host: Host, step: LogOut, timeout: float) -> None:
    """End a session whose devices are gone, and see that it is. The kernel would ask nobody."""
    _refuse_disks(host, step)
    try:
        iscsiadm.log_out(host, step.session, timeout)
    except CommandError as error:
        if error.details.get("code") == iscsiadm.IN_USE:
            raise InUseError(f"iscsid says that {step.target} at {step.portal} is in use") from error
        raise

    def left() -> bool:
        return any(one.number == step.session for one in iscsi.read_sessions(host))

    require(host, left, lambda there: not there, timeout, f"session{step.session} goes away")


def _refuse_disks(host: Host, step: LogOut) -> None:
    """Raise InUseError where a disk is behind the session: all that was there has left; what is there came since."""
    found = [hctl for hctl in scsi.read_addresses(host) if f"host{hctl.host}" == step.host]
    disks = [str(hctl) for hctl in found if host.entries(f"{scsi.DEVICES}/{hctl}/block")]
    held = [f"{hctl} by /dev/sg*" for hctl in scan.held_devices(host, found)]
    if disks or held:
        raise InUseError(
            f"{', '.join((*disks, *held))} came meanwhile behind {step.host}: something scans. Run the task again",
            devices=disks,
        )
