# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lun_facts beside what administrators would run instead, on a lab machine with 256 paths, in one run.

scsi_debug makes 64 LUNs with four paths each; multipathd builds real maps of them. The tools and
the module take turns; the best time of each counts. The module's time counts from main() on.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).resolve().parent))

import table  # noqa: E402

LAB = ROOT / "tests/lab/lab"
MACHINE = "kvm1"
PATHS = 256
PER_LUN = 4
FOLDER = "/run/virt-san-bench"


def ssh(command: str, stdin: bytes = b"", seconds: float = 1200) -> str:
    """Run a command on the machine and return what it printed."""
    done = subprocess.run(
        [LAB, "ssh", MACHINE, command], input=stdin, capture_output=True, timeout=seconds, check=False
    )
    if done.returncode:
        raise SystemExit(f"{MACHINE}: {command}: {done.stderr.decode()}{done.stdout.decode()}")
    return done.stdout.decode()


def bundle() -> bytes:
    """Return what the module needs to run without Ansible's wrapper, as a tar archive."""
    import ansible

    core = Path(ansible.__file__).parent
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("__init__.py", "_vendor", "release.py", "module_utils"):
            archive.add(core / name, f"ansible/{name}", filter=_no_caches)
        archive.add(ROOT / "plugins", "ansible_collections/virt/san/plugins", filter=_no_caches)
        archive.add(Path(__file__).with_name("on_machine.py"), "on_machine.py")
    return packed.getvalue()


def _no_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry


def measure() -> list[table.Row]:
    """Make the paths, measure on the machine, take the paths away. The lab's own LUNs would be measured along."""
    subprocess.run([LAB, "clean"], check=True, stdout=subprocess.DEVNULL)
    ssh(f"rm -rf {FOLDER} && mkdir {FOLDER} && tar -C {FOLDER} -xf -", bundle())
    try:
        told = json.loads(ssh(f"python3 {FOLDER}/on_machine.py {PATHS} {PER_LUN}").splitlines()[-1])
    finally:
        ssh(f"python3 {FOLDER}/on_machine.py --clean; rm -rf {FOLDER}")
    return rows(told)


def rows(told: dict[str, float]) -> list[table.Row]:
    """Return the lines for what the machine measured, in seconds by name."""
    facts, empty = told.pop("lun_facts"), told.pop("empty module")
    start, empty_start = told.pop("lun_facts start"), told.pop("empty module start")
    complete = told.pop("luns") == PATHS // PER_LUN and told.pop("paths") == PATHS
    floor = 2 * (told["lsscsi"] + told["multipathd show maps json"])
    return [
        *(table.Row(f"{name}, {PATHS} paths", f"{seconds:.2f} s") for name, seconds in told.items()),
        table.Row("empty module", f"{empty:.2f} s", startup=f"{empty_start:.2f} s"),
        table.Row(
            f"lun_facts, {PATHS} paths", f"{facts:.2f} s", "all LUNs and paths", complete, startup=f"{start:.2f} s"
        ),
        table.at_most("lun_facts / (lsscsi + show maps json)", 2 * facts / floor, 2, "x"),
        table.at_least("multipath -ll / lun_facts", told["multipath -ll"] / facts, 5, "x"),
    ]


if __name__ == "__main__":
    print(table.render(measure()), end="")
