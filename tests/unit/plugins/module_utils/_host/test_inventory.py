# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole picture, on machines of the lab as they were recorded, and on what happens to such machines."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import inventory, lvm, multipath, udev
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.tests.unit.support.recorded import RecordedHost, names, recorded

BOTH = pytest.mark.parametrize("distro", ["debian12", "debian13"], scope="class")
MB = 2**20


def by_number(san):
    """Return the units by the LUN number of their first path."""
    return {unit.paths[0].lun: unit for unit in san.luns}


def uses(unit):
    return [(use.kind, use.by.partition(" (pid")[0], use.active) for use in unit.uses]


@pytest.fixture(scope="class")
def host(request, distro, tmp_path_factory):
    """The machine of a class of tests, in both releases."""
    with recorded(f"{distro}-{request.cls.case}", tmp_path_factory.mktemp("host")) as host:
        yield host


@BOTH
class TestFibreChannel:
    """Two fabrics, one path through each."""

    case = "fc"

    def test_hbas(self, host):
        first, second, virtual = read_san(host).hbas
        assert [hba.transport for hba in (first, second, virtual)] == ["fcoe"] * 3
        assert first.port_state == second.port_state == "Online"
        assert first.fabric_name != second.fabric_name
        assert first.initiator == first.wwpn
        assert first.driver == "fcoe"
        assert first.speed is None
        assert first.pci_address == "0000:00:05.0"
        (target,) = first.targets
        assert target.scannable
        assert target.roles == ("FCP Target", "FCP Initiator")

    def test_a_virtual_hba_and_its_parent(self, host):
        first, second, virtual = read_san(host).hbas
        assert (virtual.parent, virtual.npiv.capable) == ("host0", False)
        assert (first.npiv.capable, first.npiv.max_vports, first.npiv.vports_in_use) == (True, 65535, 1)
        (vport,) = first.npiv.vports
        assert (vport.wwpn, vport.wwnn, vport.host) == (virtual.wwpn, virtual.wwnn, virtual.name)
        assert (vport.name, vport.state, vport.last_state) == ("vport-0:0-0", "Active", "Initializing")
        assert (first.children, second.children, virtual.children) == (["host2"], [], [])
        assert first.online
        assert virtual.online
        assert (virtual.vendor, virtual.pci_address) == (first.vendor, first.pci_address) == ("Red Hat", "0000:00:05.0")
        facts = first.to_dict()
        assert (facts["children"], facts["online"]) == (["host2"], True)
        assert facts["npiv"]["vports"][0]["last_state"] == "Initializing"
        assert second.npiv.vports == ()

    def test_a_map_is_the_device(self, host):
        unit = by_number(read_san(host))[54]
        assert unit.map is not None
        assert unit.device == f"/dev/mapper/{unit.wwid}"
        assert unit.by_id == f"/dev/disk/by-id/dm-uuid-mpath-{unit.wwid}"
        assert unit.map.alias is None
        assert unit.map.queueing == "12 chk"
        assert unit.size == unit.map.size == 64 * MB
        assert unit.unmapped_paths == ()
        assert [path.checker for path in unit.paths] == ["ready", "ready"]
        assert {path.hba for path in unit.paths} == {"host0", "host1"}
        assert len({path.target for path in unit.paths}) == 2
        assert (unit.vendor, unit.product, unit.revision) == ("LIO-ORG", "IBLOCK", "4.0")
        assert (unit.logical_block_size, unit.problem) == (512, None)
        assert unit.serial is not None
        assert [one.kind for one in unit.designators] == ["naa", "t10"]
        assert unit.designators[0].wwid == unit.wwid

    def test_who_uses_what(self, host):
        units = by_number(read_san(host))
        assert uses(units[27]) == [("mount", "/srv/images", True)]
        assert uses(units[28]) == [("lvm_pv", "record-vg", True)]
        assert uses(units[29]) == [("partition", f"{units[29].wwid}-part1", False)]
        assert uses(units[53]) == [("qemu", "db01", True)]
        assert uses(units[54]) == uses(units[55]) == uses(units[300]) == []
        assert [number for number, unit in sorted(units.items()) if unit.held] == [27, 28, 53]
        assert [number for number, unit in sorted(units.items()) if unit.in_use] == [27, 28, 29, 53]

    def test_content_is_told_by_udev(self, host):
        contents = {number: unit.content for number, unit in by_number(read_san(host)).items()}
        assert (contents[27], contents[28], contents[29], contents[54]) == ("ext4", "LVM2_member", "dos", None)

    def test_paths_without_a_map(self, host):
        units = by_number(read_san(host))
        assert units[300].map is None
        assert units[300].by_id == f"/dev/disk/by-id/scsi-{units[300].wwid}"
        assert [path.state for path in units[300].paths] == ["running"]
        assert sorted(path.state for path in units[55].paths) == ["offline", "running"]
        assert [path.checker for path in units[55].paths] == [None, None]

    def test_all_is_well(self, host):
        san = read_san(host)
        assert (san.warnings, san.orphans, san.multipath_running) == ((), (), True)

    def test_lvm_with_identities(self, host):
        san = read_san(host)
        told = lvm.read_lvm(host, san.luns, 10)
        (group,) = told.vgs
        assert [pv.wwid for pv in group.pvs] == [by_number(san)[28].wwid]
        assert [(one.name, one.active) for one in told.lvs] == [("data", True)]

    def test_a_late_daemon_is_a_warning(self, host, monkeypatch):
        def late(_host, _deadline):
            raise CommandError("multipathd did not answer")

        monkeypatch.setattr(multipath, "show_maps", late)
        san = read_san(host)
        assert san.warnings == ("states of path checkers are not known: multipathd did not answer",)
        assert {path.checker for unit in san.luns for path in unit.paths} == {None}
        assert san.multipath_running

    def test_an_open_map_nobody_is_known_to_use(self, host, monkeypatch):
        free = by_number(read_san(host))[54]
        monkeypatch.setattr(inventory.usage.dm, "open_counts", lambda _host, _dev_ts: {free.map.dev_t: 2})
        assert uses(by_number(read_san(host))[54]) == [("open", "2 x open, by whom is not known", True)]

    def test_a_device_mapper_that_does_not_answer_is_a_warning(self, host, monkeypatch):
        def missing(_path):
            raise FileNotFoundError(2, "No such file or directory")

        monkeypatch.setattr(host, "control", missing)
        (warning,) = read_san(host).warnings
        assert "open counts of maps are not known" in warning

    def test_less_can_be_asked_for(self, host):
        san = read_san(host, checkers=False, uses=False)
        assert len(san.luns) == 7
        assert not any(unit.uses for unit in san.luns)


