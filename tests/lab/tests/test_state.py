"""Processes by pid and start time, locks, remembered values."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from sanlab import state
from sanlab.config import Lab
from sanlab.errors import LabError

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def ready(lab: Lab) -> Lab:
    state.prepare(lab)
    return lab


def _start(lab: Lab, name: str = "sleeper") -> state.Process:
    return state.start_process(lab, name, SLEEP, lab.logs / "log", {})


def test_a_process_is_started_found_and_stopped(ready: Lab):
    started = _start(ready)
    assert state.process(ready, "sleeper") == started
    assert state.stop_process(ready, "sleeper")
    assert state.process(ready, "sleeper") is None
    assert not started.alive
    assert state.started_processes(ready) == []


def test_a_reused_pid_is_never_killed(ready: Lab):
    stranger = subprocess.Popen(SLEEP)
    try:
        record = {"pid": stranger.pid, "start": "1", "boot": state._boot_id()}
        (ready.state / "pids" / "machine-kvm1.json").write_text(json.dumps(record))
        assert state.process(ready, "machine-kvm1") is None
        assert not state.stop_process(ready, "machine-kvm1")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_pid_of_an_earlier_boot_is_dead(ready: Lab):
    started = _start(ready)
    assert not state.Process(started.pid, started.start, "another boot").alive
    state.stop_process(ready, "sleeper")


def test_a_process_that_ignores_the_request_is_killed(ready: Lab):
    command = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"]
    started = state.start_process(ready, "deaf", command, ready.logs / "log", {})
    time.sleep(0.5)
    assert state.stop_process(ready, "deaf", seconds=0.3)
    assert not started.alive


def test_stopping_what_never_ran_is_no_error(ready: Lab):
    assert not state.stop_process(ready, "nobody")


def test_the_second_command_waits_and_names_the_holder(ready: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(state, "LOCK_SECONDS", 0.3)
    with state.locked(ready), pytest.raises(LabError, match=f"pid {os.getpid()}"), state.locked(ready):
        pass
    with state.locked(ready):
        pass


def test_a_runtime_directory_that_others_can_enter_is_refused(lab: Lab):
    lab.runtime.mkdir(mode=0o755)
    lab.runtime.chmod(0o755)
    with pytest.raises(LabError, match="not a directory of ours alone"):
        state.prepare(lab)


def test_values_are_remembered(ready: Lab):
    assert state.load(ready, "ports", {}) == {}
    state.save(ready, "ports", {"kvm1": 1})
    assert state.load(ready, "ports", {}) == {"kvm1": 1}


def test_free_ports_can_be_bound():
    assert 1024 < state.free_port() < 65536
