# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a volume of any kind: processes, guests on this host and others, and the volumes that read from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.virt.san.plugins.module_utils._apply.pool_look import DEADLINE, find_users
from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host import images
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.images import Image, Readers
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.volume import WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_claim import is_touched

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._model.block import Use
    from ansible_collections.virt.san.plugins.module_utils._model.group import GroupVolume

HIDDEN = "somebody that does not show (a process in the kernel, an export)"
LOCKED = "somebody who has locked it, perhaps on another host"

SCAN_DEADLINE = 60.0
"""Seconds for reading all headers in one folder."""
SHOWN = 3
"""Images that are named of those that cannot be read."""
PATIENCE = 3.0
"""Seconds that an opener without a name gets to let go."""


def with_users(
    sight: VolumeSight,
    wanted: WantedVolume,
    users: Callable[[], tuple[str, ...]],
    readers: Callable[[VolumeSight], VolumeSight],
    end: Callable[[], int | str],
) -> VolumeSight:
    """Return what is seen, with as much of who uses the volume as matters to what is wanted of it.

    The costly questions come last, and only where they matter: `users` tells who has it open, `readers` adds what reads
    from it, `end` tells how far its content reaches, or why nobody knows.
    """
    volume = sight.volume
    if volume is None or not is_touched(wanted, sight.unit, volume):
        return sight
    sight = replace(sight, users=users())
    shrinks = isinstance(wanted.capacity, int) and wanted.capacity < volume.capacity and wanted.allow_shrink
    if wanted.state != "absent" and wanted.upload_from is None and not shrinks:
        return sight
    sight = readers(sight)
    if not shrinks or wanted.state == "absent" or sight.users:
        return sight
    try:
        found = end()
    except SanError as error:
        found = error.message
    except OSError as error:
        found = f"its content cannot be read: {os.strerror(error.errno or 0)}"
    return replace(sight, end_unknown=found) if isinstance(found, str) else replace(sight, end=found)


def image_users(host: Host, image: Image, writing: bool = False) -> tuple[str, ...]:
    """Return who has an image open, or only who may be `writing` to it; where nobody can tell, somebody has."""
    from ansible_collections.virt.san.plugins.module_utils._host.file_users import users_of_file, writers_of_file

    own, look_for = os.getpid(), writers_of_file if writing else users_of_file

    def find(there: Host) -> tuple[str, ...]:
        return look_for(there, image.path, image.device, image.inode, own)

    def ask(there: Host) -> bool:
        return images.is_locked(there, image.path, writing)

    try:
        users = tuple(guarded(host, "/proc", "looking in", find, DEADLINE))
        if users:
            return users
        locked = guarded(host, image.path, "looking at", ask, DEADLINE, f"look {image.path}")
    except SanError as error:
        return (f"somebody, perhaps: {error.message}",)
    except OSError as error:
        return (f"somebody, perhaps: {os.strerror(error.errno or 0)}",)
    return (LOCKED,) if locked else ()


def with_readers(
    host: Host, sight: VolumeSight, path: str, own: tuple[str, ...], others: tuple[str, ...]
) -> VolumeSight:
    """Return what is seen, with the images that read from a volume. If its own pool does not answer, nobody knows."""
    found: list[str] = []
    silent, warnings = dict(sight.silent), list(sight.warnings)
    for folder in dict.fromkeys((*own, *others)):
        told = _read_from(host, folder, path)
        found += told.paths
        if folder in own:
            silent.update(told.unclear)
        elif told.unclear:
            why = "; ".join(_as_told(told.unclear, folder))
            warnings.append(f"whether a volume in {folder} reads from {path} is not known: {why}")
    if sight.unseen:
        names = ", ".join(sight.unseen)
        warnings.append(f"whether a volume reads from {path} is not known of pools that do not run: {names}")
    return replace(sight, dependents=(*sight.dependents, *found), silent=silent, warnings=tuple(warnings))


def _as_told(unclear: Mapping[str, str], folder: str) -> Iterator[str]:
    for path, why in unclear.items():
        yield why if path == folder else f"{path}: {why}"


def _read_from(host: Host, folder: str, path: str) -> Readers:
    """Return the images in a folder that read from a path. A folder that does not tell is itself unclear."""
    try:
        told = Readers(
            *guarded(host, folder, "looking into", lambda there: images.read_from(there, folder, path), SCAN_DEADLINE)
        )
    except SanError as error:
        return Readers([], {folder: error.message})
    except OSError as error:
        return Readers([], {folder: os.strerror(error.errno or 0)})
    return told._replace(unclear=_some(told.unclear))


def _some(unclear: Mapping[str, str]) -> dict[str, str]:
    """Return the first few of the images that nobody can tell of: there may be thousands."""
    shown = dict(list(unclear.items())[:SHOWN])
    if len(unclear) > SHOWN:
        last, why = shown.popitem()
        shown[last] = f"{why} (and {len(unclear) - SHOWN} more)"
    return shown


def device_users(host: Host, path: str) -> tuple[str, ...]:
    """Return who uses a block device."""
    from ansible_collections.virt.san.plugins.module_utils._host import bare

    kernel = bare.exact_name(host, path)
    if kernel is None:
        return ("somebody, perhaps: the kernel does not know it as a device",)
    found = bare.read_bare(host, [kernel]).get(kernel)
    uses = [use for use in (found.uses if found else ()) if use.active]
    told = {f"{'guest' if use.kind == 'qemu' else use.kind} {use.by}": None for use in uses}
    return tuple({**told, **_openers(host, kernel, uses)})


def _openers(host: Host, kernel: str, uses: Iterable[Use]) -> dict[str, None]:
    """Return the processes that have a device open, and what of the kernel: without what its uses tell already."""
    found = find_users(host, (f"/dev/{kernel}",)).get(f"/dev/{kernel}", ())
    known = {use.by for use in uses}
    return dict.fromkeys(who for who in found if who not in known)


def lv_users(host: Host, lv: GroupVolume) -> tuple[str, ...]:
    """Return who has a logical volume open, by as good a name as there is."""
    told = {f"{use.kind} {use.by}": None for use in lv.uses if use.active and use.kind not in ("open", "qemu")}
    guests = {f"guest {use.by}": None for use in lv.uses if use.kind == "qemu"}
    if not lv.held or not (told or guests or _stays_open(host, lv.kernel)):
        return ()
    if lv.kernel:
        told.update(_openers(host, lv.kernel, lv.uses))
    return tuple({**told, **guests}) or (HIDDEN,)


def part_users(host: Host, kernel: str) -> tuple[str, ...]:
    """Return who has a partition open. Whether anybody has that does not show, the kernel tells of those of maps."""
    found = device_users(host, f"/dev/{kernel}")
    return (HIDDEN,) if not found and kernel.startswith("dm-") and _stays_open(host, kernel) else found


def _stays_open(host: Host, kernel: str) -> bool:
    """Tell whether a device of device-mapper is open for longer than udev looks at what was written to it."""
    from ansible_collections.virt.san.plugins.module_utils._host import dm

    number = host.read(f"/sys/class/block/{kernel}/dev") if kernel else None
    if number is None:
        return True

    def is_open() -> bool:
        return dm.open_counts(host, [number]).get(number, 0) > 0

    try:
        return wait_until(host, is_open, lambda now: not now, PATIENCE)
    except SanError:
        return True
