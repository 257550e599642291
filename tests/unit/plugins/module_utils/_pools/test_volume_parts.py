# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partitions as volumes: what holds for every table and every wish. No plan touches a partition it is not about."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import event, given
from hypothesis import strategies as some

from ansible_collections.virt.san.plugins.module_utils._errors import RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._model.partitions import MIB, Parted, Partition, Table
from ansible_collections.virt.san.plugins.module_utils._model.volume import Share, Volume, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_parts import (
    GPT_COUNT,
    PartitionVolumes,
    largest,
    names_in,
    taken_by,
)
from ansible_collections.virt.san.plugins.module_utils._pools.volume_plan import VolumePlan, plan_volume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import (
    ActivateVolume,
    CreateVolume,
    DeleteVolume,
    ResizeVolume,
)
from ansible_collections.virt.san.tests.unit.support.pool_world import PARTS

SIZE = 32 * MIB
NAMES = ("a", "b", "part1", "part2", "part4")


@dataclass(frozen=True)
class Parts:
    """A device with a table, on a host that knows some of its partitions."""

    table: Table
    known: frozenset[int] = frozenset()

    @property
    def parted(self) -> Parted:
        return Parted("dm-1", "/dev/mapper/lun1", SIZE, self.table, "mpath-36001")

    def plan(self, wanted: WantedVolume) -> VolumePlan:
        kind, names = PartitionVolumes(), names_in(self.table)
        kind.check(wanted)
        part = next((one for one in self.table.partitions if names.get(one.number) == wanted.name), None)
        volume = None if part is None else self.volume(part, wanted.name)
        sight = VolumeSight(
            PARTS,
            running=True,
            volume=volume,
            taken_by=taken_by(self.table, wanted.name),
            free=largest(self.parted),
            unit=MIB,
            slack=MIB,
            parted=self.parted,
            end=0,
        )
        return plan_volume("parts", wanted, sight, kind)

    def volume(self, part: Partition, name: str) -> Volume:
        key, path = self.table.key_of(part), self.parted.path_of(part.number)
        return Volume(name, key, path, "raw", part.size, part.size, active=part.number in self.known)

    def after(self, steps: tuple[Step, ...]) -> Parts:
        now = self
        for step in steps:
            now = now._done(step)
        return now

    def _done(self, step: Step) -> Parts:
        if isinstance(step, CreateVolume):
            part = step.volume.part
            assert part is not None
            assert part.start % MIB == part.size % MIB == 0
            assert part.path == self.parted.path_of(part.number)
            assert part.number not in {one.number for one in self.table.partitions}
            return self._with(part.number, replace(part, uuid=f"new-{part.number}" if part.name else ""))
        assert isinstance(step, (ActivateVolume, ResizeVolume, DeleteVolume))
        part = self.table.keyed(step.volume.key)
        assert part is not None
        if isinstance(step, ActivateVolume):
            return replace(self, known=self.known | {part.number})
        if isinstance(step, DeleteVolume):
            return self._with(part.number, None)
        return self._with(part.number, replace(part, size=step.capacity))

    def _with(self, number: int, part: Partition | None) -> Parts:
        """Return the device with one partition changed; it has to fit beside all others."""
        others = tuple(one for one in self.table.partitions if one.number != number)
        if part is None:
            return Parts(replace(self.table, partitions=others), self.known - {number})
        assert all(part.end <= one.start or part.start >= one.end for one in others)
        assert (self.table.first or MIB) <= part.start
        assert part.end <= self.table.end(SIZE)
        return Parts(replace(self.table, partitions=(*others, part)), self.known | {number})


@some.composite
def tables(draw: some.DrawFn) -> Parts:
    """Tables as others leave them: gaps, odd sizes, any order of numbers, labels or none."""
    kind = draw(some.sampled_from(["gpt", "dos"]))
    count = draw(some.integers(0, 4))
    numbers = draw(some.permutations(range(1, 5 if kind == "dos" else 7)))
    at, found = MIB, []
    for number in numbers[:count]:
        at += draw(some.sampled_from([0, 0, 512, MIB, 3 * MIB, 5 * MIB + 4096]))
        size = draw(some.sampled_from([512, MIB, MIB + 512, 4 * MIB, 7 * MIB]))
        if at + size > SIZE - MIB:
            break
        label = draw(some.sampled_from(["", "", "a", "b", "part1", "with space"])) if kind == "gpt" else ""
        extended = kind == "dos" and draw(some.integers(0, 5)) == 0
        uuid = f"uuid-{number}" if kind == "gpt" else ""
        found.append(Partition("", at, size, "5" if extended else "83", number, uuid, label))
        at += size
    limits = {"usable": SIZE - 67 * 512, "first": 34 * 512} if kind == "gpt" else {}
    known = draw(some.frozensets(some.sampled_from([one.number for one in found]))) if found else frozenset()
    identity = "0f0f" if kind == "gpt" else "0x1234abcd"
    return Parts(Table(kind, identity, partitions=tuple(found), **limits), known)


WISHES = some.builds(
    WantedVolume,
    name=some.sampled_from(NAMES),
    state=some.sampled_from(["present", "present", "present", "absent"]),
    capacity=some.sampled_from([None, 1, MIB, 3 * MIB + 1, 9 * MIB, 40 * MIB, Share(50), Share(100)]),
    allow_shrink=some.booleans(),
)


@given(tables(), some.lists(WISHES, min_size=1, max_size=4))
def test_plans_settle_and_touch_nothing_else(now: Parts, wishes: list[WantedVolume]) -> None:
    for wanted in wishes:
        try:
            plan = now.plan(wanted)
        except SanError as refused:
            event(type(refused).__name__)
            continue
        event(", ".join(type(step).__name__ for step in plan.steps) or "nothing")
        assert (plan.before != plan.after) == bool(plan.steps)
        then = now.after(plan.steps)
        about = {step.volume.key for step in plan.steps if isinstance(step, (ResizeVolume, DeleteVolume))}
        kept = {one for one in now.table.partitions if now.table.key_of(one) not in about}
        assert kept <= set(then.table.partitions)
        again = then.plan(replace(wanted, allow_shrink=False))
        assert again.steps == ()
        assert again.before == {key: value for key, value in plan.after.items() if key != "device"}
        now = then


@given(tables())
def test_every_volume_has_a_name_of_its_own(now: Parts) -> None:
    names = names_in(now.table)
    assert len(set(names.values())) == len(names)
    assert names.keys() == {one.number for one in now.table.partitions if not one.extended}


def test_a_table_has_an_end() -> None:
    many = tuple(Partition("", (1 + at) * MIB // 8, 512, "", at + 1, f"u{at}") for at in range(GPT_COUNT))
    full = Parts(Table("gpt", "0f0f", SIZE, many, first=512))
    with pytest.raises(RefusedError, match="has 128 partitions"):
        full.plan(WantedVolume("a", capacity=MIB))
