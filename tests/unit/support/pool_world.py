# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host reduced to what types of pools see of it, on which plans are carried out by the book."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ansible_collections.virt.san.plugins.module_utils._model.block import Use
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Mmp, Signature
from ansible_collections.virt.san.plugins.module_utils._model.disk import device_path
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Partition, Table
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Permissions,
    PoolDefinition,
    Source,
    SourceDevice,
    SourceHost,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools import steps as doing
from ansible_collections.virt.san.plugins.module_utils._pools.base import Folder, Mounted, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.blank import BlankDevice, Inspected
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known, PoolPlan, Wanted, plan_pool
from ansible_collections.virt.san.plugins.module_utils._pools.registry import pool_type
from ansible_collections.virt.san.tests.unit.support.groups import disk

NEW = "5b1c1f7e-1d25-4d0c-9a52-2b0d6f6f4a11"
IMAGES = PoolDefinition("images", "dir", target=Target("/images", Permissions(0o711)))
ISOS = PoolDefinition(
    "isos", "netfs", Source((SourceHost("nas"),), directory="/srv/isos", format="nfs"), Target("/isos")
)
LUNS = {device_path(disk(number).wwid or ""): disk(number) for number in (1, 2)}
ONE, TWO = LUNS
PARTS = PoolDefinition("parts", "disk", Source(devices=(SourceDevice(ONE),), format="gpt"), Target("/dev"))
VMS = PoolDefinition("vms", "fs", Source(devices=(SourceDevice(ONE),), format="ext4"), Target("/vms"))


def filesystem(kind: str, uuid: str, mmp: bool = False) -> Contents:
    return Contents((Signature(kind, "filesystem", 1080, 2, uuid),), 1080, mmp=Mmp() if mmp else None)


def table(kind: str, identity: str, *partitions: Partition) -> Contents:
    inside = Signature(kind, "partition-table", 512 if kind == "gpt" else 510, 8)
    return Contents((inside,), inside.offset, table=Table(kind, identity, None, partitions))


@dataclass(frozen=True)
class World:
    """What is written down of a pool, and what is on the host."""

    known: Known
    folders: dict[str, Folder] = field(default_factory=dict)
    mounts: dict[str, Mounted] = field(default_factory=dict)
    users: dict[str, tuple[str, ...]] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    leads_to: dict[str, str] = field(default_factory=dict)
    contents: dict[str, Contents] = field(default_factory=lambda: dict.fromkeys(LUNS, Contents()))
    """By the names of LUNs; those that are not there are not on this host."""

    def inspected(self, name: str) -> Inspected:
        lun = LUNS[name]
        points = [point for point, mounted in self.mounts.items() if mounted.device == lun.kernel]
        uses = tuple(Use("mount", lun.path.rpartition("/")[2], point) for point in points)
        return Inspected(replace(lun, uses=uses), self.contents[name])

    @property
    def seen(self) -> Seen:
        folders = {path: folder for path, folder in self.folders.items() if path not in self.silent}
        noted = self.known.started is not None
        devices = {name: self.inspected(name) for name in self.contents}
        lost = {name: "it is not on this host" for name in LUNS if name not in devices}
        silent = {**self.silent, **lost}
        return Seen(folders, self.mounts, {}, self.users, {}, self.leads_to, silent, noted, devices)

    def plan(self, wanted: Wanted) -> PoolPlan:
        one = wanted.pool or self.known.latest
        return plan_pool(self.known, wanted, self.seen, pool_type(one.type if one else "dir"), NEW)

    def after(self, steps: tuple[Step, ...]) -> World:
        """Return the world after the steps; an order that cannot work is a failed test."""
        now = self
        for step in steps:
            now = now._noted(step) or now._done(step)
        return now

    def _noted(self, step: Step) -> World | None:
        known = self.known
        if isinstance(step, doing.Define):
            return replace(self, known=replace(known, pool=step.pool, spoilt=None))
        if isinstance(step, doing.Undefine):
            return replace(self, known=replace(known, pool=None, started=None, spoilt=None))
        if isinstance(step, doing.NoteStarted):
            return replace(self, known=replace(known, started=step.pool))
        if isinstance(step, doing.NoteStopped):
            return replace(self, known=replace(known, started=None))
        return None

    def _done(self, step: Step) -> World:
        if isinstance(step, doing.MountAlone):
            assert step.disk.path == step.mount.source
            return self._done(step.mount)
        folders, mounts = dict(self.folders), dict(self.mounts)
        if isinstance(step, doing.MakeFolder):
            assert step.path not in folders
            assert step.permissions.mode is not None
            folders[step.path] = Folder(mode=step.permissions.mode)
        elif isinstance(step, doing.SetPermissions):
            mode = step.permissions.mode
            folders[step.path] = replace(folders[step.path], mode=folders[step.path].mode if mode is None else mode)
        elif isinstance(step, doing.EmptyFolder):
            folders[step.path] = replace(folders[step.path], empty=True)
        elif isinstance(step, doing.RemoveFolder):
            assert step.path not in mounts
            assert folders[step.path].empty or step.if_empty
            if folders[step.path].empty:
                del folders[step.path]
        elif isinstance(step, doing.Mount):
            assert step.point in folders
            assert step.point not in mounts
            mounts[step.point] = self._mounted(step)
        elif isinstance(step, doing.Unmount):
            assert step.force or not self.users.get(step.point)
            del mounts[step.point]
        else:
            return self._written(step)
        return replace(self, folders=folders, mounts=mounts)

    def _mounted(self, step: doing.Mount) -> Mounted:
        if step.kind == "nfs":
            return Mounted(step.source, "nfs4", ",".join(step.options))
        (name,) = [name for name, lun in LUNS.items() if lun.path == step.source]
        (inside,) = self.contents[name].signatures
        assert inside.kind == step.kind
        return Mounted(step.source, step.kind, ",".join(step.options), LUNS[name].kernel)

    def _written(self, step: Step) -> World:
        assert isinstance(step, doing.DeviceStep), step
        (name,) = [name for name, lun in LUNS.items() if lun.kernel == step.disk.kernel]
        assert not self.inspected(name).disk.uses, "in use"
        before, after = self.contents[name], Contents()
        assert not before.problem
        if isinstance(step, doing.MakeFilesystem):
            assert before == Contents(), "not blank"
            after = filesystem(step.kind, step.uuid, step.mmp)
        elif isinstance(step, doing.MakeTable):
            assert before == Contents(), "not blank"
            after = table(step.kind, step.identity)
        elif isinstance(step, doing.EraseTable):
            assert before.table is not None
            assert before.table.identity == step.identity
        elif isinstance(step, doing.EraseFilesystem):
            assert [one.uuid for one in before.signatures] == [step.uuid]
        else:
            assert isinstance(step, BlankDevice)
        return replace(self, contents={**self.contents, name: after})
