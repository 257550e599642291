# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole rescan against a made-up SAN, on a clock that only moves when it is waited on."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._apply.rescan import Rescanned, Times, rescan
from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    IdentityError,
    InUseError,
    NotFoundError,
    UnavailableError,
    WaitTimeoutError,
)
from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult, Write, Written
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock, Host
from ansible_collections.virt.san.plugins.module_utils._model.block import Path, Use
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwid
from ansible_collections.virt.san.plugins.module_utils._plan.expected import Expect
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import (
    DeletePlaceholder,
    Request,
    Reread,
    RescanStep,
    Scan,
    Seen,
    Selection,
)
from ansible_collections.virt.san.tests.unit.support.fabric import (
    GIB,
    FakeSan,
    Volume,
    hba,
    target,
    two_fabrics,
    without,
    wwid,
    wwpn,
)

TIMES = Times(expect=60, scan=30)


class FakeMachine:
    """A machine on a FakeSan. Hosts in `hanging` never return from a scan; every write is noted."""

    wake = None

    def __init__(self, san: FakeSan, *, hanging: Sequence[str] = (), managed: Sequence[Wwid] = ()) -> None:
        self.san = san
        self.hanging = set(hanging)
        self.managed = frozenset(managed)
        self.left: dict[str, int] = {}
        self.errors: dict[str, int] = {}
        self.deaf: set[Hctl] = set()
        """Disks that do not tell who they are."""
        self.written: list[RescanStep] = []
        self.now = 0.0
        self.looks = self.looks_at_users = 0
        self.later: list[tuple[float, Callable[[], Any]]] = []
        self.edit: Callable[[Seen], Seen] = lambda seen: seen
        self.clock = Clock(monotonic=lambda: self.now, sleep=self.sleep)
        self.host = Host("/nonexistent", clock=self.clock)

    def at(self, when: float, what: Callable[[], Any]) -> None:
        self.later.append((when, what))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for when, what in [event for event in self.later if event[0] <= self.now]:
            self.later.remove((when, what))
            what()

    def require_scanning(self) -> None:
        return

    def managed_wwids(self) -> frozenset[Wwid]:
        return self.managed

    def left_behind(self, _hbas: object) -> dict[str, int]:
        return self.left

    def look(self, _selection: Selection | None, _request: Request, _before: Seen | None, *, uses: bool) -> Seen:
        self.looks += 1
        self.looks_at_users += uses
        seen = replace(self.edit(self.san.seen()), with_uses=uses)
        if uses:
            return seen
        units = tuple(replace(unit, uses=()) for unit in seen.san.luns)
        return replace(seen, san=replace(seen.san, luns=units))

    def in_udevs_hands(self, path: Path) -> bool:
        return path.device not in self.edit(self.san.seen()).recorded

    def write(self, jobs: Mapping[str, Sequence[RescanStep]], deadline: float) -> dict[str, ChildResult]:
        results = {}
        for name, steps in jobs.items():
            writes = [Write(f"/sys/{step.describe()}", "") for step in steps]
            self.written += steps
            if name in self.hanging:
                results[name] = ChildResult((), writes[0], deadline, tuple(writes[1:]), 4711)
                continue
            code = self.errors.get(name, 0)
            if not code:
                self.san.apply(steps)
            results[name] = ChildResult(tuple(Written(write, code, 0.1) for write in writes), None, 0.1)
        if self.hanging & set(jobs):
            self.now += deadline
        return results

    def identities(self, hctl: Hctl) -> tuple[Wwid, ...]:
        volume = self.san.known.get(hctl)
        return () if volume is None or hctl in self.deaf else (volume.wwid,)


def run(machine: FakeMachine, request: Request, *, check_mode: bool = False, times: Times = TIMES) -> Rescanned:
    return rescan(machine, request, times, check_mode)  # type: ignore[arg-type]


def wanted(*luns: int, **more: Any) -> Request:
    return Request(expect=Expect(luns=luns, **more))


def facts(done: Rescanned, key: str, field: str) -> list[Any]:
    return [one[field] for one in done.facts[key]]


