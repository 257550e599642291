# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole trip of lvm_devices on recordings of both Debian releases, with a guest's volume group on a map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import Report
from ansible_collections.virt.san.plugins.module_utils._apply.lvm_devices import ensure_absent, ensure_present
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, InUseError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import lvm_conf
from ansible_collections.virt.san.plugins.module_utils._host.host import Clock, Completed, Host
from ansible_collections.virt.san.plugins.module_utils._host.lvm_conf import DEVICES, LOCAL_CONF
from ansible_collections.virt.san.tests.unit.support.fake_dm import fake_dm
from ansible_collections.virt.san.tests.unit.support.lvm import FakeLvm, row
from ansible_collections.virt.san.tests.unit.support.recorded import (
    FakeMultipathd,
    RecordedHost,
    read_commands,
    read_tree,
    recorded_counts,
    runner,
    write_tree,
)

VG = "record-vg"
VG_UUID = "zITbRU-0zRS-FJzz-AsQ0-dzv8-XIB4-fOMbMQ"
WWID = "360014050ad72cb6f2e449b7a62aec611"
PV = f"/dev/mapper/{WWID}"
GUEST = row(PV, "k0rQbN-AyIv-YKzH-1NhU-wnFo-LBck-Z9vHu8", VG, VG_UUID)
ROWS = [GUEST, row("/dev/vda"), row("/dev/mapper/36001405864f92a4f80f43858e8c41ee2")]
USERS_OWN = "local {\n\thost_id = 7\n}\n"
USES_A_FILE = USERS_OWN + "devices {\n\tuse_devicesfile = 1\n}\n"


@dataclass
class Lab:
    host: Host
    lvm: FakeLvm
    root: Path
    counts: dict[str, int]

    def conf(self) -> str:
        file = self.root / LOCAL_CONF.lstrip("/")
        return file.read_text() if file.exists() else ""

    def devices(self) -> str | None:
        file = self.root / DEVICES.lstrip("/")
        return file.read_text() if file.exists() else None

    def present(self, *names: str, method: str = "auto", check: bool = False) -> Report:
        return ensure_present(self.host, names, method, check)

    def write(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def still_clock() -> Clock:
    now = [0.0]
    return Clock(monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))


