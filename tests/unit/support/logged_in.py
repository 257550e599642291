# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded machines that are logged in to an iSCSI target over two portals, and can log out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import removal
from ansible_collections.virt.san.plugins.module_utils._host import iscsiadm
from ansible_collections.virt.san.plugins.module_utils._host.multipath_check import MULTIPATH
from ansible_collections.virt.san.tests.unit.support.kernel import Kernel, Timer
from ansible_collections.virt.san.tests.unit.support.open_iscsi import ONE, TWO, OpenIscsi
from ansible_collections.virt.san.tests.unit.support.recorded import Tree, recorded

TARGET = "iqn.2025-01.test.sanlab:c7e4974dc9.target"
"""The one of the recordings."""


def with_multipath(tree: Tree) -> None:
    tree[MULTIPATH] = ""


def without_maps(tree: Tree) -> None:
    for path, content in list(tree.items()):
        if "/dm-" in path or "/dm-" in str(content) or path == "/etc/multipath/wwids":
            del tree[path]


def put_up(name: str, root: Path, maps: bool, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenIscsi]:
    with recorded(name, root, with_multipath if maps else without_maps) as host:
        made = OpenIscsi(root)
        made.others, made.host = host._runner, host
        made.number = 4
        host._runner, host.clock = made.run, Timer().clock
        monkeypatch.setattr(removal.children, "write_all", Kernel(host))
        monkeypatch.setattr(iscsiadm, "knock", made.knock)
        made.array.targets = {ONE: [TARGET], TWO: [TARGET]}
        for portal in (ONE, TWO):
            made.record(TARGET, portal, "1")
        yield made


def mount(host: OpenIscsi, device: str) -> None:
    info = Path(host.host.path("/proc/self/mountinfo"))
    number = host.host.read(f"/sys/class/block/{device}/dev")
    info.write_text(f"{info.read_text()}30 1 {number} / /srv rw - ext4 /dev/{device} rw\n")
