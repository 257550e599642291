# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack a program that runs at boot: the same core as that of the module, in one file that Python runs as it is.

It is read through the loader of the running module, which Ansible sends in an archive and removes after the run.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterable

from ansible_collections.virt.san.plugins.module_utils._errors import UnavailableError

OWN = "_boot/packing.py"
"""This file."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""A time for all members: the same sources make the same bytes."""


def program(entry: str, files: Iterable[str]) -> bytes:
    """Return the program whose main() is in the file `entry`. `files`: what that needs. Both are below module_utils.

    Raises UnavailableError where the running module does not give its source.
    """
    names = tuple(files)
    core = __name__.rpartition("._boot.")[0]
    folder = core.replace(".", "/")
    members = {
        "__main__.py": _begin(core, entry, names).encode(),
        **{f"{package}/__init__.py": b"" for package in _packages(folder, names)},
        **{f"{folder}/{name}": _source(name) for name in names},
    }
    archive = io.BytesIO()
    # Not compressed: what zlib makes of the same bytes differs from release to release.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packing:
        for name in sorted(members):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.external_attr = 0o644 << 16
            member.create_system = 3
            packing.writestr(member, members[name])
    return archive.getvalue()


def _packages(folder: str, names: Iterable[str]) -> set[str]:
    """Return the folders of all members. An archive has no packages without __init__.py before Python 3.13."""
    rooms = {f"{folder}/{name}".rpartition("/")[0] for name in names}
    return {path for room in rooms for path in _ancestors(room)}


def _ancestors(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _begin(core: str, entry: str, files: Iterable[str]) -> str:
    """Return what runs first. All files are loaded at once: another program may take this one's place while it runs."""
    loading = "".join(f"import {_module(core, name)}\n" for name in files)
    return f"{loading}from {_module(core, entry)} import main\n\nmain()\n"


def _module(core: str, name: str) -> str:
    return f"{core}.{name[: -len('.py')].replace('/', '.')}"


def _source(name: str) -> bytes:
    """Return a file of the core, which need not have been loaded: it is where this one is."""
    spec = sys.modules[__name__].__spec__
    read = getattr(spec.loader, "get_data", None) if spec is not None else None
    if spec is None or spec.origin is None or read is None:
        raise UnavailableError(f"the source of {name} is not at hand, so that it cannot be kept for boots")
    return bytes(read(f"{spec.origin[: -len(OWN)]}{name}"))
