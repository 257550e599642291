# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of type fs: built once, known again, never on two hosts at a time, never taken from anybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import InUseError, RefusedError, SanError
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Mmp, Signature
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Permissions,
    PoolDefinition,
    Source,
    SourceDevice,
    SourceHost,
    Space,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept, made_uuid
from ansible_collections.virt.san.plugins.module_utils._pools.base import Folder, Mounted, Needs, Seen
from ansible_collections.virt.san.plugins.module_utils._pools.blank import BlankDevice, Inspected
from ansible_collections.virt.san.plugins.module_utils._pools.fs import PATIENCE, FsPool
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known, Wanted
from ansible_collections.virt.san.plugins.module_utils._pools.steps import (
    WORTH_GROWING,
    EraseFilesystem,
    GrowFilesystem,
    MakeFilesystem,
    Mount,
    MountAlone,
    SetPermissions,
    Unmount,
)
from ansible_collections.virt.san.tests.unit.support.groups import disk, group, label_of, pv, sight
from ansible_collections.virt.san.tests.unit.support.multipathing import wwid
from ansible_collections.virt.san.tests.unit.support.pool_world import ONE, TWO, VMS, World, filesystem

KIND = FsPool()
XFS = replace(VMS, source=replace(VMS.source, format="xfs"))
AUTO = replace(VMS, source=replace(VMS.source, format="auto"))
OWN, OTHER = made_uuid("vms", wwid(1)), "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
PRESENT, ACTIVE = Wanted("vms", "present", VMS), Wanted("vms", "active", VMS)


def world(one: Contents | None = None, **facts: Any) -> World:
    return World(Known("vms"), contents={ONE: one or Contents(), TWO: Contents()}, **facts)


def active(pool: PoolDefinition = VMS, **more: Any) -> World:
    now = world()
    return now.after(now.plan(Wanted("vms", "active", pool, **more)).steps)


def test_what_is_done() -> None:
    assert world().plan(ACTIVE).describe() == [
        "define pool vms",
        "make the folder /vms (mode 0711)",
        f"make an ext4 file system on /dev/mapper/lun1 ({wwid(1)}), for one host at a time (mmp)",
        "mount /dev/mapper/lun1 on /vms (ext4; nodev,nosuid,noexec)",
        "note that pool vms runs",
    ]
    assert active().plan(Wanted("vms", "absent", delete_contents=True)).describe() == [
        "unmount /vms (/dev/mapper/lun1)",
        "note that pool vms does not run",
        f"erase the file system on /dev/mapper/lun1 ({wwid(1)})",
        "remove the folder /vms, if it is empty",
        "undefine pool vms",
    ]


def test_what_is_mounted_gets_the_permissions() -> None:
    """Those of the folder below are hidden by it, and those of a new file system are root's alone to write."""
    pool = replace(VMS, target=Target("/vms", Permissions(0o750, None, 64)))
    now = world()
    steps = now.plan(Wanted("vms", "active", pool)).steps
    assert [step for step in steps if isinstance(step, SetPermissions)] == [
        SetPermissions("/vms", pool.target.permissions)
    ]
    now = replace(now.after(steps), folders={"/vms": Folder(mode=0o755, group=64)})
    assert now.plan(Wanted("vms", "present", pool)).describe() == ["set mode 0750 on /vms"]
    stopped = now.after(now.plan(Wanted("vms", "inactive", pool)).steps)
    assert stopped.plan(Wanted("vms", "inactive", pool)).steps == (), "not those of the mount point"
    reading = replace(pool, source=replace(pool.source, mount_options=("ro",)))
    assert not any(isinstance(step, SetPermissions) for step in world().plan(Wanted("vms", "active", reading)).steps)


def test_known_again() -> None:
    """Also on another host, which has no definition of it yet."""
    for mmp in (True, False):
        now = world(filesystem("ext4", OWN, mmp), folders={"/vms": Folder()})
        assert now.plan(PRESENT).describe() == ["define pool vms"]
        assert now.plan(replace(PRESENT, build="overwrite")).describe() == ["define pool vms"]


