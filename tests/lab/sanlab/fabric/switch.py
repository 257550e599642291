"""The switch: frames in, frames out. It owns no socket, so that tests can be its hosts."""

from __future__ import annotations

from collections.abc import Callable

from sanlab.fabric import fc, fip, forward
from sanlab.fabric.fabric import Config, Fabric
from sanlab.fabric.fiplogin import FipEndpoint
from sanlab.fabric.forward import Bridge, Forwarder
from sanlab.fabric.services import Services
from sanlab.fabric.state import State


class Switch:
    def __init__(
        self,
        config: Config,
        state: State,
        send: Callable[[int, bytes | memoryview], None],
        log: Callable[[str], None],
    ) -> None:
        self.fabric = Fabric(config, state, send, log)
        self._send = send
        self._fip = FipEndpoint(self.fabric)
        self._services = Services(self.fabric)
        self._forwarder = Forwarder(self.fabric)
        self._bridge = Bridge(len(config.ports), send, self._usable)
        self._next_advertisement = 0.0

    def _usable(self, port: int) -> bool:
        return self.fabric.up[port] and self.fabric.linked[port]

    # Frames

    def receive(self, port: int, buffer: bytearray, length: int) -> None:
        """Take one frame from a port; the buffer may be changed. `finish` has to follow, once for a batch of frames."""
        fabric = self.fabric
        if length < 14 or not fabric.up[port]:
            fabric.counters["dropped_at_port"] += 1
            return
        kind = buffer[12:14]
        if kind == fc.FCOE:
            fabric.heard[port] = fabric.now
            if length >= fc.FC_AT + 24 + fc.TRAILER:
                flow = self._forwarder.flow(port, bytes(buffer[: forward.KEY]))
                if flow.action is forward.FORWARD:
                    buffer[0:12] = flow.macs
                    self._send(flow.out, memoryview(buffer)[:length])
                else:
                    self._special(port, flow, bytes(buffer[:length]))
        elif kind == fc.FIP:
            fabric.heard[port] = fabric.now
            self._guarded(self._fip.receive, port, bytes(buffer[:length]))
        else:
            self._bridge.receive(port, memoryview(buffer)[:length])

    def _special(self, port: int, flow: forward.Flow, data: bytes) -> None:
        fabric = self.fabric
        s_id = int.from_bytes(data[fc.S_ID], "big")
        if flow.action is forward.UNKNOWN:
            fabric.counters["dropped_unknown_source"] += 1
            self._fip.clear_unknown(port, s_id)
        elif flow.action is forward.LOCAL:
            self._guarded(self._services.receive, fabric.logins.by_fcid[s_id], fc.parse_fcoe(data))
        elif flow.action is forward.INSPECT:
            if not self._services.refuse_plogi(fabric.logins.by_fcid[s_id], fc.parse_fcoe(data)):
                self._send(flow.out, flow.macs + data[12:])
        else:
            fabric.counters[flow.action] += 1

    def _guarded(self, handler: Callable[..., None], *arguments: object) -> None:
        """A frame that makes no sense is counted and dropped, whatever it was meant to be."""
        try:
            handler(*arguments)
        except (ValueError, IndexError) as error:
            self.fabric.counters["malformed"] += 1
            self.fabric.log(f"malformed frame dropped: {error}")

    def finish(self) -> None:
        self.fabric.rscn.flush()

    # Time and links

    def tick(self, now: float) -> None:
        """What has to happen by the clock; called a few times a second."""
        fabric = self.fabric
        fabric.now = now
        if now >= self._next_advertisement:
            self._next_advertisement = now + fabric.config.keep_alive / 1000
            for port in range(len(fabric.config.ports)):
                fabric.advertise(port)
        fabric.expire()
        fabric.rscn.retry()
        self.finish()

    def set_link(self, port: int, linked: bool) -> None:
        fabric = self.fabric
        if fabric.linked[port] == linked:
            return
        fabric.set_link(port, linked)
        self._fip.port_reset(port)
        self._bridge.forget(port)
        if linked and fabric.up[port]:
            # A host that was logged in to an earlier run of the switch does not know of the restart yet. It believes
            # an advertisement for another 20 s and more, so it is told; for a host just started this means nothing.
            fabric.send(port, fip.clear_links(fabric.config.names))
            fabric.advertise(port)
        self.finish()
