# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identifiers: every spelling people paste ends in one canonical form, everything else in a clear error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._model import ids

HEX16 = st.integers(min_value=1, max_value=2**64 - 2).map(lambda number: f"{number:016x}")
NAA6 = st.integers(min_value=1, max_value=2**124 - 1).map(lambda number: f"6{number:031x}")


@pytest.mark.parametrize(
    "text",
    [
        "2100001b32a1b2c3",
        "0x2100001b32a1b2c3",
        "21:00:00:1B:32:A1:B2:C3",
        "21-00-00-1b-32-a1-b2-c3",
        " naa.2100001B32A1B2C3 ",
    ],
)
def test_wwn_spellings(text: str) -> None:
    assert ids.parse_wwn(text) == "2100001b32a1b2c3"


@pytest.mark.parametrize("text", ["", "21:00", "g100001b32a1b2c3", "2100001b32a1b2c3ff", "host5"])
def test_not_a_wwn(text: str) -> None:
    with pytest.raises(ValueError, match="is not a WWN"):
        ids.parse_wwn(text)
    assert not ids.is_wwn(text)


@given(HEX16)
def test_kernel_prints_wwns_without_leading_zeros(wwn: str) -> None:
    assert ids.kernel_wwn(f"0x{int(wwn, 16):x}\n") == wwn


@pytest.mark.parametrize("text", [None, "", "0xffffffffffffffff", "0x0", "unknown"])
def test_unset_wwn(text: str | None) -> None:
    assert ids.kernel_wwn(text) is None


@given(NAA6, st.sampled_from(["{}", "0x{}", "naa.{}", "3{}", "mpath-3{}"]), st.booleans())
def test_wwid_spellings(naa: str, form: str, upper: bool) -> None:
    text = form.format(naa.upper() if upper else naa)
    assert ids.parse_wwid(text) == f"3{naa}"


@pytest.mark.parametrize(
    ("text", "wwid"),
    [
        ("50060160ABCDEF01", "350060160abcdef01"),
        ("350060160abcdef01", "350060160abcdef01"),
        ("333333330000007d0", "333333330000007d0"),
        ("eui.0025385B71B0A1B2", "20025385b71b0a1b2"),
        ("20025385b71b0a1b2", "20025385b71b0a1b2"),
        ("1ATA     QEMU_HARDDISK QM00001", "1ATA     QEMU_HARDDISK QM00001"),
        ("8iqn.2026-11.org.example:disk1", "8iqn.2026-11.org.example:disk1"),
        ("SLIO-ORG_vol1_1234", "SLIO-ORG_vol1_1234"),
    ],
)
def test_wwid_kinds(text: str, wwid: str) -> None:
    assert ids.parse_wwid(text) == wwid


@pytest.mark.parametrize(
    "text", ["", "3", "27", "36001405", "3" + "0" * 32, "naa.12", "eui.0000000000000000", "sdb", "0xzz"]
)
def test_not_a_wwid(text: str) -> None:
    with pytest.raises(ValueError, match="is not a WWID"):
        ids.parse_wwid(text)


@given(NAA6)
def test_wwid_is_stable(naa: str) -> None:
    once = ids.parse_wwid(naa)
    assert ids.parse_wwid(once) == once


@given(st.integers(min_value=0, max_value=ids.MAX_FLAT_LUN))
def test_every_candidate_means_the_number(number: int) -> None:
    candidates = ids.kernel_luns(number)
    assert len(set(candidates)) == len(candidates)
    for kernel in candidates:
        assert ids.decode_lun(kernel) == number
        assert ids.same_lun(number, kernel)
        assert ids.same_lun(kernel, kernel)


def test_flat_luns_come_first_from_256_on() -> None:
    assert ids.kernel_luns(27) == (27, 0x4000 + 27)
    assert ids.kernel_luns(300) == (0x4000 + 300, 300)
    assert ids.kernel_luns(0x4000 + 300) == (0x4000 + 300,)


@pytest.mark.parametrize("number", [-1, 0x8000, 10**6])
def test_lun_out_of_range(number: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        ids.kernel_luns(number)


@pytest.mark.parametrize(
    ("text", "size"),
    [("10G", 10 * 2**30), ("512MiB", 2**29), ("1.5T", 3 * 2**39), ("4096", 4096), (7, 7), ("10 gib", 10 * 2**30)],
)
def test_sizes(text: str | int, size: int) -> None:
    assert ids.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "ten", "10X", "-1", "1.0001K", "G"])
def test_not_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        ids.parse_size(text)


@given(st.integers(min_value=0, max_value=2**40).map(lambda kib: kib * 1024))
def test_format_is_exact_or_two_digits(size: int) -> None:
    text = ids.format_size(size)
    if "." not in text:
        assert ids.parse_size(text) == size


def test_iscsi_names() -> None:
    assert ids.parse_iqn("IQN.2026-11.org.example:Disk1") == "iqn.2026-11.org.example:disk1"
    with pytest.raises(ValueError, match="is not an iSCSI name"):
        ids.parse_iqn("example:disk1")


def test_hctl() -> None:
    address = ids.parse_hctl("3:0:1:27")
    assert address == (3, 0, 1, 27)
    assert str(address) == "3:0:1:27"
    assert ids.parse_hctl("3:0:1") is None
    assert ids.parse_hctl("host3") is None