@pytest.fixture(params=["debian12-fc", "debian13-fc"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    told = read_commands(request.param)
    write_tree(read_tree(request.param), tmp_path)
    rest = runner(told["commands"])
    lvm = FakeLvm(tmp_path, list(ROWS), rest, newer=request.param == "debian13-fc", on_deactivate=gone(tmp_path))
    replies = {command: [reply] * 99 for command, reply in told["multipathd"].items()}
    with FakeMultipathd(tmp_path, replies):
        counts = recorded_counts(told["commands"])
        made = Lab(RecordedHost(str(tmp_path), lvm, still_clock(), fake_dm(counts)), lvm, tmp_path, counts)
        made.write(LOCAL_CONF, USERS_OWN)
        yield made


def gone(root: Path) -> Callable[[str], int]:
    """Return what deactivating does: the volume's device is no longer there."""

    def deactivate(uuid: str) -> int:
        assert uuid == VG_UUID
        (root / "sys/dev/block/253:6").unlink()
        return 0

    return deactivate


def test_a_guests_group_is_hidden_and_deactivated(lab: Lab) -> None:
    done = lab.present()
    assert done.changed
    assert lab.lvm.writes == [f"deactivate {VG_UUID}"]
    assert lab.conf().startswith(USERS_OWN)
    assert "use_devicesfile = 1" in lab.conf()
    assert "DEVNAME" not in (lab.devices() or "DEVNAME"), "without a group of its own the host has an empty list"
    (group,) = done.facts["volume_groups"]
    assert (group["own"], group["visible"], group["active"], group["wwids"]) == (False, False, [], [WWID])
    assert done.facts["method"] == "devices_file"


def test_a_second_run_changes_nothing(lab: Lab) -> None:
    lab.present()
    lab.lvm.ran.clear()
    again = lab.present()
    assert not again.changed
    assert again.facts["steps"] == lab.lvm.writes == []


def test_check_mode_writes_nothing(lab: Lab) -> None:
    done = lab.present(check=True)
    assert done.changed
    assert (lab.conf(), lab.devices(), lab.lvm.writes) == (USERS_OWN, None, [])
    assert done.after != done.before


@pytest.mark.parametrize("name", [VG, VG_UUID])
def test_a_named_group_is_listed_and_left_active(lab: Lab, name: str) -> None:
    done = lab.present(name)
    assert lab.lvm.writes == [f"--adddev {PV}"]
    (group,) = done.facts["volume_groups"]
    assert (group["own"], group["visible"], group["active"]) == (True, True, ["data"])
    assert not lab.present(name).changed


def test_a_group_named_later_is_listed_again(lab: Lab) -> None:
    lab.present()
    done = lab.present(VG)
    assert done.changed
    assert done.facts["volume_groups"][0]["visible"]


def test_a_group_no_longer_named_goes(lab: Lab) -> None:
    lab.present(VG)
    done = lab.present()
    assert lab.lvm.writes == [f"--adddev {PV}", f"--deldev {PV}", f"deactivate {VG_UUID}"]
    assert not done.facts["volume_groups"][0]["visible"]


@pytest.mark.parametrize(
    ("path", "text", "by"),
    [
        ("/etc/fstab", f"/dev/{VG}/data /data ext4 defaults 0 2\n", "fstab: /data"),
        ("/etc/fstab", "/dev/mapper/record--vg-data /data ext4 defaults 0 2\n", "fstab: /data"),
        ("/etc/crypttab", f"secret /dev/{VG}/data none luks\n", "crypttab: secret"),
        (
            "/etc/libvirt/storage/p.xml",
            f"<!--\nmade by virsh\n--><pool type='logical'><name>p</name><source><name>{VG}</name></source></pool>",
            "storage pool p",
        ),
        (
            "/etc/virt-san/pools/p.xml",
            f"<pool type='logical'><name>p</name><source><name>{VG}</name></source></pool>",
            "storage pool p",
        ),
        (
            "/etc/libvirt/qemu/g.xml",
            f"<domain><devices><disk type='block'><source dev='/dev/{VG}/data'/></disk></devices></domain>",
            "guest g",
        ),
    ],
)
def test_what_the_host_refers_to_is_its_own(lab: Lab, path: str, text: str, by: str) -> None:
    lab.write(path, text)
    done = lab.present()
    assert lab.lvm.writes == [f"--adddev {PV}"]
    assert done.facts["volume_groups"][0]["why"] == by


def test_a_broken_definition_is_a_warning(lab: Lab) -> None:
    lab.write("/etc/libvirt/storage/p.xml", "<pool")
    assert any("p.xml is not read" in warning for warning in lab.present().warnings)


def test_an_open_volume_is_refused_before_anything_is_written(lab: Lab) -> None:
    mountinfo = lab.root / "proc/1/mountinfo"
    mountinfo.write_text(mountinfo.read_text() + "\n99 23 253:6 / /srv/x rw - ext4 /dev/mapper/record--vg-data rw\n")
    with pytest.raises(
        InUseError, match=r"record-vg.*record-vg/data by mount /srv/x.*name it in volume_groups"
    ) as told:
        lab.present()
    assert told.value.details["holders"][0]["wwids"] == [WWID]
    assert (lab.conf(), lab.devices(), lab.lvm.writes) == (USERS_OWN, None, [])


def test_an_opening_nobody_answers_for_is_waited_for_and_refused(lab: Lab) -> None:
    lab.counts["253:6"] = 1
    with pytest.raises(InUseError, match="by whom is not known"):
        lab.present()
    assert lab.host.clock.monotonic() >= 5


def test_absent_leaves_things_as_they_were(lab: Lab) -> None:
    lab.present(VG)
    assert ensure_absent(lab.host, check_mode=True).changed
    assert ensure_absent(lab.host, check_mode=False).changed
    assert (lab.conf(), lab.devices()) == (USERS_OWN, None)
    assert not ensure_absent(lab.host, check_mode=False).changed


class Killed(BaseException):
    """Ends a run as a signal would: nobody catches it."""


def test_what_a_killed_run_has_made_goes_with_the_rest(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed while it makes the devices file leaves LVM as it was, and the next one goes on."""

    def killed(host: Host, _paths: Sequence[str]) -> None:
        host.write_file(lvm_conf.ASIDE, "half of it")
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(lvm_conf, "make_devices_file", killed)
        with pytest.raises(Killed):
            lab.present(VG)
    assert lab.devices() is None
    lab.present(VG)
    assert not lab.host.exists(lvm_conf.NOTE)
    assert not lab.host.exists(lvm_conf.ASIDE)
    assert ensure_absent(lab.host, check_mode=False).changed
    assert (lab.conf(), lab.devices(), lab.host.exists(lvm_conf.NOTE)) == (USERS_OWN, None, False)


def test_absent_keeps_a_devices_file_of_the_user(lab: Lab) -> None:
    lab.write(LOCAL_CONF, USES_A_FILE)
    lab.write(DEVICES, "# mine\n")
    lab.present()
    ensure_absent(lab.host, check_mode=False)
    assert (lab.conf(), lab.devices()) == (USES_A_FILE, "# mine\n")


def test_a_devices_file_that_is_not_used_is_none(lab: Lab) -> None:
    """Newer releases put it away themselves: it is not taken for one that is there."""
    lab.write(DEVICES, "# mine\n")
    lab.present(VG)
    assert lab.lvm.writes == [f"--adddev {PV}"]
    assert not lab.present(VG).changed


def test_what_is_listed_of_a_guest_is_taken_off(lab: Lab) -> None:
    empty = ROWS[2]["pv_name"]
    lab.write(LOCAL_CONF, USES_A_FILE)
    lab.write(DEVICES, f"IDTYPE=x IDNAME=y DEVNAME={PV} PVID=z\nIDTYPE=x IDNAME=y DEVNAME={empty} PVID=.\n")
    lab.present()
    assert lab.lvm.writes == [f"--deldev {PV}", f"--deldev {empty}", f"deactivate {VG_UUID}"]


@pytest.mark.parametrize("method", ["devices_file", "filter"])
def test_a_configuration_that_hides_what_is_ours_is_put_back(lab: Lab, method: str) -> None:
    lab.lvm.lost = PV
    with pytest.raises(ApplyError, match=r"put back as it was.*no longer see devices of this host's own: dm-1"):
        lab.present(VG, method=method)
    assert (lab.conf(), lab.devices()) == (USERS_OWN, None)


def test_a_setting_that_does_not_count_is_put_back(lab: Lab) -> None:
    lab.lvm.effective["use_devicesfile"] = "0"
    with pytest.raises(ApplyError, match="use_devicesfile is 0, not 1"):
        lab.present(VG)
    assert (lab.conf(), lab.devices()) == (USERS_OWN, None)


def test_a_group_that_stays_active_is_an_error(lab: Lab) -> None:
    lab.lvm.on_deactivate = lambda _uuid: 5
    with pytest.raises(ApplyError, match="deactivate volume group record-vg"):
        lab.present()
    assert "use_devicesfile = 1" in lab.conf(), "hidden it may stay: the next run goes on from here"


def test_an_lvm_without_devices_file_gets_a_filter(lab: Lab) -> None:
    lab.lvm.devicesfile = False
    done = lab.present(VG)
    assert done.facts["method"] == "filter"
    assert f'global_filter = ["a|^/dev/disk/by-id/dm-uuid-mpath-{WWID}$|","r|.*|"]' in lab.conf()
    assert "use_devicesfile" not in lab.conf()
    assert not lab.present(VG).changed
    with pytest.raises(UnavailableError, match="knows no devices file"):
        lab.present(VG, method="devices_file")


def test_a_filter_that_names_nothing(lab: Lab) -> None:
    lab.present(method="filter")
    assert 'global_filter = ["r|.*|"]' in lab.conf()
    assert "use_devicesfile = 0" in lab.conf()
    assert not lab.present(method="filter").changed


def test_the_method_can_be_changed(lab: Lab) -> None:
    lab.present(VG)
    lab.present(VG, method="filter")
    assert lab.devices() is None
    lab.present(VG, method="devices_file")
    assert PV in (lab.devices() or "")
    assert "filter" not in lab.conf()


def test_the_initramfs_is_updated_along(lab: Lab) -> None:
    release = (lab.root / "proc/sys/kernel/osrelease").parent
    release.mkdir(parents=True, exist_ok=True)
    lab.write("/proc/sys/kernel/osrelease", "6.1.0\n")
    for path in ("/boot/initrd.img-6.1.0", "/usr/sbin/update-initramfs", "/usr/share/initramfs-tools/hooks/lvm2"):
        lab.write(path, "")
    rest, updates = lab.lvm.rest, []

    def update(argv, deadline, stdin=None):
        if argv[0] == "update-initramfs":
            updates.append(list(argv))
            lab.write("/boot/initrd.img-6.1.0", "new")
            return Completed(tuple(argv), 0, "", "")
        return rest(argv, deadline, stdin)

    lab.lvm.rest = update
    assert lab.present().facts["initramfs_updated"]
    assert not lab.present().changed
    assert updates == [["update-initramfs", "-u", "-k", "all"]]


def test_check_mode_bears_that_lvm_comes_with_an_earlier_task(lab: Lab) -> None:
    def missing(argv, _deadline, _stdin=None):
        raise UnavailableError(f"the command {argv[0]} is not installed", command=argv[0])

    host = Host(str(lab.root), missing)
    assert ensure_present(host, (), "auto", check_mode=True).changed
    with pytest.raises(UnavailableError, match="lvm is not installed"):
        ensure_present(host, (), "auto", check_mode=False)
