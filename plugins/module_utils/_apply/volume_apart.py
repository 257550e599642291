# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work on volumes, for which nobody else has to wait: the locks are let go of, and what it is about is claimed.

Whoever plans for a volume looks at the claims first, with the lock of the host held. So what a plan was made from stays
as it is also while the lock is not held, as far as this collection is concerned; what others have done meanwhile shows
when all is looked at once more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TypeVar

from ansible_collections.virt.san.plugins.module_utils._apply.pool_look import DEADLINE
from ansible_collections.virt.san.plugins.module_utils._apply.volume_keeper import VolumeKeeper
from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host import folders
from ansible_collections.virt.san.plugins.module_utils._host.claims import claimed, read_claims
from ansible_collections.virt.san.plugins.module_utils._host.guarded import guarded
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.wait import wait_until
from ansible_collections.virt.san.plugins.module_utils._model.claim import Claim
from ansible_collections.virt.san.plugins.module_utils._model.volume import WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_claim import claim_of, refuse_claimed, refuse_other
from ansible_collections.virt.san.plugins.module_utils._pools.volume_registry import volume_kind

Result = TypeVar("Result")


@dataclass(frozen=True)
class Turns:
    """One run among others that are about volumes of the same host. Its locks are held whenever it looks."""

    host: Host
    keeper: VolumeKeeper
    pool: str
    wanted: WantedVolume
    unlocked: Callable[[], AbstractContextManager[None]]
    """Lets go of the locks while the context lasts."""
    patience: float
    """Seconds to wait for others that are at the same volume."""

    def look(self) -> VolumeSight:
        return self.keeper.look(self.pool, self.wanted)

    def free(self) -> VolumeSight:
        """Return what is there of the volume once nobody else is at it. Raises InUseError."""
        until = self.host.clock.monotonic() + self.patience
        while True:
            sight = self.look()
            claim = self._claim(sight)
            if claim is None or not read_claims(self.host):
                return sight
            claim = self._by_all_names(claim)
            reason = self._reason(claim)
            if reason is None:
                return sight
            left = until - self.host.clock.monotonic()
            if left <= 0:
                refuse_claimed(reason, (*claim.writes, *claim.reads)[0])
            with self.unlocked():
                self._await(claim, left)

    def apart(self, work: Callable[[], Result]) -> Result:
        """Have work done without the locks, see `volume_keeper.Apart`."""
        return self.apart_from(self.look(), work)[0]

    def apart_from(self, before: VolumeSight, work: Callable[[], Result]) -> tuple[Result, VolumeSight]:
        """Return what the work returns, and what is there after it, which is no other than what was seen before."""
        claim = self._claim(before)
        if claim is None:
            return work(), before
        with claimed(self.host, self._by_all_names(claim)), self.unlocked():
            result = work()
        now = self.look()
        refuse_other(before, now, claim)
        return result, now

    def _claim(self, sight: VolumeSight) -> Claim | None:
        """Return what this run has to do with; None where there is no pool to do anything in."""
        kind = volume_kind(sight.pool.type) if sight.pool is not None and sight.running else None
        if kind is None or sight.pool is None:
            return None
        claim = claim_of(self.pool, self.wanted, sight, kind.path(sight.pool, self.wanted.name, sight))
        return replace(claim, pid=os.getpid())

    def _reason(self, claim: Claim) -> str | None:
        """Return why this run has to wait."""
        reasons = (other.keeps_from(claim) for other in read_claims(self.host))
        return next((reason for reason in reasons if reason is not None), None)

    def _await(self, claim: Claim, seconds: float) -> None:
        wait_until(self.host, lambda: self._reason(claim), lambda reason: reason is None, seconds)

    def _by_all_names(self, claim: Claim) -> Claim:
        """Return a claim that has its paths also without links, as far as they can be looked at."""

        def ask(there: Host) -> dict[str, str]:
            return {path: folders.real_path(there, path) for path in (*claim.writes, *claim.reads)}

        first = (*claim.writes, *claim.reads)[0]
        try:
            real = guarded(self.host, first, "looking at", ask, DEADLINE, f"names {first}")
        except (SanError, OSError):
            return claim

        def named(paths: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(dict.fromkeys((*paths, *(real[path] for path in paths))))

        return replace(claim, writes=named(claim.writes), reads=named(claim.reads))
