# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools with volumes reduced to what is seen of them, on which plans are carried out by the book."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Target
from ansible_collections.virt.san.plugins.module_utils._model.volume import DISCARD, Volume, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.steps import NoteStarted
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_files import UNIT, backing_path
from ansible_collections.virt.san.plugins.module_utils._pools.volume_plan import VolumePlan, plan_volume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_registry import volume_kind
from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import (
    CreateVolume,
    DeleteVolume,
    PermitVolume,
    ResizeVolume,
    WipeVolume,
)

MIB = 2**20
EXTENT = 4 * MIB
IMAGES = PoolDefinition("images", "dir", target=Target("/images"))
GUESTS = PoolDefinition("guests", "logical", target=Target("/dev/guests"))


def image(name: str, capacity: int = MIB, **facts: Any) -> Volume:
    told = {"format": "raw", "allocation": 0, "mode": 0o600, "owner": 0, "group": 0, **facts}
    return Volume(name, f"/images/{name}", f"/images/{name}", capacity=capacity, **told)


def lv(name: str, capacity: int = EXTENT, **facts: Any) -> Volume:
    told = {"allocation": capacity, "kind": "linear", **facts}
    return Volume(name, f"uuid-{name}", f"/dev/guests/{name}", "raw", capacity, **told)


@dataclass(frozen=True)
class VolumeWorld:
    """One pool, and what is in it."""

    pool: PoolDefinition = IMAGES
    volumes: dict[str, Volume] = field(default_factory=dict)
    free: int = 1000 * MIB
    users: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ends: dict[str, int | None] = field(default_factory=dict)
    """How far contents reach: 0 unless it is said."""
    noted: bool = True
    wiped: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    """Anything else that is seen."""

    def sight(self, wanted: WantedVolume) -> VolumeSight:
        name, logical = wanted.name, self.pool.type == "logical"
        volume = self.volumes.get(name)
        told = {
            "pool": self.pool,
            "running": True,
            "noted": self.noted,
            "volume": volume,
            "others": tuple(one for one, other in self.volumes.items() if one != name and other.active),
            "free": self.free,
            "unit": EXTENT if logical else UNIT,
            "users": self.users.get(name, ()),
            "dependents": self.dependents(name),
            "end": self.ends.get(name, 0),
            "snapshots": self.dependents(name) if logical else (),
        }
        if wanted.snapshot_of is not None:
            told["source"] = self.volumes.get(wanted.snapshot_of)
        if wanted.backing is not None and not logical:
            path = backing_path(self.pool, wanted.backing)
            told["backing"] = next((one for one in self.volumes.values() if one.path == path), None)
        return VolumeSight(**{**told, **self.facts})

    def dependents(self, name: str) -> tuple[str, ...]:
        path = self.volumes[name].path if name in self.volumes else None
        return tuple(one.path for one in self.volumes.values() if one.backing and one.backing.path == path)

    def plan(self, wanted: WantedVolume) -> VolumePlan:
        kind = volume_kind(self.pool.type)
        assert kind is not None
        kind.check(wanted)
        return plan_volume(self.pool.name, wanted, self.sight(wanted), kind)

    def after(self, steps: tuple[Step, ...]) -> VolumeWorld:
        """Return the world after the steps; a step that would do harm is a failed test."""
        now = self
        for step in steps:
            now = now._done(step)
        return now

    def _done(self, step: Step) -> VolumeWorld:
        volumes = dict(self.volumes)
        if isinstance(step, NoteStarted):
            return replace(self, noted=True)
        if isinstance(step, CreateVolume):
            new = step.volume
            assert new.name not in volumes
            assert new.capacity % (EXTENT if self.pool.type == "logical" else UNIT) == 0
            made = image if self.pool.type == "dir" else lv
            volumes[new.name] = replace(
                made(new.name, new.capacity), format=new.format, backing=new.backing, thin_pool=new.thin_pool
            )
            if new.snapshot_of is not None and new.source is None:
                origin = volumes[new.snapshot_of]
                assert origin.thin_pool == new.thin_pool
                assert not origin.is_cow
                length = None if new.thin_pool else origin.capacity
                volumes[new.name] = replace(volumes[new.name], snapshot_of=new.snapshot_of, length=length)
            if self.pool.type == "dir":
                mode = new.permissions.mode
                assert mode is not None
                volumes[new.name] = replace(volumes[new.name], mode=mode, allocation=new.capacity if new.full else 0)
            return replace(self, volumes=volumes, free=self.free - (new.capacity if new.full else 0))
        assert isinstance(step, (ResizeVolume, PermitVolume, WipeVolume, DeleteVolume))
        name = step.volume.name
        if isinstance(step, WipeVolume):
            self._is_nobodys(name)
            assert step.how == DISCARD or volumes[name].thin_pool is None, "all of it would be provisioned"
            return replace(self, wiped=(*self.wiped, name))
        if isinstance(step, PermitVolume):
            given = {key: value for key, value in vars(step.permissions).items() if value is not None}
            volumes[name] = replace(volumes[name], **given)
        elif isinstance(step, DeleteVolume):
            self._is_nobodys(name)
            del volumes[name]
        else:
            assert not (self.pool.type == "logical" and self.dependents(name))
            if step.shrinks:
                assert not volumes[name].is_cow
                self._is_nobodys(name)
                end = self.ends.get(name, 0)
                assert end is not None
                assert end <= step.capacity
            volumes[name] = replace(volumes[name], capacity=step.capacity)
        return replace(self, volumes=volumes)

    def _is_nobodys(self, name: str) -> None:
        assert not self.users.get(name)
        assert not self.dependents(name)
