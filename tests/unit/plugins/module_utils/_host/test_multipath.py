# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation with multipathd, against a daemon that speaks the protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.multipath import (
    DaemonPath,
    KnownPath,
    ask,
    daemon_running,
    order,
    parse_maps,
    show_maps,
    show_paths,
)
from ansible_collections.virt.san.tests.unit.support.fake_multipathd import SIZE_T, FakeMultipathd

MAP = {
    "name": "data",
    "uuid": "36001405aaaa",
    "sysfs": "dm-3",
    "queueing": "off",
    "features": "0",
    "write_prot": "ro",
    "path_groups": [
        {"paths": [{"dev": "sdb", "chk_st": "ready", "dm_st": "active"}]},
        {"paths": [{"dev": "sdc", "chk_st": "faulty", "dm_st": "failed"}]},
    ],
}
MAPS = json.dumps({"major_version": 0, "minor_version": 1, "maps": [MAP]}) + "\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def test_a_reply_comes_whole_and_without_its_newline(root: Path) -> None:
    long = "x" * 300_000
    with FakeMultipathd(root, {"show config": [long + "\n"]}) as daemon:
        assert ask(Host(str(root)), "show config", 5) == long
    assert daemon.asked == ["show config"]


def test_no_daemon_is_noticed_without_a_connection(root: Path) -> None:
    host = Host(str(root))
    assert not daemon_running(host)
    with pytest.raises(UnavailableError, match="does not run"):
        ask(host, "show maps json", 1)


def test_a_pid_of_another_program_is_no_daemon(root: Path) -> None:
    (root / "run").mkdir()
    (root / "run/multipathd.pid").write_text("1\n")
    (root / "proc/1").mkdir(parents=True)
    (root / "proc/1/comm").write_text("systemd\n")
    assert not daemon_running(Host(str(root)))


def test_a_socket_without_listener(root: Path) -> None:
    with FakeMultipathd(root, {}):
        pass
    with pytest.raises(UnavailableError, match="cannot be reached"):
        ask(Host(str(root)), "show maps json", 1)


def test_silence_ends_at_the_deadline(root: Path) -> None:
    with FakeMultipathd(root, {"reconfigure": [0.6]}), pytest.raises(CommandError, match=r"within 0\.2 s"):
        ask(Host(str(root)), "reconfigure", 0.2)


@pytest.mark.parametrize("cut", [None, SIZE_T.pack(100) + b"half", SIZE_T.pack(0), SIZE_T.pack(1 << 40)])
def test_a_broken_reply_is_an_error(root: Path, cut: bytes | None) -> None:
    with FakeMultipathd(root, {"show maps json": [cut]}), pytest.raises(CommandError):
        ask(Host(str(root)), "show maps json", 2)


def test_permission_is_named(root: Path) -> None:
    replies: dict[str, list[str | bytes | float | None]] = {"reconfigure": ["permission deny: need to be root\n"]}
    with FakeMultipathd(root, replies), pytest.raises(UnavailableError, match="become: true"):
        order(Host(str(root)), "reconfigure", 2)


@pytest.mark.parametrize("reply", ["timeout\n", "fail\n", "blacklisted\n", "delayedok\n", "map or partition in use\n"])
def test_an_order_succeeds_on_ok_alone(root: Path, reply: str) -> None:
    with FakeMultipathd(root, {"add map x": [reply], "add map y": ["ok\n"]}):
        order(Host(str(root)), "add map y", 2)
        with pytest.raises(CommandError, match="add map x") as raised:
            order(Host(str(root)), "add map x", 2)
    assert raised.value.details["reply"] == reply.strip()


def test_maps_are_asked_for_again_when_one_vanished(root: Path) -> None:
    with FakeMultipathd(root, {"show maps json": ["fail\n", "fail\n", MAPS]}) as daemon:
        (found,) = show_maps(Host(str(root)), 5)
    assert daemon.asked == ["show maps json"] * 3
    assert (found.name, found.wwid, found.dm, found.queueing, found.read_only) == (
        "data",
        "36001405aaaa",
        "dm-3",
        "off",
        True,
    )
    assert found.paths == (DaemonPath("sdb", "ready", "active"), DaemonPath("sdc", "faulty", "failed"))


def test_maps_that_never_list_are_an_error(root: Path) -> None:
    with FakeMultipathd(root, {}), pytest.raises(CommandError, match="could not list"):
        show_maps(Host(str(root)), 0.5)


@pytest.mark.parametrize("text", ["{", '{"maps": 3}', '{"maps": [{}]}', '{"maps": ["a"]}', "{}"])
def test_what_is_no_list_of_maps_is_said(text: str) -> None:
    with pytest.raises(CommandError, match="makes no sense"):
        parse_maps(text)


def test_paths_without_a_map_are_known_too(root: Path) -> None:
    with FakeMultipathd(
        root, {"show paths raw format %d|%w|%T": ["sdb|36001405aaaa|ready\nsdc|36001405bbbb|faulty\n"]}
    ):
        found = show_paths(Host(str(root)), 2)
    assert found == [KnownPath("sdb", "36001405aaaa", "ready"), KnownPath("sdc", "36001405bbbb", "faulty")]
