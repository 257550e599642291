# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection says about itself, compared with what it holds. Each check returns what is wrong."""

from __future__ import annotations

import ast
import copy
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from ansible.module_utils import basic

HEADER = """\
# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
SHEBANG = "#!/usr/bin/python\n"
PROMISES = ("check_mode", "diff_mode", "idempotent", "platform")
SMART_QUOTES = set("\u2018\u2019\u201c\u201d")
# Options of which documentation and argument_spec must tell the same, with what stands for silence.
SAID_TWICE: dict[str, Any] = {
    "type": "str",
    "elements": None,
    "required": False,
    "default": None,
    "choices": None,
    "aliases": [],
}

SHARED_TRAITS = ("type", "elements", "default")
"""What of an option may not differ within an action group. States and other choices may."""


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py"))


def action_group(root: Path) -> list[str]:
    """Check that the action group of all modules is just that."""
    groups = load(root / "meta" / "runtime.yml").get("action_groups", {})
    listed, existing = groups.get("san", []), names(root / "plugins" / "modules")
    return [f"meta/runtime.yml: group san lists {listed}; modules are {existing}"] if listed != existing else []


def groups(root: Path, specs: dict[str, dict[str, Any]]) -> list[str]:
    """Check the action groups for some modules: they exist, and what all of a group take is the same to all.

    An option that module_defaults sets for a group must not mean one thing here and another there.
    """
    found = load(root / "meta" / "runtime.yml").get("action_groups", {})
    wrong = []
    for group, listed in found.items():
        wrong += [f"group {group}: there is no module {name}" for name in listed if name not in specs]
        taken = [specs[name] for name in listed if name in specs]
        if listed != sorted(listed) or not taken:
            wrong.append(f"group {group}: list its modules, sorted")
            continue
        for option in sorted(set.intersection(*(set(spec) for spec in taken))):
            traits = {json.dumps([spec[option].get(trait) for trait in SHARED_TRAITS]) for spec in taken}
            if len(traits) > 1:
                wrong.append(f"group {group}: {option} is not the same to all its modules: {sorted(traits)}")
    return wrong


def headers(root: Path) -> list[str]:
    """Check that each file of the collection proper says whose it is and under what license."""
    wrong = []
    for path in sorted((root / "plugins").rglob("*.py")):
        start = (SHEBANG if path.parent.name == "modules" else "") + HEADER
        if not path.read_text(encoding="utf-8").startswith(start):
            wrong.append(f"{path.relative_to(root)}: does not begin with {start!r}")
    return wrong


def early_sanity(root: Path) -> list[str]:
    """Check for what ansible-test forbids and our linters allow: it would say so minutes later."""
    wrong = []
    for folder in ("plugins", "tests/unit"):
        for path in sorted((root / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)):
                stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == "_"
                if stored or (isinstance(node, ast.arg) and node.arg == "_"):
                    wrong.append(f"{path.relative_to(root)}:{node.lineno}: name it, such as _index, not _")
            for number, line in enumerate(text.splitlines(), 1):
                if SMART_QUOTES & set(line):
                    wrong.append(f"{path.relative_to(root)}:{number}: plain quotes, please")
    return wrong


def readme(root: Path) -> list[str]:
    text = (root / "README.md").read_text(encoding="utf-8")
    missing = [name for name in names(root / "plugins" / "modules") if f"`virt.san.{name}`" not in text]
    return [f"README.md: does not mention virt.san.{name}" for name in missing]


def fragments(root: Path) -> list[str]:
    """Check that each changelog fragment has known sections, with something in them."""
    config = load(root / "changelogs" / "config.yaml")
    lists = {name for name, _title in config["sections"]} | {config["trivial_section_name"]}
    wrong = []
    for path in sorted((root / "changelogs" / "fragments").iterdir()):
        name = path.relative_to(root)
        if path.suffix != ".yml":
            wrong.append(f"{name}: the name must end in .yml, or nothing reads it")
            continue
        content = load(path)
        if not isinstance(content, dict) or not content:
            wrong.append(f"{name}: must hold sections")
            continue
        for section, entries in content.items():
            if section == config["prelude_section_name"]:
                good = isinstance(entries, str)
            else:
                good = section in lists and isinstance(entries, list) and all(isinstance(line, str) for line in entries)
            if not good or not entries:
                wrong.append(f"{name}: {section}: not a section of changelogs/config.yaml with entries")
    return wrong


def version(root: Path) -> list[str]:
    """Check that the released versions, and those named in documentation, fit the one in galaxy.yml."""
    current = load(root / "galaxy.yml")["version"]
    released = load(root / "changelogs" / "changelog.yaml")["releases"]
    wrong = [
        f"changelogs: has a release {known}, galaxy.yml says {current}" for known in released if _newer(known, current)
    ]
    for name, doc in documentation(root).items():
        added = doc.get("version_added")
        if added is None or _newer(str(added), current):
            wrong.append(f"{name}: version_added is {added}, galaxy.yml says {current}")
    return wrong


def _newer(one: str, other: str) -> bool:
    return [int(part) for part in one.split(".")] > [int(part) for part in other.split(".")]


def documentation(root: Path) -> dict[str, dict[str, Any]]:
    """Return the modules' DOCUMENTATION as written, without what fragments add."""
    found = {}
    for path in sorted((root / "plugins" / "modules").glob("*.py")):
        found[path.stem] = yaml.safe_load(_literals(path).get("DOCUMENTATION", "{}"))
    return found