def test_what_others_have_made_is_taken_over_on_demand() -> None:
    now = world(filesystem("ext4", OTHER), folders={"/vms": Folder()})
    with pytest.raises(RefusedError, match=r"was not made for pool vms.*build: never.*build: overwrite") as refused:
        now.plan(PRESENT)
    assert refused.value.details["devices"][0]["wwid"] == wwid(1)
    taken = now.plan(Wanted("vms", "present", AUTO, build="never"))
    assert (taken.pool and taken.pool.kept.adopted, taken.built) == (OTHER, True)
    assert taken.after["pool"]["adopted"] == OTHER
    now = now.after(taken.steps)
    assert now.plan(Wanted("vms", "present", AUTO)).steps == ()
    with pytest.raises(RefusedError, match="single_host: true"):
        now.plan(Wanted("vms", "active"))
    now = now.after(now.plan(Wanted("vms", "active", single_host=True)).steps)
    assert now.plan(Wanted("vms", "active", AUTO)).steps == ()
    assert now.known.pool is not None
    assert now.known.pool.kept == Kept(single_host=True, adopted=OTHER)
    moved = replace(AUTO, source=Source(devices=(SourceDevice(TWO),), format="ext4"))
    then = now.plan(Wanted("vms", "present", moved))
    assert then.pool is not None
    assert then.pool.kept == Kept(single_host=True), "what was taken over was on another device"


def test_what_runs_already_is_taken_over() -> None:
    """Somebody has mounted the pool's device at the pool's place: that is to be known again after the next boot."""
    now = world(filesystem("ext4", OTHER), mounts={"/vms": Mounted("/dev/mapper/lun1", "ext4", "", "dm-1")})
    now = replace(now, folders={"/vms": Folder()})
    plan = now.plan(ACTIVE)
    assert plan.pool is not None
    assert (plan.running, plan.pool.kept.adopted) == (True, OTHER)
    now = now.after(plan.steps)
    assert now.plan(ACTIVE).steps == ()
    elsewhere = replace(VMS, source=replace(VMS.source, devices=(SourceDevice(TWO),)))
    now = replace(now, contents={**now.contents, TWO: filesystem("ext4", OWN)})
    with pytest.raises(RefusedError, match="was not made for"):
        now.plan(Wanted("vms", "present", elsewhere))


def test_what_is_swapped_meanwhile_is_not_mounted() -> None:
    """At boot nothing is taken over: a LUN with another file system is not the pool's."""
    now = active()
    now = now.after(now.plan(Wanted("vms", "inactive")).steps)
    now = replace(now, contents={**now.contents, ONE: filesystem("ext4", OTHER)})
    for pool in (None, VMS):
        with pytest.raises(RefusedError, match="not built" if pool is None else "not made for pool"):
            now.plan(Wanted("vms", "active", pool, build="never" if pool is None else "if_needed"))


def test_a_device_that_is_not_there_is_named_at_boot() -> None:
    now = replace(world(), known=Known("vms", VMS), contents={})
    with pytest.raises(RefusedError, match=f"{ONE}: it is not on this host"):
        now.plan(Wanted("vms", "active", build="never"))
    with pytest.raises(RefusedError, match=f"building pool vms is refused: {ONE}: it is not on this host"):
        now.plan(ACTIVE)
    assert now.plan(Wanted("vms", "absent")).describe() == ["undefine pool vms"]
    with pytest.raises(RefusedError, match="erasing the file system"):
        now.plan(Wanted("vms", "absent", delete_contents=True))


def test_overwritten_on_demand() -> None:
    now = world(filesystem("xfs", OTHER))
    for pool in (VMS, XFS, AUTO):
        with pytest.raises(RefusedError):
            now.plan(Wanted("vms", "present", pool))
    steps = now.plan(replace(PRESENT, build="overwrite")).steps
    assert [type(step) for step in steps if isinstance(step, (BlankDevice, MakeFilesystem))] == [
        BlankDevice,
        MakeFilesystem,
    ]
    with pytest.raises(RefusedError, match="say what is to be made on it"):
        now.plan(Wanted("vms", "present", AUTO, build="overwrite"))


