"""Command lines, seeds, ssh configuration; no machine is started."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from sanlab import config, machine, remote, seed, state
from sanlab.config import ARRAY, HOSTS, MACHINES, Lab
from sanlab.image import Image


def _command(lab: Lab, name: str, accel: str = "tcg") -> str:
    return " ".join(machine.qemu_command(lab, MACHINES[name], Image(Path("/image")), accel, 2222))


@pytest.mark.parametrize("name", list(MACHINES))
def test_nothing_is_reachable_from_outside_nor_reaches_out(lab: Lab, name: str):
    command = _command(lab, name)
    assert "restrict=on" in command
    assert "hostfwd=tcp:127.0.0.1:2222-:22" in command
    assert command.count("hostfwd") == 1


def test_each_fabric_card_has_its_two_ends(lab: Lab):
    command = _command(lab, "array")
    for nic in ARRAY.nics:
        assert f"local.path={lab.runtime}/array-{nic}.vm," in command
        assert f"remote.path={lab.runtime}/array-{nic}.sw" in command
        assert f"id={nic},netdev=net-{nic},mac={lab.mac('array', nic)},host_mtu=2500,ctrl_rx=off" in command


def test_only_the_array_has_a_store(lab: Lab):
    assert "serial=store" in _command(lab, "array")
    assert "serial=store" not in _command(lab, "kvm1")


def test_acceleration_decides_the_processor(lab: Lab):
    assert "-accel tcg,thread=multi -cpu qemu64,-svm,-cx16 " in _command(lab, "kvm1")
    assert "-accel kvm -cpu host" in _command(lab, "kvm1", "kvm")


def test_ports_differ_and_stay_with_running_machines(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    state.prepare(lab)
    machine.choose_ports(lab, list(MACHINES))
    first = machine.ports(lab)
    assert len(set(first.values())) == len(MACHINES)
    monkeypatch.setattr(machine, "is_running", lambda lab, name: name == "kvm1")
    machine.choose_ports(lab, list(MACHINES))
    assert machine.ports(lab)["kvm1"] == first["kvm1"]


def _seed(lab: Lab, name: str, tmp_path: Path) -> dict[str, tuple[int, str]]:
    path = tmp_path / "seed.tar"
    seed.write_seed(path, lab, MACHINES[name], "ssh-ed25519 KEY\n", ("PRIVATE", "PUBLIC"))
    with tarfile.open(path) as archive:
        return {
            entry.name: (entry.mode, file.read().decode() if (file := archive.extractfile(entry)) else "")
            for entry in archive.getmembers()
            if entry.isfile()
        }


def test_a_seed_makes_a_machine_its_own(lab: Lab, tmp_path: Path):
    files = _seed(lab, "kvm1", tmp_path)
    assert files["etc/hostname"] == (0o644, "kvm1\n")
    assert files["etc/machine-id"][1].strip() == lab.machine_id("kvm1")
    assert files["etc/iscsi/initiatorname.iscsi"][1] == f"InitiatorName={lab.initiator_name('kvm1')}\n"
    assert files["root/.ssh/authorized_keys"][0] == 0o600
    assert files["etc/ssh/ssh_host_ed25519_key"] == (0o600, "PRIVATE")
    assert f"a {lab.mac('kvm1', 'a')} 2500 10.77.1.11/24" in files["etc/sanlab/nics"][1].splitlines()


def test_a_second_target_carries_no_address(lab: Lab, tmp_path: Path):
    lines = _seed(lab, "array", tmp_path)["etc/sanlab/nics"][1].splitlines()
    assert [line.split()[3] for line in lines if line.startswith(("a2 ", "b2 "))] == ["-", "-"]


def test_the_array_knows_its_initiators_before_they_come(lab: Lab, tmp_path: Path):
    target = json.loads(_seed(lab, "array", tmp_path)["etc/sanlab/target.json"][1])
    assert target["portals"] == ["10.77.1.1", "10.77.2.1"]
    assert set(target["fc_targets"]) == {"a", "b", "a2", "b2"}
    assert target["fc_initiators"]["b2"] == [lab.wwpn(config.Port(host.name, "b")) for host in HOSTS]
    assert "etc/sanlab/target.json" not in _seed(lab, "kvm2", tmp_path)


def test_ssh_trusts_only_the_keys_it_made(lab: Lab):
    state.prepare(lab)
    remote.write_config(lab, {name: 1000 + number for number, name in enumerate(MACHINES)})
    text = lab.ssh_config.read_text()
    assert "StrictHostKeyChecking yes" in text
    assert f"ControlPath {lab.runtime}/" in text
    known = (lab.state / "ssh/known_hosts").read_text().splitlines()
    assert [line.split()[0] for line in known] == [f"sanlab-{name}" for name in MACHINES]
    assert len({line.split()[2] for line in known}) == len(MACHINES)
