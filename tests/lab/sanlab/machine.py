"""Virtual machines: their disks, the QEMU process, power."""

from __future__ import annotations

import subprocess

from . import remote, seed, state
from .accel import acceleration
from .config import MGMT, Lab, Machine
from .errors import LabError
from .image import Image, image_for
from .qmp import Qmp

START_SECONDS = 20

# Quiet, as a serial line is slow; no mitigations, no confinement: nothing here is to be protected from anything.
_KERNEL_ARGUMENTS = (
    "root=/dev/vda console=ttyS0 loglevel=4 mitigations=off apparmor=0 audit=0 panic=1"
    " no_timer_check tsc=reliable ipv6.disable_ipv6=1 systemd.show_status=auto systemd.log_level=notice"
)
# Measured in seconds of real processor time until ssh answers, one virtual processor: this 31, "max" 38; two virtual
# processors 70, as each has to wait for the other at every change of a page table.
#
# Without CMPXCHG16B, which the kernel can do without: QEMU before 8.0 takes the flags of that instruction
# from what an earlier one left. An interrupt right after it finds bits of an address where the flags should be, and
# once in many hours of running a machine dies of that: "double fault" in __kmalloc, with the low half of RAX in EFLAGS.
_EMULATED_CPU = "qemu64,-svm,-cx16"
# Full FCoE frames need an MTU of 2158 and more. And no filter of addresses: each FC port has a MAC address of its own,
# and newer kernels (6.12) tell a virtio card of it some time later, so that the answer to the first frame sent from it
# would be dropped. The switch sends a machine nothing that is not for it.
_FABRIC_CARD = "host_mtu=2500,ctrl_rx=off"


def process_name(machine: str) -> str:
    return f"machine-{machine}"


def is_running(lab: Lab, machine: str) -> bool:
    return state.process(lab, process_name(machine)) is not None


def ports(lab: Lab) -> dict[str, int]:
    """The forwarded ssh port of each machine that was ever started."""
    return dict(state.load(lab, "ports", {}))


def choose_ports(lab: Lab, names: list[str]) -> None:
    """Free ports for machines that are about to start; those of running ones stay."""
    chosen = ports(lab)
    for name in names:
        if not is_running(lab, name):
            chosen[name] = 0
    for name in names:
        while chosen[name] == 0 or list(chosen.values()).count(chosen[name]) > 1:
            chosen[name] = state.free_port()
    state.save(lab, "ports", chosen)


def create_disks(lab: Lab, machine: Machine) -> None:
    """Fresh disks: an overlay over the image, and for the array an empty store."""
    image = image_for(machine.release)
    disks = lab.state / "disks"
    overlay = ["-f", "qcow2", "-F", "raw", "-b", str(image.disk), str(disks / f"{machine.name}.qcow2")]
    made = [overlay]
    if machine.data_gib:
        made.append(["-f", "qcow2", str(disks / f"{machine.name}-data.qcow2"), f"{machine.data_gib}G"])
    for arguments in made:
        subprocess.run(["qemu-img", "create", "-q", *arguments], check=True)


def has_disks(lab: Lab, machine: Machine) -> bool:
    """Whether the machine's disk is there and still rests on the image that the recipe names today."""
    overlay = lab.state / "disks" / f"{machine.name}.qcow2"
    if not overlay.exists():
        return False
    head = overlay.read_bytes()[:1024] if overlay.stat().st_size < 1 << 20 else overlay.open("rb").read(1024)
    return str(image_for(machine.release).disk).encode() in head


def _drive(lab: Lab, name: str, serial: str) -> list[str]:
    # Caching is safe enough: only a crash of the real host loses writes, and then the lab starts afresh.
    path = lab.state / "disks" / f"{name}.qcow2"
    return [
        "-drive", f"file={path},if=none,id={serial},format=qcow2,cache=unsafe,discard=unmap,aio=threads",
        "-device", f"virtio-blk-pci,drive={serial},serial={serial}",
    ]  # fmt: skip


