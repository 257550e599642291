# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""npiv_vport on recorded machines: options in, results out, every wrong option a clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._boot.pack import packed
from ansible_collections.virt.san.plugins.module_utils._errors import (
    InputError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    WaitTimeoutError,
)
from ansible_collections.virt.san.plugins.modules import npiv_vport
from ansible_collections.virt.san.tests.unit.support.fake_systemd import FakeSystemd
from ansible_collections.virt.san.tests.unit.support.npiv_kernel import behind_the_vhba, kernel

DEFAULTS = {
    "state": "present",
    "name": None,
    "instance": 0,
    "oui": "001a4a",
    "wwpn": None,
    "wwnn": None,
    "parent": None,
    "fabric": None,
    "move": False,
    "symbolic_name": None,
    "persistent": False,
    "force": False,
    "timeout": 5.0,
    "expect": {},
}
NOTHING = {"wwids": [], "luns": [], "sizes": {}, "count": None, "paths": None}
THERE = {"wwpn": "50:01:a4:a0:00:00:00:01", "wwnn": "5001A4A000000101"}
"""The recording's vHBA, host2 on host0."""


@pytest.fixture
def host(tmp_path: Path):
    with kernel("debian12-fc", tmp_path, lambda tree: behind_the_vhba(tree, (0, 300))) as machine:
        yield machine


def run(host, check_mode=False, expect=(), **options):
    given = {**DEFAULTS, **options, "expect": {**NOTHING, **dict(expect)}}
    return npiv_vport.bring_about(host, given, check_mode)


def test_made_by_name(host):
    done = run(host, name="db01", parent="0000:00:06.0")
    assert done.changed
    assert (done.facts["wwpn"], done.facts["wwnn"]) == ("5001a4a6ccebd6af", "5001a4a6ccebd6ae")
    assert (done.facts["vhba"]["host"], done.facts["vhba"]["symbolic_name"]) == ("host7", "db01")
    assert done.facts["luns"] == []
    assert not run(host, name="db01").changed


def test_names_are_told_before_it_is_made(host):
    done = run(host, check_mode=True, name="db01", instance=1, expect={"luns": [27]})
    assert (done.changed, done.facts["wwpn"], done.facts["vhba"]) == (True, "5001a4ae69f04f5b", None)
    assert host.written() == []


def test_there_with_its_luns(host):
    done = run(host, **THERE)
    assert (done.changed, host.written()) == (False, [])
    assert [path["hctl"] for unit in done.facts["luns"] for path in unit["paths"]] == ["2:0:0:300"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_luns_that_are_expected(host, check_mode):
    done = run(host, check_mode, {"luns": [300], "paths": 1}, **THERE)
    assert not done.changed
    assert len(done.facts["luns"]) == 1
    assert done.facts["missing"] == []
    assert host.written() == ([] if check_mode else ["rescan 1"])


def test_one_that_is_used_already_is_expected_too(tmp_path):
    """The second run, with the guest running on it: its own LUNs."""
    with kernel("debian12-fc", tmp_path, lambda tree: behind_the_vhba(tree, (0, 27))) as host:
        done = run(host, expect={"luns": [27]}, **THERE)
    assert done.facts["luns"][0]["usage"]["state"] == "used"
    assert not done.changed


def test_a_lun_that_does_not_come(host, monkeypatch):
    writes = host.write_attribute
    monkeypatch.setattr(host, "write_attribute", lambda path, value: path.endswith("/scan") or writes(path, value))
    began = host.now
    with pytest.raises(WaitTimeoutError, match="LUN 31: a LUN wanted") as caught:
        run(host, expect={"luns": [31]}, **THERE)
    assert caught.value.details["vhba"]["host"] == "host2"
    assert caught.value.details["changed"] is False
    assert 5 <= host.now - began < 6, "the login and the LUNs share one timeout"


def test_away(host):
    done = run(host, state="absent", wwpn=THERE["wwpn"])
    assert done.changed
    assert (done.facts["wwnn"], done.facts["vhba"]["host"]) == ("5001a4a000000101", "host2")
    assert len(done.facts["removed_luns"]) == 1
    done = run(host, state="absent", wwpn=THERE["wwpn"])
    assert (done.changed, done.facts["vhba"], done.facts["wwnn"]) == (False, None, None)


def test_one_that_cannot_be_is_absent(host):
    assert not run(host, state="absent", wwpn="1111222233334444").changed


def test_moved_only_when_asked(host):
    with pytest.raises(RefusedError, match="move: true"):
        run(host, parent="host1", **THERE)
    done = run(host, parent="host1", move=True, **THERE)
    assert done.facts["vhba"]["parent"] == "host1"
    assert done.facts["removed_paths"][0]["lun"] == 300


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"wwpn": "1111222233334444", "wwnn": "5555666677778888"}, "wwpn: .* made-up name"),
        ({"wwpn": "5001a4a000000001", "wwnn": "0" * 16}, "wwnn: .* no name at all"),
        ({"wwpn": "5001a4a000000001"}, "wwnn: give the node name"),
        ({"name": ""}, "name: "),
        ({"name": "db01", "instance": -1}, "instance: "),
        ({"name": "db01", "oui": "xyz"}, "oui: "),
        ({"name": "db01", "parent": "fc1"}, "parent: "),
        ({"name": "db01", "fabric": "a"}, "fabric: "),
        ({"name": "db01", "symbolic_name": ""}, "symbolic_name: "),
        ({"name": "db01", "timeout": -1}, "timeout: "),
        ({"name": "db01", "expect": {"luns": [99999]}}, "expect.luns: "),
    ],
)
def test_a_wrong_option_is_named(host, options, says):
    with pytest.raises(InputError, match=says):
        run(host, **options)
    assert host.written() == []


def test_a_parent_that_is_not_there(host):
    with pytest.raises(NotFoundError, match=r"no HBA host9; it has: host0 \(20005254c2571d46\), host1"):
        run(host, name="db01", parent="host9")


def test_it_lasts_by_default(host, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "_runner", FakeSystemd(tmp_path, host._runner))
    planned = run(host, check_mode=True, name="db01", parent="0000:00:06.0", persistent=True)
    assert not (tmp_path / "etc/virt-san").exists()
    done = run(host, name="db01", parent="0000:00:06.0", persistent=True)
    assert (done.changed, done.facts["steps"]) == (True, planned.facts["steps"])
    assert planned.after["persistence"] == done.after["persistence"]
    kept = done.facts["persistence"]
    assert (
        kept
        == planned.facts["persistence"]
        == {
            "unit": "virt-san-vhba@5001a4a6ccebd6af.service",
            "definition": "/etc/virt-san/vhbas/5001a4a6ccebd6af.json",
            "parent_wwpn": "200052542a9c277f",
        }
    )
    assert (tmp_path / "usr/local/lib/virt-san/virt-san-boot.pyz").read_bytes() == packed()
    assert not run(host, name="db01", persistent=True).changed
    done = run(host, name="db01", persistent=False)
    assert (done.changed, done.facts["persistence"], done.facts["vhba"]["host"]) == (True, None, "host7")
    assert not (tmp_path / "etc/virt-san").exists()


def test_without_systemd_nothing_is_begun(host):
    with pytest.raises(UnavailableError, match="persistent: false"):
        run(host, name="db01", persistent=True)
    assert host.written() == []
