# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module promises, described once."""

from __future__ import annotations


class ModuleDocFragment:
    # For all modules. One that changes the host adds how far it supports the first three.
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description:
      - In check mode the module reads the host, makes the same plan as otherwise and reports it;
        it writes nothing.
  diff_mode:
    description:
      - With C(--diff) the module shows the state before and the state that its plan leads to.
  idempotent:
    description:
      - Run again with the same options on an unchanged host, the module changes nothing and says so.
  platform:
    description:
      - The platforms of the managed host on which the module works.
    platforms: linux
    support: full
"""

    # For modules that only read, together with the fragment above.
    READS = r"""
attributes:
  check_mode:
    support: full
    details:
      - The module only reads.
  diff_mode:
    support: N/A
    details:
      - The module changes nothing, so there is no difference to show.
  idempotent:
    support: full
    details:
      - The module changes nothing.
"""

    # For modules that return ansible_facts.
    FACTS = r"""
attributes:
  facts:
    description:
      - The module returns C(ansible_facts), which later tasks of the play see as variables.
    support: full
"""
