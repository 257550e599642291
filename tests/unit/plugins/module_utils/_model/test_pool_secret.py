# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password of a pool, as it is kept: there and back, and nothing of what is spoilt."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Chap
from ansible_collections.virt.san.plugins.module_utils._model.pool_secret import parse_secret, secret_path, secret_text


@pytest.mark.parametrize("chap", [Chap("me", "one-way-12"), Chap("me", "one-way-12", "array", "mutual-12")])
def test_there_and_back(chap: Chap) -> None:
    assert parse_secret(secret_text(chap)) == chap


@pytest.mark.parametrize("text", ["", "[]", '"me"', "{}", '{"username": "me"}', '{"username": "me", "password": ""}'])
def test_spoilt(text: str) -> None:
    assert parse_secret(text) is None


def test_a_file_for_each_pool() -> None:
    assert secret_path("array") == "/etc/virt-san/secrets/array.json"
