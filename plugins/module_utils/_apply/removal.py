# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take logical units, or paths of them, off the host, and see that nothing of them is left.

The order of calls: `look` (with `reread` before it, where the host may be written to), a plan by
`_plan/removal.py`, `require_daemon` where the plan says so, then `perform` for each step. Between
that and the unmapping on the array nothing may scan: a scan would bring back what has just gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply.multipath import perform as perform_multipath
from ansible_collections.virt.san.plugins.module_utils._apply.multipath_look import look as look_at_multipath
from ansible_collections.virt.san.plugins.module_utils._apply.multipath_look import require_daemon
from ansible_collections.virt.san.plugins.module_utils._errors import (
    CommandError,
    IdentityError,
    InUseError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._host import children, dm, lvm_conf, proc, scan, scsi
from ansible_collections.virt.san.plugins.module_utils._host.block import read_devices
from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult, Write
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._host.multipath import ask
from ansible_collections.virt.san.plugins.module_utils._host.wait import require, wait_until
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path, San
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid, parse_wwid
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import Listed
from ansible_collections.virt.san.plugins.module_utils._plan.guard import holding
from ansible_collections.virt.san.plugins.module_utils._plan.identity import find_remapped
from ansible_collections.virt.san.plugins.module_utils._plan.removal import (
    RemovalPlan,
    Seen,
    behind,
    plan_removal,
)
from ansible_collections.virt.san.plugins.module_utils._plan.removal_steps import (
    DeletePaths,
    Going,
    TakeOut,
    UnlistDevice,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step

REREAD_DEADLINE = 30.0
"""Seconds for a host to ask its disks who they are."""
DAEMON_DEADLINE = 60.0
DELETE_DEADLINE = 60.0
"""Seconds for the deletes of one host; a port that is blocked holds one until fast_io_fail_tmo or dev_loss_tmo."""
EACH = 0.1
"""Seconds more for every single write."""
PATIENCE = 30.0
"""Seconds for udev and the like, which open a device for a moment, to let go of it."""
BY_ID = "/dev/disk/by-id"


def look(host: Host, asked: San | None = None, reread: Collection[Hctl] = ()) -> Seen:
    """Return all that the planner looks at.

    `asked` and `reread`: what was seen before paths were read again, and the paths that were; those that lead
    to another unit by now are found by comparing.
    """
    state = look_at_multipath(host)
    before = asked or state.san
    answers = {
        path.device: scan.read_identity(host, path.hctl)
        for unit in before.luns
        for path in unit.paths
        if path.hctl in reread or asked is None
    }
    return Seen(state, _listed(host, state.san), find_remapped(before, answers), _openers(host))


def _openers(host: Host) -> dict[str, tuple[str, ...]]:
    by_number = proc.read_openers(host)
    return {name: by_number[it.dev_t] for name, it in read_devices(host).items() if it.dev_t in by_number}


def reread(host: Host, paths: Iterable[Path]) -> tuple[dict[str, ChildResult], frozenset[Hctl]]:
    """Have the kernel ask running paths for identity and size; return what became of it, and who was asked.

    A path that is not running would not be asked, and its size could become 0.
    """
    jobs: dict[str, list[Write]] = {}
    asked = [path for path in paths if path.state == "running"]
    refuse_hung(host, {path.hba for path in asked})
    for path in asked:
        jobs.setdefault(path.hba, []).append(scan.reread_write(path.hctl))
    results = children.write_all(host, jobs, REREAD_DEADLINE, EACH)
    scan.require_permission(results.values())
    done = {written.write.path for result in results.values() for written in result.done if not written.errno}
    return results, frozenset(path.hctl for path in asked if scan.reread_write(path.hctl).path in done)


def refuse_hung(host: Host, hbas: Iterable[str]) -> None:
    """Raise UnavailableError where a write of an earlier run is still in the kernel: another would hang behind it."""
    for name, pid in children.left_behind(host, hbas).items():
        raise UnavailableError(
            f"{name} hangs: process {pid} of an earlier run has not come back from the kernel yet. Its target does "
            "not answer; wait until the driver gives up (dev_loss_tmo), or bring the link back",
            hba=name,
            pid=pid,
        )


def plan_behind(
    host: Host, hbas: Collection[str], check_mode: bool, force: bool = False, keep_record: bool = False
) -> RemovalPlan:
    """Plan what takes away all that is behind SCSI hosts ("host7"). Where nothing is, multipath is not even asked.

    Outside check mode the disks are asked who they are first: a LUN number may mean another LUN by now.
    """
    if not hbas:
        return RemovalPlan(before={"luns": {}}, after={"luns": {}})
    if check_mode:
        found = look(host)
    else:
        san = read_san(host, checkers=False, uses=False)
        _results, asked = reread(host, (path for unit in san.luns for path in unit.paths if path.hba in hbas))
        found = look(host, san, asked)
    plan = plan_removal(found, behind(found, hbas, keep_record=keep_record), force=force)
    if plan.needs_multipathd:
        require_daemon(host)
    return plan


def perform(host: Host, step: Step, timeout: float) -> None:
    """Carry out one step of a removal and see that it is done, within `timeout` seconds.

    Raises InUseError or IdentityError where the host is another than planned, CommandError, WaitTimeoutError.
    """
    if isinstance(step, TakeOut):
        _take_out(host, step, timeout)
    elif isinstance(step, UnlistDevice):
        lvm_conf.unlist_identity(host, step.entry)
    elif isinstance(step, DeletePaths):
        _delete(host, step, timeout)
    else:
        perform_multipath(host, step, timeout)


def _take_out(host: Host, step: TakeOut, timeout: float) -> None:
    """Have multipathd reload the map without these paths: then nothing waits for them when they go."""

    def left() -> tuple[str, ...]:
        maps = dm.read_maps(host, dm.read_dm_devices(host, read_devices(host)).values())
        slaves = next((found.slaves for found in maps if found.wwid == step.wwid), ())
        return tuple(device for device in step.devices if device in slaves)

    for device in left():
        ask(host, f"del path {device}", DAEMON_DEADLINE)  # what came of it shows in the map
    what = f"multipathd takes {', '.join(step.devices)} out of {step.name}"
    require(host, left, lambda still: not still, timeout, what, ", ".join)


# Deleting


def _delete(host: Host, step: DeletePaths, timeout: float) -> None:
    _await_free(host, step)
    refuse_hung(host, {f"host{path.hctl.host}" for path in step.paths})
    jobs: dict[str, list[Write]] = {}
    for path in step.paths:
        if scsi.read_state(host, path.hctl) is not None:
            jobs.setdefault(f"host{path.hctl.host}", []).append(scan.delete_write(path.hctl))
    results = children.write_all(host, jobs, DELETE_DEADLINE, EACH)
    scan.require_permission(results.values())
    stuck = {hba: result for hba, result in results.items() if result.stuck is not None}
    if stuck:
        told = "; ".join(f"{hba}: {_late(result)}" for hba, result in stuck.items())
        raise CommandError(f"the kernel did not delete all devices within {DELETE_DEADLINE:g} s: {told}")
    require(host, lambda: _left(host, step), lambda left: not left, timeout, "the devices go away", ", ".join)


def _late(result: ChildResult) -> str:
    where = result.stuck.path if result.stuck else ""
    left = f"; process {result.pid} still hangs in the kernel" if result.pid else ""
    return f"no return from writing to {where}{left}"


def _await_free(host: Host, step: DeletePaths) -> None:
    """Look once more before the first delete: the kernel would delete what is in use all the same.

    Raises InUseError, IdentityError.
    """

    def look_again() -> list[str]:
        units = read_san(host, checkers=False).luns
        openers = _openers(host)
        return [told for path in step.paths for told in _still_open(path, units, openers)]

    opened = wait_until(host, look_again, lambda told: not told, PATIENCE)
    held = scan.held_devices(host, [path.hctl for path in step.paths if not path.device])
    opened += [f"{hctl} by a process through /dev/sg*" for hctl in held]
    if opened:
        raise InUseError(f"still open after {PATIENCE:g} s: {', '.join(opened)}. Release it first", holders=opened)


def _still_open(path: Going, units: Iterable[LogicalUnit], openers: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return who may let go of a path by itself; raise for all that will not."""
    for unit in units:
        now = next((one for one in unit.paths if one.hctl == path.hctl), None)
        if now is None:
            continue
        if now.device != path.device or now.wwid not in (path.wwid, path.now):
            raise IdentityError(f"{path} is {now.device} with WWID {now.wwid} meanwhile, not {path.wwid}")
        final = [str(use) for use in holding(unit) if use.kind != "open" and _is_of(use.device, now.device)]
        if unit.map is not None and now.device in unit.map.slaves:
            final.append(f"{now.device} is in the multipath device {unit.map.name} again")
        if final:
            raise InUseError(f"in use meanwhile: {', '.join(final)}. Release it first", holders=final)
        return [f"{now.device} open by {by}" for by in openers.get(now.device, ())]
    return []


def _left(host: Host, step: DeletePaths) -> list[str]:
    """Return what is still there of the deleted paths: devices, disks and names udev gave them."""
    links = {name: (host.link(f"{BY_ID}/{name}") or "").rpartition("/")[2] for name in host.entries(BY_ID)}
    left = []
    for path in step.paths:
        if scsi.read_state(host, path.hctl) is not None:
            left.append(str(path))
        elif path.device and not host.exists(f"/sys/class/block/{path.device}"):
            left += [f"{BY_ID}/{name}" for name, disk in links.items() if _is_of(disk, path.device)]
    return left


def _is_of(disk: str, device: str) -> bool:
    return disk == device or (disk.startswith(device) and disk[len(device) :].isdigit())


def verify_gone(host: Host, wwids: Iterable[Wwid], timeout: float) -> None:
    """Wait until no map, no path and no name of these units is left. Raises WaitTimeoutError that says what is."""
    wanted = frozenset(wwids)

    def left() -> list[str]:
        return _traces(host, wanted)

    require(host, left, lambda found: not found, timeout, "nothing of the LUN is left", ", ".join)


def _traces(host: Host, wwids: frozenset[Wwid]) -> list[str]:
    devices = dm.read_dm_devices(host, read_devices(host)).values()
    maps = [f"/dev/mapper/{device.name}" for device in devices if _belongs(device, wwids)]
    names = {name for wwid in wwids for name in (f"dm-uuid-mpath-{wwid}", f"scsi-{wwid}", f"wwn-0x{wwid[1:]}")}
    links = [f"{BY_ID}/{name}" for name in host.entries(BY_ID) if name.partition("-part")[0] in names]
    paths = [
        path.device
        for unit in read_san(host, checkers=False, uses=False).luns
        for path in unit.paths
        if path.wwid in wwids
    ]
    return maps + paths + links


def _belongs(device: dm.DmDevice, wwids: frozenset[Wwid]) -> bool:
    return (dm.is_multipath(device) and device.uuid[len(dm.MULTIPATH) :] in wwids) or device.partition_of in wwids


def removed(plan: RemovalPlan) -> dict[str, Any]:
    """Return what a removal takes away, for the result."""
    gone = [(one, path) for one in plan.leaving for path in one.gone]
    return {
        "removed_luns": [one.wwid for one in plan.leaving if one.whole and one.wwid],
        "removed_paths": [
            {"wwid": one.wwid, "device": path.device, "hctl": str(path.hctl), "lun": path.lun} for one, path in gone
        ],
        "kept_maps": [one.map.name for one in plan.leaving if one.map is not None and one.flushed is None],
    }


# LVM's devices file


def _listed(host: Host, san: San) -> Mapping[Wwid, tuple[Listed, ...]]:
    """Return the entries of LVM's devices file by the unit they stand for; by identity, a name can be another's."""
    found: dict[Wwid, tuple[Listed, ...]] = {}
    for entry in lvm_conf.parse_devices(lvm_conf.read_devices_file(host) or ""):
        try:
            wwid = parse_wwid(entry.identity)
        except ValueError:
            continue
        known = next((unit.wwid for unit in san.luns if unit.wwid and unit.is_known_as((wwid,))), wwid)
        found[known] = (*found.get(known, ()), entry)
    return found
