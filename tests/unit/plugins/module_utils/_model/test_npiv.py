# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of virtual HBAs: derived ones that never change, and those that cannot work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._model import npiv
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn


def test_derived_names_are_the_same_for_ever():
    """Another result would give every guest another identity on the SAN."""
    assert npiv.generated_names("db01", 0, "001a4a") == ("5001a4a6ccebd6af", "5001a4a6ccebd6ae")
    assert npiv.generated_names("db01", 1, "001a4a") == ("5001a4ae69f04f5b", "5001a4ae69f04f5a")


@given(name=st.text(min_size=1), instance=st.integers(0, 9), oui=st.sampled_from(["001a4a", "525400"]))
def test_derived_names_can_work(name, instance, oui):
    wwpn, wwnn = npiv.generated_names(name, instance, oui)
    assert wwpn != wwnn
    for wwn in (wwpn, wwnn):
        assert npiv.parse_vhba_wwn(wwn) == wwn
        assert wwn[:7] == f"5{oui}"


@given(st.sets(st.tuples(st.text(min_size=1), st.integers(0, 9)), min_size=2, max_size=50))
def test_different_guests_get_different_names(guests):
    names = [wwn for name, number in guests for wwn in npiv.generated_names(name, number, npiv.DEFAULT_OUI)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("wwn", "says"),
    [
        ("1111222233334444", "made-up name of many examples"),
        ("5555666677778888", "made-up name of many examples"),
        ("0000000000000000", "no name at all"),
        ("ffffffffffffffff", "no name at all"),
        ("1234000000000001", "bits 59 to 48"),
        ("10:01:00:00:c9:00:00:01", "bits 59 to 48"),
        ("6001405000000001", "begin with 6 (NAA 6)"),
        ("9001405000000001", "begin with 9 (NAA 9)"),
        ("0001405000000001", "begin with 0 (NAA 0)"),
        ("2000000000000000", "no maker and no port"),
    ],
)
def test_a_wwn_that_cannot_work(wwn, says):
    with pytest.raises(ValueError, match="cannot be the WWN of a virtual HBA") as caught:
        npiv.parse_vhba_wwn(wwn)
    assert says in str(caught.value)
    assert "SAN team" in str(caught.value)


@pytest.mark.parametrize(
    "wwn", ["5001a4a000000001", "2100001b32a1b2c3", "10000000c9a1b2c3", "c001a4a000000001", "20:00:00:25:b5:00:00:0f"]
)
def test_a_wwn_that_can(wwn):
    assert npiv.unusable(npiv.parse_vhba_wwn(wwn)) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("host3", "host3"),
        ("21:00:00:1B:32:A1:B2:C3", "2100001b32a1b2c3"),
        ("0000:3b:00.0", "0000:3b:00.0"),
        ("3B:00.1", "0000:3b:00.1"),
        ("10000:e1:00.0", "10000:e1:00.0"),
    ],
)
def test_a_parent_by_any_name(text, name):
    assert npiv.parse_parent(text) == name


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        (npiv.parse_parent, "fc0"),
        (npiv.parse_parent, "scsi_host5"),
        (npiv.parse_oui, "1a4a"),
        (npiv.parse_oui, "000000"),
        (npiv.parse_instance, -1),
        (npiv.parse_vhba_name, "  "),
        (npiv.parse_symbolic_name, "x" * 64),
        (npiv.parse_symbolic_name, ""),
        (npiv.parse_symbolic_name, "gäst"),
        (npiv.parse_symbolic_name, "db01 "),
        (npiv.parse_vhba_wwn, "5001a4a"),
    ],
)
def test_what_is_wrong_says_what_would_be_right(parse, value):
    with pytest.raises(ValueError, match=r".{20}"):
        parse(value)


def test_other_spellings():
    assert npiv.parse_oui("00:1A:4A") == npiv.parse_oui("00-1a-4a") == "001a4a"
    assert npiv.symbolic_name_of("db01") == "db01"
    assert npiv.symbolic_name_of("") is npiv.symbolic_name_of("gäst") is None
    assert npiv.WantedVhba(Wwn("5" * 16), Wwn("2" * 16)).names == f"{'5' * 16}:{'2' * 16}"
