"""What outlives a restart of the switch: FC ids, zones, faults. Nothing else does; hosts log in again."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from sanlab.fabric.faults import Faults
from sanlab.fabric.zoning import ZoneSet

VERSION = 1


class StateError(Exception):
    """A state file that is not one."""


@dataclass
class State:
    fcids: dict[str, int] = field(default_factory=dict)
    zones: ZoneSet = field(default_factory=ZoneSet)
    faults: Faults = field(default_factory=Faults)

    def to_text(self) -> str:
        data = {
            "version": VERSION,
            "fcids": {wwpn: f"{fcid:06x}" for wwpn, fcid in sorted(self.fcids.items())},
            "zones": self.zones.to_json(),
            "faults": self.faults.to_json(),
        }
        return json.dumps(data, indent=1) + "\n"


def load(path: Path) -> State:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return State()
    try:
        data = json.loads(text)
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']}, this program writes version {VERSION}")
        fcids = {wwpn: int(fcid, 16) for wwpn, fcid in data["fcids"].items()}
        return State(fcids, ZoneSet(data["zones"]), Faults.from_json(data["faults"]))
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise StateError(
            f"{path}: not the state of a fabric switch ({error}); remove the file to start anew"
        ) from error


def save(path: Path, state: State) -> None:
    """Replace the file in one step, so that a switch killed while writing leaves the old one.

    It is not flushed to the disk: this has to survive the end of the process, not of the machine.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(state.to_text(), encoding="utf-8")
    os.replace(draft, path)
