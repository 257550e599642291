# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes that make a virtual HBA, and take it away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn


@dataclass(frozen=True)
class CreateVport:
    """Have the kernel make a vport on an HBA."""

    parent: str
    parent_wwpn: Wwn | None
    """The parent's; host numbers may belong to another HBA meanwhile."""
    wwpn: Wwn
    wwnn: Wwn
    symbolic_name: str | None = None
    """Given to it at once, if the driver takes one: it is told to the name server at the login anyway."""

    def describe(self) -> str:
        title = f" with symbolic name {self.symbolic_name!r}" if self.symbolic_name is not None else ""
        return f"{self.parent}: create vHBA {self.wwpn} (node {self.wwnn}){title}"


@dataclass(frozen=True)
class NameVport:
    """Tell the fabric's name server what a vHBA that is there is called."""

    wwpn: Wwn
    name: str

    def describe(self) -> str:
        return f"vHBA {self.wwpn}: set symbolic name {self.name!r}"


@dataclass(frozen=True)
class AwaitLogin:
    """Wait until the fabric has let a vHBA in. Changes nothing."""

    wwpn: Wwn

    def describe(self) -> str:
        return f"vHBA {self.wwpn}: wait for its login to the fabric"


@dataclass(frozen=True)
class DeleteVport:
    """Have the kernel delete a vport, with its SCSI host and whatever is still behind that."""

    parent: str
    wwpn: Wwn
    wwnn: Wwn
    host: str | None

    def describe(self) -> str:
        return f"{self.parent}: delete vHBA {self.wwpn}{f' ({self.host})' if self.host else ''}"


VhbaStep = Union[CreateVport, NameVport, AwaitLogin, DeleteVport]
