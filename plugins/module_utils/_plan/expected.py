# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task expects to be there in the end. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid


@dataclass(frozen=True)
class Expect:
    """What must be there in the end. Nothing given: nothing is waited for but what appears."""

    wwids: tuple[Wwid, ...] = ()
    luns: tuple[int, ...] = ()
    lun_sizes: Mapping[int, int] = field(default_factory=dict)
    """Bytes by LUN number."""
    wwid_sizes: Mapping[Wwid, int] = field(default_factory=dict)
    """Bytes by WWID."""
    count: int | None = None
    """Logical units: exactly so many."""
    paths: int | None = None
    """Usable paths of each unit: at least so many."""

    @property
    def all_luns(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys((*self.luns, *self.lun_sizes)))

    @property
    def all_wwids(self) -> tuple[Wwid, ...]:
        return tuple(dict.fromkeys((*self.wwids, *self.wwid_sizes)))

    @property
    def anything(self) -> bool:
        return bool(self.all_luns or self.all_wwids) or self.count is not None or self.paths is not None
