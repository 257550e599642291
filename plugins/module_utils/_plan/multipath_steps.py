# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps a plan for multipath devices is made of."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid, format_size
from ansible_collections.virt.san.plugins.module_utils._model.multipath import DropIn


@dataclass(frozen=True)
class WriteDropIn:
    """Replace our configuration file. A file that says nothing is removed."""

    content: DropIn
    load: bool
    """multipathd has to read it: a Reconfigure follows."""

    def describe(self) -> str:
        settings, aliases = self.content.effective
        parts = [f"{section}.{option} = {value}" for section in settings for option, value in settings[section].items()]
        parts += [f"{wwid} = {alias}" for wwid, alias in aliases.items()]
        parts += [f"{len(self.content.devices)} devices recorded"]
        return f"write the multipath drop-in: {', '.join(parts)}"


@dataclass(frozen=True)
class Reconfigure:
    """Have multipathd read its configuration again and rename maps accordingly. At most one a plan."""

    renames: tuple[tuple[Wwid, str, str], ...] = ()
    """(WWID, name now, name then; "" where multipathd chooses it)."""

    def describe(self) -> str:
        renames = [f"{old} becomes {new or 'what multipathd names it'}" for _wwid, old, new in self.renames]
        return "have multipathd read its configuration" + (f": {', '.join(renames)}" if renames else "")


@dataclass(frozen=True)
class CreateMap:
    """Make a map of the paths of a logical unit."""

    wwid: Wwid
    name: str
    """Its alias; "" where it has none."""
    devices: tuple[str, ...]
    """Paths that must be in it."""

    def describe(self) -> str:
        return f"create the multipath device {self.name or self.wwid} of {self.wwid} over {', '.join(self.devices)}"


@dataclass(frozen=True)
class AddPaths:
    """Put paths into the map they belong to."""

    wwid: Wwid
    name: str
    devices: tuple[str, ...]

    def describe(self) -> str:
        return f"add {', '.join(self.devices)} to the multipath device {self.name} ({self.wwid})"


@dataclass(frozen=True)
class ReloadMap:
    """Load a map's table again: one made while a path was read-only stays read-only until then."""

    wwid: Wwid
    name: str

    def describe(self) -> str:
        return f"reload the multipath device {self.name} ({self.wwid}), which is read-only without reason"


@dataclass(frozen=True)
class ResizeMap:
    """Grow a map to the size of its paths."""

    wwid: Wwid
    name: str
    dm: str
    size: int

    def describe(self) -> str:
        return f"grow the multipath device {self.name} ({self.wwid}) to {format_size(self.size)}"


@dataclass(frozen=True)
class FlushMap:
    """Remove a map that nothing uses. Its paths stay."""

    wwid: Wwid
    name: str
    dm: str
    fail_queued: bool = False
    """Have what waits for a path fail first: it has none, and queues."""

    def describe(self) -> str:
        queued = "fail what is queued in, and " if self.fail_queued else ""
        return f"{queued}flush the multipath device {self.name} ({self.wwid})"


@dataclass(frozen=True)
class ForgetWwid:
    """Take a WWID out of what multipath remembers, so that it does not make the map again."""

    wwid: Wwid

    def describe(self) -> str:
        return f"have multipath forget {self.wwid}"
