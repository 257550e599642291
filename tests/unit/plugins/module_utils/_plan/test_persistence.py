# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept for the next boot: every state converges, also after a run that was killed anywhere in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._model.definitions import (
    FOLDERS,
    PROGRAM,
    SERVICE,
    definition_path,
    definition_text,
    unit_name,
)
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.plugins.module_utils._model.units import POOLS, TARGET
from ansible_collections.virt.san.plugins.module_utils._plan.keep_steps import (
    DisableUnit,
    EnableUnit,
    KeepStep,
    ReloadUnits,
    RemoveFile,
    RemoveFolders,
    StopUnit,
    WriteFile,
)
from ansible_collections.virt.san.plugins.module_utils._plan.persistence import (
    Kept,
    plan_gone,
    plan_kept,
)

WWPN = Wwn("5001a4a0000000f1")
VHBA = WantedVhba(WWPN, Wwn("5001a4a0000000f0"), "2100001b32000000", symbolic_name="db01")
SHARED = {PROGRAM: b"zip", SERVICE: b"[Service]\n", TARGET: b"[Unit]\n"}
DEFINITION = definition_path(WWPN)
WHOLE = Kept(
    WWPN,
    {**SHARED, DEFINITION: definition_text(VHBA).encode()},
    folders=FOLDERS,
    enabled=True,
    active="active",
)


def carried_out(kept: Kept, steps: tuple[KeepStep, ...]) -> Kept:
    """Return what is kept after the steps; an order that would break something on the way is a failed test."""
    for step in steps:
        files = dict(kept.files)
        if isinstance(step, WriteFile):
            files[step.path] = step.content
            stale = kept.stale or (step.path in (SERVICE, TARGET) and kept.active != "inactive")
            kept = replace(kept, files=files, stale=stale, folders=FOLDERS)
        elif isinstance(step, RemoveFile):
            assert not kept.enabled or step.path != DEFINITION, "a boot in between would find a unit and no definition"
            assert step.path not in SHARED or DEFINITION not in kept.files
            del files[step.path]
            kept = replace(kept, files=files)
        elif isinstance(step, RemoveFolders):
            assert set(kept.files) <= ({TARGET} if kept.pools else set()), "folders that are not empty"
            kept = replace(kept, folders=())
        elif isinstance(step, ReloadUnits):
            kept = replace(kept, stale=False)
        elif isinstance(step, EnableUnit):
            assert {*SHARED, DEFINITION} <= set(kept.files), "enabled before all it needs is there"
            kept = replace(kept, enabled=True, active="active", stale=False)
        elif isinstance(step, DisableUnit):
            kept = replace(kept, enabled=False, active="inactive", stale=False)
        else:
            assert step == StopUnit(POOLS)
    return kept


def kepts() -> st.SearchStrategy[Kept]:
    contents = {path: st.sampled_from([b"old", content]) for path, content in WHOLE.files.items()}
    return st.builds(
        Kept,
        wwpn=st.just(WWPN),
        files=st.fixed_dictionaries({}, optional=contents),
        others=st.sampled_from([(), ("5001a4a0000000e1",)]),
        folders=st.sampled_from([(), FOLDERS]),
        enabled=st.booleans(),
        active=st.sampled_from(["inactive", "active", "activating", "failed"]),
        stale=st.booleans(),
        pools=st.booleans(),
    )


@given(kepts(), st.integers(0, 8))
def test_kept_from_any_state(kept: Kept, killed_after: int) -> None:
    kept = carried_out(kept, plan_kept(kept, VHBA, SHARED).steps[:killed_after])
    plan = plan_kept(kept, VHBA, SHARED)
    done = carried_out(kept, plan.steps)
    again = plan_kept(done, VHBA, SHARED)
    assert again.steps == ()
    assert not again.changed
    assert plan.after == again.before
    assert done.files == WHOLE.files
    assert (done.enabled, done.stale) == (True, False)
    assert done.active in ("active", "activating")


