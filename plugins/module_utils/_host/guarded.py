# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on paths that may never return, because they lie on a server that is gone: done by a child with a deadline.

What the work returns, or the error it raises, comes back as if it had been done here.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from ansible_collections.virt.san.plugins.module_utils import _errors
from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import children
from ansible_collections.virt.san.plugins.module_utils._host.children import Write
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until

PATIENCE = 2.0
"""Seconds that another process at the same place gets to end: it may be one that does not hang at all."""


def _nothing(_host: Host) -> None:
    return None


@dataclass(frozen=True)
class Work(Write):
    """Something to be done about `path`; `value` says for people what it is."""

    work: Callable[[Host], Any] = _nothing
    """Returns what JSON can hold. Raises SanError, OSError."""

    def perform(self, host: Host) -> str:
        try:
            told = {"value": self.work(host)}
        except SanError as error:
            told = {"error": type(error).__name__, "message": error.message, "details": error.details}
        return base64.b64encode(json.dumps(told).encode()).decode()


def guarded(host: Host, path: str, what: str, work: Callable[[Host], Any], deadline: float, place: str = "") -> Any:
    """Return what `work` returns. Raises what it raises, and CommandError at the deadline (seconds).

    Where a process of an earlier run still hangs at the same path, nothing is begun: CommandError. `place`
    stands for the path in that, where others may well be at work there for long without being in the way.
    """
    job = f"p-{zlib.crc32((place or path).encode()):08x}"
    stuck = wait_until(
        host, lambda: children.left_behind(host, [job]), lambda found: not found, min(PATIENCE, deadline)
    )
    if stuck:
        raise CommandError(
            f"{what} {path} is not tried: process {stuck[job]} is still at work there, or hangs. Does its server (or "
            "disk) answer?",
            path=path,
        )
    result = children.write_all(host, {job: [Work(path, what, work)]}, deadline)[job]
    if result.stuck is not None:
        left = f"; process {result.pid} hangs in the kernel until it does" if result.pid else ""
        raise CommandError(
            f"{what} {path}: no answer within {deadline:g} s. Does its server (or disk) answer?{left}", path=path
        )
    done = result.done[0]
    if done.errno:
        raise OSError(done.errno, os.strerror(done.errno), path)
    told = json.loads(base64.b64decode(done.answer))
    if "error" in told:
        _raise_again(told)
    return told["value"]


def _raise_again(told: dict[str, Any]) -> NoReturn:
    raise getattr(_errors, told["error"])(told["message"], **told["details"])
