"""The switch's side of FIP: discovery, login and logout, keep-alives."""

from __future__ import annotations

from sanlab.fabric import els, fc, fip
from sanlab.fabric.fabric import Fabric
from sanlab.fabric.faults import LAST_WINS
from sanlab.fabric.logins import Login
from sanlab.fabric.names import fcid_text, mac_text

# How long a host that missed our restart is left alone after it was told.
TOLD_FOR = 2.0

_LOGINS = ((fip.FLOGI, els.FLOGI), (fip.FDISC, els.FDISC))


class FipEndpoint:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        # Hosts that spoke to this run of the switch: any other one that sends a keep-alive believes in logins of the
        # run before.
        self._met: set[tuple[int, bytes]] = set()
        self._told: dict[tuple[int, int], float] = {}
        # Where a login was that gave way to a later one of the same WWPN. It may not come back while that one stays:
        # both hosts try again at once and for ever, and such a fight blocks the kernel of a host for good.
        self._displaced: dict[str, tuple[int, bytes]] = {}

    def receive(self, port: int, data: bytes) -> None:
        message = fip.parse(data)
        kind = (message.op, message.sub)
        if kind == (fip.OP_DISCOVERY, fip.SUB_SOLICITATION):
            self._solicited(port, message)
        elif kind == (fip.OP_LINK_SERVICE, fip.SUB_REQUEST):
            self._link_service(port, message)
        elif kind == (fip.OP_CONTROL, fip.SUB_KEEP_ALIVE):
            self._keep_alive(port, message)
        else:
            self._fabric.counters["fip_ignored"] += 1

    def port_reset(self, port: int) -> None:
        """Forget the hosts of a port whose link went, and clear the links of an earlier run when it comes."""
        self._met = {met for met in self._met if met[0] != port}

    def clear_unknown(self, port: int, fcid: int) -> None:
        """A frame came from an address that is not logged in there: its host missed a restart (FC-BB-5 7.8.4)."""
        now = self._fabric.now
        if self._fabric.just_gone(port, fcid) or now - self._told.get((port, fcid), -TOLD_FOR) < TOLD_FOR:
            return
        self._told = {key: told for key, told in self._told.items() if now - told < TOLD_FOR}
        self._told[(port, fcid)] = now
        wwpn = self._fabric.fcids.wwpn_of(fcid)
        links = [fip.VnPort(fcid, wwpn)] if wwpn else []
        self._fabric.log(f"unknown fcid={fcid_text(fcid)} port={self._fabric.config.ports[port]}, link cleared")
        self._fabric.send(port, fip.clear_links(self._fabric.config.names, links))

    def _solicited(self, port: int, message: fip.Message) -> None:
        self._met.add((port, message.src))
        found = message.first(fip.MAX_SIZE)
        size = int.from_bytes(found[1][:2], "big") if found else 0
        config = self._fabric.config
        self._fabric.send(port, fip.advertisement(config.names, config.keep_alive, message.src, size))

    def _keep_alive(self, port: int, message: fip.Message) -> None:
        links = fip.vn_ports(message)
        for link in links:
            # libfcoe also keeps a virtual port alive that has no address (yet): nothing to clear, and without an
            # address to name, the message would clear the port it hangs on.
            if not link.fcid:
                continue
            login = self._fabric.logins.by_fcid.get(link.fcid)
            if login is None or login.wwpn != link.wwpn or login.port != port:
                self.clear_unknown(port, link.fcid)
        if not links and (port, message.src) not in self._met:
            self._met.add((port, message.src))
            self._fabric.log(f"unknown host mac={mac_text(message.src)}, links cleared")
            self._fabric.send(port, fip.clear_links(self._fabric.config.names))

    # Link services

    def _link_service(self, port: int, message: fip.Message) -> None:
        found = fip.login_frame(message)
        if not found or found[1].r_ctl != fc.R_ELS_REQUEST or not found[1].payload:
            raise ValueError("a FIP link service request without a request in it")
        kind, frame = found
        self._met.add((port, message.src))
        asked = (kind, frame.payload[0])
        if asked in _LOGINS:
            admit = self._flogi if kind == fip.FLOGI else self._fdisc
            self._log_in(port, message.src, kind, frame, admit(port, message.src, els.parse_login(frame.payload)))
        elif asked == (fip.LOGO, els.LOGO):
            self._logo(port, message.src, frame)
        else:
            self._answer(port, message.src, kind, frame.reply(fc.R_ELS_REPLY, els.UNKNOWN.payload()), None)

    def _flogi(self, port: int, enode: bytes, request: els.Login) -> els.Reject | Login:
        fabric = self._fabric
        # A host that logs in anew has forgotten all it had, its virtual ports included (FC-LS 4.2.2.3).
        fabric.remove_all(fabric.logins.on_port(port, enode), "new FLOGI")
        return self._admit(port, enode, request, "flogi")

    def _fdisc(self, port: int, enode: bytes, request: els.Login) -> els.Reject | Login:
        fabric = self._fabric
        mine = fabric.logins.on_port(port, enode)
        if not any(not login.is_npiv for login in mine):
            return els.FLOGI_FIRST
        if not fabric.state.faults.npiv:
            return els.NPIV_DISABLED
        fabric.remove_all([login for login in mine if login.is_npiv and login.wwpn == request.wwpn], "new FDISC")
        limit = fabric.state.faults.vport_limit(fabric.config.ports[port])
        if limit is not None and sum(login.is_npiv for login in fabric.logins.on_port(port)) >= limit:
            return els.NO_VPORT_LEFT
        return self._admit(port, enode, request, "fdisc")

    def _admit(self, port: int, enode: bytes, request: els.Login, kind: str) -> els.Reject | Login:
        fabric = self._fabric
        if fabric.state.faults.rejects_login(kind, request.wwpn, fabric.config.ports[port]):
            fabric.dirty = True
            return els.REFUSED
        other = fabric.logins.by_wwpn.get(request.wwpn)
        if other:
            last_wins = fabric.state.faults.duplicate_wwpn == LAST_WINS
            if not last_wins or self._displaced.get(request.wwpn) == (port, enode):
                return els.DUPLICATE_WWPN
            self._displaced[request.wwpn] = (other.port, other.enode)
            fabric.remove(other, "WWPN logged in elsewhere", clear_link=True)
        else:
            self._displaced.pop(request.wwpn, None)
        fcid = fabric.fcids.get(request.wwpn, port)
        if fcid is None:
            return els.NO_ADDRESS_LEFT
        return Login(port, enode, request.wwpn, request.wwnn, fcid, kind == "fdisc", request.max_payload)

    def _log_in(self, port: int, enode: bytes, kind: int, frame: fc.Frame, result: els.Reject | Login) -> None:
        config = self._fabric.config
        if isinstance(result, els.Reject):
            wwpn, service = frame.payload[20:28].hex(), "FLOGI" if kind == fip.FLOGI else "FDISC"
            self._fabric.counters["rejects"] += 1
            self._fabric.log(f"reject {service} port={config.ports[port]} wwpn={wwpn} ({result.text})")
            self._answer(port, enode, kind, frame.reply(fc.R_ELS_REPLY, result.payload()), None)
            return
        self._fabric.add(result)
        npiv = self._fabric.state.faults.npiv
        payload = els.fabric_accept(
            config.names.f_port_wwn(port), config.names.fabric_wwn, npiv, config.r_a_tov, config.e_d_tov
        )
        reply = fc.Frame(
            fc.R_ELS_REPLY, result.fcid, fc.F_PORT, fc.TYPE_ELS, fc.F_REPLY, frame.ox_id, payload, frame.rx_id
        )
        self._answer(port, enode, kind, reply, result.mac)

    def _logo(self, port: int, enode: bytes, frame: fc.Frame) -> None:
        login = self._fabric.logins.by_fcid.get(frame.s_id)
        if login and (login.port, login.enode) == (port, enode):
            self._fabric.remove(login, "LOGO")
        # Accepted in any case: whoever logs out of what we do not know is out. The address is the one it gives up.
        granted = login.mac if login else enode
        self._answer(port, enode, fip.LOGO, frame.reply(fc.R_ELS_REPLY, els.accept()), granted)

    def _answer(self, port: int, enode: bytes, kind: int, frame: fc.Frame, granted: bytes | None) -> None:
        self._fabric.send(port, fip.login_reply(enode, self._fabric.config.names, kind, frame, granted))
