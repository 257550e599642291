# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be built on, and what never."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.block import Use
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Mmp, Signature
from ansible_collections.virt.san.plugins.module_utils._model.disk import Disk
from ansible_collections.virt.san.plugins.module_utils._pools.blank import (
    BLANK,
    OURS,
    TAKEN,
    BlankDevice,
    Inspected,
    Own,
    clear,
    judge,
)

DISK = Disk("/dev/mapper/data", "dm-3", 2**30)
EXT4 = Signature("ext4", "filesystem", 1080, 2, "84ca", "pool")
GPT = Signature("gpt", "partition-table", 512, 8)
MOUNTED, PV = Use("mount", "data", "/srv"), Use("lvm_pv", "data", "vg", active=False)


def seen(*signatures: Signature, data_at: int | None = None, problem: str = "", **disk: object) -> Inspected:
    return Inspected(replace(DISK, **disk), Contents(signatures, data_at, problem))


def test_blank_needs_nothing() -> None:
    assert judge(seen()).state == BLANK
    assert clear([seen()], overwrite=False) == ()


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (seen(EXT4), "ext4 (UUID 84ca, label pool) at byte 1080"),
        (seen(EXT4, GPT, data_at=3), "gpt at byte 512"),
        (seen(data_at=77), "data of no known kind at byte 77"),
    ],
)
def test_what_is_not_blank_is_refused_unless_named(one, told) -> None:
    with pytest.raises(RefusedError, match="build: overwrite") as refused:
        clear([seen(), one], overwrite=False)
    assert told in refused.value.message
    steps = clear([seen(), one], overwrite=True)
    assert [type(step) for step in steps] == [BlankDevice]
    assert told in steps[0].describe()


@pytest.mark.parametrize(
    ("one", "error", "told"),
    [
        (seen(uses=(MOUNTED,)), InUseError, "in use: data mount /srv"),
        (seen(problem="Input/output error"), RefusedError, "what is on it is not known: Input/output error"),
        (seen(read_only=True), RefusedError, "read-only"),
        (seen(size=0), RefusedError, "its size is 0"),
        (
            Inspected(DISK, Contents((EXT4,), mmp=Mmp("kvm1", "dm-3", "2026"))),
            InUseError,
            r"mounted by host kvm1 \(as dm-3\), which said so last at 2026",
        ),
    ],
)
def test_what_is_refused_whatever_the_task_says(one, error, told) -> None:
    for overwrite in (False, True):
        with pytest.raises(error, match=told):
            clear([one, seen(EXT4)], overwrite)


def test_what_udev_once_read_counts_less_than_what_is_there() -> None:
    assert judge(seen(uses=(PV,))).state == BLANK


def test_what_is_ours_is_known_again() -> None:
    own = Own(frozenset({"84ca"}))
    assert judge(seen(EXT4, uses=(MOUNTED,), data_at=5), own).state == OURS
    assert judge(seen(EXT4), Own(labels=frozenset({("ext4", "pool")}))).state == OURS
    assert judge(seen(EXT4), Own(frozenset({""}), frozenset({("xfs", "pool")}))).state == TAKEN
    assert judge(seen(EXT4, GPT), own).state == TAKEN
    assert judge(seen(EXT4, problem="late"), own).state == TAKEN
    assert judge(seen(), own).state == BLANK
    assert clear([seen(EXT4)], overwrite=True, own=own) == ()


@given(
    st.lists(st.sampled_from([EXT4, GPT]), max_size=2),
    st.sampled_from(["", "it failed"]),
    st.lists(st.sampled_from([MOUNTED, PV]), max_size=2),
    st.booleans(),
    st.sampled_from([None, 9]),
    st.booleans(),
)
def test_nothing_is_erased_that_is_used_unknown_or_not_named(found, problem, uses, read_only, data_at, overwrite):
    one = seen(*found, data_at=data_at, problem=problem, uses=tuple(uses), read_only=read_only)
    try:
        steps = clear([one], overwrite)
    except RefusedError:
        return
    assert not problem
    assert MOUNTED not in uses
    assert not read_only
    assert bool(steps) == bool(found or data_at is not None)
    assert overwrite or not steps
