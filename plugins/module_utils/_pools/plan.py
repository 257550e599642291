# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is written down of a pool and seen of it to what is to be done. Pure, and the same for every type.

The order lets a run that was killed be run again: a pool is defined before anything is made for it, noted as started
once it is, noted as stopped once it is, and forgotten last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, NotFoundError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan, Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import Changes, PoolType, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.others import refuse_inside, refuse_shared
from ansible_collections.virt.san.plugins.module_utils._pools.steps import (
    Define,
    ForgetSecret,
    KeepSecret,
    NoteMade,
    NoteStarted,
    NoteStopped,
    Undefine,
)

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Chap


@dataclass(frozen=True)
class Known:
    """What is written down of a pool, by whoever keeps it."""

    name: str
    pool: PoolDefinition | None = None
    """Its definition; None where there is none, and where it cannot be read."""
    started: PoolDefinition | None = None
    """By which definition it was started, since the last boot. Alone: the pool is transient."""
    spoilt: str | None = None
    """Why its definition cannot be read."""
    others: Mapping[str, PoolDefinition] = field(default_factory=dict)
    """The other pools."""
    made: tuple[str, ...] = ()
    """What the pool has made since the last boot to get at its units."""
    secret: Chap | None = field(default=None, repr=False)
    """What it logs in with."""

    @property
    def latest(self) -> PoolDefinition | None:
        return self.pool or self.started

    @property
    def definitions(self) -> tuple[PoolDefinition, ...]:
        """Return all there are, the latest first."""
        return tuple(one for one in (self.pool, self.started) if one is not None)


@dataclass(frozen=True)
class Wanted:
    """What the task asks for."""

    name: str
    state: str
    pool: PoolDefinition | None = None
    """None: the pool is named and not described."""
    persistent: bool = True
    build: str = "if_needed"
    delete_contents: bool = False
    force: bool = False
    remove_devices: bool = False
    exclusive: bool = True
    """Refuse LUNs that cannot be had alone while something is built on them."""
    single_host: bool | None = None
    """No other host uses the storage while this one does. None: as it is kept."""
    secret: Chap | None = field(default=None, repr=False)
    """What the pool is to log in with. None: as it is kept."""


@dataclass(frozen=True)
class PoolPlan(Plan):
    """A plan for one pool."""

    pool: PoolDefinition | None = None
    """As it is (then) defined; None if it is (then) not."""
    running: bool = False
    built: bool = False
    restart_for: tuple[str, ...] = ()
    """Options that take effect at its next start."""


def definition(known: Known, wanted: Wanted, new_uuid: str) -> PoolDefinition | None:
    """Return the definition that the pool is to have; its UUID stays once it has one.

    Raises RefusedError where the pool cannot become that, NotFoundError where nobody has said what it is.
    """
    old, new = known.latest, wanted.pool
    if known.spoilt and wanted.state != "absent":
        raise RefusedError(
            f"the definition of pool {known.name} cannot be read: {known.spoilt}. Mend it, or have it forgotten with "
            "state: absent, which leaves the storage alone",
            name=known.name,
        )
    if new is None:
        if old is None and wanted.state != "absent":
            raise NotFoundError(
                f"there is no pool {known.name} on this host; give its type, source and target (or xml) to define it",
                name=known.name,
            )
        return None if old is None else replace(old, kept=_kept(old, old, wanted))
    if old is not None:
        _refuse_another(old, new)
    uuid = new.uuid or (old.uuid if old is not None else None) or new_uuid
    return replace(new, uuid=uuid, kept=_kept(old, new, wanted))


def _kept(old: PoolDefinition | None, new: PoolDefinition, wanted: Wanted) -> Kept:
    """Return what stays beside the definition, and what the task says anew."""
    # Who its HBA is and where its target listens is a part of what it is.
    kept = replace(Kept() if old is None else old.kept, hba=new.kept.hba, portals=new.kept.portals)
    if old is not None and old.source.devices != new.source.devices:
        kept = replace(kept, adopted=None)  # that was on another device
    return kept if wanted.single_host is None else replace(kept, single_host=wanted.single_host)


def _refuse_another(old: PoolDefinition, new: PoolDefinition) -> None:
    for what, is_now, asked in (("type", old.type, new.type), ("UUID", old.uuid, new.uuid)):
        if asked is not None and is_now != asked:
            raise RefusedError(
                f"pool {old.name} is there with {what} {is_now}, not {asked}. Remove it first (state: absent), or take "
                "another name",
                name=old.name,
            )


def plan_pool(known: Known, wanted: Wanted, seen: Seen, kind: PoolType, new_uuid: str) -> PoolPlan:
    """Return what brings a pool into the wanted state. Raises RefusedError, InUseError, NotFoundError."""
    pool = definition(known, wanted, new_uuid)
    if pool is None:
        return plan_nothing(known)
    seen = replace(seen, whole=wanted.state == "active")
    live = running_definition(known, seen, kind, pool)
    if wanted.state == "absent":
        return _absent(known, wanted, seen, kind, live)
    refuse_shared(known.others, pool)
    if wanted.pool is not None and (wanted.build == "never" or kind.is_running(pool, seen)):
        pool = replace(pool, kept=replace(pool.kept, adopted=kind.adopts(pool, seen) or pool.kept.adopted))
    return _Present(known, wanted, seen, kind, pool, live).plan()


