# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which unit a task means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    IdentityError,
    InputError,
    NotFoundError,
)
from ansible_collections.virt.san.plugins.module_utils._model.block import San
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl
from ansible_collections.virt.san.plugins.module_utils._plan.named import Named, find, require, same_unit
from ansible_collections.virt.san.tests.unit.support.fabric import two_fabrics
from ansible_collections.virt.san.tests.unit.support.multipathing import path, unit, wwid

ONE = path("sda", 1, hctl=Hctl(2, 0, 0, 1))
TWO = path("sdb", 1, hctl=Hctl(3, 0, 0, 1), hba="host3")


def test_by_wwid_device_and_address() -> None:
    san = two_fabrics(luns={5: 1, 6: 2}, scanned=(5, 6)).seen().san
    one = san.luns[0]
    disk = one.paths[0]
    for named in (
        Named(wwid=one.wwid),
        Named(device="/dev/x", disk=disk.device),
        Named(hba=disk.hba, target=disk.target, lun=disk.lun),
    ):
        assert find(san, named) == one, str(named)
    assert find(san, Named(device="/dev/gone")) is None
    assert find(san, Named(hba=disk.hba, target=disk.target, lun=99)) is None
    with pytest.raises(InputError, match="no HBA host77"):
        find(san, Named(hba="host77", target="x", lun=1))


def test_what_is_not_there_is_answered_with_what_is() -> None:
    with pytest.raises(NotFoundError, match=f"WWID {wwid(9)} is not on this host; seen are {wwid(1)}"):
        require(San(luns=(unit(1),)), Named(wwid=wwid(9)))


def test_two_units_are_never_one() -> None:
    with pytest.raises(IdentityError, match="different units"):
        find(San(luns=(unit(1), unit(1, ways=(TWO,)))), Named(wwid=wwid(1)))
    two = San(luns=(unit(1, ways=(ONE,)), unit(2, ways=(replace(ONE, device="sdx"),))))
    hba = two_fabrics().hbas[1]
    with pytest.raises(AmbiguousError, match="by its WWID"):
        find(replace(two, hbas=(hba,)), Named(hba=hba.name, target=ONE.target, lun=1))


def test_a_unit_is_found_again_by_its_map_or_its_paths() -> None:
    mapped = unit(1, name="data", ways=(ONE, TWO))
    doubtful = replace(mapped, problem="path sda is another unit")
    assert same_unit(San(luns=(doubtful,)), mapped) == doubtful
    stranger = replace(unit(1, ways=(ONE,)), wwid=None)
    assert same_unit(San(luns=(stranger,)), unit(1, ways=(ONE, TWO))) == unit(1, ways=(ONE,))
    apart = San(luns=(stranger, replace(unit(1, ways=(TWO,)), wwid=None)))
    assert same_unit(apart, unit(1, ways=(ONE, TWO))) == unit(1, ways=(ONE, TWO))
    assert same_unit(San(luns=(unit(2),)), mapped) is None
