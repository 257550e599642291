# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""scsi_rescan on recorded machines: options in, writes and results out, every wrong option a clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    IdentityError,
    InputError,
    InUseError,
    NotFoundError,
    UnavailableError,
    WaitTimeoutError,
)
from ansible_collections.virt.san.plugins.modules import scsi_rescan
from ansible_collections.virt.san.tests.unit.support.recorded import RecordedHost, recorded

DEFAULTS = {
    "hbas": [],
    "targets": [],
    "luns": [],
    "expect": {},
    "timeout": 0.0,
    "scan_timeout": 20.0,
    "refresh_sizes": True,
    "known_wwids": [],
}
NOTHING = {"wwids": [], "luns": [], "sizes": {}, "count": None, "paths": None}
FREE = "36001405864f92a4f80f43858e8c41ee2"  # LUN 54, in a map
OTHER = "36001405adb744bae32147558d44864f1"  # LUN 55, in none, one path offline
MOUNTED = "36001405ad677bde373542cc8e3d04fba"  # LUN 27
TARGET_A = "2000525423993627"


class ReadOnlyHost(RecordedHost):
    """A machine on which a write is a failed test."""

    def write_attribute(self, path, value):
        pytest.fail(f"{value!r} written to {path}")

    def write_file(self, path, _content, _mode=0o644):
        pytest.fail(f"{path} written")


def with_writable_files(tree):
    """The kernel shows no content of what is only written to, so that no recording holds it."""
    for number in (0, 1, 2):
        tree[f"/sys/class/scsi_host/host{number}/scan"] = ""
    for path in list(tree):
        if path.endswith("/state"):
            tree[path.replace("/state", "/rescan")] = ""


@pytest.fixture(params=["debian12", "debian13"])
def host(request, tmp_path):
    with recorded(f"{request.param}-fc", tmp_path, with_writable_files) as host:
        yield host


@pytest.fixture(params=["debian12", "debian13"])
def untouchable(request, tmp_path):
    with recorded(f"{request.param}-fc", tmp_path, host_class=ReadOnlyHost) as host:
        yield host


def run(host, check_mode=False, expect=None, **options):
    wanted = {**DEFAULTS, **options, "expect": {**NOTHING, **(expect or {})}}
    return scsi_rescan.look_for_luns(host, wanted, check_mode)


def written(host, path):
    return Path(host.path(path)).read_text(encoding="utf-8")


# Check mode: what would be done.


def test_check_mode_only_reads(untouchable):
    outcome = run(untouchable, check_mode=True, expect={"luns": [54, 99], "paths": 2})
    assert outcome.changed
    assert outcome.facts["scans"] == [
        "host0: scan 0 0 99 (LUN 99 of 2000525423993627)",
        "host0: read size and identity of sdc (0:0:0:54) again",
        "host1: scan 0 0 99 (LUN 99 of 20005254bbc7c1a9)",
        "host1: read size and identity of sdi (1:0:0:54) again",
    ]
    assert [one["lun"] for one in outcome.facts["missing"]] == [99]
    assert [unit["wwid"] for unit in outcome.facts["luns"]] == [FREE]


@pytest.mark.parametrize(
    ("expect", "changed"),
    [
        ({"luns": [54], "paths": 2, "count": 1}, False),
        ({"luns": [55], "paths": 1}, False),
        ({"luns": [55], "paths": 2}, True),  # one is offline
        ({"wwids": ["naa." + FREE[1:]]}, False),
        ({"sizes": {54: "64M", FREE: "64M"}}, False),
        ({"sizes": {54: "65M"}}, True),
        ({"luns": [300], "paths": 2}, True),
        ({"luns": [0x4000 + 300]}, True),
        ({"count": 99}, True),
        ({}, False),
    ],
)
def test_check_mode_is_changed_exactly_when_something_is_missing(untouchable, expect, changed):
    assert run(untouchable, check_mode=True, expect=expect).changed is changed


def test_a_vhba_without_target_is_reported(untouchable):
    skipped = run(untouchable, check_mode=True).facts["skipped_ports"]
    assert [port["hba"] for port in skipped] == ["host2"]
    assert "sees no target" in skipped[0]["reason"]


@pytest.mark.parametrize("release", ["debian12", "debian13"])
def test_iscsi_sessions_are_hbas_too(release, tmp_path):
    with recorded(f"{release}-iscsi", tmp_path, host_class=ReadOnlyHost) as host:
        facts = run(host, check_mode=True, luns=[27, 31]).facts
        scans = [line.split(" (")[0] for line in facts["scans"] if line.startswith(("host2", "host3"))]
        # The path of host2 is offline: there is nobody to ask.
        assert scans == ["host2: scan 0 0 31", "host3: scan 0 0 31", "host3: read size and identity of sdf"]
        gone = [port for port in facts["skipped_ports"] if port["reason"] == "not ready: Not Present"]
        assert [port["hba"] for port in gone] == ["host0", "host1"]


# For real, as far as a recording goes: it takes the writes and stays what it was.


def test_what_is_written(host):
    outcome = run(host, luns=[54, 77])
    assert not outcome.changed
    for number in (0, 1):
        assert written(host, f"/sys/class/scsi_host/host{number}/scan") == "0 0 16461", "the other counting of 77"
        assert written(host, f"/sys/bus/scsi/devices/{number}:0:0:54/rescan") == "1"
        assert written(host, f"/sys/bus/scsi/devices/{number}:0:0:55/rescan") == ""
    assert [one["errors"] for one in outcome.facts["hosts"]] == [[], [], []]
    assert any("LUN 77" in warning for warning in outcome.warnings)


