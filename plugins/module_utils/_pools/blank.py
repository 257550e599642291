# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May something be built on a device? Only on one that is blank, or that the task says to overwrite. Pure.

What is in use is never overwritten, and neither is what could not be looked at: a probe that fails says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.steps import DeviceStep

BLANK, OURS, TAKEN = "blank", "ours", "taken"


@dataclass(frozen=True)
class Inspected:
    """A device, and what is on it."""

    disk: Disk
    contents: Contents


@dataclass(frozen=True)
class Own:
    """What an earlier run has made, by which it is known again."""

    uuids: frozenset[str] = frozenset()
    """UUIDs of file systems or PVs."""
    labels: frozenset[tuple[str, str]] = frozenset()
    """(kind of signature, label), where the UUID is not known: made by another host."""


NOTHING_OWN = Own()


@dataclass(frozen=True)
class Verdict:
    """What may be done with a device."""

    state: str
    """BLANK, OURS or TAKEN."""
    found: tuple[str, ...] = ()
    """What is on it, for people."""
    never: tuple[str, ...] = ()
    """Why it is not touched even if the task says so."""
    used: bool = False
    """One of these reasons is that it is in use."""


@dataclass(frozen=True)
class BlankDevice(DeviceStep):
    """Erase all signatures and both ends of a device that the task says to overwrite, or to leave blank."""

    found: tuple[str, ...] = ()

    def describe(self) -> str:
        what = f": {', '.join(self.found)}" if self.found else ""
        return f"erase what is on {self.disk.label}{what}"


def judge(seen: Inspected, own: Own = NOTHING_OWN) -> Verdict:
    """Return what may be done with a device; `own` is what an earlier run of ours left there."""
    disk, contents = seen.disk, seen.contents
    if not contents.problem and _is_ours(contents, own):
        return Verdict(OURS, tuple(map(str, contents.signatures)))
    active = [f"in use: {use}" for use in disk.uses if use.active]
    never = list(active)
    elsewhere = contents.mmp is not None and bool(contents.mmp.holder)
    if elsewhere:
        never.append(f"in use: mounted by {contents.mmp}. If that host is gone, mounting it here once settles it")
    if disk.read_only:
        never.append("read-only: the array maps it so, or its map was made over such a path")
    if contents.problem:
        never.append(f"what is on it is not known: {contents.problem}")
    if not disk.size:
        never.append("its size is 0: none of its paths works")
    found = [str(one) for one in contents.signatures]
    # Uses that are not active are what udev once read of the same bytes: another host may have erased them since.
    if not found and contents.data_at is not None:
        found.append(f"data of no known kind at byte {contents.data_at}")
    state = TAKEN if never or found else BLANK
    return Verdict(state, tuple(dict.fromkeys(found)), tuple(never), bool(active) or elsewhere)


def _is_ours(contents: Contents, own: Own) -> bool:
    """Tell whether all that is on a device is what we made: a second signature beside it is not."""
    return bool(contents.signatures) and all(
        (one.uuid and one.uuid in own.uuids) or (one.label and (one.kind, one.label) in own.labels)
        for one in contents.signatures
    )


def clear(seen: Iterable[Inspected], overwrite: bool, own: Own = NOTHING_OWN) -> tuple[Step, ...]:
    """Return what makes devices ready to build on: nothing for blank ones, erasing for others the task names.

    `overwrite`: the task says that what is on them is to be lost. What is `own` is no reason to refuse; whether there
    is still something to build on it is the caller's to know.

    Raises InUseError and RefusedError that name everything that was found on every device.
    """
    verdicts = [(one.disk, judge(one, own)) for one in seen]
    held = [(disk, verdict) for disk, verdict in verdicts if verdict.never]
    if held:
        told = "; ".join(f"{disk.label}: {', '.join((*verdict.never, *verdict.found))}" for disk, verdict in held)
        kind = InUseError if any(verdict.used for _disk, verdict in held) else RefusedError
        raise kind(f"nothing is built, not even with build: overwrite: {told}", devices=_found(held))
    taken = [(disk, verdict) for disk, verdict in verdicts if verdict.state == TAKEN]
    if taken and not overwrite:
        told = "; ".join(f"{disk.label}: {', '.join(verdict.found)}" for disk, verdict in taken)
        raise RefusedError(
            f"not blank, nothing is built: {told}. If that may be lost, say so with build: overwrite",
            devices=_found(taken),
        )
    return tuple(BlankDevice(disk, verdict.found) for disk, verdict in taken)


def _found(verdicts: Iterable[tuple[Disk, Verdict]]) -> list[dict[str, object]]:
    return [
        {"path": disk.path, "wwid": disk.wwid, "found": list(verdict.found), "refused": list(verdict.never)}
        for disk, verdict in verdicts
    ]
