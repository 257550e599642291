"""The array's administrator: LUNs and mappings. One connection per command, whatever the number of LUNs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from . import machine, remote
from .config import ARRAY, HOSTS, Lab, hosts_named
from .errors import LabError
from .switches import member_wwpn

FC = "fc"
ISCSI = "iscsi"
_FC_TARGETS = tuple(port.nic for port in ARRAY.ports)
_SECONDS = 300

Operation = tuple[str, dict[str, Any]]


def call(lab: Lab, operations: list[Operation]) -> list[Any]:
    """Have arrayctl do operations in order; it stops at the first that is refused."""
    if not machine.is_running(lab, ARRAY.name):
        raise LabError("the array is not running: lab up")
    # Its source goes along: what runs is what is in this checkout, also after an edit.
    source = (lab.directory / "guest" / "arrayctl.py").read_text()
    output = remote.check(lab, ARRAY.name, ["python3", "-", json.dumps(operations)], source, _SECONDS)
    return list(json.loads(output))


@dataclass(frozen=True)
class Reach:
    """Who is to see a LUN, and through which targets: pairs of target and initiator."""

    pairs: tuple[tuple[str, str], ...]


def reach(lab: Lab, hosts: list[str], initiators: list[str], via: str, targets: list[str]) -> Reach:
    """Targets and initiators of a mapping. Without hosts and initiators: both hosts. Without targets: those in use."""
    chosen = [] if initiators and not hosts else hosts_named(hosts)
    if via == ISCSI:
        if targets:
            raise LabError("--target names FC targets; by iSCSI a LUN is on both portals")
        names = [lab.initiator_name(host.name) for host in chosen] + [name.lower() for name in initiators]
        if wrong := [name for name in names if not name.startswith("iqn.")]:
            raise LabError(f"{wrong[0]!r} is not an iSCSI name (iqn...)")
        return Reach(tuple((ISCSI, name) for name in names))
    for target in targets:
        if target not in _FC_TARGETS:
            raise LabError(f"the array has no FC target {target!r}; it has: {', '.join(_FC_TARGETS)}")
    pairs = []
    for target in targets or ["a", "b"]:
        fabric = target[0]
        pairs += [(target, lab.wwpn(port)) for host in chosen for port in host.ports if port.fabric == fabric]
        pairs += [(target, member_wwpn(lab, name)) for name in initiators]
    return Reach(tuple(pairs))


def map_luns(lab: Lab, luns: list[tuple[str, int]], to: Reach) -> None:
    """Map each (name, number) to everyone in reach."""
    operations: list[Operation] = [
        ("map", {"name": name, "number": number, "target": target, "initiator": initiator})
        for name, number in luns
        for target, initiator in to.pairs
    ]
    call(lab, operations)


def unmap_luns(lab: Lab, names: list[str], hosts: list[str], initiators: list[str], targets: list[str]) -> int:
    """Remove mappings, of all initiators and targets where none is named; returns how many there were."""
    wanted = None
    if hosts or initiators:
        wanted = [name if name.startswith("iqn.") else member_wwpn(lab, name) for name in initiators]
        for host in hosts_named(hosts) if hosts else []:
            wanted += [lab.initiator_name(host.name), *(lab.wwpn(port) for port in host.ports)]
    arguments = {"initiators": wanted, "targets": targets or None}
    return sum(call(lab, [("unmap", {"name": name, **arguments}) for name in names]))


def check_name(name: str) -> None:
    """Names become logical volumes and LIO objects."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}", name):
        raise LabError(f"{name!r} is no name for a LUN: letters, digits, _ . - and at most 61 of them")


def initiator_owner(lab: Lab, initiator: str) -> str:
    """The host's port or the host behind an initiator, or the initiator itself."""
    for host in HOSTS:
        if lab.initiator_name(host.name) == initiator:
            return host.name
    return lab.port_of_wwpn(initiator)


def list_luns(lab: Lab) -> list[dict[str, Any]]:
    """All LUNs with their mappings, initiators with the names of their owners."""
    luns: list[dict[str, Any]] = call(lab, [("list", {})])[0]
    for lun in luns:
        for mapping in lun["mappings"]:
            mapping["host"] = initiator_owner(lab, mapping["initiator"]).partition(":")[0]
            if mapping["host"] == mapping["initiator"].partition(":")[0]:
                mapping["host"] = None
    return luns
