# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""scsi_device on recorded machines, whose kernel is played."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import device_purge, device_run, removal
from ansible_collections.virt.san.plugins.module_utils._errors import (
    IdentityError,
    InputError,
    InUseError,
    NotFoundError,
    RefusedError,
    WaitTimeoutError,
)
from ansible_collections.virt.san.plugins.modules import scsi_device
from ansible_collections.virt.san.tests.unit.support.kernel import Kernel, Timer, page_83
from ansible_collections.virt.san.tests.unit.support.recorded import recorded

MIB = 2**20
OPTIONS = {
    "state": "present",
    "wwid": None,
    "device": None,
    "hba": None,
    "target": None,
    "lun": None,
    "size": "current",
    "timeout": 10.0,
    "force": False,
    "purge_remapped": False,
    "probe": False,
}


def all_running(tree):
    """Mend the path that was offline when the machine was recorded."""
    for path, content in tree.items():
        if path.endswith("/state") and isinstance(content, str) and content.strip() == "offline":
            tree[path] = "running\n"


@pytest.fixture(params=["debian12-fc", "debian13-fc"])
def host(request, tmp_path):
    with recorded(request.param, tmp_path, all_running) as found:
        found.clock = Timer().clock
        yield found


@pytest.fixture
def kernel(host, monkeypatch):
    played = Kernel(host)
    monkeypatch.setattr(removal.children, "write_all", played)
    return played


@pytest.fixture
def unit(host):
    """A unit of two running paths without a map and without a user."""
    units = removal.look(host).multipath.san.luns
    return next(
        one
        for one in units
        if one.wwid and not one.map and not one.uses and [path.state for path in one.paths] == ["running"] * 2
    )


def run(host, check_mode=False, **options):
    return scsi_device.bring_about(host, {**OPTIONS, **options}, check_mode)


def absent(host, check_mode=False, **options):
    return run(host, check_mode, state="absent", **options)


# Growing


def test_nothing_has_changed(host, kernel, unit):
    for _again in (1, 2):
        outcome = run(host, wwid=unit.wwid)
        assert not outcome.changed
    assert outcome.facts["size_before"] == outcome.facts["size_after"] == unit.size
    assert kernel.writes("rescan") == [str(path.hctl) for path in unit.paths]


def test_check_mode_writes_nothing(host, kernel, unit):
    outcome = run(host, check_mode=True, wwid=unit.wwid, size="128M")
    assert outcome.changed
    assert outcome.facts["size_after"] == 128 * MIB
    assert outcome.after["luns"][unit.wwid]["size"] == 128 * MIB
    absent(host, check_mode=True, wwid=unit.wwid)
    assert kernel.asked == {}


@pytest.mark.parametrize("size", ["current", "128M"])
def test_disks_that_have_grown(host, kernel, unit, size):
    planned = run(host, check_mode=True, wwid=unit.wwid, size=size)
    kernel.sizes = {str(path.hctl): [128 * MIB] for path in unit.paths}
    outcome = run(host, device=unit.paths[1].device, size=size)
    assert outcome.changed
    assert (outcome.facts["size_before"], outcome.facts["size_after"]) == (unit.size, 128 * MIB)
    assert outcome.facts["lun"]["size"] == 128 * MIB
    if size != "current":
        assert (planned.before, planned.after) == (outcome.before, outcome.after)
        assert planned.facts["steps"] == outcome.facts["steps"]
    assert not run(host, wwid=unit.wwid, size=size).changed


def test_a_size_that_comes_late(host, kernel, unit):
    kernel.sizes = {str(path.hctl): [unit.size, unit.size, 128 * MIB] for path in unit.paths}
    assert run(host, wwid=unit.wwid, size="128M").facts["size_after"] == 128 * MIB
    assert 2 <= host.clock.monotonic() < 10


def test_a_size_that_does_not_come(host, kernel, unit):
    with pytest.raises(WaitTimeoutError, match="has 64M, not the 128M"):
        run(host, wwid=unit.wwid, size="128M")
    assert host.clock.monotonic() >= 10
    assert len(kernel.asked) == 2


def test_a_lun_that_has_shrunk(host, kernel, unit):
    kernel.sizes = {str(path.hctl): [32 * MIB] for path in unit.paths}
    with pytest.raises(RefusedError, match="has shrunk on the array, from 64M"):
        run(host, wwid=unit.wwid)


# Leaving


def test_a_free_lun_leaves(host, kernel, unit):
    planned = absent(host, check_mode=True, wwid=unit.wwid)
    outcome = absent(host, wwid=unit.wwid)
    assert outcome.changed
    assert (planned.before, planned.after) == (outcome.before, outcome.after)
    assert planned.facts["steps"] == outcome.facts["steps"]
    assert {path["device"] for path in outcome.facts["removed"]} == {path.device for path in unit.paths}
    assert kernel.writes("delete") == [str(path.hctl) for path in unit.paths]
    assert not absent(host, wwid=unit.wwid).changed


@pytest.mark.parametrize("name", ["device", "address"])
def test_by_another_name(host, kernel, unit, name):
    path = unit.paths[0]
    address = {"hba": path.hba, "target": path.target, "lun": path.lun}
    named = {"device": f"/dev/{path.device}"} if name == "device" else address
    assert absent(host, **named).facts["wwid"] == unit.wwid
    assert len(kernel.writes("delete")) == 2
    again = absent(host, **named)
    assert not again.changed
    assert again.facts["lun"] is None


@pytest.mark.usefixtures("kernel")
def test_what_was_never_there(host):
    assert not absent(host, wwid="naa.600140500000000000000000000000ff").changed
    assert not absent(host, device="/dev/sdzz").changed
    with pytest.raises(NotFoundError, match="seen are"):
        run(host, wwid="naa.600140500000000000000000000000ff")
    with pytest.raises(InputError, match="is not a size"):
        run(host, device="/dev/sdzz", size="big")


