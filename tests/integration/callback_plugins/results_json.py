# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every task's result as a line of JSON, for the tests on the lab to read."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: results_json
type: aggregate
short_description: Task results as JSON lines
description: Writes one JSON object per task and host to the file named in the environment.
options: {}
"""

FILE = "VIRT_SAN_RESULTS"


class CallbackModule(CallbackBase):
    """Appends results; says nothing on the screen."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "results_json"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, entry: dict[str, Any]) -> None:
        with open(os.environ[FILE], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry, cls=AnsibleJSONEncoder) + "\n")

    def _result(self, outcome: str, result: Any) -> None:
        entry = {"outcome": outcome, "host": result.host.get_name(), "task": result.task.get_name().strip()}
        self._write({**entry, "result": result.result})

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        for host in stats.processed:
            self._write({"outcome": "stats", "host": host, "task": "", "result": stats.summarize(host)})
