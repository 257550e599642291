"""What answers at the fabric's own addresses: F_Port, fabric controller, name server."""

from __future__ import annotations

from sanlab.fabric import els, fc
from sanlab.fabric.fabric import Fabric
from sanlab.fabric.logins import Login
from sanlab.fabric.nameserver import NOTHING_MORE, UNSUPPORTED, NameServer, reject

# Services that take a PLOGI. There is no management server (FDMI), but HBAs that look for one expect to reach it.
_WITH_LOGIN = (fc.NAME_SERVER, fc.FABRIC_CONTROLLER, fc.MANAGEMENT)


class Services:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._name_server = NameServer(fabric.logins, fabric.state.zones.allowed, fabric.config.names.f_port_wwn)

    def receive(self, login: Login, frame: fc.Frame) -> None:
        if frame.type == fc.TYPE_ELS and frame.r_ctl == fc.R_ELS_REQUEST and frame.payload:
            self._send(login, frame.reply(fc.R_ELS_REPLY, self._link_service(login, frame)))
            if frame.d_id == fc.F_PORT and frame.payload[0] == els.LOGO:
                self._fabric.remove(login, "LOGO")
        elif frame.type == fc.TYPE_ELS and frame.r_ctl == fc.R_ELS_REPLY:
            self._fabric.rscn.answered(login, frame.ox_id)
        elif frame.type == fc.TYPE_CT and frame.r_ctl == fc.R_CT_REQUEST:
            self._send(login, frame.reply(fc.R_CT_REPLY, self._common_transport(login, frame)))
        elif frame.type == fc.TYPE_BLS and frame.r_ctl == fc.R_ABTS:
            # Nothing here outlives its answer, so there is nothing to abort but the sender wants to hear of it.
            self._send(login, frame.reply(fc.R_BA_ACC, els.ba_accept(frame.ox_id, frame.rx_id)))
        else:
            self._fabric.counters["fabric_frames_ignored"] += 1

    def _link_service(self, login: Login, frame: fc.Frame) -> bytes:
        names, config, service = self._fabric.config.names, self._fabric.config, frame.payload[0]
        if service == els.PLOGI and frame.d_id in _WITH_LOGIN and len(frame.payload) >= els.LOGIN_LENGTH:
            # Every service has a name of its own: libfc keeps remote ports apart by WWPN.
            wwpn = f"21{frame.d_id & 0xFF:02x}{names.switch_wwn[4:]}"
            return els.port_accept(frame.payload, wwpn, names.switch_wwn)
        if service == els.SCR and frame.d_id == fc.FABRIC_CONTROLLER and len(frame.payload) >= 8:
            self._fabric.announce(login, frame.payload[7])
            return els.accept()
        if service == els.RTV:
            return els.rtv_accept(config.r_a_tov, config.e_d_tov)
        if service == els.ECHO:
            return els.accept() + frame.payload[4:]
        if service in (els.LOGO, els.RRQ):
            return els.accept()
        self._fabric.counters["els_rejected"] += 1
        return els.UNKNOWN.payload()

    def _common_transport(self, login: Login, frame: fc.Frame) -> bytes:
        if frame.d_id != fc.NAME_SERVER:
            return reject(frame.payload.ljust(16, b"\0"), UNSUPPORTED, NOTHING_MORE)
        answer = self._name_server.handle(login, frame.payload)
        if answer.changed and login.registered:
            self._fabric.tell_peers(login)
        return answer.payload

    def _send(self, login: Login, reply: fc.Frame) -> None:
        # Only lists of the name server grow beyond a frame; every host takes a link service in one (FC-LS 4.1).
        limit = min(login.max_payload, self._fabric.config.max_payload) if reply.type == fc.TYPE_CT else fc.MAX_PAYLOAD
        for data in fc.sequence(reply, login.mac, self._fabric.config.names.mac, limit):
            self._fabric.send(login.port, data)

    def refuse_plogi(self, login: Login, frame: fc.Frame) -> bool:
        """Answer a PLOGI in the name of its destination, if such a fault is on."""
        other = self._fabric.logins.by_fcid.get(frame.d_id)
        if other is None or frame.payload[:1] != bytes((els.PLOGI,)):
            return False
        scopes = (*self._fabric.scopes(login), *self._fabric.scopes(other))
        if not self._fabric.state.faults.rejects_login("plogi", *scopes):
            return False
        self._fabric.changed()
        self._fabric.counters["rejects"] += 1
        self._fabric.log(f"reject PLOGI wwpn={login.wwpn} to wwpn={other.wwpn} ({els.REFUSED.text})")
        self._send(login, frame.reply(fc.R_ELS_REPLY, els.REFUSED.payload()))
        return True