def test_another_format_is_another_file_system() -> None:
    now = active()
    now = now.after(now.plan(Wanted("vms", "inactive")).steps)
    with pytest.raises(RefusedError, match="not blank"):
        now.plan(Wanted("vms", "present", XFS, single_host=True))
    steps = now.plan(Wanted("vms", "present", XFS, build="overwrite", single_host=True)).steps
    assert [step.kind for step in steps if isinstance(step, MakeFilesystem)] == ["xfs"]


def test_too_small() -> None:
    small = Inspected(replace(disk(1), size=2**26), Contents())
    with pytest.raises(RefusedError, match="has 67108864 bytes; an xfs needs 314572800"):
        KIND.build(replace(XFS, kept=Kept(single_host=True)), Seen(devices={ONE: small}), overwrite=False)
    assert KIND.build(VMS, Seen(devices={ONE: small}), overwrite=False)


# One host at a time


def test_a_second_host_needs_a_promise_where_nothing_keeps_it_out() -> None:
    for state in ("present", "active"):
        with pytest.raises(RefusedError, match=r"seen by other hosts.*single_host: true") as refused:
            world().plan(Wanted("vms", state, XFS))
        assert refused.value.details["wwid"] == wwid(1)
        assert world().plan(Wanted("vms", state, XFS, single_host=True)).changed
    now = world().after(world().plan(Wanted("vms", "present", XFS, single_host=True)).steps)
    assert now.plan(Wanted("vms", "active", XFS)).changed, "it is kept"
    with pytest.raises(RefusedError, match="single_host: true"):
        now.plan(Wanted("vms", "active", XFS, single_host=False))


def test_disks_of_the_host_need_none() -> None:
    own = replace(disk(1), unit=None, wwid=None, path="/dev/vdb", kernel="vdb")
    pool = replace(XFS, source=Source(devices=(SourceDevice("/dev/vdb"),), format="ext4"))
    seen = Seen(devices={"/dev/vdb": Inspected(own, Contents())}, folders={"/vms": Folder()})
    (made,) = KIND.build(pool, seen, overwrite=False)
    assert isinstance(made, MakeFilesystem)
    assert (made.mmp, made.uuid) == (False, made_uuid("vms", "/dev/vdb"))
    (mount,) = KIND.start(pool, seen)
    assert isinstance(mount, Mount)
    assert mount.patience == 0
    named = replace(pool, source=Source(devices=(SourceDevice("/dev/disk/by-id/virtio-1"),), format="ext4"))
    renamed = replace(own, path="/dev/vdc", kernel="vdc")
    mine = filesystem("ext4", made_uuid("vms", "/dev/disk/by-id/virtio-1"))
    seen = Seen(devices={"/dev/disk/by-id/virtio-1": Inspected(renamed, mine)}, folders={"/vms": Folder()})
    assert KIND.is_built(named, seen), "whatever the kernel calls it today"


def test_what_comes_over_a_network_is_one_hosts_at_a_time() -> None:
    """As a LUN: it has multiple mount protection, or somebody promises."""
    far = replace(disk(1), unit=None, wwid=None, path="/dev/nvme1n1", kernel="nvme1n1", remote=True)
    pool = replace(VMS, source=replace(VMS.source, devices=(SourceDevice("/dev/nvme1n1"),)))
    other = replace(pool, source=replace(pool.source, format="xfs"))
    seen = Seen(devices={"/dev/nvme1n1": Inspected(far, Contents())}, folders={"/vms": Folder()})
    (made,) = KIND.build(pool, seen, overwrite=False)
    assert isinstance(made, MakeFilesystem)
    assert made.mmp
    assert isinstance(KIND.start(pool, seen)[0], MountAlone)
    with pytest.raises(RefusedError, match="single_host: true"):
        KIND.build(other, seen, overwrite=False)
    assert KIND.build(replace(other, kept=Kept(single_host=True)), seen, overwrite=False)


