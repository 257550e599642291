# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool through all its states by one playbook: looked at, done and done again; libvirt takes its definition."""

from __future__ import annotations

from typing import Any

from .conftest import Run
from .playing import Task, one, pool, virsh, without_uuid

STATES = ("present", "active", "inactive", "absent")


def info(title: str, *names: str) -> Task:
    """Look at pools. LUNs come a moment after the HBA or session that they are behind: the first pool has some."""
    return {
        "name": title,
        "virt.san.storage_pool_info": {"name": list(names)},
        "register": "found",
        "until": "found.pools[0].volumes | default([], true) | length > 0",
        "retries": 20,
        "delay": 1,
    }


def libvirt_takes(name: str) -> Task:
    return virsh(
        "libvirt",
        f"pool-define --validate /etc/virt-san/pools/{name}.xml >&2",
        f"pool-dumpxml {name}",
        f"pool-undefine {name} >&2",
    )


def through_all_states(wanted: dict[str, Any], *while_active: Task, delete_contents: bool = False) -> list[Task]:
    """Return the tasks: each state in check mode, for real and once more; libvirt is to take the definition."""
    name = wanted["name"]
    tasks: list[Task] = []
    for state in STATES:
        more = {"state": state, **({"delete_contents": True} if delete_contents and state == "absent" else {})}
        tasks += [
            pool(f"{state} check", check=True, **wanted, **more),
            pool(f"{state} run", **wanted, **more),
            pool(f"{state} again", **wanted, **more),
        ]
        if state == "present":
            tasks.append({**libvirt_takes(name), "register": "libvirt"})
        if state == "active":
            tasks += [*while_active, info("volumes", name)]
    return tasks


def judge(run: Run, host: str) -> dict[str, Any]:
    """See that check mode said what was done, and that the second run had nothing to do; return the pool's facts."""
    for state in STATES:
        check, done, again = (one(run, host, f"{state} {what}") for what in ("check", "run", "again"))
        assert (check["changed"], done["changed"], again["changed"]) == (True, True, False), (host, state)
        assert check["steps"] == done["steps"], (host, state)
        assert again["steps"] == [], (host, state)
        for side in ("before", "after"):
            assert without_uuid(check["diff"][side]) == without_uuid(done["diff"][side]), (host, state)
        if state != "absent":
            assert done["pool"]["state"] == ("active" if state == "active" else "inactive")
    (found,) = one(run, host, "volumes")["pools"]
    assert (found["state"], found["problem"]) == ("active", None)
    return dict(found)


def names(found: dict[str, Any]) -> set[str]:
    return {volume["name"] for volume in found["volumes"]}
