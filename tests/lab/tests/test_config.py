"""Names, addresses and zones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sanlab import config
from sanlab.errors import LabError


def _identities(lab: config.Lab) -> list[str]:
    wwns = [lab.wwpn(port) for port in config.all_ports()] + [lab.wwnn(port) for port in config.all_ports()]
    names = list(config.MACHINES)
    return wwns + [lab.machine_id(name) for name in names] + [lab.initiator_name(name) for name in names]


def test_every_identity_is_unique_within_a_lab_and_between_two():
    one, other = config.Lab(Path("/one/tests/lab"), 0), config.Lab(Path("/other/tests/lab"), 0)
    both = _identities(one) + _identities(other)
    assert len(set(both)) == len(both)
    assert one.runtime != other.runtime


def test_the_same_checkout_of_another_user_is_another_lab():
    assert config.Lab(Path("/x"), 0).key != config.Lab(Path("/x"), 1000).key


def test_identities_are_stable():
    assert _identities(config.Lab(Path("/x"), 0)) == _identities(config.Lab(Path("/x"), 0))


def test_addresses_are_local_unicast_and_names_well_formed():
    lab = config.Lab(Path("/x"), 0)
    for port in config.all_ports():
        assert int(lab.mac(port.machine, port.nic)[:2], 16) & 0b11 == 0b10
        assert re.fullmatch("2000[0-9a-f]{12}", lab.wwpn(port))
    assert re.fullmatch("[0-9a-f]{32}", lab.machine_id("kvm1"))
    assert re.fullmatch(r"iqn\.\d{4}-\d{2}\.[a-z0-9.]+:[a-z0-9.]+", lab.initiator_name("kvm1"))


def test_socket_paths_fit():
    lab = config.Lab(Path("/" + "long/" * 60), 4_000_000_000)
    longest = max(len(str(lab.runtime / f"{port.machine}-{port.nic}.vm")) for port in config.all_ports())
    assert longest < 100


def test_default_zones_hold_one_host_and_the_first_target():
    zones = config.Lab(Path("/x"), 0).default_zones("a")
    assert zones == {"kvm1_a": ["kvm1:a", "array:a"], "kvm2_a": ["kvm2:a", "array:a"]}


def test_second_target_joins_the_zones_of_its_fabric():
    zones = config.Lab(Path("/x"), 0).default_zones("b", second_target=True)
    assert zones["kvm1_b"] == ["kvm1:b", "array:b", "array:b2"]


@pytest.mark.parametrize("name", ["kvm3", "", "kvm1:a"])
def test_an_unknown_machine_is_named_with_those_there_are(name: str):
    with pytest.raises(LabError, match=r"array, kvm1, kvm2"):
        config.machine_named(name)


@pytest.mark.parametrize("name", ["kvm1:a2", "kvm1", "a", "array:mgmt"])
def test_an_unknown_port_is_named_with_those_there_are(name: str):
    with pytest.raises(LabError, match=r"kvm1:a, kvm1:b"):
        config.port_named(name)


def test_the_array_is_no_host():
    with pytest.raises(LabError, match="not a host"):
        config.hosts_named(["array"])


def test_a_wwpn_is_shown_by_its_port():
    lab = config.Lab(Path("/x"), 0)
    port = config.port_named("kvm2:b")
    assert lab.port_of_wwpn(lab.wwpn(port)) == "kvm2:b"
    assert lab.port_of_wwpn("5001a4a000000001") == "5001a4a000000001"
