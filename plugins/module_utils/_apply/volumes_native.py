# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own keeper of volumes: each kind of them has a room of its own that knows how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ansible_collections.virt.san.plugins.module_utils._apply.pool_keeper import PoolKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.pool_look import look
from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import mount
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import Seen
from ansible_collections.virt.san.plugins.module_utils._pools.kinds import quiet_needs, type_of
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known, running_definition
from ansible_collections.virt.san.plugins.module_utils._pools.registry import LUN_TYPES, lun_pool
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_registry import FOLDERS, unseen

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_file_steps import VolumeStep
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_keeper import Apart
    from ansible_collections.virt.san.plugins.module_utils._model.volume import Volume, WantedVolume
    from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import Transfer


class VolumeRoom(Protocol):
    """The file that looks at the volumes of one kind of pool, and works on them."""

    def look(
        self, host: Host, sight: VolumeSight, seen: Seen, wanted: WantedVolume, others: tuple[str, ...], /
    ) -> VolumeSight: ...

    def list_volumes(self, host: Host, pool: PoolDefinition, seen: Seen, deadline: float, /) -> list[Volume]: ...

    def perform(self, host: Host, step: VolumeStep, timeout: float, apart: Apart, /) -> None: ...


def _files() -> VolumeRoom:
    from ansible_collections.virt.san.plugins.module_utils._apply import volume_files

    return volume_files


def _lvs() -> VolumeRoom:
    from ansible_collections.virt.san.plugins.module_utils._apply import volume_lvs

    return volume_lvs


def _parts() -> VolumeRoom:
    from ansible_collections.virt.san.plugins.module_utils._apply import volume_parts

    return volume_parts


ROOMS: Mapping[str, Callable[[], VolumeRoom]] = {**dict.fromkeys(FOLDERS, _files), "logical": _lvs, "disk": _parts}
"""By type of pool, what loads the room of its volumes. Volumes that are LUNs are only listed."""


class NativeVolumes:
    """Works on the volumes of the pools that `pools` keeps."""

    def __init__(self, host: Host, pools: PoolKeeper, timeout: float) -> None:
        self.host = host
        self.pools = pools
        self.timeout = timeout
        """Seconds for reading a file that is to be carried over."""

    def look(self, pool: str, wanted: WantedVolume) -> VolumeSight:
        known = self.pools.look(pool)
        if known.latest is None:
            if known.spoilt:
                raise RefusedError(f"the definition of pool {pool} cannot be read: {known.spoilt}", pool=pool)
            return VolumeSight()
        kind = type_of(known)
        seen = look(self.host, quiet_needs(kind, known), known.started is not None, with_users=False)
        live = running_definition(known, seen, kind)
        if live is None:
            return VolumeSight(pool=known.latest)
        sight = self._look_into(known, VolumeSight(pool=live, running=True, noted=seen.noted), seen, wanted)
        if wanted.download_to is None or sight.volume is None:
            return sight
        from ansible_collections.virt.san.plugins.module_utils._apply.volume_files import writers_of

        return replace(sight, source_users=writers_of(self.host, sight.volume))

    def compare(self, sight: VolumeSight, wanted: WantedVolume) -> Transfer | None:
        from ansible_collections.virt.san.plugins.module_utils._apply import volume_transfer

        pool = sight.pool
        folders: tuple[str, ...] = ()
        if pool is not None and wanted.download_to is not None:
            # Images there may read from the file that would be replaced.
            folders = _folders((pool, *self.pools.look(pool.name).others.values()))
        return volume_transfer.compare(self.host, sight, wanted, self.timeout, folders)

    def _look_into(self, known: Known, sight: VolumeSight, seen: Seen, wanted: WantedVolume) -> VolumeSight:
        if sight.pool is None or sight.pool.type not in ROOMS:
            return sight
        points = {entry.point for entry in mount.read_table(self.host)}
        room, others = ROOMS[sight.pool.type](), known.others.values()
        sight = replace(sight, unseen=unseen((sight.pool, *others), points))
        return room.look(self.host, sight, seen, wanted, _folders(others))

    def perform(self, step: Step, timeout: float, apart: Apart) -> None:
        from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import (
            ActivateVolume,
            CreateVolume,
            DeleteVolume,
            PermitVolume,
            ResizeVolume,
            WipeVolume,
        )
        from ansible_collections.virt.san.plugins.module_utils._pools.volume_transfer import (
            DownloadVolume,
            UploadToVolume,
        )

        if isinstance(step, (ActivateVolume, CreateVolume, ResizeVolume, PermitVolume, WipeVolume, DeleteVolume)):
            ROOMS[step.pool.type]().perform(self.host, step, timeout, apart)
        elif isinstance(step, (UploadToVolume, DownloadVolume)):
            from ansible_collections.virt.san.plugins.module_utils._apply import volume_transfer

            volume_transfer.perform(self.host, step, timeout, apart)
        elif not self.pools.perform(step):
            raise SanError(f"{step.describe()}: nobody knows how")


def _folders(pools: Iterable[PoolDefinition]) -> tuple[str, ...]:
    """Return where the images of these pools lie."""
    return tuple(pool.target.path for pool in pools if pool.type in FOLDERS and pool.target.path is not None)


def list_volumes(host: Host, pool: PoolDefinition, seen: Seen, deadline: float) -> list[Volume] | None:
    """Return the volumes of a pool that runs; None for types whose volumes are nobody's to list yet.

    `deadline` is seconds. Raises CommandError where its folder does not answer, OSError.
    """
    if pool.type in LUN_TYPES:
        from ansible_collections.virt.san.plugins.module_utils._pools.luns import volumes_of

        return volumes_of(lun_pool(pool.type).units(pool, seen))
    return ROOMS[pool.type]().list_volumes(host, pool, seen, deadline) if pool.type in ROOMS else None
