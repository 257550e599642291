# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""storage_pool on a machine of files: options in, results out, every wrong option a clear error."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._entry import Outcome
from ansible_collections.virt.san.plugins.module_utils._errors import InputError, NotFoundError, RefusedError
from ansible_collections.virt.san.plugins.module_utils._model.pool import FcHostAdapter, ScsiHostAdapter
from ansible_collections.virt.san.plugins.modules import storage_pool
from ansible_collections.virt.san.tests.unit.support.pool_machine import PoolMachine

DEFAULTS = {
    "state": "present",
    "name": None,
    "type": None,
    "uuid": None,
    "source": None,
    "target": None,
    "xml": None,
    "autostart": None,
    "persistent": True,
    "build": "if_needed",
    "remove_devices": False,
    "exclusive": True,
    "single_host": None,
    "delete_contents": False,
    "force": False,
    "timeout": 10.0,
}
NONE_GIVEN = {"host": None, "dir": None, "name": None, "devices": [], "format": None, "protocol": None}
SOURCE = {**NONE_GIVEN, "host": "10.77.1.1", "dir": "/srv/nfs/", "mount_options": []}
TARGET = {"path": "/isos", "permissions": None}
ISOS: dict[str, Any] = {"name": "isos", "type": "netfs", "source": SOURCE, "target": TARGET}
IMAGES: dict[str, Any] = {
    "name": "images",
    "type": "dir",
    "target": {"path": "/images", "permissions": {"mode": "0750", "owner": None, "group": None}},
}
XML = """\
<pool type='dir'>
  <name>images</name>
  <capacity unit='bytes'>1</capacity>
  <target><path>/images</path></target>
</pool>
"""


@pytest.fixture
def machine(tmp_path: Path) -> PoolMachine:
    return PoolMachine(tmp_path)


def run(machine: PoolMachine, check_mode: bool = False, **options: Any) -> Outcome:
    return storage_pool.bring_about(machine, {**DEFAULTS, **options}, check_mode)


def test_an_export(machine: PoolMachine) -> None:
    source = {**SOURCE, "protocol": "4.2", "mount_options": ["ro"]}
    done = run(machine, **{**ISOS, "source": source}, state="active")
    assert done.changed
    assert machine.calls() == ["mount -t nfs -o nodev,nosuid,noexec,nfsvers=4.2,ro -- 10.77.1.1:/srv/nfs /isos"]
    assert done.facts["pool"]["source"] == {
        "hosts": [{"name": "10.77.1.1"}],
        "directory": "/srv/nfs",
        "protocol_version": "4.2",
        "mount_options": ["ro"],
    }
    assert not run(machine, name="isos", state="active").changed


def test_a_folder(machine: PoolMachine) -> None:
    assert run(machine, **IMAGES, state="active", autostart=True).facts["pool"]["autostart"] is True
    assert (machine.top / "images").stat().st_mode & 0o7777 == 0o750
    assert os.path.getsize(machine.top / "usr/local/lib/virt-san/virt-san-pools.pyz") > 50_000
    assert run(machine, name="images", state="absent", delete_contents=True).facts["pool"] is None
    assert machine.files() == {}


def test_by_xml(machine: PoolMachine) -> None:
    done = run(machine, xml=XML)
    assert (done.changed, done.facts["pool"]["name"]) == (True, "images")
    assert not run(machine, xml=XML, name="images").changed
    told = (machine.top / "etc/virt-san/pools/images.xml").read_text()
    assert "capacity" not in told
    assert not run(machine, xml=told).changed
    with pytest.raises(RefusedError, match="with type dir, not netfs"):
        run(machine, **{**ISOS, "name": "images"})


