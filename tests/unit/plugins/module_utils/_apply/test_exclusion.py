# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that want the same LUN at once: one gets it, the others wait, whatever comes between."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path as File

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.exclusion import (
    Held,
    exclusive,
    free_left_behind,
    let_others_finish,
)
from ansible_collections.virt.san.plugins.module_utils._errors import (
    CommandError,
    IdentityError,
    RefusedError,
    UnavailableError,
    WaitTimeoutError,
)
from ansible_collections.virt.san.plugins.module_utils._host import children
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.reservation import format_key, host_key
from ansible_collections.virt.san.tests.unit.support.kernel import Timer
from ansible_collections.virt.san.tests.unit.support.multipathing import path, unit
from ansible_collections.virt.san.tests.unit.support.shared_lun import SharedLun

WWPNS = {"one": "2100000000000001", "two": "2100000000000002"}
IDS = {"one": "1" * 32, "two": "2" * 32}


class Machine:
    """A host that sees the LUN by two paths."""

    def __init__(self, name: str, root: File, lun: SharedLun, machine_id: str = "") -> None:
        (root / name / "etc").mkdir(parents=True)
        (root / name / "etc/machine-id").write_text((machine_id or IDS[name]) + "\n", encoding="utf-8")
        self.timer = Timer()
        self.host = Host(str(root / name), clock=self.timer.clock)
        self.lun, self.name = lun, name
        self.devices = [f"{name}a", f"{name}b"]
        self.write_all = lun.for_host(WWPNS[name])

    @property
    def unit(self) -> LogicalUnit:
        ways = tuple(path(one, 1, initiator=WWPNS[self.name]) for one in self.devices)
        return replace(unit(1, name="data"), paths=ways)

    @contextlib.contextmanager
    def alone(
        self,
        monkeypatch: pytest.MonkeyPatch,
        timeout: float = 5.0,
        required: bool = True,
        needed: Callable[[LogicalUnit], bool] | None = None,
    ) -> Iterator[Held]:
        monkeypatch.setattr(children, "write_all", self.write_all)
        with exclusive(self.host, San(luns=(self.unit,)), [self.unit], timeout, required, needed) as held:
            yield held
            monkeypatch.setattr(children, "write_all", self.write_all)

    def is_killed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the LUN, and never give it back."""
        with self.alone(monkeypatch):
            kept = dict(self.lun.registered), self.lun.holder
        self.lun.registered, self.lun.holder = kept

    def writes(self) -> bool:
        return all(self.lun.may_write(WWPNS[self.name], f"/dev/{device}") for device in self.devices)


@pytest.fixture
def lun() -> SharedLun:
    return SharedLun()


@pytest.fixture
def one(tmp_path, lun) -> Machine:
    return Machine("one", tmp_path, lun)


@pytest.fixture
def two(tmp_path, lun) -> Machine:
    return Machine("two", tmp_path, lun)


def test_a_host_alone(one, lun, monkeypatch) -> None:
    with one.alone(monkeypatch) as held:
        assert held.wwids == [one.unit.wwid]
        assert one.writes()
        assert not lun.may_write(WWPNS["two"], "/dev/twoa")
    assert (lun.registered, lun.holder, held.warnings) == ({}, None, [])


def test_the_second_waits_and_says_for_whom(one, two, monkeypatch) -> None:
    with one.alone(monkeypatch):
        refused = pytest.raises(WaitTimeoutError, match=f"reserved with key {format_key(host_key(IDS['one']))}")
        with refused as late, two.alone(monkeypatch):
            pytest.fail("both have it")
        assert WWPNS["one"] in late.value.message
        assert two.timer.now >= 5.0
        assert one.writes()
    with two.alone(monkeypatch):
        assert two.writes()


def test_the_second_gets_it_once_the_first_is_done(one, two, lun, monkeypatch) -> None:
    context = one.alone(monkeypatch)
    context.__enter__()
    sleeps = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        two.timer.now += seconds
        if len(sleeps) == 2:
            context.__exit__(None, None, None)
            monkeypatch.setattr(children, "write_all", two.write_all)

    two.host.clock = type(two.host.clock)(two.host.clock.monotonic, sleep)
    with two.alone(monkeypatch):
        assert len(sleeps) == 2
        assert two.writes()
        assert not lun.may_write(WWPNS["one"], "/dev/onea")


@pytest.mark.parametrize("twins", [False, True])
@pytest.mark.parametrize("at", range(1, 13))
def test_whatever_comes_between_only_one_has_it(one, two, lun, monkeypatch, at, twins) -> None:
    """The second host tries at each point of the first one's attempt, and keeps what it got.

    Twins have one machine-id: then it may be that none gets it, but not both.
    """
    stack = contextlib.ExitStack()
    if twins:
        (File(two.host.root) / "etc/machine-id").write_text(IDS["one"], encoding="utf-8")
    got: list[str] = []

    def interfere() -> None:
        # What one is in the middle of goes on with its own commands.
        with contextlib.suppress(WaitTimeoutError, CommandError, IdentityError):
            stack.enter_context(two.alone(monkeypatch, timeout=0))
            got.append("two")
        monkeypatch.setattr(children, "write_all", one.write_all)

    lun.between[at] = interfere
    with contextlib.suppress(WaitTimeoutError, CommandError, IdentityError):
        stack.enter_context(one.alone(monkeypatch, timeout=0))
        got.append("one")
    assert at not in lun.between or lun.commands < at
    assert len(got) == 1 or (twins and not got)
    if not got:
        return
    winner, loser = (one, two) if got == ["one"] else (two, one)
    assert winner.writes()
    assert not loser.writes()


def test_a_killed_run_with_nothing_left_to_do(one, two, lun, monkeypatch) -> None:
    """Its reservation goes all the same, and nobody else's does."""
    one.is_killed(monkeypatch)
    monkeypatch.setattr(children, "write_all", two.write_all)
    assert free_left_behind(two.host, San(luns=(two.unit,)), [two.unit]) == []
    assert lun.holder is not None
    monkeypatch.setattr(children, "write_all", one.write_all)
    assert free_left_behind(one.host, San(luns=(one.unit,)), [one.unit]) == []
    assert (lun.registered, lun.holder) == ({}, None)
    commands = lun.commands
    assert free_left_behind(one.host, San(luns=(one.unit,)), [one.unit]) == []
    assert lun.commands == commands + 3, "one question, of one path"
    lun.knows = False
    assert free_left_behind(one.host, San(luns=(one.unit,)), [one.unit]) == []
    lun.dead.update(("/dev/onea", "/dev/oneb"))
    assert free_left_behind(one.host, San(luns=(one.unit,)), [one.unit]) == []
    one.devices.clear()
    assert free_left_behind(one.host, San(luns=(one.unit,)), [one.unit]) == []


