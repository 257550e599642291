# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps for a device that is one pool's alone: what is done, what is undone, and what is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import device_steps, group, pool_steps
from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, InUseError, RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._host import ext4, fs_size, mkfs, mounting, partitions
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.block import Use
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Mmp
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Partition
from ansible_collections.virt.san.plugins.module_utils._pools.blank import Inspected
from ansible_collections.virt.san.plugins.module_utils._pools.steps import (
    EmptyFolder,
    EraseFilesystem,
    EraseTable,
    GrowFilesystem,
    GrowTable,
    MakeFilesystem,
    MakeTable,
    Mount,
    MountAlone,
)
from ansible_collections.virt.san.tests.unit.support.groups import MIB, disk
from ansible_collections.virt.san.tests.unit.support.pool_world import filesystem, table

UUID, OTHER = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f", "1f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
HELD = Mmp("kvm1", "dm-3", "2026")
MAKE = MakeFilesystem(disk(1), "ext4", UUID, mmp=True)
MOUNT = Mount("/dev/mapper/lun1", "/vms", "ext4", ("nodev",), 60.0)


@pytest.fixture
def told(monkeypatch) -> list[tuple[Any, ...]]:
    done: list[tuple[Any, ...]] = []
    monkeypatch.setattr(mkfs, "make", lambda _host, *words: done.append(("make", *words)))
    monkeypatch.setattr(group, "erase", lambda _host, one, *more: done.append(("erase", one.path, *more)))
    return done


def found(monkeypatch, contents: Contents) -> None:
    def inspect(_host, disks, tables=False):
        assert tables or contents.table is None, "it was not asked for"
        assert not any(one.mounts for one in disks), "what was mounted then is not any more"
        return [Inspected(one, contents) for one in disks]

    monkeypatch.setattr(device_steps, "inspect", inspect)


def test_made(told, tmp_path, monkeypatch) -> None:
    found(monkeypatch, Contents())
    assert device_steps.perform(Host(str(tmp_path)), MAKE, 9.0)
    assert told == [("make", "/dev/mapper/lun1", "ext4", UUID, True, 9.0)]
    assert not device_steps.perform(Host(str(tmp_path)), EmptyFolder("/x"), 9.0)


def test_half_made_is_erased(told, tmp_path, monkeypatch) -> None:
    def late(*_args):
        raise CommandError("no answer within 9 s")

    found(monkeypatch, Contents())
    monkeypatch.setattr(mkfs, "make", late)
    with pytest.raises(CommandError, match=r"no answer within 9 s$"):
        device_steps.perform(Host(str(tmp_path)), MAKE, 9.0)
    assert told == [("erase", "/dev/mapper/lun1")]

    def stuck(*_args):
        raise SanError("it does not answer")

    monkeypatch.setattr(group, "erase", stuck)
    with pytest.raises(CommandError) as caught:
        device_steps.perform(Host(str(tmp_path)), MAKE, 9.0)
    assert caught.value.message == "no answer within 9 s; and it is not blank any more: it does not answer"


@pytest.mark.parametrize("step", [MAKE, MakeTable(disk(1), "gpt", UUID)], ids=["file system", "table"])
@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (filesystem("xfs", OTHER), "xfs"),
        (Contents(data_at=7), "data at byte 7"),
        (Contents(problem="late"), "late"),
    ],
)
def test_what_is_not_blank_any_more_is_left(told, tmp_path, monkeypatch, step, contents, says) -> None:
    found(monkeypatch, contents)
    with pytest.raises(RefusedError, match=f"is not blank any more: {says}"):
        device_steps.perform(Host(str(tmp_path)), step, 9.0)
    assert told == []


def test_erased(told, tmp_path, monkeypatch) -> None:
    found(monkeypatch, filesystem("ext4", UUID, mmp=True))
    planned = replace(disk(1), uses=(Use("mount", "lun1", "/vms"),))
    assert device_steps.perform(Host(str(tmp_path)), EraseFilesystem(planned, UUID), 9.0)
    assert told == [("erase", "/dev/mapper/lun1")]


