# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which volume groups are the host's, and what holds of every plan that keeps LVM to them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    IdentityError,
    InUseError,
    RefusedError,
    SanError,
)
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwid
from ansible_collections.virt.san.plugins.module_utils._model.lvm_devices import (
    BEGUN,
    DEVICES_FILE,
    ActiveLv,
    Initramfs,
    LvmSight,
    SeenPv,
    SeenVg,
    Setting,
    VgClaim,
)
from ansible_collections.virt.san.plugins.module_utils._plan.lvm_devices import (
    LvmPlan,
    owners,
    plan_absent,
    plan_present,
)
from ansible_collections.virt.san.plugins.module_utils._plan.lvm_steps import (
    DeactivateVg,
    ListDevice,
    MakeDevicesFile,
    RefreshInitramfs,
    RemoveDevicesFile,
    RemoveSetting,
    UnlistDevice,
    WriteSetting,
)

LUN = Wwid("36001405aaaa")


def pv(device: str, vg: str = "", *, lun: bool = True, uuid: str = "", duplicate: bool = False) -> SeenPv:
    return SeenPv(
        uuid or f"pv-{device}",
        f"/dev/{device}",
        device,
        f"uuid-{vg}" if vg else "",
        vg,
        (Wwid(f"36001405{device}"),) if lun else (),
        (f"/dev/disk/by-id/lvm-pv-uuid-{device}", f"/dev/disk/by-id/wwn-{device}", f"/dev/disk/by-path/pci-{device}"),
        duplicate,
    )


def vg(name: str, *pvs: SeenPv, active: tuple[str, ...] = (), by: tuple[str, ...] = (), uuid: str = "") -> SeenVg:
    uuid = uuid or f"uuid-{name}"
    members = tuple(replace(one, vg_uuid=uuid, vg_name=name) for one in pvs)
    return SeenVg(uuid, name, members, tuple(ActiveLv(lv, uuid, by) for lv in active))


def sight(*vgs: SeenVg, **kwargs) -> LvmSight:
    visible = frozenset(one.device for group in vgs for one in group.pvs)
    return LvmSight(vgs, **{"visible": visible, **kwargs})


def apply(before: LvmSight, plan: LvmPlan) -> LvmSight:
    """Return what a host looks like after a plan, if LVM does as it is told."""
    listed, there, setting, vgs = dict(before.listed), before.devices_file, before.setting, list(before.vgs)
    initramfs = before.initramfs
    for step in plan.steps:
        if isinstance(step, MakeDevicesFile):
            there = True
            listed = {one.device: one.path for one in step.devices}
        elif isinstance(step, ListDevice):
            listed[step.device] = step.path
        elif isinstance(step, UnlistDevice):
            listed = {name: path for name, path in listed.items() if path != step.path}
        elif isinstance(step, (WriteSetting, RemoveSetting)):
            setting = step.setting if isinstance(step, WriteSetting) else None
            initramfs = replace(initramfs, stale=initramfs.copies)
        elif isinstance(step, RemoveDevicesFile):
            there, listed = False, {}
        elif isinstance(step, RefreshInitramfs):
            initramfs = replace(initramfs, stale=False)
        else:
            vgs = [replace(group, active=()) if group.uuid == step.uuid else group for group in vgs]
    after = replace(before, vgs=tuple(vgs), listed=listed, devices_file=there, setting=setting, initramfs=initramfs)
    return obeyed(after)


def obeyed(host: LvmSight) -> LvmSight:
    """Return a host whose LVM sees what its configuration lets it see, and nothing else."""
    everything = [one for group in host.vgs for one in group.pvs] + list(host.others)
    if host.setting is None or (host.setting.method == DEVICES_FILE and not host.devices_file):
        visible = frozenset(one.device for one in everything)
    elif host.setting.method == DEVICES_FILE:
        visible = frozenset(host.listed)
    else:
        visible = frozenset(one.device for one in everything if set(one.links) & set(host.setting.patterns))
    return replace(host, visible=visible)


# Whose?


def test_local_groups_are_the_hosts() -> None:
    seen = sight(
        vg("system", pv("vda", lun=False)), vg("guest", pv("dm-0")), vg("mixed", pv("vdb", lun=False), pv("dm-1"))
    )
    assert set(owners(seen, ())[0]) == {"uuid-system", "uuid-mixed"}


def test_one_name_twice_needs_a_uuid() -> None:
    seen = sight(vg("data", pv("dm-0"), uuid="a-1"), vg("data", pv("dm-1"), uuid="b-2"))
    with pytest.raises(AmbiguousError, match="Give the UUID"):
        owners(seen, ["data"])
    assert set(owners(seen, ["b2"])[0]) == {"b-2"}


