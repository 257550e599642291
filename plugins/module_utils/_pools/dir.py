# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of type dir: a folder of the host, and the files in it."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Space
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools import folders
from ansible_collections.virt.san.plugins.module_utils._pools.base import Changes, Needs, Seen


class DirPool:
    """A folder that is there is all there is to it: whether the pool runs is a note, and stopping it ends nothing."""

    name = "dir"

    def check(self, pool: PoolDefinition) -> None:
        folders.check_target(pool)
        folders.check_source(pool, ())

    def needs(self, pool: PoolDefinition) -> Needs:
        return folders.needs(pool)

    def adopts(self, pool: PoolDefinition, seen: Seen) -> str | None:
        return None

    def is_built(self, pool: PoolDefinition, seen: Seen) -> bool:
        return folders.is_folder(seen, folders.check_target(pool))

    def is_running(self, pool: PoolDefinition, seen: Seen) -> bool:
        return seen.noted and self.is_built(pool, seen)

    def build(self, pool: PoolDefinition, seen: Seen, overwrite: bool) -> tuple[Step, ...]:
        return folders.build(pool, seen, folders.check_target(pool))

    def adjust(self, pool: PoolDefinition, seen: Seen) -> Changes:
        return folders.adjust(pool, seen, folders.check_target(pool))

    def start(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        return ()

    def stop(self, pool: PoolDefinition, seen: Seen, force: bool) -> tuple[Step, ...]:
        return ()

    def delete(self, pool: PoolDefinition, seen: Seen) -> tuple[Step, ...]:
        return folders.delete(seen, folders.check_target(pool))

    def restart_for(self, running: PoolDefinition, pool: PoolDefinition, seen: Seen) -> tuple[str, ...]:
        return ("target.path",) if running.target.path != pool.target.path else ()

    def space(self, pool: PoolDefinition, seen: Seen) -> Space | None:
        return seen.space.get(folders.check_target(pool))
