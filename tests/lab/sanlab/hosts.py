"""What the lab does on the hosts by itself: iSCSI sessions, and cleaning up behind tests."""

from __future__ import annotations

import json
from typing import Any

from . import array, faults, machine, remote, switches
from .config import ARRAY, FABRICS, HOSTS, Lab, Machine
from .errors import LabError
from .power import in_parallel, wait_online

_SECONDS = 120


def call(lab: Lab, host: Machine, operation: str, **arguments: Any) -> Any:
    """Have hostctl do one thing on a host."""
    if not machine.is_running(lab, host.name):
        raise LabError(f"{host.name} is not running: lab up")
    source = (lab.directory / "guest" / "hostctl.py").read_text()
    output = remote.check(lab, host.name, ["python3", "-", operation, json.dumps(arguments)], source, _SECONDS)
    return json.loads(output)


def portals() -> list[str]:
    return [f"{ARRAY.address(fabric)}:3260" for fabric in FABRICS]


def iscsi_login(lab: Lab, hosts: list[Machine], manual_scan: bool = False) -> dict[str, Any]:
    """Sessions to both portals, also again at boot, as an administrator would have them."""
    arguments = {"iqn": lab.target_iqn, "portals": portals(), "manual_scan": manual_scan}
    answers = in_parallel(lambda host: call(lab, host, "iscsi_login", **arguments), hosts)
    return {host.name: answer for host, answer in zip(hosts, answers, strict=True)}


def iscsi_logout(lab: Lab, hosts: list[Machine]) -> dict[str, Any]:
    answers = in_parallel(lambda host: call(lab, host, "iscsi_logout"), hosts)
    return {host.name: answer for host, answer in zip(hosts, answers, strict=True)}


def clean(lab: Lab) -> dict[str, Any]:
    """As after `up`, without a boot: no faults, default zones, nothing of the SAN on the hosts, no LUN on the array.

    In this order: hosts let go of devices that still answer, the array removes LUNs that nobody holds any more.
    """
    faults.clear(lab)
    for fabric in FABRICS:
        switches.start(lab, fabric)
        switches.set_default_zones(lab, fabric)
    running = [host for host in HOSTS if machine.is_running(lab, host.name)]
    in_parallel(lambda each: wait_online(lab, each), [*running, ARRAY])
    answers = in_parallel(lambda host: call(lab, host, "clean"), running)
    removed = array.call(lab, [("clear", {})])[0]["luns"]
    report = {host.name: answer for host, answer in zip(running, answers, strict=True)}
    left = {name: answer["left"] for name, answer in report.items() if answer["left"]}
    if left:
        raise LabError(f"not clean, what is left needs a reset: {json.dumps(left)}")
    return {**report, "luns_removed": removed}