# What was free a moment ago may be mounted by now


def test_what_is_not_needed_any_more_is_left(one, lun, monkeypatch) -> None:
    with one.alone(monkeypatch, needed=lambda unit: unit.wwid != one.unit.wwid) as held:
        assert (held.wwids, held.left) == ([], [one.unit.wwid])
        assert lun.holder is None
        assert lun.may_write(WWPNS["two"], "/dev/twoa")
    with one.alone(monkeypatch, needed=lambda _unit: True) as held:
        assert (held.wwids, held.left) == ([one.unit.wwid], [])
        assert one.writes()
    assert lun.registered == {}


def test_what_is_refused_at_a_second_look_is_not_taken(one, lun, monkeypatch) -> None:
    def needed(_unit: LogicalUnit) -> bool:
        raise RefusedError("not blank")

    with pytest.raises(RefusedError, match="not blank"), one.alone(monkeypatch, needed=needed):
        pytest.fail("taken")
    assert (lun.registered, lun.holder) == ({}, None)


@pytest.mark.parametrize("at", range(1, 16))
def test_whoever_has_built_is_never_kept_from_writing(one, two, lun, monkeypatch, at) -> None:
    """The second host builds, gives the LUN back and goes on writing, at whatever point of the first one's attempt."""
    built: list[str] = []
    kept_out: list[int] = []

    def build(who: Machine) -> None:
        with who.alone(monkeypatch, timeout=0, needed=lambda _unit: not built):
            if not built:
                built.append(who.name)

    def interfere() -> None:
        with contextlib.suppress(WaitTimeoutError, CommandError):
            build(two)
        monkeypatch.setattr(children, "write_all", one.write_all)

    unwatched = one.write_all

    def watched(*args):
        result = unwatched(*args)
        if built == ["two"] and lun.holder is not None and not lun.may_write(WWPNS["two"], "/dev/twoa"):
            kept_out.append(lun.commands)
        return result

    lun.between[at] = interfere
    one.write_all = watched
    with contextlib.suppress(WaitTimeoutError, CommandError):
        build(one)
    assert kept_out == []
    assert len(built) <= 1


def test_what_another_host_is_building_is_waited_for(one, two, lun, monkeypatch) -> None:
    context = one.alone(monkeypatch)
    context.__enter__()
    before = dict(lun.registered)
    monkeypatch.setattr(children, "write_all", two.write_all)
    let_others_finish(two.host, San(luns=(two.unit,)), [two.unit], 4.0)
    assert (two.timer.now >= 4.0, lun.registered) == (True, before)
    monkeypatch.setattr(children, "write_all", one.write_all)
    let_others_finish(one.host, San(luns=(one.unit,)), [one.unit], 4.0)
    assert one.timer.now == 0.0
    context.__exit__(None, None, None)
    monkeypatch.setattr(children, "write_all", two.write_all)
    began = two.timer.now
    let_others_finish(two.host, San(luns=(two.unit,)), [two.unit], 4.0)
    lun.knows = False
    let_others_finish(two.host, San(luns=(two.unit,)), [two.unit], 4.0)
    assert two.timer.now == began


