# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of type disk: a table made once, known again, and erased only where nothing uses it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._model.block import Use
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Signature
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Partition
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Permissions,
    PoolDefinition,
    Source,
    SourceDevice,
    SourceHost,
    Space,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept, made_uuid
from ansible_collections.virt.san.plugins.module_utils._pools.base import Needs, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.blank import BlankDevice, Inspected
from ansible_collections.virt.san.plugins.module_utils._pools.disk import DiskPool
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known, Wanted
from ansible_collections.virt.san.plugins.module_utils._pools.steps import EraseTable, GrowTable, MakeTable
from ansible_collections.virt.san.tests.unit.support.groups import disk, group, label_of, pv, sight
from ansible_collections.virt.san.tests.unit.support.multipathing import wwid
from ansible_collections.virt.san.tests.unit.support.pool_world import ONE, PARTS, TWO, World, filesystem, table

KIND = DiskPool()
OWN, OTHER = made_uuid("parts", wwid(1)), "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
DOS = replace(PARTS, source=replace(PARTS.source, format="dos"))
ANY = replace(PARTS, source=replace(PARTS.source, format="unknown"))
PRESENT = Wanted("parts", "present", PARTS)
ERASE = Wanted("parts", "absent", delete_contents=True)
PART = Partition("/dev/mapper/lun1-part1", 2**20, 2**23)


def world(one: Contents | None = None, **facts: Any) -> World:
    return World(Known("parts"), contents={ONE: one or Contents(), TWO: Contents()}, **facts)


def known(one: Contents, pool: PoolDefinition = PARTS) -> World:
    return replace(world(one), known=Known("parts", replace(pool, uuid="u")))


def test_what_is_done() -> None:
    now = world()
    plan = now.plan(Wanted("parts", "active", PARTS))
    assert plan.describe() == [
        "define pool parts",
        f"make a gpt partition table on /dev/mapper/lun1 ({wwid(1)})",
        "note that pool parts runs",
    ]
    assert MakeTable(disk(1), "gpt", OWN) in plan.steps
    now = now.after(plan.steps)
    assert now.plan(ERASE).describe() == [
        "note that pool parts does not run",
        f"erase the partition table on /dev/mapper/lun1 ({wwid(1)}), with its partitions",
        "undefine pool parts",
    ]
    assert now.plan(Wanted("parts", "inactive")).describe() == ["note that pool parts does not run"]


def test_known_again() -> None:
    for pool, inside in (
        (PARTS, table("gpt", OWN, PART)),
        (DOS, table("dos", f"0x{OWN[:8]}")),
        (ANY, table("gpt", OWN)),
    ):
        now = world(inside)
        assert now.plan(Wanted("parts", "present", pool)).describe() == ["define pool parts"]
        assert now.plan(Wanted("parts", "present", pool, build="overwrite")).describe() == ["define pool parts"]
        assert KIND.adopts(pool, now.seen) is None


def test_what_others_have_made_is_taken_over_on_demand() -> None:
    now = world(table("gpt", OTHER, PART))
    with pytest.raises(RefusedError, match=rf"was not made for pool parts: gpt {OTHER} with 1 partition.*build: never"):
        now.plan(PRESENT)
    taken = now.plan(Wanted("parts", "active", ANY, build="never"))
    assert taken.running
    assert taken.pool is not None
    assert taken.pool.kept == Kept(adopted=OTHER)
    now = now.after(taken.steps)
    assert now.plan(Wanted("parts", "active", ANY)).steps == ()
    assert EraseTable(disk(1), OTHER) in now.plan(ERASE).steps


def test_overwritten_on_demand() -> None:
    for inside in (table("gpt", OTHER), table("dos", "0x1"), filesystem("xfs", OTHER), Contents(data_at=3)):
        with pytest.raises(RefusedError, match="build: overwrite"):
            world(inside).plan(PRESENT)
        steps = world(inside).plan(replace(PRESENT, build="overwrite")).steps
        assert [type(step) for step in steps[1:]] == [BlankDevice, MakeTable]