@BOTH
class TestIscsi:
    """Two portals of one target; one path set offline."""

    case = "iscsi"

    def test_sessions_are_hbas_with_one_target_each(self, host):
        san = read_san(host)
        hbas = [hba for hba in san.hbas if hba.transport == "iscsi"]
        assert [hba.driver for hba in hbas] == ["iscsi_tcp"] * 2
        assert len({hba.initiator for hba in hbas}) == 1
        for hba, session in zip(hbas, san.sessions, strict=True):
            (target,) = hba.targets
            assert hba.number == session.host
            assert (target.name, target.portal) == (session.target, session.portal)
            assert (target.channel, target.target_id, target.scannable) == (0, 0, True)
            assert (session.state, session.connection_state, session.tpgt) == ("LOGGED_IN", "up", 1)
        assert sorted(session.portal for session in san.sessions) == ["10.77.1.1:3260", "10.77.2.1:3260"]

    def test_paths_go_through_both_portals(self, host):
        unit = by_number(read_san(host))[28]
        assert unit.map is not None
        assert sorted(path.portal for path in unit.paths) == ["10.77.1.1:3260", "10.77.2.1:3260"]
        assert {path.target for path in unit.paths} == {session.target for session in read_san(host).sessions}
        assert all(path.initiator for path in unit.paths)

    def test_a_path_that_is_offline(self, host):
        unit = by_number(read_san(host))[27]
        states = sorted((path.state, path.checker, path.usable) for path in unit.paths)
        assert states == [("offline", "faulty", False), ("running", "ready", True)]
        assert unit.to_dict()["multipath"]["path_counts"] == {"faulty": 1, "ready": 1}
        assert unit.problem is None

    def test_a_physical_volume_without_an_active_group(self, host):
        unit = by_number(read_san(host))[29]
        assert uses(unit) == [("lvm_pv", "no active volume group", False)]
        assert (unit.in_use, unit.held) == (True, False)


@BOTH
class TestBare:
    """No multipathd: paths stand side by side."""

    case = "bare"

    def test_paths_of_one_unit_belong_together_all_the_same(self, host):
        san = read_san(host)
        assert (san.multipath_running, san.warnings) == (False, ())
        assert {unit.map for unit in san.luns} == {None}
        assert {number: len(unit.paths) for number, unit in by_number(san).items()} == {27: 2, 28: 2, 29: 2}

    def test_a_use_names_the_path_it_is_on(self, host):
        units = by_number(read_san(host))
        (mounted,) = units[27].uses
        assert (mounted.kind, mounted.by) == ("mount", "/srv/images")
        assert mounted.device in {path.device for path in units[27].paths}
        assert uses(units[28]) == [("lvm_pv", "record-vg", True)]
        assert units[29].to_dict()["usage"] == {"state": "free", "by": []}


