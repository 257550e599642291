# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one virtual HBA and see it logged in. Also what runs at boot: no LUNs, no multipath, no Ansible.

report = ensure_present(host, WantedVhba(wwpn, wwnn, parent=parent_wwpn), timeout=60)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import carry_out
from ansible_collections.virt.san.plugins.module_utils._errors import (
    ApplyError,
    CommandError,
    InUseError,
    NotFoundError,
    UnavailableError,
    WaitTimeoutError,
)
from ansible_collections.virt.san.plugins.module_utils._host import children, fc, npiv, scan, scsi
from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult, Write
from ansible_collections.virt.san.plugins.module_utils._host.hbas import read_fabric
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn, kernel_wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.plugins.module_utils._plan.npiv import Seen, Vhba, VhbaPlan, plan_present, the_one
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_states import ACTIVE, advice, failed
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_steps import (
    AwaitLogin,
    CreateVport,
    DeleteVport,
    NameVport,
    VhbaStep,
)

CREATE_DEADLINE = 60.0
"""Seconds for the kernel to make a vport. Its login is not waited for by the kernel."""

DELETE_DEADLINE = 90.0
"""Seconds for the kernel to delete one: lpfc waits three times R_A_TOV, which is 10 s in most fabrics, and 3 s more."""

NAME_DEADLINE = 10.0
VHBA_STEPS = (CreateVport, NameVport, AwaitLogin, DeleteVport)
LOGIN_INTERVAL = 0.02
"""Seconds between two looks at a login: two attributes to read, a few ms apart from done, and no event tells of it."""


@dataclass(frozen=True)
class Report:
    """What came of it."""

    changed: bool
    vhba: Vhba | None
    steps: list[str]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    parent_wwpn: Wwn | None = None
    """The HBA that carries it; in check mode, that would."""


def look(host: Host) -> Seen:
    """Read HBAs and vports; nothing of LUNs but whether there are any."""
    hbas = read_fabric(host).hbas
    vports = [vport.name for hba in hbas for vport in hba.npiv.vports]
    return Seen(
        hbas=hbas,
        with_devices=frozenset(f"host{hctl.host}" for hctl in scsi.read_addresses(host)),
        nameable=frozenset(name for name in vports if npiv.takes_name(host, name)),
    )


def ensure_present(host: Host, wanted: WantedVhba, timeout: float, check_mode: bool = False) -> Report:
    """Have the vHBA there and logged in within `timeout` seconds. In check mode only say what would be done.

    Raises what the planner raises before anything is written, ApplyError for a step that failed.
    """
    seen = look(host)
    plan = plan_present(seen, wanted)
    if check_mode or not plan.steps:
        return report(plan, plan.after, the_one(seen, wanted))
    carry_out(plan.steps, lambda step: perform(host, step, seen, timeout))
    seen = look(host)
    left = plan_present(seen, wanted)
    if left.steps:
        raise ApplyError(
            f"carried out, but not as planned; still to do: {'; '.join(left.describe())}. Something else changes vHBAs "
            "on this host at the same time, or the fabric logs them out again",
            completed=plan.describe(),
            left=left.describe(),
        )
    return report(plan, left.before, the_one(seen, wanted), left.warnings)


def report(plan: VhbaPlan, after: Mapping[str, Any], vhba: Vhba | None, warnings: tuple[str, ...] = ()) -> Report:
    told = tuple(dict.fromkeys((*plan.warnings, *warnings)))
    carrier = parent_of(plan, vhba)
    return Report(plan.before != after, vhba, plan.describe(), plan.before, after, told, parent_wwpn=carrier)


def parent_of(plan: VhbaPlan, vhba: Vhba | None) -> Wwn | None:
    """Return the WWPN of the HBA that a plan makes the vHBA on, or that it is on already."""
    made = next((step.parent_wwpn for step in plan.steps if isinstance(step, CreateVport)), None)
    return made or (vhba.parent.wwpn if vhba is not None else None)


