# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is suspected without asking, and what is proven by asking."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._model.block import San
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba, Target
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl
from ansible_collections.virt.san.plugins.module_utils._plan.suspect import (
    Address,
    Told,
    proven_stale,
    spokesmen,
    suspects,
)
from ansible_collections.virt.san.tests.unit.support.multipathing import path, unit

ONE = path("sda", 1, hctl=Hctl(2, 0, 0, 1))
TWO = path("sdb", 1, hctl=Hctl(3, 0, 0, 1), hba="host3")
NEIGHBOUR = path("sdc", 2, hctl=Hctl(3, 0, 0, 2), hba="host3")
FAR = path("sdd", 2, hctl=Hctl(3, 0, 1, 2), hba="host3")


def port(state: str) -> Target:
    return Target("5000000000000001", None, state, ("FCP Target",), 0, 0)


def reasons(*ways: object, hba: Hba | None = None, problem: str | None = None) -> dict[str, tuple[str, ...]]:
    units = [unit(1, ways=ways, problem=problem)]
    return {one.path.device: one.reasons for one in suspects(San(hbas=(hba,) if hba else ()), units)}


def test_what_works_is_not_suspected() -> None:
    assert reasons(ONE, replace(TWO, checker="ready"), hba=Hba(2, "fc", targets=(port("Online"),))) == {}


def test_each_reason() -> None:
    assert reasons(replace(ONE, state="transport-offline"), TWO) == {"sda": ("its state is transport-offline",)}
    assert reasons(replace(ONE, size=0), TWO) == {"sda": ("it tells no size",)}
    assert set(reasons(replace(ONE, size=5), TWO)) == {"sda", "sdb"}
    assert reasons(replace(ONE, checker="faulty"), TWO) == {"sda": ("multipathd's checker says faulty",)}
    assert reasons(ONE, hba=Hba(2, "fc", targets=(port("Blocked"),))) == {
        "sda": ("the port 5000000000000001 is Blocked",)
    }
    assert reasons(ONE, TWO, problem="path sda (2:0:0:1) is another unit") == {"sda": ("its identity is in doubt",)}


def test_a_target_is_asked_once_through_the_unit_itself() -> None:
    san = San(luns=(unit(1, ways=(ONE, TWO)), unit(2, ways=(NEIGHBOUR, FAR))))
    assert spokesmen(san, (ONE, TWO)) == {Address(2, 0, 0): ONE, Address(3, 0, 0): TWO}


def test_or_through_a_neighbour_that_runs() -> None:
    down = replace(TWO, state="offline")
    san = San(luns=(unit(1, ways=(ONE, down)), unit(2, ways=(NEIGHBOUR, FAR))))
    assert spokesmen(san, (down,)) == {Address(3, 0, 0): NEIGHBOUR}
    assert spokesmen(San(luns=(unit(1, ways=(down,)),)), (down,)) == {}


def test_only_what_a_target_says_is_proof() -> None:
    here, there = Address(2, 0, 0), Address(3, 0, 0)
    both = (ONE, TWO)
    assert proven_stale(both, {}) == ()
    assert proven_stale(both, {here: Told(ONE, problem="no answer"), there: Told(TWO, problem="no answer")}) == ()
    assert proven_stale(both, {here: Told(ONE, frozenset({1})), there: Told(TWO, frozenset({2}))}) == (TWO,)
    assert proven_stale(both, {here: Told(ONE, refused=True)}) == (ONE,)
    assert proven_stale(both, {there: Told(NEIGHBOUR, refused=True)}) == (), "it spoke for its neighbour"


def test_another_addressing_method_is_no_proof() -> None:
    flat = replace(ONE, hctl=Hctl(2, 0, 0, 0x4001))
    assert proven_stale((flat,), {Address(2, 0, 0): Told(flat, frozenset({1}))}) == ()
