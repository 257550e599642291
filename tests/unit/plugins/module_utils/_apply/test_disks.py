# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices by all their names on recorded machines, and LUNs that are others by now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import disks
from ansible_collections.virt.san.plugins.module_utils._errors import (
    CommandError,
    IdentityError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from ansible_collections.virt.san.plugins.module_utils._host import children, ext4, fs_size, gpt, partitions, signatures
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Mmp, Signature
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Table
from ansible_collections.virt.san.tests.unit.support.kernel import Kernel, page_83
from ansible_collections.virt.san.tests.unit.support.recorded import recorded

RECORDS = ("debian12-fc", "debian13-fc")


@pytest.fixture(params=RECORDS)
def host(request, tmp_path):
    with recorded(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def kernel(host, monkeypatch):
    played = Kernel(host)
    monkeypatch.setattr(children, "write_all", played)
    return played


def mapped(host):
    return next(unit for unit in read_san(host).luns if unit.map and unit.paths and not unit.problem)


def test_no_name_of_a_lun_leads_to_a_path(host) -> None:
    """Whatever name: the map is used, or nothing."""
    san = read_san(host)
    names = [f"/dev/disk/by-id/{name}" for name in host.entries("/dev/disk/by-id")]
    names += [f"/dev/{path.device}" for unit in san.luns for path in unit.paths]
    used = set()
    for name in names:
        try:
            disk = disks.read_disks(host, san, [name])[name]
        except (RefusedError, NotFoundError):
            continue
        assert not disk.kernel.startswith("sd"), name
        used.add(disk.wwid)
    assert used >= {unit.wwid for unit in san.luns if unit.map and not unit.problem}


def test_a_partition_of_a_map_is_refused(host) -> None:
    san = read_san(host)
    parts = [f"/dev/mapper/{name}" for name in host.entries("/dev/mapper") if name.endswith("-part1")]
    assert parts
    for part in parts:
        with pytest.raises(RefusedError, match="is a partition of the LUN"):
            disks.read_disks(host, san, [part])


def test_what_is_no_lun(host) -> None:
    found = disks.read_disks(host, read_san(host), ["/dev/vda", "/dev/mapper/record--vg-data"])
    root, volume = found["/dev/vda"], found["/dev/mapper/record--vg-data"]
    assert (root.path, root.shared, {use.kind for use in root.uses}) == ("/dev/vda", False, {"mount"})
    assert (volume.path, volume.shared) == ("/dev/mapper/record--vg-data", False)
    assert root.size > 0


def test_what_is_on_them(host, monkeypatch) -> None:
    looked = []

    def read_contents(_host, path, mounted=False):
        assert mounted, "of this one the host knows by its caches what is on it"
        looked.append(path)
        return Contents(data_at=7)

    monkeypatch.setattr(disks, "read_contents", read_contents)
    (seen,) = disks.inspect(host, disks.read_disks(host, read_san(host), ["/dev/vda"]).values())
    assert (seen.contents.data_at, looked) == (7, ["/dev/vda"])
    assert signatures.DEADLINE


def test_who_has_an_ext4(host, monkeypatch) -> None:
    """What other hosts may have mounted is asked who does; that it cannot be told means that nothing is known."""
    free = replace(disks.read_disks(host, read_san(host), ["/dev/vda"])["/dev/vda"], uses=())
    inside = (Signature("ext4", "filesystem", 1080, 2, "84ca"),)
    monkeypatch.setattr(fs_size, "read_size", lambda _host, _path, kind, at: {("ext4", None): 7}[kind, at])
    monkeypatch.setattr(disks, "read_contents", lambda _host, _path, mounted: Contents(inside))
    monkeypatch.setattr(ext4, "read_mmp", lambda _host, _path: Mmp("kvm1"))
    assert disks.inspect(host, [free])[0].contents == Contents(inside, mmp=Mmp("kvm1"), filled=7)

    def unreadable(_host, _path):
        raise CommandError("it cannot be read")

    monkeypatch.setattr(ext4, "read_mmp", unreadable)
    assert disks.inspect(host, [free])[0].contents == Contents(problem="it cannot be read")


def test_how_much_of_it_is_filled(host, monkeypatch) -> None:
    """What this host has mounted is asked by where it is mounted."""
    root = disks.read_disks(host, read_san(host), ["/dev/vda"])["/dev/vda"]
    mounted = replace(root, uses=tuple(replace(use, device=root.kernel) for use in root.uses if use.by == "/"))
    inside = (Signature("xfs", "filesystem", 0, 4, "84ca"),)
    monkeypatch.setattr(disks, "read_contents", lambda _host, _path, mounted: Contents(inside))
    monkeypatch.setattr(
        fs_size, "read_size", lambda _host, path, kind, at: {("/dev/vda", "xfs", "/"): 9}[path, kind, at]
    )
    assert disks.inspect(host, [mounted])[0].contents == Contents(inside, filled=9)


def test_tables_where_they_are_asked_for(host, monkeypatch) -> None:
    (disk,) = disks.read_disks(host, read_san(host), ["/dev/vda"]).values()
    inside = (Signature("gpt", "partition-table", 512, 8),)
    monkeypatch.setattr(disks, "read_contents", lambda _host, _path, mounted: Contents(inside))
    monkeypatch.setattr(partitions, "read_table", lambda _host, path: Table("gpt", path))
    monkeypatch.setattr(gpt, "read_end", lambda _host, path: {"/dev/vda": disk.size}[path])
    assert disks.inspect(host, [disk])[0].contents.table is None
    assert disks.inspect(host, [disk], tables=True)[0].contents.table == Table("gpt", "/dev/vda", ends=disk.size)
    monkeypatch.setattr(disks, "read_contents", lambda _host, _path, mounted: Contents())
    assert disks.inspect(host, [disk], tables=True)[0].contents == Contents()


def test_a_gpt_that_reaches_beyond_its_device(host, monkeypatch) -> None:
    """sfdisk (2.38) takes the protective MBR of such a one for a dos table: it is not asked."""
    (disk,) = disks.read_disks(host, read_san(host), ["/dev/vda"]).values()
    left = (Signature("PMBR", "partition-table", 510, 2),)
    monkeypatch.setattr(disks, "read_contents", lambda _host, _path, mounted: Contents(left, 510))
    monkeypatch.setattr(partitions, "read_table", lambda _host, _path: pytest.fail("not to be asked"))
    monkeypatch.setattr(gpt, "read_end", lambda _host, _path: disk.size + 512)
    found = disks.inspect(host, [disk], tables=True)[0].contents
    assert found == Contents(problem=found.problem)
    assert f"has {disk.size} bytes, and the gpt on it ends at byte {disk.size + 512}. Nothing is" in found.problem


def test_only_a_gpt_has_an_end_of_its_own(host, monkeypatch) -> None:
    """What is left of another one at its place says nothing of a dos table."""
    (disk,) = disks.read_disks(host, read_san(host), ["/dev/vda"]).values()
    monkeypatch.setattr(partitions, "read_table", lambda _host, _path: Table("dos", "0x1"))
    monkeypatch.setattr(gpt, "read_end", lambda _host, _path: 2**20)
    for kind in ("dos", "PMBR"):
        inside = (Signature(kind, "partition-table", 510, 2),)
        monkeypatch.setattr(disks, "read_contents", lambda _host, _path, mounted, inside=inside: Contents(inside))
        assert disks.inspect(host, [disk], tables=True)[0].contents.table == Table("dos", "0x1")


def test_a_lun_that_is_another_by_now(host, kernel) -> None:
    unit = mapped(host)
    disks.confirm(host, [unit])
    assert kernel.writes("rescan") == sorted(str(path.hctl) for path in unit.paths if path.state == "running")
    kernel.pages[str(unit.paths[0].hctl)] = page_83("6001405" + "f" * 25)
    with pytest.raises(IdentityError, match=r"f{25}"):
        disks.confirm(host, [unit])


def test_a_lun_that_does_not_say_who_it_is(host, kernel) -> None:
    unit = mapped(host)
    kernel.stubborn = tuple({path.hba for path in unit.paths})
    with pytest.raises(CommandError, match="do not say who they are"):
        disks.confirm(host, [unit])


def test_disks_of_the_host_are_not_asked(host, kernel) -> None:
    san = read_san(host)
    root = disks.read_disks(host, san, ["/dev/vda"])["/dev/vda"]
    with disks.alone_on(host, san, [root], 1.0) as held:
        assert held.wwids == []
    assert kernel.asked == {}


def test_what_cannot_be_reserved_is_not_had_alone(host, kernel) -> None:
    """A device that comes over a network, and is no LUN."""
    san = read_san(host)
    root = disks.read_disks(host, san, ["/dev/vda"])["/dev/vda"]
    far = replace(root, path="/dev/nbd0", remote=True)
    refused = pytest.raises(UnavailableError, match=r"/dev/nbd0 comes over a network.*exclusive: false")
    with refused, disks.alone_on(host, san, [root, far], 1.0):
        pytest.fail("not to be reached")
    with disks.alone_on(host, san, [root, far], 1.0, required=False) as held:
        assert held.wwids == []
    (warning,) = held.warnings
    assert "nothing keeps another host from building on it at once" in warning
    assert kernel.asked == {}
