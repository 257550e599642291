# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out the steps by which something is kept for the next boot."""

from __future__ import annotations

import os
import sys

from ansible_collections.virt.san.plugins.module_utils._host import keeping, systemd
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._plan import keep_steps as steps
from ansible_collections.virt.san.plugins.module_utils._plan.keep_steps import KeepStep

USUAL_PYTHON = "/usr/bin/python3"


def boot_python(host: Host) -> str:
    """Return the interpreter for the next boot: by the name that outlasts upgrades, if that is the one running now."""
    usual = os.path.realpath(host.path(USUAL_PYTHON))
    return USUAL_PYTHON if usual == os.path.realpath(sys.executable) else sys.executable


def perform(host: Host, step: KeepStep) -> None:
    """Carry out one step. Raises CommandError, UnavailableError, OSError."""
    if isinstance(step, steps.WriteFile):
        host.write_file(step.path, step.content)
    elif isinstance(step, steps.RemoveFile):
        host.remove_file(step.path)
    elif isinstance(step, steps.RemoveFolders):
        keeping.remove_folders(host, step.paths)
    else:
        _manage(host, step)


def _manage(host: Host, step: KeepStep) -> None:
    if isinstance(step, steps.EnableUnit):
        systemd.enable(host, step.name)
    elif isinstance(step, steps.EnableForBoot):
        systemd.enable_for_boot(host, step.name)
    elif isinstance(step, steps.DisableUnit):
        systemd.disable(host, step.name)
    elif isinstance(step, steps.StopUnit):
        systemd.stop(host, step.name)
    else:
        systemd.reload(host)
