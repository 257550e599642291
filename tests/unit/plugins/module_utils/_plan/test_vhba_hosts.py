# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WWNs of several hosts: what would collide is said of each host it concerns, and what cannot be known too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._model.npiv import generated_names
from ansible_collections.virt.san.plugins.module_utils._plan.vhba_hosts import (
    Collisions,
    HostPorts,
    find_collisions,
    names_of_hbas,
    wanted_names,
)

PHYSICAL = {"name": "host3", "wwpn": "2100001b32000000", "wwnn": "2000001b32000000"}
ISCSI = {"name": "host9", "wwpn": None, "wwnn": None}


def ports(*wanted: dict[str, Any], has: tuple[dict[str, Any], ...] | None = ()) -> HostPorts:
    names = [wanted_names(vhba) for vhba in wanted]
    return HostPorts(tuple(one for one in names if one), None if has is None else names_of_hbas(has))


def made(name: str, host: str = "host7") -> dict[str, Any]:
    wwpn, wwnn = generated_names(name, 0, "001a4a")
    return {"name": host, "wwpn": wwpn, "wwnn": wwnn}


def find(**hosts: HostPorts) -> Collisions:
    return find_collisions(hosts)


def test_names_of_their_own() -> None:
    two = ports({"name": "db01"}, {"name": "db01", "instance": 1}, has=(PHYSICAL, ISCSI, made("db01")))
    assert find(kvm1=two, kvm2=ports({"name": "db02"})) == Collisions()


def test_the_same_guest_on_two_hosts() -> None:
    wwpn, _wwnn = generated_names("db01", 0, "001a4a")
    found = find(kvm1=ports({"name": "db01"}), kvm2=ports({"name": "db01"}), kvm3=ports({"name": "db03"}))
    assert found.problems == {
        "kvm1": [f"vHBA db01: its WWPN {wwpn} is also that of vHBA db01 of kvm2"],
        "kvm2": [f"vHBA db01: its WWPN {wwpn} is also that of vHBA db01 of kvm1"],
    }


def test_one_that_another_host_has() -> None:
    wwpn, _wwnn = generated_names("db01", 0, "001a4a")
    found = find(kvm1=ports({"name": "db01"}), kvm2=ports(has=(made("db01"),)))
    assert found.problems == {"kvm1": [f"vHBA db01: its WWPN {wwpn} is also that of host7 of kvm2, which is there"]}


def test_one_that_is_to_go_collides_with_nothing() -> None:
    found = find(kvm1=ports({"name": "db01"}), kvm2=ports({"name": "db01", "state": "absent"}))
    assert found.problems == {}


def test_twice_on_one_host() -> None:
    given_names = {"wwpn": "50:01:a4:a0:00:00:00:01", "wwnn": "50:01:a4:a0:00:00:00:00"}
    found = find(kvm1=ports(given_names, given_names))
    assert len(found.problems["kvm1"]) == 1


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (("5001a4a000000001", "5001a4a000000000"), ("5001a4a000000002", "5001a4a000000000"), "WWNN"),
        (("5001a4a000000001", "5001a4a000000000"), ("5001a4a000000000", "5001a4a000000009"), "is also the WWPN of"),
        (("5001a4a000000001", "2000001b32000000"), None, "is also that of host3 of kvm2, which is there"),
        (("2100001b32000000", "5001a4a000000000"), None, "is also that of host3 of kvm2, which is there"),
        (("2000001b32000000", "5001a4a000000000"), None, "is also the WWNN of host3 of kvm2, which is there"),
    ],
)
def test_names_given(first: tuple[str, str], second: tuple[str, str] | None, says: str) -> None:
    wanted = [{"wwpn": pair[0], "wwnn": pair[1]} for pair in (first, second) if pair]
    found = find(kvm1=ports(wanted[0]), kvm2=ports(*wanted[1:], has=(PHYSICAL,)))
    assert says in found.problems["kvm1"][0]


def test_two_ports_of_a_node_share_its_name() -> None:
    node = "5001a4a000000000"
    found = find(kvm1=ports({"wwpn": "5001a4a000000001", "wwnn": node}, {"wwpn": "5001a4a000000002", "wwnn": node}))
    assert found.problems == {}


def test_hosts_that_were_not_asked_are_named() -> None:
    hosts = {"kvm1": ports({"name": "db01"}), "kvm2": ports({"name": "db01"}, has=None)}
    found = find_collisions({**hosts, "kvm3": HostPorts(failure="no Python")})
    assert "outside the limit" in found.not_asked["kvm2"]
    assert found.not_asked["kvm3"] == "no Python"
    assert set(found.problems) == {"kvm1", "kvm2"}, "what the inventory wants for it counts"


@pytest.mark.parametrize(
    ("vhba", "says"),
    [
        ({}, "give a vHBA a name"),
        ({"wwpn": "5001a4a000000001"}, "give the wwnn"),
        ({"wwpn": "1111222233334444", "wwnn": "5555666677778888"}, "made-up"),
        ({"name": "db01", "instance": -1}, "no instance"),
    ],
)
def test_names_that_cannot_be(vhba: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wanted_names(vhba)


GUESTS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=3, unique=True)


@given(GUESTS, GUESTS)
def test_a_collision_is_one_for_both(first: list[str], second: list[str]) -> None:
    def host(names: list[str]) -> HostPorts:
        return ports(*({"name": name} for name in names))

    found = find(kvm1=host(first), kvm2=host(second))
    common = len({*first} & {*second})
    # The WWPN and, with it, the node's name: told once a vHBA.
    assert [len(found.problems.get(name, [])) for name in ("kvm1", "kvm2")] == [common, common]