def test_what_is_in_use_stays(host, kernel, unit):
    info = Path(host.path("/proc/self/mountinfo"))
    info.write_text(f"{info.read_text()}30 1 {unit.paths[1].dev_t} / /srv rw - ext4 /dev/x rw\n")
    with pytest.raises(InUseError, match="mount /srv"):
        absent(host, wwid=unit.wwid, force=True, purge_remapped=True)
    assert kernel.asked == {}


def test_a_process_gets_time_to_let_go(host, kernel, unit):
    process = Path(host.path("/proc/77"))
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("blkid\n")
    (process / "fd/3").symlink_to(f"/dev/{unit.paths[0].device}")
    with pytest.raises(InUseError, match=r"blkid \(pid 77\)"):
        absent(host, wwid=unit.wwid)
    assert host.clock.monotonic() >= 10
    assert kernel.asked == {}


# Remapped


@pytest.fixture
def remapped(kernel, unit):
    """The array has put another unit behind both paths. Its WWID."""
    naa = "60014050000000000000000000000077"
    kernel.pages = {str(path.hctl): page_83(naa) for path in unit.paths}
    return f"3{naa}"


def test_a_remapped_lun_is_never_taken_for_the_old_one(host, kernel, unit, remapped):
    for state in ("present", "absent"):
        with pytest.raises(IdentityError, match="another unit behind 2 paths") as raised:
            run(host, state=state, wwid=unit.wwid)
        assert {one["new_wwid"] for one in raised.value.details["remapped"]} == {remapped}
    assert kernel.writes("delete") == []


def test_a_remapped_lun_leaves_if_it_may(host, kernel, unit, remapped):
    outcome = absent(host, wwid=unit.wwid, purge_remapped=True)
    assert {one["new_wwid"] for one in outcome.facts["remapped"]} == {remapped}
    assert len(kernel.writes("delete")) == 2


def test_the_new_lun_is_scanned_in(host, kernel, remapped, monkeypatch):
    asked = []
    monkeypatch.setattr(device_run.Run, "_scan", lambda _run, step: asked.append(step))
    with pytest.raises(NotFoundError, match=remapped):
        run(host, wwid=remapped, purge_remapped=True)  # nothing plays the array: it does not come
    assert [step.wwids for step in asked] == [(remapped,)]
    assert len(kernel.writes("delete")) == 2


class Killed(BaseException):
    """Ends a run as a signal would: nobody catches it."""


@pytest.mark.usefixtures("kernel")
def test_a_run_that_is_killed_before_it_scans_anew_is_finished_by_the_next(host, unit, remapped, monkeypatch):
    asked = []

    def killed(_run, _step):
        raise Killed

    monkeypatch.setattr(device_run.Run, "_scan", killed)
    with pytest.raises(Killed):
        run(host, wwid=remapped, purge_remapped=True)
    with pytest.raises(NotFoundError, match=remapped):
        run(host, wwid=remapped)  # without leave to purge nothing is scanned
    before = host.read(device_purge.NOTE)
    planned = run(host, check_mode=True, wwid=remapped, purge_remapped=True)
    assert planned.changed
    assert [step.partition(" for ")[0] for step in planned.facts["steps"]] == ["scan anew"]
    assert host.read(device_purge.NOTE) == before, "check mode wrote something"
    monkeypatch.setattr(device_run.Run, "_scan", lambda _run, step: asked.append(step))
    with pytest.raises(NotFoundError, match=remapped):
        run(host, wwid=remapped, purge_remapped=True)  # nothing plays the array: it does not come
    (step,) = asked
    assert (step.wwids, [path.hctl for path in step.addresses]) == ((remapped,), [path.hctl for path in unit.paths])
    assert not host.exists(device_purge.NOTE)


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"hctl": "x"}]', '{"hctl": "1:0:0:1"}'])
def test_a_note_that_says_nothing_is_none(host, text):
    host.write_file(device_purge.NOTE, text)
    assert device_purge.read_note(host) == ()


# Stale paths


def test_only_proven_paths_go(host, kernel, unit):
    first, second = unit.paths
    kernel.answers = {
        f"/dev/{first.device}": "sense:72052500",
        f"/dev/{second.device}": f"luns:{second.lun:04x}" + "0" * 12,
    }
    planned = absent(host, check_mode=True, wwid=unit.wwid, probe=True)
    outcome = absent(host, wwid=unit.wwid, probe=True)
    assert [path["device"] for path in outcome.facts["stale"]] == [first.device]
    assert [path["device"] for path in outcome.facts["removed"]] == [first.device]
    assert (planned.before, planned.after) == (outcome.before, outcome.after)
    assert planned.facts["size_after"] == outcome.facts["size_after"] == unit.size
    assert kernel.writes("delete") == [str(first.hctl)]
    again = absent(host, wwid=unit.wwid, probe=True)
    assert not again.changed
    assert again.facts["lun"]["wwid"] == unit.wwid


def test_without_an_answer_nothing_goes(host, kernel, unit):
    path = unit.paths[0]
    kernel.stubborn = (f"probe{path.hctl.host}-{path.hctl.channel}-{path.hctl.target}",)
    kernel.answers = {f"/dev/{unit.paths[1].device}": f"luns:{path.lun:04x}" + "0" * 12}
    outcome = absent(host, wwid=unit.wwid, probe=True)
    assert not outcome.changed
    assert "no answer to REPORT LUNS" in outcome.warnings[0]
    assert kernel.writes("delete") == []
