# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a recorded machine, and steps as writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import rescan_machine
from ansible_collections.virt.san.plugins.module_utils._apply.rescan_machine import Machine
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl
from ansible_collections.virt.san.plugins.module_utils._plan.rescan import (
    DeletePlaceholder,
    Request,
    Reread,
    Scan,
    Seen,
    select,
)
from ansible_collections.virt.san.tests.unit.support.recorded import recorded

MAPPED = "36001405864f92a4f80f43858e8c41ee2"  # LUN 54, in a map


@pytest.fixture(params=["debian12", "debian13"])
def machine(request, tmp_path):
    with recorded(f"{request.param}-fc", tmp_path) as host:
        yield Machine(host)


def look(machine, before=None, **request):
    asked = Request(**request)
    selection = select(machine.look(None, asked, None, uses=False).san.hbas, asked)
    return machine.look(selection, asked, before, uses=False)


def test_the_first_look_waits_for_nothing(machine):
    seen = look(machine)
    assert {hctl.lun for hctl in seen.devices} == {27, 28, 29, 53, 54, 55, 300}
    assert seen.recorded == seen.claimed == seen.placeholders == seen.held == frozenset()


def test_of_what_came_udev_is_asked(machine):
    seen = look(machine, before=Seen(replace(look(machine).san, luns=())))
    assert len(seen.recorded) == 13
    members = {path.device for unit in seen.san.luns if unit.map for path in unit.paths}
    assert seen.claimed <= seen.recorded
    assert members <= seen.claimed


def test_of_what_is_named_udev_is_asked_too(machine):
    before = look(machine)
    assert look(machine, before=before).recorded == frozenset()
    assert look(machine, before=before, luns=(54,)).recorded == {"sdc", "sdi"}


def test_identity_by_the_device_itself(machine):
    assert machine.identities(Hctl(0, 0, 0, 54))[0] == MAPPED


def test_a_disk_udev_has_handled_or_that_went_away_is_not_waited_for(machine):
    path = look(machine).san.luns[0].paths[0]
    assert not machine.in_udevs_hands(path)
    database = Path(machine.host.path(f"/run/udev/data/b{path.dev_t}"))
    database.unlink()
    assert machine.in_udevs_hands(path)
    assert not machine.in_udevs_hands(replace(path, dev_t="8:4096"))


def test_of_hbas_that_are_not_scanned_the_first_look_counts(machine):
    """Others would only cost time; what one scans, and what is new, is read again."""

    def states(seen):
        return {hba.name: {hba.port_state, *(target.state for target in hba.targets)} for hba in seen.san.hbas}

    asked = Request(hbas=("host1",))
    first = machine.look(None, asked, None, uses=False)
    assert states(first) == {name: {"Online"} for name in ("host0", "host1", "host2")}
    for place in ("fc_host", "fc_remote_ports"):
        for state in Path(machine.host.path(f"/sys/class/{place}")).glob("*/port_state"):
            state.write_text("Blocked")
    seen = machine.look(select(first.san.hbas, asked), asked, first, uses=False)
    assert states(seen) == {"host0": {"Online"}, "host1": {"Blocked"}, "host2": {"Online"}}
    assert {path.target for unit in seen.san.luns for path in unit.paths} == {
        path.target for unit in first.san.luns for path in unit.paths
    }
    assert states(machine.look(None, asked, None, uses=False)) == {name: {"Blocked"} for name in states(first)}


@pytest.mark.parametrize("qualifier", [0x20, 0x60])
def test_a_placeholder_by_its_inquiry_data(qualifier, tmp_path):
    def unmapped(tree):
        """LUN 300 has no disk: the target says that nothing is connected."""
        for path in [path for path in tree if "0:0:0:300" in path and "/block" in path]:
            del tree[path]
        for path in [path for path in tree if path.startswith("/sys/dev/block/") and "0:0:0:300" in str(tree[path])]:
            del tree[path]
        (inquiry,) = [path for path in tree if path.endswith("0:0:0:300/inquiry")]
        tree[inquiry] = chr(qualifier) + "\0" * 35

    with recorded("debian13-fc", tmp_path, unmapped) as host:
        seen = look(Machine(host))
    assert seen.placeholders == {Hctl(0, 0, 0, 300)}
    assert Hctl(0, 0, 0, 300) in seen.devices


def test_steps_become_writes(machine, monkeypatch):
    written = {}
    monkeypatch.setattr(
        rescan_machine.children, "write_all", lambda _host, jobs, deadline, each: written.update(jobs) or {}
    )
    hctl = Hctl(2, 0, 0, 0)
    machine.write(
        {"host2": [DeletePlaceholder("host2", hctl), Scan("host2", 0, 0, 0), Reread("host2", hctl, "sdb")]}, 9
    )
    assert [(Path(write.path).name, write.value) for write in written["host2"]] == [
        ("delete", "1"),
        ("scan", "0 0 0"),
        ("rescan", "1"),
    ]
