# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rescan does to a host and reads of it: steps become writes, sysfs and udev become one look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.virt.san.plugins.module_utils._host import children, scan, scsi, udev
from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult, Write
from ansible_collections.virt.san.plugins.module_utils._host.hbas import Fabric, read_fabric
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock, Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._host.multipath_conf import managed_wwids
from ansible_collections.virt.san.plugins.module_utils._model.block import Path
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid
from ansible_collections.virt.san.plugins.module_utils._plan import expect
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import (
    DeletePlaceholder,
    Request,
    Reread,
    RescanStep,
    Seen,
    Selection,
)

EACH = 0.1
"""Seconds of a host's deadline for every single write: a thousand disks that answer must not look like a hang."""

CLAIM = "DM_MULTIPATH_DEVICE_PATH"
"""udev's property of a disk that multipath is to take."""


class Machine:
    """The host, as a rescan uses it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        # From here on events are kept, so that none between two looks is missed.
        self.wake = udev.event_waker(host)
        self._fabric: Fabric | None = None

    @property
    def clock(self) -> Clock:
        return self.host.clock

    def require_scanning(self) -> None:
        scan.require_scanning(self.host)

    def managed_wwids(self) -> frozenset[Wwid]:
        return managed_wwids(self.host)

    def left_behind(self, hbas: Iterable[str]) -> dict[str, int]:
        return children.left_behind(self.host, hbas)

    def look(self, selection: Selection | None, request: Request, before: Seen | None, *, uses: bool) -> Seen:
        """Read the host. HBAs that a selection leaves out are read again only without one.

        udev's records are read of those disks only that are waited for.
        """
        known, scanned = (self._fabric, {hba.name for hba in selection.hbas}) if selection else (None, set())
        self._fabric = read_fabric(self.host, known, scanned)
        san = read_san(self.host, uses=uses, fabric=self._fabric)
        addresses = frozenset(scsi.read_addresses(self.host))
        idle = addresses - {path.hctl for unit in san.luns for path in unit.paths}
        placeholders = frozenset(hctl for hctl in idle if scan.is_placeholder(self.host, hctl))
        without_disk = placeholders | {path.hctl for path in san.orphans}
        awaited = expect.awaited(san, before, selection, request) if before and selection else ()
        records = {path.device: udev.read_record(self.host, path.dev_t) for path in awaited if path.device}
        found = {device: record for device, record in records.items() if record is not None}
        return Seen(
            san=san,
            devices=addresses,
            placeholders=placeholders,
            held=scan.held_devices(self.host, without_disk),
            recorded=frozenset(found),
            claimed=frozenset(device for device, record in found.items() if record.properties.get(CLAIM) == "1"),
            with_uses=uses,
        )

    def in_udevs_hands(self, path: Path) -> bool:
        """Tell whether udev has yet to finish with a disk. It never does with one that went away."""
        return udev.read_record(self.host, path.dev_t) is None and self.host.exists(f"/sys/dev/block/{path.dev_t}")

    def write(self, jobs: Mapping[str, Sequence[RescanStep]], deadline: float) -> dict[str, ChildResult]:
        """Carry out each host's steps in order, the hosts in parallel. Raises UnavailableError without permission."""
        writes = {hba: [_write(step) for step in steps] for hba, steps in jobs.items()}
        results = children.write_all(self.host, writes, deadline, EACH)
        scan.require_permission(results.values())
        return results

    def identities(self, hctl: Hctl) -> tuple[Wwid, ...]:
        return scan.read_identity(self.host, hctl)


def _write(step: RescanStep) -> Write:
    if isinstance(step, DeletePlaceholder):
        return scan.delete_write(step.hctl)
    if isinstance(step, Reread):
        return scan.reread_write(step.hctl)
    return scan.scan_write(step.hba, step.channel, step.target_id, step.lun)