def test_a_killed_run_is_taken_up_by_its_own_host(one, lun, monkeypatch) -> None:
    one.is_killed(monkeypatch)
    with one.alone(monkeypatch):
        assert one.writes()
    assert lun.registered == {}
    assert lun.holder is None


@pytest.mark.parametrize("gone", ["onea", "oneb"])
def test_a_killed_run_whose_path_is_dead_now(one, lun, monkeypatch, gone) -> None:
    one.is_killed(monkeypatch)
    lun.dead.add(f"/dev/{gone}")
    one.devices.remove(gone)
    with one.alone(monkeypatch):
        assert one.writes()
    assert (lun.registered, lun.holder) == ({}, None)


def test_a_path_that_dies_while_it_holds(one, lun, monkeypatch) -> None:
    with one.alone(monkeypatch) as held:
        lun.dead.add("/dev/oneb")
    assert (lun.registered, lun.holder, held.warnings) == ({}, None, [])


def test_all_paths_die_while_it_holds(one, lun, monkeypatch) -> None:
    with one.alone(monkeypatch) as held:
        lun.dead.update(("/dev/onea", "/dev/oneb"))
    assert "stays reserved for this host until the next run" in held.warnings[0]


def test_registrations_of_a_killed_run_elsewhere_are_driven_out(one, lun, monkeypatch) -> None:
    lun.registered[(WWPNS["two"], "/dev/twoa")] = host_key(IDS["two"])
    with one.alone(monkeypatch):
        assert not lun.may_write(WWPNS["two"], "/dev/twoa")
        assert one.writes()


def test_a_cluster_is_left_alone(one, lun, monkeypatch) -> None:
    """Also this host's own key of another kind: a fencing agent would lose it."""
    lun.registered[(WWPNS["one"], "/dev/onea")] = 0x1234
    refused = pytest.raises(RefusedError, match=r"somebody else: 0x0000000000001234 \(2100000000000001\)")
    with refused, one.alone(monkeypatch):
        pytest.fail("taken")
    assert lun.registered == {(WWPNS["one"], "/dev/onea"): 0x1234}


def test_two_hosts_with_one_machine_id(tmp_path, one, lun, monkeypatch) -> None:
    twin = Machine("two", tmp_path, lun, machine_id=IDS["one"])
    with one.alone(monkeypatch):
        with pytest.raises(IdentityError, match="same /etc/machine-id"), twin.alone(monkeypatch):
            pytest.fail("both have it")
        assert one.writes()


# Several LUNs


class Couple:
    """Two hosts with two LUNs."""

    def __init__(self, root: File, monkeypatch: pytest.MonkeyPatch) -> None:
        self.luns = {1: SharedLun(), 2: SharedLun()}
        self.machines = {name: Machine(name, root, self.luns[1]) for name in WWPNS}
        self.monkeypatch = monkeypatch

    def units(self, name: str) -> list[LogicalUnit]:
        ways = {
            number: tuple(path(f"{name}{number}{way}", number, initiator=WWPNS[name]) for way in "ab")
            for number in self.luns
        }
        return [replace(unit(number), paths=ways[number]) for number in self.luns]

    def act_as(self, name: str) -> None:
        by_number = {str(number): lun.for_host(WWPNS[name]) for number, lun in self.luns.items()}

        def write_all(host, jobs, *rest):
            return {job: by_number[writes[0].path[-2]](host, {job: writes}, *rest)[job] for job, writes in jobs.items()}

        self.monkeypatch.setattr(children, "write_all", write_all)

    @contextlib.contextmanager
    def alone(self, name: str, *numbers: int, timeout: float = 5.0) -> Iterator[Held]:
        self.act_as(name)
        units = self.units(name)
        wanted = [units[number - 1] for number in numbers]
        with exclusive(self.machines[name].host, San(luns=tuple(units)), wanted, timeout) as held:
            yield held
            self.act_as(name)

    def is_killed(self, name: str, number: int) -> None:
        lun = self.luns[number]
        with self.alone(name, number):
            kept = dict(lun.registered), lun.holder
        lun.registered, lun.holder = kept


