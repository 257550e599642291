# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one boundary between Ansible and the core: options in, result or error out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.lock import host_lock


@dataclass(frozen=True)
class Outcome:
    """What a module has to say. `before` and `after` feed --diff; `facts` become return values."""

    changed: bool
    facts: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()


def run_info(module: AnsibleModule, gather: Callable[[Host, Mapping[str, Any]], Outcome]) -> None:
    """Answer a read-only module: no lock, the same in check mode.

    It reads once and ends. Looking for garbage on the way finds none, and takes the longer the more there is to tell.
    """
    gc.disable()
    try:
        _finish(module, lambda: gather(Host(), module.params))
    finally:
        gc.enable()


def run_change(module: AnsibleModule, change: Callable[[Host, Mapping[str, Any], bool], Outcome]) -> None:
    """Answer a module that may change the host: `change(host, options, check_mode)`.

    The host's lock is held while it runs; in check mode nothing is written, not even the lock.
    """

    def locked() -> Outcome:
        host = Host()
        host.require_root(module._name)
        with _lock(module, host):
            return change(host, module.params, module.check_mode)

    _finish(module, locked)


def _lock(module: AnsibleModule, host: Host) -> AbstractContextManager[None]:
    if module.check_mode:
        return nullcontext()
    return host_lock(host, f"virt.san.{module._name.rpartition('.')[2]}", module.params["lock_timeout"])


def _finish(module: AnsibleModule, work: Callable[[], Outcome]) -> None:
    try:
        _report(module, work())
    except SanError as error:
        details = dict(error.details)
        for warning in details.pop("warnings", ()):
            module.warn(warning)
        module.fail_json(msg=error.message, error=type(error).__name__, **details)


def _report(module: AnsibleModule, outcome: Outcome) -> None:
    for warning in outcome.warnings:
        module.warn(warning)
    result = dict(outcome.facts, changed=outcome.changed)
    if module._diff and outcome.before is not None and outcome.after is not None:
        result["diff"] = {"before": outcome.before, "after": outcome.after}
    module.exit_json(**result)
