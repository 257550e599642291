# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._host import arrival
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock, Host


class Machine(Host):
    """Disks in a made-up tree; `later` happens while somebody waits."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.later = lambda: None
        super().__init__(str(folder), clock=Clock(lambda: self.now, self.sleep))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.later()

    def put(self, path: str, text: str = "") -> None:
        place = Path(self.path(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def disk(self, hctl: str, name: str, number: str) -> None:
        self.put(f"/sys/bus/scsi/devices/{hctl}/block/{name}/size")
        self.put(f"/sys/class/block/{name}/dev", f"{number}\n")

    def handled(self, number: str) -> None:
        self.put(f"/run/udev/data/b{number}", "E:ID_SERIAL=x\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.disk("7:0:0:27", "sda", "8:0")
    machine.disk("8:0:0:27", "sdb", "8:16")
    return machine


def test_a_disk_counts_once_udev_is_done_with_all_of_its_host(machine: Machine) -> None:
    machine.disk("7:0:0:28", "sdc", "8:32")
    machine.handled("8:0")
    assert arrival.disks_behind(machine, "host7") == 0
    machine.handled("8:32")
    assert arrival.disks_behind(machine, "host7") == 2
    assert arrival.disks_behind(machine, "host8") == arrival.disks_behind(machine, "host9") == 0


def test_the_first_one_ends_the_wait(machine: Machine) -> None:
    machine.later = lambda: machine.handled("8:16") if machine.now > 1 else None
    assert arrival.await_disks(machine, lambda: ("host7", "host8")) == 1
    assert 1 < machine.now < 2


def test_there_may_be_none(machine: Machine) -> None:
    assert arrival.await_disks(machine, lambda: ("host9",)) == 0
    assert machine.now == pytest.approx(arrival.PATIENCE)
