# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill modules on machines of the lab, wherever they can be killed, and judge what a second run makes of it.

    tasks = [Task("made", "npiv_vport", {"name": "guest"}), Task("gone", "npiv_vport", {"name": "guest", ...})]
    cycle(Machine("kvm1", tasks))

A cycle leads back to where it began: each task makes the state that the next one starts from, so that nothing has to be
reset. In the first round all tasks run by themselves, and tell which points they have and what they leave. In every
further round each task is killed at its next point and run again; tasks that lead back to where they begin are left out
once they have no points left.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PACKING = ROOT / "tests/unit/support/packing.py"
SSH_CONFIG = ROOT / "tests/lab/.state/ssh_config"
PLACE = "/run/killing"
KILLED = -9
MIDDLE, INSIDE = "middle", "inside"
DEADLINE = 900
OVER = ("replaced", "removed", "folder removed")
"""Points that say that something is done: right before the next step they are that boundary once more."""


@dataclass(frozen=True)
class Task:
    """One task of a cycle."""

    name: str
    module: str
    options: dict[str, Any]
    prepare: Callable[[str], object] | None = None
    """What the array's administrator does on a host's behalf before it; called with the host's name, each time."""
    killed: bool = True
    """Whether it is killed; one that only leads to the next state, and has its turn elsewhere, is not."""
    point: str | None = MIDDLE
    """Where it is killed if that is to be done once only; None: then not at all."""


