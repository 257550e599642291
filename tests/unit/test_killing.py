# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kills modules in the tests on the lab does so where it says, and says all there is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.virt.san.tests.integration.killing import harness
from ansible_collections.virt.san.tests.unit.support.collection import COLLECTIONS_PATH

PROGRAM = """
import os, subprocess, sys
from dataclasses import dataclass
from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import carry_out
from ansible_collections.virt.san.plugins.module_utils._host.children import Write, write_all
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

@dataclass(frozen=True)
class WriteFile:
    path: str
    def describe(self):
        return self.path

class Attribute(WriteFile):
    pass

assert "PYTHONPATH" not in os.environ and not any("KILL" in name for name in os.environ)
host = Host(sys.argv[1])

def perform(step):
    if isinstance(step, Attribute):
        write_all(host, {"job": [Write(step.path, "1")]}, 30)
    else:
        host.write_file(step.path, "new")
        host.remove_file("/old")
        host.run(["true", "go"], 30)
        host.run(["true", "show"], 30)

write_all(host, {"look": [Write("/attribute", "0")]}, 30)
carry_out([WriteFile("/one"), WriteFile("/two")], perform)
carry_out([Attribute("/attribute")], perform)
print("done")
"""
STEP = ("before", "temporary written", "replaced", "removed", "began true go")
POINTS = [
    "start: child begun",
    *(f"1.0 WriteFile: {what}" for what in STEP),
    *(f"1.1 WriteFile: {what}" for what in STEP),
    "1 end: after",
    "2.0 Attribute: before",
    "2.0 Attribute: child begun",
    "2 end: after",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "old").touch()
    (root / "attribute").write_text("-")
    return root


def run(root: Path, kill_at: str = "") -> tuple[int, list[str]]:
    """Run the program; return its exit code and the points it reached."""
    log = root.parent / "points"
    log.unlink(missing_ok=True)
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{harness.HERE}:{COLLECTIONS_PATH}",
        "VIRT_SAN_POINTS": str(log),
        "VIRT_SAN_KILL_AT": kill_at,
    }
    argv = [sys.executable, "-c", PROGRAM, str(root)]
    done = subprocess.run(argv, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.stdout == b"done\n") == (done.returncode == 0), done.stdout
    return done.returncode, log.read_text().splitlines()


def test_all_points_are_told(root: Path):
    assert run(root) == (0, POINTS)


@pytest.mark.parametrize("number", range(len(POINTS)))
def test_killed_there_and_nowhere_else(root: Path, number: int):
    assert run(root, POINTS[number]) == (harness.KILLED, POINTS[: number + 1])
    assert (root / "one").exists() == (number > POINTS.index("1.0 WriteFile: temporary written"))
    assert (root / "two").exists() == (number > POINTS.index("1.1 WriteFile: temporary written"))
    assert (root / "old").exists() == (number < POINTS.index("1.0 WriteFile: removed"))


def test_once_is_in_the_middle_of_a_plan(root: Path):
    assert run(root, harness.MIDDLE) == (harness.KILLED, POINTS[: POINTS.index("1.1 WriteFile: before") + 1])


def test_a_point_that_there_is_not_kills_nothing(root: Path):
    assert run(root, "3.0 WriteFile: before") == (0, POINTS)


def test_what_is_the_same_as_the_next_step_is_not_killed_twice():
    points = ["1.0 A: before", "1.0 A: removed", "1.1 B: before", "1.1 B: removed", "1.1 B: began x", "1 end: after"]
    assert harness.boundaries(points) == [point for point in points if point != "1.0 A: removed"]


@pytest.mark.parametrize(
    ("left", "ways"),
    [
        ({}, {0: 5, 1: 2, 2: 0, 3: 0, 4: 0}),
        ({"up": 1, "gone": 1}, {0: 0, 1: 2, 2: 0, 3: 0, 4: 0}),
        ({"down": 1}, {0: 0, 1: 2, 2: 0, 3: 0, 4: 0}),
        ({"none": 1}, {0: 0, 1: 0, 2: 0, 3: 0, 4: 0}),
    ],
)
def test_tasks_that_lead_nowhere_are_left_out(left: dict[str, int], ways: dict[int, int]):
    """up: nothing → pool; made: → volume; none: → pool; down; gone: → nothing."""
    names, stocks = ("up", "made", "none", "down", "gone"), ("pool", "volume", "pool", "defined", "nothing")
    tasks = [harness.Task(name, "storage_pool", {}) for name in names]
    points = {name: ["point"] * left.get(name, 0) for name in names}
    assert {at: harness.detour(tasks, stocks, points, at) for at in range(5)} == ways


def test_what_the_array_is_told_is_never_left_out():
    grown = harness.Task("grown", "scsi_device", {}, prepare=print)
    assert harness.detour([grown], ["same"], {"grown": []}, 0) == 0


def test_differences_are_told_with_their_place():
    stock = {"files": {"/a": "1", "/b": "1"}, "names": ["x", "y"]}
    assert harness.differences(stock, stock) == []
    found = {"files": {"/a": "2", "/.b.virt-san": "1"}, "names": ["y", "z"]}
    assert harness.differences(stock, found) == [
        "/files//.b.virt-san: '1', not None",
        "/files//a: '2', not '1'",
        "/files//b: None, not '1'",
        "/names: lost 'x'",
        "/names: new 'z'",
    ]
