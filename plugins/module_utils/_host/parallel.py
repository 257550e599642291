# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same work for several things at once, each of which may wait for a network that does not answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 16

Key = TypeVar("Key")
Answer = TypeVar("Answer")


def in_parallel(keys: Iterable[Key], work: Callable[[Key], Answer]) -> dict[Key, Answer]:
    """Return what `work` answers for each key; keys that are there twice are asked once. Raises what it raises."""
    wanted = list(dict.fromkeys(keys))
    if len(wanted) < 2:
        return {key: work(key) for key in wanted}
    with ThreadPoolExecutor(max_workers=min(len(wanted), MOST)) as pool:
        return dict(zip(wanted, pool.map(work, wanted)))
