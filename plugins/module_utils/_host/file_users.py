# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has one file open, by whatever name: in a container it goes by another one, and a file may have two.

The file is not touched for it, nor is any other file that processes have open: the kernel says which inode it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import busy
from ansible_collections.virt.san.plugins.module_utils._host.host import Host, parse_properties


def users_of_file(host: Host, path: str, device: str, inode: int, own: int) -> tuple[str, ...]:
    """Return who uses a file: processes, guests, swap, loop devices.

    `device` (major:minor of its file system) and `inode` say which one; `own` is the process that does not count.
    """
    found = dict.fromkeys(busy.users_of(host, [path], own).get(path, ()))
    found.update(dict.fromkeys(_by_inode(host, device, inode, own)))
    return tuple(found)


def writers_of_file(host: Host, path: str, device: str, inode: int, own: int) -> tuple[str, ...]:
    """Return who may write to a file; where the kernel does not tell who has it open how, all who use it."""
    if "ino:" not in (host.read("/proc/self/fdinfo/0") or host.read("/proc/self/fdinfo/1") or "ino:"):
        return users_of_file(host, path, device, inode, own)
    found = dict.fromkeys(_by_inode(host, device, inode, own, writing=True))
    found.update(dict.fromkeys(busy.kernel_users_of(host, path)))
    return tuple(found)


def _by_inode(host: Host, device: str, inode: int, own: int, writing: bool = False) -> Iterator[str]:
    for pid in host.entries("/proc") if inode else ():
        if not pid.isdigit() or int(pid) == own:
            continue
        try:
            mounts = [mount for mount, number in _open_files(host, pid, writing) if number == inode]
            if mounts and device in _devices(host, pid, mounts):
                yield busy.title(host, pid)
        except UnavailableError:
            continue  # a process of the kernel, or one that just ended


def _open_files(host: Host, pid: str, writing: bool) -> Iterator[tuple[str, int]]:
    """Return mount and inode of each open file; kernels before 5.15 do not tell."""
    for fd in host.entries(f"/proc/{pid}/fdinfo"):
        told = parse_properties(host.read(f"/proc/{pid}/fdinfo/{fd}") or "", ":")
        mount, inode = told.get("mnt_id", "").strip(), told.get("ino", "").strip()
        reads_only = told.get("flags", "").strip()[-1:] in ("0", "4")  # the last octal digit has the access mode
        if mount.isdigit() and inode.isdigit() and not (writing and reads_only):
            yield mount, int(inode)


def _devices(host: Host, pid: str, mounts: list[str]) -> set[str]:
    """Return major:minor of what is mounted there, as a process sees it."""
    rows = (line.split(" ", 3) for line in (host.read(f"/proc/{pid}/mountinfo") or "").splitlines())
    return {row[2] for row in rows if len(row) == 4 and row[0] in mounts}
