# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders in which something is kept for the next boot: whose they are, and their end."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.virt.san.plugins.module_utils._host.host import TEMPORARY, Host


def folders(host: Host, among: Iterable[str], ours: Iterable[str]) -> tuple[str, ...]:
    """Return those of `among` (inner ones first) in which nobody else keeps anything. `ours`: paths of files."""
    wanted = tuple(among)
    known = {*ours, *wanted}
    found = (path for path in wanted if host.exists(path))
    return tuple(
        path for path in found if all(f"{path}/{name}" in known or _is_temporary(name) for name in host.entries(path))
    )


def remove_folders(host: Host, paths: Iterable[str]) -> None:
    """Remove folders that are empty, apart from what killed runs were about to write there."""
    for path in paths:
        for name in filter(_is_temporary, host.entries(path)):
            host.remove_file(f"{path}/{name}")
        host.remove_folder(path)


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(TEMPORARY)
