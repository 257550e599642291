# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""npiv_vport beside virsh on both lab hosts, in one run: from the start to the first LUN usable.

virsh makes the vHBA as a node device and refreshes a pool on it. Both take turns; the best of each counts.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".cache/links"), str(Path(__file__).resolve().parent)]

import on_lab  # noqa: E402
import table  # noqa: E402

from ansible_collections.virt.san.plugins.module_utils._model.npiv import DEFAULT_OUI, generated_names  # noqa: E402

HOSTS = ("kvm1", "kvm2")
PORT = "0000:00:05.0"
"""The card in fabric a."""
LUN = 27
LIMIT = 0.5
"""Seconds for what the module does by itself, on an emulated machine."""


def measure() -> list[table.Row]:
    """Map and zone a LUN to the vHBA of each host, and measure there."""
    on_lab.lab("clean")
    try:
        return [row for host in HOSTS for row in rows(host, _on(host))]
    finally:
        on_lab.lab("clean")


def _on(host: str) -> list[dict[str, float]]:
    name = f"bench-{host}"
    wwpn, wwnn = generated_names(name, 0, DEFAULT_OUI)
    on_lab.lab("lun", "create", name, "64M")
    on_lab.lab("lun", "map", name, str(LUN), "--initiator", wwpn, "--target", "a")
    on_lab.lab("zone", "set", name, wwpn, "array:a")
    rounds: list[dict[str, float]] = on_lab.run(host, "on_machine_npiv.py", PORT, name, wwpn, wwnn, LUN)
    return rounds


def rows(host: str, rounds: list[dict[str, float]]) -> list[table.Row]:
    """Return the lines for what a machine measured, in seconds by name."""
    best = {name: min(told[name] for told in rounds) for name in rounds[0]}
    worst = max(told["own"] for told in rounds)
    startup = f"{best['module start']:.2f} s"
    note = f"of it nodedev-create {best['virsh nodedev-create']:.2f} s"
    return [
        table.Row(f"{host}: virsh nodedev-create, pool refresh, first LUN", f"{best['virsh']:.2f} s ({note})"),
        table.Row(f"{host}: npiv_vport, first LUN", f"{best['module']:.2f} s", startup=startup),
        table.at_most(f"{host}: npiv_vport / virsh", best["module"] / best["virsh"], 1, "x"),
        table.at_most(f"{host}: npiv_vport's own part of that", best["own"], LIMIT, "s", f"at worst {worst:.2f} s"),
        table.Row(f"{host}: the kernel's part, and udev's", f"{best['kernel']:.2f} s, {best['udev']:.2f} s"),
    ]


if __name__ == "__main__":
    print(table.render(measure()), end="")
