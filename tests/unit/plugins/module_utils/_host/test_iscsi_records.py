# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of open-iscsi's database: read as it lays them out, replaced whole, and put back after discovery."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.iscsi_records import (
    databases,
    discovery_record,
    discovery_text,
    has_discovery_record,
    has_interface,
    read_interfaces,
    read_records,
    replace_record,
)
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Chap, Interface, Portal
from ansible_collections.virt.san.tests.unit.support.kernel import Timer

ROOT = "/etc/iscsi"
TARGET = "iqn.2025-01.test:a"
CHAP = Chap("host1", "a-password")
PORTAL = Portal("10.0.0.1")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    Path(f"{tmp_path}{ROOT}").mkdir(parents=True)
    return Host(str(tmp_path), clock=Timer().clock)


def put(host: Host, path: str, text: str = "node.startup = manual\n") -> Path:
    place = Path(host.path(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def test_where_the_database_is(host: Host) -> None:
    assert databases(host) == ("/etc/iscsi",)
    Path(host.path("/var/lib/iscsi/nodes")).mkdir(parents=True)
    assert databases(host) == ("/var/lib/iscsi",), "nothing is recorded yet: as newer distributions have it"
    put(host, f"/etc/iscsi/nodes/{TARGET}/10.0.0.1,3260,1/default")
    assert databases(host) == ("/etc/iscsi",)
    put(host, f"/var/lib/iscsi/nodes/{TARGET}/10.0.0.1,3260,1/default")
    assert databases(host) == ("/var/lib/iscsi", "/etc/iscsi")


def test_records_of_both_kinds(host: Host) -> None:
    put(host, f"{ROOT}/nodes/{TARGET}/10.0.0.1,3260,1/default")
    put(host, f"{ROOT}/nodes/{TARGET}/10.0.0.1,3260,1/storage")
    put(host, f"{ROOT}/nodes/{TARGET}/2001:db8::1,3261,2/default")
    put(host, f"{ROOT}/nodes/{TARGET}/[2001:db8::2],3260,1/default")
    put(host, f"{ROOT}/nodes/{TARGET}/10.0.0.2,3260", "iface.iscsi_ifacename = storage\n")
    put(host, f"{ROOT}/nodes/{TARGET}/README")
    put(host, f"{ROOT}/nodes/{TARGET}/name.of.array,3260,1/default")
    put(host, f"{ROOT}/nodes/{TARGET}0/10.0.0.1,3260,1/default")
    found = {(one.portal, one.tpgt, one.interface) for one in read_records(host, ROOT, TARGET)}
    assert found == {
        (Portal("10.0.0.1"), 1, "default"),
        (Portal("10.0.0.1"), 1, "storage"),
        (Portal("2001:db8::1", 3261), 2, "default"),
        (Portal("2001:db8::2"), 1, "default"),
        (Portal("10.0.0.2"), None, "storage"),
    }
    assert len(read_records(host, ROOT)) == 6


def test_ifaces(host: Host) -> None:
    put(host, f"{ROOT}/ifaces/storage")
    assert has_interface(host, ROOT, "default")
    assert has_interface(host, ROOT, "storage")
    assert not has_interface(host, ROOT, "stor")


def test_what_ifaces_say(host: Host) -> None:
    """Of two places the one that iscsiadm reads counts."""
    put(host, f"{ROOT}/ifaces/guest", "iface.initiatorname = iqn.2025-01.test.Guest:1\niface.transport_name = tcp\n")
    put(host, f"{ROOT}/ifaces/iface.example", "# iface.initiatorname = iqn.2025-01.test:a\n")
    put(host, "/var/lib/iscsi/ifaces/guest", "iface.initiatorname = iqn.2025-01.test:b\n")
    put(host, "/var/lib/iscsi/ifaces/card", "iface.hwaddress = 52:54:00:00:00:01\n")
    assert read_interfaces(host, ROOT) == (
        Interface("guest", "iqn.2025-01.test.guest:1", True),
        Interface("iface.example", None, True),
        Interface("card", None, False),
    )


def test_replaced_whole_and_for_root_alone(host: Host) -> None:
    path = put(host, f"{ROOT}/nodes/{TARGET}/10.0.0.1,3260,1/default")
    put(host, f"{ROOT}/.default.77.virt-san", "a password that a killed run was about to write")
    (record,) = read_records(host, ROOT)
    replace_record(host, ROOT, record, "node.startup = automatic\n")
    assert path.read_text() == "node.startup = automatic\n"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="changed by something else"):
        replace_record(host, ROOT, record, "x = 1\n")
    assert not Path(host.path("/run/lock/iscsi/lock.write")).exists()
    assert [one.name for one in path.parent.iterdir()] == ["default"]
    assert sorted(one.name for one in Path(host.path(ROOT)).iterdir()) == ["nodes"]


def test_a_discovery_record_is_there_for_a_moment(host: Host) -> None:
    folder = Path(host.path(f"{ROOT}/send_targets"))
    path = folder / "10.0.0.1,3260/st_config"
    with discovery_record(host, ROOT, PORTAL, CHAP):
        assert path.stat().st_mode & 0o777 == 0o600
        assert "discovery.sendtargets.auth.password = a-password\n" in path.read_text()
        assert has_discovery_record(host, ROOT, PORTAL, CHAP)
        assert not has_discovery_record(host, ROOT, PORTAL, Chap("host1", "another"))
    assert not folder.exists()
    assert not has_discovery_record(host, ROOT, PORTAL, CHAP)


def test_a_discovery_record_of_others_is_put_back(host: Host) -> None:
    path = put(host, f"{ROOT}/send_targets/10.0.0.1,3260/st_config", "discovery.startup = automatic\n")

    def fail() -> None:
        with discovery_record(host, ROOT, PORTAL, CHAP):
            raise CommandError("no")

    with pytest.raises(CommandError):
        fail()
    assert path.read_text() == "discovery.startup = automatic\n"


@pytest.mark.parametrize("before", [None, "# theirs\ndiscovery.startup = automatic\nno end of the line"])
def test_what_a_killed_discovery_left_is_put_back(host: Host, before: str | None) -> None:
    path = Path(host.path(f"{ROOT}/send_targets/10.0.0.1,3260/st_config"))
    if before is not None:
        put(host, f"{ROOT}/send_targets/10.0.0.1,3260/st_config", before)
    with discovery_record(host, ROOT, PORTAL, CHAP):
        left = path.read_text()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(left)
    other = Chap("host1", "another")
    with discovery_record(host, ROOT, PORTAL, other):
        assert has_discovery_record(host, ROOT, PORTAL, other)
        assert "a-password" not in path.read_text()
    if before is None:
        assert not path.parent.parent.exists()
    else:
        assert path.read_text() == before


def test_only_what_is_given_is_written() -> None:
    assert "_in" not in discovery_text(PORTAL, CHAP)
    both = discovery_text(PORTAL, Chap("host1", "a-password", "array1", "b-password"))
    assert "discovery.sendtargets.auth.password_in = b-password" in both
