"""The name server at FFFFFC (FC-GS, directory service). Pure: a request and the logins in, an answer out.

A requester is told only of ports it shares a zone with; for it, the others do not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sanlab.fabric.logins import Login, LoginTable

DIRECTORY, NS_SUBTYPE = 0xFC, 0x02
REJECT, ACCEPT = 0x8001, 0x8002

# Reject reasons and explanations.
UNABLE, UNSUPPORTED, LOGICAL = 0x09, 0x0B, 0x03
NOTHING_MORE, NO_PORT_ID, NO_PORT_NAME, NO_NODE_NAME, NO_FC4_TYPES = 0x00, 0x01, 0x02, 0x03, 0x07

# The last object of a list carries this flag. libfc's discovery pends for ever without it (fc_disc_gpn_ft_parse).
LAST = 0x80

HEADER = 16


class Rejected(Exception):
    def __init__(self, reason: int, explanation: int) -> None:
        super().__init__(reason, explanation)
        self.reason, self.explanation = reason, explanation


@dataclass
class Answer:
    """The reply to send, and whether the sender changed what others know of it."""

    payload: bytes
    changed: bool = False


def reply(request: bytes, command: int, body: bytes = b"", reason: int = 0, explanation: int = 0) -> bytes:
    """A CT reply: the first half of the request's header, then command, size left over, reason, explanation."""
    header = request[:8] + command.to_bytes(2, "big") + bytes((0, 0, 0, reason, explanation, 0))
    return header + body.ljust(-(-len(body) // 4) * 4, b"\0")


def reject(request: bytes, reason: int, explanation: int) -> bytes:
    return reply(request, REJECT, b"", reason, explanation)


def _flagged(entries: list[bytes]) -> bytes:
    entries[-1] = bytes((entries[-1][0] | LAST,)) + entries[-1][1:]
    return b"".join(entries)


class NameServer:
    def __init__(
        self, logins: LoginTable, allowed: Callable[[str, str], bool], f_port_wwn: Callable[[int], str]
    ) -> None:
        self._logins = logins
        self._allowed = allowed
        self._f_port_wwn = f_port_wwn
        self._queries: dict[int, Callable[[Login, bytes], bytes]] = {
            0x0112: lambda me, body: bytes.fromhex(self._by_id(me, body).wwpn),  # GPN_ID
            0x0113: lambda me, body: bytes.fromhex(self._by_id(me, body).wwnn),  # GNN_ID
            0x0117: lambda me, body: self._by_id(me, body).fc4_types,  # GFT_ID
            0x0118: self._gspn_id,
            0x011A: lambda me, body: bytes((self._by_id(me, body).port_type, 0, 0, 0)),  # GPT_ID
            0x011C: lambda me, body: bytes.fromhex(self._f_port_wwn(self._by_id(me, body).port)),  # GFPN_ID
            0x011F: self._gff_id,
            0x0121: self._gid_pn,
            0x0131: self._gid_nn,
            0x0171: self._gid_ft,
            0x0172: lambda me, body: self._names_of_type(me, body, "wwpn"),  # GPN_FT
            0x0173: lambda me, body: self._names_of_type(me, body, "wwnn"),  # GNN_FT
            0x01A1: self._gid_pt,
        }
        self._registrations: dict[int, Callable[[Login, bytes], bool]] = {
            0x0212: lambda me, body: False,  # RPN_ID: the name came with the login and stays
            0x0213: self._rnn_id,
            0x0214: lambda me, body: False,  # RCS_ID: there is class 3 only
            0x0217: self._rft_id,
            0x0218: self._rspn_id,
            0x021A: self._rpt_id,
            0x021F: self._rff_id,
            0x0239: self._rsnn_nn,
        }

    def handle(self, me: Login, request: bytes) -> Answer:
        if len(request) < HEADER or request[4] != DIRECTORY or request[5] != NS_SUBTYPE:
            return Answer(reject(request.ljust(HEADER, b"\0"), UNSUPPORTED, NOTHING_MORE))
        command = int.from_bytes(request[8:10], "big")
        body = request[HEADER:]
        try:
            if command in self._queries:
                return Answer(reply(request, ACCEPT, self._queries[command](me, body)))
            if command in self._registrations:
                changed = self._registrations[command](me, body)
                return Answer(reply(request, ACCEPT), changed)
        except Rejected as error:
            return Answer(reject(request, error.reason, error.explanation))
        return Answer(reject(request, UNSUPPORTED, NOTHING_MORE))

    # Whom the requester may know of

    def _visible(self, me: Login) -> list[Login]:
        return [other for other in self._logins if self._knows(me, other)]

    def _knows(self, me: Login, other: Login) -> bool:
        return other.registered and self._allowed(me.wwpn, other.wwpn)

    def _by_id(self, me: Login, body: bytes) -> Login:
        other = self._logins.by_fcid.get(int.from_bytes(body[1:4], "big"))
        if other is None or not (other is me or self._knows(me, other)):
            raise Rejected(UNABLE, NO_PORT_ID)
        return other

    def _of_type(self, me: Login, body: bytes) -> list[Login]:
        """Ports of an FC-4 type, in the domain and area asked for (0: any)."""
        if len(body) < 4:
            raise Rejected(LOGICAL, NOTHING_MORE)
        domain, area, fc4 = body[1], body[2], body[3]
        found = [
            other
            for other in self._visible(me)
            if other.has_type(fc4)
            and domain in (0, other.fcid >> 16)
            and (not domain or area in (0, other.fcid >> 8 & 0xFF))
        ]
        if not found:
            # libfc takes exactly this pair for an empty list, anything else for a failure to be retried.
            raise Rejected(UNABLE, NO_FC4_TYPES)
        return found

    # Queries

    def _names_of_type(self, me: Login, body: bytes, name: str) -> bytes:
        found = self._of_type(me, body)
        return _flagged(
            [other.fcid.to_bytes(4, "big") + bytes(4) + bytes.fromhex(getattr(other, name)) for other in found]
        )

    def _gid_ft(self, me: Login, body: bytes) -> bytes:
        return _flagged([other.fcid.to_bytes(4, "big") for other in self._of_type(me, body)])

    def _gid_pt(self, me: Login, body: bytes) -> bytes:
        wanted = body[0] if body else 0
        found = [other for other in self._visible(me) if wanted in (0x7F, other.port_type)]
        if not found:
            raise Rejected(UNABLE, NO_FC4_TYPES)
        return _flagged([other.fcid.to_bytes(4, "big") for other in found])

    def _gid_pn(self, me: Login, body: bytes) -> bytes:
        other = self._logins.by_wwpn.get(body[:8].hex())
        if other is None or not (other is me or self._knows(me, other)):
            raise Rejected(UNABLE, NO_PORT_NAME)
        return other.fcid.to_bytes(4, "big")

    def _gid_nn(self, me: Login, body: bytes) -> bytes:
        found = [other for other in self._visible(me) if other.wwnn == body[:8].hex()]
        if not found:
            raise Rejected(UNABLE, NO_NODE_NAME)
        return _flagged([other.fcid.to_bytes(4, "big") for other in found])

    def _gspn_id(self, me: Login, body: bytes) -> bytes:
        name = self._by_id(me, body).symbolic_port
        return bytes((len(name),)) + name

    def _gff_id(self, me: Login, body: bytes) -> bytes:
        """Four bits a type, eight types a word, the lowest type in the lowest bits."""
        table = bytearray(128)
        for fc4, features in self._by_id(me, body).fc4_features.items():
            table[fc4 // 8 * 4 + 3 - fc4 % 8 // 2] |= features << (fc4 % 2 * 4)
        return bytes(table)

    # Registrations; each returns whether anything changed

    def _own(self, me: Login, body: bytes) -> None:
        """A port registers only itself."""
        if int.from_bytes(body[1:4], "big") != me.fcid:
            raise Rejected(UNABLE, NO_PORT_ID)

    def _rnn_id(self, me: Login, body: bytes) -> bool:
        self._own(me, body)
        changed = me.wwnn != body[4:12].hex()
        me.wwnn = body[4:12].hex()
        return changed

    def _rft_id(self, me: Login, body: bytes) -> bool:
        self._own(me, body)
        types = body[4:36].ljust(32, b"\0")
        changed = me.fc4_types != types
        me.fc4_types = types
        return changed

    def _rff_id(self, me: Login, body: bytes) -> bool:
        self._own(me, body)
        if len(body) < 8:
            raise Rejected(LOGICAL, NOTHING_MORE)
        features, fc4 = body[6] & 0xF, body[7]
        changed = me.fc4_features.get(fc4) != features
        me.fc4_features[fc4] = features
        return changed

    def _rspn_id(self, me: Login, body: bytes) -> bool:
        self._own(me, body)
        me.symbolic_port = body[5 : 5 + body[4]] if len(body) > 4 else b""
        return False

    def _rpt_id(self, me: Login, body: bytes) -> bool:
        self._own(me, body)
        me.port_type = body[4] if len(body) > 4 else me.port_type
        return False

    def _rsnn_nn(self, me: Login, body: bytes) -> bool:
        if body[:8].hex() != me.wwnn:
            raise Rejected(UNABLE, NO_NODE_NAME)
        me.symbolic_node = body[9 : 9 + body[8]] if len(body) > 8 else b""
        return False