@pytest.mark.parametrize(
    ("contents", "error"),
    [
        (filesystem("ext4", OTHER), RefusedError),
        (Contents(problem="late"), RefusedError),
        (Contents(filesystem("ext4", UUID).signatures, mmp=HELD), InUseError),
    ],
)
def test_what_is_another_by_now_is_not_erased(told, tmp_path, monkeypatch, contents, error) -> None:
    found(monkeypatch, contents)
    with pytest.raises(error, match="is not erased"):
        device_steps.perform(Host(str(tmp_path)), EraseFilesystem(disk(1), UUID), 9.0)
    assert told == []


def test_a_table_is_made(told, tmp_path, monkeypatch) -> None:
    found(monkeypatch, Contents())
    monkeypatch.setattr(partitions, "make_table", lambda _host, *words: told.append(("table", *words)))
    assert device_steps.perform(Host(str(tmp_path)), MakeTable(disk(1), "gpt", UUID), 9.0)
    assert told == [("table", "/dev/mapper/lun1", "gpt", UUID, 9.0)]

    def fails(*_args):
        raise CommandError("it failed")

    monkeypatch.setattr(partitions, "make_table", fails)
    with pytest.raises(CommandError, match="it failed"):
        device_steps.perform(Host(str(tmp_path)), MakeTable(disk(1), "gpt", UUID), 9.0)
    assert told[1:] == [("erase", "/dev/mapper/lun1")]


def test_a_table_is_erased_with_its_partitions(told, tmp_path, monkeypatch) -> None:
    """Both ends of each: a table that is made later may have one that begins at the same place."""
    parts = (
        Partition("/dev/mapper/lun1-part1", MIB, 8 * MIB, "83"),
        Partition("/dev/mapper/lun1-part2", 9 * MIB, 20 * MIB, "5"),
        Partition("/dev/mapper/lun1-part5", 10 * MIB, 4096, "83"),
    )
    found(monkeypatch, table("dos", "0x1", *parts))
    assert device_steps.perform(Host(str(tmp_path)), EraseTable(disk(1), "0x1"), 9.0)
    ranges = ((MIB, MIB), (10 * MIB, 4096), (8 * MIB, MIB), (10 * MIB, 4096))
    assert told == [("erase", "/dev/mapper/lun1", ranges)]


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (table("gpt", OTHER), f"on it is gpt {OTHER} with 0 partitions, not the table {UUID}"),
        (filesystem("ext4", UUID), "on it is ext4"),
        (Contents(problem="late"), "on it is late"),
        (Contents(), "on it is nothing"),
    ],
)
def test_another_table_by_now_is_not_erased(told, tmp_path, monkeypatch, contents, says) -> None:
    found(monkeypatch, contents)
    with pytest.raises(RefusedError, match=says):
        device_steps.perform(Host(str(tmp_path)), EraseTable(disk(1), UUID), 9.0)
    assert told == []


def test_who_has_it_mounted_is_named(tmp_path, monkeypatch) -> None:
    (tmp_path / "proc").mkdir()

    def busy(*_args):
        raise CommandError("mount: exit code 32: /dev/mapper/lun1 already mounted or mount point busy.")

    monkeypatch.setattr(mounting, "mount", busy)
    monkeypatch.setattr(ext4, "read_mmp", lambda _host, path: HELD if path == "/dev/mapper/lun1" else None)
    with pytest.raises(InUseError, match=r"lun1 is in use by host kvm1 \(as dm-3\)") as refused:
        pool_steps.perform(Host(str(tmp_path)), MOUNT, 9.0)
    assert refused.value.details["holders"] == ["kvm1"]
    for answer in (None, Mmp()):
        monkeypatch.setattr(ext4, "read_mmp", lambda _host, _path, answer=answer: answer)
        with pytest.raises(CommandError, match="already mounted"):
            pool_steps.perform(Host(str(tmp_path)), MOUNT, 9.0)

    def unreadable(*_args):
        raise CommandError("it cannot be read")

    monkeypatch.setattr(ext4, "read_mmp", unreadable)
    with pytest.raises(CommandError, match="already mounted"):
        pool_steps.perform(Host(str(tmp_path)), MOUNT, 9.0)


