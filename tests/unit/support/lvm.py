# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LVM's tools on a recorded host: strict, with output as both Debian releases give it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.virt.san.plugins.module_utils._host.host import Completed
from ansible_collections.virt.san.plugins.module_utils._host.lvm_conf import ASIDE, DEVICES, LOCAL_CONF, parse_block
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import FILTER

Runner = Callable[[Sequence[str], float, "str | None"], Completed]
Row = Mapping[str, str]


def row(path: str, uuid: str = "", vg: str = "", vg_uuid: str = "", missing: str = "", duplicate: str = "") -> Row:
    """Return a row of `pvs`, as the tool's JSON has it."""
    return {
        "pv_uuid": uuid,
        "pv_name": path,
        "vg_uuid": vg_uuid,
        "vg_name": vg,
        "pv_missing": missing,
        "pv_duplicate": duplicate,
    }


NEW = ASIDE.rpartition("/")[2]


@dataclass
class FakeLvm:
    """Answers as LVM would on these devices, by the files below `root`. Anything unexpected is a failure."""

    root: Path
    rows: list[Row]
    rest: Runner
    """Who answers what is not LVM."""
    newer: bool = True
    """2.03.31 says "log" too."""
    devicesfile: bool = True
    lost: str = ""
    """A device that the tool lists and LVM then does not see."""
    effective: dict[str, str] = field(default_factory=dict)
    """What a file that is read later sets."""
    on_deactivate: Callable[[str], int] = lambda _uuid: 0
    ran: list[str] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], deadline: float, stdin: str | None = None) -> Completed:
        if argv[0] != "lvm":
            return self.rest(argv, deadline, stdin)
        if self.newer and not any("use_devicesfile=1" in word or word == "--devicesfile" for word in argv):
            self._put_away()
        answer = getattr(self, f"_{argv[1]}")(list(argv[2:]))
        code, out = answer if isinstance(answer, tuple) else (0, answer)
        return Completed(tuple(argv), code, out, "" if code == 0 else "  it failed\n")

    def _put_away(self) -> None:
        """2.03.31 renames a devices file that its configuration, as it is on file, does not use."""
        file = self.root / DEVICES.lstrip("/")
        if file.exists() and self._values().get("use_devicesfile") == "0":
            file.rename(file.with_name("system.devices-unused.20261121.150906"))

    @property
    def writes(self) -> list[str]:
        return self.ran

    def _lvmconfig(self, args: list[str]) -> tuple[int, str]:
        if args[:2] == ["--typeconfig", "default"]:
            assert args[2:] == ["devices/use_devicesfile"]
            return (0, "# use_devicesfile=0\n") if self.devicesfile else (5, "")
        assert args[:2] == ["--typeconfig", "full"]
        lines = [f"{name}={value}" for name, value in {**self._values(), **self.effective}.items()]
        return 0, "\n".join(lines) + "\n"

    def _values(self) -> dict[str, str]:
        conf = self.root / LOCAL_CONF.lstrip("/")
        text = conf.read_text() if conf.exists() else ""
        found = {"use_devicesfile": "0", "global_filter": '["a|.*|"]', "multipath_component_detection": "1"}
        if not self.devicesfile:
            del found["use_devicesfile"]
        written = re.findall(r"^\t(\w+) = (.*)$", text, re.M)
        found.update(
            {name: value.strip("[]") if value.count('"') == 2 else value.replace(",", ", ") for name, value in written}
        )
        return found

    def _pvs(self, args: list[str]) -> str:
        assert args[:3] == ["--all", "--reportformat", "json"], args
        config = args[args.index("--config") + 1] if "--config" in args else None
        shown = [one for one in self.rows if self._passes(one, config)]
        report: dict[str, object] = {"report": [{"pv": shown}], **({"log": []} if self.newer else {})}
        return json.dumps(report)

    def _passes(self, one: Row, config: str | None) -> bool:
        if config and "use_devicesfile=0" in config:
            return True
        conf = self.root / LOCAL_CONF.lstrip("/")
        setting = parse_block(conf.read_text() if conf.exists() else "")
        if config is None and setting is None:
            return True
        if config is None and setting and setting.method == FILTER:
            return any(self._same(name, one["pv_name"]) for name in setting.patterns) and one["pv_name"] != self.lost
        listed = self._listed()
        return listed is None or (one["pv_name"] in listed and one["pv_name"] != self.lost)

    def _same(self, name: str, path: str) -> bool:
        return (self.root / name.lstrip("/")).resolve() == (self.root / path.lstrip("/")).resolve()

    def _listed(self) -> list[str] | None:
        devices = self.root / DEVICES.lstrip("/")
        return re.findall(r"DEVNAME=(\S+)", devices.read_text()) if devices.exists() else None

    def _lvmdevices(self, args: list[str]) -> tuple[int, str]:
        if args == ["--help"]:
            return (0, "") if self.devicesfile else (3, "")
        assert args[:3] in (["--yes", "--config", "devices/use_devicesfile=1"], ["--yes", "--devicesfile", NEW]), args
        action, path = args[3:]
        self.ran.append(f"{action} {path}")
        file = self.root / (ASIDE if args[2] == NEW else DEVICES).lstrip("/")
        lines = file.read_text().splitlines()
        if action == "--adddev":
            lines.append(f"IDTYPE=x IDNAME=y DEVNAME={path} PVID=z")
        else:
            assert action == "--deldev"
            lines = [line for line in lines if f"DEVNAME={path} " not in line]
        file.write_text("\n".join(lines) + "\n")
        return 0, ""

    def _vgchange(self, args: list[str]) -> tuple[int, str]:
        assert args[:2] == ["-an", "--config"], args
        assert "use_devicesfile=0" in args[2]
        assert args[3] == "--select"
        uuid = args[4].partition("vg_uuid=")[2]
        self.ran.append(f"deactivate {uuid}")
        return self.on_deactivate(uuid), ""