@given(kepts(), st.integers(0, 8))
def test_gone_from_any_state(kept: Kept, killed_after: int) -> None:
    first = plan_gone(kept).steps[:killed_after]
    whole = PROGRAM in kept.files
    kept = carried_out(kept, first)
    plan = plan_gone(kept)
    steps = (*first, *plan.steps)
    units = [number for number, step in enumerate(steps) if step in (RemoveFile(SERVICE), RemoveFile(TARGET))]
    assert not whole or not units or ReloadUnits() in steps[units[-1] :], "systemd still has the units"
    done = carried_out(kept, plan.steps)
    again = plan_gone(done)
    assert again.steps == ()
    assert not again.changed
    assert plan.after == again.before
    assert not done.enabled
    assert DEFINITION not in done.files
    if kept.others:
        assert {path: done.files[path] for path in SHARED if path in kept.files} == {
            path: kept.files[path] for path in SHARED if path in kept.files
        }
    else:
        left = {TARGET} & set(kept.files) if kept.pools else set()
        assert (set(done.files), done.folders) == (left, ())


def test_the_first_one() -> None:
    plan = plan_kept(Kept(WWPN), VHBA, SHARED)
    assert plan.describe() == [
        f"write {PROGRAM} (program that makes vHBAs at boot)",
        f"write {SERVICE} (unit for it)",
        f"write {TARGET} (target for what needs vHBAs)",
        f"write {DEFINITION} (definition of vHBA {WWPN})",
        f"enable {unit_name(WWPN)}",
    ]
    assert plan.changed


def test_a_newer_program_is_a_change() -> None:
    plan = plan_kept(WHOLE, VHBA, {**SHARED, PROGRAM: b"newer"})
    assert [type(step) for step in plan.steps] == [WriteFile]
    assert plan.changed
    assert plan.before["persistence"]["files"][PROGRAM] != plan.after["persistence"]["files"][PROGRAM]


def test_a_newer_unit_is_read() -> None:
    plan = plan_kept(WHOLE, VHBA, {**SHARED, SERVICE: b"newer"})
    assert [type(step) for step in plan.steps] == [WriteFile, ReloadUnits]


def test_the_definition_follows_the_vhba() -> None:
    plan = plan_kept(WHOLE, replace(VHBA, parent="2100001b32000001"), SHARED)
    assert plan.describe() == [f"write {DEFINITION} (definition of vHBA {WWPN})"]
    assert plan.changed


def test_of_several_only_this_one_goes() -> None:
    plan = plan_gone(replace(WHOLE, others=("5001a4a0000000e1",)))
    assert plan.describe() == [f"stop and disable {unit_name(WWPN)}", f"remove {DEFINITION}"]


def test_the_last_one() -> None:
    assert plan_gone(WHOLE).describe() == [
        f"stop and disable {unit_name(WWPN)}",
        f"remove {DEFINITION}",
        f"stop {POOLS}",
        f"remove {TARGET}",
        f"remove {SERVICE}",
        "have systemd read its unit files again",
        f"remove {PROGRAM}",
        "remove /etc/virt-san/vhbas, /etc/virt-san, /usr/local/lib/virt-san, unless something else is kept there",
    ]


@pytest.mark.parametrize("active", ["activating", "active", "failed"])
def test_one_that_waits_is_ended_even_if_not_enabled(active: str) -> None:
    assert plan_gone(Kept(WWPN, active=active)).describe() == [f"stop and disable {unit_name(WWPN)}"]


@pytest.mark.parametrize("active", ["failed", "inactive"])
def test_one_that_failed_at_boot_or_was_never_started_is_started(active: str) -> None:
    plan = plan_kept(replace(WHOLE, active=active), VHBA, SHARED)
    assert plan.describe() == [f"enable {unit_name(WWPN)}"]
    assert plan.changed
