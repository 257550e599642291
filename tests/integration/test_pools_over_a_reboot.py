# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of every type are back after a reboot of both hosts; one that cannot start keeps none from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab
from .playing import by_host, one, play, pool
from .test_pools_on_hbas import FABRIC_A, LEFT, VPORTS, of_guest, of_target
from .test_storage_pool import IMAGES, ISOS, PLACE

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(1200), pytest.mark.usefixtures("lvm_conf")]

KINDS = ("fs", "disk", "logical")
LOST = {"type": "fc_host", "wwpn": "5001a4a00000bf1f", "wwnn": "5001a4a00000bf10", "fabric": "10000005339999ff"}
"""A virtual HBA in a fabric that there is not."""
LUNS = ("mpath", "scsi", "iscsi")
"""Types whose contents are the LUNs themselves."""
STATUS = "python3 -I /usr/local/lib/virt-san/virt-san-pools.pyz status; true"


@pytest.fixture(scope="module")
def own(lab: Lab) -> Iterator[dict[str, dict[str, str]]]:
    """WWIDs of a LUN of each host for each kind of pool that is on one, by kind and host."""
    names = {f"{kind}-{host}": (kind, host) for kind in KINDS for host in HOSTS}
    wwids = lab.provide_all({name: 71 + number for number, name in enumerate(names)})
    lab.ssh("array", "exportfs -ra")
    for host in HOSTS:
        mine = [wwid for name, wwid in wwids.items() if names[name][1] == host]
        lab.attach(host, *mine)
    yield {kind: {host: wwids[f"{kind}-{host}"] for host in HOSTS} for kind in KINDS}
    for host in HOSTS:
        lab.ssh(host, f"rm -rf {PLACE} /etc/virt-san /run/virt-san")


def every_type(own: dict[str, dict[str, str]], guests: dict[str, dict[str, str]], target: str) -> list[dict[str, Any]]:
    mine = {kind: {"devices": [by_host(own[kind])]} for kind in KINDS}
    group = "{{ 'group_' ~ inventory_hostname }}"
    return [
        IMAGES,
        ISOS,
        {"name": "fs", "type": "fs", "source": {**mine["fs"], "format": "ext4"}, "target": {"path": f"{PLACE}/fs"}},
        {"name": "disk", "type": "disk", "source": {**mine["disk"], "format": "gpt"}},
        {"name": "logical", "type": "logical", "source": {**mine["logical"], "name": group}},
        {"name": "maps", "type": "mpath"},
        {"name": "hba", "type": "scsi", "source": {"adapter": {"type": "scsi_host", "host": FABRIC_A}}},
        of_guest(guests),
        of_target(target),
    ]


def test_every_type_but_one_that_cannot_start(
    lab: Lab,
    ansible: Ansible,
    own: dict[str, dict[str, str]],
    guests: dict[str, dict[str, str]],
    target: str,
) -> None:
    up = every_type(own, guests, target)
    run = play(
        ansible,
        *(pool(f"{each['name']} up", **each, state="active", autostart=True, timeout=120) for each in up),
        pool("lost", name="lost", type="scsi", source={"adapter": LOST}, autostart=True),
    )
    assert all(one(run, host, "lost")["pool"]["autostart"] for host in HOSTS)
    lab("reboot", *HOSTS)
    wanted = sorted([*(f"pool {each['name']}: active" for each in up), "pool lost: inactive"])
    for host in HOSTS:
        count = f"({STATUS}) | grep -c ': active'"
        lab.ssh(host, f"for n in $(seq 30); do [ $({count}) = {len(up)} ] && break; sleep 1; done")
        print(lab.ssh(host, "journalctl -b -o short-monotonic -t virt-san-pool"))
        assert lab.ssh(host, STATUS).splitlines() == wanted
        assert "cycle" not in lab.ssh(host, "journalctl -b -q -p notice | grep -i 'ordering cycle'; true")
    again = play(
        ansible,
        *(pool(f"{each['name']} again", **each, state="active", autostart=True) for each in up),
        pool("lost gone", name="lost", state="absent"),
        *(
            pool(f"{each['name']} gone", name=each["name"], state="absent", delete_contents=each["type"] not in LUNS)
            for each in up
        ),
    )
    for host in HOSTS:
        # The kernel may have numbered its SCSI hosts anew: what libvirt is told of an HBA follows.
        changed = {each["name"]: one(again, host, f"{each['name']} again")["changed"] for each in up}
        assert not any(done for name, done in changed.items() if name != "hba"), changed
        units = "systemctl list-units --all --no-legend 'virt-san*'"
        assert lab.ssh(host, f"{LEFT}; {VPORTS}; {units}; ls -A {PLACE} 2>/dev/null; true") == ""