def test_what_another_host_has_mounted_is_left_alone() -> None:
    held = replace(filesystem("ext4", OWN), mmp=Mmp("kvm1", "dm-3", "2026-01-02T03:04:05+00:00"))
    now = replace(world(held, folders={"/vms": Folder()}), known=Known("vms", VMS))
    says = r"mounted by host kvm1 \(as dm-3\), which said so last at 2026"
    with pytest.raises(InUseError, match=says):
        now.plan(Wanted("vms", "absent", delete_contents=True))
    with pytest.raises(InUseError, match=says):
        now.plan(Wanted("vms", "present", XFS, build="overwrite", single_host=True))
    (mount,) = KIND.start(VMS, now.seen)
    assert isinstance(mount, Mount), (
        "whether it still is, the kernel finds out; nothing may keep that host from writing"
    )
    assert mount.patience == PATIENCE


def test_erasing_what_another_host_may_have_mounted_needs_a_promise() -> None:
    """In the task itself: what was promised for the time that this host uses it, it does not now, is another thing."""
    absent = Wanted("vms", "absent", delete_contents=True)
    for pool, contents in ((XFS, filesystem("xfs", OWN)), (VMS, filesystem("ext4", OWN))):
        known = Known("vms", replace(pool, kept=Kept(single_host=True)))
        now = replace(world(contents, folders={"/vms": Folder()}), known=known)
        for said in (None, False):
            with pytest.raises(RefusedError, match=r"seen by other hosts.* say so in this task with single_host: true"):
                now.plan(replace(absent, single_host=said))
        assert any(isinstance(step, EraseFilesystem) for step in now.plan(replace(absent, single_host=True)).steps)
        assert now.plan(replace(absent, delete_contents=False)).describe() == ["undefine pool vms"]
    running = active(XFS, single_host=True)
    assert any(isinstance(step, EraseFilesystem) for step in running.plan(absent).steps), "it uses it, as was promised"
    protected = replace(world(filesystem("ext4", OWN, mmp=True)), known=Known("vms", VMS))
    assert any(isinstance(step, EraseFilesystem) for step in protected.plan(absent).steps)


def test_two_hosts_that_mount_at_once() -> None:
    """Where nobody has it, the kernel does not wait whether somebody is about to."""
    (mount,) = KIND.start(VMS, world(filesystem("ext4", OWN, mmp=True)).seen)
    assert isinstance(mount, MountAlone)
    assert (mount.disk, mount.mount.patience) == (disk(1), PATIENCE)
    promised = replace(VMS, kept=Kept(single_host=True))
    (mount,) = KIND.start(promised, world(filesystem("ext4", OWN)).seen)
    assert isinstance(mount, Mount), "there is a promise, and perhaps no reservations"


# A LUN that has grown


def filled(now: World, less: int) -> World:
    """Return a world in which the file system takes all but `less` bytes of its device."""
    return replace(now, contents={**now.contents, ONE: replace(now.contents[ONE], filled=disk(1).size - less)})


def test_a_lun_that_has_grown_is_filled() -> None:
    """While the pool runs, or when it is started next; the second time there is nothing to do."""
    grown = filled(active(), WORTH_GROWING)
    what = f"grow the ext4 file system on /dev/mapper/lun1 ({wwid(1)}) to the {disk(1).size} bytes of its device"
    for state in ("present", "active"):
        plan = grown.plan(Wanted("vms", state, VMS))
        assert plan.describe() == [what]
        assert (plan.before["pool"]["fills_device"], plan.after["pool"]["fills_device"]) == (False, True)
        assert grown.after(plan.steps).plan(Wanted("vms", state, VMS)).steps == ()
    stopping = grown.plan(Wanted("vms", "inactive")).steps
    assert isinstance(stopping[0], Unmount), "nothing that could fail keeps it from being stopped"
    stopped = grown.after(stopping)
    assert stopped.plan(Wanted("vms", "present", VMS)).steps == (), "it would have to be checked before"
    steps = stopped.plan(Wanted("vms", "active")).steps
    assert [type(step) for step in steps[:2]] == [MountAlone, GrowFilesystem]
    assert stopped.after(steps).plan(Wanted("vms", "active", VMS)).steps == ()


def test_what_stays_as_it_is() -> None:
    assert filled(active(), WORTH_GROWING - 1).plan(ACTIVE).steps == (), "not worth it"
    assert filled(active(), -(2**30)).plan(ACTIVE).steps == (), "the LUN was made smaller: nothing to be done here"
    reading = replace(VMS, source=replace(VMS.source, mount_options=("ro",)))
    assert filled(active(reading), 2**30).plan(Wanted("vms", "active", reading)).steps == ()
    stopped = filled(replace(world(filesystem("ext4", OWN, mmp=True)), known=Known("vms", reading)), 2**30)
    assert not any(isinstance(step, GrowFilesystem) for step in KIND.start(reading, stopped.seen))


