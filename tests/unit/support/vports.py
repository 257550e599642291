# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with virtual HBAs, in the model's terms, and what a kernel makes of the steps of a plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba, Npiv, Target, Vport
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._plan.npiv import Seen
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_steps import (
    CreateVport,
    DeleteVport,
    NameVport,
    VhbaStep,
)

FABRICS = (Wwn("1000000533a1b2c3"), Wwn("1000000533d4e5f6"))


def port(
    number: int, *vports: Vport, most: int = 4, state: str = "Online", fabric: int = 0, capable: bool = True
) -> Hba:
    return Hba(
        number=number,
        transport="fc",
        wwpn=Wwn(f"2100001b32000{number:03x}"),
        wwnn=Wwn(f"2000001b32000{number // 2:03x}"),
        port_state=state,
        fabric_name=FABRICS[fabric],
        driver="qla2xxx",
        pci_address=f"0000:3b:00.{number % 8}",
        npiv=Npiv(capable, most, len(vports), vports) if capable else Npiv(False),
    )


def vport(number: int, host: int | None = None, state: str = "Active", title: str | None = None) -> Vport:
    return Vport(
        Wwn(f"5001a4a00000{number:03x}1"),
        Wwn(f"5001a4a00000{number:03x}0"),
        f"host{host}" if host is not None else None,
        state,
        f"vport-9:0-{number}",
        "Initializing",
        title,
    )


def child(of: Vport, parent: Hba, targets: Iterable[Target] = (), state: str = "Online") -> Hba:
    assert of.host is not None
    number = int(of.host[len("host") :])
    return Hba(
        number=number,
        transport="fc",
        wwpn=of.wwpn,
        wwnn=of.wwnn,
        port_state=state,
        fabric_name=parent.fabric_name,
        parent=parent.name,
        targets=tuple(targets),
    )


def with_children(*parents: Hba) -> Seen:
    """Return a host with these ports, and the SCSI host of every vport."""
    children = [child(one, parent) for parent in parents for one in parent.npiv.vports if one.host is not None]
    names = frozenset(one.name for parent in parents for one in parent.npiv.vports)
    return Seen((*parents, *children), frozenset(), names)


def carried_out(seen: Seen, steps: Iterable[VhbaStep], state: str = "Active") -> Seen:
    """Return what is seen after the kernel has done the steps. New vHBAs get the next free host number."""
    for step in steps:
        if isinstance(step, CreateVport):
            assert not seen.vhbas(step.wwpn), "the kernel knows this WWPN already"
            number = max(hba.number for hba in seen.hbas) + 1
            name, title = f"vport-0:0-{number}", step.symbolic_name
            made = Vport(step.wwpn, step.wwnn, f"host{number}", state, name, "Initializing", title)
            parent = next(hba for hba in seen.hbas if hba.name == step.parent)
            assert parent.npiv.vports_in_use < parent.npiv.max_vports, "ENOSPC"
            seen = _with(seen, parent, (*parent.npiv.vports, made))
            nameable = seen.nameable | {made.name}
            seen = replace(seen, hbas=(*seen.hbas, child(made, parent)), nameable=nameable)
        elif isinstance(step, DeleteVport):
            (there,) = [one for one in seen.vhbas(step.wwpn) if one.parent.name == step.parent]
            assert there.vport.host not in seen.with_devices, "deleted with disks behind it"
            seen = seen.without(there)
        elif isinstance(step, NameVport):
            (there,) = seen.vhbas(step.wwpn)
            renamed = replace(there.vport, symbolic_name=step.name)
            vports = tuple(renamed if one == there.vport else one for one in there.parent.npiv.vports)
            seen = _with(seen, there.parent, vports)
    return seen


def _with(seen: Seen, parent: Hba, vports: tuple[Vport, ...]) -> Seen:
    npiv = replace(parent.npiv, vports=vports, vports_in_use=len(vports))
    now = replace(parent, npiv=npiv)
    return replace(seen, hbas=tuple(now if hba.number == parent.number else hba for hba in seen.hbas))
