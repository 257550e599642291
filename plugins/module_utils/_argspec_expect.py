# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of whoever waits for LUNs, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._argspec import parsed, parsed_list
from ansible_collections.virt.san.plugins.module_utils._model import options as parse
from ansible_collections.virt.san.plugins.module_utils._model.ids import parse_wwid
from ansible_collections.virt.san.plugins.module_utils._plan.expected import Expect

EXPECT: dict[str, Any] = {
    "expect": {
        "type": "dict",
        "default": {},
        "options": {
            "wwids": {"type": "list", "elements": "str", "default": []},
            "luns": {"type": "list", "elements": "int", "default": []},
            "sizes": {"type": "dict", "default": {}},
            "count": {"type": "int"},
            "paths": {"type": "int"},
        },
    }
}


def expect_of(expect: Mapping[str, Any]) -> Expect:
    """Return what is expected in the model's terms. Raises InputError that names the option."""
    lun_sizes, wwid_sizes = parsed("expect.sizes", parse.parse_sizes, expect["sizes"])
    return Expect(
        wwids=parsed_list("expect.wwids", parse_wwid, expect["wwids"]),
        luns=parsed_list("expect.luns", parse.parse_lun, expect["luns"]),
        lun_sizes=lun_sizes,
        wwid_sizes=wwid_sizes,
        count=None if expect["count"] is None else parsed("expect.count", parse.parse_count, expect["count"]),
        paths=None if expect["paths"] is None else parsed("expect.paths", parse.parse_count, expect["paths"]),
    )
