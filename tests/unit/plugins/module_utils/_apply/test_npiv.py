# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making virtual HBAs on recorded machines: one write, the fabric waited for, every answer in words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.npiv import ensure_present, look
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, IdentityError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._host import children
from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult, Write
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.tests.unit.support.npiv_kernel import KernelHost, kernel

WANTED = WantedVhba(Wwn("5001a4a0000000f1"), Wwn("5001a4a0000000f0"), symbolic_name="db01")
CREATE = f"vport_create {WANTED.names}"
THERE = WantedVhba(Wwn("5001a4a000000001"), Wwn("5001a4a000000101"))
"""The vHBA of the recording, host2 on host0."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[KernelHost]:
    with kernel("debian12-fc", tmp_path) as machine:
        yield machine


@pytest.fixture
def debian13(tmp_path: Path) -> Iterator[KernelHost]:
    with kernel("debian13-fc", tmp_path) as machine:
        yield machine


def test_made_with_one_write(host: KernelHost) -> None:
    report = ensure_present(host, WANTED, 30)
    assert host.written() == [CREATE, "symbolic_name db01"]
    assert report.changed
    assert report.vhba is not None
    told = report.vhba.to_dict()
    assert (told["host"], told["number"], told["parent"]) == ("host7", 7, "host1")
    assert (told["state"], told["port_state"], told["symbolic_name"]) == ("Active", "Online", "db01")
    assert told["parent_pci_address"] == "0000:00:06.0"
    assert told["fabric"] == "200002fcb269ad90"
    assert host.behaviour.sleeps == 0


def test_again_it_writes_nothing(host: KernelHost) -> None:
    ensure_present(host, WANTED, 30)
    written = host.written()
    report = ensure_present(host, WANTED, 30)
    assert not report.changed
    assert report.steps == []
    assert host.written() == written


def test_check_mode_says_the_same_and_writes_nothing(host: KernelHost) -> None:
    planned = ensure_present(host, WANTED, 30, check_mode=True)
    assert host.written() == []
    done = ensure_present(host, WANTED, 30)
    assert (planned.steps, planned.before, planned.after) == (done.steps, done.before, done.after)
    assert planned.changed


def test_one_that_is_there_is_left(debian13: KernelHost) -> None:
    names = WantedVhba(Wwn("5001a4a000000002"), Wwn("5001a4a000000102"))
    report = ensure_present(debian13, names, 0)
    assert (report.changed, debian13.written()) == (False, [])
    assert report.vhba is not None
    assert report.vhba.vport.host == "host2"


def test_waits_for_the_fabric(host: KernelHost) -> None:
    """Also where the vport says so before its own port does."""
    host.behaviour.states = [("Initializing", "Linkdown"), ("Active", "Linkdown"), ("Active", "Online")]
    assert ensure_present(host, WANTED, 30).changed
    assert host.behaviour.sleeps == 2
    assert host.now < 1000.1, "a login is looked at often: that is two attributes"


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("No Fabric Support", "has NPIV off"),
        ("No Fabric Resources", "no room"),
        ("Fabric Rejected WWN", "does not accept its WWPN"),
        ("Fabric Logout", "logged it out"),
        ("VPort Failed", "dmesg"),
        ("Disabled", "disabled it"),
    ],
)
def test_a_state_that_does_not_end_is_told_at_once(host: KernelHost, state: str, says: str) -> None:
    host.behaviour.states = [("Initializing", "Linkdown"), (state, "Linkdown")]
    with pytest.raises(ApplyError) as caught:
        ensure_present(host, WANTED, 3600)
    assert says in caught.value.message
    assert f"{state} (before that: Unknown)" in caught.value.message
    details = caught.value.details
    assert (details["vport_state"], details["vport_last_state"]) == (state, "Unknown")
    assert details["completed"] == [
        "host1: create vHBA 5001a4a0000000f1 (node 5001a4a0000000f0) with symbolic name 'db01'"
    ]
    assert host.now < 1001


def test_turned_down_it_is_made_anew_by_the_next_run(host: KernelHost) -> None:
    host.behaviour.states = [("Fabric Rejected WWN", "Linkdown")]
    with pytest.raises(ApplyError):
        ensure_present(host, WANTED, 10)
    host.behaviour.states = [("Active", "Online")]
    report = ensure_present(host, WANTED, 10)
    assert report.changed
    assert host.written()[2:] == [f"vport_delete {WANTED.names}", CREATE, "symbolic_name db01"]


def test_the_fabric_takes_too_long(host: KernelHost) -> None:
    host.behaviour.states = [("Initializing", "Linkdown")]
    with pytest.raises(ApplyError, match=r"not within 5 s; vport_state is Initializing .* logged in from elsewhere"):
        ensure_present(host, WANTED, 5)
    assert 1005 <= host.now < 1006
    host.behaviour.states = [("Active", "Online")]
    report = ensure_present(host, WANTED, 5)
    assert not report.changed, "it came up by itself"
    assert host.written().count(CREATE) == 1


def test_gone_while_waited_for(host: KernelHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.behaviour.states = [("Initializing", "Linkdown")]

    def delete(_seconds: float) -> None:
        host.write_attribute("/sys/class/fc_host/host1/vport_delete", WANTED.names)

    monkeypatch.setattr(host, "clock", replace(host.clock, sleep=delete))
    with pytest.raises(ApplyError, match="has somebody deleted it"):
        ensure_present(host, WANTED, 5)


@pytest.mark.parametrize(
    ("code", "driver", "says"),
    [
        (errno.ENOSPC, "fcoe", "all vports of the HBA are in use"),
        (errno.EINVAL, "fcoe", "a port with this WWPN is there already"),
        (errno.ENOTUNIQ, "qla2xxx", "in use already"),
        (errno.EIO, "qla2xxx", "a part of the names only"),
        (errno.EPERM, "fcoe", "become: true"),
        (errno.EPERM, "lpfc", "VPORT_ERROR"),
        (errno.ENOENT, "lpfc", "lpfc_enable_npiv"),
        (errno.ESRCH, "lpfc", "no memory"),
        (errno.EINTR, "lpfc", "no room for one more vport"),
        (errno.EINTR, "fcoe", "interrupted"),
        (errno.EXDEV, "fcoe", "Invalid cross-device link (EXDEV)"),
    ],
)
def test_the_answers_of_the_kernel(tmp_path: Path, code: int, driver: str, says: str) -> None:
    def with_driver(tree: dict[str, object]) -> None:
        for path in tree:
            if path.endswith("host1/proc_name"):
                tree[path] = f"{driver}\n"

    with kernel("debian12-fc", tmp_path, with_driver) as host:
        host.behaviour.create_error = code
        with pytest.raises(ApplyError) as caught:
            ensure_present(host, WANTED, 30)
    assert says in caught.value.message
    assert caught.value.details["errno"] == code
    assert host.written() == [CREATE], "once, whatever the answer"


def test_another_name_for_one_that_is_there(host: KernelHost) -> None:
    ensure_present(host, WANTED, 30)
    report = ensure_present(host, replace(WANTED, symbolic_name="db02"), 30)
    assert report.steps == ["vHBA 5001a4a0000000f1: set symbolic name 'db02'"]
    assert host.written()[2:] == ["symbolic_name db02"]


def test_a_name_that_is_not_taken(host: KernelHost) -> None:
    """The vHBA is there all the same, and the next run goes on."""
    host.behaviour.name_error = errno.EINVAL
    with pytest.raises(ApplyError, match="did not take the symbolic name: Invalid argument"):
        ensure_present(host, WANTED, 30)
    host.behaviour.name_error = 0
    assert ensure_present(host, WANTED, 30).steps == ["vHBA 5001a4a0000000f1: set symbolic name 'db01'"]


def test_a_driver_that_takes_no_name(host: KernelHost) -> None:
    host.behaviour.nameable = False
    report = ensure_present(host, WANTED, 30)
    assert host.written() == [CREATE]
    assert "takes no symbolic name" in report.warnings[0]


def test_done_and_not_there(host: KernelHost) -> None:
    host.behaviour.makes_nothing = True
    with pytest.raises(ApplyError, match="there is no such vport all the same"):
        ensure_present(host, WANTED, 30)


def test_a_driver_that_hangs(host: KernelHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(_host: object, jobs: dict[str, list[Write]], _deadline: float) -> dict[str, ChildResult]:
        ((name, (write, named)),) = jobs.items()
        return {name: ChildResult((), write, 60.0, (named,), 4711)}

    monkeypatch.setattr(children, "write_all", stuck)
    with pytest.raises(ApplyError, match="process 4711 still hangs"):
        ensure_present(host, WANTED, 30)


def test_behind_one_that_hangs_nothing_is_begun(host: KernelHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "left_behind", lambda _host, names: dict.fromkeys(names, 4711))
    with pytest.raises(ApplyError, match="process 4711 of an earlier run"):
        ensure_present(host, WANTED, 30)
    assert host.written() == []


def test_refused_before_the_first_write(host: KernelHost) -> None:
    own = Wwn("200052542a9c277f")
    with pytest.raises(IdentityError, match="a physical port"):
        ensure_present(host, replace(WANTED, wwpn=own), 30)
    with pytest.raises(RefusedError, match="move: true"):
        ensure_present(host, replace(THERE, parent="host1"), 30)
    assert host.written() == []


def test_the_number_may_be_another_hbas_by_now(host: KernelHost, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = look(host)
    monkeypatch.setattr(host, "read", lambda path: "0x1" if path.endswith("host1/port_name") else None)
    monkeypatch.setattr("ansible_collections.virt.san.plugins.module_utils._apply.npiv.look", lambda _host: seen)
    with pytest.raises(ApplyError, match="no longer the HBA"):
        ensure_present(host, WANTED, 30)
    assert host.written() == []
