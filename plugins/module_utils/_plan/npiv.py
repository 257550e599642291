# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a virtual HBA comes to be as it is wanted, and how it goes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    IdentityError,
    RefusedError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba, Vport
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_parent import (
    call,
    choose_parent,
    is_where_wanted,
    named_parents,
    physical,
)
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_states import ACTIVE, DELETABLE, advice, failed
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_steps import (
    AwaitLogin,
    CreateVport,
    DeleteVport,
    NameVport,
    VhbaStep,
)
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Plan


@dataclass(frozen=True)
class Vhba:
    """A virtual HBA as it is."""

    parent: Hba
    vport: Vport
    hba: Hba | None
    """Its own SCSI host, where it has one."""

    @property
    def up(self) -> bool:
        """Tell whether it is logged in. The vport can say so a moment longer than its host."""
        return self.vport.state == ACTIVE and (self.hba is None or self.hba.online is not False)

    def __str__(self) -> str:
        return f"{self.vport.host or self.vport.name} on {call(self.parent)}"

    def to_dict(self) -> dict[str, Any]:
        host = self.vport.host
        return {
            **self.vport.to_dict(),
            "number": int(host[len("host") :]) if host else None,
            "port_state": self.hba.port_state if self.hba else None,
            "parent": self.parent.name,
            "parent_wwpn": self.parent.wwpn,
            "parent_pci_address": self.parent.pci_address,
            "fabric": (self.hba.fabric_name if self.hba else None) or self.parent.fabric_name,
        }


@dataclass(frozen=True)
class Seen:
    """One look at the host."""

    hbas: tuple[Hba, ...] = ()
    with_devices: frozenset[str] = frozenset()
    """SCSI hosts that have a device."""
    nameable: frozenset[str] = frozenset()
    """Vports ("vport-5:0-0") whose driver takes a symbolic name."""

    def vhbas(self, wwpn: Wwn | None = None) -> tuple[Vhba, ...]:
        """Return the virtual HBAs, or those with a WWPN."""
        by_name = {hba.name: hba for hba in self.hbas}
        return tuple(
            Vhba(parent, vport, by_name.get(vport.host or ""))
            for parent in self.hbas
            for vport in parent.npiv.vports
            if wwpn in (None, vport.wwpn)
        )

    def without(self, gone: Vhba) -> Seen:
        """Return what is seen once a vHBA has gone."""
        npiv = gone.parent.npiv
        left = tuple(vport for vport in npiv.vports if vport != gone.vport)
        parent = replace(gone.parent, npiv=replace(npiv, vports=left, vports_in_use=max(npiv.vports_in_use - 1, 0)))
        kept = (hba for hba in self.hbas if gone.hba is None or hba.number != gone.hba.number)
        return replace(self, hbas=tuple(parent if hba.number == parent.number else hba for hba in kept))


@dataclass(frozen=True)
class VhbaPlan(Plan):
    """A plan for one virtual HBA."""

    steps: tuple[VhbaStep, ...] = ()


def plan_present(seen: Seen, wanted: WantedVhba) -> VhbaPlan:
    """Return what makes the vHBA be there and logged in.

    Raises RefusedError for one on another parent than asked for, IdentityError for WWNs that are taken,
    UnavailableError for one that has failed and has disks behind it, and what choose_parent raises.
    """
    there = the_one(seen, wanted)
    if there is None:
        refuse_taken(seen, wanted)
        parent = choose_parent(seen.hbas, wanted)
        return _plan(seen, wanted, None, (_create(parent, wanted, wanted.symbolic_name),), parent)
    if there.vport.wwnn != wanted.wwnn:
        raise IdentityError(
            f"vHBA {wanted.wwpn} is there ({there}) with WWNN {there.vport.wwnn}, not {wanted.wwnn}: is it another "
            "guest's? Give the WWNN it has, or take it away first",
            wwpn=wanted.wwpn,
            wwnn=there.vport.wwnn,
        )
    if not is_where_wanted(there.parent, wanted):
        _refuse_elsewhere(seen, wanted, there)
    if there.vport.state in DELETABLE and there.vport.host not in seen.with_devices:
        # Its login is over, and some drivers never try again. Nothing is behind it that could be lost.
        create = _create(there.parent, wanted, _takes(seen, wanted, there))
        return _plan(seen, wanted, there, (_delete(there), create), there.parent)
    if failed(there.vport.state):
        raise UnavailableError(
            f"vHBA {wanted.wwpn} ({there}) is {there.vport.state}: {advice(there.vport.state)}",
            vport_state=there.vport.state,
            vport_last_state=there.vport.last_state,
        )
    name = _takes(seen, wanted, there)
    naming = () if name is None or name == there.vport.symbolic_name else (NameVport(wanted.wwpn, name),)
    return _plan(seen, wanted, there, naming, there.parent)


def the_one(seen: Seen, wanted: WantedVhba) -> Vhba | None:
    """Return the vHBA with the wanted WWPN, wherever it is; of several the one that is where it is wanted."""
    found = seen.vhbas(wanted.wwpn)
    right = [vhba for vhba in found if is_where_wanted(vhba.parent, wanted)]
    if len(found) > 1 and len(right) != 1:
        raise AmbiguousError(
            f"WWPN {wanted.wwpn} is that of {len(found)} vHBAs: {'; '.join(map(str, found))}. Delete what is too much, "
            "or say by parent which is meant",
            wwpn=wanted.wwpn,
            parents=[vhba.parent.name for vhba in found],
        )
    return right[0] if right else found[0] if found else None


