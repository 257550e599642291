# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Portals are knocked at where it is known how an iface gets there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.iscsi_look import knock_all
from ansible_collections.virt.san.plugins.module_utils._host import iscsiadm
from ansible_collections.virt.san.tests.unit.support.open_iscsi import ONE, TWO, OpenIscsi

BOUND = ({"net_ifacename": "eth1"}, {"hwaddress": "52:54:00:00:00:01"}, {"ipaddress": "10.77.1.9"})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, [TWO]),
        ({}, [TWO]),
        ({"initiatorname": "iqn.2025-01.a:b", "net_ifacename": "default", "ipaddress": "<empty>"}, [TWO]),
        ({"transport_name": "iser"}, []),
        *((bound, []) for bound in BOUND),
    ],
)
def test_knocking(
    said: dict[str, str] | None, told: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = OpenIscsi(tmp_path)
    host.array.silent = {TWO}
    monkeypatch.setattr(iscsiadm, "knock", host.knock)
    if said is not None:
        host.add_iface("storage", **said)
    name = "default" if said is None else "storage"
    assert list(knock_all(host.host, host.place, (ONE, TWO), name, 5)) == told