def without_disk(seen: Seen) -> Seen:
    """Return the look with the paths of its one unit as devices that have no disk yet."""
    paths = tuple(replace(path, device="", size=0) for path in seen.san.luns[0].paths)
    return replace(seen, san=replace(seen.san, luns=(), orphans=paths))


# The way it should go.


def test_luns_appear_over_both_fabrics() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1, 28: 2}))
    done = run(machine, wanted(27, 28, paths=2))
    assert done.changed
    assert facts(done, "appeared", "hctl") == ["2:0:0:27", "2:0:0:28", "3:0:0:27", "3:0:0:28"]
    assert facts(done, "appeared", "wwid") == [wwid(1), wwid(2), wwid(1), wwid(2)]
    assert facts(done, "luns", "wwid") == [wwid(1), wwid(2)]
    assert done.facts["missing"] == done.facts["resized"] == done.facts["remapped"] == []
    assert done.before == {}
    assert done.after["2:0:0:27"] == f"{wwid(1)} 1G"
    assert machine.now == 0, "nothing is waited for that is there"
    assert done.warnings == ()


def test_a_second_run_changes_nothing() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1, 28: 2}))
    run(machine, wanted(27, 28, paths=2))
    machine.written.clear()
    done = run(machine, wanted(27, 28, paths=2))
    assert not done.changed
    assert done.facts["appeared"] == []
    assert {type(step) for step in machine.written} == {Reread}


def test_what_was_not_asked_for_stays_out() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1, 99: 9}))
    done = run(machine, wanted(27))
    assert {hctl.lun for hctl in machine.san.known} == {27}
    assert facts(done, "luns", "wwid") == [wwid(1)]


def test_time_and_work_are_told_by_host() -> None:
    done = run(FakeMachine(two_fabrics(luns={27: 1})), wanted(27))
    assert done.facts["hosts"] == [
        {
            "hba": name,
            "seconds": 0.1,
            "scans": [f"{name}: scan 0 0 27 (LUN 27 of {port})"],
            "stuck": None,
            "errors": [],
        }
        for name, port in (("host2", wwpn(1)), ("host3", wwpn(2)))
    ]
    assert done.facts["scans"] == [line for one in done.facts["hosts"] for line in one["scans"]]


def test_everything_without_numbers() -> None:
    done = run(FakeMachine(two_fabrics(luns={27: 1, 28: 2, 99: 9})), Request())
    assert facts(done, "luns", "wwid") == [wwid(1), wwid(2), wwid(9)]


def test_a_flat_number_is_tried_after_the_plain_one() -> None:
    san = two_fabrics()
    san.put("host2", wwpn(1), 0x4000 + 27, Volume(1))
    machine = FakeMachine(san)
    done = run(machine, wanted(27))
    assert facts(done, "appeared", "lun_kernel") == [0x4000 + 27]
    assert facts(done, "appeared", "lun") == [27]


def test_lun_300_of_both_kinds_of_array() -> None:
    san = two_fabrics()
    san.put("host2", wwpn(1), 300, Volume(1))
    san.put("host3", wwpn(2), 0x4000 + 300, Volume(1))
    assert facts(run(FakeMachine(san), wanted(300, paths=2)), "appeared", "lun") == [300, 300]


def test_a_real_lun_zero_behind_a_placeholder() -> None:
    san = two_fabrics()
    san.put("host2", wwpn(1), 0, Volume(1, placeholder=True), scanned=True)
    san.put("host2", wwpn(1), 0, Volume(1))
    machine = FakeMachine(san)
    done = run(machine, wanted(0))
    assert facts(done, "appeared", "hctl") == ["2:0:0:0"]
    assert [type(step) for step in machine.written if step.hba == "host2"] == [DeletePlaceholder, Scan]


def test_a_placeholder_that_somebody_has_open_is_left_alone() -> None:
    san = two_fabrics()
    san.put("host2", wwpn(1), 0, Volume(1, placeholder=True), scanned=True)
    machine = FakeMachine(san)
    machine.edit = lambda seen: replace(seen, held=seen.placeholders)
    run(machine, Request(luns=(0,)))
    assert not any(isinstance(step, DeletePlaceholder) for step in machine.written)