def test_a_guest_does_not_win_a_name_of_the_host() -> None:
    """fstab says /dev/system/root, and a guest has called its group system too."""
    seen = sight(vg("system", pv("vda", lun=False), uuid="a"), vg("system", pv("dm-1"), uuid="b"))
    seen = replace(seen, claims=(VgClaim("system", "fstab: /var"),))
    assert set(owners(seen, ())[0]) == {"a"}


def test_a_name_only_guests_have_is_refused() -> None:
    seen = sight(vg("data", pv("dm-0"), uuid="a"), vg("data", pv("dm-1"), uuid="b"))
    with pytest.raises(AmbiguousError, match="fstab: /data"):
        owners(replace(seen, claims=(VgClaim("data", "fstab: /data"),)), ())


def test_a_name_nobody_has_is_a_warning() -> None:
    assert "images" in plan_present(sight(), ["images"], "auto").warnings[0]


# What is done?


def test_copies_of_a_group_in_use_stay_out() -> None:
    same = pv("dm-0", uuid="p"), pv("dm-1", uuid="p", duplicate=True)
    plan = plan_present(sight(vg("own", *same, active=("lv",), by=("mount /x",))), ["own"], "auto")
    assert plan.needed == {"dm-0"}
    assert "dm-1" in plan.unwanted


def test_copies_of_a_group_not_in_use_are_refused() -> None:
    same = pv("dm-0", uuid="p"), pv("dm-1", uuid="p", duplicate=True)
    with pytest.raises(IdentityError, match="/dev/dm-0, /dev/dm-1"):
        plan_present(sight(vg("own", *same)), ["own"], "auto")


def test_what_was_hidden_locally_stays_hidden() -> None:
    seen = sight(vg("backup", pv("vdb", lun=False)), visible=frozenset())
    assert plan_present(seen, (), "auto").needed == frozenset()
    assert plan_present(seen, ["backup"], "auto").needed == {"vdb"}


def test_a_local_pv_in_no_group_stays_usable() -> None:
    spare, luns = pv("vdb", lun=False), pv("dm-3")
    seen = sight(others=(spare, luns), visible=frozenset(("vdb", "dm-3")))
    plan = plan_present(seen, (), "auto")
    assert (plan.needed, plan.unwanted) == ({"vdb"}, {"dm-3"})


def test_filters_name_devices_by_what_nobody_else_can_claim() -> None:
    plan = plan_present(sight(vg("own", pv("dm-0"))), ["own"], "filter")
    (write,) = plan.steps
    assert isinstance(write, WriteSetting)
    assert write.setting.patterns == ("/dev/disk/by-id/wwn-dm-0",)


def test_a_filter_of_somebody_else_is_not_overridden() -> None:
    with pytest.raises(RefusedError, match="set by somebody else"):
        plan_present(sight(global_filter='["r|/dev/drbd.*|"]'), (), "filter")


def test_a_host_that_boots_from_lvm_keeps_its_initramfs() -> None:
    seen = sight(vg("system", pv("vda", lun=False)), boots_from=("uuid-system",), initramfs=Initramfs(copies=True))
    plan = plan_present(seen, (), "auto")
    assert not any(isinstance(step, RefreshInitramfs) for step in plan.steps)
    assert "update-initramfs -u" in plan.warnings[0]


def test_what_somebody_else_hides_is_said_and_is_no_change() -> None:
    own = vg("system", pv("vda", lun=False), pv("vdb", lun=False))
    seen = sight(own, visible=frozenset({"vda"}), setting=Setting(DEVICES_FILE), devices_file=True)
    seen = replace(seen, listed={"vda": "/dev/vda", "vdb": "/dev/vdb"})
    plan = plan_present(seen, ("system",), "auto")
    assert (plan.steps, plan.changed) == ((), False)
    assert "/dev/vdb and does not see it" in plan.warnings[0]


def test_absent_without_a_setting_is_nothing() -> None:
    plan = plan_absent(sight(devices_file=True, listed={"vda": "/dev/vda"}))
    assert (plan.steps, plan.changed) == ((), False)


def test_what_a_killed_run_has_begun_is_known_to_be_ours() -> None:
    begun = sight(devices_file=True, begun=frozenset(BEGUN), initramfs=Initramfs(copies=True))
    assert plan_present(begun, (), "auto").steps[-2:] == (
        WriteSetting(Setting(DEVICES_FILE, (), True)),
        RefreshInitramfs(),
    )
    plan = plan_absent(begun)
    assert (plan.steps, plan.changed) == ((RemoveDevicesFile(), RefreshInitramfs()), True)
    assert plan_absent(apply(replace(begun, begun=frozenset()), plan)).steps == ()
    to_filter = replace(begun, setting=plan_present(begun, (), "filter").steps[0].setting)
    assert RemoveDevicesFile() in plan_present(to_filter, (), "filter").steps


