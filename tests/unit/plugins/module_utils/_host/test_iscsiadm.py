# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iscsiadm: what it is asked, what it says, and portals that nobody listens at."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host import iscsiadm
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Offer, Portal, Problem

TARGET, PORTAL = "iqn.2025-01.test:a", Portal("10.0.0.1")


class Answering:
    """A host whose iscsiadm answers the same to everything; a code below 0 is a signal, None no answer in time."""

    def __init__(self, code: int | None, stdout: str = "") -> None:
        self.calls: list[str] = []
        self.code, self.stdout = code, stdout
        self.host = Host("/nowhere", self.run)

    def run(self, argv: Sequence[str], deadline: float, _stdin: str | None = None) -> Completed:
        self.calls.append(" ".join(argv))
        if self.code is None:
            raise CommandError(f"iscsiadm: no answer within {deadline:g} s")
        return Completed(tuple(argv), self.code, self.stdout, "")


def test_offers() -> None:
    text = (
        "10.0.0.1:3260,1 iqn.2025-01.test:a\n10.0.0.1:3260,1 iqn.2025-01.test:a\n"
        "[2001:db8::1]:3260,2 IQN.2025-01.test:A0\niscsiadm: a word of warning\nhost:3260,1 iqn.2025-01.test:b\n"
    )
    assert iscsiadm.parse_offers(text) == (
        Offer(TARGET, PORTAL, 1),
        Offer("iqn.2025-01.test:a0", Portal("2001:db8::1"), 2),
    )


def test_discovery_records_nothing() -> None:
    asked = Answering(0, "10.0.0.1:3260,1 iqn.2025-01.test:a\n")
    assert iscsiadm.discover(asked.host, PORTAL, "default", 9) == (Offer(TARGET, PORTAL, 1),)
    assert asked.calls == [
        "iscsiadm -m discoverydb -t sendtargets -p 10.0.0.1:3260 -I default --discover -o nonpersistent"
    ]


@pytest.mark.parametrize(
    ("code", "reason"), [(24, "authentication"), (4, "unreachable"), (None, "timeout"), (-9, "timeout")]
)
def test_discovery_that_fails(code: int | None, reason: str) -> None:
    said = iscsiadm.discover(Answering(code).host, PORTAL, "default", 9)
    assert isinstance(said, Problem)
    assert said.reason == reason


def test_nothing_on_offer() -> None:
    assert iscsiadm.discover(Answering(21).host, PORTAL, "default", 9) == ()


@pytest.mark.parametrize("code", [0, 15])
def test_logged_in(code: int) -> None:
    asked = Answering(code)
    assert iscsiadm.log_in(asked.host, TARGET, Portal("2001:db8::1"), "default", 9) is None
    assert asked.calls == [f"iscsiadm -m node -T {TARGET} -p [2001:db8::1]:3260 -I default --login"]


def test_a_login_that_takes_too_long() -> None:
    problem = iscsiadm.log_in(Answering(None).host, TARGET, PORTAL, "default", 9)
    assert problem is not None
    assert "within 9 s. iscsid goes on trying" in problem.text


@pytest.mark.parametrize("code", [0, 2, 21])
def test_logged_out(code: int) -> None:
    asked = Answering(code)
    iscsiadm.log_out(asked.host, 7, 9)
    assert asked.calls == ["iscsiadm -m session -r 7 --logout"]


@pytest.mark.parametrize("code", [6, 10, 28])
def test_a_logout_that_fails(code: int) -> None:
    with pytest.raises(CommandError, match=rf"\(iscsiadm: code {code}\)") as caught:
        iscsiadm.log_out(Answering(code).host, 7, 9)
    assert caught.value.details["code"] == code


def test_records() -> None:
    asked = Answering(0)
    iscsiadm.create_record(asked.host, TARGET, PORTAL, 1, "default")
    iscsiadm.create_record(asked.host, TARGET, PORTAL, None, "default")
    iscsiadm.delete_record(asked.host, TARGET, PORTAL, "default")
    assert asked.calls == [
        f"iscsiadm -m node -o new -T {TARGET} -p 10.0.0.1:3260,1 -I default",
        f"iscsiadm -m node -o new -T {TARGET} -p 10.0.0.1:3260 -I default",
        f"iscsiadm -m node -T {TARGET} -p 10.0.0.1:3260 -I default -o delete",
    ]
    iscsiadm.delete_record(Answering(21).host, TARGET, PORTAL, "default")
    with pytest.raises(CommandError, match="database"):
        iscsiadm.create_record(Answering(6).host, TARGET, PORTAL, 1, "default")


def test_ifaces() -> None:
    asked = Answering(0)
    iscsiadm.create_interface(asked.host, "guest", TARGET)
    iscsiadm.delete_interface(asked.host, "guest")
    assert asked.calls == [
        "iscsiadm -m iface -I guest -o new",
        f"iscsiadm -m iface -I guest -o update -n iface.initiatorname -v {TARGET}",
        "iscsiadm -m iface -I guest -o delete",
    ]
    with pytest.raises(CommandError, match="database"):
        iscsiadm.create_interface(Answering(6).host, "guest", TARGET)


@pytest.mark.parametrize("code", range(1, 34))
def test_every_code_means_something(code: int) -> None:
    problem = iscsiadm.problem_of(code)
    assert problem.text.endswith(f"(iscsiadm: code {code})")


def test_a_portal_that_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert iscsiadm.knock(Portal("127.0.0.1", server.getsockname()[1]), 5) is None


def test_a_portal_that_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    problem = iscsiadm.knock(Portal("127.0.0.1", port), 5)
    assert problem is not None
    assert (problem.reason, "Connection refused" in problem.text) == ("unreachable", True)


def test_a_portal_that_never_answers() -> None:
    """One whose queue is full: the kernel drops what comes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        portal = Portal("127.0.0.1", server.getsockname()[1])
        with socket.create_connection(portal), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(portal)
            began = time.monotonic()
            problem = iscsiadm.knock(portal, 0.2)
            assert time.monotonic() - began < 5
    assert problem is not None
    assert "no answer within 0.2 s" in problem.text
