# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks about pools and volumes that are killed on the way: the next run comes to what one by itself comes to.

Each cycle of tasks begins and ends with a blank LUN, or without a session. Pools with a virtual HBA are test_killed's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from .conftest import HOSTS, LVM_CONF, PORTALS, Lab
from .killing.harness import INSIDE, Machine, Task, everywhere, once
from .test_killed import side_by_side
from .test_pools_on_luns import PLACE

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("lvm_conf")]

SLOW = {"timeout": 120}
UUID = "8d5a4c0e-3a9e-4f0b-9d27-0d6f8f0c{:04d}"
"""Given, as what is kept of a pool is compared to the last letter."""


@pytest.fixture(scope="module")
def luns(lab: Lab) -> Iterator[dict[str, str]]:
    """By host the WWID of its LUN, which has a map; and sessions can be had by which another one comes."""
    wwids = lab.provide_all({f"killed-{host}": 66 + number for number, host in enumerate(HOSTS)}, size="96M")
    lab.provide_all({"by-iscsi": 27}, "--via", "iscsi")
    for host in HOSTS:
        lab.ssh(host, f"mkdir -p {PLACE}")
        lab.attach(host, wwids[f"killed-{host}"])
    yield {host: wwids[f"killed-{host}"] for host in HOSTS}
    for host in HOSTS:
        lab.ssh(host, f"umount -q {PLACE}/*; rm -rf {PLACE} /etc/virt-san /run/virt-san")


def with_volume(name: str, described: dict[str, Any], **more: Any) -> list[Task]:
    """Made and started; a volume made, grown, removed; stopped and started; all of it deleted while it runs."""
    one = {"pool": name, "name": "one", **more}
    return [
        Task(f"{name}-up", "storage_pool", {**described, **SLOW, "name": name, "state": "active"}),
        Task(f"{name}-made", "storage_volume", {**one, "capacity": "8M"}, point=INSIDE),
        Task(f"{name}-grown", "storage_volume", {**one, "capacity": "16M"}, point=None),
        Task(f"{name}-none", "storage_volume", {"pool": name, "name": "one", "state": "absent"}, point=None),
        Task(f"{name}-down", "storage_pool", {"name": name, "state": "inactive"}, point=None),
        Task(f"{name}-back", "storage_pool", {"name": name, "state": "active"}, point=None),
        Task(f"{name}-gone", "storage_pool", {**SLOW, "name": name, "state": "absent", "delete_contents": True}),
    ]


def fs(_lab: Lab, wwid: str, number: int, _target: str) -> list[Task]:
    source = {"devices": [wwid], "format": "ext4"}
    described = {"type": "fs", "uuid": UUID.format(number), "source": source, "target": {"path": f"{PLACE}/fs"}}
    return with_volume("fs", described, format="qcow2")


def logical(lab: Lab, wwid: str, number: int, _target: str) -> list[Task]:
    """The first pool of a host gives it a system ID, which it keeps: it is taken back each time."""

    def without_system_id(host: str) -> None:
        lab.ssh(host, f"cp -a {LVM_CONF}.test {LVM_CONF}")

    source = {"devices": [wwid], "name": f"killed{number}"}
    up, *others = with_volume("logical", {"type": "logical", "uuid": UUID.format(number), "source": source})
    return [replace(up, prepare=without_system_id), *others]


def disk(_lab: Lab, wwid: str, number: int, _target: str) -> list[Task]:
    source = {"devices": [wwid], "format": "gpt"}
    return with_volume("disk", {"type": "disk", "uuid": UUID.format(number), "source": source})


def iscsi(_lab: Lab, _wwid: str, number: int, target: str) -> list[Task]:
    source = {"target": target, "portals": list(PORTALS)}
    described = {"name": "target", "type": "iscsi", "uuid": UUID.format(number), "source": source}
    return [
        Task("target-up", "storage_pool", {**described, "state": "active"}),
        Task("target-down", "storage_pool", {"name": "target", "state": "inactive"}),
        Task("target-back", "storage_pool", {"name": "target", "state": "active"}),
        Task("target-gone", "storage_pool", {"name": "target", "state": "absent"}),
    ]


Cycle = Callable[[Lab, str, int, str], list[Task]]


@pytest.fixture
def killed(lab: Lab, luns: dict[str, str]) -> Iterator[Callable[[dict[str, Cycle], Callable[[Machine], None]], None]]:
    """A way to have the cycles of both hosts gone through side by side."""
    machines: list[Machine] = []

    def go_through(cycles: dict[str, Cycle], how: Callable[[Machine], None]) -> None:
        target = lab.iscsi_target()
        ready = {
            host: Machine(host, cycles[host](lab, luns[host], number, target)) for number, host in enumerate(HOSTS)
        }
        machines.extend(ready.values())
        for machine in machines:
            machine.install()
        side_by_side(lambda host: how(ready[host]))

    yield go_through
    for machine in machines:
        machine.remove()


@pytest.mark.timeout(900)
def test_killed_once(killed: Callable[..., None]) -> None:
    """What does most, each type on one of the two releases, from a blank LUN to a blank LUN."""
    killed({"kvm1": fs, "kvm2": disk}, once)


@pytest.mark.full
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("cycle", [fs, logical, disk, iscsi])
def test_killed_everywhere(killed: Callable[..., None], cycle: Cycle) -> None:
    """At every boundary of steps, and where a step has more than one part, on both releases."""
    killed(dict.fromkeys(HOSTS, cycle), everywhere)
