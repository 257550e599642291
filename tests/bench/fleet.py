# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lun_facts ad hoc over twenty local hosts, beside ansible.builtin.ping as the floor.

What a fleet costs beyond the floor is what is sent, unpacked and read for every task: the size of
each module's payload is listed with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".cache/links"), str(ROOT / "tests/unit"), str(Path(__file__).resolve().parent)]

import table  # noqa: E402

HOSTS = 20
ROUNDS = 3
LIMIT = 1.5
FLOOR = "ansible.builtin.ping"


def inventory() -> str:
    """Return twenty hosts that are all this machine."""
    names = "\n".join(f"host{number:02d}" for number in range(HOSTS))
    return f"[all]\n{names}\n[all:vars]\nansible_connection=local\nansible_python_interpreter={sys.executable}\n"


def run(hosts: Path, module: str) -> float:
    """Run a module ad hoc on all of them; return seconds."""
    argv = [str(Path(sys.executable).parent / "ansible"), "-i", str(hosts), "all", "-m", module]
    began = time.monotonic()
    subprocess.run(
        argv, cwd=ROOT, check=True, capture_output=True, timeout=600, env={**os.environ, "ANSIBLE_FORKS": "5"}
    )
    return time.monotonic() - began


def payloads() -> list[table.Row]:
    """Return the size of what is sent to a host for a task of each module."""
    from support.packing import packed

    modules = sorted((ROOT / ".cache/links/ansible_collections/virt/san/plugins/modules").glob("*.py"))
    sizes = packed(ROOT / ".cache/links", modules)
    return [table.Row(f"payload of {name}", f"{told['bytes'] / 1024:.0f} KiB") for name, told in sizes.items()]


def measure() -> list[table.Row]:
    """Time both, taking turns; the best of each counts."""
    with tempfile.TemporaryDirectory() as folder:
        hosts = Path(folder) / "hosts"
        hosts.write_text(inventory(), encoding="utf-8")
        times: dict[str, list[float]] = {FLOOR: [], "virt.san.lun_facts": []}
        for _round in range(ROUNDS):
            for module, measured in times.items():
                measured.append(run(hosts, module))
    floor, facts = (min(measured) for measured in times.values())
    return [
        table.Row(f"{FLOOR}, {HOSTS} local hosts", f"{floor:.2f} s"),
        table.Row(f"lun_facts, {HOSTS} local hosts", f"{facts:.2f} s"),
        table.at_most("lun_facts / ping", facts / floor, LIMIT, "x"),
        *payloads(),
    ]


if __name__ == "__main__":
    print(table.render(measure()), end="")