def returned(root: Path) -> dict[str, dict[str, Any]]:
    """Return the modules' RETURN."""
    paths = sorted((root / "plugins" / "modules").glob("*.py"))
    return {path.stem: yaml.safe_load(_literals(path).get("RETURN", "{}")) for path in paths}


def _literals(path: Path) -> dict[str, str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def texts(root: Path) -> list[str]:
    """Check that each module has the three texts, that they parse, and that the examples show the module."""
    wrong = []
    for path in sorted((root / "plugins" / "modules").glob("*.py")):
        texts_of_module = _literals(path)
        for name in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
            if not yaml.safe_load(texts_of_module.get(name, "")):
                wrong.append(f"{path.stem}: no {name}")
        examples = yaml.safe_load(texts_of_module.get("EXAMPLES", "")) or []
        if not any(f"virt.san.{path.stem}" in task for task in _tasks(examples)):
            wrong.append(f"{path.stem}: EXAMPLES never use virt.san.{path.stem}")
    return wrong


def _tasks(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return tasks from a list of tasks or of plays."""
    return [task for item in items for task in item.get("tasks", [item])]


def promises(docs: dict[str, dict[str, Any]]) -> list[str]:
    """Check that each module says how it behaves, in the attributes that all modules have."""
    return [
        f"{name}: documentation lacks attribute {promise}; extend virt.san.attributes"
        for name, doc in docs.items()
        for promise in PROMISES
        if promise not in doc.get("attributes", {})
    ]


def options(docs: dict[str, dict[str, Any]], specs: dict[str, dict[str, Any]]) -> list[str]:
    """Compare documented options with those a module takes. Both by module name."""
    return [
        f"{name}: {difference}"
        for name in sorted(docs.keys() | specs.keys())
        for difference in _option_differences("", docs.get(name, {}).get("options", {}), specs.get(name, {}))
    ]


def _option_differences(where: str, documented: dict[str, Any], taken: dict[str, Any]) -> list[str]:
    found = [f"{where}{name}: taken, not documented" for name in taken.keys() - documented.keys()]
    found += [f"{where}{name}: documented, not taken" for name in documented.keys() - taken.keys()]
    for name in sorted(taken.keys() & documented.keys()):
        for trait, silent in SAID_TWICE.items():
            said, done = documented[name].get(trait, silent), taken[name].get(trait, silent)
            if said != done:
                found.append(f"{where}{name}: {trait} is documented as {said!r} and is {done!r}")
        nested = documented[name].get("suboptions") or {}, taken[name].get("options") or {}
        found += _option_differences(f"{where}{name}.", *nested)
    return found


class _Captured(Exception):
    """Carries an argument_spec out of main()."""


def argument_specs(module_names: list[str]) -> dict[str, dict[str, Any]]:
    """Return what each module gives to AnsibleModule: its main() runs up to there and no further."""

    def capture(_self: Any, argument_spec: dict[str, Any], **_others: Any) -> None:
        raise _Captured(argument_spec)

    specs = {}
    with mock.patch.object(basic.AnsibleModule, "__init__", capture):
        for name in module_names:
            module = importlib.import_module(f"ansible_collections.virt.san.plugins.modules.{name}")
            try:
                module.main()
            except _Captured as caught:
                # A module may give what it keeps for itself, and whoever validates by it fills in defaults there.
                specs[name] = copy.deepcopy(caught.args[0])
    return specs


def merged_documentation(collections_path: Path, module_names: list[str]) -> dict[str, dict[str, Any]]:
    """Return the modules' documentation as users read it, with what fragments add."""
    if not module_names:
        return {}
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-m", "ansible.cli.doc", "--json", *(f"virt.san.{name}" for name in module_names)],
            env={
                "PATH": os.defpath,
                "LC_ALL": "C.UTF-8",
                "HOME": home,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            },
            check=True,
            stdout=subprocess.PIPE,
        )
    return {name.rpartition(".")[2]: content["doc"] for name, content in json.loads(done.stdout).items()}
