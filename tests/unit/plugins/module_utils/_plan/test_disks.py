# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device a name means: the map, never one of its paths."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    IdentityError,
    InputError,
    NotFoundError,
    RefusedError,
)
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._model.disk import BY_MAP, BareDevice
from ansible_collections.virt.san.plugins.module_utils._plan.disks import Sight, parse_names, resolve
from ansible_collections.virt.san.tests.unit.support.multipathing import MOUNTED, path, unit, wwid

MAPPED = unit(1, name="data", uses=(MOUNTED,), by_id="/dev/disk/by-id/dm-uuid-mpath-x")
NAMES = {
    "/dev/mapper/data": "dm-1",
    "/dev/dm-1": "dm-1",
    "/dev/sdb0": "sdb0",
    "/dev/disk/by-id/wwn-0x6": "sdb1",
    "/dev/vdb": "vdb",
    "/dev/vdb1": "vdb1",
    "/dev/mapper/data-part1": "dm-7",
    "/dev/sdb01": "sdb01",
}
BARE = {
    "vdb": BareDevice("vdb", 4096, read_only=True, uses=(MOUNTED,)),
    "vdb1": BareDevice("vdb1", 2048, part_of="vdb"),
    "dm-7": BareDevice("dm-7", 2048, part_of="dm-1", name="data-part1"),
    "sdb01": BareDevice("sdb01", 2048, part_of="sdb0"),
}


def look(*units: LogicalUnit, running: bool = True) -> Sight:
    return Sight(San(luns=units or (MAPPED,), multipath_running=running), BARE, NAMES)


def by_wwid(number: int) -> str:
    return parse_names([wwid(number)], "devices")[0]


@pytest.mark.parametrize("name", [by_wwid(1), "/dev/mapper/data", "/dev/dm-1", "/dev/sdb0", "/dev/disk/by-id/wwn-0x6"])
def test_every_name_of_a_lun_means_its_map(name) -> None:
    disk = resolve(look(), [name])[name]
    assert (disk.path, disk.kernel, disk.wwid, disk.shared) == ("/dev/mapper/data", "dm-1", wwid(1), True)
    assert (disk.uses, disk.lasting) == ((MOUNTED,), "/dev/disk/by-id/dm-uuid-mpath-x")


def test_a_disk_of_the_host() -> None:
    found = resolve(look(), ["/dev/vdb", "/dev/vdb1"])
    disk, part = found["/dev/vdb"], found["/dev/vdb1"]
    assert (disk.path, disk.size, disk.read_only, disk.uses, disk.shared) == ("/dev/vdb", 4096, True, (MOUNTED,), False)
    assert (part.path, part.kernel, part.size) == ("/dev/vdb1", "vdb1", 2048)


def test_what_comes_over_a_network_may_be_others_as_well() -> None:
    sight = Sight(San(), {"nbd0": BareDevice("nbd0", 4096, remote=True)}, {"/dev/nbd0": "nbd0"})
    disk = resolve(sight, ["/dev/nbd0"])["/dev/nbd0"]
    assert (disk.path, disk.shared, disk.unit) == ("/dev/nbd0", True, None)


@pytest.mark.parametrize("name", ["/dev/mapper/data-part1", "/dev/sdb01"])
def test_a_partition_of_a_lun_is_refused(name) -> None:
    with pytest.raises(RefusedError, match="partition of the LUN /dev/mapper/data"):
        resolve(look(), [name])


def test_a_lun_without_its_map_is_refused() -> None:
    alone = unit(1, paths=1)
    with pytest.raises(RefusedError, match=f"no multipath device.*multipath_devices with wwid {wwid(1)}"):
        resolve(look(alone), [by_wwid(1)])
    with pytest.raises(RefusedError, match="no multipath device"):
        resolve(look(unit(1), running=False), [by_wwid(1)])
    assert resolve(look(alone, running=False), [by_wwid(1)])[by_wwid(1)].path == "/dev/sdb0"


def test_a_sas_disk_may_be_the_hosts_own() -> None:
    sas = unit(1, ways=(path("sdb0", 1, transport="sas"),))
    assert resolve(look(sas), ["/dev/sdb0"])["/dev/sdb0"].shared


def test_a_sata_disk_is_the_hosts_own() -> None:
    sata = replace(unit(1, ways=(path("sdb0", 1, transport="ata"),)), wwid=None)
    disk = resolve(look(sata), ["/dev/sdb0"])["/dev/sdb0"]
    assert (disk.path, disk.shared) == ("/dev/sdb0", False)


def test_what_cannot_be_known_again_is_refused() -> None:
    with pytest.raises(IdentityError, match="claimed by two"):
        resolve(look(replace(MAPPED, problem="claimed by two")), ["/dev/dm-1"])
    with pytest.raises(IdentityError, match="give it a WWID"):
        resolve(look(replace(unit(1, paths=1), wwid=None)), ["/dev/sdb0"])


def test_what_is_not_there() -> None:
    with pytest.raises(NotFoundError, match=f"WWID {wwid(2)}"):
        resolve(look(), [by_wwid(2)])
    with pytest.raises(NotFoundError, match="no block device /dev/sdzz"):
        resolve(look(), ["/dev/sdzz"])


def test_one_device_by_two_names() -> None:
    with pytest.raises(AmbiguousError, match="are the same device"):
        resolve(look(), [by_wwid(1), "/dev/sdb0"])


def test_names() -> None:
    naa = wwid(1)[1:]
    assert parse_names([f"naa.{naa}", " /dev/vdb "], "devices") == (f"{BY_MAP}{wwid(1)}", "/dev/vdb")
    for wrong in (["vdb"], ["/etc/passwd"], ["/dev/../etc/passwd"], ["/dev/vdb", "/dev/vdb"], [naa, f"0x{naa}"]):
        with pytest.raises(InputError, match="devices:"):
            parse_names(wrong, "devices")
