# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools behind one HBA: who it is outlasts every number that the kernel gives, and what others have made stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    InUseError,
    NotFoundError,
    RefusedError,
)
from ansible_collections.virt.san.plugins.module_utils._model.block import San
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Adapter,
    FcHostAdapter,
    PoolDefinition,
    ScsiHostAdapter,
    Source,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept
from ansible_collections.virt.san.plugins.module_utils._pools.adapters import lasting
from ansible_collections.virt.san.plugins.module_utils._pools.base import Seen, Way
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known, Wanted
from ansible_collections.virt.san.plugins.module_utils._pools.registry import lun_pool
from ansible_collections.virt.san.tests.unit.support.multipathing import unit
from ansible_collections.virt.san.tests.unit.support.pool_world import GUEST, WWNN, WWPN, World
from ansible_collections.virt.san.tests.unit.support.vports import child, port, vport

SCSI = lun_pool("scsi")
TARGET = Target("/dev/disk/by-id")
CARRIED = vport(1, host=7)
FC = port(3, CARRIED)
VHBA = child(CARRIED, FC)
SATA = tuple(Hba(number, "ata", pci_address="0000:00:1f.2") for number in (0, 1))
SESSION = Hba(9, "iscsi")
HBAS = (*SATA, FC, port(4), VHBA, SESSION)
NUMBERS = {"host0": 1, "host1": 2}


def pool(adapter: Adapter, hba: str | None = None) -> PoolDefinition:
    return PoolDefinition("behind", "scsi", Source(adapter=adapter), TARGET, kept=Kept(hba=hba))


def known(adapter: Adapter, hba: str | None = None, old: PoolDefinition | None = None) -> tuple[Any, str | None]:
    found = lasting(pool(adapter, hba), HBAS, NUMBERS, old)
    return found.source.adapter, found.kept.hba


def test_who_an_hba_is() -> None:
    """What is named by a WWPN or a place is known by that; a number is looked up once."""
    assert known(ScsiHostAdapter(), FC.wwpn) == (ScsiHostAdapter("host3"), FC.wwpn)
    assert known(ScsiHostAdapter("host3")) == (ScsiHostAdapter("host3"), FC.wwpn)
    assert known(ScsiHostAdapter("scsi_host3")) == (ScsiHostAdapter("host3"), FC.wwpn)
    assert known(ScsiHostAdapter(None, FC.pci_address)) == (ScsiHostAdapter("host3"), FC.pci_address)
    assert known(ScsiHostAdapter("host7")) == (ScsiHostAdapter("host7"), VHBA.wwpn)


def test_several_at_one_place() -> None:
    """libvirt takes a place only with a number of 1 or more."""
    place = "0000:00:1f.2"
    assert known(ScsiHostAdapter("host1")) == (ScsiHostAdapter(None, place, 2), place)
    assert known(ScsiHostAdapter(None, place, 2)) == (ScsiHostAdapter(None, place, 2), place)
    with pytest.raises(AmbiguousError, match=r"host0 \(unique_id 1\), host1 \(unique_id 2\)"):
        known(ScsiHostAdapter(None, place))


def test_an_hba_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match=r"has no HBA 2100000000000000; it has: host0 \(0000:00:1f\.2\)"):
        known(ScsiHostAdapter(), "2100000000000000")
    with pytest.raises(RefusedError, match="host9 has neither a WWPN nor a PCI address"):
        known(ScsiHostAdapter("host9"))
    before = pool(ScsiHostAdapter("host5"), "2100000000000000")
    assert known(ScsiHostAdapter(), "2100000000000000", before) == (ScsiHostAdapter("host5"), "2100000000000000")


def test_the_parent_of_a_virtual_one() -> None:
    """By whatever it is named, libvirt gets its WWNs."""
    wanted = FcHostAdapter(WWNN, WWPN, parent_wwnn=FC.wwnn, parent_wwpn=FC.wwpn)
    for name in ("host3", "scsi_host3", FC.wwpn, FC.pci_address):
        assert known(FcHostAdapter(WWNN, WWPN, name)) == (wanted, None)
    assert known(wanted) == (wanted, None)
    shouted = FcHostAdapter(WWNN.upper(), WWPN.upper(), parent_fabric_wwn="10:00:00:05:33:a1:b2:c3")
    assert known(shouted) == (FcHostAdapter(WWNN, WWPN, parent_fabric_wwn="1000000533a1b2c3"), None)
    twins = (port(4), port(5))
    with pytest.raises(AmbiguousError, match="the name of several ports"):
        lasting(pool(FcHostAdapter(WWNN, WWPN, twins[0].wwnn)), twins, {}, None)
    with pytest.raises(NotFoundError, match=r"source\.adapter\.parent: this host has no HBA host5"):
        known(FcHostAdapter(WWNN, WWPN, "host5"))
    gone = FcHostAdapter(WWNN, WWPN, None, "2000000000000009", "2100000000000009")
    assert known(replace(gone, parent="2100000000000009", parent_wwpn=None), None, pool(gone)) == (gone, None)


