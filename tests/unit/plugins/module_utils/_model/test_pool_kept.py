# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept beside definitions."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept, kept_text, made_uuid, parse_kept


@given(st.builds(Kept, st.booleans(), st.none() | st.text(min_size=1)))
def test_there_and_back(kept: Kept) -> None:
    assert parse_kept(kept_text(kept)) == kept


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Expecting value"),
        ("[]", "not a JSON object"),
        ('{"single_host": "yes"}', "true or false"),
        ('{"adopted": 1}', "adopted is text"),
        ('{"more": 1}', "more is not understood"),
    ],
)
def test_spoilt(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_kept(text)


@given(st.text(), st.text())
def test_identities_are_uuids_and_stay(pool: str, device: str) -> None:
    made = made_uuid(pool, device)
    assert str(uuid.UUID(made)) == made
    assert uuid.UUID(made).version == 8
    assert made == made_uuid(pool, device)
    assert made not in (made_uuid(pool + "x", device), made_uuid(pool, device + "x"))
