# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which HBA a pool means: by WWPN or PCI address, whatever number the kernel has given to its SCSI host. Pure.

libvirt names a SCSI host by its number, or by a PCI address with a `unique_id` that its schema wants to be 1 or more.
So what is in the XML is for libvirt, and what is kept beside it (`Kept.hba`) says who it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ansible_collections.virt.san.plugins.module_utils._errors import AmbiguousError, NotFoundError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.fabric import Hba
from ansible_collections.virt.san.plugins.module_utils._model.ids import is_wwn, parse_wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import parse_parent, parse_vhba_wwn
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    FcHostAdapter,
    PoolDefinition,
    ScsiHostAdapter,
)

LIBVIRTS = "scsi_"
"""How libvirt begins the name of a SCSI host where it speaks of devices: scsi_host3."""


def parse_host(text: str) -> str:
    """Return how an HBA is called: name of a SCSI host, WWN or PCI address. Raises ValueError."""
    return parse_parent(text[len(LIBVIRTS) :] if text.startswith(LIBVIRTS) else text)


def check_scsi_host(pool: PoolDefinition, adapter: ScsiHostAdapter) -> None:
    """Raise ValueError where nothing names the HBA."""
    if adapter.name is None and adapter.parent_address is None and pool.kept.hba is None:
        raise ValueError("source.adapter.host: name the HBA: its WWPN, PCI address or SCSI host")
    for name in filter(None, (adapter.name, adapter.parent_address)):
        _check("host", parse_host, name)


def check_fc_host(adapter: FcHostAdapter) -> None:
    """Raise ValueError for names that no vHBA can have, or a parent that is none."""
    _check("wwpn", parse_vhba_wwn, adapter.wwpn)
    _check("wwnn", parse_vhba_wwn, adapter.wwnn)
    parents = [one for one in (adapter.parent, adapter.parent_wwpn or adapter.parent_wwnn) if one is not None]
    if len(parents) + (adapter.parent_fabric_wwn is not None) > 1:
        raise ValueError("source.adapter.parent: give the parent or the fabric that it is to be in, not both")
    for parent in parents:
        _check("parent", parse_host, parent)
    if adapter.parent_fabric_wwn is not None:
        _check("fabric", parse_wwn, adapter.parent_fabric_wwn)


def _check(option: str, parse: Callable[[str], str], text: str) -> None:
    try:
        parse(text)
    except ValueError as wrong:
        raise ValueError(f"source.adapter.{option}: {wrong}") from wrong


def find_scsi_host(pool: PoolDefinition, hbas: Iterable[Hba], unique_ids: Mapping[str, int]) -> Hba | None:
    """Return the HBA of a definition; None where it is not on this host, or is named by a number alone."""
    adapter = pool.source.adapter
    if not isinstance(adapter, ScsiHostAdapter):
        return None
    name = pool.kept.hba or adapter.parent_address
    return None if name is None else _one(name, adapter, tuple(hbas), unique_ids)


def _one(name: str, adapter: ScsiHostAdapter, hbas: tuple[Hba, ...], unique_ids: Mapping[str, int]) -> Hba | None:
    called = parse_host(name)
    if is_wwn(called):
        return next((hba for hba in hbas if hba.wwpn == called), None)
    if called.startswith("host"):
        return next((hba for hba in hbas if hba.name == called), None)
    # A vHBA has the PCI address of its parent.
    found = [hba for hba in hbas if hba.pci_address == called and hba.parent is None]
    if len(found) > 1 and adapter.unique_id is not None:
        found = [hba for hba in found if unique_ids.get(hba.name) == adapter.unique_id]
    if len(found) > 1:
        told = ", ".join(f"{hba.name} (unique_id {unique_ids.get(hba.name, 0)})" for hba in found)
        raise AmbiguousError(
            f"source.adapter.host: {called} has several SCSI hosts: {told}. Say which one by unique_id, or by WWPN",
            hbas=[hba.name for hba in found],
        )
    return found[0] if found else None


# What is kept of a name that a task gives


def lasting(
    pool: PoolDefinition, hbas: Iterable[Hba], unique_ids: Mapping[str, int], old: PoolDefinition | None
) -> PoolDefinition:
    """Return a definition whose HBA is known by WWPN or PCI address. `old`: as it is defined so far.

    Raises NotFoundError for an HBA that this host does not have, AmbiguousError, RefusedError for one that has no name
    of its own.
    """
    adapter, there = pool.source.adapter, tuple(hbas)
    if isinstance(adapter, FcHostAdapter):
        return _with(pool, _lasting_vhba(adapter, there, old))
    if isinstance(adapter, ScsiHostAdapter):
        return _lasting_host(pool, adapter, there, unique_ids, old)
    return pool


