"""Faults, and the way back from each. What the switch does is remembered there; the rest in the state directory."""

from __future__ import annotations

from typing import Any

from . import array, machine, remote, state, switches
from .config import ARRAY, FABRICS, Lab, Port, port_named
from .errors import LabError


def set_link(lab: Lab, port: Port, up: bool) -> None:
    """Pull or plug the cable of a card: IP on it goes with it."""
    with machine.monitor(lab, port.machine) as connection:
        connection.call("set_link", name=port.nic, up=up)
    down = set(state.load(lab, "links-down", []))
    state.save(lab, "links-down", sorted(down - {port.name} if up else down | {port.name}))


def pull_again(lab: Lab, name: str) -> None:
    """A new process of the emulator starts with all cables plugged."""
    for port in state.load(lab, "links-down", []):
        if port.startswith(f"{name}:"):
            set_link(lab, port_named(port), False)


def forget_machine(lab: Lab, name: str) -> None:
    """A machine that is powered on anew has all its cables plugged, and no virtual ports."""
    down = [port for port in state.load(lab, "links-down", []) if not port.startswith(f"{name}:")]
    state.save(lab, "links-down", down)
    forget_duplicates(lab, name)
    if name == ARRAY.name:
        state.save(lab, "similar-target", False)


def forget_duplicates(lab: Lab, name: str) -> None:
    """Virtual ports do not survive a boot."""
    kept = [entry for entry in state.load(lab, "duplicates", []) if not entry[0].startswith(f"{name}:")]
    state.save(lab, "duplicates", kept)


def _second_targets() -> list[Port]:
    return [port for port in ARRAY.ports if port.nic != port.fabric]


def set_second_target(lab: Lab, on: bool) -> None:
    """Zone the array's second target of each fabric in or out; other zones stay as they are."""
    for fabric in FABRICS:
        for name, members in lab.default_zones(fabric, on).items():
            switches.set_zone(lab, fabric, name, members)


def _second_target_zoned(lab: Lab) -> bool:
    second = {port.name for port in _second_targets()}
    return any(second & set(zone["members"]) for zone in switches.zones(lab))


def same_wwid(lab: Lab, name: str, other: str, size: int | None) -> dict[str, Any]:
    """A second volume that claims the WWID of the first."""
    array.check_name(other)
    if size is None:
        size = next((lun["size"] for lun in array.list_luns(lab) if lun["name"] == name), None)
        if size is None:
            raise LabError(f"no LUN is called {name!r}")
    answer: dict[str, Any] = array.call(lab, [("create", {"name": other, "size": size, "wwn_of": name})])[0]
    return answer


def set_similar_target(lab: Lab, on: bool) -> None:
    """A second iSCSI target whose name begins with the whole name of the first."""
    array.call(lab, [("similar_target", {"on": on})])
    state.save(lab, "similar-target", on)


# The port's SCSI host is found by its WWPN: numbers change with every creation.
_VPORT = """
for host in /sys/class/fc_host/host*; do
    [ "$(cat "$host/port_name")" = "0x$2" ] && [ -e "$host/$1" ] || continue
    echo "$3" > "$host/$1"
    exit
done
echo "no FC port $2 that could" >&2
exit 1
"""


def duplicate_wwpn(lab: Lab, port: Port, of: str, on: bool) -> None:
    """A virtual port with a WWPN that another port has."""
    wwpn = switches.member_wwpn(lab, of)
    names = f"{wwpn}:1{wwpn[1:]}"
    attribute = "vport_create" if on else "vport_delete"
    remote.check(lab, port.machine, ["sh", "-c", _VPORT, "sh", attribute, lab.wwpn(port), names])
    kept = [entry for entry in state.load(lab, "duplicates", []) if entry != [port.name, wwpn]]
    state.save(lab, "duplicates", [*kept, [port.name, wwpn]] if on else kept)


def active(lab: Lab) -> dict[str, Any]:
    """All faults that are on, by kind; empty where none is."""
    found: dict[str, Any] = {
        "link-down": state.load(lab, "links-down", []),
        "duplicate-wwpn": [f"{port} as {lab.port_of_wwpn(wwpn)}" for port, wwpn in state.load(lab, "duplicates", [])],
        "second-target": _second_target_zoned(lab),
        "similar-target": state.load(lab, "similar-target", False),
        "fabric-stopped": [fabric for fabric in FABRICS if not switches.is_running(lab, fabric)],
    }
    for fabric in FABRICS:
        if switches.is_running(lab, fabric):
            for kind, value in switches.client(lab, fabric).status()["faults"].items():
                if value and (kind, value) not in (("npiv", True), ("duplicate_wwpn", "first")):
                    found[f"{fabric}: {kind.replace('_', '-')}"] = value
            if not switches.client(lab, fabric).status()["faults"]["npiv"]:
                found[f"{fabric}: npiv"] = "off"
    return {kind: value for kind, value in found.items() if value}


def clear(lab: Lab) -> None:
    """Undo all faults but LUNs with one WWID, which are LUNs and go with them."""
    for name in state.load(lab, "links-down", []):
        port = port_named(name)
        if machine.is_running(lab, port.machine):
            set_link(lab, port, up=True)
    state.save(lab, "links-down", [])
    for name, wwpn in state.load(lab, "duplicates", []):
        if machine.is_running(lab, port_named(name).machine):
            duplicate_wwpn(lab, port_named(name), wwpn, on=False)
    state.save(lab, "duplicates", [])
    if state.load(lab, "similar-target", False) and machine.is_running(lab, ARRAY.name):
        set_similar_target(lab, on=False)
    switches.on_all(lab, lambda switch: switch.clear_faults())
    if _second_target_zoned(lab):
        set_second_target(lab, on=False)
