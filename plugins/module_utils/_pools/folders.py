# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What types take as source and target; where pools are folders, how the folder is made, compared and removed."""

from __future__ import annotations

from collections.abc import Container, Iterable

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.pool import Permissions, PoolDefinition, Source
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import Changes, Needs, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.steps import (
    EmptyFolder,
    MakeFolder,
    RemoveFolder,
    SetPermissions,
)

DEFAULT_MODE = 0o711
"""Of a folder that is made for a pool, as libvirt has it: guests reach their files, nobody lists them."""

KERNELS = ("/dev", "/proc", "/sys")
"""No pool of files is there or below."""

SYSTEM = frozenset(
    "/ /bin /boot /etc /home /lib /lib64 /media /mnt /opt /root /run /sbin /srv /tmp /usr /var".split()
    + "/var/lib /var/lib/libvirt /var/log /var/tmp".split()
)
"""What the host itself is made of. It may be a pool's folder, but is never emptied for one."""

FLAGS = {"ro": "rw", "nodev": "dev", "nosuid": "suid", "noexec": "exec"}
"""What any mount can have, and the kernel shows of all, with what undoes it."""

NO_EFFECT = ("vendor", "product")
"""Libvirt keeps them with a pool and does nothing with them."""


def check_target(pool: PoolDefinition) -> str:
    """Return the path of the pool's folder. Raises ValueError."""
    path = pool.target.path
    if path is None:
        raise ValueError(f"target.path: a pool of type {pool.type} needs the folder that it is found in")
    if path == "/" or any(path == one or path.startswith(f"{one}/") for one in KERNELS):
        raise ValueError(f"target.path: {path} is the kernel's or the host's own, and no place for a pool")
    return path


def check_device_target(pool: PoolDefinition, what: str) -> None:
    """Raise ValueError for a target that is not among the host's devices, as `what` the pool has is."""
    if not f"{pool.target.path}/".startswith("/dev/"):
        raise ValueError(f"target.path: {what} are devices, somewhere below /dev; leave it out")
    check_no_folder(pool)


def check_no_folder(pool: PoolDefinition) -> None:
    """Raise ValueError for the permissions of a folder that a pool of this type does not have."""
    if pool.target.permissions.settable != Permissions():
        raise ValueError(f"target.permissions: a pool of type {pool.type} has no folder of its own")


def check_source(pool: PoolDefinition, taken: Container[str]) -> None:
    """Raise ValueError where the source has something that the type does nothing with, or more is said of it."""
    if pool.kept.single_host and "single_host" not in taken:
        raise ValueError(f"single_host: for a pool of type {pool.type} it means nothing; leave it out")
    for name, value in vars(pool.source).items():
        if value != getattr(Source(), name) and name not in taken and name not in NO_EFFECT:
            raise ValueError(f"source.{OPTIONS.get(name, name)}: a pool of type {pool.type} has none")


OPTIONS = {"directory": "dir", "hosts": "host", "protocol_version": "protocol"}
"""Fields of a source, by the names that people know."""


def needs(pool: PoolDefinition) -> Needs:
    """Return what has to be known of the pool's folder, or of what is mounted there. Raises ValueError."""
    path = check_target(pool)
    return Needs(folders=(path,), mounts=(path,), users=(path,), space=(path,))


def mount_point(pool: PoolDefinition, seen: Seen) -> str:
    """Return where the pool is to be mounted. Raises RefusedError where that cannot be."""
    path = check_target(pool)
    refuse_link(seen, path)
    found = seen.mounts.get(path)
    if found is not None:
        raise RefusedError(
            f"{found.source} is mounted on {path} already: unmount it, or name another target.path", path=path
        )
    return path


def require_answer(seen: Seen, path: str) -> None:
    """Raise RefusedError where it is not known what is at a path."""
    if path in seen.silent:
        raise RefusedError(f"{path}: {seen.silent[path]}", path=path)


def refuse_link(seen: Seen, path: str) -> None:
    """Raise RefusedError where a path is a link or below one: what is mounted or used there goes by another name."""
    if path in seen.leads_to:
        raise RefusedError(f"{path} leads to {seen.leads_to[path]} by a link: name that as target.path", path=path)


def is_folder(seen: Seen, path: str) -> bool:
    found = seen.folders.get(path)
    return found is not None and found.kind == "folder"


def build(pool: PoolDefinition, seen: Seen, path: str) -> tuple[Step, ...]:
    """Return what makes the folder, unless it is there. Raises RefusedError where something else is there."""
    require_answer(seen, path)
    found = seen.folders.get(path)
    if found is None:
        wanted = pool.target.permissions
        mode = DEFAULT_MODE if wanted.mode is None else wanted.mode
        return (MakeFolder(path, Permissions(mode, wanted.owner, wanted.group)),)
    if found.kind != "folder":
        raise RefusedError(f"{path} is there and is no folder: name another target.path, or move it away", path=path)
    return ()


def adjust(pool: PoolDefinition, seen: Seen, path: str) -> Changes:
    """Return what gives the folder the permissions that it is to have."""
    found = seen.folders.get(path)
    if found is None:
        return Changes()
    different = pool.target.permissions.differing_from(found.mode, found.owner, found.group)
    if different == Permissions():
        return Changes()
    before = Permissions(found.mode, found.owner, found.group).shown()
    after = {**before, **different.shown()}
    return Changes((SetPermissions(path, different),), {"folder": before}, {"folder": after})


def delete(seen: Seen, path: str) -> tuple[Step, ...]:
    """Return what removes a folder with all that is in it.

    Raises InUseError where something in it is used, RefusedError where it is not clear what would go.
    """
    require_answer(seen, path)
    found = seen.folders.get(path)
    if found is None:
        return ()
    if path in SYSTEM:
        raise RefusedError(f"{path} is a part of the host, and is not deleted for the sake of a pool", path=path)
    refuse_link(seen, path)
    if found.kind != "folder":
        raise RefusedError(f"{path} is no folder: delete by hand what is there", path=path)
    refuse_mounts_below(seen, path, f"deleting {path}")
    refuse_users(seen, path, f"deleting {path}")
    empty = () if found.empty else (EmptyFolder(path),)
    # A file system that somebody else has mounted there stays; it is empty then.
    return empty if path in seen.mounts else (*empty, RemoveFolder(path))


def is_mounted_with(seen: Seen, path: str, options: Iterable[str]) -> bool:
    """Tell whether what is mounted has what these options of mount(8) say of FLAGS, as far as that is known.

    Whoever has mounted it, as the host's fstab, may know nothing of how the pool is to be mounted.
    """
    found = seen.mounts.get(path)
    if found is None or not found.options:
        return True
    has, said = found.options.split(","), [one for text in options for one in text.split(",")]

    def wanted(flag: str, opposite: str) -> bool:
        return next((one for one in reversed(said) if one in (flag, opposite, "defaults")), opposite) == flag

    return all(wanted(flag, opposite) == (flag in has) for flag, opposite in FLAGS.items())


def refuse_users(seen: Seen, path: str, purpose: str, advice: str = "") -> None:
    """Raise InUseError that names who uses something at a path or below."""
    users = seen.users.get(path, ())
    if users:
        raise InUseError(
            f"{purpose} is refused, in use by {', '.join(users)}. End that first{advice}",
            path=path,
            holders=list(users),
        )


def refuse_mounts_below(seen: Seen, path: str, purpose: str) -> None:
    """Raise RefusedError where something is mounted below a path."""
    below = seen.below.get(path, ())
    if below:
        raise RefusedError(f"{purpose} is refused: {', '.join(below)} is mounted below. Unmount it first", path=path)
