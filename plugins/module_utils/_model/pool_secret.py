# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password that a pool logs in with: it is kept in a file of its own, which only root may read."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.virt.san.plugins.module_utils._model.iscsi import Chap

SECRETS = "/etc/virt-san/secrets"
MODE = 0o600


def secret_path(name: str) -> str:
    """Return where the password of a pool is kept."""
    return f"{SECRETS}/{name}.json"


def secret_text(chap: Chap) -> str:
    """Return the content of the file."""
    return json.dumps({key: value for key, value in asdict(chap).items() if value is not None}, indent=2) + "\n"


def parse_secret(text: str) -> Chap | None:
    """Return what a file says; None for one that somebody has spoilt, and no word of what is in it."""
    from ansible_collections.virt.san.plugins.module_utils._model.iscsi import parse_chap

    try:
        told = json.loads(text)
        return parse_chap(told) if isinstance(told, dict) else None
    except (KeyError, ValueError):
        return None
