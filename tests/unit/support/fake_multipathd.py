# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A multipathd that speaks the real protocol on a socket in a test's tree and says what it is told to say."""

from __future__ import annotations

import socket
import struct
import threading
import time
from pathlib import Path
from types import TracebackType

SIZE_T = struct.Struct("@N")


class FakeMultipathd:
    """Answers each command from a list of replies; anything unexpected is answered with the daemon's `fail`.

    A reply may be bytes (sent raw, without a frame), None (no reply at all), or a number (seconds of
    silence before the connection is closed).
    """

    def __init__(self, root: Path, replies: dict[str, list[str | bytes | float | None]]) -> None:
        self.root = root
        self.replies = {command: list(answers) for command, answers in replies.items()}
        self.asked: list[str] = []
        (root / "run").mkdir(parents=True, exist_ok=True)
        (root / "proc/4711").mkdir(parents=True)
        (root / "proc/4711/comm").write_text("multipathd\n")
        (root / "run/multipathd.pid").write_text("4711\n")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(root / "run/multipathd.socket"))
        self.listener.listen()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FakeMultipathd:
        self.thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self.listener.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        (length,) = SIZE_T.unpack(connection.recv(SIZE_T.size, socket.MSG_WAITALL))
        text = connection.recv(length, socket.MSG_WAITALL)
        assert text.endswith(b"\0"), "the length must count a final NUL"
        command = text[:-1].decode()
        self.asked.append(command)
        answers = self.replies.get(command)
        answer = "fail\n" if not answers else answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            return
        if isinstance(answer, float):
            time.sleep(answer)
            return
        data = answer if isinstance(answer, bytes) else SIZE_T.pack(len(answer) + 1) + answer.encode() + b"\0"
        for start in range(0, len(data), 4096):  # as a busy daemon does: in pieces
            connection.sendall(data[start : start + 4096])
