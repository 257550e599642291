"""ssh to the machines: keys, configuration, commands."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from pathlib import Path

from .config import MACHINES, Lab
from .errors import LabError
from .state import write_atomically

RUN_SECONDS = 120


def _key_pair(path: Path, comment: str) -> tuple[str, str]:
    """A key pair, made once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], check=True)
    return path.read_text(), path.with_suffix(".pub").read_text()


def user_key(lab: Lab) -> str:
    """The public key that opens the machines."""
    return _key_pair(lab.state / "ssh" / "id_ed25519", "sanlab")[1]


def host_key(lab: Lab, machine: str) -> tuple[str, str]:
    """The machine's own key, made on this side so that it is known before the first connection."""
    return _key_pair(lab.state / "ssh" / f"host-{machine}", machine)


def write_config(lab: Lab, ports: dict[str, int]) -> None:
    """ssh_config and known_hosts for all machines."""
    known = "".join(f"sanlab-{name} {host_key(lab, name)[1]}" for name in MACHINES)
    write_atomically(lab.state / "ssh" / "known_hosts", known)
    blocks = [
        f"Host {name}\n    HostName 127.0.0.1\n    Port {ports[name]}\n    HostKeyAlias sanlab-{name}\n"
        for name in MACHINES
    ]
    # The default key exchange is safe from quantum computers, and takes seconds on an emulated processor.
    common = f"""Host {" ".join(MACHINES)}
    User root
    IdentityFile "{lab.state}/ssh/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "{lab.state}/ssh/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    PasswordAuthentication no
    KexAlgorithms curve25519-sha256
    ControlMaster auto
    ControlPath {lab.runtime}/ssh-%n
    ControlPersist 600
    ConnectTimeout 30
    ServerAliveInterval 15
    ServerAliveCountMax 4
    LogLevel ERROR
"""
    write_atomically(lab.ssh_config, "".join(blocks) + common)


def ssh_command(lab: Lab, machine: str, options: list[str] | None = None) -> list[str]:
    """The beginning of an ssh command line."""
    if not lab.ssh_config.exists():
        raise LabError("the lab was never started here: lab up")
    return ["ssh", "-F", str(lab.ssh_config), *(options or []), machine]


def run(
    lab: Lab, machine: str, command: list[str], input_text: str | None = None, seconds: float = RUN_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a command on a machine; its exit code is the caller's to judge."""
    line = [*ssh_command(lab, machine, ["-T"]), "--", shlex.join(command)]
    try:
        # Never our own standard input: ssh would read it.
        return subprocess.run(
            line, input=input_text or "", text=True, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{machine}: {shlex.join(command)[:80]} did not end within {seconds:.0f} s") from error


def check(
    lab: Lab, machine: str, command: list[str], input_text: str | None = None, seconds: float = RUN_SECONDS
) -> str:
    """Run a command on a machine and return its output; a failure is an error."""
    result = run(lab, machine, command, input_text, seconds)
    if result.returncode != 0:
        text = (result.stderr or result.stdout).strip()
        raise LabError(f"{machine}: {text or f'{shlex.join(command)[:80]} ended with {result.returncode}'}")
    return result.stdout


def drop_connection(lab: Lab, machine: str) -> None:
    """End the shared connection: after a reset it would hang instead of failing."""
    if lab.ssh_config.exists():
        command = ssh_command(lab, machine, ["-O", "exit"])
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
    (lab.runtime / f"ssh-{machine}").unlink(missing_ok=True)


def answers(port: int) -> bool:
    """Whether an ssh server speaks behind a forwarded port (the forwarder itself accepts at any time)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def wait_for_ssh(lab: Lab, machine: str, port: int, seconds: float) -> None:
    """Wait until commands run on a machine."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers(port) and run(lab, machine, ["true"], seconds=30).returncode == 0:
            return
        time.sleep(0.2)
    raise LabError(f"{machine} does not answer by ssh within {seconds:.0f} s; see: lab console {machine}")
