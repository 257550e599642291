"""Names and addresses as people write them, and as the switch keeps them.

A WWN is kept as 16 lower-case hex digits (it is compared and printed far more often than it is put on the wire), an
FC id as an integer, a MAC address as six bytes.
"""

from __future__ import annotations

import re
import zlib

_HEX16 = re.compile(r"[0-9a-f]{16}")
_PORT = re.compile(r"[A-Za-z0-9._-]+:[A-Za-z0-9._-]+")

# FPMA: a VN_Port's MAC address is the FC-MAP of the fabric followed by its FC id (FC-BB-5, 7.6).
# This is the default map.
FC_MAP = bytes.fromhex("0efc00")


class BadName(ValueError):
    """A name that cannot be what it should be."""


def parse_wwn(text: object) -> str:
    """Return a WWN as 16 lower-case hex digits; colons and a leading 0x are accepted."""
    wwn = str(text).strip().lower().replace(":", "")
    if wwn.startswith("0x"):
        wwn = wwn[2:]
    if not _HEX16.fullmatch(wwn):
        raise BadName(f"{text!r} is not a WWN: 16 hex digits are needed, colons and 0x are allowed")
    if wwn == "0" * 16:
        raise BadName("a WWN of zeros names nothing")
    return wwn


def looks_like_wwn(text: str) -> bool:
    try:
        parse_wwn(text)
    except BadName:
        return False
    return True


def parse_port(text: str) -> str:
    """Return a port name, MACHINE:NIC."""
    name = text.strip()
    if not _PORT.fullmatch(name):
        raise BadName(f"{text!r} is not a port name: MACHINE:NIC is needed, for example kvm1:a")
    return name


def fcid_text(fcid: int) -> str:
    return f"{fcid:06x}"


def mac_text(mac: bytes) -> str:
    return mac.hex(":")


def fpma(fcid: int) -> bytes:
    return FC_MAP + fcid.to_bytes(3, "big")


class FabricNames:
    """The addresses a switch calls itself by: made from its name, so that they survive a restart without being stored.

    Hosts recognise a fabric by these (libfcoe compares switch name, fabric name and MAC address of an advertisement
    with the ones it knows), so a restarted switch has to come back with the same ones.
    """

    def __init__(self, name: str, domain: int | None = None) -> None:
        tag = zlib.crc32(f"virt.san fabric {name}".encode())
        self.name = name
        # Domains 1 to 239 are valid (FC-SW). Low ones look familiar in an FC id; the tag keeps two fabrics apart.
        self.domain = domain if domain is not None else 1 + tag % 239
        if not 1 <= self.domain <= 239:
            raise BadName(f"domain {self.domain} is outside 1 to 239")
        self.mac = b"\x02\xfc" + tag.to_bytes(4, "big")
        self.switch_wwn = f"100002fc{tag:08x}"
        self.fabric_wwn = f"200002fc{tag:08x}"

    def f_port_wwn(self, index: int) -> str:
        """The name of the switch's own port, 20nn followed by the switch's name, as most switches count them."""
        return f"20{(index + 1) & 0xFF:02x}{self.switch_wwn[4:]}"
