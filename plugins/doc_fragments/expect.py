# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of every module that waits for LUNs."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  expect:
    description:
      - What must be there in the end. The LUNs that are missing are scanned for again and again until O(timeout)
        is over. Then the task fails and says what is missing, and what was seen instead.
    type: dict
    default: {}
    suboptions:
      wwids:
        description:
          - WWIDs of units that must be seen, as multipath and udev spell them (V(36001405...)), as V(naa.6001405...),
            V(eui.0025385...), or the bare hex digits.
        type: list
        elements: str
        default: []
      luns:
        description:
          - LUN numbers that must be seen, as the array counts or as the kernel does. No other LUN is scanned in then.
        type: list
        elements: int
        default: []
      sizes:
        description:
          - Size by LUN number or WWID. Each named LUN must be there and have exactly this size.
            Suffixes are 1024-based (V(10G), V(512MiB)); a plain number is bytes.
          - Where a number means several units, the one of this size is taken.
        type: dict
        default: {}
      count:
        description:
          - Exactly so many units must be seen, of those requested by number or WWID, or of all where none is.
        type: int
      paths:
        description:
          - Each requested unit must have at least so many usable paths.
        type: int
"""
