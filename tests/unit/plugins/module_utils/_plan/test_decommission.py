# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which LUNs are meant, and when they may be unmapped."""

from __future__ import annotations

from typing import Any

from ansible_collections.virt.san.plugins.module_utils._plan.decommission import SILENT, release_luns, resolve_luns

ONE, TWO = "36001405" + "1" * 25, "36001405" + "2" * 25


def seen(wwid: str, name: str | None = None, lun: int = 27) -> dict[str, Any]:
    paths = [{"lun": lun}]
    return {"wwid": wwid, "size": 2**30, "serial": "s1", "paths": paths, "multipath": {"name": name} if name else None}


def test_names_and_identities() -> None:
    views = {"kvm1": [seen(ONE, "guests27"), seen(TWO)], "kvm2": [seen(ONE, "guests27", 28)]}
    found = resolve_luns(views, [f"naa.{TWO[1:]}"], ["guests27"], {})
    assert found.titles == {TWO: f"LUN 27 ({TWO}, 1G), serial s1", ONE: f"LUN 27 ({ONE}, 1G), serial s1 guests27"}
    assert found.problems == []


def test_a_name_by_the_aliases_of_provision() -> None:
    found = resolve_luns({"kvm1": []}, [], ["guests27"], {ONE: "guests27", 28: "other"})
    assert found.titles == {ONE: f"{ONE} (seen on no host)"}


def test_a_name_must_mean_one_unit() -> None:
    found = resolve_luns({"kvm1": [seen(ONE, "x")], "kvm2": [seen(TWO, "x")]}, ["zz"], ["x", "y"], {})
    assert list(found.titles) == ["zz"], "the module refuses it, on every host"
    several, unknown = found.problems
    assert f"{ONE} (kvm1), {TWO} (kvm2)" in several
    assert "y is not the name" in unknown


def release(**views: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    found = release_luns(views, {ONE: "LUN 27"})
    return found.luns, found.in_the_way


CLEAN: dict[str, Any] = {"failure": "", "left": []}


def test_all_or_nothing() -> None:
    assert release(kvm1=CLEAN, kvm2=CLEAN) == (["LUN 27"], {})
    assert release(kvm1=CLEAN, kvm2={}) == ([], {"kvm2": SILENT})
    assert release(kvm1=CLEAN, kvm2={"failure": "in use", "left": []}) == ([], {"kvm2": "in use"})
    assert release(kvm1={"failure": "", "left": [ONE]}) == ([], {"kvm1": f"still there: {ONE}"})
    assert release(kvm1={"failure": ""})[0] == []
    assert release() == ([], {})