def misplaced(seen: Seen, wanted: WantedVhba) -> Vhba | None:
    """Return the vHBA, if it is on another HBA than wanted."""
    there = the_one(seen, wanted)
    return None if there is None or is_where_wanted(there.parent, wanted) else there


def _refuse_elsewhere(seen: Seen, wanted: WantedVhba, there: Vhba) -> None:
    asked = ", ".join(call(hba) for hba in named_parents(seen.hbas, wanted)) if wanted.parent else "any HBA"
    fabric = f" in fabric {wanted.fabric}" if wanted.fabric else ""
    raise RefusedError(
        f"vHBA {wanted.wwpn} is {there} in fabric {there.parent.fabric_name or 'unknown'}, not on {asked}{fabric} as "
        "asked for. Leave it where it is and name that, or have it moved with move: true; what is behind it goes "
        "away meanwhile",
        wwpn=wanted.wwpn,
        parent=there.parent.name,
        parent_wwpn=there.parent.wwpn,
    )


def refuse_taken(seen: Seen, wanted: WantedVhba) -> None:
    """Raise IdentityError when a WWN is that of something else. The kernel's answer to that is misleading."""
    if wanted.wwpn == wanted.wwnn:
        raise IdentityError(f"WWPN and WWNN are both {wanted.wwpn}: port and node need names of their own")
    for hba in physical(seen.hbas):
        for wwn in (wanted.wwpn, wanted.wwnn):
            if wwn == hba.wwpn or wanted.wwpn == hba.wwnn:
                raise _taken(wwn, f"the name of this host's own {hba.name}, a physical port")
    for vhba in seen.vhbas():
        if wanted.wwpn == vhba.vport.wwnn or wanted.wwnn == vhba.vport.wwpn:
            wwn = wanted.wwpn if wanted.wwpn == vhba.vport.wwnn else wanted.wwnn
            raise _taken(wwn, f"a name of the vHBA {vhba}")
    for hba in seen.hbas:
        for target in hba.targets:
            if target.name == wanted.wwpn and target.state in ("Online", "Marginal"):
                raise _taken(wanted.wwpn, f"logged in to the fabric already, as {hba.name} sees: by another host?")


def _taken(wwn: Wwn, by: str) -> IdentityError:
    return IdentityError(
        f"{wwn} is {by}. Take another WWN; where it was derived from name and instance, another name or instance",
        wwn=wwn,
    )


def plan_absent(seen: Seen, wwpn: Wwn) -> VhbaPlan:
    """Return what deletes every vHBA with this WWPN. What is behind it is the removal's to plan."""
    found = seen.vhbas(wwpn)
    return VhbaPlan(
        steps=tuple(_delete(vhba) for vhba in found),
        before={"vhbas": [_shown(vhba.vport, vhba.parent) for vhba in found]},
        after={"vhbas": []},
    )


# Parts of a plan


def _create(parent: Hba, wanted: WantedVhba, name: str | None) -> CreateVport:
    return CreateVport(parent.name, parent.wwpn, wanted.wwpn, wanted.wwnn, name)


def _delete(there: Vhba) -> DeleteVport:
    return DeleteVport(there.parent.name, there.vport.wwpn, there.vport.wwnn, there.vport.host)


def _takes(seen: Seen, wanted: WantedVhba, there: Vhba) -> str | None:
    """Return the symbolic name to give to a vHBA; None where its driver takes none."""
    return wanted.symbolic_name if there.vport.name in seen.nameable else None


def _plan(seen: Seen, wanted: WantedVhba, there: Vhba | None, steps: tuple[VhbaStep, ...], parent: Hba) -> VhbaPlan:
    created = any(isinstance(step, CreateVport) for step in steps)
    if created or (there is not None and not there.up):
        steps = (*steps, AwaitLogin(wanted.wwpn))
    before = [] if there is None else [_shown(there.vport, there.parent)]
    after = {
        "wwpn": wanted.wwpn,
        "wwnn": wanted.wwnn,
        "parent": call(parent),
        "state": ACTIVE,
        "symbolic_name": _title_after(there, steps),
    }
    return VhbaPlan(steps, {"vhbas": before}, {"vhbas": [after]}, _warnings(seen, wanted, there))


def _title_after(there: Vhba | None, steps: tuple[VhbaStep, ...]) -> str | None:
    for step in steps:
        if isinstance(step, CreateVport):
            return step.symbolic_name
        if isinstance(step, NameVport):
            return step.name
    return there.vport.symbolic_name if there else None


def _shown(vport: Vport, parent: Hba) -> dict[str, Any]:
    """Return a vHBA as a person compares it. One that is on its way up counts as up: it is not we who change that."""
    return {
        "wwpn": vport.wwpn,
        "wwnn": vport.wwnn,
        "parent": call(parent),
        "state": vport.state if failed(vport.state) else ACTIVE,
        "symbolic_name": vport.symbolic_name,
    }


def _warnings(seen: Seen, wanted: WantedVhba, there: Vhba | None) -> tuple[str, ...]:
    if wanted.symbolic_name is None or there is None or there.vport.symbolic_name == wanted.symbolic_name:
        return ()
    if there.vport.name in seen.nameable:
        return ()
    return (f"the driver of {there.parent.name} ({there.parent.driver}) takes no symbolic name for {there.vport.name}",)
