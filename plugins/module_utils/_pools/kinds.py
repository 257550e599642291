# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be known of a pool before its type can be asked anything."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._pools.base import Needs, PoolType
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known
from ansible_collections.virt.san.plugins.module_utils._pools.registry import pool_type


def type_of(known: Known, *wanted: PoolDefinition) -> PoolType:
    """Return a pool's type: that of what is wanted, or else of what is known.

    Raises RefusedError where somebody has written what cannot be worked with.
    """
    definitions = (*wanted, *known.definitions)
    try:
        kind = pool_type(definitions[0].type)
        for one in definitions:
            kind.check(one)
    except ValueError as wrong:
        raise RefusedError(
            f"pool {known.name} is defined in a way that does not work: {wrong}. Correct its definition",
            pool=known.name,
        ) from wrong
    return kind


def quiet_needs(kind: PoolType, known: Known) -> Needs:
    """Return what has to be known to tell whether a pool runs: not who uses it, nor what is on a group's devices."""
    needs = sum(map(kind.needs, known.definitions), Needs())
    return replace(needs, devices=needs.devices if needs.group is None else (), users=())
