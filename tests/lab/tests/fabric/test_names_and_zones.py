from __future__ import annotations

import pytest
from sanlab.fabric.logins import FcidAllocator
from sanlab.fabric.names import BadName, FabricNames, fpma, looks_like_wwn, parse_port, parse_wwn
from sanlab.fabric.zoning import ZoneSet

A, B, C = "2000000000000001", "2000000000000002", "2000000000000003"


@pytest.mark.parametrize("text", [A, "0x" + A, "20:00:00:00:00:00:00:01", " 20:00:00:00:00:00:00:01 "])
def test_a_wwn_may_be_written_in_the_usual_ways(text: str) -> None:
    assert parse_wwn(text) == A


@pytest.mark.parametrize("text", ["", "20000000000000", "200000000000000g", "0" * 16, None, 5])
def test_what_is_no_wwn_is_refused(text: object) -> None:
    with pytest.raises(BadName):
        parse_wwn(text)
    assert not looks_like_wwn(str(text))


def test_a_port_is_a_machine_and_a_card() -> None:
    assert parse_port("kvm1:a") == "kvm1:a"
    with pytest.raises(BadName, match="MACHINE:NIC"):
        parse_port("kvm1")


def test_a_fabric_has_the_same_addresses_after_a_restart_and_others_than_its_neighbour() -> None:
    one, again, other = FabricNames("a"), FabricNames("a"), FabricNames("b")
    assert (one.mac, one.switch_wwn, one.fabric_wwn, one.domain) == (
        again.mac,
        again.switch_wwn,
        again.fabric_wwn,
        again.domain,
    )
    assert one.mac != other.mac
    assert one.fabric_wwn != other.fabric_wwn
    assert one.domain != other.domain
    assert not one.mac[0] & 1
    with pytest.raises(BadName, match="domain"):
        FabricNames("a", 240)


def test_the_mac_address_of_a_port_holds_its_fc_id() -> None:
    assert fpma(0x1C0101).hex() == "0efc001c0101"


def test_nothing_is_visible_without_a_zone() -> None:
    assert not ZoneSet().allowed(A, B)


def test_members_of_a_zone_see_each_other_and_nobody_else() -> None:
    zones = ZoneSet({"one": [A, B], "two": [B, C]})
    assert zones.allowed(A, B)
    assert zones.allowed(B, C)
    assert not zones.allowed(A, C)
    assert not zones.allowed(A, A)


def test_a_change_names_those_it_concerns() -> None:
    zones = ZoneSet({"one": [A, B]})
    assert zones.replace("one", [A, C]) == {A: {B, C}, B: {A}, C: {A}}
    assert zones.replace("again", [C, A]) == {}
    assert zones.delete("one") == {}
    assert zones.clear() == {A: {C}, C: {A}}


def test_a_zone_without_members_or_name_is_refused_and_nothing_changes() -> None:
    zones = ZoneSet({"one": [A, B]})
    for name, members in (("one", []), (" ", [A]), ("one", ["nonsense"])):
        with pytest.raises(ValueError, match=r"member|name|WWN"):
            zones.replace(name, members)
    with pytest.raises(ValueError, match="no zone two; zones: one"):
        zones.delete("two")
    assert zones.to_json() == {"one": [A, B]}


def test_fc_ids_stay_with_their_wwpn() -> None:
    first = FcidAllocator(0x1C)
    assert [first.get(A, 0), first.get(B, 0), first.get(C, 1)] == [0x1C0100, 0x1C0101, 0x1C0200]
    assert first.get(A, 5) == 0x1C0100
    restarted = FcidAllocator(0x1C, dict(first.assigned))
    assert restarted.get(C, 0) == 0x1C0200
    assert restarted.get("2000000000000004", 0) == 0x1C0102
    assert restarted.wwpn_of(0x1C0101) == B


def test_fc_ids_of_another_domain_are_forgotten() -> None:
    assert FcidAllocator(0x1D, {A: 0x1C0100}).assigned == {}


def test_a_full_area_spills_into_the_next_and_a_full_domain_says_so() -> None:
    fcids = FcidAllocator(0x1C, {f"{n:016x}": 0x1C0100 + n for n in range(256)})
    assert fcids.get(A, 0) == 0x1C0200
    full = FcidAllocator(0x1C, {f"{n:016x}": 0x1C0100 + n for n in range(0x10000 - 0x100)})
    assert full.get(A, 0) is None
