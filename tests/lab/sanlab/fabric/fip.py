"""FIP, the protocol that finds the switch and logs in to it (FC-BB-5 clause 7.8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sanlab.fabric import fc
from sanlab.fabric.names import FC_MAP, FabricNames, fpma

ALL_ENODES = bytes.fromhex("011018010001")

OP_DISCOVERY, OP_LINK_SERVICE, OP_CONTROL, OP_VLAN = 1, 2, 3, 4
SUB_SOLICITATION, SUB_ADVERTISEMENT = 1, 2
SUB_REQUEST, SUB_REPLY = 1, 2
SUB_KEEP_ALIVE, SUB_CLEAR_LINK = 1, 2

# FPMA only; "available for login"; "this is an F_Port". Solicited says that the answer went to one host, as large as
# that host's largest frame, so that the size is known to fit: libfcoe selects a switch only with both of them set.
FLAGS = 0x8005
FLAG_SOLICITED = 0x0002

PRIORITY, MAC, NAME, FABRIC, MAX_SIZE, FLOGI, FDISC, LOGO, VN_PORT, KEEP_ALIVE = 1, 2, 4, 5, 6, 7, 8, 9, 11, 12

HEADER = 24  # Ethernet header and FIP header


@dataclass(frozen=True)
class Message:
    """A FIP message taken apart. Descriptors are kept without their two bytes of type and length."""

    src: bytes
    dst: bytes
    op: int
    sub: int
    flags: int
    descriptors: tuple[tuple[int, bytes], ...]

    def first(self, *kinds: int) -> tuple[int, bytes] | None:
        return next((item for item in self.descriptors if item[0] in kinds), None)


@dataclass(frozen=True)
class VnPort:
    """A VN_Port as keep-alives and clear-virtual-links name it."""

    fcid: int
    wwpn: str


def parse(data: bytes) -> Message:
    if len(data) < HEADER or data[14] >> 4 != 1:
        raise ValueError("not a FIP message of version 1")
    length = int.from_bytes(data[20:22], "big") * 4
    if HEADER + length > len(data):
        raise ValueError("a FIP message is shorter than its descriptor list says")
    found = []
    at, end = HEADER, HEADER + length
    while at < end:
        size = data[at + 1] * 4
        if size < 4 or at + size > end:
            raise ValueError("a FIP descriptor runs over the end of its list")
        found.append((data[at], bytes(data[at + 2 : at + size])))
        at += size
    return Message(
        src=bytes(data[6:12]), dst=bytes(data[0:6]), op=int.from_bytes(data[16:18], "big"), sub=data[19],
        flags=int.from_bytes(data[22:24], "big"), descriptors=tuple(found),
    )  # fmt: skip


def vn_ports(message: Message) -> list[VnPort]:
    """The VN_Port descriptors: MAC 6, reserved 1, FC id 3, WWPN 8."""
    return [
        VnPort(int.from_bytes(body[7:10], "big"), body[10:18].hex())
        for kind, body in message.descriptors
        if kind == VN_PORT and len(body) >= 18
    ]


def login_frame(message: Message) -> tuple[int, fc.Frame] | None:
    """The link service request inside a message (two reserved bytes, then an FC frame), with its descriptor type."""
    found = message.first(FLOGI, FDISC, LOGO)
    return (found[0], fc.parse(found[1][2:])) if found else None


def _descriptor(kind: int, body: bytes) -> bytes:
    if (len(body) + 2) % 4:
        raise ValueError("FIP descriptors are counted in words")
    return bytes((kind, (len(body) + 2) // 4)) + body


def build(dst: bytes, src: bytes, op: int, sub: int, flags: int, descriptors: Iterable[tuple[int, bytes]]) -> bytes:
    body = b"".join(_descriptor(kind, content) for kind, content in descriptors)
    header = b"\x10\0" + op.to_bytes(2, "big") + bytes((0, sub)) + (len(body) // 4).to_bytes(2, "big")
    return dst + src + fc.FIP + header + flags.to_bytes(2, "big") + body


def advertisement(names: FabricNames, period_ms: int, solicited_by: bytes | None = None, size: int = 0) -> bytes:
    """The switch says that it is there: to all hosts, or to the one that asked.

    libfcoe drops a message with any descriptor missing, doubled, of another length or of another kind. The answer to
    one host is filled up to the size that host announced: this proves that frames of that size pass (FC-BB-5 7.9.5).
    """
    flags = FLAGS | (FLAG_SOLICITED if solicited_by else 0)
    message = build(
        solicited_by or ALL_ENODES, names.mac, OP_DISCOVERY, SUB_ADVERTISEMENT, flags,
        (
            (PRIORITY, b"\0\x80"),
            (MAC, names.mac),
            (NAME, b"\0\0" + bytes.fromhex(names.switch_wwn)),
            (FABRIC, bytes(2) + b"\0" + FC_MAP + bytes.fromhex(names.fabric_wwn)),
            (KEEP_ALIVE, bytes(2) + period_ms.to_bytes(4, "big")),
        ),
    )  # fmt: skip
    return message.ljust(14 + size if solicited_by else 60, b"\0")


def login_reply(dst: bytes, names: FabricNames, kind: int, frame: fc.Frame, granted: bytes | None) -> bytes:
    """An accept carries the MAC address granted (also for LOGO, or libfcoe drops it), a reject does not."""
    descriptors = [(kind, bytes(2) + frame.pack())]
    if granted:
        descriptors.append((MAC, granted))
    return build(dst, names.mac, OP_LINK_SERVICE, SUB_REPLY, FLAGS & 0xC000, descriptors)


def clear_links(names: FabricNames, ports: Iterable[VnPort] = (), dst: bytes = ALL_ENODES) -> bytes:
    """Tell a host that these virtual links are gone; without any, that all are."""
    descriptors = [(MAC, names.mac), (NAME, b"\0\0" + bytes.fromhex(names.switch_wwn))]
    for port in ports:
        body = fpma(port.fcid) + b"\0" + port.fcid.to_bytes(3, "big") + bytes.fromhex(port.wwpn)
        descriptors.append((VN_PORT, body))
    return build(dst, names.mac, OP_CONTROL, SUB_CLEAR_LINK, FLAGS & 0xC000, descriptors).ljust(60, b"\0")
