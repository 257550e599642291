# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a part of the file tree: found without touching it, for it may lie on a server that is gone.

What a process maps can be hard to get where that process itself hangs: whoever calls sees to a deadline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import mount, proc
from ansible_collections.virt.san.plugins.module_utils._host.host import Host

PLACES = ("cwd", "root", "exe")


def users_of(host: Host, paths: Iterable[str], own: int) -> dict[str, tuple[str, ...]]:
    """Return who uses something at each path or below: "guest vm1 (pid 12)", "swap", "loop0".

    `own`: the process that does not count.
    """
    wanted = tuple(paths)
    found: dict[str, dict[str, None]] = {path: {} for path in wanted}
    for who, used in (*_processes(host, own, wanted), *_kernel(host)):
        for path in wanted:
            if is_below(used, path):
                found[path][who] = None
    return {path: tuple(users) for path, users in found.items() if users}


def kernel_users_of(host: Host, path: str) -> tuple[str, ...]:
    """Return what of the kernel uses a file: "swap", "loop0"."""
    return tuple(dict.fromkeys(who for who, used in _kernel(host) if used == path))


def is_below(used: str, path: str) -> bool:
    return used == path or used.startswith(f"{path.rstrip('/')}/")


def _processes(host: Host, own: int, wanted: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for pid in host.entries("/proc") if wanted else ():
        if not pid.isdigit() or int(pid) == own:
            continue
        try:
            used = list(_used_by(host, pid))
        except UnavailableError:
            continue  # a process of the kernel, or one that just ended
        hits = [one for one in used if any(is_below(one, path) for path in wanted)]
        if hits:
            who = title(host, pid)
            yield from ((who, one) for one in hits)


def _used_by(host: Host, pid: str) -> Iterator[str]:
    for name in (*PLACES, *(f"fd/{fd}" for fd in host.entries(f"/proc/{pid}/fd"))):
        target = host.link(f"/proc/{pid}/{name}")
        if target is not None and target.startswith("/"):
            yield target
    yield from mapped_files(host.read(f"/proc/{pid}/maps") or "")


def mapped_files(text: str) -> set[str]:
    """Return the files in a process's maps (proc(5)): a file that was mapped may have been closed since."""
    fields = (line.split(None, 5) for line in text.splitlines())
    return {parts[5] for parts in fields if len(parts) == 6 and parts[5].startswith("/")}


def title(host: Host, pid: str) -> str:
    """Return what people know a process by."""
    name = host.read(f"/proc/{pid}/comm") or "a process"
    if name.startswith(("qemu", "kvm")):
        return f"guest {proc.guest_name(host.read_bytes(f'/proc/{pid}/cmdline'))} (pid {pid})"
    return f"{name} (pid {pid})"


def _kernel(host: Host) -> Iterator[tuple[str, str]]:
    """Files that the kernel itself uses."""
    for swap in mount.read_swaps(host):
        yield "swap", swap
    for disk in host.entries("/sys/block"):
        backing = host.read(f"/sys/block/{disk}/loop/backing_file") if disk.startswith("loop") else None
        if backing:
            yield disk, backing