def test_a_lun_zero_just_found_is_given_time_to_get_its_disk() -> None:
    machine = FakeMachine(two_fabrics(luns={0: 1}, scanned=[0]))

    machine.edit = lambda seen: without_disk(seen) if machine.now < 1 else seen
    run(machine, wanted(0))
    assert not any(isinstance(step, DeletePlaceholder) for step in machine.written)


def test_a_lun_zero_whose_disk_is_slow_to_come_is_no_placeholder() -> None:
    machine = FakeMachine(two_fabrics(luns={0: 1}))
    machine.edit = lambda seen: without_disk(seen) if machine.now < 9 and seen.san.luns else seen
    run(machine, wanted(0))
    assert machine.written == [
        Scan("host2", 0, 0, 0, wwpn(1)),
        Scan("host3", 0, 0, 0, wwpn(2)),
    ]


def test_a_lun_zero_without_its_disk_for_good_is_a_placeholder() -> None:
    """As after a driver was unbound: nothing says that the device is idle, but no disk ever comes."""
    machine = FakeMachine(two_fabrics(luns={0: 1}, scanned=[0]))
    machine.edit = lambda seen: without_disk(seen) if not machine.written else seen
    run(machine, wanted(0))
    assert [type(step) for step in machine.written if step.hba == "host2"] == [DeletePlaceholder, Scan]


def test_a_grown_lun_is_reported() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1}, scanned=[27]))
    for name, port in (("host2", wwpn(1)), ("host3", wwpn(2))):
        machine.san.put(name, port, 27, Volume(1, size=2 * GIB))
    done = run(machine, Request(expect=Expect(lun_sizes={27: 2 * GIB})))
    assert done.changed
    assert done.facts["resized"] == [
        {
            "wwid": wwid(1),
            "luns": [27],
            "old_size": GIB,
            "new_size": 2 * GIB,
            "devices": ["sd_2_0_27", "sd_3_0_27"],
        }
    ]
    assert not run(machine, wanted(27)).changed


def test_no_refresh_is_no_reading_again() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1}, scanned=[27]))
    machine.san.put("host2", wwpn(1), 27, Volume(1, size=2 * GIB))
    done = run(machine, Request(luns=(27,), refresh_sizes=False))
    assert not done.changed
    assert machine.written == []


# Waiting.


def test_a_lun_mapped_a_little_later_is_scanned_for_again() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1}))
    for name, port in (("host2", wwpn(1)), ("host3", wwpn(2))):
        machine.at(5, lambda name=name, port=port: machine.san.put(name, port, 28, Volume(2)))
    done = run(machine, wanted(27, 28))
    assert facts(done, "luns", "wwid") == [wwid(1), wwid(2)]
    assert 5 < machine.now < 15


def test_a_port_that_comes_online_meanwhile_is_scanned_too() -> None:
    san = two_fabrics(luns={27: 1})
    ready = san.hbas
    san.hbas = without(ready, "host3")
    machine = FakeMachine(san)
    machine.at(3, lambda: setattr(san, "hbas", ready))
    done = run(machine, wanted(27, paths=2))
    assert facts(done, "appeared", "hba") == ["host2", "host3"]
    assert done.facts["skipped_ports"] == []


def test_disks_are_waited_for_until_udev_is_done() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1}))
    machine.edit = lambda seen: seen if machine.now >= 7 else replace(seen, recorded=frozenset())
    run(machine, Request(luns=(27,)))
    assert 7 <= machine.now < 8


def test_while_udev_is_busy_it_is_left_in_peace() -> None:
    """Neither scans nor whole looks take the processor time it needs."""

    def run_until(ready: float) -> FakeMachine:
        machine = FakeMachine(two_fabrics(luns={27: 1}))
        machine.edit = lambda seen: seen if machine.now >= ready else replace(seen, recorded=frozenset())
        run(machine, wanted(27))
        assert machine.now >= ready
        return machine

    soon, late = run_until(0.5), run_until(50)
    assert late.looks == soon.looks
    assert late.written == soon.written


