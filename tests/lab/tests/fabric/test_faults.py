"""The commands of the control socket, and what each fault does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sanlab.fabric import state
from sanlab.fabric.state import StateError

HBA, HBA2, TARGET, VHBA, VHBA2 = (f"2000525400fc{n}" for n in ("0001", "0002", "0009", "0099", "0098"))


def logins(world: Any) -> list[str]:
    return sorted(login.wwpn for login in world.switch.fabric.logins)


def reason(answer: Any) -> str:
    return str(answer.login_payload[5:7].hex()) if answer.login_payload[0] == 1 else "accepted"


def command_passes(pair: Any) -> bool:
    pair.initiator.send(pair.target.fcid, bytes(32), r_ctl=6, fc_type=8)
    return bool(pair.world.take(pair.target.port))


def test_status_tells_ports_logins_zones_and_faults(pair: Any) -> None:
    pair.initiator.vport(VHBA)
    status = pair.world.command("status")
    port = status["ports"][0]
    assert (port["port"], port["up"], port["link"], port["mac"]) == ("kvm1:a", True, True, "52:54:00:00:00:00")
    base, vport = port["logins"]
    assert base == {
        "wwpn": HBA,
        "wwnn": "10" + HBA[2:],
        "fcid": f"{pair.initiator.fcid:06x}",
        "mac": pair.initiator.mac.hex(":"),
        "is_npiv": False,
        "registered": True,
        "type": "initiator",
        "symbolic_name": "fcoe",
    }
    assert (vport["is_npiv"], vport["registered"], vport["type"]) == (True, False, "unknown")
    assert status["ports"][2]["logins"][0]["type"] == "target"
    assert status["zones"] == {"z": [HBA, TARGET]}
    assert status["faults"]["npiv"] is True
    assert status["counters"]["logins"] == 3


def test_a_rezoned_pair_is_told_on_both_sides(pair: Any) -> None:
    assert pair.world.command("zone_delete", name="z") == {"changed": True}
    told = [(port, data[-12:-8].hex()) for port, data in pair.world.sent]
    assert told == [(0, f"00{pair.target.fcid:06x}"), (2, f"00{pair.initiator.fcid:06x}")] or told == [
        (2, f"00{pair.initiator.fcid:06x}"),
        (0, f"00{pair.target.fcid:06x}"),
    ]


def test_a_zone_set_as_it_was_tells_nobody(pair: Any) -> None:
    assert pair.world.command("zone_set", name="z", members=["20:00:52:54:00:fc:00:01", "0x" + TARGET]) == {
        "changed": False
    }
    assert pair.world.take() == []
    assert pair.world.command("zone_list") == {"zones": {"z": [HBA, TARGET]}}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"cmd": "nonsense"}, "unknown command 'nonsense'; there are status, zone_set"),
        ({}, '"cmd"'),
        ([1], '"cmd"'),
        ({"cmd": "zone_set", "name": "z"}, "members is missing"),
        ({"cmd": "zone_set", "name": "z", "members": "x"}, "list of WWPNs"),
        ({"cmd": "zone_set", "name": "z", "members": ["x"]}, "'x' is not a WWN"),
        ({"cmd": "port", "port": "kvm9:a", "up": True}, "fabric a has no port kvm9:a; ports: kvm1:a, kvm2:a, array:a"),
        ({"cmd": "port", "port": "kvm1:a", "up": "yes"}, "up: true or false"),
        ({"cmd": "port", "port": "kvm1:a", "up": True, "colour": "red"}, "unknown argument colour"),
        ({"cmd": "npiv"}, "enabled: true or false"),
        ({"cmd": "vport_limit", "port": "kvm1:a", "max": -1}, "max: a number"),
        ({"cmd": "vport_limit", "port": "kvm9:a", "max": 1}, "has no port kvm9:a"),
        ({"cmd": "reject_logins", "kinds": ["ploggi"]}, "kinds: ploggi; there are flogi, fdisc, plogi"),
        ({"cmd": "reject_logins", "count": 0}, "at least one"),
        ({"cmd": "reject_logins", "count": "two"}, "count: a number"),
        ({"cmd": "reject_logins", "wwpn": HBA, "port": "kvm1:a"}, "exclude each other"),
        ({"cmd": "drop_fcp", "port": "nonsense"}, "is not a port name"),
        ({"cmd": "logout", "wwpn": HBA}, f"{HBA} is not logged in"),
        ({"cmd": "duplicate_wwpn", "keep": "both"}, "first or last"),
    ],
)
def test_wrong_commands_are_refused_in_clear_words(world: Any, request_: object, words: str) -> None:
    answer = world.admin.handle(request_)
    assert answer["ok"] is False
    assert words in answer["error"]


# Rejected logins


def test_logins_of_one_kind_are_rejected_until_told_otherwise(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA).log_in()
    world.command("reject_logins", kinds=["fdisc"])
    assert reason(host.ask_login(npiv=True, wwpn=VHBA)) == "0900"
    assert reason(host.ask_login()) == "accepted"
    world.command("reject_logins", kinds=["fdisc"], enabled=False)
    assert reason(host.ask_login(npiv=True, wwpn=VHBA)) == "accepted"


def test_the_next_two_logins_are_rejected_and_the_third_is_not(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA)
    world.command("reject_logins", port="kvm1:a", count=2)
    assert [reason(host.ask_login()) for _ in range(3)] == ["0900", "0900", "accepted"]
    assert world.command("status")["faults"]["rejects"] == []


def test_rejects_may_mean_one_port_or_one_wwpn(world: Any, make_host: Any) -> None:
    one, two = make_host(world, 0, HBA), make_host(world, 1, HBA2)
    world.command("reject_logins", wwpn=HBA)
    assert (reason(one.ask_login()), reason(two.ask_login())) == ("0900", "accepted")
    world.command("reject_logins", wwpn=HBA, enabled=False)
    world.command("reject_logins", port="kvm2:a", kinds=["flogi"])
    assert (reason(one.ask_login()), reason(two.ask_login())) == ("accepted", "0900")


def test_a_rejected_plogi_is_answered_in_the_name_of_its_destination(pair: Any) -> None:
    pair.world.command("reject_logins", wwpn=TARGET, kinds=["plogi"], count=1)
    plogi = pair.initiator.login_payload(3, HBA)
    answer = pair.initiator.send(pair.target.fcid, plogi)
    assert answer[0].payload.hex() == "0100000000090000"
    assert answer[0].header[1:8].hex() == f"{pair.initiator.fcid:06x}00{pair.target.fcid:06x}"
    assert pair.world.take() == []
    pair.initiator.send(pair.target.fcid, plogi)
    assert [item.payload for item in pair.world.take(2)] == [plogi]


def test_other_link_services_pass_while_plogi_is_rejected(pair: Any) -> None:
    pair.world.command("reject_logins", kinds=["plogi"])
    pair.initiator.send(pair.target.fcid, b"\x52" + bytes(27))
    assert len(pair.world.take(2)) == 1


# NPIV


def test_with_npiv_off_hosts_log_in_again_and_are_told(pair: Any) -> None:
    pair.initiator.vport(VHBA)
    pair.world.command("npiv", enabled=False)
    assert logins(pair.world) == [TARGET]
    answer = pair.initiator.ask_login()
    assert answer.login_payload[8:10].hex() == "1000"
    assert reason(pair.initiator.ask_login(npiv=True, wwpn=VHBA)) == "0b2c"
    pair.world.command("npiv", enabled=True)
    assert pair.initiator.ask_login().login_payload[8:10].hex() == "3000"


def test_npiv_can_be_turned_off_without_disturbing_the_ports_themselves(pair: Any) -> None:
    pair.initiator.vport(VHBA)
    pair.world.command("npiv", enabled=False, relogin=False)
    assert logins(pair.world) == [HBA, TARGET]


def test_clearing_the_faults_brings_npiv_back_to_the_hosts(pair: Any) -> None:
    pair.world.command("npiv", enabled=False, relogin=False)
    pair.world.command("clear_faults")
    assert logins(pair.world) == [TARGET]
    assert pair.initiator.ask_login().login_payload[8:10].hex() == "3000"


def test_a_port_takes_only_so_many_virtual_ports(world: Any, make_host: Any) -> None:
    host = make_host(world, 0, HBA).log_in()
    world.command("vport_limit", port="kvm1:a", max=1)
    host.vport(VHBA)
    assert reason(host.ask_login(npiv=True, wwpn=VHBA2)) == "0929"
    host.vport(VHBA)  # logging in again is not one more
    world.command("vport_limit", port="kvm1:a", max=None)
    host.vport(VHBA2)


def test_a_limit_for_all_ports_gives_way_to_one_of_the_port(world: Any, make_host: Any) -> None:
    world.command("vport_limit", port=None, max=0)
    world.command("vport_limit", port="kvm2:a", max=1)
    one, two = make_host(world, 0, HBA).log_in(), make_host(world, 1, HBA2).log_in()
    assert reason(one.ask_login(npiv=True, wwpn=VHBA)) == "0929"
    two.vport(VHBA)


# Duplicates


def test_the_second_login_of_a_wwpn_is_rejected_as_an_invalid_name(world: Any, make_host: Any) -> None:
    make_host(world, 0, HBA).log_in()
    second = make_host(world, 1, HBA)
    assert reason(second.ask_login()) == "070d"
    two = make_host(world, 1, HBA2).log_in()
    assert reason(two.ask_login(npiv=True, wwpn=HBA)) == "070d"
    world.switch.set_link(0, False)
    two.vport(HBA)


def test_the_last_login_may_be_made_to_win_but_not_to_fight(world: Any, make_host: Any) -> None:
    world.command("duplicate_wwpn", keep="last")
    first, second = make_host(world, 0, HBA).log_in(), make_host(world, 1, HBA)
    assert reason(second.ask_login()) == "accepted"
    assert reason(first.ask_login()) == "070d"
    assert logins(world) == [HBA]
    world.switch.set_link(1, False)
    assert reason(first.ask_login()) == "accepted"


# Ports and frames


def test_a_disabled_port_logs_out_and_stays_silent(pair: Any) -> None:
    world = pair.world
    world.command("port", port="array:a", up=False)
    sent = world.take(2)
    assert [item.kind for item in sent] == [(3, 2)]
    assert logins(world) == [HBA]
    assert [item.payload[0] for item in world.take(0)] == [0x61]
    world.wait(9)
    assert world.take(2) == []
    pair.target.fip(1, 1, b"\x02\x02" + pair.target.enode)
    assert world.take(2) == []
    world.command("port", port="array:a", up=True)
    assert [item.kind for item in world.take(2)] == [(1, 2)]
    pair.target.log_in()


def test_a_port_can_go_dark_without_a_word(pair: Any) -> None:
    pair.world.command("port", port="array:a", up=False, silent=True)
    assert pair.world.take(2) == []
    assert logins(pair.world) == [HBA]


@pytest.mark.parametrize("scope", [{}, {"port": "kvm1:a"}, {"port": "array:a"}, {"wwpn": HBA}, {"wwpn": TARGET}])
def test_scsi_frames_vanish_while_logins_stay(pair: Any, scope: dict[str, str]) -> None:
    assert command_passes(pair)
    pair.world.command("drop_fcp", **scope)
    assert not command_passes(pair)
    pair.initiator.send(pair.target.fcid, b"\x52" + bytes(27))
    assert len(pair.world.take(2)) == 1
    assert logins(pair.world) == [HBA, TARGET]
    pair.world.command("drop_fcp", enabled=False, **scope)
    assert command_passes(pair)


def test_dropping_for_one_leaves_the_others_alone(pair: Any) -> None:
    pair.world.command("drop_fcp", port="kvm2:a")
    assert command_passes(pair)


def test_clearing_the_faults_leaves_the_zones(pair: Any) -> None:
    world = pair.world
    world.command("drop_fcp")
    world.command("vport_limit", max=3)
    world.command("reject_logins")
    world.command("port", port="kvm2:a", up=False)
    world.command("clear_faults")
    faults = world.command("status")["faults"]
    assert faults == {
        "rejects": [],
        "drop_fcp": [],
        "ports_down": [],
        "vport_limits": {},
        "npiv": True,
        "duplicate_wwpn": "first",
    }
    assert command_passes(pair)
    assert world.command("zone_list") == {"zones": {"z": [HBA, TARGET]}}


def test_stop_stops(world: Any) -> None:
    world.command("stop")
    assert world.stopped


# What outlives a restart


def test_zones_faults_and_addresses_come_back(pair: Any, make_world: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    pair.world.command("vport_limit", port="kvm1:a", max=2)
    pair.world.command("reject_logins", wwpn=HBA2, kinds=["flogi"], count=4)
    pair.world.command("port", port="kvm2:a", up=False)
    pair.world.command("drop_fcp", wwpn=VHBA)
    state.save(file, pair.world.switch.fabric.state)
    restarted = make_world(state.load(file))
    before, after = pair.world.command("status"), restarted.command("status")
    for key in ("zones", "faults", "fcids", "mac", "switch_wwn", "fabric_wwn", "domain"):
        assert after[key] == before[key]
    assert [port["up"] for port in after["ports"]] == [True, False, True]
    assert list(tmp_path.iterdir()) == [file]


def test_without_a_file_a_switch_starts_empty(tmp_path: Path) -> None:
    assert state.load(tmp_path / "none").zones.zones == {}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 9}', '{"version": 1, "fcids": {"x": 1}}'])
def test_a_file_that_is_no_state_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(StateError, match=r"a\.json: not the state of a fabric switch"):
        state.load(file)
