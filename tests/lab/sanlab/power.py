"""Up, down, reset, reboot: the life of the whole lab."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from . import faults, machine, remote, state, switches
from .config import FABRICS, HOSTS, MACHINES, Lab, Machine
from .errors import LabError
from .image import Image, ensure_image, image_for

BOOT_SECONDS = 300
ONLINE_SECONDS = 120
SHUTDOWN_SECONDS = 120

Item = TypeVar("Item")
Result = TypeVar("Result")

# One connection for the whole wait, and no process but sleep: each poll would take from the boot it waits for.
_WAIT_ONLINE = """
tries=$1
while [ "$tries" -gt 0 ]; do
    online=0
    for port in /sys/class/fc_host/host*/port_state; do
        read -r state 2>/dev/null < "$port" && [ "$state" = Online ] && online=$((online + 1))
    done
    [ "$online" -ge "$2" ] && exit 0
    tries=$((tries - 1))
    sleep 0.5
done
systemctl --no-pager --lines=20 status sanlab-fc.service
grep . /sys/class/fc_host/host*/port_state
exit 1
"""


def in_parallel(action: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Do the same for each; the first error is raised once all are done."""
    with ThreadPoolExecutor(max_workers=max(1, len(items))) as pool:
        return list(pool.map(action, items))


def build(lab: Lab, releases: list[str]) -> list[Image]:
    """Have the images, building the missing ones side by side."""
    lab.logs.mkdir(parents=True, exist_ok=True)
    return in_parallel(lambda release: ensure_image(release, lab.logs / f"build-{release}.log"), releases)


def missing_images(machines: list[Machine]) -> list[str]:
    return sorted({each.release for each in machines if not image_for(each.release).built})


def up(lab: Lab, machines: list[Machine], say: Callable[[str], None]) -> None:
    """Start what is not running, on fresh disks, and wait until every port is online."""
    if missing := missing_images(machines):
        say(f"building images: {', '.join(missing)} (minutes, once)")
        build(lab, missing)
    with state.locked(lab):
        begun = time.monotonic()
        stopped = [each for each in machines if not machine.is_running(lab, each.name)]
        start_switches(lab, say)
        start_fresh(lab, stopped, say)
        finish(lab, machines, say)
        say(f"up after {time.monotonic() - begun:.0f} s")


def start_switches(lab: Lab, say: Callable[[str], None]) -> None:
    """Start the switches that do not run; with a whole new lab they know nothing of the last one."""
    nothing_runs = not any(machine.is_running(lab, name) for name in MACHINES)
    for fabric in FABRICS:
        if switches.is_running(lab, fabric):
            continue
        if nothing_runs:
            switches.forget(lab, fabric)
        say(f"starting fabric {fabric}")
        switches.start(lab, fabric)
        switches.set_default_zones(lab, fabric)


def start_fresh(lab: Lab, machines: list[Machine], say: Callable[[str], None]) -> None:
    """Power on with new disks."""
    machine.choose_ports(lab, list(MACHINES))
    remote.write_config(lab, machine.ports(lab))
    for each in machines:
        say(f"starting {each.name}")
        faults.forget_machine(lab, each.name)
        machine.create_disks(lab, each)
        machine.start(lab, each)


def finish(lab: Lab, machines: list[Machine], say: Callable[[str], None]) -> None:
    """Wait for ssh and for the ports. The array opens its links by itself, once its targets stand."""
    in_parallel(lambda each: _wait_for_boot(lab, each, say), machines)


def _wait_for_boot(lab: Lab, each: Machine, say: Callable[[str], None]) -> None:
    begun = time.monotonic()
    remote.wait_for_ssh(lab, each.name, machine.ports(lab)[each.name], BOOT_SECONDS)
    wait_online(lab, each)
    say(f"{each.name} is ready after {time.monotonic() - begun:.0f} s")


def wait_online(lab: Lab, each: Machine) -> None:
    """Wait until all Fibre Channel ports of a machine are online."""
    arguments = [str(2 * ONLINE_SECONDS), str(len(each.nics))]
    result = remote.run(lab, each.name, ["sh", "-c", _WAIT_ONLINE, "sh", *arguments], seconds=ONLINE_SECONDS + 30)
    if result.returncode != 0:
        raise LabError(
            f"{each.name}: FC ports are not online within {ONLINE_SECONDS} s\n{result.stdout}{result.stderr}"
        )


