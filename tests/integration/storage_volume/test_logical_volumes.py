# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logical volumes: made, grown, shrunk, in use, snapshots of them, and removed."""

from __future__ import annotations

from typing import Any

import pytest

from ..conftest import HOSTS, Ansible, Lab
from ..playing import OPENS, hold, let_go, one, play, shell, volume
from .staging import GROUP, MIB, judge, stages

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(2400), pytest.mark.usefixtures("folders", "group")]

LV_STAGES: tuple[dict[str, Any], ...] = (
    {"pool": GROUP, "name": "data", "capacity": "10000000"},
    {"pool": GROUP, "name": "data", "capacity": "33M"},
    {"pool": GROUP, "name": "data", "capacity": "16M", "allow_shrink": True},
    {"pool": GROUP, "name": "half", "capacity": "50%FREE"},
    {"pool": GROUP, "name": "half", "state": "absent"},
    {"pool": GROUP, "name": "light", "capacity": "1G", "allocation": "sparse"},
    {"pool": GROUP, "name": "light", "capacity": "2G", "thin_pool": "thin"},
    {"pool": GROUP, "name": "light", "state": "absent", "wipe": "discard"},
    {"pool": GROUP, "name": "data", "state": "absent"},
)


def test_logical_volumes(ansible: Ansible) -> None:
    run = play(ansible, *stages(*LV_STAGES))
    for host in HOSTS:
        judge(run, host, *LV_STAGES)
        sizes = [one(run, host, f"{number} run")["volume"]["capacity"] for number in (0, 1, 2)]
        assert sizes == [12 * MIB, 36 * MIB, 16 * MIB]
        light = one(run, host, "5 run")["volume"]
        assert (light["thin_pool"], light["capacity"], light["allocation"] < MIB) == ("thin", 1024 * MIB, True)


def test_logical_volumes_in_use_stay(ansible: Ansible) -> None:
    device = f"/dev/{GROUP}/data"
    run = play(
        ansible,
        volume("make", pool=GROUP, name="data", capacity="32M"),
        shell("mounted", f"mkfs.ext4 -q {device} && mount {device} /mnt"),
        volume("mounted: delete", pool=GROUP, name="data", state="absent", may_fail=True),
        volume("mounted: shrink", pool=GROUP, name="data", capacity="8M", allow_shrink=True, may_fail=True),
        volume("mounted: grow", pool=GROUP, name="data", capacity="40M"),
        shell("unmounted", "umount /mnt"),
        volume("below the file system", pool=GROUP, name="data", capacity="8M", allow_shrink=True, may_fail=True),
        hold("open", OPENS, device),
        volume("open: delete", pool=GROUP, name="data", state="absent", may_fail=True),
        let_go("closed", OPENS),
        shell("snapshot", f"lvcreate -q -y -s -L 8M -n snap {GROUP}/data"),
        volume("origin: delete", pool=GROUP, name="data", state="absent", may_fail=True),
        shell("no snapshot", f"lvremove -q -y {GROUP}/snap"),
        volume("taken", pool=GROUP, name="thin", capacity="8M", may_fail=True),
        volume("full", pool=GROUP, name="huge", capacity="1T", may_fail=True),
        volume("gone", pool=GROUP, name="data", state="absent"),
        hosts="kvm1",
    )
    says = {
        "mounted: delete": "mount /mnt",
        "mounted: shrink": "mount /mnt",
        "below the file system": f"reaches to byte {32 * MIB}",
        "open: delete": "python3 (pid ",
        "origin: delete": "snapshot snap",
        "taken": "is a thin pool",
        "full": "too full",
    }
    for title, why in says.items():
        assert why in one(run, "kvm1", title)["msg"], title
    assert "mount /mnt has it open" in one(run, "kvm1", "mounted: grow")["warnings"][0]
    assert one(run, "kvm1", "gone")["changed"]


SNAPSHOTS: tuple[dict[str, Any], ...] = (
    {"pool": GROUP, "name": "snap", "snapshot_of": "data", "capacity": "4M"},
    {"pool": GROUP, "name": "snap", "snapshot_of": "data", "capacity": "8M"},
    {"pool": GROUP, "name": "snap-light", "snapshot_of": "light"},
    {"pool": GROUP, "name": "all", "snapshot_of": "data", "capacity": "1G"},
    {"pool": GROUP, "name": "copy", "clone_from": {"path": "snap"}},
    *({"pool": GROUP, "name": name, "state": "absent"} for name in ("snap", "all", "copy", "data")),
    *({"pool": GROUP, "name": name, "state": "absent"} for name in ("light", "snap-light")),
)
OLD, SAVED = "/var/lib/san-old", "/var/lib/san-saved"
OVERWRITE = "dd if=/dev/zero of=/dev/{}/{} bs=1M count={} oflag=direct conv=notrunc status=none"


