# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry bytes between files of the host and volumes. Both are read whole to tell whether there is anything to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ansible_collections.virt.san.plugins.module_utils._apply.volume_files import look_at_file
from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, InUseError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._host import image_files, transferring
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.transferring import Compared
from ansible_collections.virt.san.plugins.module_utils._model.volume import Volume, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import Transfer, VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_transfer import DownloadVolume, UploadToVolume

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._apply.volume_keeper import Apart

NO_FILE = "is no file"


def compare(
    host: Host, sight: VolumeSight, wanted: WantedVolume, timeout: float, folders: tuple[str, ...] = ()
) -> Transfer | None:
    """Return what is to be carried between the volume and the file that the task names; None where that is not there.

    `folders`: of all pools, where images may lie that read from a file that would be replaced. Raises
    CommandError where something cannot be read, or not within `timeout` seconds.
    """
    volume = sight.volume
    # Others may read the same image: each is known by what it is read for.
    place = f"read {sight.pool.name if sight.pool else ''}/{wanted.name}"
    if wanted.upload_from is not None:
        return _upload(host, wanted.upload_from, volume, timeout, place)
    if wanted.download_to is None or volume is None:
        return None
    kind = _ask(host, wanted.download_to, "looking at", transferring.kind_of, timeout, place)
    if kind not in ("", "file"):
        return Transfer(problem=NO_FILE)
    found = _compare(host, volume.path, wanted.download_to, True, timeout, f"read {wanted.download_to}")
    there = None if found.same else look_at_file(host, wanted.download_to, folders, sight.unseen)
    return Transfer(found.size, found.checksum, found.same, replaces=there)


def _upload(host: Host, source: str, volume: Volume | None, timeout: float, place: str) -> Transfer | None:
    kind = _ask(host, source, "looking at", transferring.kind_of, timeout, place)
    if not kind:
        return None
    if kind == "other":
        return Transfer(problem=NO_FILE)
    target = None if volume is None or not volume.active else volume.path
    found = _compare(host, source, target, False, timeout, place)
    return Transfer(found.size, found.checksum, found.same, form=found.form)


def _compare(host: Host, source: str, target: str | None, whole: bool, timeout: float, place: str) -> Compared:
    def work(there: Host, path: str) -> Compared:
        return transferring.compare(there, path, target, whole)

    return Compared(*_ask(host, source, "reading", work, timeout, place))


def _ask(host: Host, path: str, what: str, work: Callable[[Host, str], Any], timeout: float, place: str) -> Any:
    try:
        return guarded(host, path, what, lambda there: work(there, path), timeout, place)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise CommandError(f"{what} {path}: {why}", path=path, errno=error.errno) from error


def perform(host: Host, step: UploadToVolume | DownloadVolume, timeout: float, apart: Apart) -> None:
    """Carry out one step within `timeout` seconds. Raises SanError, OSError."""
    if isinstance(step, UploadToVolume):
        source, path = step.source, step.path
        upload = partial(guarded, host, path, "writing to", lambda there: transferring.upload(there, source, path))
        apart(lambda: upload(timeout))
        return
    source, target = step.volume.path, step.target
    download = partial(guarded, host, target, "writing", lambda there: transferring.download(there, source, target))
    try:
        made = apart(lambda: download(timeout))
        _refuse_used(host, target)
    except RefusedError:
        guarded(host, target, "clearing up", lambda there: image_files.discard_leftover(there, target), timeout)
        raise
    guarded(host, target, "writing", lambda there: transferring.put_in_place(there, target, made), timeout)


def _refuse_used(host: Host, target: str) -> None:
    """Raise InUseError where somebody has opened meanwhile what is to be replaced. Raises CommandError."""
    found = look_at_file(host, target, ())
    if found is not None and found.users:
        raise InUseError(
            f"{', '.join(found.users)} has opened {target} meanwhile. End that first",
            path=target,
            holders=list(found.users),
        )
