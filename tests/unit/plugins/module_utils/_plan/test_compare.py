# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do all hosts see the same: what is missing on which host is said, hosts that gave no answer are named."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import AmbiguousError, InputError
from ansible_collections.virt.san.plugins.module_utils._plan.compare import HostView, compare_hosts, summarise
from ansible_collections.virt.san.plugins.module_utils._plan.naming import name_devices

GIB = 2**30
NAA = "3600140500000000000000000000000{:02d}"


def unit(lun: int, *, wwid: str = "", size: int = GIB, paths: int = 2) -> dict[str, Any]:
    way = {"lun": lun, "target": "50000000000000aa", "state": "running", "checker_state": "ready"}
    return {
        "wwid": wwid or NAA.format(lun),
        "size": size,
        "device": f"/dev/mapper/lun{lun}",
        "paths": [dict(way, device=f"sd{lun}{index}", hctl="2:0:0:1", hba=f"host{index}") for index in range(paths)],
    }


def test_same_everywhere() -> None:
    views = {host: HostView((unit(27), unit(28))) for host in ("kvm1", "kvm2")}
    comparison = compare_hosts(views, paths=2)
    assert comparison.to_dict()["same"]
    lines = summarise(views, comparison)
    assert lines[0] == f"LUN 27 ({NAA.format(27)}, 1G)"
    assert lines[1].startswith("  kvm1  /dev/mapper/lun27  2 paths: sd270 host0 -> 50000000000000aa: ready; sd271")
    assert lines[-1] == "kvm1, kvm2: the same logical units, sizes and number of paths"


def test_missing_names_host_lun_and_what_is_there() -> None:
    views = {"kvm1": HostView((unit(27), unit(28))), "kvm2": HostView((unit(27),))}
    comparison = compare_hosts(views)
    assert list(comparison.problems) == ["kvm2"]
    (message,) = comparison.problems["kvm2"]
    assert message.startswith(f"LUN 28 ({NAA.format(28)}, 1G) is missing; kvm1 sees it. Seen instead: LUN 27 (")
    assert not comparison.conflicts


def test_numbers_may_differ_identity_may_not() -> None:
    one = HostView((unit(27),))
    assert not compare_hosts({"kvm1": one, "kvm2": HostView((unit(5, wwid=NAA.format(27)),))}).problems
    other = compare_hosts({"kvm1": one, "kvm2": HostView((unit(27, wwid=NAA.format(99)),))})
    assert set(other.problems) == {"kvm1", "kvm2"}


def test_sizes_that_differ_stop_everyone() -> None:
    views = {"kvm1": HostView((unit(27),)), "kvm2": HostView((unit(27, size=2 * GIB),))}
    comparison = compare_hosts(views)
    assert set(comparison.conflicts) == {"kvm1", "kvm2"}
    assert "kvm1 sees 1G, kvm2 sees 2G" in comparison.conflicts["kvm1"][0]


def test_too_few_paths() -> None:
    comparison = compare_hosts({"kvm1": HostView((unit(27),)), "kvm2": HostView((unit(27, paths=1),))}, paths=2)
    assert list(comparison.problems) == ["kvm2"]
    assert "1 paths instead of 2" in comparison.problems["kvm2"][0]


def test_a_failed_host_keeps_its_own_message_only() -> None:
    views = {"kvm1": HostView((unit(27),)), "kvm2": HostView((), "LUN 27 did not appear")}
    assert compare_hosts(views, paths=2).problems == {"kvm2": ["LUN 27 did not appear"]}


def test_hosts_without_answer_are_named() -> None:
    views = {"kvm1": HostView((unit(27),)), "kvm2": None}
    comparison = compare_hosts(views)
    assert comparison.compared == ["kvm1"]
    assert list(comparison.not_compared) == ["kvm2"]
    assert any(line.startswith("kvm2: not compared: no answer") for line in summarise(views, comparison))


def test_aliases_by_number_and_identity() -> None:
    devices = name_devices([unit(27), unit(28), unit(29)], {27: "a", "28": "b", NAA.format(28): "c"}, paths=2)
    assert devices == [
        {"wwid": NAA.format(27), "alias": "a", "paths": 2},
        {"wwid": NAA.format(28), "alias": "c", "paths": 2},
        {"wwid": NAA.format(29), "paths": 2},
    ]


def test_an_alias_for_two_units_is_refused() -> None:
    with pytest.raises(AmbiguousError, match="more than one logical unit"):
        name_devices([unit(27), unit(27, wwid=NAA.format(99))], {27: "a"})


def test_an_alias_for_nonsense_is_refused() -> None:
    with pytest.raises(InputError, match="neither a LUN number nor a WWID"):
        name_devices([unit(27)], {"twenty-seven": "a"})