def _fabric_cards(lab: Lab, machine: Machine) -> list[str]:
    arguments = []
    for nic in machine.nics:
        end = lab.runtime / f"{machine.name}-{nic}"
        sockets = f"local.type=unix,local.path={end}.vm,remote.type=unix,remote.path={end}.sw"
        arguments += ["-netdev", f"dgram,id=net-{nic},{sockets}"]
        mac = lab.mac(machine.name, nic)
        card = f"virtio-net-pci,id={nic},netdev=net-{nic},mac={mac},{_FABRIC_CARD},romfile="
        arguments += ["-device", card]
    return arguments


def _management_card(lab: Lab, machine: Machine, port: int) -> list[str]:
    mac = lab.mac(machine.name, MGMT)
    return [
        # restrict: the machine reaches nothing outside, only ssh comes in.
        "-netdev", f"user,id=net-{MGMT},restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22",
        "-device", f"virtio-net-pci,id={MGMT},netdev=net-{MGMT},mac={mac},romfile=",
    ]  # fmt: skip


def qemu_command(lab: Lab, machine: Machine, image: Image, accel: str, port: int) -> list[str]:
    """The whole command line of one machine."""
    run = lab.runtime / machine.name
    cpu = "host" if accel == "kvm" else _EMULATED_CPU
    console_log = lab.logs / f"{machine.name}.console.log"
    command = [
        "qemu-system-x86_64", "-name", f"sanlab-{machine.name}", "-nodefaults", "-no-user-config", "-display", "none",
        "-machine", "pc", "-accel", "tcg,thread=multi" if accel == "tcg" else accel, "-cpu", cpu,
        "-smp", "1", "-m", str(machine.memory_mib),
        "-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", _KERNEL_ARGUMENTS,
        "-fw_cfg", f"name=opt/sanlab/seed,file={lab.state}/disks/{machine.name}.seed",
        "-device", "virtio-rng-pci",
        "-chardev", f"socket,id=console,path={run}.console,server=on,wait=off,logfile={console_log},logappend=on",
        "-serial", "chardev:console",
        "-qmp", f"unix:{run}.qmp,server=on,wait=off",
    ]  # fmt: skip
    command += _drive(lab, machine.name, "root")
    if machine.data_gib:
        command += _drive(lab, f"{machine.name}-data", "store")
    return command + _management_card(lab, machine, port) + _fabric_cards(lab, machine)


def start(lab: Lab, machine: Machine) -> None:
    """Power on; returns once the monitor answers, long before the system is up."""
    image = image_for(machine.release)
    # QEMU binds its ends of the links and does not replace the file of an earlier run.
    for path in lab.runtime.glob(f"{machine.name}-*.vm"):
        path.unlink()
    remote.drop_connection(lab, machine.name)
    keys = remote.host_key(lab, machine.name)
    seed.write_seed(lab.state / "disks" / f"{machine.name}.seed", lab, machine, remote.user_key(lab), keys)
    command = qemu_command(lab, machine, image, acceleration(image), ports(lab)[machine.name])
    log = lab.logs / f"{machine.name}.qemu.log"
    process = state.start_process(lab, process_name(machine.name), command, log, {})
    monitor = lab.runtime / f"{machine.name}.qmp"
    state.wait_until(lambda: _monitor_answers(lab, machine.name) or not process.alive, START_SECONDS, 0.05)
    if not process.alive or not monitor.exists():
        raise LabError(f"{machine.name}: QEMU did not start; end of {log}:\n{log.read_text()[-1500:]}")


def _monitor_answers(lab: Lab, machine: str) -> bool:
    try:
        with monitor(lab, machine):
            return True
    except (LabError, OSError):
        return False


def monitor(lab: Lab, machine: str) -> Qmp:
    """The machine's monitor."""
    return Qmp(lab.runtime / f"{machine}.qmp")


def stop(lab: Lab, machine: str) -> bool:
    """Power off, without asking the system inside: its disk is an overlay that nobody will miss."""
    if state.process(lab, process_name(machine)):
        remote.drop_connection(lab, machine)
    return state.stop_process(lab, process_name(machine))
