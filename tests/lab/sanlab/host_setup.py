"""What this computer needs: found, asked for, or installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from .errors import LabError

# Program -> the Debian package that brings it.
_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "debootstrap": "debootstrap",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
}
_SYSTEM_PATH = "/usr/sbin:/sbin"


def missing_packages() -> list[str]:
    """Packages whose programs are not there."""
    path = f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}"
    missing = {package for program, package in _PROGRAMS.items() if not shutil.which(program, path=path)}
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        missing.add("debian-archive-keyring")
    return sorted(missing)


def require() -> None:
    """An error that says what is missing and how to get it."""
    if missing := missing_packages():
        raise LabError(f"this computer lacks {', '.join(missing)}; run: lab setup")


def install(say: Callable[[str], None]) -> None:
    """Install what is missing, and nothing where nothing is."""
    missing = missing_packages()
    if not missing:
        say("nothing is missing")
        return
    if not shutil.which("apt-get"):
        raise LabError(f"install these by hand, there is no apt-get here: {', '.join(missing)}")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    if sudo and not shutil.which("sudo"):
        raise LabError(f"run as root, or install sudo: {', '.join(missing)} have to be installed")
    say(f"installing {', '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*sudo, "apt-get", "update", "-q"], check=True, env=environment)
    command = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-q", "-y"]
    subprocess.run([*command, "--no-install-recommends", *missing], check=True)
