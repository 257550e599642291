# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of a removal on recorded machines, whose kernel is played by the writes that are done."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import removal
from ansible_collections.virt.san.plugins.module_utils._errors import (
    CommandError,
    IdentityError,
    InUseError,
    UnavailableError,
    WaitTimeoutError,
)
from ansible_collections.virt.san.plugins.module_utils._host.children import Write
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed
from ansible_collections.virt.san.plugins.module_utils._host.lvm_conf import DEVICES
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import Listed
from ansible_collections.virt.san.plugins.module_utils._plan.removal import plan_removal, whole_units
from ansible_collections.virt.san.plugins.module_utils._plan.removal_steps import DeletePaths, Going, UnlistDevice
from ansible_collections.virt.san.tests.unit.support.kernel import Kernel, Timer
from ansible_collections.virt.san.tests.unit.support.recorded import recorded


@pytest.fixture
def host(tmp_path):
    with recorded("debian13-fc", tmp_path) as found:
        found.clock = Timer().clock
        yield found


@pytest.fixture
def kernel(host, monkeypatch):
    played = Kernel(host)
    monkeypatch.setattr(removal.children, "write_all", played)
    return played


def free_unit(host):
    """Return a unit without map and without a user."""
    return next(
        unit
        for unit in removal.look(host).multipath.san.luns
        if unit.map is None and not unit.uses and unit.wwid and len(unit.paths) == 2
    )


def test_all_paths_of_all_hosts_go(host, kernel):
    unit = free_unit(host)
    seen = removal.look(host)
    plan = plan_removal(seen, whole_units(seen, [unit.wwid]))
    for step in plan.steps:
        removal.perform(host, step, 5)
    assert set(kernel.asked) == {path.hba for path in unit.paths}
    assert not removal.look(host).multipath.san.by_wwid(unit.wwid)
    assert not plan_removal(removal.look(host), whole_units(removal.look(host), [unit.wwid])).steps
    removal.verify_gone(host, [unit.wwid], 5)


def test_traces_are_told(host):
    unit = free_unit(host)
    with pytest.raises(WaitTimeoutError, match=unit.paths[0].device):
        removal.verify_gone(host, [unit.wwid], 1)


def delete(host, *paths):
    removal.perform(host, DeletePaths(tuple(Going(path.device, path.hctl, path.wwid) for path in paths)), 5)


@pytest.mark.usefixtures("kernel")
def test_a_name_udev_leaves_behind_is_told(host):
    path = free_unit(host).paths[0]
    links = Path(host.path("/dev/disk/by-id"))
    links.mkdir(parents=True, exist_ok=True)
    delete(host, path)
    (links / "wwn-0x1-part2").symlink_to(f"../../{path.device}2")
    with pytest.raises(WaitTimeoutError, match="wwn-0x1-part2"):
        delete(host, path)


def test_what_is_gone_is_not_deleted_again(host, kernel):
    delete(host, *free_unit(host).paths)
    kernel.asked.clear()
    removal.perform(host, DeletePaths((Going("sdzz", Hctl(9, 0, 0, 9), None),)), 5)
    assert kernel.asked == {}


def test_another_unit_meanwhile(host, kernel):
    path = free_unit(host).paths[0]
    with pytest.raises(IdentityError, match="meanwhile"):
        removal.perform(host, DeletePaths((Going(path.device, path.hctl, "3600other"),)), 5)
    assert kernel.asked == {}


def test_a_map_that_came_back_is_never_cut_off(host, kernel):
    mapped = next(unit for unit in removal.look(host).multipath.san.luns if unit.map and not unit.uses)
    with pytest.raises(InUseError, match="again"):
        delete(host, *mapped.paths)
    assert kernel.asked == {}


def test_mounted_meanwhile(host, kernel):
    path = free_unit(host).paths[0]
    info = Path(host.path("/proc/self/mountinfo"))
    info.write_text(f"{info.read_text()}30 1 {path.dev_t} / /srv rw - ext4 /dev/{path.device} rw\n")
    with pytest.raises(InUseError, match="/srv"):
        delete(host, path)
    assert kernel.asked == {}


def opener(host, path):
    """Have process 77 hold a path open."""
    process = Path(host.path("/proc/77"))
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("dd\n")
    (process / "fd/3").symlink_to(f"/dev/{path.device}")


def test_somebody_who_does_not_let_go(host, kernel):
    path = free_unit(host).paths[0]
    opener(host, path)
    with pytest.raises(InUseError, match=r"dd \(pid 77\)"):
        delete(host, path)
    assert host.clock.monotonic() >= removal.PATIENCE
    assert kernel.asked == {}


def test_the_watchers_of_disks_do_not_hold_them(host, kernel):
    path = free_unit(host).paths[0]
    opener(host, path)
    Path(host.path("/proc/77/comm")).write_text("(udev-worker)\n")
    delete(host, path)
    assert kernel.asked


def test_a_delete_that_hangs(host, kernel):
    unit = free_unit(host)
    kernel.stubborn = (unit.paths[0].hba,)
    with pytest.raises(CommandError, match=f"{unit.paths[0].hba}: no return from writing .*process 4242"):
        delete(host, *unit.paths)


def test_behind_one_that_hangs_nothing_is_begun(host, kernel, monkeypatch):
    monkeypatch.setattr(removal.children, "left_behind", lambda _host, names: dict.fromkeys(names, 4242))
    with pytest.raises(UnavailableError, match="process 4242 of an earlier run"):
        delete(host, free_unit(host).paths[0])
    assert kernel.asked == {}


def test_running_paths_alone_are_asked(host, kernel):
    """The recording has one path that is offline."""
    paths = free_unit(host).paths
    (running,) = [path for path in paths if path.state == "running"]
    _results, asked = removal.reread(host, paths)
    assert asked == {running.hctl}
    assert kernel.asked == {running.hba: [Write(f"/sys/bus/scsi/devices/{running.hctl}/rescan", "1")]}


def test_the_devices_file_of_lvm_by_identity(host):
    unit = free_unit(host)
    text = f"VERSION=1.1.1\nIDTYPE=sys_wwid IDNAME=naa.{unit.wwid[1:]} DEVNAME=/dev/sdq PVID=x\n"
    Path(host.path(DEVICES)).parent.mkdir(parents=True, exist_ok=True)
    Path(host.path(DEVICES)).write_text(text)
    entry = Listed("sys_wwid", f"naa.{unit.wwid[1:]}", "/dev/sdq")
    assert removal.look(host).listed == {unit.wwid: (entry,)}


def test_the_devices_file_is_changed_by_identity(host):
    commands = []
    host._runner = lambda argv, *_rest: commands.append(argv) or Completed(tuple(argv), 0, "", "")
    entry = Listed("mpath_uuid", "mpath-3600a", "/dev/mapper/moved")
    removal.perform(host, UnlistDevice("3600a", entry), 5)
    assert commands[0][-4:] == ["--deldev", "mpath-3600a", "--deviceidtype", "mpath_uuid"]
