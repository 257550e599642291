# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The import law of the core, as a table, and a reader of source that finds where a file breaks it.

Nothing is imported to be judged: the source is read with ast, as Ansible does when it packs a module.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COLLECTION = "ansible_collections.virt.san"
CORE = f"{COLLECTION}.plugins.module_utils"

# What is safe where neither the machine nor a clock may be touched.
PURE_STDLIB = frozenset(
    "__future__ abc base64 binascii bisect collections contextlib copy dataclasses difflib enum functools hashlib"
    " heapq ipaddress itertools json math operator re shlex string struct textwrap types typing".split()
)
IMPURE_BUILTINS = frozenset({"open", "input", "print"})
DYNAMIC_IMPORTS = frozenset({"importlib", "imp", "pkgutil", "runpy"})
DYNAMIC_CALLS = frozenset({"__import__", "eval", "exec", "compile"})


@dataclass(frozen=True)
class Rule:
    """What the files of one room may import, besides the standard library."""

    core: frozenset[str] = frozenset()
    """Rooms of the core, or single files of one, such as `_plan/steps`."""
    ansible: bool = False
    pure: bool = False
    libraries: frozenset[str] = frozenset()


def _rule(core: str, *, ansible: bool = False, pure: bool = False, libraries: str = "") -> Rule:
    return Rule(frozenset(core.split()), ansible, pure, frozenset(libraries.split()))


LAW: dict[str, Rule] = {
    "_errors": _rule("", pure=True),
    "_model": _rule("_model", pure=True),
    "_plan": _rule("_errors _model _plan", pure=True),
    "_pools": _rule("_errors _model _pools _plan/steps", pure=True),
    "_xml": _rule("_errors _model _xml _plan/steps", pure=True, libraries="lxml"),
    "_host": _rule("_errors _model _host", libraries="libvirt"),
    "_arrays": _rule("_errors _model _host _arrays"),
    "_apply": _rule("_errors _model _plan _pools _xml _host _arrays _apply"),
    "_boot": _rule("_errors _model _plan _pools _host _apply _boot"),
    "_argspec": _rule("_errors _model", ansible=True),
    "_argspec_expect": _rule("_errors _model _plan _argspec", ansible=True),
    "_argspec_pool": _rule("_errors _model _argspec", ansible=True),
    "_entry": _rule("_errors _model _plan _host _apply _argspec", ansible=True),
    # plugins that run on the controller, and the modules themselves
    "modules": _rule(
        "_errors _model _plan _pools _xml _host _arrays _apply _boot _argspec _argspec_expect _argspec_pool _entry",
        ansible=True,
    ),
    "action": _rule("_errors _model _plan", ansible=True),
    "filter": _rule("_errors _model _plan", ansible=True),
    "test": _rule("_errors _model _plan", ansible=True),
    "doc_fragments": _rule(""),
}


@dataclass(frozen=True)
class Import:
    """One imported thing: `from MODULE import NAME`, or `import MODULE` without a name."""

    line: int
    module: str
    name: str | None
    bound: str
    """The name it has in the importing file."""


def room_of(path: Path) -> str:
    """Return the room of a file given relative to plugins/."""
    parts = path.with_suffix("").parts
    return parts[1] if parts[0] == "module_utils" else parts[0]


def parse(path: Path) -> ast.Module:
    """Read a file as Python 3.9 would; newer syntax is a SyntaxError."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path), feature_version=(3, 9))


def imports(tree: ast.Module, dotted: str) -> Iterator[Import]:
    """Yield all imports, also those in functions and under conditions. `dotted` is the file's own module name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                yield Import(node.lineno, alias.name, None, bound)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                package = dotted.split(".")[: -node.level]
                module = ".".join([*package, module] if module else package)
            for alias in node.names:
                yield Import(node.lineno, module, alias.name, alias.asname or alias.name)


def dotted_name(plugins: Path, path: Path) -> str:
    return ".".join((COLLECTION, "plugins", *path.relative_to(plugins).with_suffix("").parts))


def core_file(plugins: Path, found: Import) -> tuple[Path, str | None] | None:
    """Return the file of module_utils that an import means, and the name taken from it, if any.

    A path that does not exist stands for an import that nothing answers.
    """
    if found.module != CORE and not found.module.startswith(f"{CORE}."):
        return None
    base = plugins.joinpath("module_utils", *found.module[len(CORE) + 1 :].split("."))
    if found.name is not None and (base / f"{found.name}.py").is_file():
        return base / f"{found.name}.py", None
    return base.with_suffix(".py"), found.name


def python_files(plugins: Path) -> list[Path]:
    return sorted(path for path in plugins.rglob("*.py") if "__pycache__" not in path.parts)


def violations(plugins: Path) -> list[str]:
    """Return everything in a plugins/ directory that breaks the law, as "file:line: what"."""
    found: list[str] = []
    for path in python_files(plugins):
        relative = path.relative_to(plugins)
        if path.name == "__init__.py":
            found.append(f"{relative}:1: no __init__.py: Ansible would send it along with every file of its directory")
            continue
        try:
            tree = parse(path)
        except SyntaxError as error:
            found.append(f"{relative}:{error.lineno}: not Python 3.9: {error.msg}")
            continue
        checks = (
            _future_import(tree),
            _imports_by_law(plugins, path, tree),
            _private_names(plugins, path, tree),
            _dynamic_imports(tree),
            _impure_builtins(relative, tree),
            _newer_than_39(tree),
        )
        found.extend(f"{relative}:{line}: {what}" for check in checks for line, what in check)
    return found


