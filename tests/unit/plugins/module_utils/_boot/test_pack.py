# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs for boots are whole, the same each time, and packed from an archive too, as Ansible sends modules."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.virt.san.plugins.module_utils._boot import pack, pack_pools
from ansible_collections.virt.san.tests.unit.support import lawbook
from ansible_collections.virt.san.tests.unit.support.collection import PLUGINS

CORE = "ansible_collections/virt/san/plugins/module_utils"

both = pytest.mark.parametrize("pack", [pack, pack_pools], ids=["vhbas", "pools"])


@both
def test_the_list_is_what_the_source_says(pack: ModuleType) -> None:
    needed = lawbook.closure(PLUGINS, PLUGINS / "module_utils" / pack.ENTRY)
    assert sorted({*needed, pack.ENTRY}) == list(pack.FILES)


@both
def test_the_same_sources_make_the_same_bytes(pack: ModuleType, tmp_path: Path) -> None:
    program = tmp_path / "program.pyz"
    program.write_bytes(pack.packed())
    assert program.read_bytes() == pack.packed()
    with zipfile.ZipFile(program) as archive:
        assert archive.testzip() is None
        for name in pack.FILES:
            assert archive.read(f"{CORE}/{name}") == (PLUGINS / "module_utils" / name).read_bytes()
        assert {info.date_time[0] for info in archive.infolist()} == {1980}


@both
def test_packed_from_an_archive(pack: ModuleType, tmp_path: Path) -> None:
    """As on a host: the module's own files are in an archive, with an empty __init__.py in each folder."""
    sent, packer = tmp_path / "sent.zip", pack.__name__.rpartition(".")[2]
    files = {*lawbook.closure(PLUGINS, PLUGINS / f"module_utils/_boot/{packer}.py"), f"_boot/{packer}.py"}
    folders = {"/".join(f"{CORE}/{name}".split("/")[:count]) for name in files for count in range(1, 7)}
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files:
            archive.write(PLUGINS / "module_utils" / name, f"{CORE}/{name}")
        for folder in {folder for folder in folders if not folder.endswith(".py")}:
            archive.writestr(f"{folder}/__init__.py", "")
    script = (
        f"import sys; sys.path.insert(0, {str(sent)!r})\n"
        f"from {pack.__name__} import packed\n"
        "sys.stdout.buffer.write(packed())"
    )
    done = subprocess.run([sys.executable, "-IS", "-c", script], capture_output=True, check=True)
    assert done.stdout == pack.packed()


@both
def test_it_runs_by_itself(pack: ModuleType, tmp_path: Path) -> None:
    """Without Ansible, without the packages of this machine."""
    program = tmp_path / "program.pyz"
    program.write_bytes(pack.packed())
    done = subprocess.run([sys.executable, "-IS", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage: virt-san-" in done.stderr
    modules = subprocess.run(
        [sys.executable, "-ISX", "importtime", program], capture_output=True, text=True, check=False
    )
    assert "ansible.module_utils" not in modules.stderr
    # All at once: nothing is left to be read from a file that another program may have replaced by then.
    assert [name for name in pack.FILES if name[: -len(".py")].replace("/", ".") not in modules.stderr] == []
