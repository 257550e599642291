"""Frames between ports: rewriting, hard zoning, the plain Ethernet beside it."""

from __future__ import annotations

from typing import Any

COMMAND = bytes(range(32))


def command(sender: Any, receiver: Any) -> list[Any]:
    sender.send(receiver.fcid, COMMAND, r_ctl=6, fc_type=8)
    return list(receiver.world.take(receiver.port))


def test_a_frame_is_passed_on_with_new_addresses_and_nothing_else_changed(pair: Any) -> None:
    sent: list[bytes] = []
    give = pair.world.give
    pair.world.give = lambda port, data: (sent.append(data), give(port, data))
    arrived = command(pair.initiator, pair.target)
    assert len(arrived) == 1
    assert arrived[0].raw[:12] == pair.target.mac + pair.initiator.fcf
    assert arrived[0].raw[12:] == sent[0][12:]


def test_both_directions_and_the_second_frame_go_the_same_way(pair: Any) -> None:
    for _ in range(2):
        assert len(command(pair.initiator, pair.target)) == 1
        assert len(command(pair.target, pair.initiator)) == 1


def test_a_zone_taken_away_stops_frames_at_once(pair: Any) -> None:
    assert len(command(pair.initiator, pair.target)) == 1
    pair.world.command("zone_delete", name="z")
    pair.world.take()
    assert command(pair.initiator, pair.target) == []
    assert pair.world.switch.fabric.counters["dropped_by_zoning"] == 1


def test_virtual_ports_are_zoned_for_themselves(pair: Any) -> None:
    vport = pair.initiator.vport("2000525400fc0099")
    pair.world.take()
    assert command(vport, pair.target) == []
    pair.world.command("zone_set", name="v", members=[vport.wwpn, pair.target.wwpn])
    pair.world.take()
    assert len(command(vport, pair.target)) == 1


def test_nobody_sends_in_the_name_of_another(pair: Any, make_host: Any) -> None:
    """Source MAC address, S_ID and port have to belong together (FC-BB-5)."""
    thief = make_host(pair.world, 1, "2000525400fc0002").log_in()
    thief.fcid = pair.initiator.fcid
    assert command(thief, pair.target) == []
    assert pair.world.switch.fabric.counters["dropped_unknown_source"] == 1


def test_frames_for_nobody_are_dropped(pair: Any) -> None:
    pair.initiator.send(pair.target.fcid + 1, COMMAND, r_ctl=6, fc_type=8)
    assert pair.world.take() == []
    assert pair.world.switch.fabric.counters["dropped_no_such_port"] == 1


def test_a_login_outside_of_fip_is_ignored(world: Any, make_host: Any) -> None:
    """libfc tries this when it believes that nobody speaks FIP; an answer would keep it from ever using it."""
    host = make_host(world, 0, "2000525400fc0001")
    assert host.send(0xFFFFFE, host.login_payload(4, host.wwpn)) == []


def test_frames_that_are_not_for_the_switch_are_dropped(pair: Any) -> None:
    give = pair.world.give
    pair.world.give = lambda port, data: give(port, bytes(6) + data[6:])
    assert command(pair.initiator, pair.target) == []


# Plain Ethernet

A, B = bytes.fromhex("525400000001"), bytes.fromhex("525400000002")
IP = bytes.fromhex("0800") + b"payload"


def give(world: Any, port: int, dst: bytes, src: bytes) -> list[int]:
    world.give(port, dst + src + IP)
    out = [at for at, data in world.sent if data[14:] == b"payload"]
    world.take()
    return sorted(out)


def test_ethernet_is_flooded_until_the_address_is_known(world: Any) -> None:
    assert give(world, 0, B, A) == [1, 2]
    assert give(world, 1, A, B) == [0]
    assert give(world, 0, B, A) == [1]
    assert give(world, 0, b"\xff" * 6, A) == [1, 2]


def test_an_address_that_moves_is_learned_anew(world: Any) -> None:
    give(world, 0, B, A)
    give(world, 2, B, A)
    assert give(world, 1, A, B) == [2]


def test_the_addresses_of_a_lost_port_are_forgotten(world: Any) -> None:
    give(world, 0, B, A)
    world.switch.set_link(0, False)
    world.take()
    assert give(world, 1, A, B) == [2]


def test_link_local_frames_stay_on_their_link(world: Any) -> None:
    assert give(world, 0, bytes.fromhex("0180c200000e"), A) == []


def test_a_disabled_port_passes_nothing_in_or_out(world: Any) -> None:
    give(world, 0, B, A)
    world.command("port", port="kvm1:a", up=False)
    world.take()
    assert give(world, 1, A, B) == []
    assert give(world, 1, b"\xff" * 6, B) == [2]
    assert give(world, 0, b"\xff" * 6, A) == []
