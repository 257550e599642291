"""The state of the fabric, and what follows from every change of it. No sockets here, and no clock but `now`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sanlab.fabric import fip
from sanlab.fabric.fc import MAX_PAYLOAD
from sanlab.fabric.logins import FcidAllocator, Login, LoginTable
from sanlab.fabric.names import FabricNames, fcid_text
from sanlab.fabric.rscn import Notifier
from sanlab.fabric.state import State

# Frames of a login that has just ended are still on their way; they are no sign of a host that missed our restart.
GONE_FOR = 10.0


@dataclass(frozen=True)
class Config:
    """The parameters of a switch. Times are the defaults of FC-FS and FIP, in milliseconds."""

    names: FabricNames
    ports: tuple[str, ...]
    e_d_tov: int = 2000
    # libfc waits this long before it logs in again after a cleared link. 4 s is what it starts with by itself; the
    # usual 10 s of hardware switches would only make every test of a link failure longer.
    r_a_tov: int = 4000
    keep_alive: int = 8000
    max_payload: int = MAX_PAYLOAD


@dataclass
class Fabric:
    config: Config
    state: State
    send: Callable[[int, bytes], None]
    log: Callable[[str], None]
    now: float = 0.0
    logins: LoginTable = field(default_factory=LoginTable)
    counters: Counter[str] = field(default_factory=Counter)
    # Set when forwarding decisions may differ from before, and when the state file does.
    stale: bool = True
    dirty: bool = False

    def __post_init__(self) -> None:
        self.fcids = FcidAllocator(self.config.names.domain, self.state.fcids)
        self.state.fcids = self.fcids.assigned
        self.rscn = Notifier(self)
        self.up = [name not in self.state.faults.ports_down for name in self.config.ports]
        self.linked = [False] * len(self.config.ports)
        # When a FIP or FCoE frame last came in, by port.
        self.heard = [0.0] * len(self.config.ports)
        self.gone: dict[tuple[int, int], float] = {}

    def port_index(self, name: str) -> int:
        try:
            return self.config.ports.index(name)
        except ValueError:
            known = ", ".join(self.config.ports)
            raise ValueError(f"fabric {self.config.names.name} has no port {name}; ports: {known}") from None

    def scopes(self, login: Login) -> tuple[str, str]:
        """The names by which a fault can mean this login."""
        return (login.wwpn, self.config.ports[login.port])

    def changed(self) -> None:
        self.stale = self.dirty = True

    # Logins

    def add(self, login: Login) -> None:
        self.logins.add(login)
        self.gone.pop((login.port, login.fcid), None)
        self.counters["logins"] += 1
        self.changed()
        kind = "FDISC" if login.is_npiv else "FLOGI"
        self._event("login", login, kind)

    def announce(self, login: Login, scr: int) -> None:
        """The port asked for state changes (or no longer does): from the first time on, its peers know of it."""
        first = not login.scr
        login.scr = scr
        if first:
            self._event("registered", login, login.role)
            self.tell_peers(login)

    def tell_peers(self, login: Login) -> None:
        for other in self.logins:
            if self.state.zones.allowed(login.wwpn, other.wwpn):
                self.rscn.add(other, login.fcid)

    def remove(self, login: Login, why: str, clear_link: bool = False) -> None:
        """End a login, and of an N_Port also the virtual ports that hang on it."""
        if not login.is_npiv:
            for vport in self.logins.on_port(login.port, login.enode):
                if vport.is_npiv:
                    self.remove(vport, why, clear_link)
        if clear_link:
            self.send(login.port, fip.clear_links(self.config.names, [fip.VnPort(login.fcid, login.wwpn)]))
        self.logins.remove(login)
        self.rscn.forget(login)
        self.gone[login.port, login.fcid] = self.now
        self.counters["logouts"] += 1
        self.stale = True
        self._event("logout", login, why)
        if login.registered:
            self.tell_peers(login)

    def remove_all(self, logins: Sequence[Login], why: str, clear_link: bool = False) -> None:
        for login in logins:
            if self.logins.by_fcid.get(login.fcid) is login:
                self.remove(login, why, clear_link)

    def just_gone(self, port: int, fcid: int) -> bool:
        return self.now - self.gone.get((port, fcid), -GONE_FOR) < GONE_FOR

    # Zones

    def rezoned(self, changes: dict[str, frozenset[str]]) -> None:
        """Tell everyone about the ports it newly sees, or sees no more."""
        for wwpn, peers in changes.items():
            login = self.logins.by_wwpn.get(wwpn)
            for peer in peers:
                other = self.logins.by_wwpn.get(peer)
                if login and other and other.registered:
                    self.rscn.add(login, other.fcid)
        self.changed()

    # Ports

    def set_link(self, port: int, linked: bool) -> None:
        """The machine at the other end of the cable came or went."""
        self.linked[port] = linked
        self.heard[port] = self.now
        self.log(f"link {'up' if linked else 'down'} port={self.config.ports[port]}")
        if not linked:
            self.remove_all(self.logins.on_port(port), "link down")

    def set_port(self, port: int, up: bool, silent: bool = False) -> None:
        """Enable or disable a port. A host notices a dark fibre at once; `silent` leaves it to its own time-outs."""
        if up == self.up[port]:
            return
        if not up:
            self.remove_all(self.logins.on_port(port), "port disabled", clear_link=not silent)
        self.up[port] = up
        self.heard[port] = self.now
        self.state.faults.ports_down = {
            name for name, is_up in zip(self.config.ports, self.up, strict=True) if not is_up
        }
        self.changed()
        self.log(f"port {'enabled' if up else 'disabled'} port={self.config.ports[port]}")
        if up:
            self.advertise(port)

    def advertise(self, port: int) -> None:
        if self.up[port] and self.linked[port]:
            self.send(port, fip.advertisement(self.config.names, self.config.keep_alive))

    def expire(self) -> None:
        """Log out hosts that fell silent: 2.5 keep-alive periods without a frame (FC-BB-5 7.8.4)."""
        limit = 2.5 * self.config.keep_alive / 1000
        for port, heard in enumerate(self.heard):
            if self.now - heard > limit and self.up[port]:
                self.remove_all(self.logins.on_port(port), "no keep-alive", clear_link=True)
        self.gone = {key: since for key, since in self.gone.items() if self.now - since < GONE_FOR}

    def _event(self, what: str, login: Login, detail: str) -> None:
        port = self.config.ports[login.port]
        self.log(f"{what} port={port} wwpn={login.wwpn} fcid={fcid_text(login.fcid)} ({detail})")
