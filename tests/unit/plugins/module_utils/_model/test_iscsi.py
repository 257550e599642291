# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Portals, credentials and records of open-iscsi, as they are read and written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.virt.san.plugins.module_utils._model import iscsi as model
from ansible_collections.virt.san.plugins.module_utils._model.fabric import IscsiSession
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import (
    Chap,
    Portal,
    Wanted,
    edit_record,
    edits_of,
    parse_chap,
    parse_portal,
    parse_record,
    same_session,
    shown_record,
    wanted_values,
)

WANTED = Wanted("iqn.2025-01.test:a", (Portal("10.0.0.1"),))
CHAP = Chap("host1", "one-password", "array1", "other-password")
RECORD = """\
# BEGIN RECORD 2.1.8
node.name = iqn.2025-01.test:a
node.startup = manual
node.session.auth.authmethod = None
node.session.auth.chap_algs = MD5
node.conn[0].startup = manual
# END RECORD
"""


@pytest.mark.parametrize(
    ("text", "portal", "shown"),
    [
        ("10.0.0.1", Portal("10.0.0.1", 3260), "10.0.0.1:3260"),
        (" 10.0.0.1:3261 ", Portal("10.0.0.1", 3261), "10.0.0.1:3261"),
        ("2001:DB8:0::1", Portal("2001:db8::1", 3260), "[2001:db8::1]:3260"),
        ("[2001:db8::1]", Portal("2001:db8::1", 3260), "[2001:db8::1]:3260"),
        ("[2001:db8::1]:3261", Portal("2001:db8::1", 3261), "[2001:db8::1]:3261"),
    ],
)
def test_portals(text: str, portal: Portal, shown: str) -> None:
    assert parse_portal(text) == portal
    assert str(portal) == shown
    assert parse_portal(shown) == portal


@pytest.mark.parametrize(
    "text", ["", "array1", "array1:3260", "10.0.0.1,1", "10.0.0.1:3260,1", "10.0.0.1:0", "10.0.0.1:70000", "[::1", "1"]
)
def test_no_portals(text: str) -> None:
    with pytest.raises(ValueError, match=r"portal|port"):
        parse_portal(text)