@BOTH
class TestTwins:
    """Two LUNs of different size claim one WWID."""

    case = "twins"

    def test_they_are_never_one(self, host):
        san = read_san(host)
        first, second = san.luns
        assert first.wwid == second.wwid
        assert {first.size, second.size} == {64 * MB, 96 * MB}
        assert {len(first.paths), len(second.paths)} == {2}
        assert {path.lun for path in first.paths} != {path.lun for path in second.paths}
        assert all("is claimed by 2 logical units that differ" in unit.problem for unit in san.luns)
        assert san.warnings == (first.problem,)
        assert san.by_wwid(first.wwid) == san.luns


@BOTH
def test_without_privileges_the_facts_still_come(distro, tmp_path):
    class Unprivileged(RecordedHost):
        def is_root(self):
            return False

        def link(self, path):
            if path.endswith("/ns/mnt") and "/self/" not in path:
                raise UnavailableError(f"{path} is not readable for this user")
            return super().link(path)

        def entries(self, path):
            if path.endswith("/fd"):
                raise UnavailableError(f"{path} is not readable for this user")
            return super().entries(path)

    with recorded(f"{distro}-fc", tmp_path, host_class=Unprivileged) as host:
        san = read_san(host)
    (warning,) = san.warnings
    assert "usage may be incomplete" in warning
    assert uses(by_number(san)[27]) == [("mount", "/srv/images", True)]
    assert uses(by_number(san)[53]) == []


@BOTH
def test_a_daemon_that_does_not_run(distro, tmp_path):
    def stopped(tree):
        del tree["/run/multipathd.pid"]

    with recorded(f"{distro}-fc", tmp_path, stopped) as host:
        (tmp_path / "run/multipathd.pid").unlink()
        san = read_san(host)
    assert not san.multipath_running
    assert [warning.partition(":")[0] for warning in san.warnings] == ["multipathd does not run"]


@BOTH
def test_udev_has_not_seen_a_disk_yet(distro, tmp_path):
    """Identity then comes from the kernel's pages, and is the same."""

    def without_records(tree):
        for path in [path for path in tree if path.startswith("/run/udev/data/b8:")]:
            del tree[path]

    with recorded(f"{distro}-fc", tmp_path / "with") as host:
        before = read_san(host)
    with recorded(f"{distro}-fc", tmp_path / "without", without_records) as host:
        after = read_san(host)
    assert [unit.wwid for unit in after.luns] == [unit.wwid for unit in before.luns]
    assert not any(unit.problem for unit in after.luns)


@BOTH
def test_a_lun_was_replaced_behind_a_path(distro, tmp_path):
    """After a rescan the kernel's page names another unit than udev and the map do."""

    def replaced(tree):
        pages = {path: content for path, content in tree.items() if path.endswith("vpd_pg83")}
        victim = next(path for path in pages if ":0:0:54/" in path)
        tree[victim] = next(content for path, content in pages.items() if ":0:0:27/" in path)

    with recorded(f"{distro}-fc", tmp_path, replaced) as host:
        units = by_number(read_san(host))
    assert f"udev knows it as {units[54].wwid}, the device now says {units[27].wwid}" in units[54].problem
    assert units[27].problem is None


@BOTH
def test_a_lun_that_claims_the_identity_of_a_map(distro, tmp_path):
    def claims(tree):
        """LUN 300, which has no map, says it is LUN 54, which has one; they differ in their serial numbers."""
        victim = next(path for path in tree if path.endswith("/0:0:0:300/vpd_pg83"))
        mapped = next(path for path in tree if path.endswith("/0:0:0:54/vpd_pg83"))
        records = {
            address: next(path for path in tree if path.endswith(f"/{address}/state"))
            for address in ("0:0:0:300", "0:0:0:54")
        }
        numbers = {
            address: next(
                tree[path].strip()
                for path in tree
                if path.endswith("/dev") and path.startswith(state.rpartition("/")[0] + "/block/")
            )
            for address, state in records.items()
        }
        own, other = (tree[f"/run/udev/data/b{numbers[address]}"] for address in ("0:0:0:300", "0:0:0:54"))
        identity = {key: udev.parse_record(other).properties[key] for key in ("ID_SERIAL", "ID_SERIAL_SHORT")}
        for key, value in identity.items():
            own = own.replace(f"E:{key}={udev.parse_record(own).properties[key]}\n", f"E:{key}={value}\n")
        tree[f"/run/udev/data/b{numbers['0:0:0:300']}"] = own
        tree[victim] = tree[mapped]

    with recorded(f"{distro}-fc", tmp_path, claims) as host:
        san = read_san(host)
    wwid = by_number(san)[54].wwid
    assert wwid is not None
    mapped, other = san.by_wwid(wwid)
    assert (len(mapped.paths), [path.lun for path in other.paths]) == (2, [300])
    assert mapped.problem == other.problem == san.warnings[0]
    assert f"WWID {wwid} is claimed by 2 logical units that differ" in san.warnings[0]


