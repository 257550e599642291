# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of storage pools and their volumes. What does not answer is a problem of one pool, not of all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Optional

from ansible_collections.virt.san.plugins.module_utils._apply.pool_keeper import PoolKeeper
from ansible_collections.virt.san.plugins.module_utils._apply.pool_look import look
from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.pool import PoolDefinition, Space
from ansible_collections.virt.san.plugins.module_utils._pools.base import Needs, PoolType, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.kinds import quiet_needs, type_of
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known, running_definition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ansible_collections.virt.san.plugins.module_utils._model.group import Group
    from ansible_collections.virt.san.plugins.module_utils._model.volume import Volume

    Lister = Callable[[PoolDefinition, Seen], Optional[Sequence[Volume]]]
    """What lists the volumes of a pool that runs; None for a type whose volumes are nobody's to list."""

_BLANK: dict[str, Any] = {
    "uuid": None,
    "type": None,
    "state": None,
    "built": None,
    "persistent": None,
    "autostart": None,
    "restart_needed": [],
    "capacity": None,
    "allocation": None,
    "available": None,
    "source": {},
    "target": {},
    "sources": [],
    "volume_group": None,
    "volumes": None,
    "problem": None,
}


@dataclass(frozen=True)
class _Pool:
    """A pool whose definition can be worked with."""

    known: Known
    kind: PoolType
    needs: Needs


def gather(host: Host, keeper: PoolKeeper, names: Iterable[str] | None, lister: Lister | None) -> list[dict[str, Any]]:
    """Return the pools of these names (None: all) that are there, with their volumes if there is a lister."""
    there = keeper.names()
    told: dict[str, dict[str, Any]] = {}
    pools: dict[str, _Pool] = {}
    for name in there if names is None else dict.fromkeys(name for name in names if name in there):
        known = keeper.look(name)
        told[name] = {**_BLANK, "name": name}
        found = _understood(known)
        if isinstance(found, str):
            told[name]["problem"] = found
        else:
            pools[name] = found
    seen, lost = _look(host, pools.values())
    at_boot = keeper.start_at_boot(tuple(pools))
    for name, pool in pools.items():
        told[name].update(_facts(pool, seen, lost, lister), autostart=name in at_boot)
    return list(told.values())


def _understood(known: Known) -> _Pool | str:
    """Return a pool with what has to be known of it; or why its definition cannot be worked with."""
    if known.latest is None:
        return f"its definition cannot be read: {known.spoilt}"
    try:
        kind = type_of(known)
    except SanError as error:
        return error.message
    return _Pool(known, kind, quiet_needs(kind, known))


def _look(host: Host, pools: Iterable[_Pool]) -> tuple[Seen, str | None]:
    """Return what is seen of all of them, and why nothing is known of volume groups. LVM is asked once."""
    needs = sum((pool.needs for pool in pools), Needs())
    if needs == Needs():
        return Seen(), None
    seen = look(host, replace(needs, group=None), noted=False, with_users=False)
    if needs.group is None:
        return seen, None
    from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
    from ansible_collections.virt.san.plugins.module_utils._host.lvm_group import read_groups

    try:
        return replace(seen, groups=read_groups(host, read_san(host, uses=False).luns, uses=False)), None
    except SanError as error:
        return seen, error.message


def _facts(pool: _Pool, seen: Seen, lost: str | None, lister: Lister | None) -> dict[str, Any]:
    known, shown = pool.known, pool.known.latest
    if shown is None:
        return {}
    told: dict[str, Any] = {
        **shown.to_dict(),
        "persistent": known.pool is not None,
        "sources": _named_sources(shown),
    }
    if pool.needs.group is not None and lost is not None:
        return {**told, "problem": lost}
    try:
        seen = replace(seen, noted=known.started is not None)
        live = running_definition(known, seen, pool.kind)
        told.update(_state(pool, shown, live, seen))
        if live is not None and lister is not None:
            volumes = lister(live, seen)
            told["volumes"] = None if volumes is None else [volume.to_dict() for volume in volumes]
    except SanError as error:
        told["problem"] = error.message
    except OSError as error:
        told["problem"] = str(error)
    places, devices = (*pool.needs.folders, *pool.needs.space), pool.needs.devices
    unknown = [f"{path}: {why}" for path, why in seen.silent.items() if path in places]
    unknown += [one.contents.problem for name, one in seen.devices.items() if name in devices and one.contents.problem]
    if unknown and told.get("problem") is None:
        told["problem"] = "; ".join(unknown)
    return told


def _state(pool: _Pool, shown: PoolDefinition, live: PoolDefinition | None, seen: Seen) -> dict[str, Any]:
    space: Space | None = None if live is None else pool.kind.space(live, seen)
    told: dict[str, Any] = {
        "state": "inactive" if live is None else "active",
        "built": pool.kind.is_built(shown, seen),
        "restart_needed": [] if live is None else list(pool.kind.restart_for(live, shown, seen)),
    }
    if space is not None:
        told.update(capacity=space.capacity, allocation=space.allocation, available=space.available)
    group = _group(shown, seen)
    if group is not None:
        whole = group.to_dict()
        told["sources"] = whole["pvs"]
        told["volume_group"] = {key: whole[key] for key in ("uuid", "name", "size", "free", "system_id", "tags")}
        told["problem"] = group.lack or None
    return told


def _group(pool: PoolDefinition, seen: Seen) -> Group | None:
    if pool.type != "logical":
        return None
    from ansible_collections.virt.san.plugins.module_utils._pools.logical import group_of

    return group_of(pool, seen)


def _named_sources(pool: PoolDefinition) -> list[dict[str, Any]]:
    """Return what a definition names as sources; of a volume group, what it is really on replaces that."""
    devices = [{"path": device.path} for device in pool.source.devices]
    if pool.source.adapter is not None:
        return [{**pool.to_dict()["source"]["adapter"], **({"hba": pool.kept.hba} if pool.kept.hba else {})}]
    if pool.type == "iscsi":
        from ansible_collections.virt.san.plugins.module_utils._pools.iscsi import (
            initiator_name,
            portals,
            target_name,
        )

        name = initiator_name(pool)
        by = {} if name is None else {"initiator": name}
        return [{"target": target_name(pool), "portal": str(portal), **by} for portal in portals(pool)]
    exports = [{"host": server.name, "dir": pool.source.directory} for server in pool.source.hosts]
    return [*devices, *exports]
