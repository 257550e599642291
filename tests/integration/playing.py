# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several tasks about pools in one playbook: each run of Ansible costs seconds on an emulated machine."""

from __future__ import annotations

import json
from typing import Any

from .conftest import Ansible, Run

Task = dict[str, Any]


def pool(title: str, *, check: bool = False, may_fail: bool = False, **options: Any) -> Task:
    """Return a task."""
    return {
        "name": title,
        "virt.san.storage_pool": options,
        "check_mode": check,
        "diff": True,
        "ignore_errors": may_fail,
    }


def volume(title: str, *, check: bool = False, may_fail: bool = False, **options: Any) -> Task:
    """Return a task."""
    return {
        "name": title,
        "virt.san.storage_volume": options,
        "check_mode": check,
        "diff": True,
        "ignore_errors": may_fail,
    }


def virsh(title: str, *commands: str) -> Task:
    """Return a task that gives virsh commands, one after the other. Its daemon's socket is off on some hosts."""
    return shell(title, " && ".join(("systemctl start libvirtd.socket", *(f"virsh -q {one}" for one in commands))))


def shell(title: str, command: str) -> Task:
    return {"name": title, "ansible.builtin.shell": command, "changed_when": False}


OPENED = 'until ls -l /proc/$(systemctl show -P MainPID {unit})/fd | grep -qF "$(realpath {path})"; do sleep 0.1; done'


def hold(title: str, command: str, *paths: str) -> Task:
    """Return a task that has a program hold paths open until `let_go`; it has them open when the task is done."""
    unit = unit_of(command)
    opened = (f"timeout 30 sh -c '{OPENED.format(unit=unit, path=path)}'" for path in paths)
    begin = f"systemd-run -q --collect --unit {unit} {command} {' '.join(paths)}"
    return shell(title, " && ".join((begin, *opened)))


def let_go(title: str, *commands: str) -> Task:
    return shell(title, f"systemctl stop {' '.join(map(unit_of, commands))}")


def unit_of(command: str) -> str:
    return f"holding-{command.split(maxsplit=1)[0]}.service"


QEMU = "qemu-io -f {} -c 'sleep 600000'"
"""Opens an image of this format as a guest does."""
OPENS = "python3 -c 'import sys, time; kept = [open(one) for one in sys.argv[1:]]; time.sleep(1e6)'"
"""Opens files or devices, and reads nothing."""


def play(ansible: Ansible, *tasks: Task, hosts: str = "kvm") -> Run:
    path = ansible.folder / "pools.yml"
    path.write_text(json.dumps([{"hosts": hosts, "gather_facts": False, "tasks": tasks}]))
    return ansible.playbook(path)


def one(run: Run, host: str, title: str) -> dict[str, Any]:
    """Return the result of the task with exactly this title."""
    (found,) = [
        entry["result"]
        for entry in run.entries
        if entry["host"] == host and entry["task"] == title and entry["outcome"] != "stats"
    ]
    return dict(found)


def by_host(told: dict[str, str]) -> str:
    """Return what a task has for each host."""
    return "{{ " + repr(told) + "[inventory_hostname] }}"


def without_uuid(told: Any) -> Any:
    return (
        {key: without_uuid(value) for key, value in told.items() if key != "uuid"} if isinstance(told, dict) else told
    )
