# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of 256 paths runs on the lab machine: makes the paths, measures, says JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

ROUNDS = 5
TOOLS = {
    "lsscsi": ["lsscsi"],
    "lsscsi -i -s": ["lsscsi", "-i", "-s"],
    "lsblk -J -O": ["lsblk", "-J", "-O"],
    "multipath -ll": ["multipath", "-ll"],
    "multipathd show maps json": ["multipathd", "show", "maps", "json"],
}
CONF = "/etc/multipath/conf.d/virt-san-bench.conf"
WAIT = 900
MASKED = (
    *("55-scsi-sg3_id.rules", "56-dm-mpath.rules", "58-scsi-sg3_symlink.rules", "60-kpartx.rules"),
    *("60-multipath.rules", "68-del-part-nodes.rules", "69-lvm.rules"),
)
"""Rules that start programs for each path and map: nobody here measures what they do, and it takes minutes."""
RULES = "/run/udev/rules.d"


def make_paths(paths: int, per_lun: int) -> None:
    """Load scsi_debug and wait until multipathd has a map with all paths for every LUN."""
    os.makedirs(os.path.dirname(CONF), exist_ok=True)
    with open(CONF, "w", encoding="utf-8") as stream:
        stream.write("defaults {\n    find_multipaths no\n}\n")
    subprocess.run(["multipathd", "reconfigure"], check=True, capture_output=True)
    mask_rules()
    luns = paths // per_lun
    options = [f"add_host={per_lun}", f"max_luns={luns}", "vpd_use_hostno=0", "dev_size_mb=16", "virtual_gb=1"]
    subprocess.run(["modprobe", "scsi_debug", *options], check=True)
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        maps = own_maps()
        if len(maps) == luns and all(entry["paths"] == per_lun for entry in maps):
            # What udev still has to do would be measured along.
            subprocess.run(["udevadm", "settle", "--timeout=600"], check=True)
            return
        time.sleep(2)
    raise SystemExit(f"no {luns} maps of {per_lun} paths within {WAIT} s")


def own_maps() -> list[dict[str, Any]]:
    """Return the maps of scsi_debug; none while multipathd is too busy to answer."""
    done = subprocess.run(["multipathd", "show", "maps", "json"], capture_output=True, text=True, check=False)
    try:
        return [entry for entry in json.loads(done.stdout)["maps"] if entry["prod"].startswith("scsi_debug")]
    except (ValueError, KeyError):
        return []


def mask_rules() -> None:
    """Have udev leave out the rules in MASKED."""
    os.makedirs(RULES, exist_ok=True)
    for name in MASKED:
        if not os.path.lexists(f"{RULES}/{name}"):
            os.symlink("/dev/null", f"{RULES}/{name}")
    subprocess.run(["udevadm", "control", "--reload"], check=True)


def unmask_rules() -> None:
    for name in MASKED:
        if os.path.islink(f"{RULES}/{name}"):
            os.unlink(f"{RULES}/{name}")
    subprocess.run(["udevadm", "control", "--reload"], check=True)


def remove_paths() -> None:
    """Take away what make_paths made."""
    unmask_rules()
    if os.path.exists(CONF):
        os.unlink(CONF)
    for entry in own_maps():
        subprocess.run(["multipathd", "del", "map", entry["uuid"]], capture_output=True, check=False)
    subprocess.run(["rmmod", "scsi_debug"], capture_output=True, check=False)
    subprocess.run(["multipathd", "reconfigure"], capture_output=True, check=False)


def timed(argv: list[str]) -> float:
    """Return the seconds a command takes."""
    began = time.monotonic()
    subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def module(name: str) -> dict[str, float]:
    """Run a module in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--module", name], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def answer_of(main: Callable[[], None], options: dict[str, Any]) -> tuple[dict[str, Any], float, float]:
    """Run a module's main() in this process; return its answer, and the times when it began and had written it."""
    from ansible.module_utils.testing import patch_module_args

    screen = os.dup(1)
    with tempfile.TemporaryFile() as out, patch_module_args(options):
        os.dup2(out.fileno(), 1)
        began = time.monotonic()
        try:
            main()
        except SystemExit:
            sys.stdout.flush()
        ended = time.monotonic()
        os.dup2(screen, 1)
        out.seek(0)
        return json.loads(out.read()), began, ended


def run_module(name: str) -> None:
    """What runs in that process: from main() on, with the answer written."""
    loading = time.monotonic()
    if name == "empty":
        main = empty
    else:
        from ansible_collections.virt.san.plugins.modules.lun_facts import main
    answer, began, ended = answer_of(main, {})
    luns = answer.get("ansible_facts", {}).get("san", {}).get("luns", [])
    paths = sum(len(lun["paths"]) for lun in luns)
    print(json.dumps({"seconds": ended - began, "start": began - loading, "luns": len(luns), "paths": paths}))


def empty() -> None:
    """A module that does nothing."""
    from ansible.module_utils.basic import AnsibleModule

    AnsibleModule(argument_spec={}).exit_json()


def measure() -> dict[str, float]:
    """Return the best time of each, all taking turns."""
    rounds = []
    for _round in range(ROUNDS):
        told = {name: timed(argv) for name, argv in TOOLS.items()}
        for name, label in (("empty", "empty module"), ("lun_facts", "lun_facts")):
            one = module(name)
            told[label], told[f"{label} start"] = one["seconds"], one["start"]
        rounds.append((told, one))
    best = {name: min(told[name] for told, _one in rounds) for name in rounds[0][0]}
    last = rounds[-1][1]
    return {**best, "luns": last["luns"], "paths": last["paths"]}


if __name__ == "__main__":
    if sys.argv[1] == "--module":
        run_module(sys.argv[2])
    elif sys.argv[1] == "--clean":
        remove_paths()
    else:
        make_paths(int(sys.argv[1]), int(sys.argv[2]))
        print(json.dumps(measure()))
