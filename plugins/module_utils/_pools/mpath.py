# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of type mpath: all multipath devices of the host."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._pools.base import Seen
from ansible_collections.virt.san.plugins.module_utils._pools.folders import check_source
from ansible_collections.virt.san.plugins.module_utils._pools.luns import LunPool, check_target, san_of


class MpathPool(LunPool):
    """A way to look at what is there: whether it runs is a note, and starting and stopping it change no device."""

    name = "mpath"

    def check(self, pool: PoolDefinition) -> None:
        check_source(pool, ())
        check_target(pool)

    def units(self, pool: PoolDefinition, seen: Seen) -> tuple[LogicalUnit, ...]:
        return tuple(unit for unit in san_of(seen).luns if unit.map is not None)
