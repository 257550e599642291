# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools whose volumes are LUNs, on real machines: through all their states on both hosts, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab, Run
from .playing import Task, one, play, pool, shell, without_uuid

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

STATES = ("present", "active", "inactive", "absent")
SCAN = (
    "for h in /sys/class/fc_host/host*; do echo '- - -' > /sys/class/scsi_host/${h##*/}/scan; done;"
    " udevadm settle --timeout=60; "
)
MAP = "multipath -a {wwid} >/dev/null; multipathd add map {wwid} >/dev/null; udevadm settle --timeout=60; "
OURS = "find /etc/virt-san /run/virt-san -type f 2>/dev/null; true"
LIBVIRT = "virsh -q pool-define --validate /etc/virt-san/pools/{name}.xml; virsh -q pool-undefine {name}"


@pytest.fixture(scope="module")
def luns(lab: Lab) -> Iterator[list[str]]:
    """WWIDs of two LUNs that both hosts see by Fibre Channel, with a map of two paths each."""
    wwids = list(lab.provide_all({"of41": 41, "of42": 42}).values())
    for host in HOSTS:
        lab.ssh(host, SCAN + "".join(MAP.format(wwid=wwid) for wwid in wwids))
    yield wwids
    for host in HOSTS:
        lab.ssh(host, "rm -rf /etc/virt-san /run/virt-san")


def info(title: str, *names: str) -> Task:
    return {"name": title, "virt.san.storage_pool_info": {"name": list(names)}}


def through_all_states(wanted: dict[str, Any], *while_active: Task) -> list[Task]:
    """Return the tasks: each state in check mode, for real and once more; libvirt is to take the definition."""
    name = wanted["name"]
    tasks: list[Task] = []
    for state in STATES:
        tasks += [
            pool(f"{state} check", check=True, **wanted, state=state),
            pool(f"{state} run", **wanted, state=state),
            pool(f"{state} again", **wanted, state=state),
        ]
        if state == "present":
            tasks.append(shell("libvirt", LIBVIRT.format(name=name)))
        if state == "active":
            tasks += [info("volumes", name), *while_active]
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


# Type mpath


def test_all_multipath_devices(lab: Lab, ansible: Ansible, luns: list[str]) -> None:
    """One volume a LUN, by its WWID; nothing on the host changes with the pool."""
    before = {host: lab.ssh(host, "dmsetup table; cat /proc/partitions") for host in HOSTS}
    run = play(ansible, *through_all_states({"name": "maps", "type": "mpath"}))
    paths = []
    for host in HOSTS:
        found = judge(run, host)
        assert names(found) >= set(luns)
        assert found["capacity"] == found["allocation"] >= 2 * 64 * 2**20
        paths.append({volume["path"] for volume in found["volumes"] if volume["name"] in luns})
        assert lab.ssh(host, "dmsetup table; cat /proc/partitions") == before[host]
        assert lab.ssh(host, OURS) == ""
    assert paths[0] == paths[1] == {f"/dev/disk/by-id/dm-uuid-mpath-{wwid}" for wwid in luns}