def test_credentials_are_not_shown() -> None:
    for told in (repr(CHAP), str(CHAP), repr(replace(WANTED, chap=CHAP))):
        assert "one-password" not in told
        assert "other-password" not in told


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"password": ""}, "password is empty"),
        ({"password": " secret"}, "space"),
        ({"password": "sec\nret"}, "printed"),
        ({"password": "s" * 256}, "255 bytes"),
        ({"username": "a\tb"}, "username"),
        ({"mutual_username": "x", "mutual_password": "one-password"}, "the same"),
    ],
)
def test_credentials_that_cannot_be(changed: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parse_chap({"username": "host1", "password": "one-password", **changed})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "seconds"),
    [("replacement_timeout", -2), ("login_timeout", 0), ("noop_out_interval", -1), ("noop_out_timeout", 86401)],
)
def test_timeouts_out_of_range(key: str, seconds: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        model.parse_timeout(key, seconds)
    assert model.parse_timeout(key, seconds + 1 if seconds < 1 else 86400) >= -1


def test_a_record_is_edited_line_by_line() -> None:
    edited = edit_record(
        RECORD, {"node.startup": "automatic", "node.session.auth.authmethod": None, "node.session.scan": "manual"}
    )
    lines = edited.splitlines()
    assert lines[0] == "# BEGIN RECORD 2.1.8"
    assert lines[-2:] == ["node.session.scan = manual", "# END RECORD"]
    assert "node.startup = automatic" in lines
    assert "node.session.auth.authmethod" not in edited
    assert "node.session.auth.chap_algs = MD5" in lines
    assert edit_record("", {"a": "1"}) == "a = 1\n"


VALUES = some.one_of(some.none(), some.from_regex(r"[!-~]([ -~]{0,8}[!-~])?", fullmatch=True))
KEYS = some.sampled_from([*model.AUTH, model.STARTUP, "node.session.scan", "node.new"])


@given(some.dictionaries(KEYS, VALUES))
def test_what_was_edited_is_read_again(edits: dict[str, str | None]) -> None:
    text = edit_record(RECORD, edits)
    said = parse_record(text)
    for key, value in edits.items():
        assert said.get(key) == value
    others = {key: value for key, value in parse_record(RECORD).items() if key not in edits}
    assert {key: value for key, value in said.items() if key not in edits} == others
    assert edit_record(text, edits) == text


wanteds = some.builds(
    replace,
    some.just(WANTED),
    startup=some.sampled_from(["automatic", "manual", "onboot"]),
    scan=some.sampled_from([None, "auto", "manual"]),
    chap=some.sampled_from([None, CHAP, Chap("host1", "third-password")]),
    no_chap=some.booleans(),
    timeouts=some.dictionaries(some.sampled_from(sorted(model.TIMEOUTS.values())), some.integers(0, 99)),
)


@given(wanteds, wanteds)
def test_nothing_is_left_to_edit(first: Wanted, second: Wanted) -> None:
    text = RECORD
    for wanted in (first, second):
        text = edit_record(text, edits_of(wanted, parse_record(text)))
        assert not edits_of(wanted, parse_record(text))
    told = shown_record(second, parse_record(text))
    assert "not as asked for" not in told.values()
    assert "password" not in str(list(told.values()))
    new = {key: value for key, value in wanted_values(second, {}).items() if value is not None}
    assert not edits_of(second, new)


def test_what_the_boot_goes_by() -> None:
    """Either of two parameters has a portal logged in to at boot."""
    said = {**parse_record(RECORD), model.CONN_STARTUP: "automatic"}
    assert edits_of(replace(WANTED, startup="manual"), said) == {model.CONN_STARTUP: "manual"}
    assert edits_of(WANTED, said) == {model.STARTUP: "automatic"}


def test_the_initiator_name_of_a_record() -> None:
    named = replace(WANTED, initiator="iqn.2025-01.test.guest:1")
    assert edits_of(named, parse_record(RECORD))[model.INITIATOR] == "iqn.2025-01.test.guest:1"
    assert model.INITIATOR not in edits_of(WANTED, {**parse_record(RECORD), model.INITIATOR: "iqn.2025-01.a:b"})


def test_the_name_of_an_iface_never_changes() -> None:
    """Hosts that were set up before know theirs by it."""
    assert model.own_interface("iqn.2025-01.test.guest:db01") == "virt-san-be436e7b"
    assert model.parse_interface(model.own_interface("eui.0123456789abcdef"))


def test_what_waits_for_the_next_login() -> None:
    said = parse_record(RECORD)
    assert model.waits_for_login(edits_of(replace(WANTED, chap=CHAP), said))
    assert model.waits_for_login(
        edits_of(replace(WANTED, timeouts={"node.session.timeo.replacement_timeout": 5}), said)
    )
    assert not model.waits_for_login(edits_of(replace(WANTED, scan="manual"), said))


def session(target: str, portal: str | None, interface: str | None = "default") -> IscsiSession:
    return IscsiSession(1, 2, target, 1, None, interface, "LOGGED_IN", "up", portal, portal, 5, 0)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (session("iqn.2025-01.test:a", "10.0.0.1:3260"), True),
        (session("iqn.2025-01.test:a", "10.0.0.1:3260", None), True),
        (session("iqn.2025-01.test:a0", "10.0.0.1:3260"), False),
        (session("iqn.2025-01.test:", "10.0.0.1:3260"), False),
        (session("iqn.2025-01.test:a", "10.0.0.1:3261"), False),
        (session("iqn.2025-01.test:a", "10.0.0.11:3260"), False),
        (session("iqn.2025-01.test:a", None), False),
        (session("iqn.2025-01.test:a", "10.0.0.1:3260", "storage"), False),
    ],
)
def test_the_same_session(one: IscsiSession, same: bool) -> None:
    assert same_session(one, "iqn.2025-01.test:a", Portal("10.0.0.1"), "default") == same


@pytest.mark.parametrize("name", ["", "../x", "a b", "-x"])
def test_no_ifaces(name: str) -> None:
    with pytest.raises(ValueError, match="iface"):
        model.parse_interface(name)
