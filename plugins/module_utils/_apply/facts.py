# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lun_facts tells about a host: each subset read once, filtered, as plain values."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._errors import SanError
from ansible_collections.virt.san.plugins.module_utils._host import hbas, iscsi, lvm
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.module_utils._host.inventory import read_san
from ansible_collections.virt.san.plugins.module_utils._model.block import LogicalUnit, San
from ansible_collections.virt.san.plugins.module_utils._plan.select import Filters, select_hbas, select_units
from ansible_collections.virt.san.plugins.module_utils._plan.suspect import suspects

SUBSETS = ("hbas", "luns", "iscsi", "lvm")


def gather(
    host: Host, subset: Collection[str], filters: Filters, deadline: float
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the facts of the subsets and warnings about what could not be read.

    `deadline` (seconds) is for each tool that is asked: multipathd, LVM.
    """
    san = _read(host, subset, deadline)
    warnings = san.warnings
    facts: dict[str, Any] = {}
    if "hbas" in subset:
        facts["hbas"] = [hba.to_dict() for hba in select_hbas(san.hbas, filters)]
    if "luns" in subset:
        units = select_units(san.luns, san.hbas, filters)
        facts["luns"] = [unit.to_dict() for unit in units]
        facts["suspects"] = [one.to_dict() for one in suspects(san, units)]
        facts["multipath"] = {"running": san.multipath_running, "maps": sum(unit.map is not None for unit in san.luns)}
    if "iscsi" in subset:
        sessions = [session.to_dict() for session in san.sessions]
        facts["iscsi"] = {"initiator": iscsi.read_initiator(host), "sessions": sessions}
    if "lvm" in subset:
        facts["lvm"], said = _read_lvm(host, san.luns, deadline)
        warnings += said
    return facts, warnings


def _read(host: Host, subset: Collection[str], deadline: float) -> San:
    if "luns" in subset or "lvm" in subset:
        return read_san(host, checkers="luns" in subset, uses="luns" in subset, deadline=deadline)
    fabric = hbas.read_fabric(host)
    return San(hbas=fabric.hbas, sessions=fabric.sessions)


def _read_lvm(host: Host, units: tuple[LogicalUnit, ...], deadline: float) -> tuple[Any, tuple[str, ...]]:
    try:
        return lvm.read_lvm(host, units, deadline).to_dict(), ()
    except SanError as error:
        return None, (f"facts of LVM are missing: {error.message}",)
