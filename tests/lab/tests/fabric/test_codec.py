"""Frames on the wire, byte for byte."""

from __future__ import annotations

import zlib

import pytest
from sanlab.fabric import els, fc, fip
from sanlab.fabric.names import FabricNames

NAMES = FabricNames("a", domain=0x1C)


def test_an_fc_frame_survives_packing_and_parsing() -> None:
    frame = fc.Frame(0x23, 0x1C0100, 0xFFFFFE, 1, fc.F_REPLY, 0x1234, b"\x02\0\0\0", 0x5678, 3, 2)
    assert fc.parse(frame.pack()) == frame
    assert frame.pack().hex(" ", 4) == "231c0100 00fffffe 01980000 03000002 12345678 00000000 02000000"


def test_an_fcoe_frame_has_its_fields_where_libfc_looks_for_them() -> None:
    frame = fc.Frame(0x22, 0x1C0100, 0xFFFFFD, 1, fc.F_REQUEST, 7, b"abcd")
    data = fc.encapsulate(frame, b"\x0e\xfc\0\x1c\x01\0", NAMES.mac)
    assert data[:14] == b"\x0e\xfc\0\x1c\x01\0" + NAMES.mac + b"\x89\x06"
    assert data[27] == 0x2E
    assert data[29:32].hex() == "1c0100"
    assert data[33:36].hex() == "fffffd"
    assert data[-8:-4] == zlib.crc32(data[28:-8]).to_bytes(4, "little")
    assert data[-4:].hex() == "42000000"
    assert fc.parse_fcoe(data) == frame


def test_a_reply_goes_back_in_the_same_exchange() -> None:
    request = fc.Frame(0x22, 0xFFFFFC, 0x1C0100, 1, fc.F_REQUEST, 0x42, b"")
    reply = request.reply(0x23, b"\x02\0\0\0")
    assert (reply.d_id, reply.s_id, reply.ox_id, reply.f_ctl) == (0x1C0100, 0xFFFFFC, 0x42, 0x980000)


def test_a_long_reply_is_one_sequence_of_frames() -> None:
    reply = fc.Frame(0x03, 0x1C0100, 0xFFFFFC, 0x20, fc.F_REPLY, 9, bytes(range(160)), seq_id=5)
    frames = list(fc.sequence(reply, bytes(6), NAMES.mac, 66))
    assert [data[27] for data in frames] == [0x2E, 0x36, 0x36]
    assert [data[-4] for data in frames] == [0x41, 0x41, 0x42]
    parsed = [fc.parse_fcoe(data) for data in frames]
    assert [frame.seq_cnt for frame in parsed] == [0, 1, 2]
    assert [frame.f_ctl for frame in parsed] == [0x900000, 0x900000, 0x980000]
    assert [len(frame.payload) for frame in parsed] == [64, 64, 32]
    assert b"".join(frame.payload for frame in parsed) == reply.payload
    assert {frame.seq_id for frame in parsed} == {5}


def test_a_short_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="24 bytes"):
        fc.parse(bytes(23))
    with pytest.raises(ValueError, match="at least"):
        fc.parse_fcoe(bytes(59))
    with pytest.raises(ValueError, match="multiple of four"):
        fc.encapsulate(fc.Frame(0, 0, 0, 0, 0, 0, b"abc"), bytes(6), bytes(6))


def test_an_advertisement_holds_exactly_the_descriptors_libfcoe_wants() -> None:
    data = fip.advertisement(NAMES, 8000)
    tag = NAMES.mac[2:].hex()
    assert data.hex() == (
        f"011018010001 02fc{tag} 8914 1000 0001 00 02 000c 8005"
        "0101 0080"
        f"0202 02fc{tag}"
        f"0403 0000 100002fc{tag}"
        f"0504 0000 000efc00 200002fc{tag}"
        "0c02 0000 00001f40"
    ).replace(" ", "")


def test_a_solicited_advertisement_is_as_large_as_the_hosts_largest_frame() -> None:
    host = bytes.fromhex("525400000001")
    data = fip.advertisement(NAMES, 8000, host, 2158)
    assert data[:6] == host
    assert len(data) == 14 + 2158
    assert fip.parse(data).flags == 0x8007


def test_clear_virtual_links_names_the_switch_and_the_ports() -> None:
    tag = NAMES.mac[2:].hex()
    start = f"0202 02fc{tag} 0403 0000 100002fc{tag}".replace(" ", "")
    everything = fip.clear_links(NAMES)
    assert everything[14:].hex() == "1000 0003 00 02 0005 8000".replace(" ", "") + start + "00" * 16
    one = fip.clear_links(NAMES, [fip.VnPort(0x1C0101, "2000525400fc0099")])
    assert one[24:64].hex() == start + "0b050efc001c0101001c01012000525400fc0099"
    assert fip.vn_ports(fip.parse(one)) == [fip.VnPort(0x1C0101, "2000525400fc0099")]


@pytest.mark.parametrize(
    "text",
    [
        "1000",  # cut short
        "2000 0001 0001 0000 8000",  # version 2
        "1000 0001 0001 0003 8000 0202",  # list longer than the message
        "1000 0001 0001 0001 8000 02000000",  # descriptor without length
        "1000 0001 0001 0001 8000 02020000",  # descriptor over the end
    ],
)
def test_a_malformed_fip_message_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="FIP"):
        fip.parse(bytes(12) + b"\x89\x14" + bytes.fromhex(text))


def test_the_accept_of_a_flogi() -> None:
    payload = els.fabric_accept("2001" + "0" * 12, "2000" + "0" * 12, True, 4000, 2000)
    assert len(payload) == 116
    assert payload[:20].hex(" ", 4) == "02000000 20200010 30000840 00000fa0 000007d0"
    assert payload[20:36].hex() == "2001" + "0" * 12 + "2000" + "0" * 12
    assert payload[68:70].hex() == "8800"
    without = els.fabric_accept("2001" + "0" * 12, "2000" + "0" * 12, False, 4000, 2000)
    assert without[8:10].hex() == "1000"


def test_a_state_change_is_told_in_port_format() -> None:
    assert els.rscn([0x1C0100, 0x1C0201]).hex() == "6104000c001c0100001c0201"


def test_a_reject_carries_reason_and_explanation() -> None:
    assert els.DUPLICATE_WWPN.payload().hex() == "0100000000070d00"
    assert els.NO_VPORT_LEFT.payload().hex() == "0100000000092900"


def test_the_payload_size_of_a_login_is_kept_within_bounds() -> None:
    login = bytearray(116)
    login[10:12] = b"\x08\x00"
    assert els.parse_login(bytes(login)).max_payload == 2048
    login[10:12] = b"\x00\x01"
    assert els.parse_login(bytes(login)).max_payload == 256
    with pytest.raises(ValueError, match="116 bytes"):
        els.parse_login(bytes(115))
