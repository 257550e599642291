# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry bytes between files of the host and volumes. Both are read whole to tell whether there is anything to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host import transferring
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.transferring import Compared
from ansible_collections.virt.san.plugins.module_utils._model.volume import Volume, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import Transfer, VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_transfer import DownloadVolume, UploadToVolume

NO_FILE = "is no file"


def with_transfer(
    host: Host, sight: VolumeSight, wanted: WantedVolume, writers: Callable[[Volume], tuple[str, ...]], timeout: float
) -> VolumeSight:
    """Return what is seen, with the file that the task names. `writers` tells who may write to the volume.

    Raises CommandError where something cannot be read, or not within `timeout` seconds.
    """
    volume = sight.volume
    if wanted.upload_from is not None:
        return replace(sight, transfer=_upload(host, wanted.upload_from, volume, timeout))
    if wanted.download_to is None or volume is None:
        return sight
    kind = _ask(host, wanted.download_to, "looking at", transferring.kind_of, timeout)
    if kind not in ("", "file"):
        return replace(sight, transfer=Transfer(problem=NO_FILE))
    found = _compare(host, volume.path, wanted.download_to, True, timeout)
    users = () if found.same else writers(volume)
    return replace(sight, transfer=Transfer(found.size, found.checksum, found.same, users))


def _upload(host: Host, source: str, volume: Volume | None, timeout: float) -> Transfer | None:
    kind = _ask(host, source, "looking at", transferring.kind_of, timeout)
    if not kind:
        return None
    if kind == "other":
        return Transfer(problem=NO_FILE)
    target = None if volume is None or not volume.active else volume.path
    found = _compare(host, source, target, False, timeout)
    return Transfer(found.size, found.checksum, found.same)


def _compare(host: Host, source: str, target: str | None, whole: bool, timeout: float) -> Compared:
    def work(there: Host, path: str) -> Compared:
        return transferring.compare(there, path, target, whole)

    return Compared(*_ask(host, source, "reading", work, timeout))


def _ask(host: Host, path: str, what: str, work: Callable[[Host, str], Any], timeout: float) -> Any:
    try:
        return guarded(host, path, what, lambda there: work(there, path), timeout)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise CommandError(f"{what} {path}: {why}", path=path, errno=error.errno) from error


def perform(host: Host, step: UploadToVolume | DownloadVolume, timeout: float) -> None:
    """Carry out one step within `timeout` seconds. Raises SanError, OSError."""
    if isinstance(step, UploadToVolume):
        source, path = step.source, step.path
        guarded(host, path, "writing to", lambda there: transferring.upload(there, source, path), timeout)
    else:
        source, target = step.volume.path, step.target
        guarded(host, target, "writing", lambda there: transferring.download(there, source, target), timeout)
