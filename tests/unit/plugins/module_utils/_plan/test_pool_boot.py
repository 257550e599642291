# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts pools at boot: every state converges, also after a run that was killed anywhere in between."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._model.pool_boot import (
    PROGRAM,
    PROGRAM_FOLDERS,
    SERVICE,
    service_text,
    unit_name,
)
from ansible_collections.virt.san.plugins.module_utils._model.units import POOLS, TARGET
from ansible_collections.virt.san.plugins.module_utils._plan.keep_steps import (
    DisableUnit,
    EnableForBoot,
    KeepStep,
    ReloadUnits,
    RemoveFile,
    RemoveFolders,
    StopUnit,
    WriteFile,
)
from ansible_collections.virt.san.plugins.module_utils._plan.pool_boot import (
    SHARED,
    BootSeen,
    plan_not_started,
    plan_started,
)

FILES = {PROGRAM: b"zip", SERVICE: b"[Service]\n", TARGET: b"[Unit]\n"}
WHOLE = BootSeen("isos", FILES, folders=PROGRAM_FOLDERS, enabled=True)


def carried_out(seen: BootSeen, steps: tuple[KeepStep, ...]) -> BootSeen:
    """Return what is there after the steps; an order that would break something on the way is a failed test."""
    for step in steps:
        files = dict(seen.files)
        if isinstance(step, WriteFile):
            files[step.path] = step.content
            seen = replace(seen, files=files, stale=step.path != PROGRAM or seen.stale, folders=PROGRAM_FOLDERS)
        elif isinstance(step, RemoveFile):
            assert not seen.enabled
            assert not seen.others
            assert not (seen.vhbas and step.path == TARGET)
            del files[step.path]
            seen = replace(seen, files=files)
        elif isinstance(step, RemoveFolders):
            assert PROGRAM not in seen.files
            seen = replace(seen, folders=())
        elif isinstance(step, ReloadUnits):
            seen = replace(seen, stale=False)
        elif isinstance(step, EnableForBoot):
            assert set(SHARED) <= set(seen.files), "enabled before all it needs is there"
            seen = replace(seen, enabled=True, stale=False)
        elif isinstance(step, DisableUnit):
            seen = replace(seen, enabled=False, there=False, at_work=False)
        else:
            assert step == StopUnit(POOLS)
    return seen


SEEN = st.builds(
    BootSeen,
    name=st.just("isos"),
    files=st.fixed_dictionaries({}, optional={path: st.sampled_from([b"old", FILES[path]]) for path in SHARED}),
    others=st.booleans(),
    vhbas=st.booleans(),
    folders=st.sampled_from([(), PROGRAM_FOLDERS]),
    enabled=st.booleans(),
    at_work=st.booleans(),
    there=st.booleans(),
    stale=st.booleans(),
)


@given(SEEN, st.integers(0, 8))
def test_started_from_any_state(seen: BootSeen, killed_after: int) -> None:
    seen = carried_out(seen, plan_started(seen, FILES).steps[:killed_after])
    plan = plan_started(seen, FILES)
    done = carried_out(seen, plan.steps)
    again = plan_started(done, FILES)
    assert (again.steps, again.changed, again.before) == ((), False, plan.after)
    assert (done.files, done.enabled, done.stale) == (FILES, True, False)


@given(SEEN, st.integers(0, 8))
def test_no_longer_from_any_state(seen: BootSeen, killed_after: int) -> None:
    seen = carried_out(seen, plan_not_started(seen).steps[:killed_after])
    plan = plan_not_started(seen)
    done = carried_out(seen, plan.steps)
    again = plan_not_started(done)
    assert (again.steps, again.changed, again.before) == ((), False, plan.after)
    left = set(seen.files) if seen.others else {TARGET} & set(seen.files) if seen.vhbas else set()
    assert (set(done.files), done.enabled) == (left, False)


def test_the_first_and_the_last() -> None:
    assert plan_started(BootSeen("isos"), FILES).describe() == [
        f"write {PROGRAM} (program that starts pools at boot)",
        f"write {SERVICE} (unit for it)",
        f"write {TARGET} (target for what needs vHBAs)",
        "have virt-san-pool@isos.service started at boot",
    ]
    assert plan_not_started(WHOLE).describe() == [
        "stop and disable virt-san-pool@isos.service",
        f"stop {POOLS}",
        f"remove {TARGET}",
        f"remove {SERVICE}",
        f"remove {PROGRAM}",
        "remove /usr/local/lib/virt-san, unless something else is kept there",
        "have systemd read its unit files again",
    ]


def test_the_unit() -> None:
    """After the vHBAs that its storage may be on, before guests, and without Python's site-packages left out: lxml."""
    lines = service_text("/usr/bin/python3").splitlines()
    (after,) = [line for line in lines if line.startswith("After=")]
    (before,) = [line for line in lines if line.startswith("Before=")]
    assert after.split("=")[1].split()[0] == POOLS
    assert "libvirtd.service" in before
    assert f"ExecStart=/usr/bin/python3 -I {PROGRAM} start %I" in lines
    assert f"WantedBy={POOLS} multi-user.target" in lines
    assert "{" not in "".join(lines)
    assert unit_name("db-01") == r"virt-san-pool@db\x2d01.service"
