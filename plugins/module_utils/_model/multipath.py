# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Multipathing of one host: what is configured, what is there, what is wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid, parse_wwid

Settings = Mapping[str, Mapping[str, str]]
"""Section ("defaults", "overrides") -> option -> value."""

SECTIONS = ("defaults", "overrides")

MAX_ALIAS = 118
"""dm names end at 127 characters; room is left for "-part" and a partition number."""
_ALIAS = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.:@=+-]*$")
_OPTION = re.compile(r"^[a-z][a-z0-9_]*$")


def parse_alias(text: str) -> str:
    """Return an alias that device-mapper, udev and multipath.conf all take as it is, or raise ValueError.

    "" (no alias) is one too.
    """
    name = str(text).strip()
    if not name:
        return ""
    if not _ALIAS.match(name) or len(name) > MAX_ALIAS:
        raise ValueError(
            f"{text!r} is not an alias: letters, digits and _ . : @ = + - (the first a letter, a digit or _), "
            f"at most {MAX_ALIAS} characters"
        )
    if name == "control" or re.match(r"^dm-\d+$", name):
        raise ValueError(f"{name!r} cannot be an alias: device-mapper uses that name itself")
    if _is_wwid(name):
        raise ValueError(f"{name!r} cannot be an alias: it reads like the WWID of a LUN")
    return name


def _is_wwid(name: str) -> bool:
    try:
        return name == parse_wwid(name) and name[0] in "23" and len(name) >= 17
    except ValueError:
        return False


def parse_option(name: str) -> str:
    """Return the name of a multipath.conf option, or raise ValueError when it cannot be one."""
    if not _OPTION.match(name):
        raise ValueError(f"{name!r} is not an option of multipath.conf: lower-case letters, digits and _")
    return name


def parse_value(value: object) -> str:
    """Return a setting's value as multipath.conf spells it, or raise ValueError.

    Truth values (YAML makes them of a plain yes or no) are "yes" and "no".
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (str, int)):
        raise ValueError(f"{value!r} is not a value of multipath.conf: a word, a number, yes or no")
    text = " ".join(str(value).split())
    if not text or '"' in text or not text.isprintable():
        raise ValueError(f"{value!r} is not a value of multipath.conf: one line of text without quotes")
    return text


@dataclass(frozen=True)
class DropIn:
    """The one configuration file that is ours."""

    settings: Settings = field(default_factory=dict)
    devices: Mapping[Wwid, str] = field(default_factory=dict)
    """Every WWID that was given to this host through us -> its alias, "" for none."""

    @property
    def effective(self) -> tuple[Settings, Mapping[Wwid, str]]:
        """What multipathd must know: not the record of devices without alias."""
        settings = {section: values for section, values in self.settings.items() if values}
        return settings, {wwid: alias for wwid, alias in self.devices.items() if alias}

    def with_settings(self, settings: Settings) -> DropIn:
        """Return it with the sections in `settings` replaced; the others stay."""
        merged = {**self.settings, **settings}
        return replace(self, settings={section: merged[section] for section in SECTIONS if merged.get(section)})

    def with_devices(self, devices: Mapping[Wwid, str]) -> DropIn:
        return replace(self, devices={**self.devices, **devices})

    def without(self, wwids: frozenset[Wwid]) -> DropIn:
        return replace(self, devices={wwid: alias for wwid, alias in self.devices.items() if wwid not in wwids})


@dataclass(frozen=True)
class Claim:
    """An alias that something other than our drop-in gives to a WWID."""

    alias: str
    wwid: str
    where: str
    """The file that says so."""


@dataclass(frozen=True)
class MultipathState:
    """All that the planner looks at, of one moment."""

    san: San
    drop_in: DropIn = field(default_factory=DropIn)
    claims: tuple[Claim, ...] = ()
    dm_names: Mapping[str, str] = field(default_factory=dict)
    """Every device-mapper device: name -> uuid."""
    monitored: frozenset[str] = frozenset()
    """Kernel names of the paths multipathd monitors; it ignores the others (blacklist)."""
    remembered: frozenset[str] = frozenset()
    """WWIDs multipath recorded in its wwids file."""
    running_aliases: Mapping[str, str] = field(default_factory=dict)
    """WWID -> alias in the configuration multipathd runs with."""
    read_only_paths: frozenset[str] = frozenset()
    find_multipaths: str = "strict"
    user_friendly_names: bool = False
    busy: bool = False
    """multipathd works through events of udev or reads its configuration: more may come."""
    pending: bool = False
    """Our drop-in was written, and the run ended before multipathd had read it."""

    def unit(self, wwid: Wwid) -> LogicalUnit | None:
        """Return the only unit with this identity; None when there is none or more than one."""
        units = self.san.by_wwid(wwid)
        return units[0] if len(units) == 1 else None


@dataclass(frozen=True)
class WantedDevice:
    """A multipath device as it should be."""

    wwid: Wwid
    alias: str | None = None
    """None: as it is; "": no alias."""
    paths: int | None = None
    """Usable paths expected; None: at least one."""


@dataclass(frozen=True)
class WantedMaps:
    """What `state: present` asks for."""

    devices: tuple[WantedDevice, ...] | None = None
    """None: every logical unit of the SAN."""
    settings: Settings = field(default_factory=dict)
    """Sections to replace."""
    resize: bool = False


@dataclass(frozen=True)
class Skipped:
    """A unit that was left without a map, and why."""

    wwid: Wwid | None
    reason: str
    device: str = ""

    def to_dict(self) -> dict[str, str | None]:
        return {"wwid": self.wwid, "device": self.device or None, "reason": self.reason}
