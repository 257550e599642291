# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who keeps volumes: the seam between what the collection knows about them and who carries changes out."""

from __future__ import annotations

from typing import Protocol

from ansible_collections.virt.san.plugins.module_utils._model.volume import WantedVolume
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import VolumeSight


class VolumeKeeper(Protocol):
    """Looks at volumes and works on them. `volumes_native.py` does so by files and LVM's own tools."""

    def look(self, pool: str, wanted: WantedVolume) -> VolumeSight:
        """Return what is there of a pool, and of the volume that is named. Nothing is written.

        Raises RefusedError where the pool is defined in a way that does not work, CommandError where it does not
        answer.
        """

    def perform(self, step: Step, timeout: float) -> None:
        """Carry out one step within `timeout` seconds. Raises SanError, OSError."""
