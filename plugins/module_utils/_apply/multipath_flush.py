# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove a multipath device that nothing uses.

The device itself is never opened: without paths and with queueing that would hang for ever, and
the kernel wrote what its last user left when that user closed it.
"""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._errors import (
    CommandError,
    IdentityError,
    InUseError,
    SanError,
)
from ansible_collections.virt.san.plugins.module_utils._host.block import read_devices
from ansible_collections.virt.san.plugins.module_utils._host.dm import read_dm_devices
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._host.multipath import ask, order, show_maps
from ansible_collections.virt.san.plugins.module_utils._host.multipath_conf import read_remembered, sync_memory
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.block import Use
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.plugins.module_utils._plan.guard import holding
from ansible_collections.virt.san.plugins.module_utils._plan.multipath_steps import FlushMap

DAEMON_DEADLINE = 60.0
TOOL_DEADLINE = 60.0
PATIENCE = 30.0
"""Seconds for udev and the like, which open a device for a moment, to let go of it."""
QUEUES = "queue_if_no_path"


def flush(host: Host, step: FlushMap) -> None:
    """Remove a map; its paths stay. Looks at its users again before every try.

    Raises InUseError when something holds it, IdentityError when it is another unit's meanwhile,
    CommandError when multipathd does not remove it. Queueing is then as it was before.
    """
    queued = QUEUES in _features(host, step.wwid)
    if queued and step.fail_queued:
        _refuse_held(host, step.wwid)
        order(host, f"disablequeueing map {step.name}", DAEMON_DEADLINE)
    last = "it was not tried"

    def attempt() -> bool:
        nonlocal last
        if _gone(host, step):
            return True
        opened = _refuse_held(host, step.wwid)
        if opened:
            last = f"still open: {', '.join(map(str, opened))}"
            return False
        last = f"multipathd said {ask(host, f'del map {step.name}', DAEMON_DEADLINE)!r}"
        return _gone(host, step)

    try:
        if wait_until(host, attempt, bool, PATIENCE):
            return
        raise CommandError(f"{step.name} is not removed after {PATIENCE:g} s: {last}", wwid=step.wwid)
    except SanError as error:
        if queued and not _restore_queueing(host, step):
            advice = f"queueing was on before and is off now; restore it: multipathd restorequeueing map {step.name}"
            raise type(error)(f"{error.message}; {advice}", **error.details) from error
        raise


def forget(host: Host, wwid: Wwid) -> None:
    """Take a WWID out of multipath's memory, by its own tool. Raises CommandError when it stays there."""
    host.run(["multipath", "-w", wwid], TOOL_DEADLINE, accept=(0, 1))
    if wwid in read_remembered(host):
        raise CommandError(f"multipath -w did not remove {wwid} from its wwids file", wwid=wwid)
    sync_memory(host)


def _gone(host: Host, step: FlushMap) -> bool:
    """Tell whether the map is no more. Raises IdentityError when its name belongs to another device now."""
    devices = read_dm_devices(host, read_devices(host)).values()
    named = next((device for device in devices if device.name == step.name), None)
    ours = any(device.uuid == f"mpath-{step.wwid}" for device in devices)
    if ours and (named is None or named.uuid != f"mpath-{step.wwid}"):
        raise IdentityError(f"{step.name} is no longer the multipath device of {step.wwid}", wwid=step.wwid)
    return not ours


def _refuse_held(host: Host, wwid: Wwid) -> tuple[Use, ...]:
    """Return openers that may let go by themselves; raise InUseError for all other users.

    What is only written on the unit was judged when the plan was made; a flush does not touch it.
    """
    units = read_san(host, checkers=False).by_wwid(wwid)
    uses = [use for unit in units for use in holding(unit)]
    held = [use for use in uses if use.kind != "open"]
    if held:
        told = ", ".join(map(str, held))
        raise InUseError(f"in use meanwhile: {told}. Release it first", holders=[use.to_dict() for use in held])
    return tuple(use for use in uses if use.kind == "open")


def _features(host: Host, wwid: Wwid) -> str:
    return next((known.features for known in show_maps(host, DAEMON_DEADLINE) if known.wwid == wwid), "")


def _restore_queueing(host: Host, step: FlushMap) -> bool:
    """Turn queueing on again where a failed removal left it off; some releases do. Tell whether it is on."""
    try:
        if QUEUES not in _features(host, step.wwid):
            order(host, f"restorequeueing map {step.name}", DAEMON_DEADLINE)
        return QUEUES in _features(host, step.wwid) or _gone(host, step)
    except SanError:
        return False
