# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a type of storage pool is: what it takes, what it has to know of the host, and what is to be done for it.

A type is pure. It names what it wants to know (`Needs`), is given that (`Seen`), and answers with steps. It neither
reads the host nor changes it, and it does not know where definitions are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._errors import SanError
    from ansible_collections.virt.san.plugins.module_utils._model.block import San
    from ansible_collections.virt.san.plugins.module_utils._model.group import GroupSight
    from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Space
    from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
    from ansible_collections.virt.san.plugins.module_utils._pools.blank import Inspected


@dataclass(frozen=True)
class Needs:
    """What a type has to know of the host. Looked at within a deadline: it may lie on a server that is gone."""

    folders: tuple[str, ...] = ()
    """Paths: what is there, and with which permissions."""
    mounts: tuple[str, ...] = ()
    """Paths: what is mounted there."""
    users: tuple[str, ...] = ()
    """Paths: who uses something there or below. Only looked for where a pool is to be stopped or removed."""
    space: tuple[str, ...] = ()
    """Paths: how large the file system is, and how much of it is free."""
    devices: tuple[str, ...] = ()
    """Block devices by the names that definitions have for them: which device to use, and what is on it."""
    group: str | None = None
    """A volume group: that one, and all others."""
    tables: bool = False
    """Of devices also their partition tables."""
    san: bool = False
    """HBAs, sessions and logical units. Who uses these is not looked for."""

    def __add__(self, other: Needs) -> Needs:
        return Needs(
            _joined(self.folders, other.folders),
            _joined(self.mounts, other.mounts),
            _joined(self.users, other.users),
            _joined(self.space, other.space),
            _joined(self.devices, other.devices),
            self.group or other.group,
            self.tables or other.tables,
            self.san or other.san,
        )


def _joined(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


@dataclass(frozen=True)
class Folder:
    """What is at a path, links followed."""

    kind: str = "folder"
    """folder, file or other."""
    mode: int = 0o755
    owner: int = 0
    group: int = 0
    empty: bool = True


@dataclass(frozen=True)
class Mounted:
    """What is mounted at a path, the topmost."""

    source: str
    kind: str
    options: str = ""
    device: str = ""
    """Kernel name of the block device it is on; empty where it is on none."""


@dataclass(frozen=True)
class Way:
    """How what carries a pool's units comes to this host or leaves it, as planned for HBAs and sessions."""

    steps: tuple[Step, ...] = ()
    refusal: SanError | None = None
    """Why there is none."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What was found of the things a type wants to know."""

    folders: Mapping[str, Folder] = field(default_factory=dict)
    """Those that are there."""
    mounts: Mapping[str, Mounted] = field(default_factory=dict)
    """Those where something is mounted."""
    below: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By path: what is mounted below it."""
    users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By path: "guest vm1 (pid 12)"."""
    space: Mapping[str, Space] = field(default_factory=dict)
    leads_to: Mapping[str, str] = field(default_factory=dict)
    """Paths that are links, or below one: where they lead. Mounts and users are known by that name."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Paths that gave no answer, with why: nothing is known of them."""
    noted: bool = False
    """It is noted down that the pool has been started, and not been stopped since the last boot."""
    devices: Mapping[str, Inspected] = field(default_factory=dict)
    """The devices to use, by the names that definitions have for them."""
    groups: GroupSight | None = None
    san: San | None = None
    """None: it was not asked for."""
    unique_ids: Mapping[str, int] = field(default_factory=dict)
    """By name of a SCSI host: its number among those of its PCI device."""
    coming: Way | None = None
    """None: it was not asked for, as the pool is not to run."""
    leaving: Way | None = None
    """The same for what the pool has made itself, where it is to be stopped."""
    remove_devices: bool = False
    """Not seen, but asked for: devices that are not named may be taken away."""
    whole: bool = False
    """The same: the pool is to run, and one that only runs in part does not."""
    copies: tuple[str, ...] = ()
    """Other runs at work on volumes, without the host's lock. Only looked for where a pool is to be stopped."""
    staying: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By path: where what is mounted there stays mounted once it is unmounted: "/export", "/data of web (pid 9)".
    Only looked for where a pool is to be stopped.
    """


@dataclass(frozen=True)
class Changes:
    """What is to be changed of a pool that is there, and how that looks to a person."""

    steps: tuple[Step, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    """What is not as defined, and stays so."""

    def __add__(self, other: Changes) -> Changes:
        return Changes(
            (*self.steps, *other.steps),
            {**self.before, **other.before},
            {**self.after, **other.after},
            (*self.warnings, *other.warnings),
        )


class PoolType(Protocol):
    """One type of storage pool.

    Each method that plans may raise RefusedError or InUseError: nothing was done before.
    """

    name: str

    def check(self, pool: PoolDefinition) -> None:
        """Raise ValueError, which names the option, for what this type needs and lacks, or cannot do anything with."""

    def needs(self, pool: PoolDefinition) -> Needs:
        """Return what has to be known of the host to plan for this pool."""

    def adopts(self, pool: PoolDefinition, seen: Seen) -> str | None:
        """Return the identity of something on the pool's device that others have made and that can be the pool's.

        Asked where the task describes the pool and says that nothing is to be built, or where it runs already. It is
        kept, and later known by it.
        """

    def is_built(self, pool: PoolDefinition, seen: Seen) -> bool:
        """Tell whether there is something that can be started."""

    def is_running(self, pool: PoolDefinition, seen: Seen) -> bool:
        """Tell whether its storage can be used now."""

    def build(self, pool: PoolDefinition, seen: Seen, overwrite: bool) -> tuple[Step, ...]:
        """Return what makes it startable. Destroys nothing, unless `overwrite` says so."""

    def adjust(self, pool: PoolDefinition, seen: Seen) -> Changes:
        """Return what of a built pool is not as defined and can be changed on the spot, running or not.

        What it refuses does not keep a pool from being stopped, unless the task asks for it anew.
        """

    def start(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        """Return what makes a built pool usable."""

    def stop(self, pool: PoolDefinition, seen: Seen, force: bool) -> tuple[Step, ...]:
        """Return what ends a running pool; what is on it stays. Raises InUseError, unless `force`."""

    def delete(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        """Return what removes a stopped pool's contents, and what build has made. Raises InUseError.

        Of `pool`, `single_host` is what this task says, not what was said once.
        """

    def restart_for(self, running: PoolDefinition, pool: PoolDefinition, seen: Seen) -> tuple[str, ...]:
        """Return the options, by name, in which a running pool differs and that take effect at its next start.

        By what it was started (`running`), and by what is seen of it: others may have started it in another way.
        """

    def space(self, pool: PoolDefinition, seen: Seen) -> Space | None:
        """Return how large a running pool is; None if that is not known."""
