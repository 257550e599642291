# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A boot that starts pools: at once, when a server comes late, and never for the price of another pool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import pool, pool_info
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._boot import pools, pools_main
from ansible_collections.virt.san.plugins.module_utils._errors import LockedError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._host import systemd
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock
from ansible_collections.virt.san.plugins.module_utils._host.lock import host_lock
from ansible_collections.virt.san.plugins.module_utils._model.pool_boot import lock_path
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.plugins.module_utils._pools.steps import Define
from ansible_collections.virt.san.tests.unit.support.pool_machine import PoolMachine
from ansible_collections.virt.san.tests.unit.support.pool_world import GUEST, IMAGES, ISOS, VMS

Event = Callable[[], object]
NO = "mount.nfs: Connection refused"


class Boot:
    """A machine that boots, and whose time passes when somebody sleeps."""

    def __init__(self, root: Path) -> None:
        self.host = PoolMachine(root)
        self.now = 0.0
        self.events: list[tuple[float, Event]] = []
        self.said: list[str] = []
        self.told: list[tuple[float, str]] = []
        for one in (IMAGES, ISOS):
            keeper = NativeKeeper(self.host, lambda: b"program")
            pool.ensure(self.host, keeper, Wanted(one.name, "present", one), True, 10, check_mode=False)

    def at(self, seconds: float, event: Event) -> None:
        self.events.append((seconds, event))

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        while self.events and self.events[0][0] <= self.now:
            self.events.pop(0)[1]()
        assert self.now < 7200, f"waits for ever: {self.said}"

    def run(self, name: str) -> None:
        self.host.clock = Clock(lambda: self.now, self._sleep)
        pools.bring_up(self.host, name, self.said.append, lambda status: self.told.append((self.now, status)))


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    return Boot(tmp_path)


def test_at_once(boot: Boot) -> None:
    boot.run("isos")
    boot.run("images")
    assert len(boot.host.mounted()) == 1
    assert boot.told == [(0.0, "done"), (0.0, "done")]
    assert boot.said[0].startswith("pool isos started: mount nas:/srv/isos on /isos")
    boot.run("isos")
    assert boot.said[-1] == "pool isos runs already: done"
    assert "etc/virt-san/pools/isos.xml" in boot.host.files()


def test_a_server_that_comes_late(boot: Boot) -> None:
    """The boot goes on after the first attempt."""
    boot.host.answer("mount", code=32, stderr=NO)
    boot.at(100, lambda: boot.host.answer("mount"))
    boot.run("isos")
    assert len(boot.host.mounted()) == 1
    assert [status.partition(":")[0] for _when, status in boot.told] == ["waiting", "done"]
    assert (boot.told[0][0], boot.told[1][0]) == (0.0, 120.0)
    assert len(boot.said) == 2, "the same reason is said once"
    assert "Connection refused" in boot.said[0]
    assert "The boot goes on after 0 s of waiting; it is tried again every 30 s" in boot.said[0]


def test_a_folder_that_is_not_there_yet(boot: Boot) -> None:
    """It may be on a file system that is not mounted yet: it is not made."""
    (boot.host.top / "images").rmdir()
    boot.at(40, (boot.host.top / "images").mkdir)
    boot.run("images")
    assert "is not built" in boot.said[0]
    assert boot.said[1].startswith("pool images started")


