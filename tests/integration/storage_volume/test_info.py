# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What storage_pool_info tells of volumes: as many as a pool may have, as the platform tells of them itself."""

from __future__ import annotations

import pytest

from ..conftest import HOSTS, Ansible, Lab
from ..playing import one, play, shell, volume
from .staging import FOLDER, GROUP, LOOP, MIB

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(2400), pytest.mark.usefixtures("folders", "group")]

MANY = 1000
MAKE_MANY = f"""
cd {FOLDER} && qemu-img create -q -f qcow2 -b /dev/null -F raw v 1G && python3 -c '
data = open("v", "rb").read()
for number in range({MANY}):
    open(f"v{{number}}", "wb").write(data)
' && rm v
"""


def test_what_there_is(lab: Lab, ansible: Ansible) -> None:
    """A thousand images, told by their headers; a volume group with its PVs; as LVM itself tells."""
    run = play(
        ansible,
        volume("thin", pool=GROUP, name="light", capacity="1G", allocation="sparse"),
        volume("linear", pool=GROUP, name="data", capacity="8M"),
        shell("many", MAKE_MANY),
        {"name": "look", "virt.san.storage_pool_info": {}},
        {"name": "one", "virt.san.storage_pool_info": {"name": [GROUP], "volumes": False}},
        shell("lvm", f"lvs --noheadings --units b --nosuffix --separator , -o lv_uuid,lv_path,lv_size {GROUP}"),
        shell("pvs", f"pvs --noheadings --units b --nosuffix --separator , -o pv_uuid,pv_name,pv_size {LOOP}"),
        *(volume(f"{name} gone", pool=GROUP, name=name, state="absent") for name in ("light", "data")),
        shell("fewer", f"find {FOLDER} -type f -delete"),
    )
    for host in HOSTS:
        found = {entry["name"]: entry for entry in one(run, host, "look")["pools"]}
        assert set(found) >= {"disks", "isos", GROUP}
        assert [found[name]["problem"] for name in ("disks", "isos", GROUP)] == [None] * 3
        disks = found["disks"]["volumes"]
        assert len(disks) == MANY
        assert {(disk["capacity"], disk["format"], disk["backing"]["path"]) for disk in disks} == {
            (1024 * MIB, "qcow2", "/dev/null")
        }
        rows = {row.split(",")[0].strip(): row.split(",")[1:] for row in one(run, host, "lvm")["stdout"].splitlines()}
        lvs = {entry["key"]: [entry["path"], str(entry["capacity"])] for entry in found[GROUP]["volumes"]}
        assert {name for name, _size in lvs.values()} == {f"/dev/{GROUP}/light", f"/dev/{GROUP}/data"}
        assert all(rows[key] == told for key, told in lvs.items())
        (source,) = found[GROUP]["sources"]
        assert [source["uuid"], source["path"], str(source["size"])] == [
            word.strip() for word in one(run, host, "pvs")["stdout"].split(",")
        ]
        (alone,) = one(run, host, "one")["pools"]
        assert (alone["name"], alone["volumes"], alone["capacity"]) == (GROUP, None, found[GROUP]["capacity"])
        assert lab.ssh(host, f"ls -A {FOLDER}") == ""