def test_who_uses_what_is_asked_when_udev_is_done_and_not_at_every_look() -> None:
    """That is the costly part of a look, and a LUN that is missing is looked for again and again."""

    def run_with(lun: int) -> FakeMachine:
        machine = FakeMachine(two_fabrics(luns={27: 1}))
        machine.edit = lambda seen: seen if machine.now >= 7 else replace(seen, recorded=frozenset())
        with nullcontext() if lun == 27 else pytest.raises(WaitTimeoutError):
            run(machine, wanted(27, lun))
        return machine

    assert run_with(27).looks_at_users == 1
    missing = run_with(53)
    assert missing.looks > 10
    assert missing.looks_at_users == 2


def test_a_disk_that_never_gets_ready_is_a_warning_when_nothing_is_expected() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1}))
    machine.edit = lambda seen: replace(seen, recorded=frozenset())
    done = run(machine, Request(luns=(27,)))
    assert any("sd_2_0_27 was not ready for use within 60 s" in warning for warning in done.warnings)
    assert machine.now == pytest.approx(60)


# What is missing.


def test_one_message_for_all_that_is_missing() -> None:
    san = two_fabrics(luns={27: 1, 28: 2})
    san.hbas = (san.hbas[0], san.hbas[1], hba(3, target(2, state="Blocked")))
    machine = FakeMachine(san)
    with pytest.raises(WaitTimeoutError) as caught:
        run(machine, Request(expect=Expect(luns=(27, 53), lun_sizes={28: 2 * GIB}, paths=2)))
    message = caught.value.message
    assert message.startswith(
        "not all that is expected is there after 60 s. LUN 53: a LUN wanted; none is seen; seen there:"
    )
    assert f"LUN 28: 2G LUN wanted; seen is {wwid(2)} of 1G" in message
    assert f"LUN 27 (WWID {wwid(1)}): 2 paths wanted; 1 usable: sd_2_0_27 as LUN 27 over host2" in message
    assert f"Not scanned: host3 to {wwpn(2)}: not ready: Blocked" in message
    details = caught.value.details
    assert [(one["lun"], one["problem"]) for one in details["missing"]] == [
        (53, "absent"),
        (28, "size"),
        (27, "paths"),
        (28, "paths"),
    ]
    assert details["changed"] is True
    assert [one["hctl"] for one in details["appeared"]] == ["2:0:0:27", "2:0:0:28"]
    assert details["skipped_ports"] == [{"hba": "host3", "target": wwpn(2), "reason": "not ready: Blocked"}]
    assert machine.now == pytest.approx(60)


def test_a_number_asked_for_without_being_expected_is_only_reported() -> None:
    done = run(FakeMachine(two_fabrics(luns={27: 1})), Request(luns=(27, 53)))
    assert [(one["lun"], one["problem"]) for one in done.facts["missing"]] == [(53, "absent")]
    assert any("LUN 53" in warning for warning in done.warnings)


def test_no_time_is_one_scan() -> None:
    machine = FakeMachine(two_fabrics())
    with pytest.raises(WaitTimeoutError, match="after 0 s"):
        run(machine, wanted(27), times=Times(0, 30))
    assert machine.now == 0


# Hosts that hang.


def test_a_hung_host_does_not_keep_the_others() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1, 28: 2}), hanging=["host3"])
    done = run(machine, wanted(27, 28))
    assert facts(done, "appeared", "hba") == ["host2", "host2"]
    (stuck,) = [one for one in done.facts["hosts"] if one["stuck"]]
    assert stuck["hba"] == "host3"
    assert stuck["stuck"] == (
        f"no return from scan 0 0 27 (LUN 27 of {wwpn(2)}) within 30 s; process 4711 still hangs in the kernel"
    )
    assert stuck["scans"] == [f"host3: scan 0 0 27 (LUN 27 of {wwpn(2)})"]
    assert any(warning.startswith("host3 hangs") for warning in done.warnings)
    assert any("host3: 1 more" in warning for warning in done.warnings)


def test_a_hung_host_is_an_error_where_it_is_missed() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1}), hanging=["host3"])
    with pytest.raises(WaitTimeoutError, match=r"2 paths wanted; 1 usable.*host3 hangs: no return from") as caught:
        run(machine, wanted(27, paths=2))
    assert machine.now == pytest.approx(90), "a host that hangs is not scanned twice"
    assert [one["stuck"] is None for one in caught.value.details["hosts"]] == [True, False]


