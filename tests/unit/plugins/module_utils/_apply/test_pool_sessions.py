# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions of a pool: logged in to with the pool, and out of with it, if they are the pool's own."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.pool_info import gather
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.volumes_native import list_volumes
from ansible_collections.virt.san.plugins.module_utils._errors import (
    ApplyError,
    InUseError,
    NotFoundError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._host import arrival, iscsiadm
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Chap, Portal
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Auth,
    PoolDefinition,
    SourceDevice,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept
from ansible_collections.virt.san.tests.unit.support.iscsi_pool import (
    PLAIN,
    ours,
    portals,
    reboot,
    run,
    through_all_states,
)
from ansible_collections.virt.san.tests.unit.support.logged_in import TARGET as LIVE
from ansible_collections.virt.san.tests.unit.support.logged_in import mount, put_up
from ansible_collections.virt.san.tests.unit.support.open_iscsi import (
    CHAP,
    MUTUAL,
    ONE,
    SECRET,
    TARGET,
    TWO,
    OpenIscsi,
)

GUARDED = replace(PLAIN, source=replace(PLAIN.source, auth=Auth("chap", "host1", None, "virt-san/array")))
SECRET_FILE = "etc/virt-san/secrets/array.json"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenIscsi:
    made = OpenIscsi(tmp_path)
    monkeypatch.setattr(iscsiadm, "knock", made.knock)
    monkeypatch.setattr(arrival, "PATIENCE", 0.0)
    return made


def records(machine: OpenIscsi) -> list[Path]:
    return [path for path in Path(machine.root, "etc/iscsi/nodes").rglob("default") if path.is_file()]


def test_through_all_states(machine: OpenIscsi) -> None:
    through_all_states(machine, PLAIN, [ONE.address, TWO.address])


def test_what_is_said_of_it(machine: OpenIscsi) -> None:
    done = run(machine, "active")
    assert done.facts["steps"][-2:] == [f"log in to {TARGET} at {ONE}, {TWO}", "note that pool array runs"]
    assert done.after["pool"]["sessions"] == {str(ONE): True, str(TWO): True}
    assert done.facts["pool"]["portals"] == [str(TWO)]
    assert f"session {TARGET} {ONE}" in done.facts["pool"]["made"]
    assert "startup = manual" in records(machine)[0].read_text(), "it is the pool that logs in at boot"
    (told,) = gather(machine.host, NativeKeeper(machine.host), None, partial(list_volumes, machine.host, deadline=5))
    assert (told["state"], told["problem"], told["volumes"]) == ("active", None, [])
    assert told["sources"] == [{"target": TARGET, "portal": str(one)} for one in (ONE, TWO)]


def test_a_session_that_was_there_stays(machine: OpenIscsi) -> None:
    """So do its record and what that says, however the pool would have it."""
    record = machine.record(TARGET, ONE, "1", **{"node.startup": "automatic"})
    machine.session(TARGET, ONE)
    before = record.read_text()
    done = run(machine, "active")
    assert not [step for step in done.facts["steps"] if f"at {ONE}" in step]
    assert run(machine, "absent", None).changed
    assert (portals(machine), records(machine), record.read_text()) == ([ONE.address], [record], before)


def test_one_that_logs_in_at_boot_by_now_stays(machine: OpenIscsi) -> None:
    run(machine, "active")
    first = next(path for path in records(machine) if ONE.address in str(path))
    first.write_text(first.read_text().replace("node.startup = manual", "node.startup = automatic"))
    done = run(machine, "inactive", None)
    assert "it logs in at boot" in done.warnings[0]
    assert (portals(machine), records(machine)) == ([ONE.address], [first])


def test_records_of_its_own_are_known_after_a_boot(machine: OpenIscsi) -> None:
    """They hold passwords, and nobody else would remove them."""
    run(machine, "active")
    reboot(machine)
    assert (portals(machine), len(records(machine))) == ([], 2)
    assert not run(machine, "present", None).changed
    assert run(machine, "active", None).changed
    run(machine, "absent", None)
    assert (ours(machine), portals(machine), records(machine)) == ({}, [], [])
    run(machine, "active")
    reboot(machine)
    assert run(machine, "inactive", None).changed
    assert records(machine) == []
    assert not run(machine, "inactive", None).changed


def test_another_target_is_logged_in_to_at_the_next_start(machine: OpenIscsi) -> None:
    other = "iqn.2025-01.test.array:vol2"
    machine.array.targets = {ONE: [TARGET, other], TWO: [TARGET, other]}
    run(machine, "active")
    moved = replace(PLAIN, source=replace(PLAIN.source, devices=(SourceDevice(other),)))
    done = run(machine, "active", moved)
    assert (done.facts["restart_needed"], len(portals(machine))) == (["source.target"], 2)
    run(machine, "inactive", None)
    assert (portals(machine), records(machine)) == ([], [])
    assert f"session {other} {ONE}" in run(machine, "active", None).facts["pool"]["made"]


def test_a_portal_that_is_down_is_logged_in_to_later(machine: OpenIscsi) -> None:
    machine.array.silent = {TWO}
    done = run(machine, "active")
    assert portals(machine) == [ONE.address]
    assert any(str(TWO) in warning for warning in done.warnings)
    again = run(machine, "active", None)
    assert (again.changed, again.facts["steps"]) == (False, [])
    assert any("no TCP connection" in warning for warning in again.warnings)
    machine.array.silent = set()
    back = run(machine, "active", None)
    assert (back.changed, portals(machine)) == (True, [ONE.address, TWO.address])
    assert run(machine, "inactive", None).changed
    assert (portals(machine), records(machine)) == ([], [])


def test_no_portal_at_all(machine: OpenIscsi) -> None:
    machine.array.silent = {ONE, TWO}
    with pytest.raises(UnavailableError, match=r"no session with .* can be had"):
        run(machine, "active")
    machine.array.silent, machine.array.targets = set(), {ONE: ["iqn.2025-01.test.array:other"], TWO: []}
    with pytest.raises(NotFoundError, match="has no target"):
        run(machine, "active")
    assert (ours(machine), records(machine)) == ({}, [])


def test_one_portal_refuses_and_the_other_does_not(machine: OpenIscsi) -> None:
    machine.array.login_codes = {TWO: 24}
    done = run(machine, "active")
    assert (done.changed, portals(machine)) == (True, [ONE.address])
    assert f"pool array has no session with {TWO}" in done.warnings


def test_other_portals(machine: OpenIscsi) -> None:
    run(machine, "active", replace(PLAIN, kept=Kept()))
    more = run(machine, "active")
    assert (more.changed, portals(machine), more.facts["restart_needed"]) == (True, [ONE.address, TWO.address], [])
    less = run(machine, "active", replace(PLAIN, kept=Kept()))
    assert (less.changed, less.facts["restart_needed"]) == (True, []), "it was started by one portal"
    run(machine, "inactive", None)
    assert portals(machine) == []


class TestPasswords:
    def test_kept_where_only_root_reads_it(self, machine: OpenIscsi) -> None:
        machine.array.chap = CHAP
        planned = run(machine, "present", GUARDED, check=True, secret=CHAP)
        assert ours(machine) == {}
        done = run(machine, "present", GUARDED, secret=CHAP)
        assert planned.facts["steps"] == done.facts["steps"] == ["define pool array", "keep the password of pool array"]
        path = Path(machine.root, SECRET_FILE)
        assert path.stat().st_mode & 0o777 == 0o600
        assert json.loads(path.read_text())["mutual_password"] == MUTUAL
        others = {name: text for name, text in ours(machine).items() if name != SECRET_FILE}
        assert not [name for name, text in others.items() if SECRET in text or MUTUAL in text]
        assert not run(machine, "present", GUARDED, secret=CHAP).changed
        assert run(machine, "active", None).changed
        assert portals(machine) == [ONE.address, TWO.address]
        assert {path.stat().st_mode & 0o777 for path in records(machine)} == {0o600}
        run(machine, "absent", None)
        assert (ours(machine), records(machine)) == ({}, [])

    def test_wrong(self, machine: OpenIscsi) -> None:
        """Nothing is left but the definition; the right one mends it."""
        machine.array.chap = CHAP
        with pytest.raises(ApplyError, match=r"no session with .*CHAP name or password wrong") as caught:
            run(machine, "active", GUARDED, secret=replace(CHAP, password="wrong-one"))
        assert caught.value.details["reasons"] == ["authentication"]
        assert "wrong-one" not in str(caught.value.details) + caught.value.message
        assert (portals(machine), records(machine)) == ([], [])
        assert sorted(ours(machine)) == ["etc/virt-san/pools/array.json", "etc/virt-san/pools/array.xml", SECRET_FILE]
        assert run(machine, "active", GUARDED, secret=CHAP).facts["pool"]["state"] == "active"

    def test_changed_while_it_runs(self, machine: OpenIscsi) -> None:
        machine.array.chap = CHAP
        run(machine, "active", GUARDED, secret=CHAP)
        other = replace(CHAP, password="another-one-12")
        done = run(machine, "active", GUARDED, secret=other)
        assert (done.changed, done.before["pool"]["chap"]) == (True, "not as asked for")
        assert done.facts["restart_needed"] == ["source.chap"]
        assert all("another-one-12" in path.read_text() for path in records(machine))
        assert not run(machine, "active", GUARDED, secret=other).changed
        none = run(machine, "present", PLAIN)
        assert "forget the password of pool array" in none.facts["steps"]
        assert none.facts["restart_needed"] == ["source.chap"]

    def test_not_given(self, machine: OpenIscsi) -> None:
        """As with a definition of libvirt's, which keeps its secrets elsewhere."""
        assert run(machine, "present", GUARDED).changed
        for secret in (None, Chap("somebody-else", "not-his")):
            with pytest.raises(UnavailableError, match="as host1, and no password of that user is kept"):
                run(machine, "active", GUARDED, secret=secret)

    def test_spoilt(self, machine: OpenIscsi) -> None:
        run(machine, "present", GUARDED, secret=CHAP)
        Path(machine.root, SECRET_FILE).write_text('{"username": ')
        assert run(machine, "present", GUARDED, secret=CHAP).facts["steps"] == ["keep the password of pool array"]

    def test_of_a_transient_pool(self, machine: OpenIscsi) -> None:
        machine.array.chap = CHAP
        run(machine, "active", GUARDED, secret=CHAP, persistent=False)
        assert not any(SECRET in text for text in ours(machine).values())
        assert not run(machine, "active", GUARDED, secret=CHAP, persistent=False).changed
        run(machine, "absent", None)
        assert (ours(machine), portals(machine)) == ({}, [])


@pytest.fixture(params=["debian12-iscsi", "debian13-iscsi"])
def recorded_sessions(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three LUNs over both portals with maps."""
    yield from put_up(request.param, tmp_path, True, monkeypatch)


def live(machine: OpenIscsi, *own: Portal) -> PoolDefinition:
    """Have a pool that runs by the recording's sessions, of which some are its own."""
    one = replace(PLAIN, source=replace(PLAIN.source, devices=(SourceDevice(LIVE),)))
    run(machine, "active", one)
    note = Path(machine.host.path("/run/virt-san/made/array.json"))
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps([f"{kind} {LIVE} {portal}" for kind in ("session", "record") for portal in own]))
    return one


def test_volumes_are_luns(recorded_sessions: OpenIscsi) -> None:
    live(recorded_sessions)
    (told,) = gather(
        recorded_sessions.host,
        NativeKeeper(recorded_sessions.host),
        None,
        partial(list_volumes, recorded_sessions.host, deadline=5),
    )
    assert len(told["volumes"]) == 3
    assert {volume["path"] for volume in told["volumes"]} == {
        f"/dev/disk/by-id/dm-uuid-mpath-{volume['name']}" for volume in told["volumes"]
    }


def test_only_its_own_sessions_end(recorded_sessions: OpenIscsi) -> None:
    live(recorded_sessions, ONE)
    report = run(recorded_sessions, "inactive", None, check=True)
    assert [step for step in report.facts["steps"] if step.startswith(("log out", "remove the record"))] == [
        f"log out of {LIVE} at {ONE} (session3, host2)",
        f"remove the record of {LIVE} at {ONE} for iface default",
    ]
    assert not [step for step in report.facts["steps"] if "flush" in step], "the maps keep the other path"


def test_in_use_it_is_not_stopped(recorded_sessions: OpenIscsi) -> None:
    live(recorded_sessions, ONE, TWO)
    mount(recorded_sessions, "dm-0")
    before = recorded_sessions.changes()
    for check in (True, False):
        for state in ("inactive", "absent"):
            with pytest.raises(InUseError, match="/srv"):
                run(recorded_sessions, state, None, check=check)
    assert recorded_sessions.changes() == before
