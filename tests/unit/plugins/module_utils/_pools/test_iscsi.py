# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools on an iSCSI target: whose sessions and LUNs count where the pool names an initiator."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.fabric import IscsiSession
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition
from ansible_collections.virt.san.plugins.module_utils._pools.base import Seen
from ansible_collections.virt.san.plugins.module_utils._pools.registry import lun_pool, pool_type
from ansible_collections.virt.san.tests.unit.support.multipathing import path, unit
from ansible_collections.virt.san.tests.unit.support.pool_world import ARRAY, IQN

HOST, GUEST = "iqn.2025-01.test.host:1", "iqn.2025-01.test.guest:db01"
AT = "10.77.1.1:3260"


def named(initiator: str) -> PoolDefinition:
    return replace(ARRAY, source=replace(ARRAY.source, initiator=initiator))


def session(initiator: str | None, interface: str = "default") -> IscsiSession:
    return IscsiSession(1, 4, IQN, 1, initiator, interface, "LOGGED_IN", "up", AT, AT, 5, 0)


def behind(number: int, *initiators: str) -> LogicalUnit:
    ways = [
        path(f"sd{number}{index}", number, transport="iscsi", target=IQN, portal=AT, initiator=name)
        for index, name in enumerate(initiators)
    ]
    return unit(number, ways=tuple(ways))


def test_units_are_those_of_the_name() -> None:
    """One that both names see is both pools'."""
    units = (behind(1, HOST), behind(2, GUEST.upper()), behind(3, HOST, GUEST))
    seen, kind = Seen(san=San(luns=units)), lun_pool("iscsi")
    assert kind.units(ARRAY, seen) == units
    assert kind.units(named(GUEST), seen) == units[1:]
    assert kind.units(named(HOST.upper().replace("IQN", "iqn")), seen) == (units[0], units[2])


@pytest.mark.parametrize(
    ("there", "by_any", "by_name"),
    [((HOST,), True, False), ((GUEST,), True, True), ((HOST, GUEST), True, True), ((None,), True, False)],
)
def test_it_runs_by_sessions_of_the_name(there: tuple[str | None, ...], by_any: bool, by_name: bool) -> None:
    seen = Seen(noted=True, san=San(sessions=tuple(map(session, there))))
    kind = pool_type("iscsi")
    assert (kind.is_running(ARRAY, seen), kind.is_running(named(GUEST), seen)) == (by_any, by_name)
    told = kind.adjust(named(GUEST), seen).before
    assert told == ({"sessions": {AT: True, "10.77.2.1:3260": False}} if by_name else {})


def test_another_name_counts_at_the_next_start() -> None:
    kind = pool_type("iscsi")
    assert kind.restart_for(ARRAY, named(GUEST), Seen()) == ("source.initiator",)
    assert kind.restart_for(named(GUEST), named(HOST), Seen()) == ("source.initiator",)
    assert kind.restart_for(named(GUEST), named(GUEST.replace("db", "DB")), Seen()) == ()


def test_what_is_no_name() -> None:
    kind = pool_type("iscsi")
    kind.check(named(GUEST))
    with pytest.raises(ValueError, match=r"source.initiator: 'guest' is not an iSCSI name.* that the array knows"):
        kind.check(named("guest"))
