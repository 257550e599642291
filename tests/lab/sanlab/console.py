"""The serial console, in the user's terminal."""

from __future__ import annotations

import os
import select
import socket
import sys
import termios
import tty
from pathlib import Path

from .errors import LabError

_LEAVE = b"\x1d"  # Ctrl-]


def attach(path: Path) -> None:
    """Copy bytes both ways until Ctrl-]."""
    if not sys.stdin.isatty():
        raise LabError("the console needs a terminal; what it said so far: lab console NAME --log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            line.connect(str(path))
        except OSError as error:
            raise LabError(f"no console ({error.strerror}); is the machine running?") from error
        print("Enter for a shell, Ctrl-] leaves.", flush=True)
        saved = termios.tcgetattr(sys.stdin)
        try:
            tty.setraw(sys.stdin)
            _copy(line)
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
            print()


def _copy(line: socket.socket) -> None:
    while True:
        ready, _, _ = select.select([sys.stdin, line], [], [])
        if line in ready:
            received = line.recv(4096)
            if not received:
                return
            os.write(sys.stdout.fileno(), received)
        if sys.stdin in ready:
            typed = os.read(sys.stdin.fileno(), 4096)
            if not typed or _LEAVE in typed:
                return
            line.sendall(typed)