@pytest.mark.parametrize(("kind", "tool"), [("ext4", "resize2fs /dev/mapper/lun1"), ("xfs", "xfs_growfs /vms")])
def test_what_others_have_made_does_not_grow(kind: str, tool: str) -> None:
    mounts = {"/vms": Mounted("/dev/mapper/lun1", kind, "", "dm-1")}
    now = filled(world(filesystem(kind, OTHER), mounts=mounts, folders={"/vms": Folder()}), 2**25)
    plan = now.plan(Wanted("vms", "active", AUTO))
    assert not any(isinstance(step, GrowFilesystem) for step in plan.steps)
    (warning,) = plan.warnings
    assert warning.endswith(f"Others have made it, so it stays as it is; {tool} has it grow")


# In use


def test_in_use_it_stays() -> None:
    now = replace(active(), users={"/vms": ("guest db01 (pid 12)",)})
    for state in ("inactive", "absent"):
        for force in (True, False):
            with pytest.raises(InUseError, match=r"in use by guest db01 \(pid 12\). End that first$"):
                now.plan(Wanted("vms", state, force=force))
    now = replace(active(), users={})
    assert [step for step in now.plan(Wanted("vms", "inactive", force=True)).steps if isinstance(step, Unmount)] == [
        Unmount("/dev/mapper/lun1", "/vms", force=False)
    ]


def test_what_would_stay_mounted_is_not_stopped() -> None:
    """The next host would mount what this one still writes to; with xfs nothing keeps it from that."""
    now = active(XFS, single_host=True)
    places = ("/export", "/data of web (pid 9)")
    seen = replace(now.seen, staying={"/vms": places})
    for force in (True, False):
        with pytest.raises(InUseError, match=r"would stay mounted.* at /export, /data of web \(pid 9\)") as refused:
            KIND.stop(XFS, seen, force)
        assert refused.value.details["holders"] == list(places)
    assert KIND.stop(XFS, replace(seen, staying={"/mnt": places}), force=False)


def test_mounted_elsewhere_on_this_host() -> None:
    now = active()
    now = replace(now, known=Known("vms", VMS), mounts={"/mnt": now.mounts["/vms"]})
    assert not now.plan(PRESENT).running
    for wanted in (ACTIVE, Wanted("vms", "absent", delete_contents=True)):
        with pytest.raises(InUseError, match="lun1 mount /mnt"):
            now.plan(wanted)
    with pytest.raises(InUseError, match="not even with build: overwrite"):
        now.plan(Wanted("vms", "present", XFS, build="overwrite", single_host=True))


def test_something_else_is_mounted_there() -> None:
    now = replace(
        world(filesystem("ext4", OWN)), folders={"/vms": Folder()}, mounts={"/vms": Mounted("tmpfs", "tmpfs")}
    )
    with pytest.raises(RefusedError, match="tmpfs is mounted on /vms already"):
        now.plan(ACTIVE)
    known = replace(now, known=Known("vms", VMS))
    assert not any(isinstance(step, Unmount) for step in known.plan(Wanted("vms", "absent")).steps)


def test_a_device_that_is_silent_can_be_stopped() -> None:
    now = replace(active(), contents={})
    assert now.plan(Wanted("vms", "present", VMS)).running
    assert isinstance(now.plan(Wanted("vms", "inactive")).steps[0], Unmount)


