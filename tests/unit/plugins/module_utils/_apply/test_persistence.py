# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vHBA that outlasts reboots: files and units on a machine, killed in between, moved, and gone again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import persistence
from ansible_collections.virt.san.plugins.module_utils._apply.npiv import Report, ensure_present
from ansible_collections.virt.san.plugins.module_utils._apply.npiv_away import ensure_absent, ensure_moved
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, InUseError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.tests.unit.support.fake_systemd import WANTS, FakeSystemd
from ansible_collections.virt.san.tests.unit.support.npiv_kernel import KernelHost, kernel

WANTED = WantedVhba(Wwn("5001a4a0000000f1"), Wwn("5001a4a0000000f0"), symbolic_name="db01")
OTHER = WantedVhba(Wwn("5001a4a0000000e1"), Wwn("5001a4a0000000e0"))
UNIT = "virt-san-vhba@5001a4a0000000f1.service"
PORTS = {"host0": "20005254c2571d46", "host1": "200052542a9c277f"}
PROGRAM = b"the program"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[KernelHost]:
    with kernel("debian12-fc", tmp_path) as machine:
        yield machine


@pytest.fixture
def systemd(host: KernelHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSystemd:
    fake = FakeSystemd(tmp_path, host._runner)
    monkeypatch.setattr(host, "_runner", fake)
    return fake


def keep(host: Host, wanted: WantedVhba = WANTED, check_mode: bool = False, program: bytes = PROGRAM) -> Report:
    report = ensure_present(host, wanted, 5, check_mode)
    return persistence.ensure_kept(host, report, wanted, program, check_mode)


def ours(root: Path) -> dict[str, str]:
    """Return all files of ours, and the links that have units started at boot."""
    found = [*root.glob("etc/virt-san/**/*"), *root.glob("usr/local/lib/**/*"), *root.glob("etc/systemd/**/virt-san*")]
    return {str(path.relative_to(root)): path.read_text() for path in found if path.is_file() and not path.is_symlink()}


def test_kept_with_all_it_needs(host: KernelHost, systemd: FakeSystemd, tmp_path: Path) -> None:
    report = keep(host)
    assert report.changed
    files = ours(tmp_path)
    assert sorted(files) == [
        "etc/systemd/system/virt-san-pools.target",
        "etc/systemd/system/virt-san-vhba@.service",
        "etc/virt-san/vhbas/5001a4a0000000f1.json",
        "usr/local/lib/virt-san/virt-san-boot.pyz",
    ]
    assert json.loads(files["etc/virt-san/vhbas/5001a4a0000000f1.json"]) == {
        "wwpn": "5001a4a0000000f1",
        "wwnn": "5001a4a0000000f0",
        "parent": PORTS["host1"],
        "symbolic_name": "db01",
    }
    assert (tmp_path / WANTS / UNIT).is_symlink()
    assert systemd.active[UNIT] == "active"
    assert report.before["persistence"]["definition"] is None
    assert report.after["persistence"]["unit"] == UNIT


def test_again_nothing_is_done(host: KernelHost, systemd: FakeSystemd) -> None:
    keep(host)
    calls = list(systemd.calls)
    report = keep(host)
    assert (report.changed, report.steps) == (False, [])
    assert systemd.calls == calls == [f"enable {UNIT}"]


def test_check_mode_says_the_same_and_writes_nothing(host: KernelHost, systemd: FakeSystemd, tmp_path: Path) -> None:
    planned = keep(host, check_mode=True)
    assert ours(tmp_path) == {}
    assert systemd.calls == []
    done = keep(host)
    assert (planned.steps, planned.before, planned.after) == (done.steps, done.before, done.after)
    assert planned.changed


def test_a_newer_program_replaces_the_old_one(host: KernelHost, systemd: FakeSystemd, tmp_path: Path) -> None:
    keep(host)
    report = keep(host, program=b"newer")
    assert report.changed
    assert ours(tmp_path)["usr/local/lib/virt-san/virt-san-boot.pyz"] == "newer"
    assert systemd.calls == [f"enable {UNIT}"]


@pytest.mark.usefixtures("systemd")
def test_the_definition_follows_a_move(host: KernelHost, tmp_path: Path) -> None:
    keep(host)
    elsewhere = replace(WANTED, parent="host0")
    planned = ensure_moved(host, elsewhere, 5, check_mode=True)
    planned = persistence.ensure_kept(host, planned, elsewhere, PROGRAM, check_mode=True)
    report = persistence.ensure_kept(host, ensure_moved(host, elsewhere, 5), elsewhere, PROGRAM, check_mode=False)
    assert (planned.steps, planned.after["persistence"]) == (report.steps, report.after["persistence"])
    written = json.loads(ours(tmp_path)["etc/virt-san/vhbas/5001a4a0000000f1.json"])
    assert written["parent"] == report.parent_wwpn == host.read("/sys/class/fc_host/host0/port_name")[2:]


@pytest.mark.parametrize("killed_after", range(6))
def test_killed_and_run_again(
    host: KernelHost, systemd: FakeSystemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    perform, done = persistence.perform, []

    def killed(where: Host, step: object) -> None:
        if len(done) == killed_after:
            raise KeyboardInterrupt
        done.append(step)
        perform(where, step)

    with monkeypatch.context() as patched:
        patched.setattr(persistence, "perform", killed)
        try:
            keep(host)
        except KeyboardInterrupt:
            pass
    (tmp_path / "usr/local/lib/virt-san").mkdir(parents=True, exist_ok=True)
    (tmp_path / "usr/local/lib/virt-san/.virt-san-boot.pyz.4711.virt-san").write_text("half")
    keep(host)
    assert keep(host).steps == []
    assert systemd.active[UNIT] == "active"
    ensure_absent(host, WANTED.wwpn, 5)
    assert ours(tmp_path) == {}


def test_gone_without_a_trace(host: KernelHost, systemd: FakeSystemd, tmp_path: Path) -> None:
    keep(host)
    planned = ensure_absent(host, WANTED.wwpn, 5, check_mode=True)
    report = ensure_absent(host, WANTED.wwpn, 5)
    assert (planned.steps, planned.before, planned.after) == (report.steps, report.before, report.after)
    assert report.steps[0] == f"stop and disable {UNIT}", "or it would make the vHBA again"
    assert report.steps[-1].startswith("host1: delete vHBA")
    assert ours(tmp_path) == {}
    for folder in ("etc/virt-san", "usr/local/lib/virt-san"):
        assert not (tmp_path / folder).exists()
    assert systemd.active == {}
    assert not any((tmp_path / WANTS).iterdir())
    assert not ensure_absent(host, WANTED.wwpn, 5).changed


def test_gone_where_only_the_definition_is(host: KernelHost, systemd: FakeSystemd, tmp_path: Path) -> None:
    """As on a host whose port is down since it has booted: the unit waits."""
    keep(host)
    host.write_attribute("/sys/class/fc_host/host1/vport_delete", WANTED.names)
    systemd.active[UNIT] = "activating"
    report = ensure_absent(host, WANTED.wwpn, 5)
    assert report.changed
    assert ours(tmp_path) == systemd.active == {}


def test_of_two_the_other_stays(host: KernelHost, systemd: FakeSystemd, tmp_path: Path) -> None:
    keep(host)
    keep(host, OTHER)
    ensure_absent(host, WANTED.wwpn, 5)
    assert len(ours(tmp_path)) == 4
    assert list(systemd.active) == ["virt-san-vhba@5001a4a0000000e1.service"]
    ensure_absent(host, OTHER.wwpn, 5)
    assert ours(tmp_path) == {}


@pytest.mark.usefixtures("systemd")
def test_what_others_keep_there_stays(host: KernelHost, tmp_path: Path) -> None:
    keep(host)
    (tmp_path / "etc/virt-san/pools").mkdir()
    ensure_absent(host, WANTED.wwpn, 5)
    assert (tmp_path / "etc/virt-san/pools").is_dir()
    assert not (tmp_path / "etc/virt-san/vhbas").exists()
    assert ensure_absent(host, WANTED.wwpn, 5).steps == []


def test_no_longer_kept_it_stays_for_this_boot(host: KernelHost, systemd: FakeSystemd, tmp_path: Path) -> None:
    keep(host)
    report = persistence.ensure_not_kept(host, ensure_present(host, WANTED, 5), WANTED.wwpn, check_mode=False)
    assert report.changed
    assert ours(tmp_path) == {}
    assert not ensure_present(host, WANTED, 5).changed
    assert systemd.active == {}


def test_in_use_nothing_is_forgotten(
    host: KernelHost, systemd: FakeSystemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(host)
    before = ours(tmp_path)

    def refuse(*_args: object, **_more: object) -> None:
        raise InUseError("a guest has it")

    monkeypatch.setattr("ansible_collections.virt.san.plugins.module_utils._apply.npiv_away.clear", refuse)
    with pytest.raises(InUseError):
        ensure_absent(host, WANTED.wwpn, 5)
    assert ours(tmp_path) == before
    assert systemd.calls == [f"enable {UNIT}"]


def test_a_systemd_that_does_not_do_it(host: KernelHost, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_enable", lambda _name, _flags: (0, ""))
    with pytest.raises(ApplyError, match=f"still to do: enable {UNIT}") as caught:
        keep(host)
    assert caught.value.details["changed"] is True
    assert caught.value.details["vhba"]["host"] == "host7"


def test_without_systemd(host: KernelHost) -> None:
    with pytest.raises(UnavailableError, match="persistent: false"):
        persistence.require_systemd(host)
    assert not persistence.ensure_not_kept(
        host, ensure_present(host, WANTED, 5, check_mode=True), WANTED.wwpn, check_mode=True
    ).before["persistence"]["unit"]


@pytest.mark.parametrize("usual", [True, False])
def test_the_interpreter_of_the_next_boot(host: KernelHost, tmp_path: Path, usual: bool) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True, exist_ok=True)
    (tmp_path / "usr/bin/python3").symlink_to(sys.executable if usual else "/bin/sh")
    name = "/usr/bin/python3" if usual else sys.executable
    text = persistence.shared_files(host, b"")["/etc/systemd/system/virt-san-vhba@.service"].decode()
    assert f"\nExecStart={name} -IS /usr/local/lib/virt-san/virt-san-boot.pyz vhba %i\n" in text