@BOTH
def test_a_placeholder_for_a_lun_that_is_not_mapped(distro, tmp_path):
    """Peripheral qualifier 1: a SCSI device without a disk, in the way of a real LUN 0."""

    def placeholder(tree):
        lies = next(path for path in tree if path.endswith("/0:0:0:54/state")).rpartition("/0:0:0:54/")[0]
        tree["/sys/bus/scsi/devices/0:0:0:0"] = {"link": "../../../" + f"{lies}/0:0:0:0".removeprefix("/sys/")}
        tree[f"{lies}/0:0:0:0/state"] = "running\n"
        inquiry = bytes([0x20]) + bytes(7) + b"LIO-ORG IBLOCK          4.0 "
        tree[f"{lies}/0:0:0:0/inquiry"] = inquiry.decode()

    with recorded(f"{distro}-fc", tmp_path, placeholder) as host:
        (orphan,) = read_san(host).orphans
    assert (str(orphan.hctl), orphan.device, orphan.hba) == ("0:0:0:0", "", "host0")
    assert orphan.target is not None


@pytest.mark.parametrize("name", names())
def test_whatever_vanishes_meanwhile_is_left_out(name, tmp_path):
    """Devices go while they are read: the rest comes, complete, and nothing fails."""
    dice = random.Random(name)

    class Vanishing(RecordedHost):
        """Before some reads, the device that is about to be read goes away with all below it."""

        gone = 0

        def _perhaps(self, path):
            if path.startswith(("/sys/block", "/sys/bus", "/sys/class")) and dice.random() < 0.02:
                victim, devices = Path(self.path(path)).resolve().parent, Path(self.root).resolve() / "sys/devices"
                if devices in victim.parents:
                    shutil.rmtree(victim, ignore_errors=True)
                    self.gone += 1

        def read_bytes(self, path):
            self._perhaps(path)
            return super().read_bytes(path)

        def link(self, path):
            self._perhaps(path)
            return super().link(path)

    gone = 0
    for attempt in range(5):
        with recorded(name, tmp_path / str(attempt), host_class=Vanishing) as host:
            san = read_san(host)
            gone += host.gone
        for unit in san.luns:
            unit.to_dict()
        for hba in san.hbas:
            hba.to_dict()
    assert gone > 5


def test_maps_over_nvme_and_cd_drives_are_no_luns(tmp_path):
    links = {
        "259:0": "../../devices/virtual/block/nvme0n1",
        "253:0": "../../devices/virtual/block/dm-0",
        "253:1": "../../devices/virtual/block/dm-1",
        "11:0": "../../devices/pci0000:00/0000:00:01.0/ata1/host0/target0:0:0/0:0:0:0/block/sr0",
    }
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    for number, link in links.items():
        (tmp_path / "sys/dev/block" / number).symlink_to(link)
    for dm, uuid in {"dm-0": "mpath-eui.0025", "dm-1": "mpath-36001"}.items():
        (tmp_path / "sys/block" / dm / "dm").mkdir(parents=True)
        (tmp_path / "sys/block" / dm / "dm/uuid").write_text(f"{uuid}\n")
        (tmp_path / "sys/block" / dm / "dm/name").write_text(f"{dm}\n")
    (tmp_path / "sys/block/dm-0/slaves/nvme0n1").mkdir(parents=True)
    (unit,) = read_san(Host(str(tmp_path)), uses=False).luns
    assert (unit.wwid, unit.paths, unit.device) == ("36001", (), "/dev/mapper/dm-1")


def test_an_empty_machine(tmp_path):
    san = read_san(Host(str(tmp_path)))
    assert (san.hbas, san.luns, san.orphans, san.multipath_running) == ((), (), (), False)
