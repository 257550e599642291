# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks that guides show, compared with what modules take and return. Each check returns what is wrong."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

OURS = "virt.san."
_BLOCK = re.compile(r"^(?P<before>(?: |[*-] )*)\.\. code-block:: yaml$")
_RESULT = re.compile(r":ansretval:`virt\.san\.(\w+)#module:([^`]+)`")
_ANYTHING: dict[str, Any] = {"str": "x", "path": "/x", "int": 1, "float": 1.0, "bool": True, "list": [], "dict": {}}


def pages(root: Path) -> list[Path]:
    return sorted((root / "docs/docsite/rst").glob("*.rst"))


def blocks(text: str) -> list[str]:
    """Return what stands in the blocks of YAML of a page, also in those within tables and lists."""
    found: list[list[str]] = []
    inside: int | None = None
    for line in text.splitlines():
        begins = _BLOCK.match(line)
        if begins:
            inside = len(begins["before"])
            found.append([])
        elif inside is not None and line.strip() and not line.startswith(" " * (inside + 1)):
            inside = None
        elif inside is not None:
            found[-1].append(line)
    return [textwrap.dedent("\n".join(lines)) for lines in found]


def shown(page: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the modules of this collection that the tasks of a page run, with their options."""
    for block in blocks(page.read_text(encoding="utf-8")):
        content = yaml.safe_load(block)
        for item in content if isinstance(content, list) else ():
            for task in item.get("tasks", [item]):
                for action, options in task.items():
                    if action.startswith(OURS):
                        yield action[len(OURS) :], options or {}


def misused(page: Path, specs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Check that the modules exist, and take the options that they are given."""
    wrong = []
    for name, options in shown(page):
        if name not in specs:
            wrong.append(f"{page.name}: there is no module {OURS}{name}")
            continue
        given = {option: _filled_in(value, specs[name].get(option, {})) for option, value in options.items()}
        told = ArgumentSpecValidator(dict(specs[name])).validate(given).error_messages
        wrong += [f"{page.name}: {OURS}{name}: {message}" for message in told]
    return wrong


def _filled_in(value: Any, spec: Mapping[str, Any]) -> Any:
    """Return a value with something that is allowed in place of what only a play would know."""
    if isinstance(value, str) and "{{" in value:
        return (spec.get("choices") or [_ANYTHING.get(spec.get("type", "str"), "x")])[0]
    inside = spec.get("options", {})
    if isinstance(value, dict):
        return {name: _filled_in(one, inside.get(name, {})) for name, one in value.items()}
    if isinstance(value, list):
        element = {**spec, "type": spec.get("elements", "str")}
        return [_filled_in(one, element) for one in value]
    return value


def headless(page: Path) -> list[str]:
    """Check that a page has its label, and right below it a title, underlined in full: else the label leads nowhere."""
    label = re.escape(f".. _ansible_collections.virt.san.docsite.{page.stem}:")
    found = re.search(rf"^{label}\n\n(?P<title>\S.*)\n(?P<line>=+)\n\n", page.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None or len(found["line"]) < len(found["title"]):
        return [f"{page.name}: there is no title below its label"]
    return []


def lost_results(page: Path, returns: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Check that modules return what a page says they do. `returns`: what each documents."""
    wrong = []
    for name, path in _RESULT.findall(page.read_text(encoding="utf-8")):
        inside: Mapping[str, Any] = returns.get(name, {})
        for part in path.replace("[]", "").split("."):
            if part not in inside:
                wrong.append(f"{page.name}: {OURS}{name} does not return {path}")
                break
            inside = inside[part].get("contains", {})
    return wrong
