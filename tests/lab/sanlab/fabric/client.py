"""Steering a running switch: one method a command, a deadline on each."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DEADLINE = 10.0


class FabricError(Exception):
    """The switch cannot be reached, or refuses."""


class FabricClient:
    """Commands for the switch behind a control socket. WWPNs may be written with colons or 0x."""

    def __init__(self, control: Path | str, deadline: float = DEADLINE) -> None:
        self._control = str(control)
        self._deadline = deadline

    def call(self, cmd: str, **arguments: Any) -> dict[str, Any]:
        """Send one command and return its answer without "ok"."""
        line = json.dumps({"cmd": cmd, **arguments}).encode() + b"\n"
        try:
            answer = json.loads(self._exchange(line))
        except FileNotFoundError:
            raise FabricError(f"no fabric switch at {self._control}: it is not running") from None
        except ConnectionRefusedError:
            raise FabricError(f"no fabric switch at {self._control}: it ended without cleaning up") from None
        except TimeoutError:
            raise FabricError(f"the switch at {self._control} did not answer {cmd} in {self._deadline:g} s") from None
        except (OSError, ValueError) as error:
            raise FabricError(f"talking to the switch at {self._control}: {error}") from error
        if not answer.pop("ok", False):
            raise FabricError(str(answer.get("error", "the switch gave no reason")))
        return dict(answer)

    def _exchange(self, line: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self._deadline)
            connection.connect(self._control)
            connection.sendall(line)
            with connection.makefile("rb") as stream:
                answer = stream.readline()
        if not answer:
            raise OSError("it closed the connection")
        return answer

    # Looking

    def status(self) -> dict[str, Any]:
        return self.call("status")

    def logins(self) -> dict[str, dict[str, Any]]:
        """The logins by WWPN, each with its port."""
        found: dict[str, dict[str, Any]] = {}
        for port in self.status()["ports"]:
            for login in port["logins"]:
                found[login["wwpn"]] = {**login, "port": port["port"]}
        return found

    # Zones

    def zone_set(self, name: str, members: Iterable[str]) -> bool:
        """Create or change a zone; return whether anyone sees anything else than before."""
        return bool(self.call("zone_set", name=name, members=list(members))["changed"])

    def zone_delete(self, name: str) -> bool:
        return bool(self.call("zone_delete", name=name)["changed"])

    def zone_clear(self) -> bool:
        return bool(self.call("zone_clear")["changed"])

    def zone_list(self) -> dict[str, list[str]]:
        return dict(self.call("zone_list")["zones"])

    # Faults

    def npiv(self, enabled: bool, relogin: bool = True) -> None:
        """Switch NPIV. Hosts learn of it with their next FLOGI: `relogin` makes them log in again now."""
        self.call("npiv", enabled=enabled, relogin=relogin)

    def vport_limit(self, limit: int | None, port: str | None = None) -> None:
        """Limit the virtual ports of a port, or of every port without a limit of its own; None takes it away."""
        self.call("vport_limit", port=port, max=limit)

    def reject_logins(
        self,
        enabled: bool = True,
        *,
        wwpn: str | None = None,
        port: str | None = None,
        kinds: Iterable[str] | None = None,
        count: int | None = None,
    ) -> None:
        """Turn down logins (flogi, fdisc, plogi; default any) of a WWPN, a port, or all; or only the next `count`."""
        wanted = list(kinds) if kinds is not None else None
        self.call("reject_logins", wwpn=wwpn, port=port, kinds=wanted, enabled=enabled, count=count)

    def duplicate_wwpn(self, keep: str) -> None:
        """Which login of a WWPN stays when it logs in on a second port: "first" (default) or "last"."""
        self.call("duplicate_wwpn", keep=keep)

    def port(self, port: str, up: bool, silent: bool = False) -> None:
        """Enable or disable a port; `silent` leaves the host to find out by itself."""
        self.call("port", port=port, up=up, silent=silent)

    def drop_fcp(self, enabled: bool = True, *, wwpn: str | None = None, port: str | None = None) -> None:
        """Swallow SCSI commands and data of a WWPN, of a port, or of all, while logins stay."""
        self.call("drop_fcp", wwpn=wwpn, port=port, enabled=enabled)

    def logout(self, wwpn: str) -> None:
        """End one login by clearing its virtual link; the host logs in again by itself."""
        self.call("logout", wwpn=wwpn)

    def clear_faults(self) -> None:
        self.call("clear_faults")

    def stop(self) -> None:
        self.call("stop")
