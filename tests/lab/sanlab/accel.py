"""Which acceleration really works here. /dev/kvm can be there, open, and still never run a kernel."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from .image import Image, cache_dir
from .state import write_atomically

PROBE_SECONDS = 8


def acceleration(image: Image) -> str:
    """Either "kvm" or "tcg"; found out once per boot of the real host and remembered. VIRT_SAN_ACCEL overrides."""
    if override := os.environ.get("VIRT_SAN_ACCEL"):
        return override
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    memory = cache_dir() / "acceleration.json"
    try:
        remembered = json.loads(memory.read_text())
        if remembered["boot"] == boot:
            return str(remembered["acceleration"])
    except (FileNotFoundError, KeyError, ValueError):
        pass
    found = "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and kvm_boots(image) else "tcg"
    memory.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(memory, json.dumps({"boot": boot, "acceleration": found}))
    return found


def kvm_boots(image: Image) -> bool:
    """Boot the kernel under KVM and look for its first line."""
    command = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc", "-accel", "kvm",
        "-cpu", "host", "-m", "512", "-no-reboot", "-kernel", str(image.kernel),
        "-append", "console=ttyS0 earlyprintk=serial,ttyS0", "-serial", "stdio",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdout
    os.set_blocking(process.stdout.fileno(), False)
    seen, deadline = b"", time.monotonic() + PROBE_SECONDS
    try:
        while time.monotonic() < deadline and process.poll() is None and b"Linux version" not in seen:
            seen += process.stdout.read() or b""
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    return b"Linux version" in seen
