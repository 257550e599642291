# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that are killed on the way: the next run goes on, and comes to what a run by itself comes to.

Each cycle of tasks ends where it began, with LUNs of its own on each host, and one besides that must stay as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest

from .conftest import HOSTS, Lab
from .killing.harness import KILLED, Machine, Task, everywhere, once

pytestmark = pytest.mark.lab

FABRIC_A, FABRIC_B = "0000:00:05.0", "0000:00:06.0"
"""The cards of a host."""
WWPNS = {"kvm1": "5001a4a00000c101", "kvm2": "5001a4a00000c201"}
NUMBERS = {"guest": 51, "data": 52, "beside": 53, "old": 54, "new": 54}
"""LUNs of each host; the last two share a number, and only one is mapped at a time."""


@dataclass
class San:
    """The LUNs of a host: WWIDs by what they are for."""

    lab: Lab
    wwids: dict[str, dict[str, str]]

    def name(self, host: str, lun: str) -> str:
        return f"{lun}-{host}"

    def resize(self, lun: str, size: str, host: str) -> None:
        self.lab("lun", "resize", self.name(host, lun), size)

    def remap(self, old: str, new: str, host: str) -> None:
        """Put another LUN behind a number the host knows."""
        self.lab("lun", "unmap", self.name(host, old))
        self.lab("lun", "map", self.name(host, new), str(NUMBERS[new]), "--host", host)


@pytest.fixture(scope="module")
def san(lab: Lab) -> Iterator[San]:
    """LUNs with a pattern on each, mapped to one host each; that of the guest to its vHBA, in both fabrics."""
    names = [f"{lun}-{host}" for host in HOSTS for lun in NUMBERS]
    # The array takes a size that a LUN has for an error, and the cycle makes this one smaller first.
    lab("lun", "create", *[word for name in names for word in (name, "96M" if name.startswith("data") else "64M")])
    for host, wwpn in WWPNS.items():
        direct = [word for lun in ("data", "beside", "old") for word in (f"{lun}-{host}", str(NUMBERS[lun]))]
        lab("lun", "map", *direct, "--host", host)
        lab("lun", "map", f"guest-{host}", str(NUMBERS["guest"]), "--initiator", wwpn)
        for fabric in ("a", "b"):
            lab("zone", "set", f"guest-{host}-{fabric}", wwpn, f"array:{fabric}")
    for name in names:
        lab("lun", "write", name, "0", f"of {name}")
    found = {lun["name"]: lun["wwid"] for lun in lab.json("lun", "list")}
    yield San(lab, {host: {lun: found[f"{lun}-{host}"] for lun in NUMBERS} for host in HOSTS})
    for name in names:
        assert lab("lun", "read", name, "0", str(len(f"of {name}"))).strip() == f"of {name}", "data is lost"


def mapped(san: San, host: str, name: str, lun: str, killed: bool = False) -> Task:
    devices = [{"wwid": san.wwids[host][lun], "alias": lun}]
    return Task(name, "multipath_devices", {"devices": devices}, killed=killed)


def beside(san: San, host: str) -> list[Task]:
    """A LUN with its device that is none of the others' business."""
    expect = {"wwids": [san.wwids[host]["beside"]], "paths": 2}
    return [
        Task("beside", "scsi_rescan", {"luns": [NUMBERS["beside"]], "expect": expect}),
        mapped(san, host, "beside-mapped", "beside"),
    ]


def vhba(san: San, host: str) -> list[Task]:
    """A vHBA that outlasts reboots, with its LUN: made, moved to the other card, taken away with what is behind it."""
    wwpn = WWPNS[host]
    names = {"wwpn": wwpn, "wwnn": f"5001a4a1{wwpn[8:]}", "symbolic_name": f"guest of {host}"}
    expect = {"wwids": [san.wwids[host]["guest"]]}
    return [
        Task("made", "npiv_vport", {**names, "parent": FABRIC_A, "expect": expect}),
        mapped(san, host, "guest-mapped", "guest"),
        Task("moved", "npiv_vport", {**names, "parent": FABRIC_B, "move": True, "expect": expect}, point=None),
        Task("gone", "npiv_vport", {"wwpn": wwpn, "state": "absent"}),
    ]


def pool(_san: San, host: str) -> list[Task]:
    """A pool with a vHBA of its own: started with it, stopped without it, forgotten while it runs."""
    wwpn = WWPNS[host]
    adapter = {"type": "fc_host", "wwpn": wwpn, "wwnn": f"5001a4a1{wwpn[8:]}", "parent": FABRIC_A}
    described = {"name": "guest", "type": "scsi", "uuid": f"{wwpn[8:]}-0000-4000-8000-000000000000"}
    up = {**described, "source": {"adapter": adapter}, "state": "active"}
    return [
        Task("pool-up", "storage_pool", up),
        Task("pool-down", "storage_pool", {"name": "guest", "state": "inactive"}, point=None),
        Task("pool-up-again", "storage_pool", {"name": "guest", "state": "active"}, point=None),
        Task("pool-gone", "storage_pool", {"name": "guest", "state": "absent"}),
    ]


