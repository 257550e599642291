# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking virtual HBAs away: with all that is only behind them, and with nothing else."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import npiv_away
from ansible_collections.virt.san.plugins.module_utils._apply.npiv_away import ensure_absent, ensure_moved
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, InUseError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import scsi
from ansible_collections.virt.san.plugins.module_utils._host.multipath_check import MULTIPATH
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl, Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.tests.unit.support.npiv_kernel import behind_the_vhba, kernel
from ansible_collections.virt.san.tests.unit.support.recorded import Tree

WWPN, WWNN = Wwn("5001a4a000000001"), Wwn("5001a4a000000101")
DELETE = f"vport_delete {WWPN}:{WWNN}"
MAPPED = (27, 28, 29, 53, 54)
"""LUNs of the recording with a map over host 0 and host 1; 27 is mounted, 54 is free."""


def one_free_disk(tree: Tree) -> None:
    """LUN 300 has one path, no map and no user."""
    behind_the_vhba(tree, (0, 300))


def a_path_of_each(tree: Tree) -> None:
    tree[MULTIPATH] = ""
    behind_the_vhba(tree, *[(0, lun) for lun in MAPPED])


def all_of_it(tree: Tree) -> None:
    behind_the_vhba(tree, *[(number, lun) for number in (0, 1) for lun in MAPPED])


def test_nothing_behind_it(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path) as host:
        report = ensure_absent(host, WWPN, 5)
        assert (report.changed, host.written()) == (True, [DELETE])
        assert report.steps == [f"host0: delete vHBA {WWPN} (host2)"]
        assert report.vhba is not None
        again = ensure_absent(host, WWPN, 5)
        assert (again.changed, again.vhba, again.steps) == (False, None, [])


def test_its_disks_go_first(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, one_free_disk) as host:
        planned = ensure_absent(host, WWPN, 5, check_mode=True)
        assert host.written() == []
        report = ensure_absent(host, WWPN, 5)
        assert host.written() == ["rescan 1", "delete 1", DELETE]
        assert (planned.steps, planned.before, planned.after) == (report.steps, report.before, report.after)
        assert [path["hctl"] for path in report.facts["removed_paths"]] == ["2:0:0:300"]
        assert len(report.facts["removed_luns"]) == 1
        assert scsi.read_state(host, Hctl(2, 0, 0, 300)) is None


def test_a_map_with_other_paths_loses_those_of_the_vhba_and_nothing_else(tmp_path: Path) -> None:
    """Mounted, in a volume group, in a guest: no reason to refuse."""
    with kernel("debian12-fc", tmp_path, a_path_of_each) as host:
        report = ensure_absent(host, WWPN, 5, check_mode=True)
    assert {path["hctl"] for path in report.facts["removed_paths"]} == {f"2:0:0:{lun}" for lun in MAPPED}
    assert report.facts["removed_luns"] == []
    assert len(report.facts["kept_maps"]) == len(MAPPED)
    assert not [step for step in report.steps if "flush" in step or "forget" in step]
    assert report.steps[-1].startswith("host0: delete vHBA")


def test_a_map_that_would_lose_its_last_path_is_a_reason_to_refuse(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, all_of_it) as host:
        for check_mode in (True, False):
            for force in (False, True):
                with pytest.raises(InUseError) as caught:
                    ensure_absent(host, WWPN, 5, check_mode, force)
                for holder in ("/srv/images", "record-vg", "db01"):
                    assert holder in caught.value.message
        assert not [line for line in host.written() if not line.startswith("rescan")]


def test_a_disk_that_comes_meanwhile_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a scan between the deletes and the end of the vHBA: the kernel would not ask."""
    with kernel("debian12-fc", tmp_path, one_free_disk) as host:
        monkeypatch.setattr(
            npiv_away, "clear", lambda *_args, **_more: npiv_away.RemovalPlan((), {"luns": {}}, {"luns": {}})
        )
        with pytest.raises(ApplyError, match="came meanwhile behind host2"):
            ensure_absent(host, WWPN, 5)
        assert host.written() == []


@pytest.mark.parametrize(
    ("code", "tries", "says"), [(errno.EAGAIN, 21, "in a minute"), (errno.ENODEV, 1, "knows no such vport")]
)
def test_the_kernel_does_not_delete_it(tmp_path: Path, code: int, tries: int, says: str) -> None:
    with kernel("debian12-fc", tmp_path) as host:
        host.behaviour.delete_error = code
        with pytest.raises(ApplyError, match=says):
            ensure_absent(host, WWPN, 5)
        assert host.written() == [DELETE] * tries


def test_moved(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, one_free_disk) as host:
        wanted = WantedVhba(WWPN, WWNN, parent="host1")
        planned = ensure_moved(host, wanted, 5, check_mode=True)
        assert (planned.changed, host.written()) == (True, [])
        report = ensure_moved(host, wanted, 5)
        assert host.written() == ["rescan 1", "delete 1", DELETE, f"vport_create {WWPN}:{WWNN}"]
        assert planned.steps == report.steps
        assert report.vhba is not None
        assert (report.vhba.parent.name, report.vhba.vport.state) == ("host1", "Active")
        assert report.before["vhbas"][0]["parent"] != report.after["vhbas"][0]["parent"]
        again = ensure_moved(host, wanted, 5)
        assert not again.changed


def test_not_moved_where_it_could_not_be_made(tmp_path: Path) -> None:
    def down(tree: Tree) -> None:
        for path in tree:
            if path.endswith("fc_host/host1/port_state"):
                tree[path] = "Linkdown\n"

    with kernel("debian12-fc", tmp_path, down) as host:
        with pytest.raises(UnavailableError, match="is Linkdown"):
            ensure_moved(host, WantedVhba(WWPN, WWNN, parent="host1"), 5)
        assert host.written() == []
