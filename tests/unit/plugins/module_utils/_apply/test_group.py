# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of volume groups: which command each becomes, and what is checked before a device is blanked."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import group as rooms
from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._host import lvm_write, signatures
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents
from ansible_collections.virt.san.plugins.module_utils._pools.blank import BlankDevice
from ansible_collections.virt.san.plugins.module_utils._pools.group_steps import (
    ActivateGroup,
    CreateGroup,
    DeactivateGroup,
    ExtendGroup,
    LabelDevice,
    MoveAway,
    ReduceGroup,
    RemoveGroup,
    ResizePv,
    SetSystemId,
    UnlabelDevice,
    UseDevice,
)
from ansible_collections.virt.san.tests.unit.support.groups import EXT4, disk, group, label_of, pv, volume

GROUP, EMPTY = group(pv(1), volumes=(volume("a"),)), group(pv(1))
PATH, MAP = "/dev/mapper/lun1", "/dev/disk/by-id/dm-uuid-mpath-1"
UUID = pv(1).uuid


@pytest.fixture
def told(monkeypatch) -> list[tuple[Any, ...]]:
    """What the rooms were told to do, in order."""
    done: list[tuple[Any, ...]] = []

    def note(name: str) -> Any:
        return lambda _host, *words, **options: done.append((name, *words, *options.values()))

    names = "create_pv create_group extend_group resize_pv move_away reduce_group activate deactivate remove_volumes"
    for name in (*names.split(), "remove_group", "set_system_id", "use_device", "forget_device"):
        monkeypatch.setattr(lvm_write, name, note(name))
    monkeypatch.setattr(lvm_write, "knows_autoactivation", lambda _host: True)
    monkeypatch.setattr(signatures, "blank", note("blank"))
    monkeypatch.setattr(signatures, "forget_partitions", lambda _host, path, _paths: done.append(("partitions", path)))
    monkeypatch.setattr(signatures, "read_contents", lambda _host, _path: Contents((label_of(1),)))
    return done


@pytest.mark.parametrize(
    ("step", "done"),
    [
        (BlankDevice(disk(1)), [("partitions", PATH), ("blank", PATH, ())]),
        (SetSystemId("x"), [("set_system_id", "x")]),
        (LabelDevice(disk(1), UUID), [("use_device", PATH, PATH), ("create_pv", PATH, UUID)]),
        (LabelDevice(disk(1), UUID, labelled=True), [("use_device", PATH, PATH)]),
        (CreateGroup("guests", (disk(1),), "x"), [("create_group", "guests", "x", [PATH], False)]),
        (UseDevice(pv(1)), [("use_device", PATH, PATH)]),
        (ExtendGroup(GROUP, disk(1)), [("extend_group", "guests", PATH)]),
        (ResizePv(GROUP, pv(1), 5), [("resize_pv", PATH)]),
        (MoveAway(GROUP, pv(1), ("/dev/b",)), [("move_away", PATH, ("/dev/b",), 9.0)]),
        (ReduceGroup(GROUP, pv(1)), [("reduce_group", "guests", PATH)]),
        (ActivateGroup(GROUP), [("activate", "vg-uuid")]),
        (DeactivateGroup(GROUP), [("deactivate", "vg-uuid")]),
        (RemoveGroup(GROUP), [("remove_volumes", "vg-uuid"), ("remove_group", "vg-uuid")]),
        (RemoveGroup(EMPTY), [("remove_group", "vg-uuid")]),
        (UnlabelDevice(disk(1), UUID), [("blank", PATH), ("forget_device", PATH, PATH)]),
    ],
)
def test_each_step(told, tmp_path, step, done) -> None:
    assert rooms.perform(Host(str(tmp_path)), step, 9.0)
    assert told == done
    assert step.describe()


def test_other_steps_are_left_to_others(told, tmp_path) -> None:
    class Other:
        def describe(self) -> str:
            return "something else"

    assert not rooms.perform(Host(str(tmp_path)), Other(), 9.0)
    assert told == []


@pytest.mark.parametrize("found", [Contents((EXT4,)), Contents((label_of(2),)), Contents(problem="late")])
def test_only_the_pv_that_was_there_is_blanked(told, tmp_path, monkeypatch, found) -> None:
    monkeypatch.setattr(signatures, "read_contents", lambda _host, _path: found)
    with pytest.raises(RefusedError, match="is not blanked"):
        rooms.perform(Host(str(tmp_path)), UnlabelDevice(disk(1), UUID), 9.0)
    assert told == []


def test_a_device_without_a_label_is_not_left_listed(told, tmp_path, monkeypatch) -> None:
    def fails(_host, _path, _uuid):
        raise CommandError("pvcreate: it failed")

    monkeypatch.setattr(lvm_write, "create_pv", fails)
    with pytest.raises(CommandError, match="it failed"):
        rooms.perform(Host(str(tmp_path)), LabelDevice(disk(1), UUID), 9.0)
    assert told[-1] == ("forget_device", PATH, PATH)
