# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool on the target of `open_iscsi.py`, and what there is of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply import pool
from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._host import iscsi
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    PoolDefinition,
    Source,
    SourceDevice,
    SourceHost,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.tests.unit.support.open_iscsi import MUTUAL, ONE, SECRET, TARGET, TWO, OpenIscsi

PLAIN = PoolDefinition(
    "array",
    "iscsi",
    Source((SourceHost(ONE.address),), (SourceDevice(TARGET),)),
    Target("/dev/disk/by-id"),
    kept=Kept(portals=(str(TWO),)),
)


def run(machine: OpenIscsi, state: str, one: PoolDefinition | None = PLAIN, check: bool = False, **more: Any) -> Report:
    wanted = Wanted(one.name if one else "array", state, one, **more)
    report = pool.ensure(machine.host, NativeKeeper(machine.host), wanted, None, 5, check)
    told = str((report.facts, report.before, report.after, report.warnings, wanted))
    assert SECRET not in told
    assert MUTUAL not in told
    return report


def through_all_states(machine: OpenIscsi, one: PoolDefinition, up: list[str], **more: Any) -> None:
    """See that check mode says what is done, that nothing is to be done then, and nothing is left in the end."""
    before = database(machine)
    for state, there in (("present", []), ("active", up), ("inactive", []), ("active", up), ("absent", [])):
        now = machine.files(), ours(machine), portals(machine)
        planned = run(machine, state, one, check=True, **more)
        assert (machine.files(), ours(machine), portals(machine)) == now, "check mode wrote something"
        done = run(machine, state, one, **more)
        assert planned.changed, state
        assert (planned.changed, planned.facts["steps"]) == (done.changed, done.facts["steps"])
        uuids = [(told.get("pool") or {}).pop("uuid", None) for told in (planned.after, done.after)]
        assert len(uuids) == 2
        assert planned.after == done.after
        assert portals(machine) == there
        again = run(machine, state, one, **more)
        assert (again.changed, again.facts["steps"], again.warnings) == (False, [], ())
    assert (ours(machine), database(machine)) == ({}, before)


def database(machine: OpenIscsi) -> dict[str, str]:
    """Return what open-iscsi has on record."""
    return {path: text for path, text in machine.files().items() if machine.place in path}


def reboot(machine: OpenIscsi) -> None:
    """What is below /run goes, and so do sessions."""
    shutil.rmtree(Path(machine.root, "run/virt-san"))
    for one in iscsi.read_sessions(machine.host):
        machine.run(["iscsiadm", "-m", "session", "-r", str(one.number), "--logout"], 5)


def ours(machine: OpenIscsi) -> dict[str, str]:
    top = Path(machine.root)
    found = (path for place in ("etc/virt-san", "run/virt-san") for path in (top / place).rglob("*") if path.is_file())
    return {str(path.relative_to(top)): path.read_text() for path in found}


def portals(machine: OpenIscsi) -> list[str]:
    """Return the portals of all sessions, by the kernel's own word."""
    top = Path(machine.root, "sys/class/iscsi_connection")
    return sorted((one / "persistent_address").read_text().strip() for one in top.iterdir())
