# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves where the array has remapped a unit, and what comes in its place."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl
from ansible_collections.virt.san.plugins.module_utils._plan.device import (
    apart_from,
    arrived,
    concerns,
    not_there,
    purged,
    scan_again,
)
from ansible_collections.virt.san.plugins.module_utils._plan.identity import Remapped
from ansible_collections.virt.san.plugins.module_utils._plan.named import Named
from ansible_collections.virt.san.plugins.module_utils._plan.removal import Leaving, Seen
from ansible_collections.virt.san.tests.unit.support.multipathing import path, state, unit, wwid

ONE = path("sda", 1, hctl=Hctl(2, 0, 0, 1))
TWO = path("sdb", 1, hctl=Hctl(3, 0, 0, 1), hba="host3")
MOVED = Remapped(ONE, wwid(1), wwid(7), "data")


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
