# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guides tell people to write works: modules, options, choices, and what is returned."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.modules import storage_pool
from ansible_collections.virt.san.tests.unit.support import catalogue, guides
from ansible_collections.virt.san.tests.unit.support.collection import MODULES, ROOT

REQUESTS = ROOT / "docs/docsite/rst/tasks_by_request.rst"


@pytest.fixture(scope="module")
def specs():
    return catalogue.argument_specs(list(MODULES))


@pytest.fixture(scope="module")
def returns():
    return catalogue.returned(ROOT)


@pytest.mark.parametrize("page", guides.pages(ROOT), ids=lambda page: page.stem)
def test_a_guide_shows_what_modules_take_and_return(page, specs, returns):
    assert guides.misused(page, specs) == []
    assert guides.lost_results(page, returns) == []


@pytest.mark.parametrize("page", guides.pages(ROOT), ids=lambda page: page.stem)
def test_a_guide_has_a_title(page):
    assert guides.headless(page) == []


def test_each_request_is_one_task():
    text = REQUESTS.read_text(encoding="utf-8")
    rows = text.count("\n   * - ") - text.count("\n   * - Asked for\n")
    assert len(list(guides.shown(REQUESTS))) == len(guides.blocks(text)) == rows > 15


def test_pools_that_are_asked_for_make_sense(specs):
    for name, options in guides.shown(REQUESTS):
        if name == "storage_pool":
            given = guides.ArgumentSpecValidator(specs[name]).validate(options).validated_parameters
            storage_pool.wanted_of(given)


# Below: a made-up page with one thing wrong at a time.

SPECS = {
    "luns": {
        "kind": {"type": "str", "choices": ["a", "b"]},
        "names": {"type": "list", "elements": "str"},
        "source": {"type": "dict", "options": {"host": {"type": "str"}, "kind": {"choices": ["a", "b"]}}},
    }
}
PAGE = """
.. code-block:: yaml

   - hosts: all
     tasks:
       - name: Look
         virt.san.luns:
           source: {host: one, kind: "{{ item }}"}

   - virt.san.luns:

And a table with :ansretval:`virt.san.luns#module:luns[].wwid`.

.. list-table::

   * - - .. code-block:: yaml

          - virt.san.luns:
              kind: a
              names: "{{ names }}"

     - Another column: virt.san.none
"""
RETURNS = {"luns": {"luns": {"contains": {"wwid": {}}}}}


def put(folder: Path, text: str) -> Path:
    page = folder / "page.rst"
    page.write_text(text, encoding="utf-8")
    return page


def test_a_page_that_is_right(tmp_path):
    page = put(tmp_path, PAGE)
    assert [options for _name, options in guides.shown(page)] == [
        {"source": {"host": "one", "kind": "{{ item }}"}},
        {},
        {"kind": "a", "names": "{{ names }}"},
    ]
    assert guides.misused(page, SPECS) == []
    assert guides.lost_results(page, RETURNS) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("virt.san.luns:", "virt.san.lun:"),
        ("kind: a", "kind: c"),
        ("kind: a", "sort: a"),
        ("host: one", "server: one"),
        ('kind: "{{ item }}"', "kind: c"),
        ("names:", "name:"),
    ],
)
def test_what_a_module_does_not_take_is_found(tmp_path, right, wrong):
    assert right in PAGE
    assert guides.misused(put(tmp_path, PAGE.replace(right, wrong)), SPECS)


TITLED = ".. _ansible_collections.virt.san.docsite.page:\n\nPages\n=====\n\nText\n"


def test_a_page_with_a_title(tmp_path):
    assert guides.headless(put(tmp_path, TITLED)) == []


@pytest.mark.parametrize(
    ("right", "wrong"), [("=====\n", ""), ("=====", "===="), ("page:", "pages:"), ("Pages\n=====\n\n", "")]
)
def test_a_page_without_a_title_is_found(tmp_path, right, wrong):
    assert right in TITLED
    assert guides.headless(put(tmp_path, TITLED.replace(right, wrong)))


@pytest.mark.parametrize("wrong", ["lun#module:luns[].wwid", "luns#module:lun", "luns#module:luns[].uuid"])
def test_what_a_module_does_not_return_is_found(tmp_path, wrong):
    assert guides.lost_results(put(tmp_path, f":ansretval:`virt.san.{wrong}`"), RETURNS)
