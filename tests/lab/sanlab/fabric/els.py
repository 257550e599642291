"""Payloads of extended link services (FC-LS): what a switch has to read and to answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sanlab.fabric import fc

LS_RJT, LS_ACC = 0x01, 0x02
PLOGI, FLOGI, LOGO, RTV, ECHO, RRQ, PRLI, FDISC, RSCN, SCR = 0x03, 0x04, 0x05, 0x0E, 0x10, 0x12, 0x20, 0x51, 0x61, 0x62

# LS_RJT reason codes.
LOGICAL_ERROR, LOGICAL_BUSY, PROTOCOL_ERROR, UNABLE, UNSUPPORTED = 0x03, 0x05, 0x07, 0x09, 0x0B
# ... and their explanations.
NO_EXPLANATION, INVALID_PORT_NAME, LOGIN_REQUIRED, NO_RESOURCES, NOT_SUPPORTED = 0x00, 0x0D, 0x1E, 0x29, 0x2C

# Common service parameters in the accept of FLOGI and FDISC: without F_Port libfc takes us for a point-to-point peer,
# without NPIV it refuses virtual ports.
FEATURE_F_PORT, FEATURE_NPIV = 0x1000, 0x2000

SCR_CLEAR = 0xFF
LOGIN_LENGTH = 116


@dataclass(frozen=True)
class Reject:
    """Why a request is turned down.

    The pairs used for FDISC and FLOGI are those that HBA drivers map to a state of the vport (see the table in lpfc's
    ELS retry code): protocol error with invalid port name is "fabric rejected WWN", unable with no resources is "no
    fabric resources", logical error with login required is retried after the FLOGI.
    """

    reason: int
    explanation: int
    text: str

    def payload(self) -> bytes:
        return bytes((LS_RJT, 0, 0, 0, 0, self.reason, self.explanation, 0))


DUPLICATE_WWPN = Reject(PROTOCOL_ERROR, INVALID_PORT_NAME, "WWPN is logged in elsewhere")
NO_VPORT_LEFT = Reject(UNABLE, NO_RESOURCES, "no virtual port left on this switch port")
NPIV_DISABLED = Reject(UNSUPPORTED, NOT_SUPPORTED, "NPIV is disabled")
FLOGI_FIRST = Reject(LOGICAL_ERROR, LOGIN_REQUIRED, "FDISC without FLOGI")
REFUSED = Reject(UNABLE, NO_EXPLANATION, "logins are being rejected")
UNKNOWN = Reject(UNSUPPORTED, NOT_SUPPORTED, "link service not supported")
NO_ADDRESS_LEFT = Reject(UNABLE, NO_RESOURCES, "no FC id left in this domain")


@dataclass(frozen=True)
class Login:
    """What FLOGI, FDISC and PLOGI say about their sender."""

    wwpn: str
    wwnn: str
    max_payload: int


def parse_login(payload: bytes) -> Login:
    if len(payload) < LOGIN_LENGTH:
        raise ValueError(f"a login has {LOGIN_LENGTH} bytes, this one {len(payload)}")
    size = int.from_bytes(payload[10:12], "big") & 0x0FFF
    return Login(payload[20:28].hex(), payload[28:36].hex(), max(256, min(size, fc.MAX_PAYLOAD)))


def accept() -> bytes:
    return bytes((LS_ACC, 0, 0, 0))


def fabric_accept(f_port_wwn: str, fabric_wwn: str, npiv: bool, r_a_tov: int, e_d_tov: int) -> bytes:
    """The accept of FLOGI and FDISC: class 3 only, in-order delivery, time-out values in milliseconds."""
    features = FEATURE_F_PORT | (FEATURE_NPIV if npiv else 0)
    common = (
        b"\x20\x20" + (16).to_bytes(2, "big") + features.to_bytes(2, "big") + fc.MAX_PAYLOAD.to_bytes(2, "big")
        + r_a_tov.to_bytes(4, "big") + e_d_tov.to_bytes(4, "big")
    )  # fmt: skip
    class3 = (0x8800).to_bytes(2, "big") + bytes(14)
    names = bytes.fromhex(f_port_wwn) + bytes.fromhex(fabric_wwn)
    return (accept() + common + names + bytes(32) + class3).ljust(LOGIN_LENGTH, b"\0")


def port_accept(request: bytes, wwpn: str, wwnn: str) -> bytes:
    """The accept of a PLOGI with one of the fabric's services: the sender's own parameters, our names."""
    return accept() + request[4:20] + bytes.fromhex(wwpn) + bytes.fromhex(wwnn) + request[36:LOGIN_LENGTH]


def rtv_accept(r_a_tov: int, e_d_tov: int) -> bytes:
    return accept() + r_a_tov.to_bytes(4, "big") + e_d_tov.to_bytes(4, "big") + bytes(4)


def rscn(fcids: Iterable[int]) -> bytes:
    """Ports whose state changed, each in port address format.

    libfc answers this form with one GPN_ID a port; any wider form makes it discover the whole fabric anew.
    """
    pages = b"".join(b"\0" + fcid.to_bytes(3, "big") for fcid in fcids)
    return bytes((RSCN, 4)) + (4 + len(pages)).to_bytes(2, "big") + pages


def ba_accept(ox_id: int, rx_id: int) -> bytes:
    """Basic accept of an ABTS: the whole exchange is aborted."""
    return bytes(4) + ox_id.to_bytes(2, "big") + rx_id.to_bytes(2, "big") + b"\0\0\xff\xff"
