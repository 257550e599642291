# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps about ifaces and records: seen to be done, and no record goes with one that is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_steps import perform
from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import iscsi_lock, iscsi_records, iscsiadm
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Interface
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi_steps import (
    CreateInterface,
    DeleteInterface,
    EditRecord,
)
from ansible_collections.virt.san.tests.unit.support.open_iscsi import ONE, TARGET, OpenIscsi

ROOT = "/etc/iscsi"
NAME, GUEST = "virt-san-0a1b2c3d", "iqn.2025-01.test.guest:db01"


@pytest.fixture(params=iscsi_lock.ROOTS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> OpenIscsi:
    """One with its database in either place: before there is a record, it may not be known in which."""
    return OpenIscsi(tmp_path, request.param)


def test_made_and_removed(host: OpenIscsi) -> None:
    perform(host.host, ROOT, CreateInterface(NAME, GUEST), None, 5)
    assert iscsi_records.read_interfaces(host.host, ROOT) == (Interface(NAME, GUEST, True),)
    for _run in range(2):
        perform(host.host, ROOT, DeleteInterface(NAME), None, 5)
        assert host.ifaces() == []
    assert host.changes() == ["new", "delete"]


def test_not_made_as_asked_for(host: OpenIscsi, monkeypatch: pytest.MonkeyPatch) -> None:
    """iscsiadm says nothing of a name that it could not give."""
    monkeypatch.setattr(
        iscsiadm, "create_interface", lambda *_given: host.add_iface(NAME, initiatorname="iqn.2025-01.a:b")
    )
    with pytest.raises(UnavailableError, match=r"with the iSCSI name .* but .* there is iqn\.2025-01\.a:b"):
        perform(host.host, ROOT, CreateInterface(NAME, GUEST), None, 5)
    monkeypatch.setattr(iscsiadm, "create_interface", lambda *_given: None)
    with pytest.raises(UnavailableError, match="no such iface"):
        perform(host.host, ROOT, CreateInterface("another", GUEST), None, 5)


def test_one_with_records_is_not_removed(host: OpenIscsi) -> None:
    host.add_iface(NAME, initiatorname=GUEST)
    host.record(TARGET, ONE, "1", NAME)
    with pytest.raises(InUseError, match=f"has records meanwhile, of {TARGET} at {ONE}"):
        perform(host.host, host.place, DeleteInterface(NAME), None, 5)
    assert host.ifaces() == [NAME]


def test_only_what_a_record_does_not_say_is_written(host: OpenIscsi, monkeypatch: pytest.MonkeyPatch) -> None:
    host.record(TARGET, ONE, "1", "default")
    monkeypatch.setattr(iscsi_records, "replace_record", lambda *_given: pytest.fail("written"))
    (record,) = iscsi_records.read_records(host.host, host.place)
    perform(host.host, host.place, EditRecord(TARGET, ONE, "default", dict(record.values)), None, 5)
    with pytest.raises(pytest.fail.Exception, match="written"):
        perform(host.host, host.place, EditRecord(TARGET, ONE, "default", {"node.startup": "onboot"}), None, 5)