def test_owner_by_name(machine: PoolMachine) -> None:
    named = {"path": "/images", "permissions": {"mode": None, "owner": "root", "group": "0"}}
    done = run(machine, **{**IMAGES, "target": named}, check_mode=True)
    assert done.facts["pool"]["target"]["permissions"] == {"owner": 0, "group": 0}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "../etc"}, "name: '../etc' is no name"),
        ({**IMAGES, "xml": None, "target": {"path": "images", "permissions": None}}, "target.path: 'images'"),
        ({**IMAGES, "target": None}, "target.path: a pool of type dir needs"),
        ({**IMAGES, "source": SOURCE}, "source.host: a pool of type dir has none"),
        ({**ISOS, "source": None}, "source.host: a pool of type netfs needs one server"),
        ({**ISOS, "source": {**SOURCE, "host": "nas:/x"}}, "source.host: 'nas:/x' is neither"),
        ({**ISOS, "source": {**SOURCE, "mount_options": ["rw,hard"]}}, "source.mount_options"),
        ({**IMAGES, "single_host": True}, "single_host: for a pool of type dir it means nothing"),
        ({**ISOS, "uuid": "x"}, "uuid: 'x' is not a UUID"),
        ({**ISOS, "type": None}, "source: give the type too"),
        ({**IMAGES, "target": {"path": "/a", "permissions": {"mode": "711"}}}, "target.permissions.mode"),
        ({**IMAGES, "target": {"path": "/a", "permissions": {"owner": "no-such-user"}}}, "has no user 'no-such-user'"),
        ({"xml": XML, "name": "other"}, "the pool in xml is called images, not other"),
        ({"xml": "<pool"}, "xml: not XML"),
        ({"xml": "<pool type='iscsi'><name>a</name></pool>"}, "target.path: logical units are devices"),
        ({**IMAGES, "persistent": False}, "persistent: a transient pool is active or absent"),
        ({**IMAGES, "persistent": False, "state": "active", "autostart": True}, "autostart: a transient pool"),
        ({**IMAGES, "delete_contents": True}, "delete_contents: goes with state absent"),
        ({**IMAGES, "timeout": 0.0}, "timeout: 0 seconds"),
    ],
)
def test_options_that_cannot_be(machine: PoolMachine, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says.replace(".", r"\.")):
        run(machine, **options)
    assert machine.files() == {}


def test_nobody_has_said_what_it_is(machine: PoolMachine) -> None:
    with pytest.raises(NotFoundError, match="there is no pool isos"):
        run(machine, name="isos", state="active")


def test_a_file_system() -> None:
    wwid = "36001405" + "1" * 25
    source = {**SOURCE, "host": None, "dir": None, "devices": [wwid], "format": "xfs"}
    options = {**DEFAULTS, "name": "vms", "type": "fs", "source": source, "single_host": True}
    wanted = storage_pool.wanted_of({**options, "target": {"path": "/vms", "permissions": None}})
    assert wanted.single_host is True
    assert wanted.pool is not None
    assert [one.path for one in wanted.pool.source.devices] == [f"/dev/disk/by-id/dm-uuid-mpath-{wwid}"]
    for wrong in ({"devices": [wwid, "/dev/vdb"]}, {"devices": []}, {"format": "zfs"}):
        with pytest.raises(InputError, match="source\\."):
            storage_pool.wanted_of({**options, "target": TARGET, "source": {**source, **wrong}})


def test_a_partition_table() -> None:
    source = {**SOURCE, "host": None, "dir": None, "devices": ["/dev/vdb"], "format": "gpt"}
    pool = storage_pool.pool_of({**DEFAULTS, "name": "parts", "type": "disk", "source": source})
    assert pool is not None
    assert pool.target.path == "/dev"
    with pytest.raises(InputError, match=r"source\.format: sun"):
        storage_pool.pool_of({**DEFAULTS, "name": "parts", "type": "disk", "source": {**source, "format": "sun"}})


def test_a_volume_group() -> None:
    wwid = "36001405" + "1" * 25
    source = {**SOURCE, "host": None, "dir": None, "devices": [wwid, "/dev/vdb"]}
    pool = storage_pool.pool_of({**DEFAULTS, "name": "guests", "type": "logical", "source": source})
    assert pool is not None
    assert pool.target.path == "/dev/guests"
    assert [one.path for one in pool.source.devices] == [f"/dev/disk/by-id/dm-uuid-mpath-{wwid}", "/dev/vdb"]
    for wrong in ({"name": "a b"}, {"devices": ["sdb"]}):
        with pytest.raises(InputError, match="source\\."):
            storage_pool.pool_of({**DEFAULTS, "name": "guests", "type": "logical", "source": {**source, **wrong}})


def adapter(**told: Any) -> dict[str, Any]:
    names = ("host", "unique_id", "wwpn", "wwnn", "parent", "fabric")
    return {**SOURCE, "host": None, "dir": None, "adapter": {**dict.fromkeys(names), **told}}


def test_an_hba() -> None:
    def described(**told: Any) -> Any:
        options = {**DEFAULTS, "name": "hba", "type": "scsi", "source": adapter(type="scsi_host", **told)}
        pool = storage_pool.pool_of(options)
        assert pool is not None
        assert pool.target.path == "/dev/disk/by-id"
        return pool.source.adapter, pool.kept.hba

    assert described(host="21:00:00:1b:32:a1:b2:c3") == (ScsiHostAdapter(), "2100001b32a1b2c3")
    assert described(host="3b:00.0", unique_id=2) == (ScsiHostAdapter(None, "0000:3b:00.0", 2), None)
    assert described(host="host3") == (ScsiHostAdapter("host3"), None)
    for wrong in ({"host": "eth0"}, {"host": "host3", "wwpn": "5001a4a000000001"}):
        with pytest.raises(InputError, match=r"source\.adapter\.(host|wwpn)"):
            described(**wrong)