def plan_nothing(known: Known) -> PoolPlan:
    """Return the plan to forget a pool of which nothing can be read, or that is not there."""
    if known.spoilt is None:
        return PoolPlan((), {"pool": None}, {"pool": None})
    warning = f"the definition of pool {known.name} could not be read: whatever it has started is left as it is"
    before = {"pool": {"name": known.name, "spoilt": known.spoilt}}
    return PoolPlan((Undefine(known.name),), before, {"pool": None}, (warning,))


def running_definition(
    known: Known, seen: Seen, kind: PoolType, pool: PoolDefinition | None = None
) -> PoolDefinition | None:
    """Return the definition by which a pool runs, `pool` being one that it may be given; None if it does not run."""
    for one in (known.started, known.pool, pool):
        if one is not None and kind.is_running(one, seen):
            return one
    return None


def _shown(
    pool: PoolDefinition | None, running: bool, built: bool, persistent: bool, more: Mapping[str, Any]
) -> dict[str, Any]:
    if pool is None:
        return {"pool": None}
    told = {"state": "active" if running else "inactive", "built": built, "persistent": persistent}
    return {"pool": {**pool.to_dict(), **told, **more}}


def _made(what: tuple[str, ...], steps: Iterable[Step] = ()) -> dict[str, Any]:
    """Return what the pool has made by itself, after the steps."""
    for step in steps:
        what = step.what if isinstance(step, NoteMade) else what
    return {"made": sorted(what)} if what else {}


