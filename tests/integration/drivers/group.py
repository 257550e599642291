# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host: what a pool of type logical does, called by itself. The one argument is JSON, the answer too.

{"do": "build"|"remove"|"activate"|"deactivate"|"inspect"|"hold", "name": ..., "devices": [...], ...}
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._apply import disks
from ansible_collections.virt.san.plugins.module_utils._apply.carry_out import carry_out
from ansible_collections.virt.san.plugins.module_utils._apply.group import perform
from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._host.lvm_group import read_groups
from ansible_collections.virt.san.plugins.module_utils._plan.disks import parse_names
from ansible_collections.virt.san.plugins.module_utils._pools.blank import judge
from ansible_collections.virt.san.plugins.module_utils._pools.group import (
    Wanted,
    plan_activate,
    plan_deactivate,
    plan_group,
    plan_remove,
)

Asked = dict[str, Any]


def look(host: Host, asked: Asked) -> tuple[Any, ...]:
    san = read_san(host)
    found = disks.read_disks(host, san, parse_names(asked.get("devices", ()), "devices"))
    return san, tuple(found.values()), read_groups(host, san.luns)


def plan(host: Host, asked: Asked) -> tuple[Any, ...]:
    san, found, sight = look(host, asked)
    if asked["do"] == "build":
        seen = disks.inspect(host, found)
        options = {name: asked.get(name, False) for name in ("remove_devices", "overwrite")}
        made = plan_group(sight, Wanted(asked["name"], seen, **options))
        return san, found, made.steps, made.warnings
    by = {"remove": plan_remove, "activate": plan_activate, "deactivate": plan_deactivate}[asked["do"]]
    return san, found, by(sight, asked["name"]), ()


def change(host: Host, asked: Asked) -> Asked:
    began = time.monotonic()
    san, found, steps, _warnings = plan(host, asked)
    if not steps:
        return {"changed": False, "steps": [], "waited": 0.0}
    with disks.alone_on(host, san, found, asked.get("timeout", 60.0)) as held:
        waited = time.monotonic() - began
        _san, _found, steps, warnings = plan(host, asked)
        left = asked.get("die_after")

        def one(step: Any) -> None:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), 9)
            perform(host, step, 60.0)
            left = None if left is None else left - 1

        carry_out(steps, one)
    told = [*warnings, *held.warnings]
    return {"changed": bool(steps), "steps": [it.describe() for it in steps], "waited": waited, "warnings": told}


def inspect(host: Host, asked: Asked) -> Asked:
    _san, found, sight = look(host, asked)
    seen = disks.inspect(host, found)
    return {
        "disks": [
            {**one.disk.to_dict(), **one.contents.to_dict(), "state": judge(one).state, "never": judge(one).never}
            for one in seen
        ],
        "groups": [group.to_dict() for group in sight.groups],
        "system_id": sight.system_id,
    }


def hold(host: Host, asked: Asked) -> Asked:
    """Keep LUNs for some seconds, or be killed with them."""
    san, found, _sight = look(host, asked)
    with disks.alone_on(host, san, found, asked.get("timeout", 60.0)) as held:
        if asked.get("touch"):
            with open(asked["touch"], "w", encoding="utf-8") as stream:
                stream.write("held")
        if asked.get("die"):
            os.kill(os.getpid(), 9)
        time.sleep(asked.get("seconds", 0))
    return {"held": held.wwids, "warnings": held.warnings}


def main() -> None:
    host, asked = Host(), json.loads(sys.argv[1])
    act = {"inspect": inspect, "hold": hold}.get(asked["do"], change)
    try:
        print(json.dumps({"ok": True, **act(host, asked)}))
    except SanError as error:
        print(json.dumps({"ok": False, "error": type(error).__name__, "msg": error.message, "details": error.details}))


if __name__ == "__main__":
    main()