@pytest.mark.parametrize(
    ("adapter", "says"),
    [
        (None, "source.adapter: a pool of type scsi needs"),
        (ScsiHostAdapter(), "source.adapter.host: name the HBA"),
        (ScsiHostAdapter("eth0"), "source.adapter.host: 'eth0' is no HBA"),
        (FcHostAdapter(WWNN, "0" * 16), "source.adapter.wwpn"),
        (FcHostAdapter("x", WWPN), "source.adapter.wwnn"),
        (FcHostAdapter(WWNN, WWPN, "eth0"), "source.adapter.parent"),
        (FcHostAdapter(WWNN, WWPN, parent_fabric_wwn="x"), "source.adapter.fabric"),
        (FcHostAdapter(WWNN, WWPN, "host3", parent_fabric_wwn=WWNN), "not both"),
    ],
)
def test_adapters_that_cannot_be(adapter: Adapter | None, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace(".", r"\.")):
        SCSI.check(PoolDefinition("behind", "scsi", Source(adapter=adapter), TARGET))


def test_the_units_behind_it() -> None:
    """Whatever number it has by now; a virtual HBA's units are not its parent's."""
    first, second = unit(1), unit(2)
    first = replace(first, paths=tuple(replace(path, hba="host3") for path in first.paths))
    second = replace(second, paths=tuple(replace(path, hba="host7") for path in second.paths))
    seen = Seen(san=San(HBAS, (first, second)), unique_ids=NUMBERS, noted=True)
    by_wwpn, stale = pool(ScsiHostAdapter("host4"), FC.wwpn), pool(ScsiHostAdapter("host4"))
    assert SCSI.units(by_wwpn, seen) == (first,)
    assert SCSI.units(pool(FcHostAdapter(CARRIED.wwnn, CARRIED.wwpn)), seen) == (second,)
    assert (SCSI.is_running(by_wwpn, seen), SCSI.is_running(stale, seen)) == (True, False)
    with pytest.raises(NotFoundError, match="by the number of a SCSI host"):
        SCSI.start(stale, seen)
    with pytest.raises(NotFoundError, match=r"has no HBA 0000:00:01\.0"):
        SCSI.start(pool(ScsiHostAdapter(None, "0000:00:01.0")), seen)
    assert SCSI.start(by_wwpn, seen) == ()


def test_what_needs_a_restart() -> None:
    one = pool(ScsiHostAdapter("host4"), FC.wwpn)
    assert SCSI.restart_for(one, pool(ScsiHostAdapter("host9"), FC.wwpn), Seen()) == ()
    assert SCSI.restart_for(one, pool(ScsiHostAdapter("host4"), WWPN), Seen()) == ("source.adapter",)
    assert SCSI.restart_for(GUEST, one, Seen()) == ("source.adapter",)


def started() -> World:
    now = World(Known("guest"))
    return now.after(now.plan(Wanted("guest", "active", GUEST)).steps)


def test_a_virtual_hba_of_the_pools_own() -> None:
    plan = World(Known("guest")).plan(Wanted("guest", "active", GUEST))
    assert plan.describe() == [
        "define pool guest",
        f"note that pool guest makes vHBA {WWPN}",
        f"host0: create vHBA {WWPN} (node {WWNN}); vHBA {WWPN}: wait for its login to the fabric",
        "note that pool guest runs",
    ]
    assert plan.after["pool"]["made"] == [f"vHBA {WWPN}"]
    plan = started().plan(Wanted("guest", "absent"))
    assert plan.describe() == [
        f"host0: delete vHBA {WWPN} (host9)",
        "note that nothing is left of what pool guest has made",
        "note that pool guest does not run",
        "undefine pool guest",
    ]


def test_a_virtual_hba_that_was_there_before_stays() -> None:
    now = World(Known("guest"), vhbas=frozenset((WWPN,)))
    up = now.after(now.plan(Wanted("guest", "active", GUEST)).steps)
    assert up.known.made == ()
    down = up.after(up.plan(Wanted("guest", "absent")).steps)
    assert down.vhbas == {WWPN}


def test_a_run_that_was_killed_has_left_one() -> None:
    """It was made and the pool never noted as started: stopping takes it away nevertheless."""
    first = World(Known("guest"))
    midway = first.after(first.plan(Wanted("guest", "active", GUEST)).steps[:3])
    assert midway.vhbas == {WWPN}
    plan = midway.plan(Wanted("guest", "inactive"))
    assert plan.changed
    assert midway.after(plan.steps).vhbas == frozenset()


def test_a_refusal_is_raised_where_it_matters() -> None:
    seen = Seen(leaving=Way(refusal=InUseError("in use by guest db01")), noted=True)
    with pytest.raises(InUseError, match="db01"):
        SCSI.stop(GUEST, seen, force=False)
    assert SCSI.adjust(GUEST, replace(seen, coming=Way(refusal=RefusedError("no")))).steps == ()
