# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask targets which LUNs they have: one command a target, in a child that may hang without harm."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.virt.san.plugins.module_utils._host import children
from ansible_collections.virt.san.plugins.module_utils._host.children import ChildResult
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.report_luns import Question, parse_answer
from ansible_collections.virt.san.plugins.module_utils._model.block import Path, San
from ansible_collections.virt.san.plugins.module_utils._plan.suspect import Address, Told, spokesmen

PROBE_DEADLINE = 20.0
"""Seconds for a target to answer; the kernel gives the command half of that."""


def probe(host: Host, san: San, paths: Iterable[Path]) -> dict[Address, Told]:
    """Return what the targets of these paths say of their LUNs. No answer is an answer too: it proves nothing.

    Nothing is written; it is safe in check mode.
    """
    asked = spokesmen(san, paths)
    names = {address: "probe{}-{}-{}".format(*address) for address in asked}
    hung = children.left_behind(host, names.values())
    jobs = {
        names[address]: [Question(f"/dev/{path.device}")]
        for address, path in asked.items()
        if names[address] not in hung
    }
    results = children.write_all(host, jobs, PROBE_DEADLINE)
    return {address: _told(path, results.get(names[address])) for address, path in asked.items()}


def _told(path: Path, result: ChildResult | None) -> Told:
    where = f"{path.target or 'the target'} over {path.hba}"
    if result is None:
        return Told(path, problem=f"{where}: a question of an earlier run still hangs in the kernel")
    if not result.done:
        return Told(path, problem=f"{where}: no answer to REPORT LUNS within {PROBE_DEADLINE:g} s")
    answer = parse_answer(result.done[0])
    return Told(path, answer.luns, answer.refused, f"{where}: {answer.problem}" if answer.problem else "")
