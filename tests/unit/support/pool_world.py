# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host reduced to what types of pools see of it, on which plans are carried out by the book."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._model.block import San, Use
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Mmp, Signature
from ansible_collections.virt.san.plugins.module_utils._model.disk import device_path
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba, IscsiSession, Npiv, Vport
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Portal, parse_portal
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Partition, Table
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    FcHostAdapter,
    Permissions,
    PoolDefinition,
    Source,
    SourceDevice,
    SourceHost,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi_steps import LogOut
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_steps import AwaitLogin, CreateVport, DeleteVport
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools import steps as doing
from ansible_collections.virt.san.plugins.module_utils._pools.base import Folder, Mounted, Seen, Way
from ansible_collections.virt.san.plugins.module_utils._pools.blank import BlankDevice, Inspected
from ansible_collections.virt.san.plugins.module_utils._pools.iscsi import portals
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
MAPS = PoolDefinition("maps", "mpath", target=Target("/dev/mapper"))
WWPN, WWNN, PARENT = Wwn("5001a4a000000001"), Wwn("5001a4a000000000"), Wwn("2100001b32000000")
GUEST = PoolDefinition(
    "guest", "scsi", Source(adapter=FcHostAdapter(WWNN, WWPN, None, PARENT, PARENT)), Target("/dev/disk/by-id")
)
"""Has a virtual HBA of its own."""
IQN = "iqn.2025-01.test.array:vol1"
ARRAY = PoolDefinition(
    "array",
    "iscsi",
    Source((SourceHost("10.77.1.1"),), (SourceDevice(IQN),)),
    Target("/dev/disk/by-id"),
    kept=Kept(portals=("10.77.2.1:3260",)),
)
VMS = PoolDefinition("vms", "fs", Source(devices=(SourceDevice(ONE),), format="ext4"), Target("/vms"))


def filesystem(kind: str, uuid: str, mmp: bool = False) -> Contents:
    return Contents((Signature(kind, "filesystem", 1080, 2, uuid),), 1080, mmp=Mmp() if mmp else None)


def table(kind: str, identity: str, *partitions: Partition) -> Contents:
    inside = Signature(kind, "partition-table", 512 if kind == "gpt" else 510, 8)
    return Contents((inside,), inside.offset, table=Table(kind, identity, None, partitions))


