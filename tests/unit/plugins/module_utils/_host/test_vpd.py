# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""INQUIRY data and VPD pages, byte by byte, and what udev makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._host import vpd
from ansible_collections.virt.san.plugins.module_utils._model.block import Designator
from ansible_collections.virt.san.tests.unit.support import recorded

NAA6 = "6001405ad677bde373542cc8e3d04fba"
NAA5 = "5001438012345678"


def designator(kind: int, value: bytes, code_set: int = 1, association: int = 0) -> bytes:
    return bytes([code_set, association << 4 | kind, 0, len(value)]) + value


def page(*designators: bytes) -> bytes:
    body = b"".join(designators)
    return b"\0\x83" + len(body).to_bytes(2, "big") + body


def inquiry(vendor: str = "ACME", product: str = "Disk Array", first: int = 0) -> vpd.Inquiry:
    data = bytes([first]) + bytes(7) + f"{vendor:8}{product:16}1.02".encode() + bytes(60)
    parsed = vpd.parse_inquiry(data)
    assert parsed is not None
    return parsed


def wwid(*designators: bytes, serial: str | None = None) -> str | None:
    return vpd.udev_wwid(vpd.parse_designators(page(*designators)), serial, inquiry())


def test_only_names_of_the_unit_count():
    port = designator(3, bytes.fromhex(NAA5), association=1)
    device = designator(3, bytes.fromhex(NAA5), association=2)
    assert vpd.parse_designators(page(port, device, designator(3, bytes.fromhex(NAA6)))) == (Designator("naa", NAA6),)


def test_kinds_and_their_spelling():
    told = vpd.parse_designators(
        page(
            designator(1, b"ACME    disk 7\0\0", code_set=2),
            designator(2, bytes.fromhex("0025385a11b22c33")),
            designator(8, b"iqn.2001-05.com.acme:lun7\0\0\0", code_set=3),
            designator(10, b"\x10\0" + bytes.fromhex("00112233445566778899aabbccddeeff")),
            designator(4, b"\0\0\0\1"),
        )
    )
    assert [(one.kind, one.value) for one in told] == [
        ("t10", "ACME    disk 7"),
        ("eui", "0025385a11b22c33"),
        ("name", "iqn.2001-05.com.acme:lun7"),
        ("uuid", "00112233445566778899aabbccddeeff"),
    ]


def test_udev_takes_the_best_name():
    t10 = designator(1, b"ACME    disk 7", code_set=2)
    eui = designator(2, bytes.fromhex("0025385a11b22c33"))
    naa5 = designator(3, bytes.fromhex(NAA5))
    naa6 = designator(3, bytes.fromhex(NAA6))
    vendor = designator(0, b"secret 9", code_set=2)
    assert wwid(vendor, t10, eui, naa5, naa6) == "3" + NAA6
    assert wwid(vendor, t10, eui, naa5) == "3" + NAA5
    assert wwid(vendor, t10, eui) == "20025385a11b22c33"
    assert wwid(vendor, t10) == "1ACME_disk_7"
    assert wwid(vendor) == "0ACME_Disk_Array_secret_9"
    assert wwid(serial="X 1") == "SACME_Disk_Array_X_1"
    assert wwid() is None


def test_zeros_identify_nobody():
    assert not vpd.identifies("3" + "0" * 32)
    assert not vpd.identifies("S0000")
    assert not vpd.identifies("")
    assert not vpd.identifies(None)
    assert vpd.identifies("3" + NAA6)


def test_a_name_that_is_none_of_its_own():
    mine = vpd.parse_designators(page(designator(3, bytes.fromhex(NAA6)), designator(1, b"ACME disk", code_set=2)))
    assert vpd.contradiction("3" + NAA6, mine) is None
    assert vpd.contradiction("3" + NAA5, mine) == "3" + NAA6
    assert vpd.contradiction("1ACME_disk", mine) is None  # udev's own spelling: not judged
    assert vpd.contradiction("3" + NAA5, ()) is None  # the kernel has no page
    assert vpd.contradiction(None, mine) is None


def test_inquiry():
    parsed = inquiry(first=0x3F)
    assert (parsed.qualifier, parsed.kind) == (1, 0x1F)
    assert (parsed.vendor, parsed.product, parsed.revision) == ("ACME", "Disk Array", "1.02")
    assert vpd.parse_inquiry(b"\0" * 35) is None
    assert vpd.parse_inquiry(None) is None


def test_serial_number():
    assert vpd.parse_serial(b"\0\x80\0\x06  A1  ") == "A1"
    assert vpd.parse_serial(b"\0\x80\0\x04    ") is None
    assert vpd.parse_serial(b"\0\x83\0\x02A1") is None
    assert vpd.parse_serial(None) is None


@given(st.binary(max_size=300))
def test_no_bytes_upset_it(data):
    vpd.parse_designators(b"\0\x83" + data)
    vpd.parse_serial(b"\0\x80" + data)
    vpd.parse_inquiry(data)


@pytest.mark.parametrize("name", recorded.names())
def test_it_spells_as_udev_did_on_real_machines(name, tmp_path):
    from ansible_collections.virt.san.plugins.module_utils._host import block, scsi, udev

    with recorded.recorded(name, tmp_path) as host:
        compared = 0
        for device in block.read_devices(host).values():
            address = scsi.parse_address(device.link)
            record = udev.read_record(host, device.dev_t)
            if address is None or record is None:
                continue
            designators = vpd.parse_designators(scsi.read_vpd(host, address.hctl, "83"))
            serial = vpd.parse_serial(scsi.read_vpd(host, address.hctl, "80"))
            assert vpd.udev_wwid(designators, serial, scsi.read_inquiry(host, address.hctl)) == record.wwid
            assert vpd.contradiction(record.wwid, designators) is None
            compared += 1
        assert compared
