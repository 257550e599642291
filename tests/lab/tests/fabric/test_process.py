"""The real process, its sockets and its client."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sanlab.fabric.client import FabricClient, FabricError

LAB_DIR = Path(__file__).resolve().parents[2]
DEADLINE = 10.0


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + DEADLINE
    while True:
        found = condition()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.02)


@dataclass
class Running:
    directory: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def client(self) -> FabricClient:
        return FabricClient(self.directory / "fabric-a.ctl", deadline=5)

    def port(self, name: str) -> dict[str, Any]:
        return next(port for port in self.client.status()["ports"] if port["port"] == name)

    def plug(self, stem: str) -> socket.socket:
        """Be the network card of a machine."""
        card = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.directory / f"{stem}.vm"
        path.unlink(missing_ok=True)
        card.bind(str(path))
        card.settimeout(DEADLINE)
        return card


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Running]]:
    # A socket path may have 107 characters; pytest's own folders come close to that.
    directory, logs = tmp_path_factory.mktemp("f"), tmp_path_factory.mktemp("logs")
    running: list[subprocess.Popen[bytes]] = []

    def launch() -> Running:
        command = [sys.executable, "-m", "sanlab.fabric", "--name", "a", "--sockets", ".", "--ports", "kvm1:a,array:a"]
        command += ["--control", "fabric-a.ctl", "--state", "a.json"]
        environment = {**os.environ, "PYTHONPATH": str(LAB_DIR)}
        with (logs / f"{len(running)}").open("wb") as log:
            process = subprocess.Popen(command, cwd=directory, env=environment, stderr=log)
        running.append(process)
        return Running(directory, process, Path(log.name))

    yield launch
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def running(start: Callable[[], Running]) -> Running:
    fabric = start()
    assert until(lambda: _answers(fabric.client))
    return fabric


def _answers(client: FabricClient) -> bool:
    try:
        client.status()
    except FabricError:
        return False
    return True


def ip(dst: int, src: int, body: bytes) -> bytes:
    return bytes.fromhex(f"52540000000{dst}52540000000{src}0800") + body


def payloads(card: socket.socket, count: int) -> list[bytes]:
    """The next plain frames; the switch's own advertisements are left out."""
    found: list[bytes] = []
    end = time.monotonic() + DEADLINE
    while len(found) < count and time.monotonic() < end:
        data = card.recv(65536)
        if data[12:14] == b"\x08\x00":
            found.append(data[14:])
    return found


def test_a_card_that_is_plugged_in_has_link_and_hears_of_the_switch(running: Running) -> None:
    assert running.port("kvm1:a")["link"] is False
    with running.plug("kvm1-a") as card:
        assert until(lambda: running.port("kvm1:a")["link"])
        assert card.recv(65536)[12:14] == b"\x89\x14"
    assert until(lambda: not running.port("kvm1:a")["link"])


def test_frames_pass_between_cards_and_survive_the_restart_of_one(running: Running) -> None:
    with running.plug("kvm1-a") as one:
        for _ in range(2):
            with running.plug("array-a") as two:
                assert until(lambda: all(port["link"] for port in running.client.status()["ports"]))
                one.sendto(ip(2, 1, b"question"), str(running.directory / "kvm1-a.sw"))
                assert payloads(two, 1) == [b"question"]
                two.sendto(ip(1, 2, b"answer"), str(running.directory / "array-a.sw"))
                assert payloads(one, 1) == [b"answer"]


def test_a_card_that_reads_late_loses_nothing(running: Running) -> None:
    """Ten datagrams fit into a socket; FCoE may send hundreds before the machine runs again."""
    with running.plug("kvm1-a") as one, running.plug("array-a") as two:
        assert until(lambda: all(port["link"] for port in running.client.status()["ports"]))
        for number in range(500):
            one.sendto(ip(2, 1, b"%d" % number), str(running.directory / "kvm1-a.sw"))
        assert until(lambda: running.port("kvm1:a")["rx_frames"] == 500)
        assert running.port("array:a")["waiting"] > 400
        assert payloads(two, 500) == [b"%d" % number for number in range(500)]
        assert until(lambda: running.port("array:a")["waiting"] == 0)
        assert running.port("array:a")["lost"] == 0


def test_zones_survive_being_killed(running: Running, start: Callable[[], Running]) -> None:
    assert running.client.zone_set("z", ["20:00:00:00:00:00:00:01", "2000000000000002"])
    running.client.vport_limit(3, "kvm1:a")
    running.process.kill()
    running.process.wait()
    with pytest.raises(FabricError, match="ended without cleaning up"):
        running.client.status()
    again = start()
    assert until(lambda: _answers(again.client))
    assert again.client.zone_list() == {"z": ["2000000000000001", "2000000000000002"]}
    assert again.client.status()["faults"]["vport_limits"] == {"kvm1:a": 3}


def test_every_command_of_the_client_is_understood(running: Running) -> None:
    client = running.client
    assert client.logins() == {}
    assert client.zone_set("z", ["2000000000000001", "2000000000000002"])
    assert not client.zone_set("z", ["2000000000000001", "2000000000000002"])
    assert client.zone_delete("z")
    assert not client.zone_clear()
    client.npiv(False, relogin=False)
    client.npiv(True)
    client.vport_limit(2)
    client.vport_limit(None)
    client.reject_logins(port="kvm1:a", kinds=["fdisc"], count=2)
    client.reject_logins(False, port="kvm1:a")
    client.duplicate_wwpn("last")
    client.port("kvm1:a", up=False, silent=True)
    client.port("kvm1:a", up=True)
    client.drop_fcp(wwpn="2000000000000001")
    client.drop_fcp(False, wwpn="2000000000000001")
    client.clear_faults()
    with pytest.raises(FabricError, match="not logged in"):
        client.logout("2000000000000001")


def test_a_second_switch_on_the_same_sockets_is_refused(running: Running, start: Callable[[], Running]) -> None:
    second = start()
    assert second.process.wait(DEADLINE) == 1
    assert "already running" in second.log.read_text()
    assert _answers(running.client)


@pytest.mark.parametrize("how", ["signal", "command"])
def test_a_stopped_switch_leaves_only_its_state(running: Running, how: str) -> None:
    if how == "signal":
        running.process.send_signal(signal.SIGTERM)
    else:
        running.client.stop()
    assert running.process.wait(DEADLINE) == 0
    assert [path.name for path in running.directory.iterdir()] == ["a.json"]
    with pytest.raises(FabricError, match="not running"):
        running.client.status()


def test_a_client_that_sends_nonsense_is_told_and_may_go_on(running: Running) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.settimeout(DEADLINE)
        raw.connect(str(running.directory / "fabric-a.ctl"))
        raw.sendall(b'nonsense\n{"cmd": "zone_list"}\n')
        lines = raw.makefile("rb")
        assert json.loads(lines.readline())["error"].startswith("not JSON")
        assert json.loads(lines.readline()) == {"ok": True, "zones": {}}
    assert _answers(running.client)


def test_the_client_keeps_its_deadline(tmp_path: Path) -> None:
    path = tmp_path / "deaf.ctl"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        before = time.monotonic()
        with pytest.raises(FabricError, match=r"did not answer status in 0.2 s"):
            FabricClient(path, deadline=0.2).status()
        assert time.monotonic() - before < 2
