"""The one exception that the command line turns into a message."""

from __future__ import annotations


class LabError(Exception):
    """Something the user can act upon; its text says what."""
