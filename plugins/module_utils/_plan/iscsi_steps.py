# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes to iSCSI sessions and their records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

from ansible_collections.virt.san.plugins.module_utils._model.iscsi import SECRETS, Portal


@dataclass(frozen=True)
class CreateInterface:
    """Have open-iscsi make an iface by which the host has another iSCSI name."""

    name: str
    initiator: str

    def describe(self) -> str:
        return f"make iface {self.name} with the iSCSI name {self.initiator}"


@dataclass(frozen=True)
class DeleteInterface:
    """Have open-iscsi remove an iface that nothing is recorded for."""

    name: str

    def describe(self) -> str:
        return f"remove iface {self.name}"


@dataclass(frozen=True)
class CreateRecord:
    """Have open-iscsi make a node record."""

    target: str
    portal: Portal
    tpgt: int | None
    interface: str

    def describe(self) -> str:
        return f"record {self.target} at {self.portal} for iface {self.interface}"


@dataclass(frozen=True)
class EditRecord:
    """Change parameters of a node record; None leaves one out."""

    target: str
    portal: Portal
    interface: str
    edits: Mapping[str, str | None] = field(repr=False)

    def describe(self) -> str:
        told = ", ".join(_told(key, value) for key, value in self.edits.items())
        return f"{self.target} at {self.portal}: set {told}"


def _told(key: str, value: str | None) -> str:
    if value is None:
        return f"no {key}"
    return key if key in SECRETS else f"{key} = {value}"


@dataclass(frozen=True)
class LogIn:
    """Log in to portals of a target, to all of them at once."""

    target: str
    portals: tuple[Portal, ...]
    interface: str

    def describe(self) -> str:
        return f"log in to {self.target} at {', '.join(map(str, self.portals))}"


@dataclass(frozen=True)
class AwaitSessions:
    """Wait until sessions that have lost their connection have it again. Changes nothing."""

    target: str
    portals: tuple[Portal, ...]

    def describe(self) -> str:
        return f"wait for the connection of {self.target} to {', '.join(map(str, self.portals))}"


@dataclass(frozen=True)
class LogOut:
    """End a session whose disks are gone."""

    session: int
    host: str
    target: str
    portal: str

    def describe(self) -> str:
        return f"log out of {self.target} at {self.portal} (session{self.session}, {self.host})"


@dataclass(frozen=True)
class DeleteRecord:
    """Have open-iscsi remove a node record."""

    target: str
    portal: Portal
    interface: str

    def describe(self) -> str:
        return f"remove the record of {self.target} at {self.portal} for iface {self.interface}"


@dataclass(frozen=True)
class EnableUnit:
    """Have the unit started at boot that logs in to what is recorded as automatic."""

    name: str

    def describe(self) -> str:
        return f"enable {self.name}, which logs in at boot"


SessionStep = Union[
    CreateInterface, CreateRecord, EditRecord, LogIn, AwaitSessions, LogOut, DeleteRecord, DeleteInterface, EnableUnit
]
SESSION_STEPS = (
    CreateInterface, CreateRecord, EditRecord, LogIn, AwaitSessions, LogOut, DeleteRecord, DeleteInterface, EnableUnit
)  # fmt: skip
