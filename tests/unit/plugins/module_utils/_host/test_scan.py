# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written where to look for LUNs, and what is read before and after."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host import scan
from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult, Write, Written
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._model.ids import Hctl

DISK = Hctl(2, 0, 0, 27)
NAA = "6001405b2b3c4d5e6f708192a3b4c5d6"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(str(tmp_path))


def put(host: Host, path: str, data: bytes) -> None:
    real = Path(host.path(path))
    real.parent.mkdir(parents=True, exist_ok=True)
    real.write_bytes(data)


def inquiry(first: int) -> bytes:
    return bytes([first]) + bytes(35)


def page83(*designators: tuple[int, int, bytes]) -> bytes:
    """Return VPD page 83 with designators of (association, type, value)."""
    body = b"".join(
        bytes([1, association << 4 | kind, 0, len(value)]) + value for association, kind, value in designators
    )
    return b"\x00\x83" + len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("address", "value"),
    [
        ((0, 1, 27), "0 1 27"),
        ((0, 1, None), "0 1 -"),
        ((None, None, 16684), "- - 16684"),
        ((None, None, None), "- - -"),
    ],
)
def test_scans(address: tuple[int | None, int | None, int | None], value: str) -> None:
    assert scan.scan_write("host2", *address) == Write("/sys/class/scsi_host/host2/scan", value)


def test_the_other_writes() -> None:
    assert scan.reread_write(DISK) == Write("/sys/bus/scsi/devices/2:0:0:27/rescan", "1")
    assert scan.delete_write(DISK) == Write("/sys/bus/scsi/devices/2:0:0:27/delete", "1")


@pytest.mark.parametrize("setting", [b"sync\n", b"async\n", b"manual\n", None])
def test_a_kernel_that_scans(host: Host, setting: bytes | None) -> None:
    if setting is not None:
        put(host, scan.SCAN_PARAMETER, setting)
    scan.require_scanning(host)


def test_a_kernel_that_was_told_not_to(host: Host) -> None:
    put(host, scan.SCAN_PARAMETER, b"none\n")
    with pytest.raises(UnavailableError, match=r"scsi_mod.scan=none.*silently skips.*reboot"):
        scan.require_scanning(host)


def result(*codes: int) -> ChildResult:
    return ChildResult(tuple(Written(Write("/sys/scan", "0 0 1"), code, 0.1) for code in codes), None, 0.1)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_no_permission_at_all(code: int) -> None:
    with pytest.raises(UnavailableError, match=r"writing '0 0 1' to /sys/scan: .*become: true"):
        scan.require_permission([result(code, code), result(code)])


@pytest.mark.parametrize("results", [[], [result()], [result(0)], [result(errno.EACCES), result(errno.EINVAL)]])
def test_other_outcomes_are_no_matter_of_permission(results: list[ChildResult]) -> None:
    scan.require_permission(results)


@pytest.mark.parametrize(
    ("first", "placeholder"), [(0x00, False), (0x0C, False), (0x20, True), (0x7F, True), (0x1F, True)]
)
def test_placeholders(host: Host, first: int, placeholder: bool) -> None:
    put(host, "/sys/bus/scsi/devices/2:0:0:27/inquiry", inquiry(first))
    assert scan.is_placeholder(host, DISK) is placeholder


def test_a_device_that_has_gone_is_no_placeholder(host: Host) -> None:
    assert not scan.is_placeholder(host, DISK)


def test_identity_best_first_and_of_the_unit_alone(host: Host) -> None:
    port, eui = bytes.fromhex("5001405a00000001"), bytes.fromhex("0025385b71b00a11")
    put(
        host,
        "/sys/bus/scsi/devices/2:0:0:27/vpd_pg83",
        page83((1, 3, port), (0, 2, eui), (0, 3, bytes.fromhex(NAA))),
    )
    assert scan.read_identity(host, DISK) == (f"3{NAA}", "20025385b71b00a11")


def test_no_identity(host: Host) -> None:
    assert scan.read_identity(host, DISK) == ()
    put(host, "/sys/bus/scsi/devices/2:0:0:27/vpd_pg83", page83((1, 3, bytes.fromhex("5001405a00000001"))))
    assert scan.read_identity(host, DISK) == ()


def test_devices_that_a_process_has_open(host: Host) -> None:
    other = Hctl(2, 0, 0, 0)
    for hctl, name in ((DISK, "sg3"), (other, "sg4")):
        Path(host.path(f"/sys/bus/scsi/devices/{hctl}/scsi_generic/{name}")).mkdir(parents=True)
    fds = Path(host.path("/proc/815/fd"))
    fds.mkdir(parents=True)
    (fds / "0").symlink_to("/dev/null")
    (fds / "7").symlink_to("/dev/sg4")
    assert scan.held_devices(host, [DISK, other]) == {other}
    assert scan.held_devices(host, [DISK]) == frozenset()
    assert scan.held_devices(host, []) == frozenset()