def perform(host: Host, step: VhbaStep, seen: Seen, timeout: float) -> None:
    """Carry out one step. `seen`: the look that the plan was made from.

    Raises CommandError, UnavailableError, WaitTimeoutError, NotFoundError.
    """
    if isinstance(step, CreateVport):
        _create(host, step, seen)
    elif isinstance(step, NameVport):
        _name(host, step)
    elif isinstance(step, DeleteVport):
        _delete(host, step, seen, timeout)
    else:
        await_login(host, step, timeout)


# Creating


def _create(host: Host, step: CreateVport, seen: Seen) -> None:
    """Write once. What the kernel did not take as a whole has failed; nothing is repeated."""
    if step.parent_wwpn != kernel_wwn(host.read(f"{fc.HOSTS}/{step.parent}/port_name")):
        raise NotFoundError(f"{step.parent} is no longer the HBA {step.parent_wwpn}")
    _refuse_hung(host, step.parent)
    writes = [npiv.create_write(host, step.parent, f"{step.wwpn}:{step.wwnn}")]
    if step.symbolic_name is not None:
        writes.append(npiv.name_write(step.parent, step.wwpn, step.symbolic_name))
    codes = _write(host, step.parent, writes, CREATE_DEADLINE)
    if codes[0]:
        raise CommandError(npiv.why_not_created(codes[0], _driver(seen, step.parent)), errno=codes[0], hba=step.parent)
    _require_named(codes[1:])
    if npiv.find_vport(host, step.wwpn, step.parent) is None:
        raise CommandError(
            "the kernel took it for done, and there is no such vport all the same: see dmesg", hba=step.parent
        )


def _write(host: Host, parent: str, writes: Sequence[Write], deadline: float) -> list[int]:
    """Write in one child; return the kernel's errno for each. Raises CommandError where it does not answer in time."""
    job = npiv.JOB.format(parent)
    result = children.write_all(host, {job: writes}, deadline)[job]
    if result.stuck is not None:
        raise CommandError(_late(result, deadline), hba=parent, pid=result.pid)
    return [written.errno for written in result.done]


def _refuse_hung(host: Host, parent: str) -> None:
    """Raise UnavailableError where a write of an earlier run is still in the kernel."""
    for pid in children.left_behind(host, [npiv.JOB.format(parent)]).values():
        raise UnavailableError(
            f"{parent} hangs: process {pid} of an earlier run, which was to create or delete a vport, has not come "
            "back from the kernel yet. Another one would hang behind it: see dmesg, and wait or restart the host",
            hba=parent,
            pid=pid,
        )


def _late(result: ChildResult, deadline: float) -> str:
    left = f"process {result.pid} still hangs in the kernel" if result.pid else "it was ended"
    return f"the driver did not answer within {deadline:g} s; {left}. See dmesg; run again to see what came of it"


def _driver(seen: Seen, name: str) -> str | None:
    return next((hba.driver for hba in seen.hbas if hba.name == name), None)


def _name(host: Host, step: NameVport) -> None:
    """Set the symbolic name; a driver that takes none is no failure: the report says so."""
    name = npiv.find_vport(host, step.wwpn)
    if name is not None:
        parent = f"host{name[len('vport-') :].partition(':')[0]}"
        _require_named(_write(host, parent, [npiv.name_write(parent, step.wwpn, step.name)], NAME_DEADLINE))


def _require_named(codes: Iterable[int]) -> None:
    for code in codes:
        if code:
            raise CommandError(f"the driver did not take the symbolic name: {os.strerror(code)}", errno=code)


# Waiting for the fabric


@dataclass(frozen=True)
class Login:
    """How far a login is."""

    state: str
    last_state: str | None = None
    port_state: str | None = None

    @property
    def over(self) -> bool:
        return failed(self.state) or self.done

    @property
    def done(self) -> bool:
        """Tell whether it is logged in. The vport may say so while its host is still, or again, down."""
        return self.state == ACTIVE and self.port_state in (None, "Online", "Marginal")

    def __str__(self) -> str:
        host = f", its port is {self.port_state}" if self.port_state and self.state == ACTIVE else ""
        before = f" (before that: {self.last_state})" if self.last_state else ""
        return f"{self.state}{before}{host}"


GONE = Login("gone")


