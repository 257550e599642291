# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs at the volumes of one host: what each needs for itself, and whether all is as it was after long work.

Pure.
"""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.claim import Claim
from ansible_collections.virt.san.plugins.module_utils._model.volume import Volume, WantedVolume, rounded_up
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight


def is_touched(wanted: WantedVolume, unit: int, volume: Volume) -> bool:
    """Tell whether it matters who uses the volume."""
    if wanted.state == "absent" or wanted.upload_from is not None:
        return True
    return isinstance(wanted.capacity, int) and rounded_up(wanted.capacity, unit) != volume.capacity


def claim_of(pool: str, wanted: WantedVolume, sight: VolumeSight, path: str) -> Claim:
    """Return what a run has to do with, be there much to do or nothing. `path`: of the volume, if there was one."""
    volume = sight.volume
    own = (path,) if volume is None else tuple(dict.fromkeys((path, volume.path)))
    # Of a volume that is not there yet nobody else may make one, and who has it away waits for the one being made.
    changes = volume is None or is_touched(wanted, sight.unit, volume)
    others = (*(one.path for one in (sight.source, sight.backing) if one is not None), wanted.upload_from)
    written = ((own if changes else ()), (() if wanted.download_to is None else (wanted.download_to,)))
    return Claim(
        f"volume {wanted.name} of pool {pool}",
        tuple(path for paths in written for path in paths),
        (*(() if changes else own), *(path for path in others if path is not None)),
        pool=pool,
    )


def refuse_claimed(reason: str, path: str) -> None:
    """Raise InUseError: another run has what this one needs."""
    raise InUseError(f"{reason}. Wait for it or end it, then run again", path=path, holders=[reason])


def refuse_other(before: VolumeSight, now: VolumeSight, claim: Claim) -> None:
    """Raise RefusedError where what long work was about is not what it was before. The host's lock was not held."""
    if not now.running or now.pool != before.pool:
        name = before.pool.name if before.pool is not None else ""
        raise RefusedError(f"pool {name} was stopped meanwhile, or is another one", pool=name)
    if now.taken_by is not None:
        raise RefusedError(f"the name belongs to {now.taken_by} meanwhile")
    for one, other in (
        (before.volume, now.volume),
        (before.leftover, now.leftover),
        (before.source, now.source),
    ):
        changes = one is not None and one.path in claim.writes
        if _identity(one, changes) != _identity(other, changes):
            place = one or other
            told = place.path if place is not None else ""
            raise RefusedError(f"{told} is not what it was meanwhile: changed, made anew, or gone", path=told)
    _refuse_new_users(before.users, now.users)
    _refuse_new_users(before.source_users, now.source_users)


def _identity(volume: Volume | None, changes: bool) -> tuple[object, ...]:
    """Return by what a volume is told from others, and unless the work itself `changes` it, what is known of it."""
    if volume is None:
        return ()
    same = (volume.key, volume.inode)
    return same if changes else (*same, volume.format, volume.size, volume.modified)


def _refuse_new_users(before: tuple[str, ...], now: tuple[str, ...]) -> None:
    new = [user for user in now if user not in before]
    if new:
        raise InUseError(
            f"{', '.join(new)} has opened it meanwhile, and may have written to it. End that first", holders=new
        )
