# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people write, and what they are told when it cannot be right."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._model import options as room

NAA = "6001405b2b3c4d5e6f708192a3b4c5d6"
IQN = "iqn.2026-01.test:array"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("host3", "host3"),
        (" host12 ", "host12"),
        ("21:00:00:1B:32:A1:B2:C3", "2100001b32a1b2c3"),
        ("iqn.2026-01.Test:Host", "iqn.2026-01.test:host"),
    ],
)
def test_hbas(text: str, meant: str) -> None:
    assert room.parse_hba(text) == meant


@pytest.mark.parametrize("text", ["", "host", "hostx", "eth0", "21:00:00:1b", "3", "host3/../host4"])
def test_what_is_no_hba(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no HBA: give the name of its SCSI host \(host3\), its WWPN"):
        room.parse_hba(text)


def test_ports() -> None:
    assert room.parse_port("0x5001405A00000001") == "5001405a00000001"
    assert room.parse_port(IQN) == IQN
    with pytest.raises(ValueError, match=r"neither a WWPN .* nor an iSCSI name"):
        room.parse_port("5001405a")


@pytest.mark.parametrize("number", [0, 27, 255, 256, 16383, 16384, 32767, "27"])
def test_lun_numbers(number: Any) -> None:
    assert room.parse_lun(number) == int(number)


@pytest.mark.parametrize("number", [-1, 32768, 99999, 123456, "x", "1.5", ""])
def test_lun_numbers_out_of_range(number: Any) -> None:
    with pytest.raises(ValueError, match="LUN number"):
        room.parse_lun(number)


def test_sizes_by_number_and_by_wwid() -> None:
    told = {27: "10G", "28": 1024, f"naa.{NAA}": "1T", NAA.upper()[:-1] + "0": "512MiB"}
    assert room.parse_sizes(told) == (
        {27: 10 * 2**30, 28: 1024},
        {f"3{NAA}": 2**40, f"3{NAA[:-1]}0": 512 * 2**20},
    )


@pytest.mark.parametrize("told", [{"27": "10X"}, {27: "0"}, {27: None}, {"lun27": "1G"}, {40000: "1G"}])
def test_sizes_that_cannot_be(told: dict[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        room.parse_sizes(told)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e9])
def test_times_that_cannot_be(seconds: float) -> None:
    with pytest.raises(ValueError, match="is not a time to wait"):
        room.parse_seconds(seconds)


def test_times() -> None:
    assert room.parse_seconds(0) == 0
    assert room.parse_deadline(0.5) == 0.5
    with pytest.raises(ValueError, match="no time for it"):
        room.parse_deadline(0)


def test_counts() -> None:
    assert room.parse_count(0) == 0
    with pytest.raises(ValueError, match="cannot be counted"):
        room.parse_count(-1)
