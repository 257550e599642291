# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A LUN number is no identity, and a path is only what it says when asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import AmbiguousError, IdentityError, InUseError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San, Use
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.plugins.module_utils._plan import identity
from ansible_collections.virt.san.plugins.module_utils._plan.expect import view
from ansible_collections.virt.san.plugins.module_utils._plan.expected import Expect
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import Request, select
from ansible_collections.virt.san.tests.unit.support.fabric import GIB, FakeSan, Volume, two_fabrics, wwid, wwpn

MOUNT = Use("mount", "dm-0", "/srv/guests")


def check(san: FakeSan, request: Request, allowed: frozenset[Wwid] = frozenset()) -> None:
    identity.refuse_ambiguous(view(san.seen(), select(san.hbas, request), request), allowed)


@pytest.fixture
def double() -> FakeSan:
    san = two_fabrics()
    san.put("host2", wwpn(1), 27, Volume(1), scanned=True)
    san.put("host3", wwpn(2), 27, Volume(2, size=2 * GIB), scanned=True)
    san.uses[wwid(2)] = (MOUNT,)
    return san


def test_one_free_unit_is_meant() -> None:
    check(two_fabrics(luns={27: 1}, scanned=[27]), Request(luns=(27,)))


def test_two_units_with_one_number_are_listed(double: FakeSan) -> None:
    with pytest.raises(AmbiguousError) as caught:
        check(double, Request(luns=(27,)))
    message = caught.value.message
    assert f"LUN 27 means more than one unit on this host: {wwid(1)} of 1G" in message
    assert f"over host2 to {wwpn(1)}, free; {wwid(2)} of 2G" in message
    assert "used by dm-0 mount /srv/guests" in message
    assert "targets, expect.sizes or expect.wwids" in message
    first, second = caught.value.details["candidates"]
    assert (first["wwid"], first["size"], first["targets"], first["lun"]) == (wwid(1), GIB, [wwpn(1)], 27)
    assert first["usage"] == {"state": "free", "by": []}
    assert second["usage"] == {"state": "used", "by": [MOUNT.to_dict()]}


@pytest.mark.parametrize(
    "request_",
    [
        Request(luns=(27,), targets=(wwpn(1),)),
        Request(luns=(27,), expect=Expect(lun_sizes={27: GIB})),
        Request(luns=(27,), expect=Expect(wwids=(wwid(1),))),
        Request(luns=(28,)),
        Request(),
    ],
)
def test_two_units_told_apart(double: FakeSan, request_: Request) -> None:
    check(double, request_)


def test_narrowed_down_to_one_in_use(double: FakeSan) -> None:
    with pytest.raises(InUseError) as caught:
        check(double, Request(luns=(27,), targets=(wwpn(2),)))
    assert "LUN 27 is in use and was not provisioned by an earlier run" in caught.value.message
    assert "known_wwids" in caught.value.message
    assert [one["wwid"] for one in caught.value.details["candidates"]] == [wwid(2)]


def test_in_use_and_known(double: FakeSan) -> None:
    check(double, Request(luns=(27,), targets=(wwpn(2),)), frozenset([wwid(2)]))
    check(double, Request(luns=(27,), targets=(wwpn(2),), expect=Expect(wwids=(wwid(2),))))


def test_a_left_over_partition_is_no_use() -> None:
    san = two_fabrics(luns={27: 1}, scanned=[27])
    san.uses[wwid(1)] = (Use("partition", "sdb1", "1"),)
    check(san, Request(luns=(27,)))


# Identity that cannot be trusted.


def test_a_unit_with_a_problem_is_refused() -> None:
    unit = two_fabrics(luns={27: 1}, scanned=[27]).seen().san.luns[0]
    identity.refuse_untrusted([unit])
    with pytest.raises(IdentityError, match=r"1 requested unit cannot be trusted: .*sizes differ") as caught:
        identity.refuse_untrusted([replace(unit, problem="sizes differ")])
    assert caught.value.details["candidates"][0]["problem"] == "sizes differ"


# Remapped paths.


@pytest.fixture
def unit() -> LogicalUnit:
    san = two_fabrics(luns={27: 1}, scanned=[27])
    san.maps[wwid(1)] = "lun27"
    return san.seen().san.luns[0]


def found(unit: LogicalUnit, *answers: str, device: str = "sd_2_0_27") -> tuple[identity.Remapped, ...]:
    return identity.find_remapped(San(luns=(unit,)), {device: tuple(Wwid(one) for one in answers)})


def test_the_same_answer_as_remembered(unit: LogicalUnit) -> None:
    assert found(unit, wwid(1)) == ()
    assert found(unit, "20025385b71b00a11", wwid(1)) == ()


def test_no_answer_is_no_claim(unit: LogicalUnit) -> None:
    assert found(unit) == ()
    assert identity.find_remapped(San(luns=(unit,)), {}) == ()


def test_another_answer_is_a_remap(unit: LogicalUnit) -> None:
    (one,) = found(unit, wwid(9))
    assert (one.path.device, one.old, one.new, one.map) == ("sd_2_0_27", wwid(1), wwid(9), "lun27")
    with pytest.raises(IdentityError) as caught:
        identity.refuse_remapped([one])
    assert (
        f"sd_2_0_27 (2:0:0:27, LUN 27 over host2 to {wwpn(1)}), a path of map lun27, was {wwid(1)} and is {wwid(9)} now"
        in caught.value.message
    )
    assert caught.value.details["remapped"] == [
        {
            "device": "sd_2_0_27",
            "hctl": "2:0:0:27",
            "lun": 27,
            "hba": "host2",
            "target": wwpn(1),
            "old_wwid": wwid(1),
            "new_wwid": wwid(9),
            "map": "lun27",
        }
    ]


def test_nothing_remapped_is_not_refused() -> None:
    identity.refuse_remapped([])


def test_the_map_remembers_when_udev_has_caught_up(unit: LogicalUnit) -> None:
    """A resize event makes udev ask again; the map's uuid stays what it was."""
    path = replace(unit.paths[0], wwid=wwid(9))
    (one,) = found(replace(unit, paths=(path, unit.paths[1])), wwid(9))
    assert (one.old, one.new, one.map) == (wwid(1), wwid(9), "lun27")


def test_a_path_outside_its_map(unit: LogicalUnit) -> None:
    assert unit.map is not None
    alone = replace(unit, map=replace(unit.map, slaves=("sd_3_0_27",)))
    (one,) = found(alone, wwid(9))
    assert one.map is None


@pytest.mark.parametrize("old", ["1ATA_DISK_1", "SVENDOR_MODEL_1", "0QEMU"])
def test_names_that_udev_rewrites_are_not_compared(unit: LogicalUnit, old: str) -> None:
    path = replace(unit.paths[0], wwid=Wwid(old))
    assert found(replace(unit, map=None, paths=(path,)), wwid(9)) == ()
