# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host at a time on a LUN: what is built while its reservation is held, no other host builds or writes.

Two hosts that run the same task at once both find a LUN blank. Each then asks the LUN itself for a persistent
reservation, and the LUN gives it to one. The other waits, looks again, and finds what the first one has made. A LUN
also keeps a host from writing that knows nothing of this. Readers are never kept out.

Who has waited must not simply take a LUN once it is free: the first host may have mounted by then what it has made,
and would be kept from writing to it. So the second one only registers, which disturbs nobody, looks at the LUN, and
reserves it if there still is something to do. Whoever reserves it meanwhile drives that registration out, and the
second one starts over.

A run that is killed leaves its reservation. The next run of the same host takes it up again, by its key; another host
says whose it is.

Several LUNs are taken in the order of their WWIDs, and none is kept while another one is waited for: a killed run may
have left its host any of them, and two hosts would wait for each other. Only what this host's own killed run has left
is kept meanwhile, as nobody else is to find what is half made there; whoever gives up gives it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ansible_collections.virt.san.plugins.module_utils._apply.reservations import (
    MACHINE_ID,
    Lun,
    ask,
    ask_all,
    own_key,
    reach,
    send,
)
from ansible_collections.virt.san.plugins.module_utils._errors import (
    CommandError,
    IdentityError,
    RefusedError,
    SanError,
    UnavailableError,
    WaitTimeoutError,
)
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.reservations import (
    register,
    reserve,
    take_over,
    unregister,
)
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.reservation import (
    WRITE_EXCLUSIVE_REGISTRANTS,
    Reservations,
    format_key,
    is_ours,
)
from ansible_collections.virt.san.plugins.module_utils._plan.guard import label

INTERVAL = 1.0
"""Seconds between two attempts at a LUN that another host has."""


Needed = Callable[[LogicalUnit], bool]


@dataclass
class Held:
    """The LUNs that are this host's alone for now."""

    key: int
    wwids: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """WWIDs of those that were not taken, as there is nothing to do there any more."""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Attempt:
    taken: bool
    seen: Reservations
    problem: str = ""
    """Why it was not taken though no other host has it."""
    left: bool = False
    """Not taken, because it is not needed."""
    was_ours: bool = False
    """A killed run of this host has left it reserved."""


@dataclass(frozen=True)
class _Round:
    """What one attempt at all LUNs came to."""

    taken: tuple[Lun, ...] = ()
    """Those that nobody had before."""
    left: tuple[Lun, ...] = ()
    lacks: tuple[Lun, _Attempt] | None = None
    """The first that could not be had; then nothing is taken."""


@contextmanager
def exclusive(
    host: Host,
    san: San,
    units: Iterable[LogicalUnit],
    timeout: float,
    required: bool = True,
    needed: Needed | None = None,
) -> Iterator[Held]:
    """Keep all other hosts off these LUNs for as long as the context lasts; wait for them at most `timeout` seconds.

    `units` are of `san`, which also tells this host's initiators. Look at the LUNs anew once the context is entered:
    another host may have built on them meanwhile.
    `required`: refuse LUNs that do not know persistent reservations; otherwise only warn of them.
    `needed` looks at a LUN and tells whether there still is something to do; asked before any other host's writes are
    kept off. It may raise SanError: then nothing was taken.

    Raises WaitTimeoutError that says who has a LUN, RefusedError where somebody else uses reservations on it,
    UnavailableError, CommandError, IdentityError (two hosts with one machine-id).
    """
    luns = [reach(host, san, unit) for unit in sorted(units, key=lambda unit: unit.wwid or "")]
    held = Held(own_key(host) if luns else 0)
    known = [lun for lun in luns if _is_known_to(host, lun, held, required)]
    ours: list[Lun] = []
    had = _Round()
    try:
        had = _take(host, known, held.key, timeout, needed, ours)
        held.left += [str(lun.unit.wwid) for lun in had.left]
        held.wwids += [str(lun.unit.wwid) for lun in known if lun not in had.left]
        yield held
    finally:
        for lun in reversed([*ours, *had.taken]):
            held.warnings += _give_back(host, lun, held.key)


def let_others_finish(host: Host, san: San, units: Iterable[LogicalUnit], timeout: float) -> None:
    """Wait at most `timeout` seconds for other hosts of this collection to be done with LUNs. Nothing is written.

    What a host has half made looks like something else, and would be refused.
    """
    wanted = tuple(units)

    def held() -> bool:
        return any(_held_elsewhere(host, san, unit) for unit in wanted)

    wait_until(host, held, lambda busy: not busy, timeout, interval=INTERVAL)