Findings = Iterator[tuple[int, str]]


def _future_import(tree: ast.Module) -> Findings:
    body = tree.body[1:] if ast.get_docstring(tree, clean=False) is not None else tree.body
    first = body[0] if body else None
    if not (
        isinstance(first, ast.ImportFrom)
        and first.module == "__future__"
        and "annotations" in [alias.name for alias in first.names]
    ):
        yield 1, "`from __future__ import annotations` must come first"


def _imports_by_law(plugins: Path, path: Path, tree: ast.Module) -> Findings:
    room = room_of(path.relative_to(plugins))
    rule = LAW.get(room)
    if rule is None:
        yield 1, f"room {room} is not in the law; say in tests/unit/support/lawbook.py what it may import"
        return
    for found in imports(tree, dotted_name(plugins, path)):
        target = core_file(plugins, found)
        top = found.module.partition(".")[0]
        if target is not None:
            yield from _core_import(plugins, room, rule, found, target[0])
        elif top == "ansible":
            if not rule.ansible:
                yield found.line, f"{room} must not import {found.module}"
        elif top in sys.stdlib_module_names:
            if rule.pure and top not in PURE_STDLIB:
                yield found.line, f"{room} is pure and must not import {found.module}"
        elif top not in rule.libraries:
            yield found.line, f"{room} must not import {found.module}"


def _core_import(plugins: Path, room: str, rule: Rule, found: Import, target: Path) -> Findings:
    if not target.is_file():
        yield found.line, f"no file of the core answers to {found.module}{'.' + found.name if found.name else ''}"
        return
    relative = target.relative_to(plugins)
    single_file = "/".join(relative.with_suffix("").parts[1:])
    if room_of(relative) not in rule.core and single_file not in rule.core:
        yield found.line, f"{room} must not import {single_file}"


def _private_names(plugins: Path, path: Path, tree: ast.Module) -> Findings:
    files: set[str] = set()
    for found in imports(tree, dotted_name(plugins, path)):
        target = core_file(plugins, found)
        if target is None:
            continue
        name = target[1]
        if name is None:
            files.add(found.bound)
        elif name == "*":
            yield found.line, "import names, not *"
        elif name.startswith("_"):
            yield found.line, f"{name} is private to {target[0].relative_to(plugins)}"
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in files
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
        ):
            yield node.lineno, f"{node.attr} is private to {node.value.id}"


def _dynamic_imports(tree: ast.Module) -> Findings:
    for found in imports(tree, ""):
        if found.module.partition(".")[0] in DYNAMIC_IMPORTS:
            yield found.line, f"{found.module}: Ansible packs only what import statements name"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in DYNAMIC_CALLS:
            yield node.lineno, f"{node.func.id}(): no code made at run time"


def _impure_builtins(relative: Path, tree: ast.Module) -> Findings:
    rule = LAW.get(room_of(relative))
    if rule is None or not rule.pure:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS:
            yield node.lineno, f"{node.func.id}() in a pure room"


def _newer_than_39(tree: ast.Module) -> Findings:
    """Find what parses on 3.9 and fails when it runs there."""
    annotations = set(map(id, _annotations(tree)))
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if id(node) in annotations:
            continue
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and _is_union(node):
            yield node.lineno, "X | Y outside an annotation needs Python 3.10; use Optional or Union"
            continue
        if isinstance(node, ast.Call) and _called(node) == "dataclass":
            for keyword in node.keywords:
                if keyword.arg in ("slots", "kw_only", "match_args"):
                    yield node.lineno, f"dataclass({keyword.arg}=) needs Python 3.10"
        pending.extend(ast.iter_child_nodes(node))


def _annotations(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns is not None:
            yield node.returns


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_union(node: ast.expr) -> bool:
    """Whether a `|` stands between types. Sets, dicts and flags are joined by it too, and may be."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _is_union(node.left) or _is_union(node.right)
    if isinstance(node, ast.Constant):
        return node.value is None
    if isinstance(node, ast.Subscript):
        return _is_union(node.value)
    if isinstance(node, ast.Name):
        camel_case = node.id[:1].isupper() and not node.id.isupper()
        return camel_case or node.id in {
            "bool",
            "bytes",
            "dict",
            "float",
            "frozenset",
            "int",
            "list",
            "set",
            "str",
            "tuple",
        }
    return False


def closure(plugins: Path, module: Path) -> set[str]:
    """Return the files below module_utils that a module needs, as Ansible finds them: every import counts."""
    reached: set[Path] = set()
    pending = [module]
    while pending:
        path = pending.pop()
        for found in imports(parse(path), dotted_name(plugins, path)):
            target = core_file(plugins, found)
            if target is not None and target[0].is_file() and target[0] not in reached:
                reached.add(target[0])
                pending.append(target[0])
    return {path.relative_to(plugins / "module_utils").as_posix() for path in reached}


def rooms(files: set[str]) -> set[str]:
    """Return the rooms of files given relative to module_utils."""
    return {room_of(Path("module_utils") / name) for name in files}
