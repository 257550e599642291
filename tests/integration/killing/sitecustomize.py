# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends the process it is in, by SIGKILL, at a wanted point of a module's run; and tells which points there are.

Python imports a module of this name when it starts, if PYTHONPATH leads to it: the module of the collection is the one
Ansible sends, and knows nothing of this. In the environment:

    VIRT_SAN_POINTS   the file that takes each point as it is reached, one a line; without it nothing is done here
    VIRT_SAN_KILL_AT  the point to end at, or "middle": between two steps in the middle of the first plan with several,
                      or "inside": at whatever comes after the first plan's first step has begun

A point is "PLACE: WHAT". Places are "start", the steps of all plans ("2.0 WriteFile": the first step of the second
plan), and the end of each plan ("2 end"), before what was done is looked at. In a place these are points:

    before                   nothing of this step is done yet; "after" at the end of a plan
    child begun              a process has been forked that writes to the kernel; it goes on
    began COMMAND            a command has been started; it goes on
    asked COMMAND            multipathd has answered
    temporary written        a file's new content is there under another name
    replaced, removed        a file, or a folder

The same point counts once in a place: how often something is tried depends on the time things take.
"""

from __future__ import annotations

import importlib.machinery
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

CORE = "ansible_collections.virt.san.plugins.module_utils."
MIDDLE, INSIDE = "middle", "inside"
READING = {"show", "list", "lvmconfig", "fullreport", "pvs", "vgs", "lvs", "info", "status", "--help", "-c", "-t"}
"""Words of commands that change nothing: to be killed there is to be killed before what comes next."""


class Points:
    """The points of one process, children not included."""

    def __init__(self, log: str, wanted: str) -> None:
        self.log = log
        self.wanted = wanted
        self.pid = os.getpid()
        self.plans = 0
        self.place = "start"
        self.reached: set[str] = set()
        self.inside = False
        """Whether a step has begun."""

    def reach(self, what: str, is_middle: bool = False) -> None:
        """Take note of a point; do not come back if it is the wanted one."""
        point = f"{self.place}: {what}"
        if os.getpid() != self.pid or point in self.reached:
            return
        self.reached.add(point)
        fd = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.write(fd, f"{point}\n".encode())
        os.close(fd)
        if self.wanted == point or (is_middle and self.wanted == MIDDLE) or (self.inside and self.wanted == INSIDE):
            os.kill(self.pid, signal.SIGKILL)

    def command(self, did: str, words: Sequence[str]) -> None:
        """Take note of a command, unless it is one that only reads."""
        if not READING & set(words):
            self.reach(f"{did} {' '.join(map(os.path.basename, words[:2]))}")

    @contextmanager
    def plan(self) -> Iterator[Callable[[int, int, Any], None]]:
        """Give the steps of a plan their places: call what this yields with number, total and step before each."""
        self.plans += 1
        plan = self.plans

        def enter(number: int, total: int, step: Any) -> None:
            self.place = f"{plan}.{number} {type(step).__name__}"
            self.reach("before", is_middle=total > 1 and number == total // 2)
            self.inside = True

        yield enter
        self.place = f"{plan} end"
        self.reach("after")


def watch_carrying_out(points: Points, original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def carry_out(steps: Sequence[Any], perform: Callable[[Any], None]) -> None:
        numbers = {id(step): number for number, step in enumerate(steps)}
        with points.plan() as enter:

            def performing(step: Any) -> None:
                enter(numbers[id(step)], len(steps), step)
                perform(step)

            original(steps, performing)

    return carry_out


def watch_asking(points: Points, original: Callable[..., str]) -> Callable[..., str]:
    @wraps(original)
    def ask(host: Any, command: str, deadline: float) -> str:
        reply = original(host, command, deadline)
        points.command("asked", command.split())
        return reply

    return ask


def watch_host(points: Points, original: type) -> type:
    """Watch what a Host changes by itself."""

    def after(name: str, what: str) -> None:
        method = getattr(original, name)

        @wraps(method)
        def watched(*args: Any, **named: Any) -> Any:
            returned = method(*args, **named)
            points.reach(what)
            return returned

        setattr(original, name, watched)

    after("write_file", "replaced")
    after("remove_file", "removed")
    after("remove_folder", "folder removed")
    return original


PATCHES = {
    "_apply.carry_out": {"carry_out": watch_carrying_out},
    "_host.multipath": {"ask": watch_asking},
    "_host.host": {"Host": watch_host},
}
"""What is replaced right after a file of the core was imported, before anybody else can import it from there."""


class Patching:
    """A loader that patches what it loads, and is otherwise the loader it has."""

    def __init__(self, loader: Any, points: Points, patches: dict[str, Any]) -> None:
        self.loader = loader
        self.points = points
        self.patches = patches

    def create_module(self, spec: Any) -> Any:
        return self.loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self.loader.exec_module(module)
        for name, patch in self.patches.items():
            setattr(module, name, patch(self.points, getattr(module, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


class Finder:
    """Finds the files to be patched where Python would."""

    def __init__(self, points: Points) -> None:
        self.points = points

    def find_spec(self, name: str, path: Any = None, _target: Any = None) -> Any:
        patches = PATCHES.get(name.removeprefix(CORE)) if name.startswith(CORE) else None
        spec = importlib.machinery.PathFinder.find_spec(name, path) if patches else None
        if spec is not None and patches is not None:
            spec.loader = Patching(spec.loader, self.points, patches)  # type: ignore[assignment]
        return spec


def watch_system(points: Points) -> None:
    """Watch what begins processes, and what puts a new file in the place of an old one."""
    fork, replace, begin = os.fork, os.replace, subprocess.Popen.__init__

    def watched_fork() -> int:
        pid = fork()
        if pid:
            points.reach("child begun")
        return pid

    def watched_replace(*args: Any, **named: Any) -> None:
        points.reach("temporary written")
        replace(*args, **named)

    def watched_begin(self: Any, args: Sequence[str], *rest: Any, **named: Any) -> None:
        begin(self, args, *rest, **named)
        points.command("began", args)

    os.fork, os.replace = watched_fork, watched_replace
    subprocess.Popen.__init__ = watched_begin  # type: ignore[assignment,method-assign]


def main() -> None:
    log = os.environ.pop("VIRT_SAN_POINTS", None)
    if log is not None:
        # Nothing that the module starts is to be watched, or may see that it is.
        del os.environ["PYTHONPATH"]
        points = Points(log, os.environ.pop("VIRT_SAN_KILL_AT", ""))
        watch_system(points)
        sys.meta_path.insert(0, Finder(points))


main()