class Machine:
    """A machine with its tasks."""

    def __init__(self, host: str, tasks: Sequence[Task]) -> None:
        self.host = host
        self.tasks = tuple(tasks)

    def install(self, others: Sequence[Task] = ()) -> None:
        """Put on the machine what Ansible would send for each task and others, and what runs and watches it."""
        sent = io.BytesIO()
        with tarfile.open(fileobj=sent, mode="w") as archive:
            for name, content in self._files(others):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        self._ssh(f"rm -rf {PLACE} && mkdir {PLACE} && tar -x -C {PLACE}", sent.getvalue())

    def unpack(self) -> None:
        """Have tasks run from files, as Ansible unpacks them for developers, and not from what it has packed.

        The process is the same, but does not compile itself each time, which takes most of its seconds on an emulated
        machine.
        """
        self._ssh(f"for task in {PLACE}/*/task.py; do python3 $task explode >/dev/null || exit 1; done")

    def remove(self) -> None:
        self._ssh(f"rm -rf {PLACE}")

    def lead(self, tasks: Sequence[Task]) -> None:
        """Run tasks that lead to the beginning of a cycle; some of it may be there already."""
        for task in tasks:
            done = self._on_host("watched", task.name)
            require(done["run"]["code"] == 0, f"{self.host}: {task.name}: failed by itself", done["run"])

    def stock(self) -> dict[str, Any]:
        return self._on_host("stock")

    def run(self, task: Task, kill_at: str = "") -> dict[str, Any]:
        """Run a task, to its end or to a point, and return what became of it: exit code, result, points."""
        return self._on_host("run", task.name, kill_at)

    def watched(self, task: Task) -> dict[str, Any]:
        """Run a task by itself and return its points, in order, and the stock after it."""
        self._prepare(task)
        done = self._on_host("watched", task.name)
        what = f"{self.host}: {task.name}"
        require(done["run"]["code"] == 0, f"{what}: failed by itself", done["run"])
        require(done["run"]["result"]["changed"], f"{what}: had nothing to do", done["run"]["result"])
        require(bool(done["run"]["points"]), f"{what}: was not watched", done["run"])
        return {"points": done["run"]["points"], "stock": done["stock"]}

    def killed(self, task: Task, point: str, wanted: dict[str, Any] | None) -> dict[str, Any]:
        """Have a task killed at a point and judge the runs after it. `wanted`: the stock it has to come to."""
        self._prepare(task)
        done = self._on_host("killed", task.name, point)
        what = f"{self.host}: {task.name} killed at {point!r}"
        first, again, third = (done[name] for name in ("killed", "again", "third"))
        require(first["code"] == KILLED, f"{what}: was not killed", first)
        require(point in (MIDDLE, INSIDE, first["points"][-1]), f"{what}: was killed elsewhere", first["points"])
        require(again["code"] == 0, f"{what}: the next run failed", again)
        require(third["code"] == 0, f"{what}: the third run failed", third)
        require(not third["result"]["changed"], f"{what}: the third run found something to do", third["result"])
        if wanted is not None:
            left = differences(wanted, done["stock"])
            require(not left, f"{what}: what it leaves is another than by itself", left)
        return {"at": first["points"][-1], **done}

    def _prepare(self, task: Task) -> None:
        if task.prepare is not None:
            task.prepare(self.host)

    def _files(self, others: Sequence[Task]) -> Iterator[tuple[str, bytes]]:
        for name in ("sitecustomize.py", "on_host.py"):
            yield name, (HERE / name).read_bytes()
        for name, content in packed((*self.tasks, *others)).items():
            yield f"{name}/task.py", content

    def _on_host(self, *words: str) -> dict[str, Any]:
        quoted = " ".join(f"'{word}'" for word in words)
        said: dict[str, Any] = json.loads(self._ssh(f"python3 {PLACE}/on_host.py {quoted}"))
        return said

    def _ssh(self, command: str, sent: bytes = b"") -> bytes:
        done = subprocess.run(
            ["ssh", "-F", str(SSH_CONFIG), "-T", self.host, command],
            input=sent,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, f"{self.host}: {command}: {done.stdout.decode()}{done.stderr.decode()}"
        return done.stdout


def packed(tasks: Sequence[Task]) -> dict[str, bytes]:
    """Return the programs that Ansible would send for tasks."""
    wanted = {task.name: [task.module, task.options] for task in tasks}
    done = subprocess.run(
        [sys.executable, str(PACKING), "--tasks", str(ROOT / ".cache/links")],
        input=json.dumps(wanted).encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return {name: text.encode() for name, text in json.loads(done.stdout).items()}


def boundaries(points: Sequence[str]) -> list[str]:
    """Return the points to kill at: not those that are the same as the next."""
    following = [*points[1:], ""]
    return [
        point
        for point, after in zip(points, following, strict=True)
        if not (point.endswith(tuple(f": {what}" for what in OVER)) and after.endswith((": before", ": after")))
    ]


def everywhere(machine: Machine) -> None:
    """Kill each task of a cycle at each of its points; fail at the first flaw."""
    machine.unpack()
    by_itself = {task.name: machine.watched(task) for task in machine.tasks}
    left = {task.name: boundaries(by_itself[task.name]["points"]) if task.killed else [] for task in machine.tasks}
    print(f"{machine.host}: points {json.dumps(left, indent=1)}")
    stocks = [by_itself[task.name]["stock"] for task in machine.tasks]
    while any(left.values()):
        at = 0
        while at < len(machine.tasks):
            around = detour(machine.tasks, stocks, left, at)
            if around:
                at += around
                continue
            task, wanted = machine.tasks[at], stocks[at]
            at += 1
            if left[task.name]:
                point = left[task.name].pop(0)
                done = machine.killed(task, point, wanted)
                say(machine, task, done)
            else:
                found = differences(wanted, machine.watched(task)["stock"])
                require(not found, f"{machine.host}: {task.name}: leaves something else than before", found)


def detour(tasks: Sequence[Task], stocks: Sequence[Any], left: Mapping[str, Sequence[str]], at: int) -> int:
    """Return how many tasks from this one on lead back to where they begin, with nothing left to be killed at.

    What the array is told before a task is in no stock of a host: such a task is never left out.
    """
    idle = takewhile(lambda number: not left[tasks[number].name] and not tasks[number].prepare, range(at, len(tasks)))
    return max((number + 1 - at for number in idle if stocks[number] == stocks[at - 1]), default=0)


def once(machine: Machine) -> None:
    """Kill each task of a cycle once; the last one leads back to where the first began."""
    before = machine.stock()
    for task in machine.tasks:
        if task.killed and task.point is not None:
            done = machine.killed(task, task.point, None)
            say(machine, task, done)
        else:
            machine.watched(task)
    found = differences(before, machine.stock())
    require(not found, f"{machine.host}: something else is there after all than before", found)


def say(machine: Machine, task: Task, done: dict[str, Any]) -> None:
    seconds = [done[name]["seconds"] for name in ("killed", "again", "third")]
    where = f"{machine.host}: {task.name} killed at {done['at']!r}"
    print(f"{where}: fine; runs took {seconds} s, stock {done['seconds']} s", flush=True)


def differences(wanted: Any, found: Any, where: str = "") -> list[str]:
    """Return what differs between two stocks, each with its place."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [
            told
            for key in sorted({*wanted, *found})
            for told in differences(wanted.get(key), found.get(key), f"{where}/{key}")
        ]
    if wanted == found:
        return []
    if isinstance(wanted, list) and isinstance(found, list):
        lost = [f"{where}: lost {one!r}" for one in wanted if one not in found]
        return [*lost, *(f"{where}: new {one!r}" for one in found if one not in wanted)] or [f"{where}: other order"]
    return [f"{where}: {found!r}, not {wanted!r}"]


def require(true: bool, what: str, told: Any) -> None:
    """Fail with all that is known."""
    assert true, f"{what}:\n{json.dumps(told, indent=1)[:8000]}"
