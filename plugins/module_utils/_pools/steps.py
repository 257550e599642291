# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a host for a pool, one class a kind of change. `_apply/pool_steps.py` carries it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.virt.san.plugins.module_utils._model.pool import Permissions, PoolDefinition

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
    from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Chap, Portal
    from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step

# What is written down of a pool.


@dataclass(frozen=True)
class Define:
    """Write a pool's definition down, for good."""

    pool: PoolDefinition
    what: str = "define"
    """Or "redefine"."""

    def describe(self) -> str:
        return f"{self.what} pool {self.pool.name}"


@dataclass(frozen=True)
class Undefine:
    """Forget a pool's definition."""

    name: str

    def describe(self) -> str:
        return f"undefine pool {self.name}"


@dataclass(frozen=True)
class NoteStarted:
    """Note down, until the next boot, that a pool runs and by which definition."""

    pool: PoolDefinition

    def describe(self) -> str:
        return f"note that pool {self.pool.name} runs"


@dataclass(frozen=True)
class NoteStopped:
    """Strike out that note."""

    name: str

    def describe(self) -> str:
        return f"note that pool {self.name} does not run"


RECORD, INTERFACE = "record", "iface"
"""How the note of a record of open-iscsi begins, and that of an iface."""
DEFAULT = "default"
"""`_model.iscsi.DEFAULT_INTERFACE`; no pool of another type has to load that file for it."""


@dataclass(frozen=True)
class NoteMade:
    """Note down what a pool has made to get at its units: that goes when it is stopped."""

    name: str
    what: tuple[str, ...]
    """As in "vHBA 5001a4a000000001". Nothing: the note is struck out."""

    @property
    def lasting(self) -> tuple[str, ...]:
        """What a boot does not end, and the note of it must outlast as well."""
        return tuple(one for one in self.what if one.startswith((f"{RECORD} ", f"{INTERFACE} ")))

    def describe(self) -> str:
        if not self.what:
            return f"note that nothing is left of what pool {self.name} has made"
        return f"note that pool {self.name} makes {', '.join(self.what)}"


@dataclass(frozen=True)
class KeepSecret:
    """Keep the password that a pool logs in with, in a file that only root may read."""

    name: str
    chap: Chap = field(repr=False)

    def describe(self) -> str:
        return f"keep the password of pool {self.name}"


@dataclass(frozen=True)
class ForgetSecret:
    """Forget that password."""

    name: str

    def describe(self) -> str:
        return f"forget the password of pool {self.name}"


@dataclass(frozen=True)
class LogInTo:
    """Log in to portals of an iSCSI target. If nothing comes of it, the pool's own records and iface go again."""

    pool: str
    target: str
    portals: tuple[Portal, ...]
    own_records: tuple[Portal, ...] = ()
    others: bool = False
    """There are other sessions of the pool."""
    noted: tuple[str, ...] = ()
    """What was noted as made before."""
    interface: str = DEFAULT
    own_interface: bool = False

    def describe(self) -> str:
        by = "" if self.interface == DEFAULT else f" by iface {self.interface}"
        return f"log in to {self.target} at {', '.join(map(str, self.portals))}{by}"


@dataclass(frozen=True)
class MakeVhba:
    """Have a virtual HBA logged in. One that the pool makes and the fabric does not let in is deleted again."""

    pool: str
    wwpn: str
    make: tuple[Step, ...]
    own: bool
    """It goes again if it cannot log in."""
    noted: tuple[str, ...] = ()
    """What was noted as made before."""

    def describe(self) -> str:
        return "; ".join(step.describe() for step in self.make)


# Devices.

WORTH_GROWING = 16 * 2**20
"""Bytes: no file system takes its device to the last one, and what is less than that is left alone."""


@dataclass(frozen=True)
class DeviceStep:
    """Something that writes to a device itself: done while no other host may write there, and planned anew before."""

    disk: Disk


