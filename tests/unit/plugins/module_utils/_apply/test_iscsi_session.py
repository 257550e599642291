# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iSCSI sessions on a host with open-iscsi: what is recorded, who is logged in, and what is said of the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report
from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_look import Discovery
from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_session import (
    Order,
    ensure_absent,
    ensure_discovered,
    ensure_present,
)
from ansible_collections.virt.san.plugins.module_utils._errors import (
    ApplyError,
    NotFoundError,
    SanError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._host import iscsi_records, iscsiadm
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Portal, Wanted, parse_record
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi import Scope
from ansible_collections.virt.san.tests.unit.support.open_iscsi import (
    CHAP,
    MUTUAL,
    ONE,
    SECRET,
    TARGET,
    TWO,
    OpenIscsi,
)

WANTED = Wanted(TARGET, (ONE, TWO))
ORDER = Order(timeout=5)
CHECK = replace(ORDER, check_mode=True)


@pytest.fixture(params=["/etc/iscsi", "/var/lib/iscsi"])
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenIscsi:
    made = OpenIscsi(tmp_path, request.param)
    monkeypatch.setattr(iscsiadm, "knock", made.knock)
    return made


def done(host: OpenIscsi, wanted: Wanted = WANTED, order: Order = ORDER) -> Report:
    """Bring it about, after check mode has said the same; a second run changes nothing."""
    before = host.files()
    planned = ensure_present(host.host, wanted, replace(order, check_mode=True))
    assert host.files() == before, "check mode wrote something"
    report = ensure_present(host.host, wanted, order)
    for name in ("changed", "before", "after"):
        assert getattr(planned, name) == getattr(report, name), name
    assert planned.facts["steps"] == report.facts["steps"]
    again = ensure_present(host.host, wanted, order)
    assert (again.changed, again.facts["steps"]) == (False, [])
    assert again.before == again.after == report.after
    for one in (report, again):
        assert not {SECRET, MUTUAL} & set(str(one).replace("'", " ").split())
    return report


def record(host: OpenIscsi, portal: Portal = ONE) -> dict[str, str]:
    path = Path(f"{host.root}{host.place}/nodes/{TARGET}/{portal.address},{portal.port},1/default")
    return parse_record(path.read_text())


def states(report: Report) -> list[str | None]:
    return [one["session"] and one["session"]["state"] for one in report.facts["portals"]]


def test_recorded_and_logged_in(host: OpenIscsi) -> None:
    report = done(host)
    assert states(report) == ["LOGGED_IN", "LOGGED_IN"]
    assert host.changes() == ["new", "new", "--login", "--login"]
    assert record(host)["node.startup"] == "automatic"
    assert [one["target"] for one in report.facts["targets"]] == [TARGET]
    assert report.facts["steps"][-1] == f"log in to {TARGET} at {ONE}, {TWO}"


def test_nothing_is_asked_where_all_is_there(host: OpenIscsi) -> None:
    done(host)
    host.calls.clear()
    host.array.silent = {ONE, TWO}
    assert not ensure_present(host.host, WANTED, ORDER).changed
    assert [call[:2] for call in host.calls] == [["systemctl", "show"]] * 2


def test_passwords_are_written_where_only_root_reads(host: OpenIscsi) -> None:
    host.array.chap = CHAP
    done(host, replace(WANTED, chap=CHAP))
    said = record(host)
    assert [said[f"node.session.auth.{name}"] for name in ("authmethod", "username", "password_in")] == [
        "CHAP",
        "host1",
        MUTUAL,
    ]
    path = next(Path(f"{host.root}{host.place}/nodes").rglob("default"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["default"], "another file there would be a record"
    assert not Path(f"{host.root}/run/lock/iscsi/lock.write").exists()


def test_a_wrong_password(host: OpenIscsi) -> None:
    host.array.chap = CHAP
    with pytest.raises(UnavailableError, match="CHAP name or password wrong") as caught:
        ensure_present(host.host, replace(WANTED, chap=replace(CHAP, password="wrong-password")), ORDER)
    assert [one["reason"] for one in caught.value.details["portals"]] == ["authentication"] * 2
    assert caught.value.details["changed"]
    assert "wrong-password" not in str(caught.value.details)
    report = ensure_present(host.host, replace(WANTED, chap=CHAP), ORDER)
    assert states(report) == ["LOGGED_IN", "LOGGED_IN"]


def test_a_portal_that_is_down(host: OpenIscsi) -> None:
    host.array.silent = {TWO}
    for order in (CHECK, ORDER, CHECK, ORDER):
        with pytest.raises(UnavailableError, match=f"^1 of 2 sessions .* is up. {TWO}: no TCP connection") as caught:
            ensure_present(host.host, WANTED, order)
    assert [one["reason"] for one in caught.value.details["portals"]] == [None, "unreachable"]
    assert not caught.value.details["changed"], "the other one came up in an earlier run"
    assert host.changes() == ["new", "--login"]
    report = ensure_present(host.host, replace(WANTED, least=1), ORDER)
    assert (report.changed, len(report.warnings)) == (False, 1)
    host.array.silent = set()
    assert states(done(host)) == ["LOGGED_IN", "LOGGED_IN"]


def test_a_name_that_begins_like_another(host: OpenIscsi) -> None:
    host.array.targets = {ONE: [f"{TARGET}0"], TWO: [f"{TARGET}0"]}
    host.session(f"{TARGET}0", ONE)
    host.record(f"{TARGET}0", ONE, "1")
    with pytest.raises(NotFoundError, match=f"has no target {TARGET} for this host, but {TARGET}0") as caught:
        ensure_present(host.host, WANTED, ORDER)
    assert caught.value.details["targets"][0]["target"] == f"{TARGET}0"
    assert host.changes() == []
    assert not ensure_absent(host.host, Scope(TARGET), ORDER).changed
    assert host.changes() == []


def test_one_portal_does_not_have_it(host: OpenIscsi) -> None:
    host.array.targets[TWO] = []
    with pytest.raises(UnavailableError, match=f"{TWO} has no target .* but no target at all"):
        ensure_present(host.host, WANTED, ORDER)
    assert host.changes() == ["new", "--login"]


def test_taken_at_its_word(host: OpenIscsi) -> None:
    report = done(host, order=replace(ORDER, discovery=Discovery(asking=False)))
    assert not [call for call in host.calls if "discoverydb" in call]
    assert states(report) == ["LOGGED_IN", "LOGGED_IN"]
    assert Path(f"{host.root}{host.place}/nodes/{TARGET}/10.77.1.1,3260").is_file(), "the portal group is not known"
    absent = ensure_absent(host.host, Scope(TARGET), ORDER)
    assert absent.changed
    assert not Path(f"{host.root}{host.place}/nodes/{TARGET}").exists()


def test_all_portals(host: OpenIscsi) -> None:
    order = replace(ORDER, discovery=Discovery(all_portals=True))
    report = done(host, replace(WANTED, portals=(ONE,)), order)
    assert [one["portal"] for one in report.facts["portals"]] == [str(ONE), str(TWO)]
    host.array.discovery_chap = CHAP
    untold = ensure_present(host.host, replace(WANTED, portals=(ONE,)), order)
    assert (untold.changed, "does not tell which targets" in untold.warnings[0]) == (False, True)


def test_timeouts_startup_and_scan(host: OpenIscsi) -> None:
    done(host)
    timeouts = {"node.session.timeo.replacement_timeout": 5}
    report = done(host, replace(WANTED, timeouts=timeouts, startup="manual", scan="manual"))
    assert report.changed
    said = record(host)
    assert said["node.session.timeo.replacement_timeout"] == "5"
    assert (said["node.startup"], said["node.session.scan"]) == ("manual", "manual")
    assert said["node.leading_login"] == "No", "the rest stays"


def test_what_counts_at_the_next_login_is_said(host: OpenIscsi) -> None:
    done(host)
    report = ensure_present(host.host, replace(WANTED, chap=CHAP), CHECK)
    assert ["next login" in warning for warning in report.warnings] == [True, True]
    assert report.before["sessions"] != report.after["sessions"]
    assert ensure_present(host.host, replace(WANTED, scan="manual"), CHECK).warnings == ()


def test_logged_in_again(host: OpenIscsi) -> None:
    done(host)
    host.array.chap = CHAP
    host.calls.clear()
    report = done(host, replace(WANTED, chap=CHAP, relogin=True))
    assert host.changes() == ["--logout", "--logout", "--login", "--login"]
    assert {one["session"]["name"] for one in report.facts["portals"]} == {"session3", "session4"}


def test_a_password_is_taken_away(host: OpenIscsi) -> None:
    done(host, replace(WANTED, chap=CHAP))
    report = done(host, replace(WANTED, no_chap=True))
    assert report.changed
    assert {key: value for key, value in record(host).items() if ".auth." in key} == {
        "node.session.auth.authmethod": "None"
    }


def test_a_session_that_has_lost_its_connection(host: OpenIscsi) -> None:
    done(host)
    for number in (1, 2):
        Path(f"{host.root}/sys/class/iscsi_session/session{number}/state").write_text("FAILED\n")
    with pytest.raises(UnavailableError, match="its session is FAILED, and did not come up within 5 s") as caught:
        ensure_present(host.host, WANTED, ORDER)
    assert (caught.value.details["changed"], host.changes()) == (False, ["new", "new", "--login", "--login"])
    mended = done(host, replace(WANTED, relogin=True))
    assert (mended.changed, states(mended)) == (True, ["LOGGED_IN"] * 2)


def test_the_unit_that_logs_in_at_boot(host: OpenIscsi) -> None:
    host.enabled = False
    report = done(host)
    assert report.facts["steps"][-1] == "enable iscsi.service, which logs in at boot"
    host.enabled = False
    assert not done(host, replace(WANTED, startup="manual")).facts["steps"][2:]


def test_the_record_is_found_where_open_iscsi_has_it(host: OpenIscsi) -> None:
    """A host that was upgraded has both places, with records in one of them or in both."""
    for place in iscsi_records.ROOTS:
        Path(f"{host.root}{place}").mkdir(parents=True, exist_ok=True)
    done(host)
    other = next(place for place in iscsi_records.ROOTS if place != host.place)
    stray = Path(f"{host.root}{other}/nodes/{TARGET}x/10.77.1.1,3260,1/default")
    stray.parent.mkdir(parents=True)
    stray.write_text("")
    assert not done(host).changed


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
def test_no_initiator_name(host: OpenIscsi, text: str | None) -> None:
    path = Path(f"{host.root}/etc/iscsi/initiatorname.iscsi")
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(UnavailableError, match="no iSCSI name"):
        ensure_present(host.host, WANTED, ORDER)


def test_no_such_iface(host: OpenIscsi) -> None:
    with pytest.raises(NotFoundError, match="no iface 'storage'"):
        ensure_present(host.host, replace(WANTED, interface="storage"), ORDER)


def test_sessions_of_another_iface_are_others(host: OpenIscsi) -> None:
    ifaces = Path(f"{host.root}{host.place}/ifaces/storage")
    ifaces.parent.mkdir()
    ifaces.write_text("iface.iscsi_ifacename = storage\n")
    done(host)
    done(host, replace(WANTED, interface="storage"))
    assert len(list(Path(f"{host.root}/sys/class/iscsi_session").iterdir())) == 4
    ensure_absent(host.host, Scope(TARGET, (), "default"), ORDER)
    assert len(list(Path(f"{host.root}/sys/class/iscsi_session").iterdir())) == 2
    assert not done(host, replace(WANTED, interface="storage")).changed


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [
        (4, "unreachable", "the connection failed"),
        (5, "refused", "journal of iscsid"),
        (6, "setup", "database"),
        (8, "timeout", "did not answer"),
        (12, "setup", "iscsi_tcp"),
        (18, "service", "iscsid"),
        (19, "refused", "is the target still there"),
        (20, "service", "could not be started"),
        (24, "authentication", "CHAP"),
        (250, "other", "no reason"),
    ],
)
def test_codes_of_iscsiadm(host: OpenIscsi, code: int, reason: str, says: str) -> None:
    host.array.login_codes = {ONE: code}
    with pytest.raises(UnavailableError, match=rf"{says}.*code {code}\)") as caught:
        ensure_present(host.host, WANTED, ORDER)
    assert [one["reason"] for one in caught.value.details["portals"]] == [reason, None]


def test_somebody_else_has_logged_in_meanwhile(host: OpenIscsi) -> None:
    host.array.login_codes = {ONE: 15}
    host.session(TARGET, ONE)
    host.session(TARGET, TWO)
    assert not [step for step in ensure_present(host.host, WANTED, ORDER).facts["steps"] if "log in" in step]


def test_iscsid_is_still_trying(host: OpenIscsi) -> None:
    """As after a run that was killed: iscsiadm says that there is a session, and there is none to be seen."""
    host.array.login_codes = {ONE: 15}
    with pytest.raises(UnavailableError, match="since an earlier run") as caught:
        ensure_present(host.host, WANTED, ORDER)
    assert [one["reason"] for one in caught.value.details["portals"]] == ["timeout", None]


def test_the_lock_of_a_killed_iscsiadm(host: OpenIscsi) -> None:
    folder = Path(f"{host.root}/run/lock/iscsi")
    folder.mkdir(parents=True)
    (folder / "lock.write").write_text("")
    with pytest.raises(ApplyError, match=r"remove that file.*completed before: record"):
        ensure_present(host.host, WANTED, ORDER)


# Discovery


def test_discovered(host: OpenIscsi) -> None:
    before = host.files()
    report = ensure_discovered(host.host, (ONE,), None, "default", None, ORDER)
    assert report.facts["targets"] == [
        {"target": TARGET, "portals": [{"portal": str(ONE), "tpgt": 1}, {"portal": str(TWO), "tpgt": 1}]}
    ]
    assert (report.changed, host.changes(), host.files()) == (False, [], before)


def test_discovery_with_a_password(host: OpenIscsi) -> None:
    host.array.discovery_chap = CHAP
    with pytest.raises(UnavailableError, match=r"does not tell which targets it has: .*CHAP"):
        ensure_discovered(host.host, (ONE, TWO), None, "default", None, ORDER)
    order = replace(ORDER, discovery=Discovery(chap=CHAP))
    before = host.files()
    report = ensure_discovered(host.host, (ONE, TWO), TARGET, "default", None, order)
    assert len(report.facts["targets"]) == 1
    left = {name: text for name, text in host.files().items() if "/run/lock/" not in name}
    assert left == {name: text for name, text in before.items() if "/run/lock/" not in name}
    assert not Path(f"{host.root}{host.place}/send_targets").exists()


def test_discovery_with_a_password_in_check_mode(host: OpenIscsi) -> None:
    host.array.discovery_chap = CHAP
    order = replace(CHECK, discovery=Discovery(chap=CHAP))
    before = host.files()
    report = ensure_present(host.host, WANTED, order)
    assert "was not asked" in report.warnings[0]
    assert host.files() == before
    kept = Path(f"{host.root}{host.place}/send_targets/10.77.1.1,3260/st_config")
    kept.parent.mkdir(parents=True)
    kept.write_text(iscsi_records.discovery_text(ONE, CHAP))
    assert ensure_discovered(host.host, (ONE,), None, "default", None, order).facts["targets"]
    ensure_present(host.host, WANTED, replace(order, check_mode=False))
    assert kept.read_text() == iscsi_records.discovery_text(ONE, CHAP)


def test_discovered_from_some(host: OpenIscsi) -> None:
    host.array.silent = {TWO}
    with pytest.raises(UnavailableError, match=str(TWO)):
        ensure_discovered(host.host, (ONE, TWO), None, "default", None, ORDER)
    report = ensure_discovered(host.host, (ONE, TWO), None, "default", 1, ORDER)
    assert [one["reason"] for one in report.facts["portals"]] == [None, "unreachable"]
    with pytest.raises(NotFoundError, match=r"has no target iqn\.2025-01\.test\.array:vol "):
        ensure_discovered(host.host, (ONE,), "iqn.2025-01.test.array:vol", "default", None, ORDER)


# Absent


def test_logged_out_and_forgotten(host: OpenIscsi) -> None:
    done(host)
    host.calls.clear()
    planned = ensure_absent(host.host, Scope(TARGET), CHECK)
    assert host.changes() == []
    report = ensure_absent(host.host, Scope(TARGET), ORDER)
    assert (planned.before, planned.after, planned.facts) == (report.before, report.after, report.facts)
    assert host.changes() == ["--logout", "--logout", "delete", "delete"]
    assert not ensure_absent(host.host, Scope(TARGET), ORDER).changed
    assert not list(Path(f"{host.root}{host.place}/nodes").rglob("default"))


def test_one_portal_is_left(host: OpenIscsi) -> None:
    done(host)
    report = ensure_absent(host.host, Scope(TARGET, (ONE,)), ORDER)
    assert [one["portal"] for one in report.facts["portals"]] == [str(ONE)]
    assert not ensure_present(host.host, replace(WANTED, portals=(TWO,)), ORDER).changed


def test_a_record_without_a_session(host: OpenIscsi) -> None:
    host.record(TARGET, ONE, "1")
    report = ensure_absent(host.host, Scope(TARGET), ORDER)
    assert (report.changed, host.changes()) == (True, ["delete"])


def test_where_open_iscsi_is_not(tmp_path: Path, host: OpenIscsi) -> None:
    Path(f"{host.root}/etc/iscsi/initiatorname.iscsi").unlink()
    assert not ensure_absent(host.host, Scope(TARGET), ORDER).changed
    assert host.calls == []
    assert tmp_path.exists()


def test_every_failure_is_told(host: OpenIscsi) -> None:
    host.array.silent = {ONE, TWO}
    with pytest.raises(SanError) as caught:
        ensure_present(host.host, WANTED, ORDER)
    assert str(ONE) in caught.value.message
    assert str(TWO) in caught.value.message
