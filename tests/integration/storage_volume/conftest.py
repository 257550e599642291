# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools for the tests of volumes: a folder, a directory of the array's NFS server, a volume group."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..conftest import HOSTS, Ansible, Lab
from ..playing import play, pool
from ..test_storage_pool import ISOS, PLACE
from .staging import DISKS, DROP_GROUP, GROUP, LVS, MAKE_GROUP


@pytest.fixture(scope="module")
def folders(lab: Lab, ansible: Ansible) -> Iterator[None]:
    lab.ssh("array", "exportfs -ra")
    play(ansible, pool("folder", **DISKS, state="active"), pool("export", **ISOS, state="active"))
    yield
    play(
        ansible,
        pool("folder gone", name="disks", state="absent", delete_contents=True),
        pool("export gone", name="isos", state="absent", delete_contents=True),
    )
    for host in HOSTS:
        lab.ssh(host, f"rm -rf {PLACE}")


@pytest.fixture(scope="module")
def group(lab: Lab, ansible: Ansible) -> Iterator[None]:
    for host in HOSTS:
        lab.ssh(host, f"{DROP_GROUP}; {MAKE_GROUP}")
    play(ansible, pool("group", **LVS, state="active"))
    yield
    play(ansible, pool("group gone", name=GROUP, state="absent"))
    for host in HOSTS:
        lab.ssh(host, DROP_GROUP)
