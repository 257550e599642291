# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions of vHBAs, and the units that make vHBAs of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._model.definitions import (
    definition_text,
    parse_definition,
    service_text,
)
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.npiv import WantedVhba
from ansible_collections.virt.san.plugins.module_utils._model.units import target_text

WWNS = st.from_regex(r"\A5[0-9a-f]{15}\Z").map(Wwn)


@given(st.builds(WantedVhba, WWNS, WWNS, WWNS, st.none(), st.none() | st.text(min_size=1)))
def test_read_as_written(vhba: WantedVhba) -> None:
    assert parse_definition(definition_text(vhba)) == vhba


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Expecting value"),
        ("[]", "not a JSON object"),
        ('{"wwpn": "5001a4a0000000f1"}', "wwnn, parent is missing"),
        ('{"wwpn": "5001a4a0000000f1", "wwnn": "5001a4a0000000f0", "parent": null}', "parent is missing"),
        ('{"wwpn": "db01", "wwnn": "5001a4a0000000f0", "parent": "2100001b32000000"}', "not a WWN"),
    ],
)
def test_a_spoilt_one_is_told(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_definition(text)


def test_units() -> None:
    """Before what needs LUNs; not before multipathd, which would close a circle with the local file systems."""
    lines = service_text("/usr/bin/python3").splitlines()
    (before,) = [line for line in lines if line.startswith("Before=")]
    assert before.removeprefix("Before=").split() == [
        "virt-san-pools.target",
        "libvirtd.service",
        "virtqemud.service",
        "virtstoraged.service",
        "libvirt-guests.service",
    ]
    assert not any(line.startswith("DefaultDependencies") for line in lines)
    assert "WantedBy=multi-user.target" in lines
    assert "{" not in "".join((*lines, target_text()))
