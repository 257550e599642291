"""Who is logged in, and which FC id everyone has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sanlab.fabric.fc import TYPE_FCP
from sanlab.fabric.names import fcid_text, fpma, mac_text

FEATURE_TARGET, FEATURE_INITIATOR = 0x1, 0x2


@dataclass
class Login:
    """An N_Port logged in to the fabric, with what it told the name server about itself."""

    port: int
    enode: bytes
    wwpn: str
    wwnn: str
    fcid: int
    is_npiv: bool
    max_payload: int
    fc4_types: bytes = bytes(32)
    fc4_features: dict[int, int] = field(default_factory=dict)
    symbolic_port: bytes = b""
    symbolic_node: bytes = b""
    port_type: int = 0x01  # N_Port
    # 0 until the port asks for state changes. libfc does this as the last step of its registration, so that this is
    # the moment to announce it: told earlier, its peers would log in to a port that cannot answer yet.
    scr: int = 0

    @property
    def mac(self) -> bytes:
        return fpma(self.fcid)

    @property
    def registered(self) -> bool:
        return bool(self.scr)

    def has_type(self, fc4: int) -> bool:
        """FC-4 types are a bitmap of big-endian words, type 0 being the lowest bit of the first one (FC-GS 5.2.3.8)."""
        word = int.from_bytes(self.fc4_types[fc4 // 32 * 4 :][:4], "big")
        return bool(word >> fc4 % 32 & 1)

    @property
    def role(self) -> str:
        features = self.fc4_features.get(TYPE_FCP, 0)
        roles = {FEATURE_TARGET: "target", FEATURE_INITIATOR: "initiator", 3: "target+initiator"}
        return roles.get(features & 3, "unknown")

    def to_json(self) -> dict[str, object]:
        return {
            "wwpn": self.wwpn,
            "wwnn": self.wwnn,
            "fcid": fcid_text(self.fcid),
            "mac": mac_text(self.mac),
            "is_npiv": self.is_npiv,
            "registered": self.registered,
            "type": self.role,
            "symbolic_name": self.symbolic_port.decode("utf-8", "replace"),
        }


class LoginTable:
    """The logins, found by FC id and by WWPN."""

    def __init__(self) -> None:
        self.by_fcid: dict[int, Login] = {}
        self.by_wwpn: dict[str, Login] = {}

    def __iter__(self) -> Iterator[Login]:
        return iter(sorted(self.by_fcid.values(), key=lambda login: login.fcid))

    def add(self, login: Login) -> None:
        self.by_fcid[login.fcid] = login
        self.by_wwpn[login.wwpn] = login

    def remove(self, login: Login) -> None:
        del self.by_fcid[login.fcid]
        del self.by_wwpn[login.wwpn]

    def on_port(self, port: int, enode: bytes | None = None) -> list[Login]:
        """Virtual ports first: whoever takes logins away one by one ends with the one they hang on."""
        found = [login for login in self if login.port == port and enode in (None, login.enode)]
        return sorted(found, key=lambda login: not login.is_npiv)


class FcidAllocator:
    """FC ids that stay with their WWPN, also over a restart (switches call this persistent FC ids)."""

    def __init__(self, domain: int, assigned: dict[str, int] | None = None) -> None:
        self._domain = domain
        self.assigned = {wwpn: fcid for wwpn, fcid in (assigned or {}).items() if fcid >> 16 == domain}
        self._taken = {fcid: wwpn for wwpn, fcid in self.assigned.items()}

    def get(self, wwpn: str, port: int) -> int | None:
        """The id of this WWPN: area is the switch port, the last byte 0 for FLOGI and upwards for virtual ports."""
        if wwpn not in self.assigned:
            first = self._domain << 16 | (port + 1 & 0xFF) << 8
            last = self._domain << 16 | 0xFFFF
            fcid = next((free for free in range(first, last + 1) if free not in self._taken), None)
            if fcid is None:
                return None
            self.assigned[wwpn] = fcid
            self._taken[fcid] = wwpn
        return self.assigned[wwpn]

    def wwpn_of(self, fcid: int) -> str | None:
        return self._taken.get(fcid)
