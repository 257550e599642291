# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind of pool knows about its volumes. Pure: it is given what was seen (`VolumeSight`), and decides.

It neither reads the host nor changes it, and it does not know who carries volume operations out: that is the keeper's
part (`_apply/volume_keeper.py`). So the same knowledge serves whoever does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import NewVolume, Volume, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._model.partitions import Parted


@dataclass(frozen=True)
class Transfer:
    """A file of the host's beside a volume."""

    size: int = 0
    """Bytes of what is to be carried over."""
    checksum: str | None = None
    """Of the same."""
    same: bool = False
    """There is nothing to carry over."""
    problem: str = ""
    form: str = "raw"
    """What the first bytes of what is to be carried over say that it is."""
    replaces: VolumeSight | None = None
    """The file whose place would be taken, as a volume, with who uses it and what reads from it."""


@dataclass(frozen=True)
class VolumeSight:
    """What was found of a pool, and of the one volume that a task names."""

    pool: PoolDefinition | None = None
    """None: there is no such pool."""
    running: bool = False
    noted: bool = False
    """It is noted down that the pool runs."""
    volume: Volume | None = None
    taken_by: str | None = None
    """The name belongs to something that is no volume: "a folder"."""
    others: tuple[str, ...] = ()
    """Of a pool that runs as long as one of its volumes is active: the other ones that are."""
    free: int | None = None
    """Bytes that volumes may still take; None: not known."""
    unit: int = 512
    """Sizes are multiples of it (bytes)."""
    slack: int = 0
    """A volume may be larger than it was asked for, by less than this, and is right nevertheless (bytes)."""
    thin_pools: tuple[str, ...] = ()
    parted: Parted | None = None
    """The partition table that the volumes are in."""
    backing: Volume | None = None
    """What is at the path that the task names as backing."""
    source: Volume | None = None
    """What the task names to be cloned, or to make a snapshot of; only looked at where a volume is to be made."""
    source_users: tuple[str, ...] = ()
    """Who may write to that, or to a volume that is to be carried to a file."""
    leftover: Volume | None = None
    """What a run that was killed has left of making the volume."""
    users: tuple[str, ...] = ()
    """Who has the volume open: "guest vm1 (pid 12)"."""
    dependents: tuple[str, ...] = ()
    """Volumes that read from it, as far as they were looked for."""
    snapshots: tuple[str, ...] = ()
    """Snapshots that read from it."""
    end: int | None = None
    """How far its content reaches, in bytes. None: nobody knows."""
    end_unknown: str = ""
    """Why nobody knows."""
    transfer: Transfer | None = None
    """Of the file that the task names; None: it is not there, or there is no volume."""
    hindrance: str = ""
    """Why nothing in the pool can be changed now."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Places that gave no answer, with why."""
    unseen: tuple[str, ...] = ()
    """Other pools whose volumes cannot be seen, as they are not mounted."""
    warnings: tuple[str, ...] = ()


class VolumeKind(Protocol):
    """What is peculiar to the volumes of one kind of pool. Refusals are raised: RefusedError and below."""

    by_header: bool
    """What a volume is, its first bytes say: written to a raw one they can make it another."""

    def check(self, wanted: WantedVolume) -> None:
        """Raise ValueError, which names the option, for what such volumes cannot be or have."""

    def path(self, pool: PoolDefinition, name: str, sight: VolumeSight) -> str:
        """Return where a volume of this name is found, or will be."""

    def complete(self, wanted: WantedVolume, sight: VolumeSight) -> NewVolume:
        """Return the volume that is to be made, with all its usual values. Raises RefusedError, InputError."""

    def refuse_difference(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume) -> None:
        """Raise RefusedError where the volume that is there cannot become what is wanted."""

    def refuse_growth(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume, capacity: int) -> None:
        """Raise RefusedError where the volume cannot grow now, InUseError where somebody is in the way."""

    def activation(self, pool: PoolDefinition, volume: Volume) -> tuple[Step, ...]:
        """Return what makes a volume that is there one that can be used on this host, where a task does that."""

    def warnings(self, wanted: WantedVolume, sight: VolumeSight, volume: Volume) -> tuple[str, ...]:
        """Return what is not as wanted and stays so."""
