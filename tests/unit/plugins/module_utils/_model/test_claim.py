# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virt.san.plugins.module_utils._model.claim import Claim, claim_text, parse_claim

COPY = Claim("volume b of pool images", ("/images/b",), ("/images/a", "/srv/base"), 7)


@pytest.mark.parametrize(
    ("writes", "reads", "says"),
    [
        (("/images/b",), (), "/images/b is being written by pid 7 (volume b of pool images)"),
        ((), ("/images/b",), "/images/b is being written by pid 7"),
        (("/images/a",), (), "/images/a is being copied by pid 7"),
        (("/images/new", "/srv/base"), (), "/srv/base is being copied by pid 7"),
        ((), ("/images/a", "/srv/base"), None),
        (("/images/bb",), ("/images",), None),
    ],
)
def test_who_is_in_whose_way(writes: tuple[str, ...], reads: tuple[str, ...], says: str | None) -> None:
    told = COPY.keeps_from(Claim("volume x of pool images", writes, reads, 8))
    assert told is None if says is None else (told or "").startswith(says)


def test_where_it_is() -> None:
    below = {
        place: COPY.is_below(place) for place in ("/images", "/images/", "/srv", "/", "/image", "/images/b", "/dev")
    }
    assert [place for place, is_there in below.items() if is_there] == ["/images", "/images/", "/srv", "/"]
    assert str(COPY) == "volume b of pool images (pid 7)"


def test_written_down_and_read() -> None:
    assert parse_claim(claim_text(COPY)) == COPY
    assert claim_text(COPY).startswith('{"pid": 7, "what": ')
    for text in ("", "{", "[]", '{"pid": 7, "what": "x"}', '{"pid": "x", "what": "", "writes": [], "reads": []}'):
        assert parse_claim(text) is None
