# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which HBAs and logical units a question is about. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, Path
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid, same_lun

LOCAL_TRANSPORTS = frozenset(("ata", "usb", "virtio"))
"""Disks of the machine itself: shown to those who ask for them by name."""


@dataclass(frozen=True)
class Filters:
    """What to look for; what is empty does not restrict. All that is given must hold."""

    wwids: tuple[Wwid, ...] = ()
    luns: tuple[int, ...] = ()
    """LUN numbers, in the array's counting or the kernel's."""
    size: int | None = None
    """Bytes."""
    transports: tuple[str, ...] = ()
    hbas: tuple[str, ...] = ()
    """Names of SCSI hosts, WWPNs or initiator names."""
    targets: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    """Kernel names of whole disks."""
    mapped: bool | None = None
    """Only those with a multipath device, or only those without one."""


def is_called(hba: Hba, name: str) -> bool:
    """Tell whether `name` means this HBA: its host name, its WWPN, or the name targets know it by."""
    return name in (hba.name, hba.wwpn, hba.initiator)


def select_hbas(hbas: Iterable[Hba], filters: Filters) -> tuple[Hba, ...]:
    """Return the HBAs asked for. Raises InputError for a name that no HBA of this host has."""
    there = tuple(hbas)
    for name in filters.hbas:
        if not any(is_called(hba, name) for hba in there):
            known = [f"{hba.name} ({hba.initiator or hba.transport})" for hba in there]
            raise InputError(
                f"hba: this host has no HBA {name}; it has {', '.join(known) or 'none'}", option="hba", known=known
            )
    return tuple(hba for hba in there if _hba_fits(hba, filters))


def _hba_fits(hba: Hba, filters: Filters) -> bool:
    if filters.hbas and not any(is_called(hba, name) for name in filters.hbas):
        return False
    if filters.targets and not any(target.name in filters.targets for target in hba.targets):
        return False
    if filters.transports:
        return hba.transport in filters.transports
    return bool(filters.hbas) or hba.transport not in LOCAL_TRANSPORTS


def select_units(units: Iterable[LogicalUnit], hbas: Iterable[Hba], filters: Filters) -> tuple[LogicalUnit, ...]:
    """Return the logical units asked for, each with all its paths; `hbas` are all of the host.

    What is asked of a path (LUN number, transport, HBA, target) must hold for one and the same path.
    """
    names = frozenset(hba.name for hba in hbas for name in filters.hbas if is_called(hba, name))
    return tuple(unit for unit in units if _unit_fits(unit, filters, names))


def _unit_fits(unit: LogicalUnit, filters: Filters, hbas: frozenset[str]) -> bool:
    if filters.size is not None and unit.size != filters.size:
        return False
    if filters.mapped is not None and filters.mapped != (unit.map is not None):
        return False
    if filters.wwids and not unit.is_known_as(filters.wwids):
        return False
    if filters.devices and not unit.kernel_names.intersection(filters.devices):
        return False
    if not unit.paths:  # a map that lost them all: nothing more can be asked of it
        return not (filters.luns or filters.transports or filters.hbas or filters.targets)
    return any(_path_fits(path, filters, hbas) for path in unit.paths)


def _path_fits(path: Path, filters: Filters, hbas: frozenset[str]) -> bool:
    if filters.luns and not any(same_lun(number, path.hctl.lun) for number in filters.luns):
        return False
    if filters.targets and path.target not in filters.targets:
        return False
    if filters.hbas and path.hba not in hbas:
        return False
    if filters.transports:
        return path.transport in filters.transports
    return bool(filters.devices) or path.transport not in LOCAL_TRANSPORTS
