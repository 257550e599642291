"""State change notifications (FC-LS RSCN) to the ports that asked for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanlab.fabric import els, fc
from sanlab.fabric.logins import Login

if TYPE_CHECKING:
    from sanlab.fabric.fabric import Fabric

# A notification that is lost leaves a host with a stale view for ever, so it is repeated until it is answered.
RETRY_AFTER = 2.0
TRIES = 4
PAGES = 64


@dataclass
class _Pending:
    login: Login
    payload: bytes
    due: float
    tries: int = 1


class Notifier:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._pages: dict[int, dict[int, None]] = {}
        self._pending: dict[int, _Pending] = {}
        self._next_xid = 0

    def add(self, receiver: Login, changed: int) -> None:
        """Note that the port `changed` is news for `receiver`; sent with the next :meth:`flush`."""
        if receiver.scr and receiver.scr != els.SCR_CLEAR:
            self._pages.setdefault(receiver.fcid, {})[changed] = None

    def flush(self) -> None:
        """Send what has gathered, one notification a receiver."""
        gathered, self._pages = self._pages, {}
        for fcid, pages in gathered.items():
            login = self._fabric.logins.by_fcid.get(fcid)
            changed = list(pages)
            while login and changed:
                self._send(login, els.rscn(changed[:PAGES]))
                changed = changed[PAGES:]

    def answered(self, login: Login, ox_id: int) -> None:
        pending = self._pending.get(ox_id)
        if pending and pending.login is login:
            del self._pending[ox_id]

    def forget(self, login: Login) -> None:
        self._pages.pop(login.fcid, None)
        self._pending = {xid: item for xid, item in self._pending.items() if item.login is not login}

    def retry(self) -> None:
        for xid, item in list(self._pending.items()):
            if item.due > self._fabric.now:
                continue
            del self._pending[xid]
            if item.tries < TRIES:
                self._send(item.login, item.payload, item.tries + 1)
            else:
                self._fabric.log(f"rscn unanswered wwpn={item.login.wwpn}")

    def _send(self, login: Login, payload: bytes, tries: int = 1) -> None:
        self._next_xid = (self._next_xid + 1) % 0xFFF0
        self._pending[self._next_xid] = _Pending(login, payload, self._fabric.now + RETRY_AFTER, tries)
        frame = fc.Frame(
            fc.R_ELS_REQUEST, login.fcid, fc.FABRIC_CONTROLLER, fc.TYPE_ELS, fc.F_REQUEST, self._next_xid, payload
        )
        self._fabric.counters["rscn"] += 1
        self._fabric.send(login.port, fc.encapsulate(frame, login.mac, self._fabric.config.names.mac))