def down(lab: Lab, say: Callable[[str], None]) -> None:
    """Stop everything we started, also what an interrupted run left behind."""
    if not lab.state.exists():
        return
    with state.locked(lab):
        names = state.started_processes(lab)
        # Machines first: they need not notice that their fabric goes.
        for name in sorted(names, key=lambda name: not name.startswith("machine-")):
            if name.startswith("machine-"):
                stopped = machine.stop(lab, name.removeprefix("machine-"))
            else:
                stopped = state.stop_process(lab, name)
            if stopped:
                say(f"stopped {name.removeprefix('machine-')}")
        for path in lab.runtime.iterdir():
            path.unlink()
        lab.runtime.rmdir()


def reset(lab: Lab, machines: list[Machine], say: Callable[[str], None]) -> None:
    """Fresh disks and a boot."""
    if missing := missing_images(machines):
        say(f"building images: {', '.join(missing)} (minutes, once)")
        build(lab, missing)
    with state.locked(lab):
        for each in machines:
            machine.stop(lab, each.name)
        start_switches(lab, say)
        start_fresh(lab, machines, say)
        finish(lab, machines, say)


def reboot(lab: Lab, machines: list[Machine], say: Callable[[str], None]) -> None:
    """An orderly reboot; the disks stay."""
    with state.locked(lab):
        in_parallel(lambda each: _restart(lab, each, _shut_down, say), machines)


def crash(lab: Lab, machines: list[Machine], wait: bool, say: Callable[[str], None]) -> None:
    """A power cut; the disks stay."""
    with state.locked(lab):
        if wait:
            in_parallel(lambda each: _restart(lab, each, _cut_power, say), machines)
        else:
            in_parallel(lambda each: _cut_power(lab, each), machines)


# A restart is a new process of the emulator: in one that has run a system before, the next kernel's start takes
# minutes, as every page that held code of the last one is slow to write.


def _shut_down(lab: Lab, each: Machine) -> None:
    remote.run(lab, each.name, ["systemctl", "poweroff"], seconds=30)
    remote.drop_connection(lab, each.name)
    if not state.wait_until(lambda: not machine.is_running(lab, each.name), SHUTDOWN_SECONDS, 0.2):
        raise LabError(f"{each.name} has not shut down within {SHUTDOWN_SECONDS} s; see: lab console {each.name}")
    _power_on(lab, each)


def _cut_power(lab: Lab, each: Machine) -> None:
    machine.stop(lab, each.name)
    _power_on(lab, each)


def _power_on(lab: Lab, each: Machine) -> None:
    """Start on the disks there are, with the cables that were pulled still pulled."""
    machine.start(lab, each)
    faults.pull_again(lab, each.name)


def _boot_id(lab: Lab, name: str) -> str:
    result = remote.run(lab, name, ["cat", "/proc/sys/kernel/random/boot_id"], seconds=20)
    return result.stdout.strip() if result.returncode == 0 else ""


def _restart(lab: Lab, each: Machine, action: Callable[[Lab, Machine], None], say: Callable[[str], None]) -> None:
    """Restart by some means, and wait until another boot than the present one answers."""
    begun, before = time.monotonic(), _boot_id(lab, each.name)
    faults.forget_duplicates(lab, each.name)
    action(lab, each)
    port = machine.ports(lab)[each.name]
    while True:
        remaining = BOOT_SECONDS - (time.monotonic() - begun)
        remote.wait_for_ssh(lab, each.name, port, remaining)
        if _boot_id(lab, each.name) not in ("", before):
            break
        remote.drop_connection(lab, each.name)
        time.sleep(0.5)
    wait_online(lab, each)
    say(f"{each.name} is back after {time.monotonic() - begun:.0f} s")


def status(lab: Lab) -> dict[str, Any]:
    """What runs, and where."""
    ports = machine.ports(lab)
    machines = {
        name: {
            "running": machine.is_running(lab, name),
            "ssh_port": ports.get(name),
            "release": each.release,
            "image_built": image_for(each.release).built,
            "initiator_name": lab.initiator_name(name),
            "addresses": [address for nic in each.nics if (address := each.address(nic))],
            "ports": {port.nic: lab.wwpn(port) for port in each.ports},
        }
        for name, each in MACHINES.items()
    }
    return {
        "machines": machines,
        "fabrics": {fabric: {"running": switches.is_running(lab, fabric)} for fabric in FABRICS},
        "hosts": [host.name for host in HOSTS],
        "iscsi_target": lab.target_iqn,
        "state": str(lab.state),
        "runtime": str(lab.runtime),
    }
