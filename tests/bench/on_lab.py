# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a benchmark gets onto a lab machine: the modules and its own program, without Ansible's wrapper."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tests/lab/lab"
FOLDER = "/run/virt-san-bench"
"""Where all of it lies on the machine."""


def lab(*words: str) -> None:
    """Run a command of the lab."""
    done = subprocess.run([LAB, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"lab {' '.join(words)}: {done.stderr}{done.stdout}")


def ssh(machine: str, command: str, stdin: bytes = b"", seconds: float = 1200) -> str:
    """Run a command on a machine and return what it printed."""
    done = subprocess.run(
        [LAB, "ssh", machine, command], input=stdin, capture_output=True, timeout=seconds, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{machine}: {command}: {done.stderr.decode()}{done.stdout.decode()}")
    return done.stdout.decode()


def run(machine: str, program: str, *words: object) -> Any:
    """Run one of the programs here on a machine, and its `--clean` after it; return the JSON of its last line."""
    ssh(machine, f"rm -rf {FOLDER} && mkdir {FOLDER} && tar -C {FOLDER} -xf -", _bundle())
    call = f"python3 {FOLDER}/{program}"
    try:
        return json.loads(ssh(machine, " ".join((call, *map(str, words)))).splitlines()[-1])
    finally:
        ssh(machine, f"{call} --clean; rm -rf {FOLDER}")


def _bundle() -> bytes:
    """Return what the modules and programs need there, as a tar archive."""
    import ansible

    core = Path(ansible.__file__).parent
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("__init__.py", "_vendor", "release.py", "module_utils"):
            archive.add(core / name, f"ansible/{name}", filter=_no_caches)
        archive.add(ROOT / "plugins", "ansible_collections/virt/san/plugins", filter=_no_caches)
        for program in Path(__file__).parent.glob("on_machine*.py"):
            archive.add(program, program.name)
    return packed.getvalue()


def _no_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry
