# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
import inspect
import json

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.warnings import _global_warnings, warn

from ansible_collections.virt.san.plugins.module_utils import _entry
from ansible_collections.virt.san.plugins.module_utils._errors import NotFoundError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.lock import LOCK, host_lock


class Module:
    """As much of an AnsibleModule as an answer needs."""

    _diff = False
    _name = "virt.san.tested"
    check_mode = False

    def __init__(self, params=None, secrets=()):
        self.params = params or {}
        self.no_log_values = set(secrets)
        self.clean = False

    def do_cleanup_files(self):
        self.clean = True

    def warn(self, text):
        warn(text)

    def add_path_info(self, result):
        assert "path" not in result, "it is looked at, and that may take for ever"
        return result

    def exit_json(self, **result):
        raise SystemExit(self.add_path_info(result))

    def fail_json(self, **result):
        raise SystemExit(self.add_path_info(result))


@pytest.fixture(autouse=True)
def _no_warnings_of_others():
    _global_warnings.clear()
    yield
    _global_warnings.clear()


def answer_of(module, outcome, capsys):
    """Return what the module answered, and whether by itself instead of by exit_json."""
    with pytest.raises(SystemExit) as answered:
        _entry.run_info(module, lambda _host, _options: outcome)
    told = answered.value.args[0]
    return (told, False) if told else (json.loads(capsys.readouterr().out), True)


def test_a_plain_answer_is_written_at_once(capsys):
    module = Module({"size": "1G"})
    outcome = _entry.Outcome(True, {"luns": ("é", {"wwid": None})})
    told, at_once = answer_of(module, outcome, capsys)
    assert at_once
    assert module.clean
    assert told == {"changed": True, "luns": ["é", {"wwid": None}], "invocation": {"module_args": {"size": "1G"}}}


@pytest.mark.parametrize(
    ("module", "outcome"),
    [
        (Module(secrets=["secret"]), _entry.Outcome(False, {"seen": "secret"})),
        (Module(), _entry.Outcome(False, {"seen": "much"}, warnings=("two units with one WWID",))),
        (Module(), _entry.Outcome(False, {"seen": {"one", "two"}})),
        (Module({"since": b"bytes"}), _entry.Outcome(False)),
    ],
    ids=["secrets", "warnings", "result", "options"],
)
def test_what_is_not_plain_is_left_to_exit_json(module, outcome, capsys):
    told, at_once = answer_of(module, outcome, capsys)
    assert not at_once
    assert told == {"changed": False, **outcome.facts}
    assert capsys.readouterr().out == ""


def test_garbage_is_collected_again_after_an_answer(capsys):
    def gather(_host, _options):
        return _entry.Outcome(False, {"collecting": gc.isenabled()})

    with pytest.raises(SystemExit):
        _entry.run_info(Module(), gather)
    assert json.loads(capsys.readouterr().out)["collecting"] is False
    assert gc.isenabled()


def test_and_after_an_error():
    def gather(_host, _options):
        raise NotFoundError("no such HBA")

    with pytest.raises(SystemExit) as answered:
        _entry.run_info(Module(), gather)
    assert answered.value.args[0]["msg"] == "no such HBA"
    assert gc.isenabled()


def test_a_path_that_is_told_of_is_not_looked_at():
    def gather(_host, _options):
        raise NotFoundError("no answer within 10 s", path="/isos")

    with pytest.raises(SystemExit) as answered:
        _entry.run_info(Module(), gather)
    told = {"msg": "no answer within 10 s", "error": "NotFoundError", "path": "/isos"}
    assert answered.value.args[0] == told


def test_ansible_looks_at_paths_that_are_told_of():
    """By the name that is replaced here: were it another one, a module could hang while it says that something does."""
    assert "self.add_path_info(" in inspect.getsource(AnsibleModule._return_formatted)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(_entry, "Host", lambda: Host(str(tmp_path)))
    return Host(str(tmp_path))


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_lock_is_let_go_of_for_long_work(machine, check_mode):
    held = []

    def look(host):
        told = host.read(LOCK)
        held.append(None if told is None else told != "")

    def change(host, _options, _check_mode, apart):
        look(host)
        with apart(1.0):
            look(host)
        look(host)
        return _entry.Outcome(False)

    module = Module({"lock_timeout": 0.0}, secrets=["exit_json answers"])
    module.check_mode = check_mode
    with pytest.raises(SystemExit):
        _entry.run_long_change(module, change)
    assert held == ([None] * 3 if check_mode else [True, False, True])
    with host_lock(machine, "next", 0.0):
        pass


@pytest.mark.usefixtures("machine")
def test_others_have_the_lock_all_the_time():
    def change(host, options, check_mode):
        return _entry.Outcome(False, {"told": [host.read(LOCK) != "", options["lock_timeout"], check_mode]})

    with pytest.raises(SystemExit) as answered:
        _entry.run_change(Module({"lock_timeout": 0.0}, secrets=["exit_json answers"]), change)
    assert answered.value.args[0]["told"] == [True, 0.0, False]
