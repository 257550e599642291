# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of the code: who imports whom, and what travels to a host with each module."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.tests.unit.support import lawbook, packing
from ansible_collections.virt.san.tests.unit.support.collection import COLLECTIONS_PATH, MODULES, PLUGINS

# The rooms that travel to a host with each module. A module that starts to ship a room has to say
# so here, and a room that it ships no longer has to go.
PAYLOAD: dict[str, set[str]] = {
    "iscsi_session": {"_apply", "_argspec", "_entry", "_errors", "_host", "_model", "_plan"},
    "lun_facts": {"_apply", "_argspec", "_entry", "_errors", "_host", "_model", "_plan"},
    "lvm_devices": {"_apply", "_argspec", "_entry", "_errors", "_host", "_model", "_plan"},
    "multipath_devices": {"_apply", "_argspec", "_entry", "_errors", "_host", "_model", "_plan"},
    "npiv_vport": {"_apply", "_argspec", "_argspec_expect", "_boot", "_entry", "_errors", "_host", "_model", "_plan"},
    "scsi_device": {"_apply", "_argspec", "_entry", "_errors", "_host", "_model", "_plan"},
    "scsi_rescan": {"_apply", "_argspec", "_argspec_expect", "_entry", "_errors", "_host", "_model", "_plan"},
    "storage_pool": {
        *("_apply", "_argspec", "_argspec_pool", "_boot", "_entry", "_errors", "_host", "_model", "_plan"),
        *("_pools", "_xml"),
    },
    "storage_pool_info": {
        *("_apply", "_argspec", "_entry", "_errors", "_host", "_model", "_plan", "_pools", "_xml"),
    },
    "storage_volume": {
        *("_apply", "_argspec", "_argspec_pool", "_entry", "_errors", "_host", "_model", "_plan", "_pools", "_xml"),
    },
}

CORE = "ansible_collections.virt.san.plugins.module_utils"
FUTURE = "from __future__ import annotations\n"


def test_the_code_keeps_the_law():
    assert lawbook.violations(PLUGINS) == []


def test_each_module_ships_the_agreed_rooms_and_no_other():
    assert {name: lawbook.rooms(lawbook.closure(PLUGINS, path)) for name, path in MODULES.items()} == PAYLOAD


def test_ansible_packs_what_the_source_says():
    packed = packing.packed(COLLECTIONS_PATH, list(MODULES.values()))
    shipped = {name: packing.core_files(content["files"]) for name, content in packed.items()}
    assert shipped == {name: lawbook.closure(PLUGINS, path) for name, path in MODULES.items()}


# Below: made-up sources. A law that cannot say no would keep nothing.


@pytest.fixture
def plugins(tmp_path):
    """A function that writes files below a plugins/ directory and returns that."""

    def write(files):
        for name, source in files.items():
            path = tmp_path / "plugins" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        return tmp_path / "plugins"

    return write


CORE_FILES = {
    "module_utils/_errors.py": FUTURE,
    "module_utils/_model/ids.py": FUTURE,
    "module_utils/_plan/steps.py": FUTURE,
    "module_utils/_plan/guard.py": FUTURE,
    "module_utils/_host/host.py": FUTURE,
    "module_utils/_host/sysfs.py": FUTURE,
    "module_utils/_pools/lvm.py": FUTURE,
}

LAWFUL = {
    "a room below": ("module_utils/_plan/luns.py", f"from {CORE}._model.ids import Wwn"),
    "a file of the same room": ("module_utils/_host/scsi.py", f"from {CORE}._host import sysfs\nsysfs.read()"),
    "a relative import": ("module_utils/_host/scsi.py", "from .._model import ids"),
    "plan's steps from a pool": ("module_utils/_pools/nfs.py", f"from {CORE}._plan.steps import Step"),
    "an optional library where it belongs": ("module_utils/_host/libvirt.py", "def f():\n    import libvirt"),
    "pure parts of the standard library": (
        "module_utils/_plan/luns.py",
        "import re\nfrom collections.abc import Iterable",
    ),
    "ansible at the boundary": ("module_utils/_entry.py", "from ansible.module_utils.basic import AnsibleModule"),
    "a docstring before the future": ("module_utils/_plan/luns.py", None),
    "| between sets, flags and in annotations": (
        "module_utils/_plan/luns.py",
        "def f(x: int | None, y: set[str]) -> set[str] | None:\n    z: int | str = 1\n    return y | {z} | FLAG | a.B",
    ),
    "a dataclass": (
        "module_utils/_model/lun.py",
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass A: ...",
    ),
    "a dunder": ("module_utils/_host/scsi.py", f"from {CORE}._host import sysfs\nsysfs.__doc__"),
}


@pytest.mark.parametrize(("path", "source"), LAWFUL.values(), ids=LAWFUL.keys())
def test_the_law_allows(plugins, path, source):
    text = FUTURE + source if source is not None else f'"""What this is."""\n{FUTURE}'
    assert lawbook.violations(plugins({**CORE_FILES, path: text})) == []


