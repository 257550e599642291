# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of the lab as recorded by tests/lab/record_host.py, put up again below a folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.tests.unit.support.fake_dm import counts_of, fake_dm
from ansible_collections.virt.san.tests.unit.support.fake_multipathd import FakeMultipathd

RECORDS = Path(__file__).resolve().parents[1] / "fixtures/hosts"
OPEN_COUNTS = "dmsetup info -c --noheadings --separator : -o major,minor,open"
Tree = dict[str, Any]


def names() -> list[str]:
    """Return the names of all recordings."""
    return sorted(path.name for path in RECORDS.iterdir())


def read_tree(name: str) -> Tree:
    return json.loads((RECORDS / name / "tree.json").read_text(encoding="utf-8"))


def read_commands(name: str) -> dict[str, Any]:
    return json.loads((RECORDS / name / "commands.json").read_text(encoding="utf-8"))


def write_tree(tree: Mapping[str, Any], root: Path) -> None:
    """Write a recorded tree below `root`."""
    for path, content in tree.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            target.write_text(content, encoding="utf-8")
        elif "link" in content:
            target.symlink_to(content["link"])
        elif "base64" in content:
            target.write_bytes(base64.b64decode(content["base64"]))
        else:
            target.mkdir(parents=True, exist_ok=True)


def runner(commands: Mapping[str, Any]) -> Callable[[Sequence[str], float, str | None], Completed]:
    """Return a runner that answers what was recorded and nothing else."""

    def run(argv: Sequence[str], _deadline: float, _stdin: str | None = None) -> Completed:
        told = commands.get(" ".join(argv))
        assert told is not None, f"not recorded: {' '.join(argv)}"
        return Completed(tuple(argv), told["code"], told["stdout"], told["stderr"])

    return run


def recorded_counts(commands: Mapping[str, Any]) -> dict[str, int]:
    """Return the open counts of device-mapper's devices when the machine was recorded, by major:minor."""
    return counts_of(commands[OPEN_COUNTS]["stdout"])


class RecordedHost(Host):
    """A recorded tree holds no device nodes: a node's number comes from sysfs, by the name it had."""

    def block_number(self, path: str) -> str | None:
        name = (self.link(path) or path).rpartition("/")[2]
        return self.read(f"/sys/class/block/{name}/dev")


@contextmanager
def recorded(
    name: str, root: Path, change: Callable[[Tree], None] | None = None, host_class: type[Host] = RecordedHost
) -> Iterator[Host]:
    """Put up a recording below `root`, with its multipathd answering; `change` alters the tree before."""
    tree, told = read_tree(name), read_commands(name)
    if change is not None:
        change(tree)
    write_tree(tree, root)
    replies = {command: [reply] * 9 for command, reply in told["multipathd"].items()}
    with FakeMultipathd(root, replies) if replies else nullcontext():
        yield host_class(str(root), runner(told["commands"]), control=fake_dm(recorded_counts(told["commands"])))
