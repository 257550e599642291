# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module loads for one request: a program for a Python of its own, in which nothing is loaded yet.

`python loading.py CASE FOLDER` has a process of its own make the machine in the folder as the request wants it, sends
the request, and writes in one line the files of the core that were loaded for it, relative to module_utils.
`python loading.py types` writes such a line for each type of pools, after its name.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.virt.san.tests.unit.support.npiv_kernel import behind_the_vhba, kernel
from ansible_collections.virt.san.tests.unit.support.volume_machine import VolumeMachine

PLUGINS = "ansible_collections.virt.san.plugins."
CORE = f"{PLUGINS}module_utils."

NOTHING = ("name", "type", "uuid", "source", "target", "xml", "autostart", "single_host")
POOL: dict[str, Any] = {
    **dict.fromkeys(NOTHING),
    "state": "active",
    "persistent": True,
    "build": "if_needed",
    "remove_devices": False,
    "exclusive": True,
    "delete_contents": False,
    "force": False,
    "timeout": 10.0,
}
DIR = {**POOL, "name": "images", "type": "dir", "target": {"path": "/images", "permissions": None}}
NETFS = {
    **POOL,
    "name": "isos",
    "type": "netfs",
    "target": {"path": "/isos", "permissions": None},
    "source": {
        **dict.fromkeys(("name", "format", "protocol")),
        "host": "10.77.1.1",
        "dir": "/srv/nfs",
        "devices": [],
        "mount_options": [],
    },
}
UNASKED = ("allocation", "thin_pool", "format", "backing", "permissions", "wipe", "clone_from", "upload_from")
VOLUME = {
    **dict.fromkeys((*UNASKED, "download_to", "snapshot_of")),
    "pool": "images",
    "name": "a",
    "state": "present",
    "capacity": "1M",
    "allow_shrink": False,
    "timeout": 10.0,
}
VHBA = {
    **dict.fromkeys(("name", "parent", "fabric", "symbolic_name")),
    "state": "present",
    "wwpn": "5001a4a000000001",
    "wwnn": "5001a4a000000101",
    "instance": 0,
    "oui": "001a4a",
    "move": False,
    "persistent": False,
    "force": False,
    "timeout": 5.0,
    "expect": {"wwids": [], "luns": [], "sizes": {}, "count": None, "paths": None},
}


def request(module: str, host: Any, options: Mapping[str, Any]) -> Any:
    """Have a module do what it does once its options are read; return the outcome."""
    loaded = importlib.import_module(f"{PLUGINS}modules.{module}")
    answer = getattr(loaded, "look", None)
    return answer(host, options) if answer is not None else loaded.bring_about(host, options, False)


def elsewhere(work: Callable[[], object]) -> None:
    """Have something done in a process of its own, so that it loads nothing here."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("the machine could not be made ready")


def pool(root: Path, options: Mapping[str, Any]) -> Any:
    machine = VolumeMachine(root)
    elsewhere(lambda: request("storage_pool", machine, options))
    return request("storage_pool", machine, options)


def volume(root: Path) -> Any:
    machine = VolumeMachine(root)
    elsewhere(lambda: (request("storage_pool", machine, DIR), request("storage_volume", machine, VOLUME)))
    return request("storage_volume", machine, VOLUME)


def info(root: Path) -> Any:
    machine = VolumeMachine(root)
    elsewhere(lambda: request("storage_pool", machine, DIR))
    return request("storage_pool_info", machine, {"name": ["images"], "volumes": True, "timeout": 10.0})


def vhba(root: Path) -> Any:
    with kernel("debian12-fc", root, lambda tree: behind_the_vhba(tree, (0, 300))) as machine:
        return request("npiv_vport", machine, VHBA)


def pool_types() -> None:
    registry = importlib.import_module(f"{CORE}_pools.registry")

    def tell(name: str) -> None:
        registry.pool_type(name)
        print(name, *loaded(), flush=True)

    for name in registry.TYPES:
        elsewhere(partial(tell, name))


def loaded() -> list[str]:
    files = [name for name, module in sys.modules.items() if getattr(module, "__file__", None)]
    return [f"{name[len(CORE) :].replace('.', '/')}.py" for name in files if name.startswith(CORE)]


CASES: dict[str, Callable[[Path], Any]] = {
    "dir": lambda root: pool(root, DIR),
    "netfs": lambda root: pool(root, NETFS),
    "volume": volume,
    "info": info,
    "vhba": vhba,
}


def main() -> None:
    if sys.argv[1] == "types":
        pool_types()
        return
    case, root = sys.argv[1:]
    if CASES[case](Path(root)).changed:
        raise RuntimeError("there was something to be done")
    print(*loaded())


if __name__ == "__main__":
    main()