@pytest.mark.parametrize(
    "inside",
    [
        Contents((*table("gpt", OWN).signatures, *filesystem("ext4", OWN).signatures), table=table("gpt", OWN).table),
        table("sun", ""),
        Contents(problem="Input/output error"),
    ],
)
def test_what_is_not_a_table_alone_is_refused(inside: Contents) -> None:
    with pytest.raises(SanError):
        world(inside).plan(PRESENT)
    with pytest.raises(SanError):
        known(inside).plan(ERASE)
    assert not known(inside).plan(Wanted("parts", "present", build="never")).built


def test_partitions_in_use_keep_it() -> None:
    used = replace(disk(1), uses=(Use("mount", "lun1-part1", "/srv"), Use("partition", "lun1", "lun1-part2", False)))
    seen = Seen(devices={ONE: Inspected(used, table("gpt", OWN, PART))})
    with pytest.raises(InUseError, match=r"erasing the partition table .* lun1-part1 mount /srv"):
        KIND.delete(PARTS, seen)
    with pytest.raises(InUseError, match="not even with build: overwrite"):
        KIND.build(DOS, seen, overwrite=True)
    assert KIND.is_built(PARTS, seen)
    free = replace(seen, devices={ONE: Inspected(replace(used, uses=used.uses[1:]), table("gpt", OWN, PART))})
    assert KIND.delete(PARTS, free) == (EraseTable(replace(used, uses=used.uses[1:]), OWN),)


def test_what_is_not_the_pools_is_not_erased() -> None:
    for inside in (table("gpt", OTHER), filesystem("ext4", OTHER)):
        with pytest.raises(RefusedError, match="is not the pool's"):
            known(inside).plan(ERASE)
    assert known(Contents()).plan(ERASE).describe() == ["undefine pool parts"]


def test_a_pv_of_a_group_is_never_taken() -> None:
    seen = Seen(devices={ONE: Inspected(disk(1), Contents((label_of(1),), 536))}, groups=sight(group(pv(1))))
    with pytest.raises(RefusedError, match="is a PV of"):
        KIND.build(PARTS, seen, overwrite=True)


def test_a_device_that_is_not_there() -> None:
    lost = replace(world(), known=Known("parts", PARTS), contents={})
    with pytest.raises(RefusedError, match="it is not on this host"):
        lost.plan(PRESENT)
    with pytest.raises(RefusedError, match=f"not built.*{ONE}: it is not on this host"):
        lost.plan(Wanted("parts", "active", build="never"))
    with pytest.raises(RefusedError, match="erasing the partition table"):
        lost.plan(ERASE)


def test_it_has_to_be_said_what_is_made() -> None:
    with pytest.raises(RefusedError, match="say what is to be made on it"):
        world().plan(Wanted("parts", "present", ANY))


def test_its_size() -> None:
    inside = table("gpt", OWN, PART)
    assert inside.table is not None
    seen = world(replace(inside, table=replace(inside.table, usable=2**25))).seen
    assert KIND.space(PARTS, seen) == Space(2**25, 2**25 - 2**23)
    assert KIND.space(DOS, world(table("dos", f"0x{OWN[:8]}")).seen) == Space(disk(1).size, disk(1).size)
    huge = Seen(devices={ONE: Inspected(replace(disk(1), size=2**42), table("dos", f"0x{OWN[:8]}"))})
    assert KIND.space(DOS, huge) == Space(2**41, 2**41), "it reaches no farther"
    assert KIND.space(PARTS, Seen()) is None


def test_two_pools_may_both_be_below_dev() -> None:
    now = known(table("gpt", OWN))
    beside = replace(now, known=replace(now.known, others={"more": replace(PARTS, name="more")}))
    assert beside.plan(PRESENT).steps == ()
    assert any(isinstance(step, EraseTable) for step in beside.plan(ERASE).steps)


def test_what_is_to_be_known() -> None:
    assert KIND.needs(PARTS) == Needs(devices=(ONE,), tables=True)
    assert (KIND.needs(PARTS) + Needs()).tables
    assert KIND.restart_for(PARTS, DOS, Seen()) == ("source.format",)
    assert KIND.adopts(PARTS, Seen()) is None


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        (replace(PARTS, source=Source()), "source.devices: a pool of type disk is on one device"),
        (replace(PARTS, source=replace(PARTS.source, format="lvm2")), "source.format: lvm2 cannot be kept yet"),
        (replace(PARTS, source=replace(PARTS.source, hosts=(SourceHost("nas"),))), "source.host"),
        (replace(PARTS, source=Source(devices=(SourceDevice("sdb"),))), "source.devices"),
        (replace(PARTS, target=Target("/srv")), "target.path: partitions are devices"),
        (replace(PARTS, target=Target()), "target.path"),
        (replace(PARTS, target=Target("/dev", Permissions(0o711))), "target.permissions"),
        (replace(PARTS, kept=Kept(single_host=True)), "single_host: for a pool of type disk it means nothing"),
    ],
)
def test_what_it_takes(pool: PoolDefinition, says: str) -> None:
    KIND.check(PARTS)
    with pytest.raises(ValueError, match=says):
        KIND.check(pool)


