# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of systemd, what its answers mean, and what a service tells it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host import systemd
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.plugins.module_utils._host.systemd import Unit, parse_unit

NAME = "virt-san-vhba@5001a4a0000000f1.service"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        (
            "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n",
            Unit(enabled=True, active="active", loaded=True),
        ),
        (
            "LoadState=loaded\nActiveState=activating\nUnitFileState=disabled\nNeedDaemonReload=yes\n",
            Unit(active="activating", stale=True, loaded=True),
        ),
        ("LoadState=not-found\nActiveState=inactive\nUnitFileState=\nNeedDaemonReload=no\n", Unit()),
        ("LoadState=loaded\nActiveState=failed\nUnitFileState=enabled-runtime\n", Unit(active="failed", loaded=True)),
        ("LoadState=loaded\nActiveState=inactive\nJob=812\n", Unit(active="activating", loaded=True)),
        ("LoadState=loaded\nActiveState=inactive\nJob=\n", Unit(loaded=True)),
        ("", Unit()),
    ],
)
def test_what_is_known_of_a_unit(text: str, unit: Unit) -> None:
    assert parse_unit(text) == unit


def answering(code: int, calls: list[list[str]]) -> Host:
    def run(argv: Sequence[str], _deadline: float, _stdin: str | None = None) -> Completed:
        calls.append(list(argv))
        return Completed(tuple(argv), code, "", "no")

    return Host("/nowhere", run)


def showing(text: str) -> Host:
    return Host("/nowhere", lambda argv, _deadline, _stdin=None: Completed(tuple(argv), 0, text, ""))


def test_several_units_are_asked_about_at_once() -> None:
    one, two = "LoadState=loaded\nUnitFileState=enabled\n", "LoadState=not-found\nUnitFileState=\n"
    found = systemd.read_units(showing(f"{one}\n{two}"), ["a@1.service", "a@2.service"])
    assert found == {"a@1.service": Unit(enabled=True, loaded=True), "a@2.service": Unit()}
    assert systemd.read_units(answering(0, []), []) == {}


def test_units_that_are_not_told_of() -> None:
    with pytest.raises(CommandError, match="told of 1 units, and was asked about 2"):
        systemd.read_units(showing("LoadState=loaded\n"), ["a@1.service", "a@2.service"])


def test_links_are_on_the_disk_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemctl leaves them to the kernel, and a power cut in the next seconds would take them back."""
    calls: list[list[str]] = []
    host = Host(str(tmp_path), answering(0, calls).run)
    synced: list[tuple[str, int]] = []
    monkeypatch.setattr(host, "sync", lambda path: synced.append((path, len(calls))))
    for name in ("multi-user.target.wants", "sysinit.target.wants", "virt-san-vhba@.service.d"):
        (tmp_path / f"etc/systemd/system/{name}").mkdir(parents=True)
    for number, change in enumerate((systemd.enable, systemd.enable_for_boot, systemd.disable), 1):
        synced.clear()
        change(host, NAME)
        assert [path.rpartition("/")[2] for path, _after in synced] == [
            "multi-user.target.wants",
            "sysinit.target.wants",
        ]
        assert {after for _path, after in synced} == {number}, "after the links were made"


def test_what_is_asked() -> None:
    calls: list[list[str]] = []
    host = answering(0, calls)
    systemd.enable(host, NAME)
    systemd.disable(host, NAME)
    systemd.start_soon(host, "virt-san-pools.target")
    systemd.stop(host, "virt-san-pools.target")
    systemd.reload(host)
    assert [" ".join(call) for call in calls] == [
        f"systemctl enable --quiet --now --no-block -- {NAME}",
        f"systemctl disable --quiet --now -- {NAME}",
        f"systemctl reset-failed -- {NAME}",
        "systemctl start --no-block -- virt-san-pools.target",
        "systemctl stop -- virt-san-pools.target",
        "systemctl daemon-reload",
    ]


def test_what_fails_is_told() -> None:
    with pytest.raises(CommandError, match="exit code 1: no"):
        systemd.enable(answering(1, []), NAME)


def test_what_is_not_there_is_stopped() -> None:
    systemd.stop(answering(5, []), NAME)


@pytest.mark.parametrize("abstract", [True, False])
def test_a_service_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"@virt-san-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name[1:]}" if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        systemd.tell(ready=True, status="waiting: its HBA is Linkdown")
        systemd.tell(ready=False, status="done")
        assert listener.recv(999) == b"READY=1\nSTATUS=waiting: its HBA is Linkdown"
        assert listener.recv(999) == b"STATUS=done"


def test_nobody_to_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.tell(ready=True, status="done")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    systemd.tell(ready=True, status="done")
