"""The switch's ports as datagram sockets, each the end of a cable to one network card of a virtual machine.

The switch binds NAME.sw, the machine NAME.vm; either side may come and go. One datagram is one Ethernet frame.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

from sanlab.fabric.switch import Switch

FRAME = 65536
# Frames taken from one port before the others have their turn.
BATCH = 64
# FCoE knows no loss: a frame that finds the machine busy waits here. A kernel queues as few as ten datagrams
# (net.unix.max_dgram_qlen), a target sends hundreds of frames for one read. The limit, in bytes, is what a machine that
# stopped reading may cost.
BACKLOG = 64 << 20
SOCKET_BUFFER = 4 << 20

_BUSY = (errno.EAGAIN, errno.ENOBUFS)


class Port:
    """One port. `on_link` is told when the machine at the other end comes or goes."""

    def __init__(self, index: int, name: str, directory: Path, selector: selectors.BaseSelector) -> None:
        self.index, self.name = index, name
        stem = name.replace(":", "-")
        self.ours, self.theirs = str(directory / f"{stem}.sw"), str(directory / f"{stem}.vm")
        self._selector = selector
        self.on_link: Callable[[int, bool], None] = lambda index, linked: None
        self.linked = False
        self.last_seen = 0.0
        self.rx_frames = self.rx_bytes = self.tx_frames = self.tx_bytes = self.lost = 0
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0
        # Two sockets: only a connected one can be waited on until the machine reads again, but a connected one would
        # refuse the frames of a machine that was started anew.
        self.rx = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.rx.setblocking(False)
        self._bind()
        self._tx = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._tx.setblocking(False)
        self._tx.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)

    def _bind(self) -> None:
        """Bind aside and move into place: a machine never finds a path that is there and leads nowhere."""
        draft = os.path.join(os.path.dirname(self.ours), f".{os.getpid()}")
        try:
            self.rx.bind(draft)
            os.replace(draft, self.ours)
        except OSError as error:
            # Python's own message names no path, and the usual mistake is one of more than 107 characters.
            raise OSError(f"{self.ours}: {error}") from error

    def probe(self) -> None:
        """See whether somebody is at the other end, also after it changed hands."""
        try:
            self._tx.connect(self.theirs)
        except OSError:
            self._set_link(False)
        else:
            self._set_link(True)

    def _set_link(self, linked: bool) -> None:
        if linked == self.linked:
            return
        self.linked = linked
        if not linked:
            self._wait_for_room(False)
            self._backlog.clear()
            self._backlog_bytes = 0
        self.on_link(self.index, linked)

    def send(self, frame: bytes | memoryview) -> None:
        if not self.linked:
            self.lost += 1
        elif self._backlog:
            self._keep(frame)
        elif not self._push(frame):
            self._keep(frame)
            self._wait_for_room(True)

    def _push(self, frame: bytes | memoryview) -> bool:
        """Hand a frame over; false if there is no room for it now."""
        try:
            self._send_once(frame)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            # Nobody there. Link down is for the next probe to say: here we may be in the middle of a logout.
            self.lost += 1
            return True
        self.tx_frames += 1
        self.tx_bytes += len(frame)
        return True

    def _send_once(self, frame: bytes | memoryview) -> None:
        try:
            self._tx.send(frame)
        except OSError as error:
            if error.errno in _BUSY:
                raise
            # The machine may have been started anew since the last probe.
            self._tx.connect(self.theirs)
            self._tx.send(frame)

    def _keep(self, frame: bytes | memoryview) -> None:
        if self._backlog_bytes + len(frame) > BACKLOG:
            self.lost += 1
            return
        self._backlog.append(bytes(frame))
        self._backlog_bytes += len(frame)

    def drain(self) -> None:
        """There is room again."""
        while self._backlog:
            if not self._push(self._backlog[0]):
                return
            self._backlog_bytes -= len(self._backlog.popleft())
        self._wait_for_room(False)

    def _wait_for_room(self, wait: bool) -> None:
        waiting = self._tx.fileno() in self._selector.get_map()
        if wait and not waiting:
            self._selector.register(self._tx, selectors.EVENT_WRITE, self.drain)
        elif waiting and not wait:
            self._selector.unregister(self._tx)

    def to_json(self) -> dict[str, object]:
        return {
            "rx_frames": self.rx_frames, "rx_bytes": self.rx_bytes, "tx_frames": self.tx_frames,
            "tx_bytes": self.tx_bytes, "lost": self.lost, "waiting": len(self._backlog),
        }  # fmt: skip

    def close(self) -> None:
        self._wait_for_room(False)
        self.rx.close()
        self._tx.close()
        try:
            os.unlink(self.ours)
        except FileNotFoundError:
            pass


class PortSet:
    def __init__(self, names: tuple[str, ...], directory: Path, selector: selectors.BaseSelector) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.ports: list[Port] = []
        self._buffer = bytearray(FRAME)
        try:
            for index, name in enumerate(names):
                self.ports.append(Port(index, name, directory, selector))
        except OSError:
            self.close()
            raise

    def send(self, index: int, frame: bytes | memoryview) -> None:
        self.ports[index].send(frame)

    def attach(self, switch: Switch, selector: selectors.BaseSelector, clock: Callable[[], float]) -> None:
        for port in self.ports:
            port.on_link = switch.set_link
            selector.register(port.rx, selectors.EVENT_READ, self._reader(port, switch, clock))

    def _reader(self, port: Port, switch: Switch, clock: Callable[[], float]) -> Callable[[], None]:
        buffer, receive_into, receive, index = self._buffer, port.rx.recv_into, switch.receive, port.index
        fabric = switch.fabric

        def read() -> None:
            fabric.now = port.last_seen = clock()
            if not port.linked:
                port.probe()
            for _ in range(BATCH):
                try:
                    length = receive_into(buffer)
                except OSError:
                    break
                port.rx_frames += 1
                port.rx_bytes += length
                receive(index, buffer, length)
            switch.finish()

        return read

    def probe(self) -> None:
        for port in self.ports:
            port.probe()

    def close(self) -> None:
        for port in self.ports:
            port.close()
