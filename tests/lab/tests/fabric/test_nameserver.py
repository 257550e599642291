"""The name server's answers, byte for byte as libfc takes them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

FCP = bytes.fromhex("00000008")


def ids(answer: bytes) -> list[int]:
    return [int.from_bytes(answer[at + 1 : at + 4], "big") for at in range(16, len(answer), 16)]


def test_gpn_ft_lists_the_peers_of_the_zone(pair: Any) -> None:
    answer = pair.initiator.ct(0x0172, FCP)
    fcid = f"{pair.target.fcid:06x}"
    assert answer.hex() == f"01000000fc020000800200000000000080{fcid}000000002000525400fc0009"


def test_the_last_entry_alone_is_marked_as_the_last(pair: Any, make_host: Any) -> None:
    second = make_host(pair.world, 1, "2000525400fc0002").log_in().register()
    pair.world.command("zone_set", name="z", members=[*pair.members, second.wwpn])
    answer = pair.initiator.ct(0x0172, FCP)
    assert [answer[at] for at in range(16, len(answer), 16)] == [0, 0x80]
    assert sorted(ids(answer)) == sorted([second.fcid, pair.target.fcid])


def test_a_long_list_comes_in_several_frames(make_world: Callable[..., Any], make_host: Any) -> None:
    """Entries are cut at frame borders: libfc keeps the rest for the next frame."""
    world = make_world(max_payload=56)
    host = make_host(world, 0, "2000525400fc0001").log_in().register()
    wwpns = [f"2000525400fc01{n:02x}" for n in range(8)]
    base = make_host(world, 1, "2000525400fc0002").log_in()
    ports = [base.vport(wwpn).register() for wwpn in wwpns]
    world.command("zone_set", name="z", members=[host.wwpn, *wwpns])
    world.take()
    request = bytes.fromhex("01000000fc02000001720000 00000000") + FCP
    frames = host.send(0xFFFFFC, request, r_ctl=2, fc_type=0x20)
    assert [len(item.payload) for item in frames] == [56, 56, 32]
    assert [item.raw[27] for item in frames] == [0x2E, 0x36, 0x36]
    assert ids(b"".join(item.payload for item in frames)) == sorted(port.fcid for port in ports)


@pytest.mark.parametrize("command", [0x0171, 0x0172, 0x0173])
def test_an_empty_list_is_the_reject_that_libfc_takes_for_success(world: Any, make_host: Any, command: int) -> None:
    alone = make_host(world, 0, "2000525400fc0001").log_in().register()
    answer = alone.ct(command, FCP)
    assert answer.hex() == "01000000fc0200008001000000090700"


def test_a_port_is_listed_only_when_it_has_asked_for_state_changes(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, "2000525400fc0001").log_in().register()
    target = make_host(world, 2, "2000525400fc0009", target=True).log_in()
    world.command("zone_set", name="z", members=[host.wwpn, target.wwpn])
    assert host.ct(0x0172, FCP)[8:10].hex() == "8001"
    target.register()
    assert ids(host.ct(0x0172, FCP)) == [target.fcid]


def test_a_port_without_the_fc4_type_is_not_listed(pair: Any) -> None:
    assert pair.initiator.ct(0x0172, bytes.fromhex("00000028"))[8:10].hex() == "8001"


def test_a_list_can_be_asked_for_one_domain_and_area(pair: Any) -> None:
    domain, area = pair.target.fcid >> 16, pair.target.fcid >> 8 & 0xFF
    assert ids(pair.initiator.ct(0x0172, bytes((0, domain, area, 8)))) == [pair.target.fcid]
    assert pair.initiator.ct(0x0172, bytes((0, domain, area + 1, 8)))[8:10].hex() == "8001"
    assert pair.initiator.ct(0x0172, bytes((0, domain - 1, 0, 8)))[8:10].hex() == "8001"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (0x0112, "2000525400fc0009"),  # GPN_ID
        (0x0113, "1000525400fc0009"),  # GNN_ID
        (0x0117, "00000120" + "00" * 28),  # GFT_ID
        (0x0118, "0466636f65000000"),  # GSPN_ID
        (0x011A, "01000000"),  # GPT_ID
        (0x011F, "00000000 00000001".replace(" ", "") + "00" * 120),  # GFF_ID
    ],
)
def test_what_is_known_of_a_port(pair: Any, command: int, expected: str) -> None:
    answer = pair.initiator.ct(command, pair.target.own_id)
    assert answer[8:10].hex() == "8002"
    assert answer[16:].hex() == expected


def test_ports_are_found_by_their_names(pair: Any) -> None:
    fcid = pair.target.own_id
    assert pair.initiator.ct(0x0121, bytes.fromhex(pair.target.wwpn))[16:] == fcid
    assert pair.initiator.ct(0x0131, bytes.fromhex(pair.target.wwnn))[16:] == b"\x80" + fcid[1:]
    assert pair.initiator.ct(0x01A1, bytes.fromhex("7f000000"))[16:] == b"\x80" + fcid[1:]
    assert pair.initiator.ct(0x0171, FCP)[16:] == b"\x80" + fcid[1:]


def test_gfpn_id_names_the_switch_port(pair: Any) -> None:
    wwn = pair.world.switch.fabric.config.names.f_port_wwn(2)
    assert pair.initiator.ct(0x011C, pair.target.own_id)[16:].hex() == wwn


@pytest.mark.parametrize(("command", "explanation"), [(0x0112, 1), (0x0113, 1), (0x011F, 1), (0x0118, 1)])
def test_a_port_of_another_zone_does_not_exist(pair: Any, make_host: Any, command: int, explanation: int) -> None:
    stranger = make_host(pair.world, 1, "2000525400fc0002").log_in().register()
    answer = stranger.ct(command, pair.target.own_id)
    assert answer[8:16].hex() == f"80010000 0009{explanation:02x}00".replace(" ", "")
    assert stranger.ct(0x0121, bytes.fromhex(pair.target.wwpn))[13:15].hex() == "0902"
    assert stranger.ct(0x0131, bytes.fromhex(pair.target.wwnn))[13:15].hex() == "0903"


def test_a_port_may_ask_about_itself_and_register_only_itself(pair: Any) -> None:
    assert pair.initiator.ct(0x0112, pair.initiator.own_id)[16:].hex() == pair.initiator.wwpn
    assert pair.initiator.ct(0x0217, pair.target.own_id + bytes(32))[8:10].hex() == "8001"
    assert pair.initiator.ct(0x0239, bytes.fromhex(pair.target.wwnn) + b"\0")[8:10].hex() == "8001"


def test_the_symbolic_node_name_is_accepted(pair: Any) -> None:
    name = bytes.fromhex(pair.initiator.wwnn) + b"\x04kvm1"
    assert pair.initiator.ct(0x0239, name)[8:10].hex() == "8002"


@pytest.mark.parametrize(
    "request_hex", ["01000000fc02000001010000 00000000", "01000000fa01000001000000 00000000", "01"]
)
def test_unknown_requests_are_rejected_as_unsupported(pair: Any, request_hex: str) -> None:
    answers = pair.initiator.send(0xFFFFFC, bytes.fromhex(request_hex), r_ctl=2, fc_type=0x20)
    assert answers[0].payload[8:10].hex() == "8001"
    assert answers[0].payload[13] == 0x0B


def test_the_management_server_takes_logins_and_rejects_the_rest(pair: Any) -> None:
    assert pair.initiator.send(0xFFFFFA, pair.initiator.login_payload(3, pair.initiator.wwpn))[0].payload[0] == 2
    request = bytes.fromhex("01000000fa10000002000000 00000000")
    answers = pair.initiator.send(0xFFFFFA, request, r_ctl=2, fc_type=0x20)
    assert answers[0].payload[8:10].hex() == "8001"
