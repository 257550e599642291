# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The initramfs: it may activate volume groups before the host's own configuration is there.

Debian's hook copies all of /etc/lvm, and its rules activate every complete volume group. dracut activates what the
kernel's command line names, and is left alone.
"""

from __future__ import annotations

import os

from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import Initramfs

HOOKS = ("/usr/share/initramfs-tools/hooks/lvm2", "/etc/initramfs-tools/hooks/lvm2")
UPDATE = "/usr/sbin/update-initramfs"
DEADLINE = 900.0
"""Seconds for all installed kernels."""


def read_initramfs(host: Host, source: str) -> Initramfs:
    """Tell whether the running kernel's initramfs has a copy of `source`'s folder, and whether `source` is newer."""
    release = host.read("/proc/sys/kernel/osrelease") or ""
    built = _written(host, f"/boot/initrd.img-{release}")
    if built is None or not host.exists(UPDATE) or not any(map(host.exists, HOOKS)):
        return Initramfs()
    return Initramfs(copies=True, stale=(_written(host, source) or 0.0) > built)


def update_initramfs(host: Host) -> None:
    """Build the initramfs of all installed kernels again."""
    host.run(["update-initramfs", "-u", "-k", "all"], DEADLINE)


def _written(host: Host, path: str) -> float | None:
    try:
        return os.stat(host.path(path)).st_mtime
    except OSError:
        return None
