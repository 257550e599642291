# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each state of a vport means, and what to do about it. Pure.

The kernel's words, as fc_vports/*/vport_state has them.
"""

from __future__ import annotations

ACTIVE = "Active"

COMING = {
    "Unknown": "the driver has not said anything of it yet",
    "Linkdown": "the link of its parent is down: check cable and switch port",
    "Initializing": (
        "it logs in to the fabric. Where it stays so, the switch turns it down or does not answer: is NPIV on at the "
        "switch port, is a limit of logins reached there, is its WWPN logged in from elsewhere already?"
    ),
}
"""States that are waited for."""

FAILED = {
    "Disabled": "an administrator has disabled it: enable it by the tool it was disabled with, or delete it",
    "No Fabric Support": "the switch has NPIV off, or is none: have it turned on for the switch port of the parent",
    "No Fabric Resources": "the switch has no room for one more login at this port: have its limit raised, or take "
    "another parent",
    "Fabric Rejected WWN": "the switch does not accept its WWPN: it is logged in from elsewhere, or not allowed at "
    "this port (port security)",
    "Fabric Logout": "the switch has logged it out: ask the SAN team why, as in its log",
    "VPort Failed": "the driver has given up: the kernel's log (dmesg) says why",
}
"""States that do not end by waiting."""

DELETABLE = frozenset(FAILED) - {"Disabled"}
"""Failed states that end by making the vport anew: its login is tried once only by some drivers."""


def failed(state: str) -> bool:
    """Tell whether waiting is in vain."""
    return state in FAILED


def advice(state: str) -> str:
    """Return what a state means and what to do."""
    return FAILED.get(state) or COMING.get(state) or "this release of the collection does not know that state"
