# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who keeps volumes: the seam between what the collection knows about them and who carries changes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._model.volume import WantedVolume
    from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
    from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import Transfer, VolumeSight

Result = TypeVar("Result")


class Apart(Protocol):
    """Has work done while others may have the host's lock."""

    def __call__(self, work: Callable[[], Result]) -> Result:
        """Return what the work returns. Raises what it raises, and RefusedError where all is not as it was before."""


class VolumeKeeper(Protocol):
    """Looks at volumes and works on them. `volumes_native.py` does so by files and LVM's own tools."""

    def look(self, pool: str, wanted: WantedVolume) -> VolumeSight:
        """Return what is there of a pool, and of the volume that is named. Nothing is written.

        Raises RefusedError where the pool is defined in a way that does not work, CommandError where it does not
        answer.
        """

    def compare(self, sight: VolumeSight, wanted: WantedVolume) -> Transfer | None:
        """Read the volume and the file that the task names, which may take hours; None where that is not there.

        Raises CommandError where something cannot be read.
        """

    def perform(self, step: Step, timeout: float, apart: Apart) -> None:
        """Carry out one step within `timeout` seconds; what may take long is done `apart`. Raises SanError, OSError."""