def free_left_behind(host: Host, san: San, units: Iterable[LogicalUnit]) -> list[str]:
    """Give LUNs back that a killed run of this host has left reserved; return why that did not work, if so.

    What is to be written to them has to be written before: once they are free, another host may take them.
    """
    luns = [lun for lun in (_reachable(host, san, unit) for unit in units) if lun is not None]
    problems = []
    for lun, seen in zip(luns, ask_all(host, luns)):
        if seen is not None and _names_us(host, seen):
            problems += _give_back(host, lun, own_key(host))
    return problems


def _reachable(host: Host, san: San, unit: LogicalUnit) -> Lun | None:
    try:
        return reach(host, san, unit)
    except SanError:
        return None  # who wants to write there has a better reason why not


def _names_us(host: Host, seen: Reservations) -> bool:
    try:
        return own_key(host) in seen.keys
    except SanError:
        return False


def _held_elsewhere(host: Host, san: San, unit: LogicalUnit) -> bool:
    try:
        holder = ask(host, reach(host, san, unit)).holder
        return holder is not None and holder != own_key(host) and is_ours(holder)
    except SanError:
        return False


def _is_known_to(host: Host, lun: Lun, held: Held, required: bool) -> bool:
    """Tell whether a LUN knows reservations at all."""
    try:
        ask(host, lun)
    except UnavailableError as unknown:
        told = f"{label(lun.unit)}: {unknown.message}, so that nothing keeps another host from building on it at once"
        if required:
            raise UnavailableError(
                f"{told}. If no other host runs this task now, allow it with exclusive: false", wwid=lun.unit.wwid
            ) from unknown
        held.warnings.append(told)
        return False
    return True


# Taking


def _take(host: Host, luns: Sequence[Lun], key: int, timeout: float, needed: Needed | None, ours: list[Lun]) -> _Round:
    """Take LUNs, at last, but for those that are not needed any more. Raises what `exclusive` raises."""
    last = wait_until(
        host,
        lambda: _attempt_all(host, luns, key, needed, ours),
        lambda it: it.lacks is None,
        timeout,
        interval=INTERVAL,
    )
    if last.lacks is None:
        return last
    lun, attempt = last.lacks
    if attempt.problem:
        raise CommandError(f"{label(lun.unit)} cannot be reserved: {attempt.problem}", wwid=lun.unit.wwid)
    device, seen = lun.devices[0], attempt.seen
    raise WaitTimeoutError(
        f"{label(lun.unit)} is {seen.describe()}: another host works on it, or a run there was killed; waited "
        f"{timeout:g} s. Running the task on that host again frees it. If that host is gone for good: sg_persist --out "
        f"--register-ignore --param-sark=0x1 {device}; sg_persist --out --clear --param-rk=0x1 {device}",
        wwid=lun.unit.wwid,
        key=format_key(seen.holder or 0),
        holders=[one.initiator for one in seen.registrants if one.key == seen.holder],
    )


def _attempt_all(host: Host, luns: Sequence[Lun], key: int, needed: Needed | None, ours: list[Lun]) -> _Round:
    """Take all LUNs or none. Those that a killed run of this host has left are taken up all the same, into `ours`."""
    mine, busy = _look(host, luns, key) if len(luns) > 1 else ([], None)
    taken: list[Lun] = []
    left: list[Lun] = []
    complete = False
    try:
        for lun in luns if busy is None else [lun for lun in mine if lun not in ours]:
            attempt = _attempt(host, lun, key, needed)
            if attempt.left:
                left.append(lun)
            elif not attempt.taken:
                return _Round(lacks=(lun, attempt))
            elif not attempt.was_ours:
                taken.append(lun)
            elif lun not in ours:
                ours.append(lun)
        if busy is not None:
            return _Round(lacks=busy)
        complete = True
        return _Round(tuple(taken), tuple(left))
    finally:
        if not complete:
            for lun in reversed(taken):
                _give_back(host, lun, key)


def _look(host: Host, luns: Sequence[Lun], key: int) -> tuple[list[Lun], tuple[Lun, _Attempt] | None]:
    """Return the LUNs that this host has, and the first that another one has.

    While there is such a one, those that are free need not be taken and given back.
    """
    seen = [(lun, one) for lun, one in zip(luns, ask_all(host, luns)) if one is not None and one.holder is not None]
    elsewhere = [(lun, _Attempt(False, one)) for lun, one in seen if one.holder != key and not one.foreign]
    return [lun for lun, one in seen if one.holder == key], elsewhere[0] if elsewhere else None


