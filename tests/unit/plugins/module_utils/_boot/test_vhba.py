# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A boot with a port that is up, late, dead or gone: how long it is held up, and that the vHBA comes in the end."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.npiv import ensure_present
from ansible_collections.virt.san.plugins.module_utils._boot import main
from ansible_collections.virt.san.plugins.module_utils._boot.vhba import bring_up
from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError
from ansible_collections.virt.san.plugins.module_utils._host import systemd
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock
from ansible_collections.virt.san.plugins.module_utils._host.lock import host_lock
from ansible_collections.virt.san.plugins.module_utils._model.definitions import definition_path, definition_text
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.tests.unit.support.fake_systemd import FakeSystemd
from ansible_collections.virt.san.tests.unit.support.npiv_kernel import KernelHost, kernel

PORT = "200052542a9c277f"
"""Of host1."""
VHBA = WantedVhba(Wwn("5001a4a0000000f1"), Wwn("5001a4a0000000f0"), PORT, symbolic_name="db01")
HOURS = 7200.0
Event = Callable[[], object]


class Boot:
    """A machine that boots: things happen at times, counted in seconds from the start of the program."""

    def __init__(self, host: KernelHost) -> None:
        self.host = host
        self.begun = host.now
        self.events: list[tuple[float, Event]] = []
        self.said: list[str] = []
        self.ready_after: float | None = None
        host.clock = Clock(lambda: host.now, self._sleep)

    def at(self, seconds: float, event: Event) -> None:
        self.events = sorted([*self.events, (seconds, event)], key=lambda one: one[0])

    def _sleep(self, seconds: float) -> None:
        self.host.now += seconds
        self.host.behaviour.sleeps += 1
        while self.events and self.events[0][0] <= self.seconds:
            self.events.pop(0)[1]()
        assert self.seconds < 2 * HOURS, f"waits for ever: {self.said}"

    @property
    def seconds(self) -> float:
        return self.host.now - self.begun

    def ready(self, _status: str) -> None:
        if self.ready_after is None:
            self.ready_after = self.seconds

    def run(self) -> bool:
        return bring_up(self.host, VHBA.wwpn, self.said.append, self.ready)

    # What may happen

    def port(self, state: str) -> None:
        Path(self.host.path("/sys/class/fc_host/host1/port_state")).write_text(f"{state}\n")

    def hba(self, there: bool) -> None:
        link, kept = self.host.path("/sys/class/fc_host/host1"), self.host.path("/sys/host1.away")
        os.rename(*((kept, link) if there else (link, kept)))

    def define(self, vhba: WantedVhba = VHBA) -> None:
        self.host.write_file(definition_path(VHBA.wwpn), definition_text(vhba))

    def vports(self, state: str, port: str) -> None:
        """Set what becomes of vports, those there and those to come."""
        self.host.behaviour.states = [(state, port)]
        for name in self.host.entries("/sys/class/fc_vports"):
            if self.host.made(name):
                self.host._set(name, state, port)


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Boot]:
    with kernel("debian12-fc", tmp_path) as machine:
        (tmp_path / "run").mkdir(exist_ok=True)
        started = Boot(machine)
        started.define()
        yield started


def made(boot: Boot) -> int:
    return [line.partition(" ")[0] for line in boot.host.written()].count("vport_create")


def test_a_healthy_fabric(boot: Boot) -> None:
    assert boot.run() is False
    assert boot.host.written() == [f"vport_create {VHBA.names}", "symbolic_name db01"]
    assert boot.ready_after is not None
    assert boot.ready_after <= 5, "a moment for its disks, and there are none"
    assert boot.said == [f"vHBA {VHBA.wwpn} made, and is logged in: host7 on HBA {PORT}, 0 disk(s) behind it so far"]


def test_again_it_is_there(boot: Boot) -> None:
    boot.run()
    boot.run()
    assert made(boot) == 1
    assert "was there" in boot.said[-1]


def test_a_port_that_logs_in_meanwhile(boot: Boot) -> None:
    boot.port("Linkdown")
    boot.at(1, lambda: boot.port("Offline"))
    boot.at(9, lambda: boot.port("Online"))
    assert boot.run() is False
    assert (made(boot), boot.ready_after) == (1, boot.seconds)


def test_an_hba_whose_driver_loads_meanwhile(boot: Boot) -> None:
    boot.hba(there=False)
    boot.at(6, lambda: boot.hba(there=True))
    assert boot.run() is False
    assert made(boot) == 1


@pytest.mark.parametrize(
    ("state", "held_up"), [("Linkdown", 3), ("Offline", 20), ("Unknown", 20), ("Bypassed", 20), ("not there", 10)]
)
def test_a_port_that_comes_hours_later(boot: Boot, state: str, held_up: float) -> None:
    def comes() -> None:
        boot.hba(there=True) if state == "not there" else boot.port("Online")

    boot.hba(there=False) if state == "not there" else boot.port(state)
    boot.at(HOURS, comes)
    assert boot.run() is True
    assert boot.ready_after == pytest.approx(held_up, abs=0.3)
    assert made(boot) == 1
    assert boot.seconds < HOURS + 10
    assert boot.said[0] == (
        f"vHBA {VHBA.wwpn} is not up: its HBA {PORT} is {state}. "
        f"The boot goes on after {held_up} s of waiting; it comes as soon as it can"
    )
    assert len(boot.said) == 2, "one line when it begins to wait, one when it is done"


def test_a_link_that_flaps(boot: Boot) -> None:
    boot.port("Linkdown")
    boot.at(100, lambda: boot.port("Offline"))
    boot.at(101, lambda: boot.port("Linkdown"))
    boot.at(200, lambda: boot.port("Online"))
    assert boot.run() is True
    assert made(boot) == 1


