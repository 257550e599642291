# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one boundary between Ansible and the core: options in, result or error out."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.warnings import get_deprecations, get_warnings

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


class Apart(Protocol):
    """Lets others have the host's lock for as long as the context lasts, and takes it again."""

    def __call__(self, patience: float, /) -> AbstractContextManager[None]:
        """`patience`: seconds to wait for the lock."""


def run_change(module: AnsibleModule, change: Callable[[Host, Mapping[str, Any], bool], Outcome]) -> None:
    """Answer a module that may change the host: `change(host, options, check_mode)`.

    The host's lock is held while it runs; in check mode nothing is written, not even the lock.
    """
    run_long_change(module, lambda host, options, check_mode, _apart: change(host, options, check_mode))


def run_long_change(module: AnsibleModule, change: Callable[[Host, Mapping[str, Any], bool, Apart], Outcome]) -> None:
    """Like run_change, for a module with work that may take hours: it can let go of the lock by the last argument.

    Whoever does so claims what the work is about (`_host/claims.py`), and looks at the host once more afterwards.
    """

    def locked() -> Outcome:
        host = Host()
        host.require_root(module._name)
        with _lock(module, host) as apart:
            return change(host, module.params, module.check_mode, apart)

    _finish(module, locked)


@contextmanager
def _lock(module: AnsibleModule, host: Host) -> Iterator[Apart]:
    if module.check_mode:
        yield lambda _timeout: nullcontext()
        return
    who = f"virt.san.{module._name.rpartition('.')[2]}"
    with host_lock(host, who, module.params["lock_timeout"]) as held:
        yield held.apart


def _finish(module: AnsibleModule, work: Callable[[], Outcome]) -> None:
    # Of any `path` in an answer AnsibleModule would tell owner and mode, and look at it for that. What is told of the
    # path may well be that whoever looks at it hangs.
    module.add_path_info = lambda answer: answer
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
    if not (module.no_log_values or get_warnings() or get_deprecations()):
        _answer(module, result)
    module.exit_json(**result)


def _answer(module: AnsibleModule, result: Mapping[str, Any]) -> None:
    """Write a plain answer and end the module, as exit_json does. Returns where the answer is not plain JSON.

    exit_json searches all values for secrets, and all types for such that only Ansible knows: of hundreds of LUNs that
    takes longer than writing them. Without secrets among the options there is nothing to be found.
    """
    try:
        text = json.dumps({**result, "invocation": {"module_args": module.params}})
    except (TypeError, ValueError):
        return
    module.do_cleanup_files()
    sys.stdout.write(f"\n{text}\n")
    raise SystemExit(0)