def shown(options: tuple[str, ...]) -> str:
    """Return what the kernel shows of a mount with these options."""
    pairs = (("rw", "ro"), ("dev", "nodev"), ("suid", "nosuid"), ("exec", "noexec"))
    has = dict.fromkeys((usual for usual, _flag in pairs), "")
    for one in ",".join(options).split(","):
        for usual, flag in pairs:
            if one in (usual, "defaults"):
                has[usual] = ""
            elif one == flag:
                has[usual] = flag
    return ",".join([has.pop("rw") or "rw", *filter(None, has.values()), "relatime"])


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
    vhbas: frozenset[Wwn] = frozenset()
    sessions: frozenset[Portal] = frozenset()
    """With the target."""
    deaf: frozenset[Portal] = frozenset()
    """Portals that nobody listens at."""

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
        vports = tuple(Vport(wwpn, WWNN, "host9", "Active") for wwpn in sorted(self.vhbas))
        carrier = Hba(0, "fc", PARENT, PARENT, port_state="Online", npiv=Npiv(True, 4, len(vports), vports))
        sessions = tuple(
            IscsiSession(number, 20 + number, IQN, 1, None, "default", "LOGGED_IN", "up", str(portal), None, 5, 0)
            for number, portal in enumerate(sorted(self.sessions))
        )
        san = San((carrier,), tuple(lun.unit for lun in LUNS.values() if lun.unit is not None), sessions=sessions)
        return Seen(folders, self.mounts, {}, self.users, {}, self.leads_to, silent, noted, devices, san=san)

    def plan(self, wanted: Wanted) -> PoolPlan:
        one = wanted.pool or self.known.latest
        seen = self.with_ways(wanted, one) if one else self.seen
        return plan_pool(self.known, wanted, seen, pool_type(one.type if one else "dir"), NEW)

    def with_ways(self, wanted: Wanted, pool: PoolDefinition) -> Seen:
        """Return what is seen with what the planners of virtual HBAs would say."""
        adapter, made = pool.source.adapter, self.known.made
        if wanted.state == "active" and isinstance(adapter, FcHostAdapter) and adapter.wwpn not in self.vhbas:
            note, wwpn = (f"vHBA {adapter.wwpn}",), Wwn(adapter.wwpn)
            make = (CreateVport("host0", PARENT, wwpn, WWNN), AwaitLogin(wwpn))
            notes = () if note == made else (doing.NoteMade(pool.name, note),)
            return replace(self.seen, coming=Way((*notes, doing.MakeVhba(pool.name, wwpn, make, True, made))))
        if wanted.state == "active" and pool.type == "iscsi":
            return replace(self.seen, coming=self._sessions(pool))
        if wanted.state in ("inactive", "absent"):
            going = [wwpn for wwpn in sorted(self.vhbas) if f"vHBA {wwpn}" in made]
            ends = [LogOut(1, "host21", IQN, str(at)) for at in sorted(self.sessions) if f"session {IQN} {at}" in made]
            return replace(
                self.seen, leaving=Way((*ends, *(DeleteVport("host0", wwpn, WWNN, "host9") for wwpn in going)))
            )
        return self.seen

    def _sessions(self, pool: PoolDefinition) -> Way:
        made, wanted = self.known.made, portals(pool)
        new = tuple(portal for portal in wanted if portal not in self.sessions | self.deaf)
        there = any(portal in self.sessions for portal in wanted)
        if not new:
            return Way() if there else Way(refusal=UnavailableError("nobody listens"))
        then = tuple(dict.fromkeys((*made, *(f"session {IQN} {portal}" for portal in new))))
        notes = (doing.NoteMade(pool.name, then),) if then != made else ()
        return Way((*notes, doing.LogInTo(pool.name, IQN, new, (), there, made)))

    def after(self, steps: tuple[Step, ...]) -> World:
        """Return the world after the steps; an order that cannot work is a failed test."""
        now = self
        for step in steps:
            now = now._noted(step) or now._carried(step) or now._done(step)
        return now

    def _noted(self, step: Step) -> World | None:
        known = self.known
        if isinstance(step, doing.Define):
            return replace(self, known=replace(known, pool=step.pool, spoilt=None))
        if isinstance(step, doing.Undefine):
            return replace(self, known=replace(known, pool=None, started=None, spoilt=None, made=(), secret=None))
        if isinstance(step, doing.NoteStarted):
            return replace(self, known=replace(known, started=step.pool))
        if isinstance(step, doing.KeepSecret):
            assert known.pool is not None, "kept for nobody"
            return replace(self, known=replace(known, secret=step.chap))
        if isinstance(step, doing.ForgetSecret):
            return replace(self, known=replace(known, secret=None))
        if isinstance(step, doing.NoteMade):
            return replace(self, known=replace(known, made=step.what))
        if isinstance(step, doing.NoteStopped):
            return replace(self, known=replace(known, started=None))
        return None

    def _carried(self, step: Step) -> World | None:
        if isinstance(step, doing.MakeVhba):
            assert step.wwpn not in self.vhbas
            assert f"vHBA {step.wwpn}" in self.known.made, "made before it was noted"
            return replace(self, vhbas=self.vhbas | {Wwn(step.wwpn)})
        if isinstance(step, DeleteVport):
            return replace(self, vhbas=self.vhbas - {step.wwpn})
        if isinstance(step, doing.LogInTo):
            assert all(f"session {IQN} {portal}" in self.known.made for portal in step.portals)
            return replace(self, sessions=self.sessions | set(step.portals))
        if isinstance(step, LogOut):
            return replace(self, sessions=self.sessions - {parse_portal(step.portal)})
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
        elif isinstance(step, (doing.GrowFilesystem, doing.GrowTable)):
            return self._grown(step)
        else:
            return self._written(step)
        return replace(self, folders=folders, mounts=mounts)

    def _grown(self, step: doing.GrowFilesystem | doing.GrowTable) -> World:
        (name,) = [name for name, lun in LUNS.items() if lun.kernel == step.disk.kernel]
        if isinstance(step, doing.GrowFilesystem):
            assert self.mounts[step.point].device == step.disk.kernel
            return replace(self, contents={**self.contents, name: replace(self.contents[name], filled=step.disk.size)})
        before = self.contents[name].table
        assert before is not None
        assert (before.kind, before.identity) == ("gpt", step.identity)
        assert before.usable is not None
        gain = before.growth(step.disk.size)
        assert gain, "written for nothing"
        grown = replace(before, usable=before.usable + gain, ends=step.disk.size)
        return replace(self, contents={**self.contents, name: replace(self.contents[name], table=grown)})

    def _mounted(self, step: doing.Mount) -> Mounted:
        if step.kind == "nfs":
            return Mounted(step.source, "nfs4", shown(step.options))
        (name,) = [name for name, lun in LUNS.items() if lun.path == step.source]
        (inside,) = self.contents[name].signatures
        assert inside.kind == step.kind
        return Mounted(step.source, step.kind, shown(step.options), LUNS[name].kernel)

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