def test_two_hosts_never_wait_for_each_other(tmp_path, monkeypatch) -> None:
    """One was killed with the last LUN, and is run again while the other, which had got the first one, waits."""
    couple = Couple(tmp_path, monkeypatch)
    couple.is_killed("one", 2)
    two = couple.machines["two"]
    again: list[Held] = []

    def sleep(seconds: float) -> None:
        two.timer.now += seconds
        with couple.alone("one", 1, 2, timeout=0) as held:
            again.append(held)
        couple.act_as("two")

    two.host.clock = type(two.host.clock)(two.host.clock.monotonic, sleep)
    with couple.alone("two", 1, 2) as held:
        assert len(held.wwids) == 2
    assert [len(one.wwids) for one in again] == [2]
    assert all((lun.registered, lun.holder) == ({}, None) for lun in couple.luns.values())


def test_while_one_is_waited_for_the_others_are_not_touched(tmp_path, monkeypatch) -> None:
    couple = Couple(tmp_path, monkeypatch)
    couple.is_killed("one", 2)
    seen = []
    two = couple.machines["two"]

    def sleep(seconds: float) -> None:
        two.timer.now += seconds
        seen.append(dict(couple.luns[1].registered))

    two.host.clock = type(two.host.clock)(two.host.clock.monotonic, sleep)
    with pytest.raises(WaitTimeoutError, match="reserved with key"), couple.alone("two", 1, 2):
        pytest.fail("both have it")
    assert seen
    assert not any(seen)
    assert couple.luns[1].commands == 3 + 3 * (len(seen) + 1), "one question before, and one each time"


def test_each_was_killed_with_one_of_two(tmp_path, monkeypatch) -> None:
    """What is half made is nobody else's while there is hope; who gives up gives it back, and the other goes on."""
    couple = Couple(tmp_path, monkeypatch)
    couple.is_killed("one", 1)
    couple.is_killed("two", 2)
    first = couple.machines["one"]
    kept = []

    def sleep(seconds: float) -> None:
        first.timer.now += seconds
        kept.append(couple.luns[1].holder)

    first.host.clock = type(first.host.clock)(first.host.clock.monotonic, sleep)
    with pytest.raises(WaitTimeoutError, match="reserved with key"), couple.alone("one", 1, 2):
        pytest.fail("both have it")
    assert kept
    assert all(way is not None and way[0] == WWPNS["one"] for way in kept)
    with couple.alone("two", 1, 2) as held:
        assert len(held.wwids) == 2
    assert all((lun.registered, lun.holder) == ({}, None) for lun in couple.luns.values())


def test_a_target_that_says_no_and_does_it(one, lun, monkeypatch) -> None:
    lun.says_no = True
    with one.alone(monkeypatch):
        assert one.writes()
    assert lun.registered == {}


def test_a_target_that_does_not_register(one, lun, monkeypatch) -> None:
    lun.never_registers = True
    with pytest.raises(CommandError, match=r"cannot be reserved.*sense 08/00/00"), one.alone(monkeypatch):
        pytest.fail("taken")


def test_a_target_that_does_not_tell_who(one, two, lun, monkeypatch) -> None:
    lun.tells_full_status = False
    refused = pytest.raises(WaitTimeoutError, match="an initiator that the LUN does not name")
    with one.alone(monkeypatch), refused, two.alone(monkeypatch):
        pytest.fail("both have it")


def test_a_target_without_reservations(one, lun, monkeypatch) -> None:
    lun.knows = False
    refused = pytest.raises(UnavailableError, match=r"does not know persistent reservations.*exclusive: false")
    with refused, one.alone(monkeypatch):
        pytest.fail("taken")
    with one.alone(monkeypatch, required=False) as held:
        assert "nothing keeps another host" in held.warnings[0]


def test_no_path_works(one, lun, monkeypatch) -> None:
    lun.dead.update(("/dev/onea", "/dev/oneb"))
    with pytest.raises(CommandError, match="Input/output error"), one.alone(monkeypatch):
        pytest.fail("taken")
    one.devices.clear()
    with pytest.raises(UnavailableError, match="no path that works"), one.alone(monkeypatch):
        pytest.fail("taken")


def test_an_error_in_the_work_frees_the_lun(one, lun, monkeypatch) -> None:
    with pytest.raises(ZeroDivisionError), one.alone(monkeypatch):
        raise ZeroDivisionError
    assert lun.registered == {}


def test_no_machine_id(one, monkeypatch) -> None:
    (File(one.host.root) / "etc/machine-id").write_text("uninitialized\n", encoding="utf-8")
    with pytest.raises(UnavailableError, match="systemd-machine-id-setup"), one.alone(monkeypatch):
        pytest.fail("taken")


def test_nothing_shared_needs_nothing(tmp_path) -> None:
    with exclusive(Host(str(tmp_path)), San(), [], 1.0) as held:
        assert held.wwids == []