def test_the_kernel_may_take_its_time(tmp_path, monkeypatch) -> None:
    given = []
    monkeypatch.setattr(pool_steps, "guarded", lambda _host, _path, _what, _work, deadline: given.append(deadline))
    pool_steps.perform(Host(str(tmp_path)), MOUNT, 9.0)
    pool_steps.perform(Host(str(tmp_path)), MountAlone(disk(1), MOUNT), 9.0)
    assert given == [69.0, 69.0]


def test_grown_and_read_back(told, tmp_path, monkeypatch) -> None:
    """A tool that says it did is not believed."""
    one, left = disk(1), [0]
    monkeypatch.setattr(mkfs, "grow", lambda _host, *words: told.append(("grow", *words)))
    monkeypatch.setattr(fs_size, "read_size", lambda _host, path, kind, point: one.size - left[0])
    step = GrowFilesystem(one, "ext4", "/vms")
    pool_steps.perform(Host(str(tmp_path)), step, 9.0)
    assert told == [("grow", "/dev/mapper/lun1", "ext4", "/vms", 9.0)]
    left[0] = 16 * MIB
    with pytest.raises(CommandError, match=f"has {one.size} bytes, but its ext4 still takes {one.size - 16 * MIB}"):
        pool_steps.perform(Host(str(tmp_path)), step, 9.0)


# A table that grows

GROW = GrowTable(disk(1), UUID)
PARTS = (Partition("/dev/mapper/lun1-part1", MIB, 8 * MIB, "83", 1, "u1", "db01"),)


def ending(at: int, *parts: Partition, identity: str = UUID) -> Contents:
    inside = table("gpt", identity, *(parts or PARTS))
    assert inside.table is not None
    return replace(inside, table=replace(inside.table, usable=at - 2 * MIB, ends=at))


@pytest.fixture
def grown(told, tmp_path, monkeypatch) -> Callable[..., None]:
    """What carries the step out on a device, of which is told what is on it before and after."""

    def run(before: Contents, after: Contents) -> None:
        found(monkeypatch, before)
        monkeypatch.setattr(device_steps, "confirm", lambda _host, units: told.append(("confirm", *units)))

        def grow(_host, *words):
            told.append(("grow", *words))
            found(monkeypatch, after)

        monkeypatch.setattr(partitions, "grow_table", grow)
        pool_steps.perform(Host(str(tmp_path)), GROW, 9.0)

    return run


WRITTEN = [("confirm", disk(1).unit), ("grow", "/dev/mapper/lun1", 9.0)]
SHORT, SIZE = disk(1).size - MIB, disk(1).size


def test_a_table_is_grown(told, grown) -> None:
    """Names of partitions below /dev come and go as this host likes."""
    grown(ending(SHORT), ending(SIZE, replace(PARTS[0], path="/dev/dm-7p1")))
    assert told == WRITTEN


def test_another_host_was_quicker(told, grown) -> None:
    grown(ending(SIZE), Contents())
    assert told == WRITTEN[:1], "not written for nothing"


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (ending(SHORT, identity=OTHER), f"on it is gpt {OTHER} with 1 partition, not the table {UUID}"),
        (Contents(problem="the gpt on it ends at byte 5"), "on it is the gpt on it ends at byte 5"),
        (Contents(), "on it is nothing"),
    ],
)
def test_another_table_by_now_is_not_grown(told, grown, contents, says) -> None:
    with pytest.raises(RefusedError, match=f"is not grown: {says}"):
        grown(contents, Contents())
    assert told == WRITTEN[:1]


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (ending(SHORT), f"has {SIZE} bytes, but its gpt still ends at byte {SHORT}"),
        (ending(SIZE, replace(PARTS[0], size=9 * MIB)), "is not as it was: gpt"),
        (ending(SIZE, PARTS[0], replace(PARTS[0], number=2)), r"with 2 partitions, before it was gpt .* 1 partition\."),
        (ending(SIZE, identity=OTHER), f"is not as it was: gpt {OTHER}"),
        (Contents(), "is not as it was: it is gone"),
        (Contents(problem="late"), "is not as it was: late"),
    ],
)
def test_what_was_written_is_not_believed(told, grown, contents, says) -> None:
    with pytest.raises(CommandError, match=says):
        grown(ending(SHORT), contents)
    assert told == WRITTEN