def test_a_fabric_that_lets_the_vhba_in_late(boot: Boot) -> None:
    boot.vports("Initializing", "Linkdown")
    boot.at(300, lambda: boot.vports("Active", "Online"))
    assert boot.run() is True
    assert boot.ready_after == pytest.approx(15, abs=0.3)
    assert made(boot) == 1, "the kernel goes on trying by itself"
    assert "Initializing" in boot.said[0]


def test_a_fabric_that_turned_it_down(boot: Boot) -> None:
    """Some drivers try once: it is made anew."""
    boot.vports("Fabric Rejected WWN", "Linkdown")
    boot.at(40, lambda: setattr(boot.host.behaviour, "states", [("Active", "Online")]))
    assert boot.run() is True
    assert boot.ready_after is not None
    assert boot.ready_after < 1
    assert made(boot) >= 2
    assert boot.seconds < 100


def test_no_vport_free_until_later(boot: Boot) -> None:
    boot.host.behaviour.create_error = errno.ENOSPC
    boot.at(50, lambda: setattr(boot.host.behaviour, "create_error", 0))
    assert boot.run() is True
    assert "all vports of the HBA are in use" in boot.said[0]
    assert made(boot) == 3, "at once, after half a minute, after a minute"
    assert len(boot.said) == 2


def test_another_run_has_the_host(boot: Boot) -> None:
    with host_lock(boot.host, "virt.san.npiv_vport", 0):
        boot.at(40, lambda: boot.define(replace(VHBA, parent="0" * 16)))
        boot.at(60, lambda: os.unlink(boot.host.path(definition_path(VHBA.wwpn))))
        assert boot.run() is False
    assert made(boot) == 0
    assert boot.ready_after == pytest.approx(30, abs=0.3)
    assert "virt.san.npiv_vport" in boot.said[0]


def test_the_definition_moves_while_waiting(boot: Boot) -> None:
    boot.port("Linkdown")
    other = boot.host.read("/sys/class/fc_host/host0/port_name")
    assert other is not None
    boot.at(60, lambda: boot.define(replace(VHBA, parent=other[2:])))
    assert boot.run() is True
    assert boot.said[-1].startswith(f"vHBA {VHBA.wwpn} made, and is logged in: host7 on HBA {other[2:]}")


def test_made_by_somebody_else_while_waiting(boot: Boot) -> None:
    boot.hba(there=False)
    elsewhere = replace(VHBA, parent="host0")
    boot.at(60, lambda: ensure_present(boot.host, elsewhere, 5))
    boot.at(90, lambda: boot.hba(there=True))
    with pytest.raises(RefusedError, match="move: true"):
        boot.run()


def test_no_longer_wanted(boot: Boot) -> None:
    boot.port("Linkdown")
    boot.at(60, lambda: os.unlink(boot.host.path(definition_path(VHBA.wwpn))))
    assert boot.run() is False
    assert boot.said[-1] == f"vHBA {VHBA.wwpn} has no definition (any more): nothing to do"


def test_a_wwn_that_another_host_uses(boot: Boot) -> None:
    """Waiting would take it from there the moment that host lets go."""
    taken = replace(VHBA, wwnn=Wwn(PORT))
    boot.define(taken)
    with pytest.raises(RefusedError, match="a physical port"):
        boot.run()
    assert made(boot) == 0


# The program


@pytest.fixture
def fake(boot: Boot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSystemd:
    started = FakeSystemd(tmp_path)
    monkeypatch.setattr(boot.host, "_runner", started)
    return started


def test_what_needs_it_is_started_when_it_was_late(boot: Boot, fake: FakeSystemd) -> None:
    assert main.run(boot.host, ["vhba", VHBA.wwpn]) == 0
    assert fake.calls == []
    boot.host.write_attribute("/sys/class/fc_host/host1/vport_delete", VHBA.names)
    boot.port("Linkdown")
    boot.at(boot.seconds + 60, lambda: boot.port("Online"))
    assert main.run(boot.host, ["vhba", "50:01:a4:a0:00:00:00:f1"]) == 0
    assert fake.calls == ["start virt-san-pools.target"]


def test_systemd_is_told(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[bool, str]] = []
    monkeypatch.setattr(systemd, "tell", lambda ready, status: told.append((ready, status)))
    main.run(boot.host, ["vhba", VHBA.wwpn])
    assert told == [(True, "done")]


def test_what_fails_is_said_with_its_level(
    boot: Boot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    boot.host.write_file(definition_path(VHBA.wwpn), "{")
    assert main.run(boot.host, ["vhba", VHBA.wwpn]) == 1
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    assert main.run(boot.host, ["vhba", VHBA.wwpn]) == 1
    plain, marked = capsys.readouterr().out.splitlines()
    assert f"{VHBA.wwpn}.json: " in plain
    assert marked == f"<3>{plain}"


def test_status(boot: Boot, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(boot.host, ["status"]) == 3
    boot.run()
    assert main.run(boot.host, ["status"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"vHBA {VHBA.wwpn}: not up; HBA {PORT}: Online",
        f"vHBA {VHBA.wwpn}: up; HBA {PORT}: Online",
    ]


@pytest.mark.parametrize("words", [[], ["vhba"], ["vhba", "1", "2"], ["status", "all"], ["--help"]])
def test_misused(boot: Boot, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(boot.host, words) == 2
    assert "usage: virt-san-boot.pyz vhba WWPN" in capsys.readouterr().err


def test_a_wwpn_that_is_none(boot: Boot) -> None:
    assert main.run(boot.host, ["vhba", "db01"]) == 1
