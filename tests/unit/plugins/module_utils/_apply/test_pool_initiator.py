# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool that logs in by an initiator name of its own: by which iface, beside whom, and what is left of that."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import pool_sessions
from ansible_collections.virt.san.plugins.module_utils._apply.pool_info import gather
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.volumes_native import list_volumes
from ansible_collections.virt.san.plugins.module_utils._boot.pools import attempt
from ansible_collections.virt.san.plugins.module_utils._errors import (
    ApplyError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._host import arrival, iscsi, iscsi_records, iscsiadm
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Portal, own_interface
from ansible_collections.virt.san.plugins.module_utils._model.pool import Auth, PoolDefinition, SourceDevice
from ansible_collections.virt.san.tests.unit.support.iscsi_pool import (
    PLAIN,
    ours,
    portals,
    reboot,
    run,
    through_all_states,
)
from ansible_collections.virt.san.tests.unit.support.open_iscsi import (
    CHAP,
    ONE,
    OWN_NAME,
    SECRET,
    TARGET,
    TWO,
    OpenIscsi,
)

GUEST, OTHER = "iqn.2025-01.test.guest:db01", "iqn.2025-01.test.guest:db02"
MADE = own_interface(GUEST)
BOTH = [ONE.address, TWO.address]


def as_initiator(name: str, **more: Any) -> PoolDefinition:
    return replace(PLAIN, source=replace(PLAIN.source, initiator=name, **more))


NAMED = as_initiator(GUEST)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenIscsi:
    """One whose array admits one guest, and the host by its own name."""
    made = OpenIscsi(tmp_path)
    made.array.admitted = {GUEST, OWN_NAME}
    monkeypatch.setattr(iscsiadm, "knock", made.knock)
    monkeypatch.setattr(arrival, "PATIENCE", 0.0)
    return made


def names(machine: OpenIscsi) -> list[str]:
    """Return what the host is called in its sessions."""
    return [one.initiator or "" for one in iscsi.read_sessions(machine.host)]


def records(machine: OpenIscsi) -> list[tuple[str, Portal, int | None, str]]:
    found = iscsi_records.read_records(machine.host, machine.place)
    return sorted((one.target, one.portal, one.tpgt, one.interface) for one in found)


def test_through_all_states(machine: OpenIscsi) -> None:
    machine.array.admitted = {GUEST}
    through_all_states(machine, NAMED, BOTH)
    assert machine.ifaces() == []


def test_what_is_said_of_it(machine: OpenIscsi) -> None:
    done = run(machine, "active", NAMED)
    made = [f"iface {MADE}", *(f"{kind} {TARGET} {at} {MADE}" for at in (ONE, TWO) for kind in ("record", "session"))]
    assert done.facts["steps"][2] == f"make iface {MADE} with the iSCSI name {GUEST}"
    assert f"{TARGET} at {ONE}: set node.startup = manual, iface.initiatorname = {GUEST}" in done.facts["steps"]
    assert done.facts["steps"][-2] == f"log in to {TARGET} at {ONE}, {TWO} by iface {MADE}"
    assert done.facts["pool"]["made"] == sorted(made)
    assert names(machine) == [GUEST, GUEST]
    assert records(machine) == [(TARGET, ONE, 1, MADE), (TARGET, TWO, 1, MADE)], "each with its portal group"
    (told,) = gather(machine.host, NativeKeeper(machine.host), None, partial(list_volumes, machine.host, deadline=5))
    assert told["sources"][0] == {"target": TARGET, "portal": str(ONE), "initiator": GUEST}
    assert run(machine, "inactive", None).facts["steps"][-3] == f"remove iface {MADE}"


def test_sessions_by_other_names_are_others(machine: OpenIscsi) -> None:
    machine.record(TARGET, ONE, "1")
    machine.session(TARGET, ONE)
    assert run(machine, "active", NAMED).after["pool"]["sessions"] == {str(ONE): True, str(TWO): True}
    assert sorted(names(machine)) == [GUEST, GUEST, OWN_NAME]
    run(machine, "absent", None)
    assert (names(machine), machine.ifaces()) == ([OWN_NAME], [])
    assert records(machine) == [(TARGET, ONE, 1, "default")]


def test_an_iface_that_is_there_is_used_and_stays(machine: OpenIscsi) -> None:
    machine.add_iface("a-card", initiatorname=GUEST, net_ifacename="eth1")
    machine.add_iface("libvirt-iface-0a1b2c3d", initiatorname=GUEST.upper())
    through_all_states(machine, NAMED, BOTH)
    assert machine.ifaces() == ["a-card", "libvirt-iface-0a1b2c3d"]
    machine.session(TARGET, ONE, "a-card", name=GUEST)
    done = run(machine, "active", NAMED)
    assert f"log in to {TARGET} at {TWO} by iface a-card" in done.facts["steps"], "there is a session by that"


def test_the_hosts_own_name_needs_no_iface(machine: OpenIscsi) -> None:
    through_all_states(machine, as_initiator(OWN_NAME), BOTH)
    assert f"session {TARGET} {ONE}" in run(machine, "active", as_initiator(OWN_NAME)).facts["pool"]["made"]
    assert (names(machine), machine.ifaces()) == ([OWN_NAME, OWN_NAME], [])


def test_two_names_and_one_target(machine: OpenIscsi) -> None:
    run(machine, "active", NAMED)
    run(machine, "active", replace(as_initiator(OWN_NAME), name="host"))
    with pytest.raises(RefusedError, match="already that of pool"):
        run(machine, "present", replace(PLAIN, name="all"))
    assert sorted(names(machine)) == [GUEST, GUEST, OWN_NAME, OWN_NAME]
    run(machine, "absent", NAMED)
    assert (names(machine), machine.ifaces()) == ([OWN_NAME, OWN_NAME], [])
    assert not run(machine, "active", replace(as_initiator(OWN_NAME), name="host")).changed


def test_one_name_and_two_targets(machine: OpenIscsi) -> None:
    """The iface goes with the last pool that uses it, whichever has made it."""
    second = "iqn.2025-01.test.array:vol2"
    machine.array.targets = {ONE: [TARGET, second], TWO: [TARGET, second]}
    other = replace(as_initiator(GUEST, devices=(SourceDevice(second),)), name="other")
    run(machine, "active", NAMED)
    run(machine, "active", other)
    run(machine, "absent", NAMED)
    assert (names(machine), machine.ifaces()) == ([GUEST, GUEST], [MADE])
    run(machine, "absent", other)
    assert (ours(machine), names(machine), machine.ifaces(), records(machine)) == ({}, [], [], [])


def test_records_of_others_keep_the_iface(machine: OpenIscsi) -> None:
    run(machine, "active", NAMED)
    theirs = ("iqn.2025-01.test.array:vol3", ONE, 1, MADE)
    machine.record(theirs[0], ONE, "1", MADE)
    run(machine, "absent", None)
    assert (machine.ifaces(), records(machine), ours(machine)) == ([MADE], [theirs], {})


def test_an_array_that_does_not_know_the_name(machine: OpenIscsi) -> None:
    """Before there is an iface the login tells; with one the portals are asked."""
    machine.array.admitted = {OWN_NAME}
    with pytest.raises(ApplyError, match="the initiator name not admitted"):
        run(machine, "active", NAMED)
    assert (names(machine), machine.ifaces(), records(machine)) == ([], [], [])
    assert sorted(ours(machine)) == ["etc/virt-san/pools/array.json", "etc/virt-san/pools/array.xml"]
    machine.add_iface("guest", initiatorname=GUEST)
    with pytest.raises(NotFoundError, match=f"does the array admit the initiator name {GUEST}"):
        run(machine, "active", NAMED)


def test_another_name_counts_at_the_next_start(machine: OpenIscsi) -> None:
    machine.array.admitted = {GUEST, OTHER}
    run(machine, "active", NAMED)
    moved = as_initiator(OTHER)
    done = run(machine, "active", moved)
    assert (done.facts["restart_needed"], names(machine)) == (["source.initiator"], [GUEST, GUEST])
    assert run(machine, "active", PLAIN).facts["restart_needed"] == ["source.initiator"]
    run(machine, "inactive", moved)
    assert (names(machine), machine.ifaces(), records(machine)) == ([], [], [])
    run(machine, "active", None)
    assert (names(machine), machine.ifaces()) == ([OTHER, OTHER], [own_interface(OTHER)])


def test_after_a_boot(machine: OpenIscsi) -> None:
    run(machine, "active", NAMED)
    reboot(machine)
    said: list[str] = []
    assert attempt(machine.host, "array", said.append) is None
    assert (names(machine), "started" in said[0]) == ([GUEST, GUEST], True)
    reboot(machine)
    run(machine, "absent", None)
    assert (ours(machine), machine.ifaces(), records(machine)) == ({}, [], [])


def test_with_a_password(machine: OpenIscsi) -> None:
    machine.array.chap, machine.array.discovery_chap = CHAP, replace(CHAP, password="another-one-12")
    guarded = as_initiator(GUEST, auth=Auth("chap", "host1", None, "virt-san/array"))
    through_all_states(machine, guarded, BOTH, secret=CHAP)
    machine.array.discovery_chap = None
    through_all_states(machine, guarded, BOTH, secret=CHAP)
    assert not any(SECRET in " ".join(call) for call in machine.calls)


def test_a_portal_that_is_down_is_logged_in_to_later(machine: OpenIscsi) -> None:
    machine.array.silent = {TWO}
    done = run(machine, "active", NAMED)
    assert (portals(machine), any("no TCP connection" in warning for warning in done.warnings)) == ([ONE.address], True)
    assert not run(machine, "active", None).changed
    machine.array.silent = set()
    assert run(machine, "active", None).changed
    assert portals(machine) == BOTH
    machine.array.silent = {ONE, TWO}
    run(machine, "absent", None)
    with pytest.raises(UnavailableError, match="can be had"):
        run(machine, "active", NAMED)
    assert (ours(machine), machine.ifaces()) == ({}, [])


def test_a_record_that_open_iscsi_would_drop(machine: OpenIscsi) -> None:
    """It was made without a portal group, for another iface; it may hold a password."""
    machine.record(TARGET, ONE, "")
    done = run(machine, "active", NAMED)
    assert any("without the portal group" in warning for warning in done.warnings)
    assert portals(machine) == [TWO.address]
    run(machine, "absent", None)
    assert records(machine) == [(TARGET, ONE, None, "default")]


def test_an_iface_that_a_killed_run_has_left(machine: OpenIscsi) -> None:
    machine.add_iface(MADE)
    assert f"make iface {MADE} with the iSCSI name {GUEST}" in run(machine, "active", NAMED).facts["steps"]
    run(machine, "absent", None)
    assert machine.ifaces() == []


def test_an_iface_of_the_name_that_is_somebody_elses(machine: OpenIscsi) -> None:
    machine.add_iface(MADE, initiatorname=OTHER)
    with pytest.raises(RefusedError, match=f"somebody has given it {OTHER}"):
        run(machine, "active", NAMED)
    assert ours(machine) == {}


def test_an_iface_that_does_not_go(machine: OpenIscsi, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of a login that failed is noted."""
    machine.array.login_codes = {ONE: 19, TWO: 19}

    def fail(*_given: object) -> None:
        raise UnavailableError("the database is read-only")

    with monkeypatch.context() as broken:
        broken.setattr(pool_sessions.iscsi_steps, "delete_interface", fail)
        with pytest.raises(ApplyError, match=f"The iface {MADE} could not be removed: the database is read-only"):
            run(machine, "active", NAMED)
    assert run(machine, "absent", None).facts["steps"][0] == f"remove iface {MADE}"
    assert machine.ifaces() == []
