# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which HBA is to carry a virtual one. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.virt.san.plugins.module_utils._errors import NotFoundError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba


def physical(hbas: Iterable[Hba]) -> tuple[Hba, ...]:
    """Return the FC ports that are no vHBAs themselves."""
    return tuple(hba for hba in hbas if hba.wwpn is not None and hba.parent is None)


def choose_parent(hbas: Iterable[Hba], wanted: WantedVhba) -> Hba:
    """Return the HBA to make the vHBA on: of those that fit, the one with the fewest vHBAs.

    Raises NotFoundError for an HBA this host does not have, UnavailableError that says of each why it does not fit.
    """
    named = named_parents(hbas, wanted)
    fit = [hba for hba in named if unfit(hba, wanted) is None]
    if not fit:
        told = "; ".join(f"{call(hba)} {unfit(hba, wanted)}" for hba in named)
        raise UnavailableError(
            f"no HBA of this host can carry vHBA {wanted.wwpn}: {told}. Mend one of them, free a vport, or name "
            "another parent",
            hbas={hba.name: unfit(hba, wanted) for hba in named},
        )
    return min(fit, key=lambda hba: (hba.npiv.vports_in_use, hba.number))


def named_parents(hbas: Iterable[Hba], wanted: WantedVhba) -> tuple[Hba, ...]:
    """Return the FC ports that the request may mean; a WWNN can be that of several."""
    there = physical(hbas)
    if not there:
        raise NotFoundError("this host has no Fibre Channel HBA: is its driver loaded?", hbas=[])
    named = tuple(hba for hba in there if is_called(hba, wanted.parent))
    if not named:
        raise NotFoundError(
            f"parent: this host has no HBA {wanted.parent}; it has: {', '.join(map(call, there))}",
            parent=wanted.parent,
            hbas=[hba.name for hba in there],
        )
    return named


def is_called(hba: Hba, name: str | None) -> bool:
    """Tell whether an HBA is meant by a name; None means any."""
    return name is None or name in (hba.name, hba.wwpn, hba.wwnn, hba.pci_address)


def unfit(hba: Hba, wanted: WantedVhba) -> str | None:
    """Return why no vHBA can be made on an HBA just now; None when one can."""
    if not hba.npiv.capable:
        return "is not NPIV capable (the kernel has no vport_create for it): see firmware and driver options"
    if not hba.online:
        return f"is {hba.port_state or 'in an unknown state'}, not Online: check cable and switch port"
    if wanted.fabric is not None and hba.fabric_name != wanted.fabric:
        return f"is in fabric {hba.fabric_name or 'unknown'}, not in {wanted.fabric}"
    if hba.npiv.vports_in_use >= hba.npiv.max_vports:
        return f"has {hba.npiv.vports_in_use} of {hba.npiv.max_vports} vports in use"
    return None


def is_where_wanted(parent: Hba, wanted: WantedVhba) -> bool:
    """Tell whether a vHBA on `parent` is where it was asked for."""
    fabric = wanted.fabric is None or parent.fabric_name in (None, wanted.fabric)
    return is_called(parent, wanted.parent) and fabric


def call(hba: Hba) -> str:
    """Return an HBA for messages."""
    return f"{hba.name} ({hba.wwpn})"
