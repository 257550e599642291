# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clear up what the array has remapped: the old unit's paths go, and their addresses are scanned anew.

Once the paths are gone, nothing on the host tells that something is still to be scanned for, or which unit was there
before. What is under way is therefore noted while it lasts, so that a run after one that was killed can finish it. The
reboot that clears the note scans for everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._apply.device_run import Run
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid, parse_hctl
from ansible_collections.virt.san.plugins.module_utils._plan import device
from ansible_collections.virt.san.plugins.module_utils._plan.identity import Remapped, refuse_remapped
from ansible_collections.virt.san.plugins.module_utils._plan.named import Named, require
from ansible_collections.virt.san.plugins.module_utils._plan.removal import Seen, plan_removal

NOTE = "/run/virt-san.purge-pending"


def purge(run: Run, seen: Seen, remapped: tuple[Remapped, ...], begun: tuple[Remapped, ...]) -> LogicalUnit | None:
    """Take away what leads to another unit by now, scan anew, and return the unit that is there then.

    `begun`: what an earlier run has noted and not finished. In check mode the unit is not there yet: None.

    Raises IdentityError unless the task allows it, and InUseError where something holds the old unit.
    """
    run.remapped = remapped
    if not run.order.purge_remapped:
        refuse_remapped(remapped)
    leaving = device.purged(seen, remapped, begun)
    removing = plan_removal(seen, leaving, force=run.order.force, purge_remapped=True)
    missing = (*remapped, *device.not_there(seen, begun))
    steps = (*removing.steps, *([device.scan_again(missing)] if missing else []))
    after = {"luns": {**removing.after["luns"], **device.arrived(missing)}}
    if not run.check_mode:
        _write_note(run.host, (*remapped, *begun))
    run.carry_out(replace(removing, steps=steps, after=after), removing.needs_multipathd)
    if run.check_mode and steps:
        return None
    if not run.check_mode:
        run.host.remove_file(NOTE)
    new = (*remapped, *begun)[0].new
    return require(read_san(run.host), Named(wwid=run.named.wwid or new))


def read_note(host: Host) -> tuple[Remapped, ...]:
    """Return what a run was about to purge when it was killed. A note that says nothing of use is none."""
    try:
        return tuple(_parsed(one) for one in json.loads(host.read(NOTE) or "[]"))
    except (ValueError, TypeError, KeyError):
        return ()


def _parsed(told: Mapping[str, str]) -> Remapped:
    hctl = parse_hctl(told["hctl"])
    if hctl is None:
        raise ValueError(f"{told['hctl']!r} is no SCSI address")
    path = Path(
        device="",
        hctl=hctl,
        state="",
        transport="",
        hba=told["hba"],
        initiator=told["initiator"],
        target=told["target"],
        portal=None,
        size=0,
        wwid=Wwid(told["old_wwid"]),
    )
    return Remapped(path, Wwid(told["old_wwid"]), Wwid(told["new_wwid"]), None)


def _write_note(host: Host, remapped: Iterable[Remapped]) -> None:
    told = [dict(one.to_dict(), initiator=one.path.initiator) for one in remapped]
    host.write_file(NOTE, json.dumps(told) + "\n")
