# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A systemd that knows what it was told and no more: any other command is a failed test."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Runner

UNITS = "etc/systemd/system"
WANTS = f"{UNITS}/multi-user.target.wants"


class FakeSystemd:
    """Answers `systemctl` for a machine whose files are below `root`; other commands go to `others`."""

    def __init__(self, root: Path, others: Runner | None = None) -> None:
        self.root = root
        self.others = others
        self.active: dict[str, str] = {}
        self.at_work: set[str] = set()
        """Units of which a process runs."""
        self.calls: list[str] = []
        self.read: dict[str, bytes] = {}
        """Unit files as they were when systemd read them."""
        (root / "run/systemd/system").mkdir(parents=True)

    def __call__(self, argv: Sequence[str], deadline: float, stdin: str | None = None) -> Completed:
        if argv[0] != "systemctl":
            assert self.others is not None, f"not to be run: {' '.join(argv)}"
            return self.others(argv, deadline, stdin)
        flags = [word for word in argv[2:] if word.startswith("-") and word != "--"]
        name = argv[-1]
        if argv[1] == "show":
            assert flags == ["-p"]
            told = "\n".join(self._show(each) for each in argv[argv.index("--") + 1 :])
            return Completed(tuple(argv), 0, told, "")
        self.calls.append(f"{argv[1]} {name}" if "--" in argv else argv[1])
        code, told = getattr(self, "_" + argv[1].replace("-", "_"))(name, flags)
        return Completed(tuple(argv), code, told, "")

    def _files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((self.root / UNITS).glob("virt-san*"))}

    def _template(self, name: str) -> str:
        before, at, rest = name.partition("@")
        return f"{before}@.{rest.rpartition('.')[2]}" if at else name

    def _show(self, name: str) -> str:
        there = self._template(name) in self._files()
        stale = name in self.active and self._files() != self.read
        enabled = (self.root / WANTS / name).is_symlink()
        lines = {
            "LoadState": "loaded" if there else "not-found",
            "ActiveState": self.active.get(name, "inactive"),
            "SubState": "running" if name in self.at_work else "dead",
            "UnitFileState": ("enabled" if enabled else "disabled") if there else "",
            "NeedDaemonReload": "yes" if stale else "no",
        }
        return "".join(f"{key}={value}\n" for key, value in lines.items())

    def _enable(self, name: str, flags: list[str]) -> tuple[int, str]:
        assert flags in (["--quiet", "--now", "--no-block"], ["--quiet"])
        assert self._template(name) in self._files(), "enabled without a unit file"
        (self.root / WANTS).mkdir(parents=True, exist_ok=True)
        if not (self.root / WANTS / name).is_symlink():
            os.symlink(f"/{UNITS}/{self._template(name)}", self.root / WANTS / name)
        self.read = self._files()
        if "--now" in flags:
            self.active[name] = "active"
        return 0, ""

    def _disable(self, name: str, flags: list[str]) -> tuple[int, str]:
        assert flags == ["--quiet", "--now"]
        (self.root / WANTS / name).unlink(missing_ok=True)
        if self.active.get(name) != "failed":
            self.active.pop(name, None)
        return 0, ""

    def _reset_failed(self, name: str, _flags: list[str]) -> tuple[int, str]:
        return (0, "") if self.active.pop(name, None) else (1, "not loaded")

    def _stop(self, name: str, _flags: list[str]) -> tuple[int, str]:
        self.active.pop(name, None)
        self.at_work.discard(name)
        return 0, ""

    def _daemon_reload(self, _name: str, _flags: list[str]) -> tuple[int, str]:
        self.read = self._files()
        return 0, ""

    def _start(self, name: str, flags: list[str]) -> tuple[int, str]:
        assert flags == ["--no-block"]
        self.active[name] = "active"
        return 0, ""
