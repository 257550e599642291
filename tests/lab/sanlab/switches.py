"""The two fabric switches: their processes, and zones by port names."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

from . import state
from .config import FABRICS, Lab, all_ports, port_named
from .errors import LabError
from .fabric.client import FabricClient, FabricError

START_SECONDS = 10


def fabrics_named(names: list[str]) -> list[str]:
    """The fabrics of those names; both where no name is given."""
    for name in names:
        if name not in FABRICS:
            raise LabError(f"no fabric is called {name!r}; there are: {', '.join(FABRICS)}")
    return [name for name in FABRICS if not names or name in names]


def client(lab: Lab, fabric: str) -> FabricClient:
    return FabricClient(lab.runtime / f"fabric-{fabric}.ctl")


def is_running(lab: Lab, fabric: str) -> bool:
    return state.process(lab, f"fabric-{fabric}") is not None


def start(lab: Lab, fabric: str) -> None:
    """Start a switch unless it runs; zones and FC ids of its last run come back."""
    if is_running(lab, fabric):
        return
    ports = ",".join(port.name for port in all_ports() if port.fabric == fabric)
    command = [sys.executable, "-m", "sanlab.fabric", "--name", fabric, "--sockets", str(lab.runtime)]
    command += ["--ports", ports, "--control", str(lab.runtime / f"fabric-{fabric}.ctl")]
    command += ["--state", str(lab.state / f"fabric-{fabric}.json")]
    log = lab.logs / f"fabric-{fabric}.log"
    process = state.start_process(lab, f"fabric-{fabric}", command, log, {"PYTHONPATH": str(lab.directory)})
    state.wait_until(lambda: not process.alive or _answers(lab, fabric), START_SECONDS, 0.05)
    if not process.alive:
        raise LabError(f"fabric {fabric} did not start; end of {log}:\n{log.read_text()[-1500:]}")


def _answers(lab: Lab, fabric: str) -> bool:
    try:
        client(lab, fabric).status()
    except FabricError:
        return False
    return True


def forget(lab: Lab, fabric: str) -> None:
    """Drop zones, faults and FC ids of a stopped switch's last run."""
    (lab.state / f"fabric-{fabric}.json").unlink(missing_ok=True)


def stop(lab: Lab, fabric: str) -> bool:
    return state.stop_process(lab, f"fabric-{fabric}")


# --- zones -----------------------------------------------------------------------------------------------------------


def member_wwpn(lab: Lab, member: str) -> str:
    """The WWPN behind a port's name; a WWPN stays what it is."""
    digits = member.lower().removeprefix("0x").replace(":", "")
    if re.fullmatch("[0-9a-f]{16}", digits):
        return digits
    return lab.wwpn(port_named(member))


def fabric_of_members(lab: Lab, members: Iterable[str]) -> set[str]:
    """The fabrics that the members' names tell; WWPNs of nobody here tell none."""
    wwpns = {member_wwpn(lab, member) for member in members}
    return {port.fabric for port in all_ports() if lab.wwpn(port) in wwpns}


def set_zone(lab: Lab, fabric: str, name: str, members: list[str]) -> bool:
    return client(lab, fabric).zone_set(name, [member_wwpn(lab, member) for member in members])


def set_default_zones(lab: Lab, fabric: str, second_target: bool = False) -> None:
    """Exactly the default zones; those that are right already are not touched, so that no login is disturbed."""
    switch, wanted = client(lab, fabric), lab.default_zones(fabric, second_target)
    for name in switch.zone_list():
        if name not in wanted:
            switch.zone_delete(name)
    for name, members in wanted.items():
        set_zone(lab, fabric, name, members)


def zones(lab: Lab) -> list[dict[str, Any]]:
    """All zones of the running fabrics, members as port names where they have one."""
    return [
        {"fabric": fabric, "zone": name, "members": [lab.port_of_wwpn(wwpn) for wwpn in wwpns]}
        for fabric in FABRICS
        if is_running(lab, fabric)
        for name, wwpns in client(lab, fabric).zone_list().items()
    ]


def on_all(lab: Lab, action: Callable[[FabricClient], None]) -> None:
    """Do something on every fabric that runs."""
    for fabric in FABRICS:
        if is_running(lab, fabric):
            action(client(lab, fabric))