def await_login(host: Host, step: AwaitLogin, timeout: float, stays: bool = True) -> None:
    """Wait until the vHBA is logged in. Raises UnavailableError for a state that does not end by itself.

    `stays`: nobody deletes it if that fails, which the error then says.
    """
    name = npiv.find_vport(host, step.wwpn)
    if name is None:
        raise NotFoundError(f"vHBA {step.wwpn} is gone: somebody else has deleted it", wwpn=step.wwpn)
    child = npiv.scsi_host_of(host, name)

    def observe() -> Login:
        return read_login(host, name, child)

    login = wait_until(host, observe, lambda now: now.over or now == GONE, timeout, interval=LOGIN_INTERVAL)
    if login.done:
        return
    details = {"wwpn": step.wwpn, "vport_state": login.state, "vport_last_state": login.last_state}
    if login == GONE:
        raise NotFoundError(f"vHBA {step.wwpn} went away while it was waited for: has somebody deleted it?", **details)
    if failed(login.state):
        left = ". The vHBA stays as it is" if stays else ""
        raise UnavailableError(f"vport_state is {login}: {advice(login.state)}{left}", **details)
    left = ". The vHBA stays, and comes up as soon as the fabric lets it in" if stays else ""
    raise WaitTimeoutError(f"not within {timeout:g} s; vport_state is {login}: {advice(login.state)}{left}", **details)


def read_login(host: Host, vport: str, child: str | None) -> Login:
    """Return how far the login of a vport is: its state, and that of its own SCSI host's port."""
    base = f"{fc.VPORTS}/{vport}"
    state = host.read(f"{base}/vport_state")
    if state is None:
        return GONE
    port = host.read(f"{fc.HOSTS}/{child}/port_state") if child and state == ACTIVE else None
    last = None if state == ACTIVE else host.read(f"{base}/vport_last_state")
    return Login(state, last or None, None if port in ("Unknown", "") else port)


# Deleting


def _delete(host: Host, step: DeleteVport, seen: Seen, timeout: float) -> None:
    """Delete a vport whose devices are gone, and see that it and its SCSI host are."""
    names = f"{step.wwpn}:{step.wwnn}"
    _refuse_hung(host, step.parent)

    def attempt() -> int:
        if npiv.find_vport(host, step.wwpn, step.parent) is None:
            return 0
        _refuse_disks(host, step)
        return _write(host, step.parent, [npiv.delete_write(host, step.parent, names)], DELETE_DEADLINE)[0]

    code = wait_until(host, attempt, lambda said: said not in npiv.BUSY, timeout)
    left = wait_until(host, lambda: _left(host, step), lambda names: not names, 0 if code else timeout)
    if left:
        why = npiv.why_not_deleted(code, _driver(seen, step.parent)) if code else "the kernel called it done"
        raise CommandError(f"{', '.join(left)} is still there: {why}", errno=code, hba=step.parent)


def _refuse_disks(host: Host, step: DeleteVport) -> None:
    """Raise InUseError where a disk is behind the vHBA: the kernel would take it from under whoever has it open.

    All that was there has left. What is there now came since, as after a scan.
    """
    if step.host is None or not _is_ours(host, step.host, step.wwpn):
        return
    found = [hctl for hctl in scsi.read_addresses(host) if f"host{hctl.host}" == step.host]
    disks = [str(hctl) for hctl in found if host.entries(f"{scsi.DEVICES}/{hctl}/block")]
    held = [f"{hctl} by /dev/sg*" for hctl in scan.held_devices(host, found)]
    if disks or held:
        raise InUseError(
            f"{', '.join((*disks, *held))} came meanwhile behind {step.host}: something scans. Run the task again",
            devices=disks,
        )


def _left(host: Host, step: DeleteVport) -> list[str]:
    vport = npiv.find_vport(host, step.wwpn, step.parent)
    child = step.host if step.host and _is_ours(host, step.host, step.wwpn) else None
    return [name for name in (vport, child) if name is not None]


def _is_ours(host: Host, child: str, wwpn: Wwn) -> bool:
    return kernel_wwn(host.read(f"{fc.HOSTS}/{child}/port_name")) == wwpn
