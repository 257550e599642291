# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logical units as volumes: one each, by a name that is the same wherever they are seen."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.pool import Space
from ansible_collections.virt.san.plugins.module_utils._pools.base import Seen
from ansible_collections.virt.san.plugins.module_utils._pools.luns import volumes_of
from ansible_collections.virt.san.plugins.module_utils._pools.registry import LUN_TYPES, TYPES, lun_pool, pool_type
from ansible_collections.virt.san.tests.unit.support.multipathing import unit, wwid
from ansible_collections.virt.san.tests.unit.support.pool_world import MAPS

MAPPED = replace(unit(2, name="data"), by_id=f"/dev/disk/by-id/dm-uuid-mpath-{wwid(2)}")
BARE = unit(1)
ONE_PATH = replace(BARE, paths=BARE.paths[:1], by_id=f"/dev/disk/by-id/scsi-{wwid(1)}")


def test_one_volume_a_unit() -> None:
    first, second = volumes_of((MAPPED, ONE_PATH))
    assert (first.name, first.key, first.path) == (wwid(1), wwid(1), f"/dev/disk/by-id/scsi-{wwid(1)}")
    assert (second.name, second.path) == (wwid(2), f"/dev/disk/by-id/dm-uuid-mpath-{wwid(2)}")
    assert (second.format, second.capacity, second.allocation) == ("raw", MAPPED.size, MAPPED.size)
    assert (first.problem, second.problem, second.active) == (None, None, True)


def test_what_is_wrong_with_a_unit_is_said() -> None:
    def problem(one: LogicalUnit) -> str:
        (told,) = volumes_of((one,))
        return told.problem or ""

    assert "2 paths and no multipath device" in problem(BARE)
    assert "nothing it could be known by" in problem(replace(ONE_PATH, wwid=None))
    assert problem(replace(MAPPED, problem="two units claim it")) == "two units claim it"
    (nameless,) = volumes_of((replace(ONE_PATH, wwid=None, by_id=None),))
    assert (nameless.name, nameless.key) == (f"unknown-{ONE_PATH.paths[0].device}", ONE_PATH.device)
    dead = replace(MAPPED, paths=tuple(replace(path, state="offline") for path in MAPPED.paths))
    assert not volumes_of((dead,))[0].active


def test_maps_and_nothing_else() -> None:
    kind, seen = lun_pool("mpath"), Seen(san=San(luns=(MAPPED, ONE_PATH)))
    assert kind.units(MAPS, seen) == (MAPPED,)
    assert kind.space(MAPS, seen) == Space(MAPPED.size, 0)
    assert kind.needs(MAPS).san


def test_they_are_types_as_the_others() -> None:
    assert set(LUN_TYPES) < set(TYPES)
    assert list(TYPES) == sorted(TYPES) == [pool_type(name).name for name in TYPES]
    assert all(pool_type(name) is lun_pool(name) for name in LUN_TYPES)