def test_a_lun_that_comes_late(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    """HBAs log in while the boot goes on: that is waited for, as long as it may take, and then no longer."""
    asked: list[Wanted] = []

    def ensure(_host: object, _keeper: object, wanted: Wanted, *_more: object, **_options: object) -> pool.Report:
        asked.append(wanted)
        if boot.now < there:
            raise RefusedError("it is not on this host")
        return pool.Report(True, {"steps": ["mount it"]}, {}, {})

    pool.ensure(boot.host, NativeKeeper(boot.host), Wanted("vms", "present", VMS, build="never"), None, 10, False)
    monkeypatch.setattr(pool, "ensure", ensure)
    there = 7.0
    boot.run("vms")
    assert (boot.told, boot.said) == ([(8.0, "done")], ["pool vms started: mount it"])
    assert (asked[0].exclusive, asked[0].build) == (False, "never")
    boot.now, there = 0.0, 70.0
    boot.run("vms")
    assert [when for when, _status in boot.told[1:]] == [20.0, 80.0]
    assert "The boot goes on after 20 s of waiting" in boot.said[1]


def test_who_makes_a_virtual_hba_is_alone(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    ensured: list[float] = []

    def ensure(*_args: object, **_options: object) -> pool.Report:
        ensured.append(boot.now)
        with pytest.raises(LockedError), host_lock(boot.host, "another", 0):
            pass
        return pool.Report(True, {"steps": ["make it"]}, {}, {})

    NativeKeeper(boot.host).perform(Define(GUEST))
    monkeypatch.setattr(pool, "ensure", ensure)
    with host_lock(boot.host, "virt.san.npiv_vport", 0):
        assert "another run holds" in (pools.attempt(boot.host, "guest", boot.said.append) or "")
    boot.run("guest")
    assert (len(ensured), boot.said) == (1, ["pool guest started: make it"])


def test_no_longer_wanted(boot: Boot) -> None:
    boot.host.answer("mount", code=32, stderr=NO)
    boot.at(10, (boot.host.top / "etc/virt-san/pools/isos.xml").unlink)
    boot.run("isos")
    assert boot.said[-1] == "pool isos has no definition (any more): nothing to do"
    assert boot.now < 12, "noticed at once"


def test_another_run_has_the_pool(boot: Boot) -> None:
    with host_lock(boot.host, "pool isos", 0, lock_path("isos")):
        boot.at(80, (boot.host.top / "etc/virt-san/pools/isos.xml").unlink)
        boot.run("isos")
        assert "another run holds /run/virt-san-pool-isos.lock" in boot.said[0]
        boot.run("images")
        assert boot.said[-1].startswith("pool images started")


def test_whoever_changes_the_host_is_not_waited_for(boot: Boot) -> None:
    with host_lock(boot.host, "virt.san.scsi_rescan", 0):
        boot.run("isos")
    assert boot.told == [(0.0, "done")]


def test_spoilt(boot: Boot) -> None:
    (boot.host.top / "etc/virt-san/pools/isos.xml").write_text("<pool")
    with pytest.raises(RefusedError, match="cannot be read"):
        boot.run("isos")
    boot.run("images")
    assert boot.said[-1].startswith("pool images started")


# The program


def test_the_program(boot: Boot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[bool, str]] = []
    monkeypatch.setattr(systemd, "tell", lambda ready, status: told.append((ready, status)))
    assert pools_main.run(boot.host, ["status"]) == 3
    assert pools_main.run(boot.host, ["start", "isos"]) == 0
    assert pools_main.run(boot.host, ["start", "images"]) == 0
    assert pools_main.run(boot.host, ["status"]) == 0
    assert told == [(True, "done")] * 2
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["pool images: inactive", "pool isos: inactive"]
    assert out[-2:] == ["pool images: active", "pool isos: active"]


def test_one_look_tells_of_all_pools(
    boot: Boot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also of those with a trouble: what it is stands beside the state."""
    looks: list[object] = []
    plain = pool_info.look
    monkeypatch.setattr(pool_info, "look", lambda *args, **more: looks.append(args) or plain(*args, **more))
    run = boot.host.run
    commands: list[list[str]] = []
    monkeypatch.setattr(boot.host, "run", lambda argv, *rest, **more: commands.append(argv) or run(argv, *rest, **more))
    (boot.host.top / "images").rmdir()
    assert pools_main.run(boot.host, ["start", "isos"]) == 0
    commands.clear()
    (boot.host.top / "etc/virt-san/pools/spoilt.xml").write_text("<pool")
    assert pools_main.run(boot.host, ["status"]) == 3
    assert len(looks) == 1
    assert [argv[:2] for argv in commands] == [["systemctl", "show"]]
    out = capsys.readouterr().out.splitlines()
    assert out[-3:-1] == ["pool images: inactive", "pool isos: active"]
    assert out[-1].startswith("pool spoilt: its definition cannot be read: ")


def test_what_fails_is_said_with_its_level(
    boot: Boot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (boot.host.top / "etc/virt-san/pools/isos.xml").write_text("<pool")
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    assert pools_main.run(boot.host, ["start", "isos"]) == 1
    assert pools_main.run(boot.host, ["start", "../isos"]) == 1
    assert all(line.startswith("<3>") for line in capsys.readouterr().out.splitlines())
    assert pools_main.run(boot.host, ["status"]) == 3


@pytest.mark.parametrize("words", [[], ["start"], ["start", "a", "b"], ["status", "all"], ["--help"]])
def test_misused(boot: Boot, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert pools_main.run(boot.host, words) == 2
    assert "usage: virt-san-pools.pyz start NAME" in capsys.readouterr().err