def _with(pool: PoolDefinition, adapter: FcHostAdapter | ScsiHostAdapter, hba: str | None = None) -> PoolDefinition:
    return replace(pool, source=replace(pool.source, adapter=adapter), kept=replace(pool.kept, hba=hba))


def _lasting_host(
    pool: PoolDefinition,
    adapter: ScsiHostAdapter,
    hbas: tuple[Hba, ...],
    unique_ids: Mapping[str, int],
    old: PoolDefinition | None,
) -> PoolDefinition:
    name = parse_host(pool.kept.hba or adapter.parent_address or adapter.name or "")
    hba = _one(name, adapter, hbas, unique_ids)
    if hba is None:
        if old is not None and old.kept.hba == name and old.source.adapter is not None:
            return replace(pool, source=replace(pool.source, adapter=old.source.adapter), kept=old.kept)
        raise _missing("host", name, hbas)
    by_place = name == hba.pci_address and adapter.name is None
    identity = hba.pci_address if by_place else hba.wwpn or (None if hba.parent else hba.pci_address)
    if identity is None:
        raise RefusedError(
            f"source.adapter.host: {hba.name} has neither a WWPN nor a PCI address of its own, and another SCSI host "
            "may have its number after a boot",
            hba=hba.name,
        )
    number = unique_ids.get(hba.name, 0)
    if hba.pci_address is not None and hba.parent is None and number > 0:
        return _with(pool, ScsiHostAdapter(None, hba.pci_address, number), identity)
    return _with(pool, ScsiHostAdapter(hba.name), identity)


def _lasting_vhba(adapter: FcHostAdapter, hbas: tuple[Hba, ...], old: PoolDefinition | None) -> FcHostAdapter:
    fabric = adapter.parent_fabric_wwn
    plain = replace(
        adapter,
        wwpn=parse_wwn(adapter.wwpn),
        wwnn=parse_wwn(adapter.wwnn),
        parent=None,
        parent_wwnn=None,
        parent_wwpn=None,
        parent_fabric_wwn=None if fabric is None else parse_wwn(fabric),
    )
    named = adapter.parent or adapter.parent_wwpn or adapter.parent_wwnn
    if named is None:
        return plain
    name = parse_host(named)
    ports = [hba for hba in hbas if hba.wwpn is not None and hba.parent is None]
    found = [hba for hba in ports if name in (hba.name, hba.wwpn, hba.wwnn, hba.pci_address)]
    if len(found) > 1:
        raise AmbiguousError(
            f"source.adapter.parent: {name} is the name of several ports: {', '.join(map(_called, found))}. Give the "
            "WWPN of one",
            hbas=[hba.name for hba in found],
        )
    if found:
        return replace(plain, parent_wwnn=found[0].wwnn, parent_wwpn=found[0].wwpn)
    before = None if old is None else old.source.adapter
    if isinstance(before, FcHostAdapter) and name in (before.parent_wwpn, before.parent_wwnn):
        return replace(plain, parent_wwnn=before.parent_wwnn, parent_wwpn=before.parent_wwpn)
    raise _missing("parent", name, tuple(ports))


def _missing(option: str, name: str, hbas: tuple[Hba, ...]) -> NotFoundError:
    told = ", ".join(map(_called, hbas)) or "none at all"
    return NotFoundError(
        f"source.adapter.{option}: this host has no HBA {name}; it has: {told}. Is its driver loaded?",
        hbas=[hba.name for hba in hbas],
    )


def missing(pool: PoolDefinition, hbas: Iterable[Hba]) -> NotFoundError:
    """Return the error for a pool whose HBA is not on this host."""
    adapter = pool.source.adapter
    by_number = isinstance(adapter, ScsiHostAdapter) and pool.kept.hba is None and adapter.parent_address is None
    if by_number:
        return NotFoundError(
            f"pool {pool.name} is defined by the number of a SCSI host, which says nothing after a boot: describe it "
            "once more"
        )
    name = pool.kept.hba or (adapter.parent_address if isinstance(adapter, ScsiHostAdapter) else None)
    return _missing("host", str(name), tuple(hbas))


def _called(hba: Hba) -> str:
    told = ", ".join(filter(None, (hba.wwpn, hba.pci_address)))
    return f"{hba.name} ({told})" if told else hba.name
