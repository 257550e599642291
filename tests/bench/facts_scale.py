#!/usr/bin/env python3
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lun_facts on generated machines of 1,000, 10,000 and 40,000 paths: is its time linear, does its memory stay small?

Time counts from main() on, answer written; starting Python and importing is a figure of its own.
multipathd is a process that speaks its protocol on the tree's socket. Growth is judged by processor
time: the tree is in memory and nothing is waited for, so that the clock on the wall would only add
what else the machine does at that moment.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".cache/links"), str(Path(__file__).resolve().parent)]

import sysfs_tree  # noqa: E402
import table  # noqa: E402

SIZES = (1_000, 10_000, 40_000)
ROUNDS = 5
"""In each, all sizes take their turn: a computer may be slower for minutes, and growth compares what is measured in one
round. The median of the rounds is what counts.
"""
LINEAR = 1.2
MEMORY = 300.0
"""MB."""


@contextmanager
def machine(paths: int) -> Iterator[Path]:
    """Build a machine, in memory where there is some, with a multipathd; remove it afterwards."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="virt-san-bench-", dir=memory if memory.is_dir() else None))
    try:
        sysfs_tree.build(folder, paths)
        daemon = subprocess.Popen([sys.executable, __file__, "--daemon", str(folder), str(paths)])
        try:
            while not (folder / "run/multipathd.pid").exists():
                time.sleep(0.05)
            yield folder
        finally:
            daemon.terminate()
            daemon.wait()
    finally:
        shutil.rmtree(folder)


def daemon(folder: Path, paths: int) -> None:
    """Answer every connection with the list of maps."""
    import socket
    import struct

    reply = sysfs_tree.daemon_maps(paths).encode() + b"\0"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "run/multipathd.socket"))
        listener.listen()
        (folder / "proc/1").mkdir(parents=True)
        (folder / "proc/1/comm").write_text("multipathd\n", encoding="utf-8")
        (folder / "run/multipathd.new").write_text("1\n", encoding="utf-8")
        (folder / "run/multipathd.new").rename(folder / "run/multipathd.pid")
        while True:
            connection, _peer = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(struct.pack("@N", len(reply)) + reply)


def once(folder: Path) -> dict[str, float]:
    """Run the module in a fresh process, its answer thrown away; return seconds, MB and the number of LUNs."""
    done = subprocess.run(
        [sys.executable, __file__, "--module", str(folder)], capture_output=True, text=True, timeout=600, check=True
    )
    return dict(json.loads(done.stderr.splitlines()[-1]))


def run_module(folder: str) -> None:
    """What runs in that process."""
    began = time.monotonic()
    from functools import partial

    from ansible.module_utils.testing import patch_module_args

    from ansible_collections.virt.san.plugins.module_utils import _entry
    from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
    from ansible_collections.virt.san.plugins.modules import lun_facts

    def runner(argv: list[str], _deadline: float, _stdin: str | None) -> Completed:
        return Completed(tuple(argv), 0, "", "")

    _entry.Host = partial(Host, folder, runner)  # type: ignore[misc]
    with tempfile.TemporaryFile() as out, patch_module_args({}):
        os.dup2(out.fileno(), 1)
        start, busy = time.monotonic(), time.process_time()
        try:
            lun_facts.main()
        except SystemExit:
            sys.stdout.flush()
        seconds, busy = time.monotonic() - start, time.process_time() - busy
        memory = peak_memory()
        out.seek(0)
        told = json.loads(out.read())
    luns = told["ansible_facts"]["san"]["luns"]
    print(
        json.dumps(
            {
                "seconds": seconds,
                "busy": busy,
                "start": start - began,
                "memory": memory,
                "luns": len(luns),
                "ready": sum(lun["multipath"]["path_counts"].get("ready", 0) for lun in luns),
            }
        ),
        file=sys.stderr,
    )


def peak_memory() -> float:
    """Return MB. getrusage() would count the parent, which this process was a copy of before it began."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


def growth(taken: dict[int, dict[str, float]]) -> float:
    """Return what a path more costs on a large machine, divided by what it costs on a small one."""
    small, middle, large = (taken[paths]["busy"] for paths in SIZES)
    return ((large - middle) / (SIZES[2] - SIZES[1])) / ((middle - small) / (SIZES[1] - SIZES[0]))


def measure() -> list[table.Row]:
    with ExitStack() as stack:
        folders = {paths: stack.enter_context(machine(paths)) for paths in SIZES}
        rounds = [{paths: once(folder) for paths, folder in folders.items()} for _round in range(ROUNDS)]
    best = {paths: min((taken[paths] for taken in rounds), key=lambda run: run["busy"]) for paths in SIZES}
    rows = []
    for paths in SIZES:
        # A reader that skips half of the machine is quick: what it returned is looked at too.
        complete = best[paths]["luns"] == paths // sysfs_tree.PATHS_PER_LUN and best[paths]["ready"] == paths
        told = "{seconds:.2f} s ({busy:.2f} s busy), {memory:.0f} MB".format(**best[paths])
        start = f"{best[paths]['start']:.2f} s"
        rows.append(table.Row(f"lun_facts, {paths:,} paths", told, "all LUNs, all paths", complete, start))
    middle = statistics.median(map(growth, rounds))
    rows.append(table.at_most("lun_facts, seconds a path: 10,000 to 40,000 / 1,000 to 10,000", middle, LINEAR))
    rows.append(table.at_most(f"lun_facts, peak memory at {SIZES[2]:,} paths", best[SIZES[2]]["memory"], MEMORY, "MB"))
    return rows


def main() -> None:
    if sys.argv[1:2] == ["--daemon"]:
        daemon(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["--module"]:
        run_module(sys.argv[2])
    else:
        rows = measure()
        print(table.render(rows), end="")
        sys.exit(1 if table.missed(rows) else 0)


if __name__ == "__main__":
    main()