@pytest.mark.parametrize("killed_after", range(4))
def test_absent_is_finished_after_a_kill(killed_after: int) -> None:
    """As long as our block is there it tells whose the devices file is; after it a note does."""
    whole = sight(devices_file=True, setting=Setting(DEVICES_FILE, (), True), initramfs=Initramfs(copies=True))
    plan = plan_absent(whole)
    assert plan.steps == (RemoveDevicesFile(), RemoveSetting(), RefreshInitramfs())
    half = apply(replace(whole, begun=frozenset(BEGUN)), replace(plan, steps=plan.steps[:killed_after]))
    done = apply(half, plan_absent(half))
    assert (done.devices_file, done.setting, done.initramfs.stale) == (False, None, False)


# What always holds

DEVICES = ("vda", "vdb", "dm-0", "dm-1", "dm-2")
HOLDERS = some.sampled_from([(), (), (), ("mount /x",)])


@some.composite
def hosts(draw: some.DrawFn) -> LvmSight:
    groups: dict[str, list[SeenPv]] = {}
    others = []
    for device in DEVICES:
        group = draw(some.sampled_from(["a", "b", "c", "", None]))
        seen = pv(device, lun=device.startswith("dm-"))
        if group:
            groups.setdefault(group, []).append(seen)
        elif group is not None:
            others.append(replace(seen, uuid=draw(some.sampled_from(["", "p"]))))
    vgs = tuple(
        vg(
            draw(some.sampled_from([name, "same"])),
            *pvs,
            uuid=name,
            active=draw(some.sampled_from([(), ("lv",)])),
            by=draw(HOLDERS),
        )
        for name, pvs in groups.items()
    )
    there = draw(some.booleans())
    listed = draw(some.sets(some.sampled_from(DEVICES))) if there else set()
    return LvmSight(
        vgs=vgs,
        others=tuple(others),
        visible=frozenset(draw(some.sets(some.sampled_from(DEVICES)))),
        listed={device: f"/dev/{device}" for device in sorted(listed)},
        devices_file=there,
        setting=draw(some.sampled_from([None, Setting(DEVICES_FILE), Setting(DEVICES_FILE, (), True)])),
        claims=draw(some.sampled_from([(), (VgClaim("b", "fstab: /b"),), (VgClaim("same", "swap"),)])),
        boots_from=draw(some.sampled_from([(), ("a",)])),
        initramfs=draw(some.sampled_from([Initramfs(), Initramfs(True), Initramfs(True, True)])),
    )


WISHES = some.sampled_from([(), ("a",), ("c", "b"), ("same",)])
METHODS = some.sampled_from(["auto", "filter"])


def planned(host: LvmSight, names: tuple[str, ...], method: str) -> LvmPlan:
    try:
        return plan_present(host, names, method)
    except SanError:
        assume(False)
        raise


@given(hosts(), WISHES, METHODS)
def test_a_plan_deactivates_nothing_that_is_open_or_the_hosts(
    host: LvmSight, names: tuple[str, ...], method: str
) -> None:
    plan = planned(host, names, method)
    own = owners(host, names)[0]
    by_uuid = {group.uuid: group for group in host.vgs}
    for step in plan.steps:
        if isinstance(step, DeactivateVg):
            assert step.uuid not in own
            assert not any(lv.holders for lv in by_uuid[step.uuid].active)
            assert not by_uuid[step.uuid].local


@given(hosts().map(obeyed), WISHES, METHODS)
def test_a_plan_applied_and_planned_again_is_empty(host: LvmSight, names: tuple[str, ...], method: str) -> None:
    plan = planned(host, names, method)
    after = apply(host, plan)
    assert plan.needed <= after.visible
    assert not plan.unwanted & after.visible
    again = plan_present(after, names, method)
    assert (again.steps, again.changed) == ((), False)
    assert bool(plan.steps) >= plan.changed


@given(hosts(), WISHES)
def test_an_open_foreign_group_is_always_refused(host: LvmSight, names: tuple[str, ...]) -> None:
    try:
        own = owners(host, names)[0]
    except AmbiguousError:
        return
    if any(lv.holders for group in host.vgs if group.uuid not in own for lv in group.active):
        with pytest.raises(InUseError):
            plan_present(host, names, "auto")