def test_what_is_missing(host):
    with pytest.raises(WaitTimeoutError) as caught:
        run(host, expect={"luns": [54, 77], "sizes": {"55": "1G"}})
    assert f"LUN 77: a LUN wanted; none is seen; seen there: LUN 27 ({MOUNTED}, 96M)" in caught.value.message
    assert f"LUN 55: 1G LUN wanted; seen is {OTHER} of 64M" in caught.value.message
    assert caught.value.details["changed"] is False
    assert [unit["wwid"] for unit in caught.value.details["luns"]] == [FREE, OTHER]


def test_a_remap_that_the_kernel_knows_by_now(tmp_path):
    """After device/rescan the page is the new unit's; udev's record and the map still speak of the old one."""

    def remapped(tree):
        with_writable_files(tree)
        stranger = next(path for path in tree if path.endswith("/1:0:0:55/vpd_pg83"))
        for path in [path for path in tree if path.endswith("/0:0:0:54/vpd_pg83")]:
            tree[path] = tree[stranger]

    with recorded("debian13-fc", tmp_path, remapped) as host, pytest.raises(IdentityError) as caught:
        run(host, luns=[54])
    (one,) = caught.value.details["remapped"]
    assert (one["device"], one["old_wwid"]) == ("sdc", FREE)
    assert one["new_wwid"] == OTHER


def test_two_units_with_one_number(tmp_path):
    def moved(tree):
        """What was LUN 55 of the second target is LUN 54 there."""
        for path in [path for path in tree if "/1:0:0:54" in path or "/1:0:0:54" in str(tree[path])]:
            del tree[path]
        for path in [path for path in tree if "1:0:0:55" in str(tree[path]) or "1:0:0:55" in path]:
            content = tree.pop(path)
            if isinstance(content, dict) and "link" in content:
                content = {"link": content["link"].replace("1:0:0:55", "1:0:0:54")}
            tree[path.replace("1:0:0:55", "1:0:0:54")] = content

    with recorded("debian13-fc", tmp_path, moved) as host:
        with pytest.raises(AmbiguousError) as caught:
            run(host, check_mode=True, luns=[54])
        assert len(caught.value.details["candidates"]) == 2
        only = run(host, check_mode=True, luns=[54], targets=[TARGET_A])
        assert [unit["wwid"] for unit in only.facts["luns"]] == [FREE]


def test_a_lun_in_use(host):
    with pytest.raises(InUseError, match="mount /srv/images"):
        run(host, luns=[27])
    assert run(host, luns=[27], known_wwids=[MOUNTED]).facts["luns"][0]["wwid"] == MOUNTED


# Bad input.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hbas": ["eth0"]}, "hbas: 'eth0' is no HBA"),
        ({"hbas": ["21:00:00"]}, "hbas: "),
        ({"targets": ["50:01:40:5a"]}, "targets: "),
        ({"luns": [-1]}, "luns: "),
        ({"luns": [99999]}, "luns: LUN number 99999 is out of range"),
        ({"expect": {"luns": [40000]}}, "expect.luns: "),
        ({"expect": {"wwids": ["6001405"]}}, "expect.wwids: '6001405' is not a WWID"),
        ({"expect": {"sizes": {27: "10 apples"}}}, "expect.sizes: '10 apples' is not a size"),
        ({"expect": {"count": -1}}, "expect.count: "),
        ({"expect": {"paths": -1}}, "expect.paths: "),
        ({"known_wwids": ["x"]}, "known_wwids: "),
        ({"timeout": -1.0}, "timeout: -1 is not a time to wait"),
        ({"scan_timeout": 0.0}, "scan_timeout: "),
    ],
)
def test_what_cannot_be_right(untouchable, options, message):
    with pytest.raises(InputError) as caught:
        run(untouchable, **options)
    assert caught.value.message.startswith(message)


def test_an_hba_that_is_not_there(untouchable):
    with pytest.raises(NotFoundError, match=r"no HBA host7; it has: host0 \(fcoe [0-9a-f]{16}\), host1"):
        run(untouchable, hbas=["host7"])


def test_a_target_that_is_not_there(untouchable):
    with pytest.raises(NotFoundError, match=f"seen are {TARGET_A}"):
        run(untouchable, targets=["50:01:40:5a:00:00:00:01"])


def test_no_permission(host):
    for number in (0, 1, 2):
        Path(host.path(f"/sys/class/scsi_host/host{number}/scan")).chmod(0)
    host.write_attribute = refuse
    with pytest.raises(UnavailableError, match=r"Permission denied; run the task as root"):
        run(host, luns=[77])


def refuse(_path, _value):
    raise PermissionError(13, "Permission denied")


def test_a_kernel_that_does_not_scan(tmp_path):
    def told_not_to(tree):
        tree["/sys/module/scsi_mod/parameters/scan"] = "none\n"

    with (
        recorded("debian12-fc", tmp_path, told_not_to, ReadOnlyHost) as host,
        pytest.raises(UnavailableError, match=r"scsi_mod.scan=none"),
    ):
        run(host, luns=[27])