@dataclass(frozen=True)
class MakeFilesystem(DeviceStep):
    """Make a file system on a device that is blank by then."""

    kind: str
    uuid: str
    mmp: bool = False
    """One that no two hosts can have mounted."""

    def describe(self) -> str:
        guarded = ", for one host at a time (mmp)" if self.mmp else ""
        return f"make an {self.kind} file system on {self.disk.label}{guarded}"


@dataclass(frozen=True)
class EraseFilesystem(DeviceStep):
    """Erase a file system that nobody has mounted by then; anything else that is there by then stays."""

    uuid: str

    def describe(self) -> str:
        return f"erase the file system on {self.disk.label}"


@dataclass(frozen=True)
class GrowFilesystem:
    """Have a file system fill its device, which has grown. It is mounted by then, so that no other host has it."""

    disk: Disk
    kind: str
    point: str

    def describe(self) -> str:
        return f"grow the {self.kind} file system on {self.disk.label} to the {self.disk.size} bytes of its device"


@dataclass(frozen=True)
class MakeTable(DeviceStep):
    """Write a partition table, without partitions, to a device that is blank by then."""

    kind: str
    identity: str

    def describe(self) -> str:
        return f"make a {self.kind} partition table on {self.disk.label}"


@dataclass(frozen=True)
class GrowTable:
    """Have a gpt reach to the end of its device, which has grown. Its partitions stay as they are, and may be in use.

    Not a DeviceStep: to keep other hosts off the device would end the writes of guests that have a partition there.
    """

    disk: Disk
    identity: str

    def describe(self) -> str:
        return f"grow the partition table on {self.disk.label} to the {self.disk.size} bytes of its device"


@dataclass(frozen=True)
class EraseTable(DeviceStep):
    """Erase a partition table and both ends of its partitions, of which none may be in use by then."""

    identity: str

    def describe(self) -> str:
        return f"erase the partition table on {self.disk.label}, with its partitions"


# Folders and what is mounted on them.


@dataclass(frozen=True)
class MakeFolder:
    """Make a folder, and those above it that are missing."""

    path: str
    permissions: Permissions

    def describe(self) -> str:
        return f"make the folder {self.path} ({permissions_text(self.permissions)})"


@dataclass(frozen=True)
class SetPermissions:
    """Change mode, owner and group of a folder as far as they are given."""

    path: str
    permissions: Permissions

    def describe(self) -> str:
        return f"set {permissions_text(self.permissions)} on {self.path}"


@dataclass(frozen=True)
class EmptyFolder:
    """Remove all that is in a folder, and nothing that is mounted there."""

    path: str

    def describe(self) -> str:
        return f"delete all that is in {self.path}"


@dataclass(frozen=True)
class RemoveFolder:
    """Remove a folder that is empty, or was emptied before."""

    path: str
    if_empty: bool = False
    """It may turn out not to be: then it stays."""

    def describe(self) -> str:
        return f"remove the folder {self.path}{', if it is empty' if self.if_empty else ''}"


@dataclass(frozen=True)
class Mount:
    """Mount a file system."""

    source: str
    point: str
    kind: str
    options: tuple[str, ...]
    patience: float = 0.0
    """Seconds that it may take longer than others: the kernel waits for other hosts to make themselves heard."""

    def describe(self) -> str:
        return f"mount {self.source} on {self.point} ({self.kind}; {','.join(self.options)})"


@dataclass(frozen=True)
class MountAlone(DeviceStep):
    """Mount a file system that says of itself who has it, while no other host may say so as well."""

    mount: Mount

    def describe(self) -> str:
        return self.mount.describe()


@dataclass(frozen=True)
class Unmount:
    """Unmount a file system. By force: also one in use, or one whose server does not answer."""

    source: str
    point: str
    force: bool = False

    def describe(self) -> str:
        return f"unmount {self.point} ({self.source}){' by force' if self.force else ''}"


def permissions_text(permissions: Permissions) -> str:
    """Return what is asked for, in a few words."""
    return ", ".join(f"{name} {value}" for name, value in permissions.shown().items()) or "as it comes"
