# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging out of recorded machines: what is behind a session leaves first, or the session stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import iscsi_session
from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_session import (
    NO_REMOVAL,
    Order,
    ensure_absent,
    ensure_present,
)
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, InUseError
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Portal, Wanted
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi import Scope
from ansible_collections.virt.san.tests.unit.support.logged_in import TARGET, mount, put_up
from ansible_collections.virt.san.tests.unit.support.open_iscsi import CHAP, ONE, TWO, OpenIscsi

ORDER, CHECK = Order(timeout=5), Order(timeout=5, check_mode=True)
ALL = Scope(TARGET)


@pytest.fixture(params=["debian12-iscsi", "debian13-iscsi"])
def mapped(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenIscsi]:
    """Three LUNs over both portals with maps; LUN 27 has no working path through the first one."""
    yield from put_up(request.param, tmp_path, True, monkeypatch)


@pytest.fixture(params=["debian12-iscsi", "debian13-iscsi"])
def bare(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenIscsi]:
    """The same without maps."""
    yield from put_up(request.param, tmp_path, False, monkeypatch)


def test_maps_that_keep_a_working_path_stay(mapped: OpenIscsi) -> None:
    report = ensure_absent(mapped.host, Scope(TARGET, (ONE,)), CHECK)
    assert {path["device"] for path in report.facts["removed_paths"]} == {"sda", "sdb", "sdc"}
    assert (len(report.facts["kept_maps"]), report.facts["removed_luns"]) == (3, [])
    assert not [step for step in report.facts["steps"] if "flush" in step]
    assert report.facts["steps"][-2].startswith(f"log out of {TARGET} at {ONE} (session3, host2)")


def test_a_map_that_would_lose_its_last_path_is_flushed(mapped: OpenIscsi) -> None:
    report = ensure_absent(mapped.host, Scope(TARGET, (TWO,)), CHECK)
    assert len(report.facts["kept_maps"]) == 2
    assert len([step for step in report.facts["steps"] if "flush" in step]) == 1
    whole = ensure_absent(mapped.host, ALL, CHECK)
    assert len([step for step in whole.facts["steps"] if "flush" in step]) == 3
    order = [step.split()[0] for step in whole.facts["steps"]]
    assert order == sorted(order, key=["flush", "have", "delete", "log", "remove"].index)


def test_in_use_is_refused(mapped: OpenIscsi) -> None:
    mount(mapped, "dm-0")
    (last,) = [portal for portal in (ONE, TWO) if _refuses(mapped, Scope(TARGET, (portal,)))]
    assert last == TWO, "the first one is no path of LUN 27 that works"
    for check in (CHECK, ORDER):
        with pytest.raises(InUseError, match="/srv"):
            ensure_absent(mapped.host, ALL, check)
    assert mapped.changes() == []


def _refuses(host: OpenIscsi, scope: Scope) -> bool:
    try:
        ensure_absent(host.host, scope, CHECK)
    except InUseError:
        return True
    return False


def test_disks_go_before_the_session(bare: OpenIscsi) -> None:
    """The fake refuses a logout with a disk behind it."""
    planned = ensure_absent(bare.host, ALL, CHECK)
    report = ensure_absent(bare.host, ALL, ORDER)
    assert (planned.before, planned.after) == (report.before, report.after)
    assert planned.facts["steps"] == report.facts["steps"]
    assert bare.changes() == ["--logout", "--logout", "delete", "delete"]
    assert len(report.facts["removed_luns"]) == 3
    again = ensure_absent(bare.host, ALL, ORDER)
    assert not again.changed


def test_a_disk_in_use_without_a_map(bare: OpenIscsi) -> None:
    mount(bare, "sde")
    with pytest.raises(InUseError, match="/srv"):
        ensure_absent(bare.host, Scope(TARGET, (TWO,)), ORDER)
    assert bare.changes() == []
    assert ensure_absent(bare.host, Scope(TARGET, (ONE,)), ORDER).changed, "the other portal's disks are free"


def test_a_disk_that_comes_meanwhile_stops_it(bare: OpenIscsi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iscsi_session.removal, "plan_behind", lambda *_args: NO_REMOVAL)
    with pytest.raises(ApplyError, match="came meanwhile behind host2"):
        ensure_absent(bare.host, ALL, ORDER)
    assert bare.changes() == []


def test_a_prefix_of_the_name_means_nothing(bare: OpenIscsi) -> None:
    assert not ensure_absent(bare.host, Scope(TARGET[:-1]), ORDER).changed
    assert not ensure_absent(bare.host, Scope(f"{TARGET}0"), ORDER).changed
    assert not ensure_absent(bare.host, Scope(TARGET, (Portal("10.77.1.1", 3261),)), ORDER).changed
    assert bare.changes() == []


def test_logging_in_again_takes_the_disks_off_first(bare: OpenIscsi) -> None:
    wanted = Wanted(TARGET, (ONE, TWO), chap=CHAP, relogin=True)
    bare.array.chap = CHAP
    planned = ensure_present(bare.host, wanted, CHECK)
    report = ensure_present(bare.host, wanted, ORDER)
    assert planned.facts["steps"] == report.facts["steps"]
    assert bare.changes() == ["--logout", "--logout", "--login", "--login"]
    assert len(report.facts["removed_paths"]) == 6


def test_logging_in_again_is_refused_in_use(mapped: OpenIscsi) -> None:
    mount(mapped, "dm-0")
    before = mapped.files()
    with pytest.raises(InUseError, match="/srv"):
        ensure_present(mapped.host, Wanted(TARGET, (ONE, TWO), chap=CHAP, relogin=True), ORDER)
    assert mapped.files() == before
