"""FC frames and how they travel in Ethernet (FC-FS for the header, FC-BB-5 clause 7.7 for FCoE)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

FCOE = b"\x89\x06"
FIP = b"\x89\x14"

# Offsets in an FCoE frame: Ethernet header 14, FCoE header 14 (its last byte is SOF), FC header 24.
FC_AT = 28
D_ID = slice(29, 32)
S_ID = slice(33, 36)
TYPE_AT = 36
PAYLOAD_AT = 52
TRAILER = 8  # CRC 4, EOF 1, three zeros

SOF_I3, SOF_N3 = 0x2E, 0x36
EOF_N, EOF_T = 0x41, 0x42

TYPE_BLS, TYPE_ELS, TYPE_FCP, TYPE_CT = 0x00, 0x01, 0x08, 0x20
R_CT_REQUEST, R_CT_REPLY, R_ELS_REQUEST, R_ELS_REPLY, R_ABTS, R_BA_ACC = 0x02, 0x03, 0x22, 0x23, 0x81, 0x84

# F_CTL: exchange and sequence context, first/last sequence, end of sequence, sequence initiative (FC-FS 9.7).
F_REQUEST = 0x290000
F_REPLY = 0x980000
F_REPLY_MORE = 0x900000  # a reply with more frames of the same sequence to come

NO_XID = 0xFFFF

F_PORT, FABRIC_CONTROLLER, NAME_SERVER, MANAGEMENT = 0xFFFFFE, 0xFFFFFD, 0xFFFFFC, 0xFFFFFA
WELL_KNOWN = 0xFFFFF0  # from here on up the address is one of the fabric's own
MAX_PAYLOAD = 2112


@dataclass(frozen=True)
class Frame:
    """One FC frame without its delimiters and CRC."""

    r_ctl: int
    d_id: int
    s_id: int
    type: int
    f_ctl: int
    ox_id: int
    payload: bytes
    rx_id: int = NO_XID
    seq_id: int = 0
    seq_cnt: int = 0

    def pack(self) -> bytes:
        return (
            bytes((self.r_ctl,)) + self.d_id.to_bytes(3, "big") + b"\0" + self.s_id.to_bytes(3, "big")
            + bytes((self.type,)) + self.f_ctl.to_bytes(3, "big") + bytes((self.seq_id, 0))
            + self.seq_cnt.to_bytes(2, "big") + self.ox_id.to_bytes(2, "big") + self.rx_id.to_bytes(2, "big")
            + b"\0\0\0\0" + self.payload
        )  # fmt: skip

    def reply(self, r_ctl: int, payload: bytes) -> Frame:
        """The single-frame answer to this request, in the same exchange."""
        return Frame(r_ctl, self.s_id, self.d_id, self.type, F_REPLY, self.ox_id, payload, self.rx_id, self.seq_id)


def parse(data: bytes) -> Frame:
    """Read a frame from its 24-byte header on; the caller has cut off delimiters and CRC."""
    if len(data) < 24:
        raise ValueError(f"an FC header has 24 bytes, this frame has {len(data)}")
    number = int.from_bytes
    return Frame(
        r_ctl=data[0], d_id=number(data[1:4], "big"), s_id=number(data[5:8], "big"), type=data[8],
        f_ctl=number(data[9:12], "big"), ox_id=number(data[16:18], "big"), payload=bytes(data[24:]),
        rx_id=number(data[18:20], "big"), seq_id=data[12], seq_cnt=number(data[14:16], "big"),
    )  # fmt: skip


def parse_fcoe(ethernet: bytes) -> Frame:
    if len(ethernet) < FC_AT + 24 + TRAILER:
        raise ValueError(f"an FCoE frame has at least {FC_AT + 24 + TRAILER} bytes, this one has {len(ethernet)}")
    return parse(ethernet[FC_AT:-TRAILER])


def encapsulate(frame: Frame, dst: bytes, src: bytes, sof: int = SOF_I3, eof: int = EOF_T) -> bytes:
    """Put an FC frame into Ethernet. The FC CRC is the Ethernet CRC, sent least significant byte first."""
    body = frame.pack()
    if len(body) % 4:
        raise ValueError("the payload of an FC frame is a multiple of four bytes long")
    crc = zlib.crc32(body).to_bytes(4, "little")
    return dst + src + FCOE + bytes(13) + bytes((sof,)) + body + crc + bytes((eof, 0, 0, 0))


def sequence(reply: Frame, dst: bytes, src: bytes, limit: int) -> Iterator[bytes]:
    """Put a reply of any length into as many frames as it takes.

    Only the first frame carries SOFi3 and only the last one EOFt and End_Sequence (FC-FS 9.7.6); libfc takes a name
    server list apart by SOF and SEQ_CNT (fc_disc_gpn_ft_resp) and gives up on any other form.
    """
    limit -= limit % 4
    parts = [reply.payload[at : at + limit] for at in range(0, len(reply.payload), limit)] or [b""]
    for count, part in enumerate(parts):
        last = count == len(parts) - 1
        frame = Frame(
            reply.r_ctl, reply.d_id, reply.s_id, reply.type, reply.f_ctl if last else F_REPLY_MORE, reply.ox_id, part,
            reply.rx_id, reply.seq_id, count,
        )  # fmt: skip
        yield encapsulate(frame, dst, src, SOF_N3 if count else SOF_I3, EOF_T if last else EOF_N)
