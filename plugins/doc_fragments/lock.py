# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of every module that changes a host."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  lock_timeout:
    description:
      - Seconds to wait while another run of this collection changes the same host.
        After that the task fails and names the run that holds the lock.
      - The lock goes with its holder, so that a run that was killed blocks nobody.
    type: float
    default: 60.0
"""