UNLAWFUL = {
    "model imports another room": ("module_utils/_model/lun.py", f"from {CORE}._errors import SanError"),
    "plan imports host": ("module_utils/_plan/luns.py", f"from {CORE}._host import sysfs"),
    "plan imports host inside a function": (
        "module_utils/_plan/luns.py",
        f"def f():\n    from {CORE}._host import sysfs",
    ),
    "plan imports host for types": (
        "module_utils/_plan/luns.py",
        f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {CORE}._host import sysfs",
    ),
    "plan imports host relatively": ("module_utils/_plan/luns.py", "from .._host import sysfs"),
    "plan imports host by its whole name": ("module_utils/_plan/luns.py", f"import {CORE}._host.sysfs"),
    "host imports plan": ("module_utils/_host/scsi.py", f"from {CORE}._plan.steps import Step"),
    "pools import plan's guard": ("module_utils/_pools/nfs.py", f"from {CORE}._plan import guard"),
    "plan imports os": ("module_utils/_plan/luns.py", "import os.path"),
    "plan imports the clock": ("module_utils/_plan/luns.py", "from time import monotonic"),
    "model imports subprocess": ("module_utils/_model/lun.py", "import subprocess"),
    "plan opens a file": ("module_utils/_plan/luns.py", "open('/etc/passwd')"),
    "plan imports lxml": ("module_utils/_plan/luns.py", "from lxml import etree"),
    "host imports ansible": ("module_utils/_host/scsi.py", "from ansible.module_utils.basic import AnsibleModule"),
    "a library nobody agreed to": ("module_utils/_host/scsi.py", "import requests"),
    "a module imports a library": ("modules/luns.py", "import lxml"),
    "a filter reads the host": ("filter/luns.py", f"from {CORE}._host import sysfs"),
    "a private name imported": ("module_utils/_host/scsi.py", f"from {CORE}._host.sysfs import _cache"),
    "a private name used": ("module_utils/_host/scsi.py", f"from {CORE}._host import sysfs as fs\nfs._cache"),
    "everything imported": ("module_utils/_host/scsi.py", f"from {CORE}._host.sysfs import *"),
    "a file that is not there": ("module_utils/_host/scsi.py", f"from {CORE}._host import dm"),
    "importlib": ("module_utils/_host/scsi.py", "import importlib"),
    "__import__": ("module_utils/_host/scsi.py", "__import__('os')"),
    "a new room": ("module_utils/_magic.py", ""),
    "match": ("module_utils/_plan/luns.py", "match 1:\n    case 1: pass"),
    "a union made at run time": ("module_utils/_plan/luns.py", "isinstance(1, int | str)"),
    "an optional alias": ("module_utils/_plan/luns.py", "Name = str | None"),
    "a union of classes": ("module_utils/_plan/luns.py", "Item = Scan | list[Rescan]"),
    "slots": ("module_utils/_model/lun.py", "import dataclasses\n@dataclasses.dataclass(slots=True)\nclass A: ..."),
    "an __init__": ("module_utils/_host/__init__.py", ""),
}


@pytest.mark.parametrize(("path", "source"), UNLAWFUL.values(), ids=UNLAWFUL.keys())
def test_the_law_forbids(plugins, path, source):
    found = lawbook.violations(plugins({**CORE_FILES, path: FUTURE + source}))
    assert len(found) == 1
    assert found[0].startswith(f"{path}:")


@pytest.mark.parametrize("source", ["", "import re\n" + FUTURE, "from __future__ import generator_stop\n"])
def test_the_future_comes_first(plugins, source):
    found = lawbook.violations(plugins({"module_utils/_model/ids.py": source}))
    assert found == ["module_utils/_model/ids.py:1: `from __future__ import annotations` must come first"]


def test_a_closure_follows_every_kind_of_import(plugins):
    made = plugins(
        {
            **CORE_FILES,
            "modules/luns.py": f"import {CORE}._errors\ndef main():\n    from {CORE}._plan import luns",
            "module_utils/_plan/luns.py": f"if TYPE_CHECKING:\n    import {CORE}._pools.lvm\nfrom . import steps",
            "module_utils/_plan/steps.py": f"from {CORE}._plan.luns import Luns",
        }
    )
    files = lawbook.closure(made, made / "modules" / "luns.py")
    assert files == {"_errors.py", "_plan/luns.py", "_plan/steps.py", "_pools/lvm.py"}
    assert lawbook.rooms(files) == {"_errors", "_plan", "_pools"}


def test_ansible_packs_as_the_closure_says(plugins, tmp_path):
    """The two readings agree on a module made for it: the comparison above does not hold for want of modules."""
    made = plugins({})
    tree = tmp_path / "ansible_collections" / "virt" / "san"
    tree.mkdir(parents=True)
    (tree / "plugins").symlink_to(made)
    plugins(
        {
            **CORE_FILES,
            "modules/luns.py": "from ansible.module_utils.basic import AnsibleModule\n"
            f"def main():\n    from {CORE}._plan import luns",
            "module_utils/_plan/luns.py": f"if TYPE_CHECKING:\n    import {CORE}._pools.lvm\nfrom . import steps",
        }
    )
    packed = packing.packed(tmp_path, [tree / "plugins" / "modules" / "luns.py"])
    assert packing.core_files(packed["luns"]["files"]) == {"_plan/luns.py", "_plan/steps.py", "_pools/lvm.py"}
    assert packing.core_files(packed["luns"]["files"]) == lawbook.closure(made, made / "modules" / "luns.py")