def lun(san: San, host: str) -> list[Task]:
    """A LUN that is found, gets a device, loses it, gets it again, grows and leaves."""
    wwid = san.wwids[host]["data"]
    found = {"luns": [NUMBERS["data"]], "expect": {"wwids": [wwid], "paths": 2}}
    smaller, larger = (partial(san.resize, "data", size) for size in ("64M", "96M"))
    return [
        Task("found", "scsi_rescan", found, smaller, point=None),
        mapped(san, host, "data-mapped", "data", killed=True),
        Task("flushed", "multipath_devices", {"state": "absent", "devices": [{"wwid": wwid}]}, point=None),
        mapped(san, host, "data-again", "data"),
        Task("grown", "scsi_device", {"wwid": wwid, "size": "96M"}, larger, point="1.0 ResizeMap: asked resize map"),
        Task("left", "scsi_device", {"wwid": wwid, "state": "absent"}),
    ]


def number(san: San, host: str) -> list[Task]:
    """A LUN number behind which the array puts another LUN, and the first one again."""
    wwids = san.wwids[host]
    there, back = partial(san.remap, "old", "new"), partial(san.remap, "new", "old")
    return [
        Task("purged", "scsi_device", {"wwid": wwids["new"], "purge_remapped": True}, there),
        Task("back", "scsi_device", {"wwid": wwids["old"], "purge_remapped": True}, back, killed=False),
        mapped(san, host, "old-mapped", "old"),
    ]


def number_first(san: San, host: str) -> list[Task]:
    expect = {"wwids": [san.wwids[host]["old"]], "paths": 2}
    found = Task("old", "scsi_rescan", {"luns": [NUMBERS["old"]], "expect": expect})
    return [found, mapped(san, host, "old-first", "old")]


def lvm(_san: San, _host: str) -> list[Task]:
    """LVM kept to the host's own volume groups, and no longer; a guest's group is test_host_lvm's."""
    return [
        Task("lvm-kept", "lvm_devices", {}),
        Task("lvm-free", "lvm_devices", {"state": "absent"}, point=None),
    ]


Tasks = Callable[[San, str], list[Task]]
CYCLES: dict[str, tuple[Tasks, Tasks]] = {
    "vhba": (beside, vhba),
    "lun": (beside, lun),
    "number": (number_first, number),
    "lvm": (lambda _san, _host: [], lvm),
    "pool": (beside, pool),
}
"""What leads to the beginning of a cycle, and the cycle."""


@pytest.fixture
def begin(san: San) -> Iterator[Callable[..., Machine]]:
    """A way to bring a host to the beginning of cycles."""
    used: list[Machine] = []

    def ready(host: str, *cycles: str) -> Machine:
        first, tasks = ([task for cycle in cycles for task in CYCLES[cycle][part](san, host)] for part in (0, 1))
        machine = Machine(host, tasks)
        used.append(machine)
        machine.install(first)
        machine.lead(first)
        return machine

    yield ready
    for machine in used:
        machine.remove()


def side_by_side(job: Callable[[str], None]) -> None:
    """Do something on each host at the same time; what fails is told at once, and is the test's failure in the end."""

    def told(host: str) -> None:
        try:
            job(host)
        except BaseException as error:
            print(f"{host}: {error}", flush=True)
            raise

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(told, host) for host in HOSTS]:
            done.result()


@pytest.mark.timeout(900)
def test_killed_once(begin: Callable[..., Machine]) -> None:
    """The plans that change most, each on one of the two releases."""
    cycles = {"kvm1": ("vhba",), "kvm2": ("lun",)}
    side_by_side(lambda host: once(begin(host, *cycles[host])))


@pytest.mark.full
@pytest.mark.timeout(900)
def test_killed_once_more(begin: Callable[..., Machine]) -> None:
    """The other kinds of plans."""
    cycles = {"kvm1": ("number",), "kvm2": ("lvm",)}
    side_by_side(lambda host: once(begin(host, *cycles[host])))


@pytest.mark.full
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("cycle", CYCLES)
def test_killed_everywhere(begin: Callable[..., Machine], cycle: str) -> None:
    """At every boundary of steps, and where a step has more than one part, on both releases."""

    side_by_side(lambda host: everywhere(begin(host, cycle)))


@pytest.mark.full
def test_killed_while_its_scan_hangs(lab: Lab, san: San) -> None:
    """The child that scans is in the kernel and stays; the next run says so and leaves its HBA alone."""
    expect = {"wwids": [san.wwids["kvm2"]["data"]], "paths": 2}
    options = {"luns": [NUMBERS["data"]], "expect": expect, "scan_timeout": 3, "timeout": 5}
    task = Task("hangs", "scsi_rescan", options)
    machine = Machine("kvm2", [task])
    machine.install()
    # In both fabrics: which HBA is scanned first is the module's to choose.
    for port in ("kvm2:a", "kvm2:b"):
        lab("fault", "drop-fcp", port, "on")
    try:
        assert machine.run(task, "start: child begun")["code"] == KILLED
        second = machine.run(task)
    finally:
        for port in ("kvm2:a", "kvm2:b"):
            lab("fault", "drop-fcp", port, "off")
    assert second["result"]["error"] == "WaitTimeoutError", second
    hangs = [each["stuck"] or "" for each in second["result"]["hosts"]]
    assert any("of an earlier run has not come back" in why for why in hangs), second
    deadline = time.monotonic() + 120
    while machine.stock()["children"]:
        assert time.monotonic() < deadline, "the child never came back"
    third = machine.run(task)
    assert len(third["result"]["luns"][0]["paths"]) == 2, third
    assert not machine.run(task)["result"]["changed"]
    machine.remove()