def test_snapshots(lab: Lab, ansible: Ansible) -> None:
    """Of volumes in use, which are written to then: the snapshots have the old content until they run full."""
    tasks = stages(*SNAPSHOTS)
    copies = " ".join(f"/dev/{GROUP}/{name}" for name in ("snap", "snap-light", "all", "copy"))
    fill = " && ".join(
        f"dd if={OLD} of=/dev/{GROUP}/{name} bs=1M oflag=direct status=none" for name in ("data", "light")
    )
    run = play(
        ansible,
        volume("make data", pool=GROUP, name="data", capacity="16M"),
        volume("make light", pool=GROUP, name="light", capacity="16M", thin_pool="thin"),
        shell("fill", f"head -c 16M /dev/urandom > {OLD} && {fill}"),
        hold("used", OPENS, f"/dev/{GROUP}/data", f"/dev/{GROUP}/light"),
        *tasks[:12],
        shell("overwrite", " && ".join(OVERWRITE.format(GROUP, name, 2) for name in ("data", "light"))),
        *tasks[12:15],
        shell("compare", f"sync; for i in {copies}; do cmp {OLD} $i && echo same; done"),
        shell("origins", f"for i in data light; do cmp -s {OLD} /dev/{GROUP}/$i || echo other; done"),
        volume("saved", pool=GROUP, name="snap", download_to=SAVED),
        shell("compare saved", f"cmp {OLD} {SAVED} && stat -c %s {SAVED}"),
        volume("another origin", pool=GROUP, name="snap", snapshot_of="light", may_fail=True),
        volume("no snapshot", pool=GROUP, name="copy", snapshot_of="data", capacity="4M", may_fail=True),
        volume("of a snapshot", pool=GROUP, name="new", snapshot_of="snap", capacity="4M", may_fail=True),
        volume("without space", pool=GROUP, name="new", snapshot_of="data", may_fail=True),
        volume("thin with space", pool=GROUP, name="new", snapshot_of="light", capacity="4M", may_fail=True),
        volume("in a folder", pool="disks", name="new", snapshot_of="data", may_fail=True),
        volume("two at once", pool=GROUP, name="new", snapshot_of="data", format="raw", may_fail=True),
        volume("grow the origin", pool=GROUP, name="data", capacity="20M", may_fail=True),
        volume("wipe", pool=GROUP, name="snap", state="absent", wipe="zero", may_fail=True),
        volume("wipe thin", pool=GROUP, name="snap-light", state="absent", wipe="zero", may_fail=True),
        let_go("free", OPENS),
        volume("delete the origin", pool=GROUP, name="data", state="absent", may_fail=True),
        shell("run full", f"{OVERWRITE.format(GROUP, 'data', 12)}; sync"),
        {"name": "look", "virt.san.storage_pool_info": {"name": [GROUP]}},
        volume("full", **SNAPSHOTS[1], may_fail=True),
        shell("still there", f"cmp {OLD} /dev/{GROUP}/all && rm {OLD} {SAVED}"),
        *tasks[15:],
    )
    says = {
        "another origin": "is a snapshot of data, not a snapshot of light",
        "no snapshot": "is linear, not a snapshot of data",
        "of a snapshot": "is a snapshot itself, of data",
        "without space": "capacity: data is not thin",
        "thin with space": "capacity: light is thin",
        "in a folder": "are files",
        "two at once": "mutually exclusive",
        "grow the origin": "has snapshots",
        "wipe": "cannot be wiped",
        "wipe thin": "cannot be wiped with zeros",
        "delete the origin": "would lose what it reads",
        "full": "has run full",
    }
    for host in HOSTS:
        judge(run, host, *SNAPSHOTS)
        assert one(run, host, "compare")["stdout"].split() == ["same"] * 4
        assert one(run, host, "origins")["stdout"].split() == ["other"] * 2
        assert one(run, host, "compare saved")["stdout"] == str(16 * MIB)
        made = [one(run, host, f"{number} run")["volume"] for number in range(5)]
        assert [told["capacity"] for told in made] == [size * MIB for size in (4, 8, 16, 20, 16)]
        assert [told["snapshot_of"] for told in made] == ["data", "data", "light", "data", None]
        assert [told["thin_pool"] for told in made] == [None, None, "thin", None, None]
        for title, why in says.items():
            assert why in one(run, host, title)["msg"], title
        problems = {told["name"]: told["problem"] for told in one(run, host, "look")["pools"][0]["volumes"]}
        assert "has run full" in problems.pop("snap")
        assert set(problems.values()) == {None}
        assert lab.ssh(host, f"lvs --noheadings -o lv_name {GROUP}").split() == ["thin"]
