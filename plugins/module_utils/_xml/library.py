# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxml, asked for when it is needed: a host may not have it, and then a person wants to know what to install."""

from __future__ import annotations

from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError


def etree() -> Any:
    """Return lxml.etree. Raises UnavailableError where it is not installed."""
    try:
        from lxml import etree as found
    except ImportError as missing:
        raise UnavailableError(
            "Python's lxml is not installed on this host, and definitions of storage pools are XML: install "
            "python3-lxml (role virt.san.host does)",
            package="python3-lxml",
        ) from missing
    return found
