"""Run one fabric switch: ``python3 -m sanlab.fabric --name a --sockets DIR --ports kvm1:a,array:a --control PATH``."""

from __future__ import annotations

import argparse
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

from sanlab.fabric import state
from sanlab.fabric.admin import Admin
from sanlab.fabric.control import Control, InUse
from sanlab.fabric.fabric import Config
from sanlab.fabric.fc import MAX_PAYLOAD
from sanlab.fabric.names import FabricNames, parse_port
from sanlab.fabric.ports import PortSet
from sanlab.fabric.switch import Switch

TICK = 0.25
# The same line is written this often within this many seconds: a host that is refused tries for ever.
SAME, WINDOW = 3, 30.0


class Log:
    def __init__(self, name: str) -> None:
        self._name = name
        self._since: dict[str, float] = {}
        self._count: dict[str, int] = {}

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        more = ""
        if now - self._since.get(text, -WINDOW) >= WINDOW:
            held_back = self._count.get(text, 0) - SAME
            more = f" [and {held_back} times before]" if held_back > 0 else ""
            if len(self._since) > 1000:
                self._since.clear()
                self._count.clear()
            self._since[text], self._count[text] = now, 0
        self._count[text] += 1
        if self._count[text] <= SAME:
            print(f"{time.strftime('%H:%M:%S')} fabric {self._name}: {text}{more}", file=sys.stderr, flush=True)


class Process:
    """The one loop: ports, control socket, clock."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._state_file: Path | None = options.state
        self._selector = selectors.DefaultSelector()
        self._running = True
        self._woken, self._waker = socket.socketpair()
        log = Log(options.name)
        saved = state.load(options.state) if options.state else state.State()
        config = Config(
            FabricNames(options.name, options.domain), options.ports, keep_alive=options.keep_alive,
            r_a_tov=options.r_a_tov, max_payload=options.max_payload,
        )  # fmt: skip
        # The control socket first: it is what tells that another switch has these ports.
        self._control = Control(options.control, self._handle, self._selector)
        self._ports = PortSet(config.ports, options.sockets, self._selector)
        self._switch = Switch(config, saved, self._ports.send, log)
        self._ports.attach(self._switch, self._selector, time.monotonic)
        self._admin = Admin(self._switch.fabric, self._port_facts, self._stop)
        self._log = log

    def _port_facts(self, index: int) -> dict[str, object]:
        port = self._ports.ports[index]
        age = round(time.monotonic() - port.last_seen, 1) if port.last_seen else None
        return {"last_seen": age, **port.to_json()}

    def _handle(self, request: object) -> dict[str, object]:
        self._switch.fabric.now = time.monotonic()
        answer = self._admin.handle(request)
        self._save()
        return answer

    def _stop(self) -> None:
        self._running = False

    def _save(self) -> None:
        fabric = self._switch.fabric
        if fabric.dirty and self._state_file:
            state.save(self._state_file, fabric.state)
        fabric.dirty = False

    def run(self) -> None:
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop())
        self._selector.register(self._woken, selectors.EVENT_READ, self._stop)
        self._log(f"started, ports {','.join(self._switch.fabric.config.ports)}")
        due = 0.0
        try:
            while self._running:
                now = time.monotonic()
                if now >= due:
                    due = now + TICK
                    self._ports.probe()
                    self._switch.tick(now)
                    self._save()
                for key, _ in self._selector.select(max(0.0, due - time.monotonic())):
                    key.data()
        finally:
            self._close()

    def _close(self) -> None:
        self._switch.fabric.dirty = True
        self._save()
        self._control.close()
        self._ports.close()
        self._log("stopped")


def _ports(text: str) -> tuple[str, ...]:
    names = tuple(parse_port(name) for name in text.split(","))
    if len(set(names)) != len(names):
        raise argparse.ArgumentTypeError("a port is named twice")
    return names


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m sanlab.fabric", description="A Fibre Channel switch in software.")
    parser.add_argument("--name", required=True, help="name of the fabric; its addresses are made from it")
    parser.add_argument("--sockets", required=True, type=Path, metavar="DIR", help="folder of the port sockets")
    parser.add_argument("--ports", required=True, type=_ports, metavar="MACHINE:NIC,...", help="the ports")
    parser.add_argument("--control", required=True, type=Path, metavar="PATH", help="control socket")
    parser.add_argument("--state", type=Path, metavar="FILE", help="FC ids, zones and faults, kept over a restart")
    parser.add_argument("--domain", type=int, help="domain id, 1 to 239 (default: made from the name)")
    parser.add_argument("--keep-alive", type=int, default=8000, metavar="MS", help="FIP keep-alive period")
    parser.add_argument("--r-a-tov", type=int, default=4000, metavar="MS", help="resource allocation time-out")
    parser.add_argument("--max-payload", type=int, default=MAX_PAYLOAD, metavar="BYTES", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> int:
    options = parse_arguments()
    try:
        Process(options).run()
    except (state.StateError, InUse, ValueError, OSError) as error:
        print(f"fabric {options.name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