@dataclass(frozen=True)
class _Present:
    """One pool on its way to being there."""

    known: Known
    wanted: Wanted
    seen: Seen
    kind: PoolType
    pool: PoolDefinition
    live: PoolDefinition | None

    def plan(self) -> PoolPlan:
        known, kind = self.known, self.kind
        defining, changes = self._define(), self._build()
        switching = self._switch()
        if self.wanted.state == "inactive" and any(isinstance(step, NoteStarted) for step in defining):
            switching = (*switching, NoteStopped(self.pool.name))
        built_now = known.latest is not None and kind.is_built(known.latest, self.seen)
        built = kind.is_built(self.pool, self.seen) or bool(changes.steps)
        running = self.wanted.state == "active" or (self.live is not None and self.wanted.state != "inactive")
        later = kind.restart_for(self.live, self.pool, self.seen) if running and self.live is not None else ()
        if running and self.live is not None and "source.chap" not in later and self._secret():
            later = (*later, "source.chap")
        persistent = self.wanted.persistent
        steps = (*defining, *changes.steps, *switching)
        before, after = self._chap()
        before = {**before, **changes.before, **_made(known.made)}
        after = {**after, **changes.after, **_made(known.made, steps)}
        return PoolPlan(
            steps,
            _shown(known.latest, self.live is not None, built_now, known.pool is not None, before),
            _shown(self.pool, running, built, persistent, after),
            (*changes.warnings, *((_warn_later(self.pool.name, later),) if later else ())),
            self.pool,
            running,
            built,
            later,
        )

    def _chap(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what can be told of the password, before and after."""
        kept, asked = self.known.secret, self.wanted.secret
        if not self.wanted.persistent:
            return {}, {}
        as_asked = {"chap": "as asked for"}
        before = {} if kept is None else as_asked if asked in (None, kept) else {"chap": "not as asked for"}
        return before, as_asked if self.pool.source.auth is not None and (asked or kept) else {}

    def _secret(self) -> tuple[Step, ...]:
        """Return what has the password kept, and no longer than it is needed."""
        kept, asked = self.known.secret, self.wanted.secret
        if self.pool.source.auth is None:
            return () if kept is None else (ForgetSecret(self.pool.name),)
        return () if asked is None or asked == kept else (KeepSecret(self.pool.name, asked),)

    def _define(self) -> tuple[Step, ...]:
        known = self.known
        if not self.wanted.persistent:
            if known.pool is not None:
                raise RefusedError(
                    f"pool {known.name} is defined, and so outlasts its being stopped. Leave persistent out, or remove "
                    "it first (state: absent)",
                    name=known.name,
                )
            return self._note_transient()
        if known.pool == self.pool:
            return self._secret()
        # What it runs by must be known to whoever stops it.
        live = self.live
        notes = (NoteStarted(live),) if live is not None and live not in (self.pool, known.started) else ()
        return (*notes, Define(self.pool, "define" if known.pool is None else "redefine"), *self._secret())

    def _note_transient(self) -> tuple[Step, ...]:
        """Return what has the note say what is true of a pool that runs: it is all there is of it."""
        if self.live is None or self.known.started == self.pool:
            return ()
        later = self.kind.restart_for(self.live, self.pool, self.seen)
        if later:
            raise RefusedError(
                f"pool {self.pool.name} is transient and runs with another {', '.join(later)}: stop it first "
                "(state: absent)",
                name=self.pool.name,
            )
        return (NoteStarted(self.pool),)

    def _build(self) -> Changes:
        if self.wanted.state == "inactive" and self.wanted.pool is None and not self.wanted.remove_devices:
            # Nothing that could fail is to keep a pool from being stopped.
            built = self.kind.is_built(self.pool, self.seen)
            return Changes(warnings=self._adjust().warnings if built else ())
        never = self.wanted.build == "never"
        if self.kind.is_built(self.pool, self.seen) and self.wanted.build != "overwrite":
            return Changes() if never else self._adjust()
        if never:
            return Changes()
        steps = self.kind.build(self.pool, self.seen, self.wanted.build == "overwrite")
        return Changes(steps) if steps else self._adjust()

    def _adjust(self) -> Changes:
        try:
            return self.kind.adjust(self.pool, self.seen)
        except RefusedError as error:
            asked_for = self.pool != self.known.latest or self.wanted.remove_devices
            if self.wanted.state != "inactive" or asked_for:
                raise
            # What cannot be put right now, and nobody asks for anew, is no reason not to stop it.
            return Changes(warnings=(error.message,))

    def _switch(self) -> tuple[Step, ...]:
        known, wanted, name = self.known, self.wanted, self.pool.name
        if wanted.state == "active" and self.live is None:
            if wanted.build == "never" and not self.kind.is_built(self.pool, self.seen):
                lost = "".join(f"; {path}: {why}" for path, why in self.seen.silent.items())
                raise RefusedError(
                    f"pool {name} is not built, and cannot be started: leave build: never out, or build it by "
                    f"hand{lost}",
                    name=name,
                )
            return (*self.kind.start(self.pool, self.seen), NoteStarted(self.pool))
        if wanted.state == "active":
            # Somebody else started it, or a run that was killed before it could say so.
            unnoted = wanted.persistent and known.started is None and self.live == self.pool
            return (NoteStarted(self.pool),) if unnoted else ()
        if wanted.state == "present":
            # A note that is no longer true would make a dir pool run once its folder is there again.
            return (NoteStopped(name),) if self.live is None and known.started is not None else ()
        if known.pool is None and wanted.pool is None:
            raise RefusedError(
                f"pool {name} is transient: stopped, it is gone. Say so (state: absent), or give its type, source and "
                "target to have it defined",
                name=name,
            )
        ends = stopping(known, self.seen, self.kind, self.live, wanted.force)
        return (*(step for step in self._stop_twin() if step not in ends), *ends)

    def _stop_twin(self) -> tuple[Step, ...]:
        """Return what stops it where it runs by its new definition as well: somebody has started that."""
        if self.live in (None, self.pool) or not self.kind.is_running(self.pool, self.seen):
            return ()
        return self.kind.stop(self.pool, self.seen, self.wanted.force)


def stopping(known: Known, seen: Seen, kind: PoolType, live: PoolDefinition | None, force: bool) -> tuple[Step, ...]:
    """Return what stops a pool, if it runs. Raises InUseError."""
    if live is not None and not force:
        _refuse_copied(seen, f"stopping pool {known.name}")
    # A run that was killed may have made something and not come to use it.
    ending = known.latest if live is None and known.made else live
    steps = kind.stop(ending, seen, force) if ending is not None else ()
    made = (NoteMade(known.name, ()),) if known.made else ()
    noted = (NoteStopped(known.name),) if known.started is not None else ()
    return (*steps, *made, *noted)


def _absent(known: Known, wanted: Wanted, seen: Seen, kind: PoolType, live: PoolDefinition | None) -> PoolPlan:
    old = known.latest
    if old is None:
        return plan_nothing(known)
    steps = list(stopping(known, seen, kind, live, wanted.force))
    if wanted.delete_contents:
        refuse_inside(known.others, old)
        _refuse_copied(seen, f"deleting what pool {known.name} holds")
        if live is not None and live != old and kind.is_running(old, seen):
            # Somebody has started it by its new definition as well.
            steps.extend(step for step in kind.stop(old, seen, wanted.force) if step not in steps)
        # What was promised for the time that the pool runs here says nothing of who uses it now.
        steps.extend(kind.delete(replace(old, kept=replace(old.kept, single_host=bool(wanted.single_host))), seen))
    if known.pool is not None or known.spoilt:
        steps.append(Undefine(known.name))
    made = _made(known.made)
    before = _shown(old, live is not None, kind.is_built(old, seen), known.pool is not None, made)
    return PoolPlan(tuple(steps), before, {"pool": None})


def _refuse_copied(seen: Seen, purpose: str) -> None:
    """Raise InUseError where another run works on a volume, and nothing else may tell."""
    if seen.copies:
        raise InUseError(
            f"{purpose} is refused, it is being copied: {', '.join(seen.copies)}. Wait for it or end it",
            holders=list(seen.copies),
        )


def _warn_later(name: str, options: tuple[str, ...]) -> str:
    return (
        f"pool {name} runs as it was started: {', '.join(options)} will be as defined once it is stopped and started "
        "(state: inactive, then active)"
    )
