"""The commands of the control socket: JSON in, JSON out. What they do is the fabric's business."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sanlab.fabric.fabric import Fabric
from sanlab.fabric.faults import ALL, FIRST_WINS, KINDS, LAST_WINS, Faults, parse_scope
from sanlab.fabric.names import fcid_text, mac_text, parse_port, parse_wwn

Arguments = dict[str, Any]
PortFacts = Callable[[int], dict[str, object]]


class Admin:
    def __init__(self, fabric: Fabric, port_facts: PortFacts, stop: Callable[[], None]) -> None:
        self._fabric = fabric
        self._port_facts = port_facts
        self._stop = stop
        self._commands: dict[str, Callable[[Arguments], dict[str, object]]] = {
            "status": self._status,
            "zone_set": self._zone_set,
            "zone_delete": self._zone_delete,
            "zone_clear": self._zone_clear,
            "zone_list": self._zone_list,
            "npiv": self._npiv,
            "vport_limit": self._vport_limit,
            "reject_logins": self._reject_logins,
            "duplicate_wwpn": self._duplicate_wwpn,
            "port": self._port,
            "drop_fcp": self._drop_fcp,
            "logout": self._logout,
            "clear_faults": self._clear_faults,
            "stop": self._do_stop,
        }

    def handle(self, request: object) -> dict[str, object]:
        try:
            if not isinstance(request, dict) or "cmd" not in request:
                raise ValueError('a request is an object with a "cmd"')
            arguments = {key: value for key, value in request.items() if key != "cmd"}
            command = self._commands.get(str(request["cmd"]))
            if command is None:
                raise ValueError(f"unknown command {request['cmd']!r}; there are {', '.join(self._commands)}")
            answer = command(arguments)
            if arguments:
                unknown = ", ".join(sorted(arguments))
                raise ValueError(f"{request['cmd']}: unknown argument {unknown} (the rest was done)")
            self._fabric.rscn.flush()
            return {"ok": True, **answer}
        except (ValueError, TypeError) as error:
            self._fabric.rscn.flush()
            return {"ok": False, "error": str(error)}

    # Looking

    def _status(self, _: Arguments) -> dict[str, object]:
        fabric = self._fabric
        names = fabric.config.names
        return {
            "name": names.name,
            "mac": mac_text(names.mac),
            "domain": names.domain,
            "switch_wwn": names.switch_wwn,
            "fabric_wwn": names.fabric_wwn,
            "ports": [self._port_status(index) for index in range(len(fabric.config.ports))],
            "zones": fabric.state.zones.to_json(),
            "faults": fabric.state.faults.to_json(),
            "fcids": {wwpn: fcid_text(fcid) for wwpn, fcid in fabric.fcids.assigned.items()},
            "counters": dict(sorted(fabric.counters.items())),
        }

    def _port_status(self, index: int) -> dict[str, object]:
        fabric = self._fabric
        logins = sorted(fabric.logins.on_port(index), key=lambda login: login.is_npiv)
        return {
            "port": fabric.config.ports[index],
            "up": fabric.up[index],
            "link": fabric.linked[index],
            "mac": mac_text(logins[0].enode) if logins else None,
            "logins": [login.to_json() for login in logins],
            "vports": sum(login.is_npiv for login in logins),
            "vport_limit": fabric.state.faults.vport_limit(fabric.config.ports[index]),
            **self._port_facts(index),
        }

    # Zones

    def _zone_list(self, _: Arguments) -> dict[str, object]:
        return {"zones": self._fabric.state.zones.to_json()}

    def _zone_set(self, arguments: Arguments) -> dict[str, object]:
        name, members = str(_need(arguments, "name")), _need(arguments, "members")
        if not isinstance(members, list):
            raise ValueError("members: a list of WWPNs is needed")
        return self._rezoned(f"zone {name} set", self._fabric.state.zones.replace(name, members))

    def _zone_delete(self, arguments: Arguments) -> dict[str, object]:
        name = str(_need(arguments, "name"))
        return self._rezoned(f"zone {name} deleted", self._fabric.state.zones.delete(name))

    def _zone_clear(self, _: Arguments) -> dict[str, object]:
        return self._rezoned("all zones deleted", self._fabric.state.zones.clear())

    def _rezoned(self, what: str, changes: dict[str, frozenset[str]]) -> dict[str, object]:
        self._fabric.log(f"{what} ({len(changes)} ports concerned)")
        self._fabric.rezoned(changes)
        return {"changed": bool(changes)}

    # Faults

    def _npiv(self, arguments: Arguments) -> dict[str, object]:
        """Hosts learn of it from the answer to their next FLOGI; with `relogin` (default) that is now.

        Targets are left alone: they have no virtual ports, and I/O of others over them need not stop.
        """
        enabled, relogin = _flag(arguments, "enabled"), _flag(arguments, "relogin", True)
        fabric = self._fabric
        changed = fabric.state.faults.npiv != enabled
        fabric.state.faults.npiv = enabled
        fabric.changed()
        fabric.log(f"NPIV {'enabled' if enabled else 'disabled'}")
        if changed:
            self._npiv_changed(relogin)
        return {"changed": changed}

    def _npiv_changed(self, relogin: bool) -> None:
        fabric = self._fabric
        hosts = [login for login in fabric.logins if relogin and login.role == "initiator"]
        vports = [login for login in fabric.logins if login.is_npiv and not fabric.state.faults.npiv]
        fabric.remove_all(vports + hosts, "NPIV changed", clear_link=True)

    def _vport_limit(self, arguments: Arguments) -> dict[str, object]:
        scope, limit = _port_or_all(arguments), arguments.pop("max", None)
        limits = self._fabric.state.faults.vport_limits
        if scope != ALL:
            self._fabric.port_index(scope)
        if limit is None:
            limits.pop(scope, None)
        elif isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise ValueError(f"max: a number from 0 up or null is needed, not {limit!r}")
        else:
            limits[scope] = limit
        self._fabric.changed()
        self._fabric.log(f"vport limit of {scope}: {'none' if limit is None else limit}")
        return {"vport_limits": dict(limits)}

    def _reject_logins(self, arguments: Arguments) -> dict[str, object]:
        scope = self._scope(arguments)
        kinds, count = arguments.pop("kinds", None), arguments.pop("count", None)
        enabled = _flag(arguments, "enabled", True)
        if count is not None and (isinstance(count, bool) or not isinstance(count, int)):
            raise ValueError(f"count: a number or null is needed, not {count!r}")
        faults = self._fabric.state.faults
        faults.set_reject(scope, [str(kind).lower() for kind in kinds] if kinds else KINDS, enabled, count)
        self._fabric.changed()
        self._fabric.log(f"reject logins of {scope}: {'on' if enabled else 'off'} kinds={kinds or 'all'} count={count}")
        return {"rejects": [rule.to_json() for rule in faults.rejects]}

    def _duplicate_wwpn(self, arguments: Arguments) -> dict[str, object]:
        keep = str(_need(arguments, "keep"))
        if keep not in (FIRST_WINS, LAST_WINS):
            raise ValueError(f"keep: {FIRST_WINS} or {LAST_WINS} login, not {keep!r}")
        self._fabric.state.faults.duplicate_wwpn = keep
        self._fabric.changed()
        return {}

    def _port(self, arguments: Arguments) -> dict[str, object]:
        index = self._fabric.port_index(parse_port(str(_need(arguments, "port"))))
        up = _flag(arguments, "up")
        changed = self._fabric.up[index] != up
        self._fabric.set_port(index, up, _flag(arguments, "silent", False))
        return {"changed": changed}

    def _drop_fcp(self, arguments: Arguments) -> dict[str, object]:
        scope, enabled = self._scope(arguments), _flag(arguments, "enabled", True)
        scopes = self._fabric.state.faults.drop_fcp
        (scopes.add if enabled else scopes.discard)(scope)
        self._fabric.changed()
        self._fabric.log(f"FCP frames of {scope} are {'dropped' if enabled else 'passed'}")
        return {"drop_fcp": sorted(scopes)}

    def _logout(self, arguments: Arguments) -> dict[str, object]:
        wwpn = parse_wwn(_need(arguments, "wwpn"))
        login = self._fabric.logins.by_wwpn.get(wwpn)
        if login is None:
            raise ValueError(f"{wwpn} is not logged in")
        self._fabric.remove(login, "logged out by the administrator", clear_link=True)
        return {}

    def _clear_faults(self, _: Arguments) -> dict[str, object]:
        fabric = self._fabric
        npiv_was_off = not fabric.state.faults.npiv
        for index, up in enumerate(fabric.up):
            if not up:
                fabric.set_port(index, True)
        fabric.state.faults = Faults()
        fabric.changed()
        fabric.log("faults cleared")
        if npiv_was_off:
            self._npiv_changed(relogin=True)
        return {}

    def _do_stop(self, _: Arguments) -> dict[str, object]:
        self._stop()
        return {}

    def _scope(self, arguments: Arguments) -> str:
        """What a fault is for: wwpn or port, or without both everything."""
        wwpn, port = arguments.pop("wwpn", None), arguments.pop("port", None)
        if wwpn and port:
            raise ValueError("wwpn and port exclude each other")
        if wwpn:
            return parse_wwn(wwpn)
        scope = parse_scope(port)
        if scope != ALL:
            self._fabric.port_index(scope)
        return scope


def _need(arguments: Arguments, name: str) -> object:
    if arguments.get(name) is None:
        raise ValueError(f"{name} is missing")
    return arguments.pop(name)


def _flag(arguments: Arguments, name: str, default: bool | None = None) -> bool:
    value = arguments.pop(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"{name}: true or false is needed, not {value!r}")
    return value


def _port_or_all(arguments: Arguments) -> str:
    port = arguments.pop("port", None)
    return ALL if port in (None, ALL) else parse_port(str(port))
