# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the units of the collection share."""

from __future__ import annotations

UNITS = "/etc/systemd/system"
POOLS = "virt-san-pools.target"
"""What needs LUNs of vHBAs hooks in here: started once they are there, and again when one comes late."""
TARGET = f"{UNITS}/{POOLS}"
VHBA_SERVICE = f"{UNITS}/virt-san-vhba@.service"
POOL_SERVICE = f"{UNITS}/virt-san-pool@.service"
"""Templates. Where one is there, something is made at boot that may need the target."""

GUESTS = "libvirtd.service virtqemud.service virtstoraged.service libvirt-guests.service"
"""What starts guests, and what they need of libvirt."""

_TARGET = """\
# Written by modules of the Ansible collection virt.san, which also remove it.
# Reached at boot when the virtual HBAs are there, or not to be waited for. What needs their LUNs says
# WantedBy=virt-san-pools.target and After=virt-san-pools.target; where a vHBA comes late, what failed is started again.
[Unit]
Description=Storage on virtual HBAs
# Or it would come after all that it wants.
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target
"""


def target_text() -> str:
    """Return the target that stands for all that needs vHBAs."""
    return _TARGET