def test_what_is_not_the_pools_is_not_erased() -> None:
    now = replace(world(filesystem("ext4", OTHER)), known=Known("vms", VMS))
    with pytest.raises(RefusedError, match=f"ext4 .UUID {OTHER}.* is not the pool's"):
        now.plan(Wanted("vms", "absent", delete_contents=True))
    own = replace(disk(1), unit=None, wwid=None, path="/dev/vdb", kernel="vdb")
    pool = replace(XFS, source=replace(XFS.source, devices=(SourceDevice("/dev/vdb"),)))
    seen = Seen(devices={"/dev/vdb": Inspected(own, filesystem("xfs", made_uuid("vms", "/dev/vdb")))})
    assert isinstance(KIND.delete(pool, seen)[0], EraseFilesystem), "a disk of the host's own"
    with pytest.raises(RefusedError, match="data of no known kind, which is not the pool's"):
        replace(world(Contents(data_at=7)), known=Known("vms", VMS)).plan(Wanted("vms", "absent", delete_contents=True))
    blank = replace(world(), known=Known("vms", VMS))
    assert blank.plan(Wanted("vms", "absent", delete_contents=True)).describe() == ["undefine pool vms"]
    assert any(
        isinstance(step, EraseFilesystem) for step in active().plan(Wanted("vms", "absent", delete_contents=True)).steps
    )


def test_a_pv_of_a_group_is_never_taken() -> None:
    seen = Seen(devices={ONE: Inspected(disk(1), Contents((label_of(1),), 536))}, groups=sight(group(pv(1))))
    with pytest.raises(RefusedError, match="is a PV of"):
        KIND.build(VMS, seen, overwrite=True)
    with pytest.raises(RefusedError, match=r"does not tell of which group.*filter"):
        KIND.build(VMS, replace(seen, groups=sight()), overwrite=True)
    unused = replace(seen, groups=sight(orphans=(pv(1),)))
    assert isinstance(KIND.build(VMS, unused, overwrite=True)[-1], MakeFilesystem)


@pytest.mark.parametrize(
    "inside",
    [
        Contents((Signature("gpt", "partition-table", 512, 8),), 512),
        Contents((*filesystem("ext4", OWN).signatures, Signature("gpt", "partition-table", 512, 8)), 512),
        Contents(data_at=7),
        Contents(problem="Input/output error"),
        replace(filesystem("ext4", OWN), problem="late"),
    ],
)
def test_what_is_not_a_file_system_alone_is_refused(inside: Contents) -> None:
    with pytest.raises(SanError):
        world(inside, folders={"/vms": Folder()}).plan(PRESENT)
    assert KIND.adopts(AUTO, world(inside).seen) is None


def test_its_size_is_that_of_what_is_mounted() -> None:
    now = active()
    assert KIND.space(VMS, replace(now.seen, space={"/vms": Space(9, 4)})) == Space(9, 4)
    stopped = replace(now, mounts={})
    assert KIND.space(VMS, replace(stopped.seen, space={"/vms": Space(9, 4)})) is None, "that would be the host's own"


def test_what_is_to_be_known() -> None:
    assert KIND.needs(VMS) == Needs(("/vms",), ("/vms",), ("/vms",), ("/vms",), (ONE,))
    assert KIND.restart_for(VMS, XFS, Seen()) == ("source.format",)
    assert KIND.restart_for(VMS, VMS, Seen()) == ()
    for options, told in (("rw,nosuid,nodev,noexec", ()), ("rw,relatime", ("source.mount_options",))):
        mounts = {"/vms": Mounted("/dev/mapper/lun1", "ext4", options, "dm-1")}
        assert KIND.restart_for(VMS, VMS, Seen(mounts=mounts)) == told
    assert KIND.adopts(VMS, world(filesystem("ext4", OWN)).seen) is None
    assert KIND.adopts(VMS, world(filesystem("xfs", OTHER)).seen) is None
    assert KIND.adopts(VMS, Seen()) is None


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Source(), "source.devices: a pool of type fs is on one device"),
        (Source(devices=(SourceDevice(ONE), SourceDevice(TWO))), "is on one device"),
        (Source(devices=(SourceDevice("sdb"),)), "source.devices: .*a path that begins with /dev/"),
        (replace(VMS.source, format="vfat"), "source.format: vfat cannot be kept yet, only ext4, xfs and auto"),
        (replace(VMS.source, hosts=(SourceHost("nas"),)), "source.host: a pool of type fs has none"),
    ],
)
def test_what_it_takes(source: Source, says: str) -> None:
    KIND.check(VMS)
    with pytest.raises(ValueError, match=says):
        KIND.check(replace(VMS, source=source))
