"""Logging in and out: FIP, the fabric's services, state changes, restarts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sanlab.fabric.state import State

HBA, TARGET, VHBA = "2000525400fc0001", "2000525400fc0009", "2000525400fc0099"


def logins(world: Any) -> list[str]:
    return [login.wwpn for login in world.switch.fabric.logins]


def rscn_of(frames: list[Any]) -> list[int]:
    """The FC ids of all state changes among these frames."""
    found = []
    for item in frames:
        if not item.fip and item.payload[:1] == b"\x61":
            found += [int.from_bytes(item.payload[at : at + 4], "big") for at in range(4, len(item.payload), 4)]
    return found


def cleared(frames: list[Any]) -> list[bytes]:
    return [item.raw[44:] for item in frames if item.fip and item.kind == (3, 2)]


def test_a_solicitation_is_answered_to_its_sender_alone(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA)
    answers = host.fip(1, 1, bytes.fromhex("0202525400000000 04030000 1000000000000001 0601086e".replace(" ", "")))
    assert len(answers) == 1
    assert answers[0].raw[:6] == host.enode
    assert answers[0].raw[22:24].hex() == "8007"
    assert len(answers[0].raw) == 14 + 0x086E
    assert not world.take()


def test_advertisements_come_with_every_keep_alive_period(world: Any) -> None:
    world.wait(16.5)
    adverts = [item for item in world.take(0) if item.kind == (1, 2)]
    assert len(adverts) == 2
    assert adverts[0].raw[:6].hex() == "011018010001"


def test_a_flogi_gets_an_address_and_its_mac(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA)
    answer = host.ask_login()
    domain = world.switch.fabric.config.names.domain
    assert answer.raw[:6] == host.enode
    assert answer.raw[24] == 7
    assert answer.raw[29:32].hex() == f"{domain:02x}0100"
    assert answer.raw[33:36].hex() == "fffffe"
    assert answer.login_payload[0] == 2
    assert answer.raw[24 + answer.raw[25] * 4 :].hex() == f"02020efc00{domain:02x}0100"


def test_virtual_ports_share_the_card_and_get_addresses_of_their_own(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA).log_in()
    vport = host.vport(VHBA)
    assert vport.fcid == host.fcid + 1
    assert [login.is_npiv for login in world.switch.fabric.logins] == [False, True]


def test_fdisc_without_flogi_is_told_to_log_in_first(world: Any, make_host: Any) -> None:
    answer = make_host(world, 0, VHBA).ask_login(npiv=True)
    assert answer.login_payload[:8].hex() == "0100000000031e00"


def test_a_reject_carries_no_mac(world: Any, make_host: Any) -> None:
    answer = make_host(world, 0, VHBA).ask_login(npiv=True)
    assert len(answer.raw) == 24 + answer.raw[25] * 4


def test_a_new_flogi_drops_all_virtual_ports_of_the_host(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA).log_in()
    host.vport(VHBA)
    host.log_in()
    assert logins(world) == [HBA]


def test_a_repeated_fdisc_replaces_its_login_only(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA).log_in()
    first = host.vport(VHBA)
    assert host.vport(VHBA).fcid == first.fcid
    assert sorted(logins(world)) == [HBA, VHBA]


def test_a_logo_is_accepted_with_the_mac_and_ends_the_login(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA).log_in()
    vport = host.vport(VHBA)
    frame = bytes.fromhex(f"22fffffe00{vport.fcid:06x}01290000000000000011ffff00000000")
    frame += bytes.fromhex(f"0500000000{vport.fcid:06x}{VHBA}")
    descriptors = bytes((9, (len(frame) + 4) // 4, 0, 0)) + frame + b"\x02\x02" + vport.mac
    answer = host.fip(2, 1, descriptors)[0]
    assert answer.raw[24] == 9
    assert answer.raw[52:56].hex() == "02000000"
    assert answer.raw[-8:] == b"\x02\x02" + vport.mac
    assert logins(world) == [HBA]


def test_a_logo_of_a_port_takes_its_virtual_ports_along(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA).log_in()
    host.vport(VHBA)
    host.send(0xFFFFFE, bytes.fromhex(f"0500000000{host.fcid:06x}{HBA}"))
    assert logins(world) == []


def test_an_unknown_link_service_inside_fip_is_rejected(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA)
    frame = bytes.fromhex("22fffffe0000000001290000000000000011ffff00000000") + b"\x0e\0\0\0"
    answer = host.fip(2, 1, bytes((7, (len(frame) + 4) // 4, 0, 0)) + frame + b"\x02\x02" + bytes(6))[0]
    assert answer.raw[52:60].hex() == "01000000000b2c00"


# Registration and state changes


def test_peers_hear_of_a_port_when_it_has_registered_and_not_before(world: Any, make_host: Any) -> None:
    world.command("zone_set", name="z", members=[HBA, TARGET])
    host = make_host(world, 0, HBA).log_in().register()
    target = make_host(world, 2, TARGET, target=True).log_in()
    assert rscn_of(world.take(0)) == []
    target.register()
    frames = world.take(0)
    assert rscn_of(frames) == [target.fcid]
    notice = frames[0]
    assert notice.raw[:6] == host.mac
    assert notice.header.hex().startswith(f"22{host.fcid:06x}00fffffd01290000")


def test_ports_without_a_common_zone_hear_nothing(world: Any, make_host: Any) -> None:
    make_host(world, 0, HBA).log_in().register()
    make_host(world, 2, TARGET).log_in().register()
    assert rscn_of(world.take()) == []


def test_whoever_has_not_asked_for_state_changes_is_not_told(world: Any, make_host: Any) -> None:
    world.command("zone_set", name="z", members=[HBA, TARGET])
    make_host(world, 0, HBA).log_in()
    make_host(world, 2, TARGET).log_in().register()
    assert rscn_of(world.take(0)) == []


def test_peers_hear_of_a_logout(pair: Any) -> None:
    pair.target.send(0xFFFFFE, b"\x05" + bytes(15))
    assert rscn_of(pair.world.take(0)) == [pair.target.fcid]


def test_a_state_change_is_repeated_until_it_is_answered(pair: Any) -> None:
    world = pair.world
    world.command("zone_delete", name="z")
    first = [item for item in world.take(0) if not item.fip]
    assert len(first) == 1
    world.wait(2.5)
    again = [item for item in world.take(0) if not item.fip]
    assert len(again) == 1
    ox_id = int.from_bytes(again[0].header[16:18], "big")
    pair.initiator.send(0xFFFFFD, b"\x02\0\0\0", r_ctl=0x23, ox_id=ox_id)
    world.wait(10)
    assert rscn_of(world.take(0)) == []


def test_a_state_change_nobody_answers_is_given_up(pair: Any) -> None:
    pair.world.command("zone_delete", name="z")
    pair.initiator.ct(0x0172, b"\0\0\0\x08")
    for _ in range(5):
        pair.world.wait(3)
        pair.initiator.ct(0x0112, pair.initiator.own_id)
        pair.target.ct(0x0112, pair.target.own_id)
    assert any("unanswered" in line for line in pair.world.log)
    pair.world.take()
    pair.world.wait(5)
    assert rscn_of(pair.world.take()) == []


def test_new_features_of_a_registered_port_are_news(pair: Any) -> None:
    pair.target.ct(0x021F, pair.target.own_id + bytes((0, 0, 3, 8)))
    assert rscn_of(pair.world.take(0)) == [pair.target.fcid]
    pair.target.ct(0x021F, pair.target.own_id + bytes((0, 0, 3, 8)))
    assert rscn_of(pair.world.take(0)) == []


# The fabric's other services


def test_the_name_server_accepts_a_login_under_a_name_of_its_own(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA).log_in()
    request = host.login_payload(3, HBA)
    answer = host.send(0xFFFFFC, request)[0]
    assert answer.payload[0] == 2
    assert answer.payload[4:20] == request[4:20]
    assert answer.payload[20:28].hex() not in (HBA, host.wwnn)
    assert answer.header[1:8].hex() == f"{host.fcid:06x}00fffffc"


@pytest.mark.parametrize(
    ("d_id", "payload", "answer"),
    [
        (0xFFFFFC, "05000000", "02000000"),  # LOGO
        (0xFFFFFC, "0e000000", "02000000 00000fa0 000007d0 00000000"),  # RTV
        (0xFFFFFD, "10000000 41424344", "02000000 41424344"),  # ECHO
        (0xFFFFFC, "20100014", "0100000000 0b2c00"),  # PRLI
        (0xFFFFFC, "62000000 00000003", "0100000000 0b2c00"),  # SCR at the wrong door
        (0xFFFFFE, "7f000000", "0100000000 0b2c00"),  # EVFP
        (0xFFFFFC, "03000000", "0100000000 0b2c00"),  # PLOGI cut short
    ],
)
def test_link_services_are_answered_or_politely_rejected(
    world: Any, make_host: Any, d_id: int, payload: str, answer: str
) -> None:
    host = make_host(world, 0, HBA).log_in()
    assert host.send(d_id, bytes.fromhex(payload))[0].payload == bytes.fromhex(answer)


def test_an_abort_is_accepted(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA).log_in()
    answer = host.send(0xFFFFFC, b"", r_ctl=0x81, fc_type=0, ox_id=0x77)[0]
    assert answer.header[0] == 0x84
    assert answer.payload.hex() == "000000000077ffff0000ffff"


# Hosts that come and go


def test_a_silent_host_is_logged_out_after_two_and_a_half_periods(pair: Any) -> None:
    world = pair.world
    for _ in range(3):
        world.wait(8)
        pair.initiator.fip(3, 1, b"\x02\x02" + pair.initiator.enode)
    assert logins(world) == [HBA]
    frames = world.take(2)
    assert len(cleared(frames)) == 1
    assert cleared(frames)[0].hex().endswith(TARGET)


def test_a_machine_that_goes_away_is_logged_out_at_once(pair: Any) -> None:
    pair.world.switch.set_link(2, False)
    assert logins(pair.world) == [HBA]
    assert rscn_of(pair.world.take(0)) == [pair.target.fcid]


def test_link_up_clears_whatever_the_host_still_believes(world: Any) -> None:
    world.switch.set_link(0, False)
    world.take()
    world.switch.set_link(0, True)
    frames = world.take(0)
    assert [item.kind for item in frames] == [(3, 2), (1, 2)]
    assert cleared(frames) == [bytes(16)]


def test_after_a_restart_unknown_addresses_are_cleared_by_their_name(pair: Any, make_world: Callable[..., Any]) -> None:
    state = State(dict(pair.world.switch.fabric.state.fcids), pair.world.switch.fabric.state.zones)
    restarted = make_world(state)
    pair.initiator.world = restarted
    frames = pair.initiator.send(pair.target.fcid, bytes(32), r_ctl=6, fc_type=8)
    assert [item.hex() for item in cleared(frames)] == [
        f"0b05{pair.initiator.mac.hex()}00{pair.initiator.fcid:06x}{HBA}"
    ]
    assert pair.initiator.send(pair.target.fcid, bytes(32), r_ctl=6, fc_type=8) == []
    restarted.wait(3)
    restarted.take()
    assert len(cleared(pair.initiator.send(pair.target.fcid, bytes(32), r_ctl=6, fc_type=8))) == 1
    before = pair.initiator.fcid
    assert pair.initiator.log_in().fcid == before


def test_after_a_restart_a_host_that_only_keeps_alive_is_told_once(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA)
    assert cleared(host.fip(3, 1, b"\x02\x02" + host.enode)) == [bytes(16)]
    assert host.fip(3, 1, b"\x02\x02" + host.enode) == []


def test_a_keep_alive_of_an_unknown_virtual_port_is_cleared(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA).log_in()
    fcid = host.fcid + 7
    link = bytes.fromhex(f"0b050efc00{fcid:06x}00{fcid:06x}{VHBA}")
    frames = host.fip(3, 1, b"\x02\x02" + host.enode + link, src=bytes.fromhex(f"0efc00{fcid:06x}"))
    assert len(cleared(frames)) == 1
    known = bytes.fromhex(f"0b050efc00{host.fcid:06x}00{host.fcid:06x}{HBA}")
    assert host.fip(3, 1, b"\x02\x02" + host.enode + known, src=host.mac) == []


def test_a_keep_alive_of_a_virtual_port_without_address_clears_nothing(world: Any, make_host: Any) -> None:
    """libfcoe sends it for a virtual port whose FDISC is being rejected; an answer would reset the whole card."""
    host = make_host(world, 0, HBA).log_in()
    link = bytes.fromhex(f"0b050efc0000000000000000{VHBA}")
    assert host.fip(3, 1, b"\x02\x02" + host.enode + link) == []


def test_frames_of_a_login_that_just_ended_are_ignored(pair: Any) -> None:
    pair.world.command("logout", wwpn=HBA)
    assert len(cleared(pair.world.take(0))) == 1
    assert pair.initiator.send(pair.target.fcid, bytes(32), r_ctl=6, fc_type=8) == []


@pytest.mark.parametrize(
    "frame",
    [
        "ffffffffffff525400000000891410000002000100078000 07070000 22fffffe00000000012900000000000000 11ffff00000000",
        "ffffffffffff 525400000000 8914",
        "ffffffffffff 525400000000 8914 1000 0002 0001 0001 8000 07010000",
        "ffffffffffff 525400000000 8914 1000 0002 0001 0004 8000 0704 0000 22fffffe0000000001290000",
        "ffffffffffff 525400000000 8914 1000 0004 0001 0000 8000",
        "ffffffffffff 525400000000 8906" + "00" * 20,
        "525400000000",
        "",
    ],
)
def test_nonsense_is_dropped(world: Any, frame: str) -> None:
    world.give(0, bytes.fromhex(frame))
    assert not [item for item in world.take() if item.fip]
    assert logins(world) == []
