# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, paths and permissions of pools: what is right, what is wrong, and that the message says so."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._model import pool as room
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    FcHostAdapter,
    Permissions,
    PoolDefinition,
    Source,
    SourceHost,
    Space,
    Target,
)


@pytest.mark.parametrize("name", ["images", "a", "db 01", "-x", "gäste", "a.b", "x" * 200])
def test_names(name: str) -> None:
    assert room.parse_pool_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\nb", "a\0b", " a", "a ", "x" * 201, "ä" * 30])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match="pool"):
        room.parse_pool_name(name)


@pytest.mark.skipif(shutil.which("systemd-escape") is None, reason="systemd-escape is not installed")
@pytest.mark.parametrize("name", ["images", "db 01", "-x", "gäste", "a.b", "a-b_c:d", "100%", "a\\b"])
def test_escaped_as_systemd_does(name: str) -> None:
    told = subprocess.run(["systemd-escape", "--", name], check=True, capture_output=True, text=True).stdout
    assert room.escaped(name) == told.strip()


def test_escaped() -> None:
    assert room.escaped("db-01 a.b") == r"db\x2d01\x20a.b"
    assert room.escaped("ä") == r"\xc3\xa4"


@pytest.mark.parametrize(
    ("text", "meant"),
    [("/srv", "/srv"), ("/srv/", "/srv"), ("//srv//a/./b", "/srv/a/b"), ("/", "/"), ("/a b", "/a b")],
)
def test_paths(text: str, meant: str) -> None:
    assert room.parse_path(text) == meant


@pytest.mark.parametrize("text", ["", "srv", "/srv/../etc", "/a\nb"])
def test_paths_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        room.parse_path(text)


@given(st.uuids())
def test_uuids(one: object) -> None:
    assert room.parse_uuid(str(one).upper()) == room.parse_uuid(str(one).replace("-", "")) == str(one)


@pytest.mark.parametrize("text", ["", "db01", "5b1c1f7e-1d25-4d0c-9a52-2b0d6f6f4a1", "g" * 32])
def test_uuids_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a UUID"):
        room.parse_uuid(text)


@pytest.mark.parametrize("text", ["nas", "nas.example.org", "10.77.1.1", "fe80::1", "[2001:db8::1]", "fe80::1%eth0"])
def test_servers(text: str) -> None:
    assert room.parse_server(text) == text.strip("[]")


@pytest.mark.parametrize("text", ["", "-o", "a b", "nas:/srv", "a/b", "nas,rw"])
def test_servers_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        room.parse_server(text)


def test_modes() -> None:
    assert (room.parse_mode("0711"), room.parse_mode("1777"), room.format_mode(0o711)) == (0o711, 0o1777, "0711")
    # 457 is what YAML makes of an unquoted 0711.
    for text in ("457", "711", "0o711", "u=rwx", "07111", ""):
        with pytest.raises(ValueError, match="octal"):
            room.parse_mode(text)


@pytest.mark.parametrize("text", ["", "rw,hard", "a b", "a\tb", "ä"])
def test_mount_options_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="one mount option"):
        room.parse_mount_option(text)


def test_for_people() -> None:
    pool = PoolDefinition(
        "isos",
        "netfs",
        Source((SourceHost("nas"),), directory="/srv", mount_options=("ro",)),
        Target("/isos", Permissions(0o711, owner=0)),
    )
    assert pool.to_dict() == {
        "name": "isos",
        "uuid": None,
        "type": "netfs",
        "source": {"hosts": [{"name": "nas"}], "directory": "/srv", "mount_options": ["ro"]},
        "target": {"path": "/isos", "permissions": {"mode": "0711", "owner": 0}},
    }
    vhba = PoolDefinition("v", "scsi", Source(adapter=FcHostAdapter("5" * 16, "6" * 16, managed=False)))
    assert vhba.to_dict()["source"]["adapter"] == {
        "type": "fc_host",
        "wwnn": "5" * 16,
        "wwpn": "6" * 16,
        "managed": False,
    }


def test_space() -> None:
    assert Space(10, 3).allocation == 7


def test_permissions_that_differ() -> None:
    wanted = Permissions(0o711, 0, None, "label")
    assert wanted.settable == Permissions(0o711, 0)
    assert wanted.differing_from(0o711, 0, 9) == Permissions()
    assert wanted.differing_from(0o755, 7, 9) == Permissions(0o711, 0)
    assert wanted.differing_from(None, None, None).shown() == {"mode": "0711", "owner": 0}
    assert Permissions().shown() == {}
