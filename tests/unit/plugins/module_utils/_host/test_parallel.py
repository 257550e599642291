# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from threading import Barrier

import pytest

from ansible_collections.virt.san.plugins.module_utils._host.parallel import in_parallel


def test_each_key_once_and_all_at_the_same_time() -> None:
    together = Barrier(3, timeout=30)

    def work(number: int) -> int:
        together.wait()  # raises unless the others are there as well
        return number * 2

    assert in_parallel([1, 2, 3, 2], work) == {1: 2, 2: 4, 3: 6}


def test_nothing_to_do() -> None:
    assert in_parallel([], str) == {}


@pytest.mark.parametrize("keys", [[1], [1, 2]])
def test_an_error_is_the_callers(keys: list[int]) -> None:
    with pytest.raises(ZeroDivisionError):
        in_parallel(keys, lambda number: number // 0)
