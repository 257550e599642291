# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to volumes, one class a kind of change. Whoever keeps the pool carries it out."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._model.ids import format_size, parse_size
from ansible_collections.virt.san.plugins.module_utils._model.pool import Permissions, PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.volume import DISCARD, NewVolume, Volume
from ansible_collections.virt.san.plugins.module_utils._pools.steps import permissions_text


@dataclass(frozen=True)
class CreateVolume:
    """Make a volume. It appears whole, and never in the place of something else."""

    pool: PoolDefinition
    volume: NewVolume

    def describe(self) -> str:
        new = self.volume
        if new.snapshot_of is not None and new.source is None:
            how = f"thin in {new.thin_pool}" if new.thin_pool else f"with {spelled(new.capacity)} for what changes"
            return f"create volume {new.name} in pool {self.pool.name}: a snapshot of {new.snapshot_of}, {how}"
        how = "all of it allocated" if new.full else f"thin in {new.thin_pool}" if new.thin_pool else "sparse"
        how = "" if self.pool.type == "logical" and not new.thin_pool else f", {how}"
        if new.part is not None:
            how = f", partition {new.part.number}"
        on = f", on {new.backing.path} ({new.backing.format})" if new.backing else ""
        of = f", a copy of {new.source.path} ({new.source.format})" if new.source else ""
        size = spelled(new.capacity)
        return f"create volume {new.name} in pool {self.pool.name}: {size}, {new.format}{how}{on}{of}"


@dataclass(frozen=True)
class ResizeVolume:
    """Give a volume another capacity in place; what it holds stays, as far as it reaches."""

    pool: PoolDefinition
    volume: Volume
    capacity: int
    """Bytes after it."""
    full: bool = False
    """What is added is allocated at once."""

    @property
    def shrinks(self) -> bool:
        return self.capacity < self.volume.capacity

    def describe(self) -> str:
        was, will = spelled(self.volume.capacity), spelled(self.capacity)
        verb = "shrink" if self.shrinks else "grow"
        if self.volume.is_cow:
            verb = f"{verb} the space for changes of"
        return f"{verb} volume {self.volume.name} in pool {self.pool.name} from {was} to {will}"


@dataclass(frozen=True)
class ActivateVolume:
    """Have this host know a volume as the device that it is."""

    pool: PoolDefinition
    volume: Volume

    def describe(self) -> str:
        return f"make {self.volume.path} of volume {self.volume.name} in pool {self.pool.name}"


@dataclass(frozen=True)
class PermitVolume:
    """Change mode, owner and group of a volume as far as they are given."""

    pool: PoolDefinition
    volume: Volume
    permissions: Permissions

    def describe(self) -> str:
        return f"set {permissions_text(self.permissions)} on volume {self.volume.name} in pool {self.pool.name}"


@dataclass(frozen=True)
class WipeVolume:
    """Make what a volume holds unreadable."""

    pool: PoolDefinition
    volume: Volume
    how: str
    """ZERO or DISCARD."""

    def describe(self) -> str:
        verb = "discard all of" if self.how == DISCARD else "write zeros over"
        return f"{verb} volume {self.volume.name} in pool {self.pool.name}"


@dataclass(frozen=True)
class DeleteVolume:
    """Remove a volume with all that it holds."""

    pool: PoolDefinition
    volume: Volume
    half_made: bool = False
    """It is what a run that was killed has left."""

    def describe(self) -> str:
        if self.half_made:
            return f"delete what a killed run has left of volume {self.volume.name} in pool {self.pool.name}"
        size = spelled(self.volume.capacity)
        return f"delete volume {self.volume.name} of {size} in pool {self.pool.name}"


def spelled(size: int) -> str:
    """Return a size for people, not rounded: 10G, or 10737418752 bytes."""
    short = format_size(size)
    try:
        return short if parse_size(short) == size else f"{size} bytes"
    except ValueError:
        return f"{size} bytes"