def test_a_signature_beside_it_is_somebody_elses() -> None:
    inside = table("gpt", OWN)
    stray = replace(inside, signatures=(*inside.signatures, Signature("xfs", "filesystem", 0, 4, "u")))
    with pytest.raises(RefusedError, match="not blank"):
        known(stray).plan(PRESENT)


# A LUN that has grown


def ending(at: int, identity: str = OWN, pool: PoolDefinition = PARTS) -> World:
    """Return a world in which the table, with a partition, ends at a byte."""
    inside = table("gpt", identity, PART)
    assert inside.table is not None
    return known(replace(inside, table=replace(inside.table, usable=at - 2**21, ends=at)), pool)


def test_a_lun_that_has_grown_is_used_whole() -> None:
    """Whether the pool runs or not: its table is all there is to it. The second time there is nothing to do."""
    size = disk(1).size
    for noted in (None, PARTS):
        grown = ending(size - 2**23)
        grown = replace(grown, known=replace(grown.known, started=noted and grown.known.pool))
        plan = grown.plan(PRESENT)
        assert plan.describe() == [
            f"grow the partition table on /dev/mapper/lun1 ({wwid(1)}) to the {size} bytes of its device"
        ]
        before, after = (told["pool"] for told in (plan.before, plan.after))
        assert (before["fills_device"], after["fills_device"]) == (False, True)
        assert (before["capacity"], after["capacity"]) == (size - 2**23 - 2**21, size - 2**21)
        then = grown.after(plan.steps)
        assert then.plan(PRESENT).steps == ()
        space = KIND.space(PARTS, then.seen)
        assert space is not None
        assert space.capacity == after["capacity"]
    steps = ending(size - 2**23).plan(Wanted("parts", "active")).steps
    assert [type(step).__name__ for step in steps] == ["GrowTable", "NoteStarted"]


def test_nothing_keeps_it_from_being_stopped() -> None:
    now = ending(disk(1).size - 2**23)
    now = replace(now, known=replace(now.known, started=now.known.pool))
    assert now.plan(Wanted("parts", "inactive")).describe() == ["note that pool parts does not run"]
    assert now.plan(Wanted("parts", "active", PARTS, build="never")).steps == ()


@pytest.mark.parametrize("short", [0, 512, 2**20 - 512])
def test_what_nothing_is_gained_by_stays(short: int) -> None:
    assert ending(disk(1).size - short).plan(PRESENT).steps == ()


def test_what_cannot_be_written_to_stays() -> None:
    now = ending(disk(1).size - 2**23)
    found = now.inspected(ONE)
    reading = Seen(devices={ONE: replace(found, disk=replace(found.disk, read_only=True))})
    assert KIND.adjust(PARTS, reading).steps == ()


def test_a_table_of_others_does_not_grow() -> None:
    now = ending(disk(1).size - 2**23, OTHER, replace(ANY, kept=Kept(adopted=OTHER)))
    plan = now.plan(Wanted("parts", "active", ANY))
    assert not any(isinstance(step, GrowTable) for step in plan.steps)
    (warning,) = plan.warnings
    assert f"ends at byte {disk(1).size - 2**23}. Others have made it" in warning
    assert "--relocate gpt-bak-std /dev/mapper/lun1 has it grow" in warning


def test_a_lun_that_was_made_smaller_is_left_alone() -> None:
    """Not even what the task says may be lost: the table may be whole, and this host not know how large the LUN is."""
    cut = known(Contents(problem="the gpt on it ends at byte 5"))
    for wanted in (PRESENT, Wanted("parts", "active", ANY), replace(PRESENT, build="overwrite"), ERASE):
        with pytest.raises(RefusedError, match="the gpt on it ends at byte 5"):
            cut.plan(wanted)
