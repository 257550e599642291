# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and sizes of volumes as people write them."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.plugins.module_utils._model.volume import (
    Share,
    parse_capacity,
    parse_volume_name,
    rounded_up,
)


@pytest.mark.parametrize(
    ("text", "capacity"),
    [
        ("10G", 10 * 2**30),
        ("1536", 1536),
        (4096, 4096),
        ("1.5M", 1572864),
        ("50%FREE", Share(50)),
        (" 100 % free ", Share(100)),
    ],
)
def test_a_capacity(text: str | int, capacity: int | Share) -> None:
    assert parse_capacity(text) == capacity


@pytest.mark.parametrize("text", ["0", "0%FREE", "101%FREE", "50%", "50%VG", "-1", "ten", "", "999%FREE"])
def test_no_capacity(text: str) -> None:
    with pytest.raises(ValueError, match=r"as in|0 bytes"):
        parse_capacity(text)


def test_a_share_for_people() -> None:
    assert str(parse_capacity("7%free")) == "7%FREE"


@pytest.mark.parametrize("name", ["a", "db 01.raw", "x" * 255, "ä.qcow2", "-rf"])
def test_a_name(name: str) -> None:
    assert parse_volume_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "a/b", "a\n", " a", "a\x7f", "x" * 256, "ä" * 128])
def test_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        parse_volume_name(name)


def test_rounding() -> None:
    assert [rounded_up(size, 512) for size in (0, 1, 512, 513)] == [0, 512, 512, 1024]
