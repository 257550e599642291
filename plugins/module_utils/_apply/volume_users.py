# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a volume: processes, guests on this host and others, and the volumes that read from it."""

from __future__ import annotations

import os
from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._apply import pool_look
from ansible_collections.virt.san.plugins.module_utils._apply.pool_look import DEADLINE
from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host import bare, images
from ansible_collections.virt.san.plugins.module_utils._host.file_users import users_of_file, writers_of_file
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.images import Image
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight

LOCKED = "somebody who has locked it, perhaps on another host"

SCAN_DEADLINE = 60.0
"""Seconds for reading all headers in one folder."""


def find_users(host: Host, image: Image, writing: bool = False) -> tuple[str, ...]:
    """Return who has an image open, or only who may be `writing` to it; where nobody can tell, somebody has."""
    own, look_for = os.getpid(), writers_of_file if writing else users_of_file

    def find(there: Host) -> tuple[str, ...]:
        return look_for(there, image.path, image.device, image.inode, own)

    def ask(there: Host) -> bool:
        return images.is_locked(there, image.path, writing)

    try:
        users = tuple(guarded(host, "/proc", "looking in", find, DEADLINE))
        if users:
            return users
        locked = guarded(host, image.path, "looking at", ask, DEADLINE)
    except SanError as error:
        return (f"somebody, perhaps: {error.message}",)
    except OSError as error:
        return (f"somebody, perhaps: {os.strerror(error.errno or 0)}",)
    return (LOCKED,) if locked else ()


def with_dependents(
    host: Host, sight: VolumeSight, path: str, own: tuple[str, ...], others: tuple[str, ...]
) -> VolumeSight:
    """Return what is seen, with the images that read from a volume. If its own pool does not answer, nobody knows."""
    found: list[str] = []
    silent, warnings = dict(sight.silent), list(sight.warnings)
    for folder in dict.fromkeys((*own, *others)):
        told = _read_from(host, folder, path)
        if not isinstance(told, str):
            found += told
        elif folder in own:
            silent[folder] = told
        else:
            warnings.append(f"whether a volume in {folder} reads from {path} is not known: {told}")
    return replace(sight, dependents=tuple(found), silent=silent, warnings=tuple(warnings))


def _read_from(host: Host, folder: str, path: str) -> list[str] | str:
    """Return the images in a folder that read from a path, or why that is not known."""
    try:
        told: list[str] = guarded(
            host, folder, "looking into", lambda there: images.read_from(there, folder, path), SCAN_DEADLINE
        )
    except SanError as error:
        return error.message
    except OSError as error:
        return os.strerror(error.errno or 0)
    return told


def device_users(host: Host, path: str) -> tuple[str, ...]:
    """Return who uses a block device."""
    kernel = bare.exact_name(host, path)
    if kernel is None:
        return ("somebody, perhaps: the kernel does not know it as a device",)
    found = bare.read_bare(host, [kernel]).get(kernel)
    told = {f"{use.kind} {use.by}": None for use in (found.uses if found else ()) if use.active}
    told.update(dict.fromkeys(pool_look.find_users(host, (f"/dev/{kernel}",)).get(f"/dev/{kernel}", ())))
    return tuple(told)
