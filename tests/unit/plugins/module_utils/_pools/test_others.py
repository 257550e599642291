# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one pool has, no other pool may have as well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._pools.others import refuse_shared
from ansible_collections.virt.san.tests.unit.support.pool_world import ARRAY, GUEST, IQN, MAPS, WWPN


@pytest.mark.parametrize(("pool", "says"), [(ARRAY, f"target {IQN}"), (GUEST, f"virtual HBA {WWPN}")])
def test_what_goes_with_one_pool_is_no_others(pool: PoolDefinition, says: str) -> None:
    with pytest.raises(RefusedError, match=f"{says} is already that of pool {pool.name}"):
        refuse_shared({pool.name: pool}, replace(pool, name="twin"))
    refuse_shared({pool.name: pool}, replace(MAPS, name="twin"))


def test_a_target_by_different_names() -> None:
    """Each has sessions and LUNs of its own; a pool that names nobody has all of them."""
    first, second = (replace(ARRAY, source=replace(ARRAY.source, initiator=f"{IQN}:{who}")) for who in "ab")
    refuse_shared({"array": second}, replace(first, name="twin"))
    for pool, other in ((first, first), (first, ARRAY), (ARRAY, first)):
        with pytest.raises(RefusedError, match=f"target {IQN} is already that of pool array"):
            refuse_shared({"array": other}, replace(pool, name="twin"))
