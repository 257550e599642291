# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack the program that makes virtual HBAs at boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Not loaded: only so that Ansible sends it, and what it imports, along with whoever packs it.
    from ansible_collections.virt.san.plugins.module_utils._boot import main  # noqa: F401

ENTRY = "_boot/main.py"

FILES: tuple[str, ...] = (
    "_apply/carry_out.py",
    "_apply/npiv.py",
    "_boot/console.py",
    "_boot/main.py",
    "_boot/vhba.py",
    "_errors.py",
    "_host/arrival.py",
    "_host/children.py",
    "_host/fc.py",
    "_host/hbas.py",
    "_host/host.py",
    "_host/iscsi.py",
    "_host/kept.py",
    "_host/lock.py",
    "_host/npiv.py",
    "_host/scan.py",
    "_host/scsi.py",
    "_host/systemd.py",
    "_host/udev.py",
    "_host/vpd.py",
    "_host/wait.py",
    "_model/block.py",
    "_model/definitions.py",
    "_model/fabric.py",
    "_model/ids.py",
    "_model/npiv.py",
    "_model/units.py",
    "_plan/npiv.py",
    "_plan/npiv_parent.py",
    "_plan/npiv_states.py",
    "_plan/npiv_steps.py",
    "_plan/steps.py",
)
"""What the entry imports, directly and indirectly. A test compares the list with the source."""


def packed() -> bytes:
    """Return the program. Raises UnavailableError where the running module does not give its source."""
    from ansible_collections.virt.san.plugins.module_utils._boot.packing import program

    return program(ENTRY, FILES)