def test_a_virtual_hba() -> None:
    names = {"wwpn": "50:01:a4:a0:00:00:00:01", "wwnn": "5001a4a000000000"}
    options = {**DEFAULTS, "name": "guest", "type": "scsi"}
    pool = storage_pool.pool_of({**options, "source": adapter(type="fc_host", **names, parent="0000:3b:00.0")})
    assert pool is not None
    assert pool.source.adapter == FcHostAdapter("5001a4a000000000", "5001a4a000000001", "0000:3b:00.0")
    for wrong in ({"host": "host3"}, {"parent": "eth0"}, {"parent": "host3", "fabric": "1000000533a1b2c3"}):
        with pytest.raises(InputError, match=r"source\.adapter\."):
            storage_pool.pool_of({**options, "source": adapter(type="fc_host", **names, **wrong)})


IQN = "iqn.2025-01.com.example:array1.vol7"
CHAP = {"username": "me", "password": "not-a-secret-12", "mutual_username": None, "mutual_password": None}


def test_an_iscsi_target() -> None:
    source = {**SOURCE, "host": None, "dir": None, "target": IQN.upper().replace("IQN", "iqn"), "chap": CHAP}
    options = {**DEFAULTS, "name": "array", "type": "iscsi", "source": {**source, "portals": ["10.0.0.1", "fe80::1"]}}
    wanted = storage_pool.wanted_of(options)
    assert wanted.pool is not None
    assert wanted.secret is not None
    assert (wanted.secret.password, "not-a-secret" in str(wanted)) == ("not-a-secret-12", False)
    told = wanted.pool.to_dict()
    assert told["source"]["hosts"] == [{"name": "10.0.0.1"}]
    assert told["source"]["devices"] == [{"path": IQN}]
    assert told["source"]["auth"] == {"type": "chap", "username": "me", "secret_usage": "virt-san/array"}
    assert told["portals"] == ["[fe80::1]:3260"]
    named = {**source, "portals": ["10.0.0.1"], "initiator": "iqn.2025-01.com.example:DB01"}
    pool = storage_pool.pool_of({**options, "source": named})
    assert pool is not None
    assert pool.source.initiator == "iqn.2025-01.com.example:db01"
    with pytest.raises(InputError, match=r"source\.initiator: a pool of type mpath has none"):
        storage_pool.pool_of(
            {**options, "type": "mpath", "source": {**named, "portals": [], "target": None, "chap": None}}
        )
    for wrong, says in (
        ({"portals": []}, "needs a portal"),
        ({"portals": ["nas"]}, "is not a portal"),
        ({"portals": ["10.0.0.1"], "target": None}, "is one target"),
        ({"portals": ["10.0.0.1"], "target": "vol7"}, "is not an iSCSI name"),
        ({"portals": ["10.0.0.1"], "initiator": "guest"}, "source.initiator: 'guest' is not an iSCSI name"),
        ({"portals": ["10.0.0.1"], "format": "raw"}, "source.format: a pool of type iscsi has none"),
        ({"portals": ["10.0.0.1"], "chap": {**CHAP, "password": ""}}, "source.chap: password is empty"),
    ):
        with pytest.raises(InputError, match=says):
            storage_pool.wanted_of({**options, "source": {**source, **wrong}})


def test_an_iscsi_target_as_libvirt_has_it() -> None:
    xml = (
        f"<pool type='iscsi'><name>array</name><source><host name='10.77.1.1' port='3260'/><device path='{IQN}'/>"
        "<auth type='chap' username='me'><secret usage='libvirtiscsi'/></auth></source>"
        "<target><path>/dev/disk/by-path</path></target></pool>"
    )
    pool = storage_pool.pool_of({**DEFAULTS, "xml": xml})
    assert pool is not None
    assert pool.source.auth is not None
    named = xml.replace("<auth", "<initiator><iqn name='iqn.2020-01.a:B'/></initiator><auth")
    by_name = storage_pool.pool_of({**DEFAULTS, "xml": named})
    assert by_name is not None
    assert by_name.source.initiator == "iqn.2020-01.a:B"
    for wrong, says in (
        (xml.replace("10.77.1.1", "array"), "source.portals: 'array:3260' is not a portal"),
        (named.replace("iqn.2020-01.a:B", "guest"), "source.initiator: 'guest' is not an iSCSI name"),
        (xml.replace("chap", "ceph"), "source.chap: targets know CHAP"),
    ):
        with pytest.raises(InputError, match=says):
            storage_pool.pool_of({**DEFAULTS, "xml": wrong})
