# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack modules as Ansible does for a host, and tell what is inside.

    python packing.py COLLECTIONS_PATH MODULE_FILE...

prints {name: {"bytes": size of what is sent, "files": [names inside]}} as JSON.

    python packing.py --tasks COLLECTIONS_PATH

reads {name: [module, options]} as JSON, and prints {name: the program that is sent for such a task}. This runs in a
process of its own, since Ansible's plugin loader changes how Python imports.
"""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def packed(collections_path: Path, module_files: list[Path]) -> dict[str, dict]:
    """Return what Ansible makes of modules that lie below an ansible_collections directory."""
    with tempfile.TemporaryDirectory() as local_tmp:
        done = subprocess.run(
            [sys.executable, __file__, str(collections_path), *map(str, module_files)],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": local_tmp, "PYTHONPATH": ":".join(sys.path)},
            stdout=subprocess.PIPE,
            check=True,
        )
    return json.loads(done.stdout)


def core_files(names: list[str]) -> set[str]:
    """Return the files of this collection's module_utils among those packed, relative to it.

    Ansible makes the empty __init__.py files that Python wants for directories; they are nobody's code.
    """
    prefix = "ansible_collections/virt/san/plugins/module_utils/"
    inside = {name[len(prefix) :] for name in names if name.startswith(prefix)}
    return {name for name in inside if not name.endswith("__init__.py")}


def _pack(module_file: Path) -> dict:
    built = _build(module_file, {})
    payload = re.search(rb"^zip_data='([^']*)'", built, re.MULTILINE)
    if payload is None:
        raise SystemExit(f"no archive found in what Ansible makes of {module_file}")
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(payload[1]))) as archive:
        return {"bytes": len(built), "files": sorted(archive.namelist())}


def _build(module_file: Path, options: dict) -> bytes:
    from ansible.executor.module_common import modify_module
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar

    built = modify_module(
        module_name=f"virt.san.{module_file.stem}",
        module_path=str(module_file),
        module_args=options,
        templar=Templar(loader=DataLoader()),
        task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
        module_compression="ZIP_DEFLATED",
    )
    return built.b_module_data


def _program(collections_path: Path, module: str, options: dict) -> str:
    """Return what is sent for a task, with what Ansible's controller adds to its options."""
    module_file = collections_path / f"ansible_collections/virt/san/plugins/modules/{module}.py"
    added = {"_ansible_module_name": f"virt.san.{module}", "_ansible_diff": True}
    return _build(module_file, {**options, **added}).decode()


def main() -> None:
    from ansible.plugins.loader import init_plugin_loader

    if sys.argv[1] == "--tasks":
        init_plugin_loader([sys.argv[2]])
        tasks = json.load(sys.stdin)
        print(json.dumps({name: _program(Path(sys.argv[2]), *task) for name, task in tasks.items()}))
        return
    init_plugin_loader([sys.argv[1]])
    print(json.dumps({Path(name).stem: _pack(Path(name)) for name in sys.argv[2:]}))


if __name__ == "__main__":
    main()
