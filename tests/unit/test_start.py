# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run loads what its request needs. On a host all of it is compiled each time: what is loaded in vain is waited for.

Which files are named here is a choice: those that are large, or bring much along.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._pools.registry import TYPES
from ansible_collections.virt.san.tests.unit.support.collection import COLLECTIONS_PATH, ROOT

CARRYING_OUT = {
    *("_apply/exclusion.py", "_apply/group.py", "_apply/device_steps.py", "_apply/pool_steps.py"),
    *("_apply/keep_steps.py", "_apply/volume_file_steps.py", "_xml/pool_text.py", "_boot/packing.py"),
}
REMOVAL = {"_apply/removal.py", "_plan/removal.py", "_plan/identity.py", "_apply/multipath.py", "_host/lvm_conf.py"}
RESCAN = {"_apply/rescan.py", "_apply/rescan_machine.py", "_plan/rescan.py", "_plan/expect.py"}
NPIV = {"_apply/npiv.py", "_apply/pool_vhba.py", "_plan/npiv.py", "_model/npiv.py"}
ISCSI = {"_apply/pool_sessions.py", "_apply/iscsi_steps.py", "_plan/iscsi.py", "_host/iscsiadm.py", "_model/iscsi.py"}
DEVICES = {
    *("_apply/pool_devices.py", "_apply/disks.py", "_host/inventory.py", "_host/multipath.py", "_host/signatures.py"),
    *("_host/lvm_group.py", "_model/block.py", "_model/group.py"),
}
VOLUMES = {"_apply/pool.py", "_apply/volume_lvs.py", "_apply/volume_parts.py", "_host/partitions.py"}
ELSEWHERE = CARRYING_OUT | REMOVAL | RESCAN | NPIV | ISCSI | DEVICES

CASES = {
    "dir": ({"_pools/dir.py", "_apply/pool.py"}, ELSEWHERE),
    "netfs": ({"_pools/netfs.py", "_apply/pool.py"}, ELSEWHERE),
    "volume": ({"_pools/volume_files.py"}, ELSEWHERE | VOLUMES),
    "info": ({"_apply/volume_files.py"}, ELSEWHERE | VOLUMES),
    "vhba": ({"_apply/npiv.py"}, REMOVAL | RESCAN | {"_apply/npiv_away.py", "_boot/main.py", "_boot/packing.py"}),
}

SHARED = {
    "adapters": ("scsi",),
    "devices": ("disk", "fs", "logical"),
    "group": ("logical",),
    "group_steps": ("logical",),
    "luns": ("iscsi", "mpath", "scsi"),
}
"""Files that are some types' alone, and whose."""


def loading(*words: str | Path) -> list[list[str]]:
    """Return what the program of support/loading.py writes, as the words of each line."""
    told = subprocess.run(
        [sys.executable, ROOT / "tests/unit/support/loading.py", *words],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join([str(COLLECTIONS_PATH), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return [line.split() for line in told.stdout.splitlines()]


@pytest.mark.parametrize(("case", "needed", "vain"), [(case, *files) for case, files in CASES.items()], ids=CASES)
def test_where_nothing_is_to_be_done(case: str, needed: set[str], vain: set[str], tmp_path: Path) -> None:
    (line,) = loading(case, tmp_path)
    found = set(line)
    assert needed <= found
    assert found & vain == set()
    core = ROOT / "plugins/module_utils"
    assert {name for name in vain if not (core / name).exists()} == set(), "a file that is not there is never loaded"


def test_a_type_of_pools_is_loaded_alone() -> None:
    own = {f"_pools/{name}.py" for name in (*TYPES, *SHARED)}
    found = {name: own.intersection(files) for name, *files in loading("types")}
    assert found == {
        name: {f"_pools/{name}.py", *(f"_pools/{one}.py" for one, types in SHARED.items() if name in types)}
        for name in TYPES
    }