def _attempt(host: Host, lun: Lun, key: int, needed: Needed | None) -> _Attempt:
    """Take a LUN if nobody has it. What was registered for it is taken back where somebody was quicker."""
    seen = ask(host, lun)
    _refuse_foreign(lun, seen)
    if seen.holder not in (None, key):
        return _Attempt(False, seen)
    _refuse_namesake(lun, seen, key)
    try:
        attempt = _register_and_reserve(host, lun, key, seen, needed)
    except SanError:
        _withdraw(host, lun, key)
        raise
    if not attempt.taken:
        _withdraw(host, lun, key)
    return attempt


def _register_and_reserve(host: Host, lun: Lun, key: int, seen: Reservations, needed: Needed | None) -> _Attempt:
    was_ours = seen.holder == key
    refused = send(host, lun, [register(device, key) for device in lun.devices])
    device = lun.devices[0]
    if seen.holder is None and needed is not None:
        # Who reserved it before sees to it that this host is not registered, but for one who did so just now.
        seen = ask(host, lun)
        if seen.holder is not None:
            return _Attempt(False, seen)
        if not needed(lun.unit):
            return _Attempt(False, seen, left=True)
    if seen.holder is None:
        refused += send(host, lun, [reserve(device, key)])
    else:
        # Left by a killed run. The path that holds it may be gone, and this one takes its place.
        again = [register(other, key) for other in lun.devices[1:]]
        refused += send(host, lun, [take_over(device, key, key), *again], together=True)
    seen = ask(host, lun)
    if seen.holder == key and seen.keys.count(key) >= len(lun.devices):
        _refuse_namesake(lun, seen, key)
        _refuse_other_kind(lun, seen)
        _drive_out(host, lun, key, seen)
        return _Attempt(True, seen, was_ours=was_ours)
    problem = "; ".join(refused) or "it does not say why"
    return _Attempt(False, seen, problem if seen.holder in (None, key) else "")


def _drive_out(host: Host, lun: Lun, key: int, seen: Reservations) -> None:
    """Take the registrations of other hosts away, which allow them to write: killed runs have left them, or hosts that
    were too late and are about to take them back themselves.
    """
    others = dict.fromkeys(one for one in seen.keys if one != key and is_ours(one))
    device = lun.devices[0]
    send(host, lun, [take_over(device, key, other) for other in others], together=True)


def _refuse_other_kind(lun: Lun, seen: Reservations) -> None:
    if seen.kind != WRITE_EXCLUSIVE_REGISTRANTS:
        raise RefusedError(f"{label(lun.unit)} is reserved with our key, but in another way (type {seen.kind})")


def _refuse_foreign(lun: Lun, seen: Reservations) -> None:
    if seen.foreign:
        keys = ", ".join(map(format_key, seen.foreign))
        who = ", ".join(str(one) for one in seen.registrants if one.key in seen.foreign)
        raise RefusedError(
            f"{label(lun.unit)} has persistent reservations of somebody else: {who or keys}. A cluster or a fencing "
            "agent uses it; nothing is built there. If it does not any more, clear them (sg_persist --out --clear)",
            wwid=lun.unit.wwid,
            keys=[format_key(key) for key in seen.foreign],
        )


def _refuse_namesake(lun: Lun, seen: Reservations, key: int) -> None:
    """Raise IdentityError where another host has this host's key."""
    others = [one for one in seen.registrants if one.key == key and one.initiator not in lun.initiators | {""}]
    told = ", ".join(one.initiator for one in others)
    if seen.holder == key and others:
        raise IdentityError(
            f"{label(lun.unit)} is reserved with this host's own key, but by {told}, none "
            f"of its HBAs. Either another host has the same {MACHINE_ID} (give each its own), or it was a virtual "
            "HBA that is gone by now (clear the reservation: sg_persist --out --clear)",
            wwid=lun.unit.wwid,
        )


# Giving back


def _give_back(host: Host, lun: Lun, key: int) -> list[str]:
    """Take back registrations and with them the reservation; return why that did not work, if so."""
    try:
        _withdraw(host, lun, key)
        seen = ask(host, lun)
        if key in seen.keys:
            # A path that died meanwhile is registered still, and may be the holder.
            device = lun.devices[0]
            send(
                host, lun, [register(device, key), take_over(device, key, key), unregister(device, key)], together=True
            )
            seen = ask(host, lun)
    except SanError as error:
        return [f"{label(lun.unit)} stays reserved for this host until the next run: {error.message}"]
    if key in seen.keys:
        return [f"{label(lun.unit)} stays reserved for this host until the next run: it was told, and keeps it"]
    return []


def _withdraw(host: Host, lun: Lun, key: int) -> None:
    send(host, lun, [unregister(device, key) for device in lun.devices])
