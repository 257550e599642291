# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters over HBAs and logical units."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._model.block import Designator, LogicalUnit, MultipathMap, Path
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba, Target
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid, Wwn
from ansible_collections.virt.san.plugins.module_utils._plan.select import Filters, select_hbas, select_units

ONE, TWO, LOCAL = Wwid("36001405" + "1" * 25), Wwid("36001405" + "2" * 25), Wwid("1ATA_DISK_1")
WWPN, IQN = Wwn("2100001b32a1b2c3"), "iqn.2003-01.org.example:array"


def target(name: str) -> Target:
    return Target(name, None, "Online", ("FCP Target",), 0, 0)


HBAS = (
    Hba(0, "ata"),
    Hba(1, "fc", wwpn=WWPN, initiator=WWPN, targets=(target("50014057a0000001"),)),
    Hba(2, "iscsi", initiator="iqn.1993-08.org.debian:01:kvm1", targets=(target(IQN),)),
)


def path(device: str, host: int, lun: int, transport: str, port: str | None) -> Path:
    hctl = Hctl(host, 0, 0, lun)
    return Path(device, hctl, "running", transport, f"host{host}", None, port, None, 1024, ONE)


def unit(wwid: Wwid, *paths: Path, size: int = 1024, over: MultipathMap | None = None) -> LogicalUnit:
    return LogicalUnit(wwid=wwid, paths=paths, size=size, map=over, designators=(Designator("t10", f"ACME {wwid}"),))


UNITS = (
    unit(LOCAL, path("sda", 0, 0, "ata", None)),
    unit(
        ONE,
        path("sdb", 1, 27, "fc", "50014057a0000001"),
        path("sdc", 2, 28, "iscsi", IQN),
        over=MultipathMap("db01", "dm-0", ONE, ("sdb", "sdc"), 1024),
    ),
    unit(TWO, path("sdd", 1, 0x4000 + 300, "fc", "50014057a0000001"), size=2048),
    unit(Wwid("3600140500"), over=MultipathMap("lost", "dm-1", Wwid("3600140500"), (), 1024)),
)


def chosen(**filters: object) -> list[str]:
    return [str(one.wwid) for one in select_units(UNITS, HBAS, Filters(**filters))]  # type: ignore[arg-type]


def test_local_disks_are_left_out_unless_asked_for():
    assert chosen() == [ONE, TWO, "3600140500"]
    assert chosen(transports=("ata",)) == [LOCAL]
    assert chosen(devices=("sda",)) == [LOCAL]
    assert [hba.name for hba in select_hbas(HBAS, Filters())] == ["host1", "host2"]
    assert [hba.name for hba in select_hbas(HBAS, Filters(hbas=("host0",)))] == ["host0"]
    assert [hba.name for hba in select_hbas(HBAS, Filters(transports=("ata",)))] == ["host0"]


def test_by_identity():
    assert chosen(wwids=(TWO,)) == [TWO]
    assert chosen(wwids=(Wwid(f"1ACME_{ONE}"),)) == [ONE]
    assert chosen(wwids=(Wwid("3" + "9" * 32),)) == []


def test_by_number_as_either_side_counts():
    assert chosen(luns=(27,)) == [ONE]
    assert chosen(luns=(300,)) == [TWO]
    assert chosen(luns=(0x4000 + 300,)) == [TWO]
    assert chosen(luns=(28, 300)) == [ONE, TWO]


def test_what_is_asked_of_a_path_must_hold_for_one_path():
    assert chosen(luns=(27,), transports=("fc",)) == [ONE]
    assert chosen(luns=(27,), transports=("iscsi",)) == []
    assert chosen(luns=(27,), targets=(IQN,)) == []
    assert chosen(luns=(28,), targets=(IQN,), hbas=("host2",)) == [ONE]


def test_a_chosen_unit_has_all_its_paths():
    (found,) = select_units(UNITS, HBAS, Filters(transports=("iscsi",)))
    assert [one.device for one in found.paths] == ["sdb", "sdc"]


def test_by_hba_device_and_size():
    assert chosen(hbas=(WWPN,)) == [ONE, TWO]
    assert chosen(hbas=("iqn.1993-08.org.debian:01:kvm1",)) == [ONE]
    assert chosen(devices=("dm-0",)) == chosen(devices=("sdc",)) == [ONE]
    assert chosen(devices=("dm-1",)) == ["3600140500"]
    assert chosen(size=2048) == [TWO]


def test_by_multipath_device():
    assert chosen(mapped=True) == [ONE, "3600140500"]
    assert chosen(mapped=False) == [TWO]
    assert chosen(mapped=False, devices=("sda",)) == [LOCAL]


def test_hbas_by_target():
    assert [hba.name for hba in select_hbas(HBAS, Filters(targets=(IQN,)))] == ["host2"]


def test_an_hba_that_is_not_there():
    with pytest.raises(InputError, match=r"hba: this host has no HBA host9; it has host0 \(ata\), host1 \(2100"):
        select_hbas(HBAS, Filters(hbas=("host9",)))
