# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which unit a task means, and what leaves where the array has remapped it."""

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
from ansible_collections.virt.san.plugins.module_utils._plan.device import (
    Named,
    apart_from,
    arrived,
    concerns,
    find,
    not_there,
    purged,
    require,
    same_unit,
    scan_again,
)
from ansible_collections.virt.san.plugins.module_utils._plan.identity import Remapped
from ansible_collections.virt.san.plugins.module_utils._plan.removal import Leaving, Seen
from ansible_collections.virt.san.tests.unit.support.fabric import two_fabrics
from ansible_collections.virt.san.tests.unit.support.multipathing import path, state, unit, wwid

ONE = path("sda", 1, hctl=Hctl(2, 0, 0, 1))
TWO = path("sdb", 1, hctl=Hctl(3, 0, 0, 1), hba="host3")
MOVED = Remapped(ONE, wwid(1), wwid(7), "data")


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


def test_a_remapped_path_concerns_the_old_unit_and_the_new() -> None:
    assert concerns(MOVED, Named(wwid=wwid(7)), None)
    assert concerns(MOVED, Named(wwid=wwid(1)), unit(1, ways=(ONE,)))
    assert not concerns(MOVED, Named(wwid=wwid(2)), unit(2))
    assert concerns(MOVED, Named(hba=ONE.hba, target=ONE.target, lun=1), None), "its device may be gone"
    assert not concerns(MOVED, Named(hba="host3", target=ONE.target, lun=1), None)


def test_what_leaves_is_known_by_its_old_name() -> None:
    now = Seen(state(replace(unit(1, ways=(ONE, TWO)), wwid=None)))
    (one,) = purged(now, (MOVED,))
    assert (one.wwid, [way.device for way in one.gone], one.whole) == (wwid(1), ["sda"], False)
    genuine = Seen(state(replace(unit(1, ways=(ONE,)), wwid=None), unit(1, ways=(TWO,))))
    (one,) = purged(genuine, (MOVED,))
    assert ([way.device for way in one.gone], [way.device for way in one.stay]) == (["sda"], ["sdb"])
    assert scan_again((MOVED,)).describe() == f"scan anew for LUN 1 over host2: {wwid(7)}"
    assert arrived((MOVED,)) == {wwid(7): {"scanned": ["2:0:0:1"]}}


def test_what_an_earlier_run_has_begun_is_finished() -> None:
    """Only what is not there any more is scanned for; what is there now is not the old unit's, and stays."""
    gone = Seen(state(unit(2)))
    assert purged(gone, (), (MOVED,)) == (Leaving(wwid(1), None),), "what remembers it goes"
    assert not_there(gone, (MOVED,)) == (MOVED,)
    back = Seen(state(unit(7, ways=(replace(ONE, wwid=wwid(7)),))))
    assert (purged(back, (), (MOVED,)), not_there(back, (MOVED,))) == ((Leaving(wwid(1), None),), ())
    elsewhere = Seen(state(unit(1, ways=(TWO,))))
    assert purged(elsewhere, (), (MOVED,)) == (), "it is on this host under another number too"
    assert (apart_from((MOVED,), ()), apart_from((MOVED,), (MOVED,))) == ((MOVED,), ())