def test_when_all_hang_there_is_nothing_to_wait_for() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1}), hanging=["host2", "host3"])
    with pytest.raises(WaitTimeoutError):
        run(machine, wanted(27))
    assert machine.now < 33


def test_a_host_that_hangs_since_an_earlier_run_is_not_scanned() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1}))
    machine.left = {"host3": 815}
    done = run(machine, wanted(27))
    assert {step.hba for step in machine.written} == {"host2"}
    assert any("process 815 of an earlier run" in warning for warning in done.warnings)


def test_what_the_kernel_refuses_is_told() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1}))
    machine.errors["host3"] = errno.EINVAL
    done = run(machine, wanted(27))
    assert any("host3: writing" in warning and "Invalid argument" in warning for warning in done.warnings)
    assert done.facts["hosts"][1]["errors"]


# Identity.


def test_a_remapped_lun_is_never_merged() -> None:
    san = two_fabrics(luns={27: 1}, scanned=[27])
    san.maps[wwid(1)] = "lun27"
    for name, port in (("host2", wwpn(1)), ("host3", wwpn(2))):
        san.put(name, port, 27, Volume(9))
    with pytest.raises(IdentityError) as caught:
        run(FakeMachine(san), wanted(27))
    assert f"a path of map lun27, was {wwid(1)} and is {wwid(9)} now" in caught.value.message
    assert [one["device"] for one in caught.value.details["remapped"]] == ["sd_2_0_27", "sd_3_0_27"]
    assert "hosts" in caught.value.details


def test_a_lun_mapped_to_another_number_is_no_remap() -> None:
    san = two_fabrics(luns={27: 1}, scanned=[27])
    for name, port in (("host2", wwpn(1)), ("host3", wwpn(2))):
        san.put(name, port, 30, Volume(1))
    assert facts(run(FakeMachine(san), wanted(30)), "luns", "wwid") == [wwid(1)]


@pytest.fixture
def double() -> FakeSan:
    san = two_fabrics()
    san.put("host2", wwpn(1), 27, Volume(1))
    san.put("host3", wwpn(2), 27, Volume(2, size=2 * GIB))
    return san


def test_one_number_of_two_targets_stops_with_the_candidates(double: FakeSan) -> None:
    machine = FakeMachine(double)
    with pytest.raises(AmbiguousError) as caught:
        run(machine, wanted(27))
    assert [one["wwid"] for one in caught.value.details["candidates"]] == [wwid(1), wwid(2)]
    assert machine.now == 0, "waiting does not make it clearer"
    assert caught.value.details["changed"] is True


@pytest.mark.parametrize(
    "request_",
    [
        replace(wanted(27), targets=(wwpn(2),)),
        Request(expect=Expect(lun_sizes={27: 2 * GIB})),
        Request(luns=(27,), expect=Expect(wwids=(wwid(2),))),
    ],
)
def test_one_number_told_apart(double: FakeSan, request_: Request) -> None:
    assert facts(run(FakeMachine(double), request_), "luns", "wwid") == [wwid(2)]


def test_a_lun_in_use_that_nobody_provisioned() -> None:
    san = two_fabrics(luns={27: 1}, scanned=[27])
    san.uses[wwid(1)] = (Use("lvm_pv", "dm-0", "vg0"),)
    with pytest.raises(InUseError, match="lvm_pv vg0"):
        run(FakeMachine(san), wanted(27))
    with pytest.raises(InUseError):
        run(FakeMachine(san), wanted(27), check_mode=True)
    run(FakeMachine(san, managed=[wwid(1)]), wanted(27))
    run(FakeMachine(san), replace(wanted(27), known_wwids=frozenset([wwid(1)])))
    run(FakeMachine(san), wanted(27, wwids=(wwid(1),)))
    run(FakeMachine(san), Request())


def test_a_doubtful_unit_that_is_asked_for() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1, 28: 2}))
    machine.edit = lambda seen: replace(
        seen, san=replace(seen.san, luns=tuple(replace(unit, problem="claimed twice") for unit in seen.san.luns))
    )
    with pytest.raises(IdentityError, match="claimed twice"):
        run(machine, wanted(27))
    done = run(machine, Request())
    assert len([warning for warning in done.warnings if "claimed twice" in warning]) == 2


