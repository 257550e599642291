"""The control socket: a unix stream socket, one JSON object a line, one answer a line."""

from __future__ import annotations

import json
import os
import selectors
import socket
from collections.abc import Callable
from pathlib import Path

LINE = 1 << 20
SOCKET_BUFFER = 1 << 20

Handler = Callable[[object], dict[str, object]]


class InUse(Exception):
    """Another switch answers on this control socket."""


class Control:
    def __init__(self, path: Path, handler: Handler, selector: selectors.BaseSelector) -> None:
        self._path = path
        self._handler = handler
        self._selector = selector
        self._clients: dict[socket.socket, bytearray] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._refuse_second(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        # Faults are nobody's business but that of the user who runs the lab.
        before = os.umask(0o077)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(before)
        self._listener.listen(16)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    @staticmethod
    def _refuse_second(path: Path) -> None:
        """Remove the socket file a crashed switch left; but never take it from one that runs."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(path))
            except FileNotFoundError:
                return
            except OSError:
                path.unlink(missing_ok=True)
                return
        raise InUse(f"{path}: a switch is already running there")

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        self._clients[client] = bytearray()
        self._selector.register(client, selectors.EVENT_READ, lambda: self._read(client))

    def _read(self, client: socket.socket) -> None:
        pending = self._clients[client]
        try:
            data = client.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        pending += data
        if not data or len(pending) > LINE:
            self._drop(client)
            return
        while client in self._clients and b"\n" in pending:
            line, _, rest = bytes(pending).partition(b"\n")
            pending[:] = rest
            self._answer(client, line)

    def _answer(self, client: socket.socket, line: bytes) -> None:
        try:
            request = json.loads(line)
        except ValueError as error:
            answer: dict[str, object] = {"ok": False, "error": f"not JSON: {error}"}
        else:
            answer = self._handler(request)
        data = json.dumps(answer).encode() + b"\n"
        try:
            sent = client.send(data)
        except OSError:
            sent = -1
        # The switch waits for nobody: a client that does not read its answers loses its connection.
        if sent != len(data):
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        del self._clients[client]
        client.close()

    def close(self) -> None:
        for client in list(self._clients):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)
