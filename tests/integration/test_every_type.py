# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools that are built on a LUN, from blank to blank, with a volume: each host has a LUN of its own, at the same time.

Pools whose volumes are LUNs go the same way in test_pools_on_hbas, folders and NFS in test_storage_pool.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab
from .playing import by_host, one, play, pool, volume
from .stages import judge, names, through_all_states
from .test_pools_on_luns import OURS, PLACE, blank

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200), pytest.mark.usefixtures("lvm_conf")]


@pytest.fixture(scope="module")
def own(lab: Lab) -> Iterator[dict[str, str]]:
    """By host the WWID of its LUN, which has two paths and a map; both hosts see both."""
    wwids = lab.provide_all({f"own-{host}": 61 + number for number, host in enumerate(HOSTS)})
    for host in HOSTS:
        lab.attach(host, *wwids.values())
    yield {host: wwids[f"own-{host}"] for host in HOSTS}
    for host in HOSTS:
        lab.ssh(host, f"rm -rf {PLACE} /etc/virt-san /run/virt-san")


def wanted(kind: str, own: dict[str, str]) -> dict[str, Any]:
    mine = {"devices": [by_host(own)]}
    name = "{{ 'every_' ~ inventory_hostname }}" if kind == "logical" else "every"
    more: dict[str, dict[str, Any]] = {
        "fs": {"source": {**mine, "format": "ext4"}, "target": {"path": f"{PLACE}/every"}},
        "disk": {"source": {**mine, "format": "gpt"}},
        "logical": {"source": {**mine, "name": name}},
    }
    return {"name": "every", "type": kind, "timeout": 120, **more[kind]}


VOLUMES: dict[str, dict[str, Any]] = {
    "fs": {"pool": "every", "name": "one", "capacity": "8M", "format": "qcow2"},
    "disk": {"pool": "every", "name": "one", "capacity": "8M"},
    "logical": {"pool": "every", "name": "one", "capacity": "8M"},
}


@pytest.mark.full
@pytest.mark.parametrize("kind", VOLUMES)
def test_from_blank_to_blank(lab: Lab, ansible: Ansible, own: dict[str, str], kind: str) -> None:
    """What libvirt prints of the definition is the definition: a task that gives it has nothing to do."""
    described = wanted(kind, own)
    tasks = through_all_states(
        described,
        pool("as libvirt prints it", xml="{{ libvirt.stdout }}", state="active"),
        *(volume(f"volume {what}", check=what == "check", **VOLUMES[kind]) for what in ("check", "run", "again")),
        delete_contents=True,
    )
    run = play(ansible, *tasks)
    for host in HOSTS:
        found = judge(run, host)
        assert names(found) == {"one"}
        assert found["volumes"][0]["capacity"] == 8 * 2**20
        assert one(run, host, "as libvirt prints it")["changed"] is False
        changed = [one(run, host, f"volume {what}")["changed"] for what in ("check", "run", "again")]
        assert changed == [True, True, False], host
        assert lab.ssh(host, f"{OURS}; true") == ""
        blank(lab, own[host])