# Check mode.


def test_check_mode_writes_nothing_and_tells_the_scans() -> None:
    machine = FakeMachine(two_fabrics(luns={27: 1, 28: 2}, scanned=[28]))
    done = run(machine, wanted(27, 28), check_mode=True)
    assert machine.written == []
    assert machine.now == 0
    assert done.changed
    assert done.facts["scans"] == [
        f"host2: scan 0 0 27 (LUN 27 of {wwpn(1)})",
        "host2: read size and identity of sd_2_0_28 (2:0:0:28) again",
        f"host3: scan 0 0 27 (LUN 27 of {wwpn(2)})",
        "host3: read size and identity of sd_3_0_28 (3:0:0:28) again",
    ]
    assert done.before != done.after
    assert [one["lun"] for one in done.facts["missing"]] == [27]


def test_check_mode_changes_nothing_when_all_is_there() -> None:
    done = run(FakeMachine(two_fabrics(luns={27: 1}, scanned=[27])), wanted(27, paths=2), check_mode=True)
    assert not done.changed
    assert done.before == done.after


def test_check_mode_stops_where_the_real_run_would(double: FakeSan) -> None:
    double.put("host2", wwpn(1), 27, Volume(1), scanned=True)
    double.put("host3", wwpn(2), 27, Volume(2), scanned=True)
    with pytest.raises(AmbiguousError):
        run(FakeMachine(double), wanted(27), check_mode=True)


def test_check_mode_tolerates_targets_that_an_earlier_task_would_bring() -> None:
    machine = FakeMachine(FakeSan((hba(0, transport="ata"),)))
    done = run(machine, replace(wanted(27), targets=("iqn.2026-01.test:array",)), check_mode=True)
    assert done.changed
    assert done.facts["skipped_ports"][0]["target"] == "iqn.2026-01.test:array"


# Bad input.


def test_no_san_hba_at_all() -> None:
    machine = FakeMachine(FakeSan((hba(0, transport="ata"),)))
    with pytest.raises(NotFoundError, match=r"no HBA of a SAN transport.*host0 \(ata\)"):
        run(machine, wanted(27))
    done = run(machine, Request())
    assert not done.changed
    assert done.facts["hosts"] == []


def test_targets_nobody_sees() -> None:
    with pytest.raises(NotFoundError, match=f"no selected HBA sees {wwpn(77)}; seen are {wwpn(1)}, {wwpn(2)}"):
        run(FakeMachine(two_fabrics()), Request(targets=(wwpn(77),)))


def test_a_kernel_that_may_not_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = FakeMachine(two_fabrics())

    def refuse() -> None:
        raise UnavailableError("scsi_mod.scan=none")

    monkeypatch.setattr(machine, "require_scanning", refuse)
    with pytest.raises(UnavailableError):
        run(machine, Request())


# Any SAN, any request.


@given(
    there=st.dictionaries(st.integers(0, 40), st.integers(1, 9), max_size=5),
    scanned=st.sets(st.integers(0, 40), max_size=3),
    luns=st.lists(st.integers(0, 40), max_size=4, unique=True),
    used=st.sets(st.integers(1, 9), max_size=3),
)
def test_a_rescan_never_takes_away_and_never_brings_what_was_not_asked_for(
    there: dict[int, int], scanned: set[int], luns: list[int], used: set[int]
) -> None:
    san = two_fabrics(luns=there, scanned=scanned & set(there))
    san.uses.update({wwid(number): (Use("mount", "x", "/x"),) for number in used})
    before = dict(san.known)
    machine = FakeMachine(san)
    try:
        run(machine, Request(luns=tuple(luns)), times=Times(1, 1))
    except InUseError:
        assert any(there.get(lun) in used for lun in luns)
    assert before.items() <= san.known.items()
    if luns:
        assert {hctl.lun for hctl in san.known.keys() - before.keys()} == set(luns) & set(there) - scanned
    state = dict(san.known)
    try:
        assert not run(machine, Request(luns=tuple(luns)), times=Times(1, 1)).changed
    except InUseError:
        assert state == san.known
