# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection says about itself is true: groups, versions, documentation, changelog."""

from __future__ import annotations

import pytest

from ansible_collections.virt.san.tests.unit.support import catalogue
from ansible_collections.virt.san.tests.unit.support.collection import COLLECTIONS_PATH, MODULES, ROOT

CHECKS = [
    catalogue.action_group,
    catalogue.early_sanity,
    catalogue.fragments,
    catalogue.headers,
    catalogue.readme,
    catalogue.texts,
    catalogue.version,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_collection_describes_itself(check):
    assert check(ROOT) == []


def test_modules_document_what_they_take():
    docs = catalogue.merged_documentation(COLLECTIONS_PATH, list(MODULES))
    assert catalogue.promises(docs) == []
    assert catalogue.options(docs, catalogue.argument_specs(list(MODULES))) == []


def test_a_default_for_a_group_means_the_same_to_all_of_it():
    assert catalogue.groups(ROOT, catalogue.argument_specs(list(MODULES))) == []


# Below: a made-up collection with one thing wrong at a time, and each check must see it.

MODULE = f'''{catalogue.SHEBANG}{catalogue.HEADER}
DOCUMENTATION = """
version_added: 0.1.0
"""
EXAMPLES = """
- name: Play
  hosts: all
  tasks:
    - name: Look
      virt.san.luns:
"""
RETURN = """
luns: {{}}
"""
'''
GOOD = {
    "galaxy.yml": "version: 0.1.0",
    "README.md": "`virt.san.luns`",
    "meta/runtime.yml": "action_groups: {san: [luns]}",
    "changelogs/config.yaml": "{sections: [[bugfixes, B]], trivial_section_name: small, prelude_section_name: summary}",
    "changelogs/changelog.yaml": "releases: {0.1.0: {}}",
    "changelogs/fragments/one.yml": "{bugfixes: [A bug.], summary: Good.}",
    "plugins/modules/luns.py": MODULE,
    "plugins/module_utils/_errors.py": catalogue.HEADER,
}


@pytest.fixture
def collection(tmp_path):
    """A function that writes a collection, with some files changed, and returns its directory."""

    def write(changed):
        for name, content in {**GOOD, **changed}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_good_collection_passes(collection, check):
    assert check(collection({})) == []


@pytest.mark.parametrize(
    ("check", "path", "content"),
    [
        (catalogue.action_group, "meta/runtime.yml", "action_groups: {san: [luns, gone]}"),
        (catalogue.action_group, "meta/runtime.yml", "action_groups: {san: []}"),
        (catalogue.action_group, "plugins/modules/new.py", MODULE),
        (catalogue.headers, "plugins/module_utils/_errors.py", "import os"),
        (catalogue.headers, "plugins/modules/luns.py", catalogue.HEADER),
        (catalogue.early_sanity, "plugins/module_utils/_errors.py", "for _ in (): pass"),
        (catalogue.early_sanity, "tests/unit/test_luns.py", "def f(_): ..."),
        (catalogue.early_sanity, "tests/unit/test_luns.py", "x = '\u2019'"),
        (catalogue.readme, "README.md", "luns"),
        (catalogue.fragments, "changelogs/fragments/two.yml", "{bugfixed: [A bug.]}"),
        (catalogue.fragments, "changelogs/fragments/two.yml", "{bugfixes: A bug.}"),
        (catalogue.fragments, "changelogs/fragments/two.yml", "{bugfixes: [name: value]}"),
        (catalogue.fragments, "changelogs/fragments/two.yml", ""),
        (catalogue.fragments, "changelogs/fragments/two.yaml", "{bugfixes: [A bug.]}"),
        (catalogue.version, "galaxy.yml", "version: 0.0.9"),
        (catalogue.version, "plugins/modules/luns.py", MODULE.replace("0.1.0", "0.10.0")),
        (catalogue.version, "plugins/modules/luns.py", ""),
        (catalogue.texts, "plugins/modules/luns.py", MODULE.replace("RETURN", "RETURNS")),
        (catalogue.texts, "plugins/modules/luns.py", MODULE.replace("virt.san.luns", "luns")),
    ],
)
def test_a_check_says_no(collection, check, path, content):
    assert check(collection({path: content})) != []


def test_a_missing_promise_is_found():
    docs = {"luns": {"attributes": {"check_mode": {}, "diff_mode": {}, "platform": {}}}}
    assert catalogue.promises(docs) == ["luns: documentation lacks attribute idempotent; extend virt.san.attributes"]


@pytest.mark.parametrize(
    ("documented", "taken", "difference"),
    [
        ({"a": {}}, {}, "a: documented, not taken"),
        ({}, {"a": {}}, "a: taken, not documented"),
        ({"a": {"type": "int"}}, {"a": {}}, "a: type is documented as 'int' and is 'str'"),
        ({"a": {"default": 1}}, {"a": {"default": 2}}, "a: default is documented as 1 and is 2"),
        ({"a": {"suboptions": {"b": {}}}}, {"a": {"options": {}}}, "a.b: documented, not taken"),
    ],
)
def test_options_that_differ_are_found(documented, taken, difference):
    assert catalogue.options({"luns": {"options": documented}}, {"luns": taken}) == [f"luns: {difference}"]


@pytest.mark.parametrize(
    ("listed", "specs", "wrong"),
    [
        ("[a, b]", {"a": {"x": {"type": "int"}}, "b": {"x": {"type": "int"}, "y": {}}}, ""),
        ("[a, b]", {"a": {"x": {"type": "int"}}, "b": {"x": {"type": "str"}}}, "x is not the same"),
        ("[a, b]", {"a": {"x": {"default": 1}}, "b": {"x": {"default": 2}}}, "x is not the same"),
        ("[a, b]", {"a": {"x": {"default": 1}}, "b": {"y": {"default": 2}}}, ""),
        ("[a, c]", {"a": {}, "b": {}}, "there is no module c"),
        ("[b, a]", {"a": {}, "b": {}}, "sorted"),
        ("[]", {}, "sorted"),
    ],
)
def test_groups_that_do_not_agree_are_found(collection, listed, specs, wrong):
    root = collection({"meta/runtime.yml": f"action_groups: {{few: {listed}}}"})
    found = catalogue.groups(root, specs)
    assert bool(found) == bool(wrong)
    assert wrong in "".join(found)


def test_options_that_agree_are_left_alone():
    documented = {"a": {"type": "list", "elements": "str", "suboptions": {"b": {"required": True}}}}
    taken = {"a": {"type": "list", "elements": "str", "options": {"b": {"type": "str", "required": True}}}}
    assert catalogue.options({"luns": {"options": documented}}, {"luns": taken}) == []
