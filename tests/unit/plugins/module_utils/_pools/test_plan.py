# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any pool, in any state, to any other: what is planned works, settles, and takes nothing from anybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._errors import (
    InUseError,
    NotFoundError,
    RefusedError,
    SanError,
)
from ansible_collections.virt.san.plugins.module_utils._model.contents import Contents, Mmp
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Permissions,
    PoolDefinition,
    Source,
    SourceDevice,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool_kept import Kept, made_uuid
from ansible_collections.virt.san.plugins.module_utils._plan.iscsi_steps import LogOut
from ansible_collections.virt.san.plugins.module_utils._plan.npiv_steps import DeleteVport
from ansible_collections.virt.san.plugins.module_utils._plan.steps import Step
from ansible_collections.virt.san.plugins.module_utils._pools.base import Folder, Mounted
from ansible_collections.virt.san.plugins.module_utils._pools.blank import BlankDevice
from ansible_collections.virt.san.plugins.module_utils._pools.iscsi import portals
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Known, Wanted
from ansible_collections.virt.san.plugins.module_utils._pools.steps import (
    Define,
    DeviceStep,
    EmptyFolder,
    EraseFilesystem,
    EraseTable,
    Mount,
    NoteStarted,
    RemoveFolder,
    SetPermissions,
    Unmount,
)
from ansible_collections.virt.san.tests.unit.support.multipathing import wwid
from ansible_collections.virt.san.tests.unit.support.pool_world import (
    ARRAY,
    GUEST,
    IMAGES,
    IQN,
    ISOS,
    LUNS,
    MAPS,
    NEW,
    ONE,
    PARTS,
    TWO,
    VMS,
    WWPN,
    World,
    filesystem,
    table,
)

POOLS = (ARRAY, GUEST, IMAGES, ISOS, MAPS, PARTS, VMS)
WITHOUT_FOLDER = ("disk", "iscsi", "mpath", "scsi")
OLD = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"


def fresh(pool: PoolDefinition) -> World:
    return World(Known(pool.name))


def brought(pool: PoolDefinition, *states: str, **more: Any) -> World:
    """Return a world in which a pool went through these states."""
    now = fresh(pool)
    for state in states:
        now = now.after(now.plan(Wanted(pool.name, state, pool, **more)).steps)
    return now


def lines(world: World, wanted: Wanted) -> list[str]:
    return world.plan(wanted).describe()


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.type)
def test_from_nothing_to_nothing(pool: PoolDefinition) -> None:
    now = fresh(pool)
    for state, running in (
        ("present", False),
        ("active", True),
        ("inactive", False),
        ("active", True),
        ("absent", False),
    ):
        plan = now.plan(Wanted(pool.name, state, pool))
        assert plan.changed, state
        assert plan.running is running
        now = now.after(plan.steps)
        again = now.plan(Wanted(pool.name, state, pool))
        assert (again.steps, again.changed, again.before) == ((), False, plan.after)
    assert now.known == Known(pool.name)
    folders = [] if pool.type in WITHOUT_FOLDER else [pool.target.path]
    assert (now.mounts, list(now.folders)) == ({}, folders), "what is stored stays"


def test_what_is_done_for_an_export() -> None:
    assert lines(fresh(ISOS), Wanted("isos", "active", ISOS)) == [
        "define pool isos",
        "make the folder /isos (mode 0711)",
        "mount nas:/srv/isos on /isos (nfs; nodev,nosuid,noexec)",
        "note that pool isos runs",
    ]
    assert lines(brought(ISOS, "active"), Wanted("isos", "absent", delete_contents=True)) == [
        "unmount /isos (nas:/srv/isos)",
        "note that pool isos does not run",
        "remove the folder /isos, if it is empty",
        "undefine pool isos",
    ]


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.type)
def test_a_transient_pool(pool: PoolDefinition) -> None:
    now = brought(pool, "active", persistent=False)
    assert (now.known.pool, now.known.started) == (None, replace(pool, uuid=NEW))
    assert now.plan(Wanted(pool.name, "active", pool, persistent=False)).steps == ()
    with pytest.raises(RefusedError, match="transient: stopped, it is gone"):
        now.plan(Wanted(pool.name, "inactive"))
    gone = now.after(now.plan(Wanted(pool.name, "absent")).steps)
    assert (gone.known, gone.mounts) == (Known(pool.name), {})


def test_a_transient_pool_becomes_one_to_stay() -> None:
    now = brought(ISOS, "active", persistent=False)
    plan = now.plan(Wanted("isos", "present", ISOS))
    assert plan.describe() == ["define pool isos"]
    with pytest.raises(RefusedError, match="outlasts its being stopped"):
        now.after(plan.steps).plan(Wanted("isos", "active", ISOS, persistent=False))


def test_by_name_alone() -> None:
    now = brought(ISOS, "present")
    assert now.plan(Wanted("isos", "active")).running
    with pytest.raises(NotFoundError, match="there is no pool isos"):
        fresh(ISOS).plan(Wanted("isos", "active"))
    assert not fresh(ISOS).plan(Wanted("isos", "absent")).changed


def test_the_uuid_stays() -> None:
    now = brought(replace(ISOS, uuid=OLD), "present")
    assert now.plan(Wanted("isos", "present", ISOS)).steps == ()
    with pytest.raises(RefusedError, match=f"with UUID {OLD}, not {NEW}"):
        now.plan(Wanted("isos", "present", replace(ISOS, uuid=NEW)))
    with pytest.raises(RefusedError, match="with type netfs, not dir"):
        now.plan(Wanted("isos", "present", replace(IMAGES, name="isos")))


def test_changed_while_it_runs() -> None:
    """It goes on as it was started, also in what stops it; and that it does is said each time."""
    now = brought(ISOS, "active")
    other = replace(ISOS, source=replace(ISOS.source, directory="/srv/other"), target=Target("/other"))
    plan = now.plan(Wanted("isos", "active", other))
    assert plan.describe() == ["redefine pool isos", "make the folder /other (mode 0711)"]
    assert plan.restart_for == ("source", "target.path")
    assert "stopped and started again" not in plan.warnings[0]
    assert "source, target.path will be as defined" in plan.warnings[0]
    now = now.after(plan.steps)
    again = now.plan(Wanted("isos", "active", other))
    assert (again.changed, again.restart_for) == (False, plan.restart_for)
    now = now.after(now.plan(Wanted("isos", "inactive", other)).steps)
    assert now.mounts == {}
    now = now.after(now.plan(Wanted("isos", "active", other)).steps)
    assert now.mounts["/other"].source == "nas:/srv/other"
    assert now.plan(Wanted("isos", "active", other)).restart_for == ()


def test_somebody_else_has_mounted_it() -> None:
    """That it runs is noted, and no change."""
    now = replace(brought(ISOS, "present"), mounts={"/isos": Mounted("nas:/srv/isos", "nfs4")})
    plan = now.plan(Wanted("isos", "active", ISOS))
    assert (plan.describe(), plan.changed) == (["note that pool isos runs"], False)
    assert now.after(plan.steps).plan(Wanted("isos", "active", ISOS)).steps == ()


def test_changed_while_somebody_else_has_mounted_it() -> None:
    """Nobody has noted by what it runs: that is done before its definition is another one."""
    now = replace(brought(ISOS, "present"), mounts={"/isos": Mounted("nas:/srv/isos", "nfs4")})
    other = replace(ISOS, source=replace(ISOS.source, mount_options=("ro",)))
    plan = now.plan(Wanted("isos", "present", other))
    assert isinstance(plan.steps[0], NoteStarted)
    assert plan.restart_for == ("source.mount_options",)


READ_ONLY = replace(ISOS, source=replace(ISOS.source, mount_options=("ro",)))
OPEN = replace(ISOS, source=replace(ISOS.source, mount_options=("ro", "suid", "exec,dev")))
ANEW = replace(ISOS, source=replace(ISOS.source, mount_options=("ro", "defaults", "nosuid")))


@pytest.mark.parametrize(
    ("pool", "mounted", "same"),
    [
        (ISOS, "rw,nosuid,nodev,noexec,relatime,vers=4.2", True),
        (ISOS, "ro,nosuid,nodev,noexec,relatime,rw", False),
        (ISOS, "rw,nosuid,nodev,noexec,ro", False),
        *((ISOS, f"rw,{flags}", False) for flags in ("nosuid,nodev", "nosuid,noexec", "nodev,noexec")),
        (READ_ONLY, "ro,nosuid,nodev,noexec,rw", True),
        (READ_ONLY, "rw,relatime", False),
        (OPEN, "ro,relatime", True),
        (OPEN, "ro,noexec", False),
        (ANEW, "rw,nosuid", True),
        (ISOS, "", True),
    ],
)
def test_mounted_by_others_in_another_way(pool: PoolDefinition, mounted: str, same: bool) -> None:
    """As fstab has it: it runs, and not as defined. That is told until it is mounted by the pool."""
    now = replace(brought(pool, "present"), mounts={"/isos": Mounted("nas:/srv/isos", "nfs4", mounted)})
    told = () if same else ("source.mount_options",)
    for state in ("present", "active"):
        plan = now.plan(Wanted("isos", state, pool))
        assert (plan.restart_for, len(plan.warnings)) == (told, len(told))
    assert now.plan(Wanted("isos", "inactive")).restart_for == ()
    for state in ("inactive", "active"):
        now = now.after(now.plan(Wanted("isos", state)).steps)
    assert now.plan(Wanted("isos", "active", pool)).restart_for == ()


def test_permissions_are_set_on_the_spot() -> None:
    now = brought(IMAGES, "active")
    wider = replace(IMAGES, target=Target("/images", Permissions(0o755)))
    plan = now.plan(Wanted("images", "present", wider))
    assert [type(step) for step in plan.steps] == [Define, SetPermissions]
    assert (plan.before["pool"]["folder"]["mode"], plan.after["pool"]["folder"]["mode"]) == ("0711", "0755")
    drifted = replace(now, folders={"/images": Folder(mode=0o777)})
    assert drifted.plan(Wanted("images", "active")).changed
    assert not drifted.plan(Wanted("images", "active", build="never")).changed


def test_never_built() -> None:
    plan = fresh(ISOS).plan(Wanted("isos", "present", ISOS, build="never"))
    assert plan.describe() == ["define pool isos"]
    with pytest.raises(RefusedError, match="is not built"):
        fresh(ISOS).plan(Wanted("isos", "active", ISOS, build="never"))


def test_something_else_is_there() -> None:
    with pytest.raises(RefusedError, match="is no folder"):
        replace(fresh(IMAGES), folders={"/images": Folder("file")}).plan(Wanted("images", "present", IMAGES))
    foreign = replace(fresh(ISOS), mounts={"/isos": Mounted("elsewhere:/x", "nfs4")})
    with pytest.raises(RefusedError, match="elsewhere:/x is mounted on /isos already"):
        foreign.plan(Wanted("isos", "active", ISOS))
    assert not foreign.plan(Wanted("isos", "inactive", ISOS)).running, "and it is left alone"


def test_in_use() -> None:
    now = replace(brought(ISOS, "active"), users={"/isos": ("guest db01 (pid 12)",)})
    for state in ("inactive", "absent"):
        with pytest.raises(InUseError, match=r"in use by guest db01 \(pid 12\)") as caught:
            now.plan(Wanted("isos", state))
        assert caught.value.details["holders"] == ["guest db01 (pid 12)"]
    steps = now.plan(Wanted("isos", "inactive", force=True)).steps
    assert [step.force for step in steps if isinstance(step, Unmount)] == [True]


def test_contents_are_deleted_on_demand_alone() -> None:
    full = replace(brought(IMAGES, "active"), folders={"/images": Folder(mode=0o711, empty=False)})
    assert not any(isinstance(step, RemoveFolder) for step in full.plan(Wanted("images", "absent")).steps)
    steps = full.plan(Wanted("images", "absent", delete_contents=True)).steps
    assert [type(step) for step in steps if isinstance(step, (EmptyFolder, RemoveFolder))] == [
        EmptyFolder,
        RemoveFolder,
    ]
    assert full.after(steps).folders == {}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"users": {"/images": ("dd (pid 3)",)}}, "in use by dd"),
        ({"leads_to": {"/images": "/srv"}}, "leads to /srv by a link"),
        ({"silent": {"/images": "no answer"}}, "no answer"),
    ],
)
def test_contents_that_are_not_deleted(change: dict[str, Any], says: str) -> None:
    with pytest.raises(SanError, match=says):
        replace(brought(IMAGES, "active"), **change).plan(Wanted("images", "absent", delete_contents=True))


def test_a_part_of_the_host_is_not_deleted() -> None:
    pool = replace(IMAGES, target=Target("/srv"))
    now = replace(brought(pool, "active"), folders={"/srv": Folder(empty=False)})
    with pytest.raises(RefusedError, match="a part of the host"):
        now.plan(Wanted("images", "absent", delete_contents=True))


def test_other_pools() -> None:
    inside = replace(IMAGES, name="inner", target=Target("/images/inner"))
    same = replace(IMAGES, name="twin")
    now = brought(IMAGES, "present")
    with pytest.raises(RefusedError, match="already the target of pool twin"):
        replace(now, known=replace(now.known, others={"twin": same})).plan(Wanted("images", "present", IMAGES))
    beside = replace(now, known=replace(now.known, others={"inner": inside}))
    with pytest.raises(RefusedError, match="pool inner is in /images/inner"):
        beside.plan(Wanted("images", "absent", delete_contents=True))
    assert beside.plan(Wanted("images", "absent")).changed


def test_a_definition_that_cannot_be_read() -> None:
    now = World(Known("isos", spoilt="not XML"))
    for pool in (None, ISOS):
        with pytest.raises(RefusedError, match="cannot be read: not XML"):
            now.plan(Wanted("isos", "active", pool))
    plan = now.plan(Wanted("isos", "absent"))
    assert (plan.describe(), len(plan.warnings)) == (["undefine pool isos"], 1)
    running = World(
        Known("isos", started=replace(ISOS, uuid=NEW), spoilt="not XML"),
        {},
        {"/isos": Mounted("nas:/srv/isos", "nfs4")},
    )
    assert running.plan(Wanted("isos", "absent")).describe()[0] == "unmount /isos (nas:/srv/isos)"


def test_after_a_reboot_a_note_is_gone() -> None:
    now = brought(IMAGES, "active")
    rebooted = replace(now, known=replace(now.known, started=None))
    assert not rebooted.plan(Wanted("images", "present")).running
    assert rebooted.plan(Wanted("images", "active")).describe() == ["note that pool images runs"]


def test_unmounted_behind_our_back() -> None:
    now = replace(brought(ISOS, "active"), mounts={})
    plan = now.plan(Wanted("isos", "active"))
    assert [type(step) for step in plan.steps] == [Mount, NoteStarted]
    stopped = now.plan(Wanted("isos", "inactive"))
    assert (stopped.changed, now.after(stopped.steps).known.started) == (False, None)


def test_stopped_by_every_definition_it_runs_by() -> None:
    """It was started as it was defined before, and somebody has mounted what it is defined as now."""
    other = replace(ISOS, source=replace(ISOS.source, directory="/srv/other"), target=Target("/other"))
    now = brought(ISOS, "active")
    now = replace(now, mounts={**now.mounts, "/other": Mounted("nas:/srv/other", "nfs4")})
    assert now.after(now.plan(Wanted("isos", "inactive", other)).steps).mounts == {}
    foreign = replace(brought(ISOS, "present"), mounts={"/isos": Mounted("nas:/srv/isos", "nfs4")})
    plan = foreign.plan(Wanted("isos", "inactive", replace(ISOS, source=other.source)))
    assert foreign.after(plan.steps).known.started is None, "noted by what it runs, and struck out again"


# Whatever there is, whatever is asked


PATHS = ("/isos", "/images", "/vms", "/other")
UUIDS = [made_uuid("vms", wwid(1)), made_uuid("vms", wwid(2)), OLD]
CONTENTS = st.sampled_from(
    [
        *[Contents()] * 4,
        *[
            filesystem(kind, uuid, mmp)
            for uuid in UUIDS
            for kind, mmp in (("ext4", True), ("ext4", False), ("xfs", False))
        ],
        *[table("gpt", made_uuid("parts", wwid(1)))] * 3,
        table("gpt", OLD),
        table("dos", f"0x{made_uuid('parts', wwid(1))[:8]}"),
        Contents(data_at=7),
        Contents(problem="it does not answer"),
        replace(filesystem("ext4", UUIDS[0]), mmp=Mmp("elsewhere", "sdb", "now")),
    ]
)


@st.composite
def definitions(draw: st.DrawFn, base: PoolDefinition) -> PoolDefinition:
    target = Target(draw(st.sampled_from(PATHS)), Permissions(draw(st.sampled_from([None, 0o711, 0o755]))))
    source = base.source
    if base.type in WITHOUT_FOLDER:
        target = base.target
    if base.type == "netfs":
        options = draw(st.sampled_from([(), ("ro",)]))
        source = replace(source, directory=draw(st.sampled_from(["/srv/isos", "/srv/more"])), mount_options=options)
    if base.type == "disk":
        kind, device = draw(st.sampled_from(["gpt", "gpt", "dos", None])), draw(st.sampled_from([ONE, ONE, TWO]))
        source = replace(source, format=kind, devices=(SourceDevice(device),))
    if base.type == "fs":
        kind, device = draw(st.sampled_from(["ext4", "ext4", "xfs", "auto"])), draw(st.sampled_from([ONE, ONE, TWO]))
        source = replace(source, format=kind, devices=(SourceDevice(device),))
    return replace(base, source=source, target=target)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, PoolDefinition]:
    base = draw(st.sampled_from(POOLS))
    kept = Kept(draw(st.booleans()), draw(st.none() | st.just(OLD))) if base.type in ("disk", "fs") else Kept()
    one = st.none() | definitions(base).map(lambda pool: replace(pool, uuid=OLD, kept=kept))
    known = Known(base.name, draw(one), draw(one), draw(st.sampled_from([None, None, None, "not XML"])))
    if known.spoilt:
        known = replace(known, pool=None)
    folder = st.builds(
        Folder,
        st.sampled_from(["folder"] * 4 + ["file"]),
        st.sampled_from([0o711, 0o700]),
        empty=st.booleans(),
    )
    exports = [Mounted(source, "nfs4") for source in ("nas:/srv/isos", "nas:/srv/more", "nas:/x")]
    contents = draw(st.dictionaries(st.sampled_from([ONE, TWO]), CONTENTS))
    mountable = [
        Mounted(LUNS[name].path, one.signatures[0].kind, device=LUNS[name].kernel)
        for name, one in contents.items()
        if one.signatures and one.signatures[0].usage == "filesystem"
    ]
    mounts = draw(st.dictionaries(st.sampled_from(PATHS), st.sampled_from(exports + mountable)))
    folders = {
        **draw(st.dictionaries(st.sampled_from(PATHS), folder)),
        **{path: Folder(empty=False) for path in mounts},
    }
    users = draw(st.dictionaries(st.sampled_from(PATHS), st.just(("guest (pid 1)",))))
    carried = draw(carriers(base.type))
    known = replace(known, made=carried.pop("made"))
    return World(known, folders, mounts, users, contents=contents, **carried), base


@st.composite
def carriers(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """What carries units and was there before, some of it made by the pool itself."""
    vhbas = draw(st.frozensets(st.just(WWPN))) if kind == "scsi" else frozenset()
    sessions = draw(st.frozensets(st.sampled_from(PORTALS))) if kind == "iscsi" else frozenset()
    deaf = draw(st.frozensets(st.sampled_from(PORTALS))) if kind == "iscsi" else frozenset()
    notes = {"scsi": [f"vHBA {WWPN}"], "iscsi": [f"session {IQN} {portal}" for portal in PORTALS]}.get(kind, [])
    made = tuple(note for note in notes if draw(st.booleans()))
    return {"vhbas": vhbas, "sessions": sessions, "deaf": deaf, "made": made}


PORTALS = portals(ARRAY)
WANTED = st.builds(
    dict,
    state=st.sampled_from(["present", "active", "inactive", "absent"]),
    build=st.sampled_from(["if_needed", "never", "overwrite"]),
    delete_contents=st.booleans(),
    force=st.booleans(),
    single_host=st.sampled_from([None, True]),
)


@given(worlds(), WANTED, st.data())
def test_every_plan_settles(given_: tuple[World, PoolDefinition], how: dict[str, Any], data: st.DataObject) -> None:
    world, base = given_
    pool = data.draw(st.none() | definitions(base))
    persistent = how["state"] not in ("active", "absent") or data.draw(st.booleans())
    wanted = Wanted(
        base.name,
        pool=pool,
        persistent=persistent,
        **{**how, "delete_contents": how["state"] == "absent" and how["delete_contents"]},
    )
    try:
        plan = world.plan(wanted)
    except SanError:
        return
    after = world.after(plan.steps)
    again = after.plan(wanted)
    assert again.steps == ()
    assert (again.before["pool"] is None) == (plan.after["pool"] is None)
    if again.before["pool"] and plan.after["pool"]:
        for key in ("state", "built", "persistent", "uuid", "source", "target"):
            assert again.before["pool"][key] == plan.after["pool"][key], key


@given(worlds(), WANTED, st.data())
def test_nobody_loses_what_he_uses(
    given_: tuple[World, PoolDefinition], how: dict[str, Any], data: st.DataObject
) -> None:
    world, base = given_
    wanted = Wanted(base.name, pool=data.draw(st.none() | definitions(base)), **{**how, "force": False})
    try:
        steps = world.plan(wanted).steps
    except SanError:
        return
    for step in steps:
        if isinstance(step, (Unmount, EmptyFolder)):
            place = step.point if isinstance(step, Unmount) else step.path
            assert place not in world.users
        if isinstance(step, (EmptyFolder, RemoveFolder)):
            assert wanted.state == "absent"
            assert wanted.delete_contents
        if isinstance(step, EmptyFolder):
            assert base.type == "dir", "the files of an export are the server's"
        if isinstance(step, BlankDevice):
            assert how["build"] == "overwrite"
        if isinstance(step, (EraseFilesystem, EraseTable)):
            assert wanted.delete_contents
        assert nobody_else_has_made(world, step)
        if isinstance(step, DeviceStep):
            (name,) = [name for name, lun in LUNS.items() if lun == replace(step.disk, uses=())]
            assert not world.contents[name].problem
            assert not (world.contents[name].mmp or Mmp()).holder, "another host has it"


def nobody_else_has_made(world: World, step: Step) -> bool:
    """Tell whether a step takes nothing away that the pool has not made itself."""
    if isinstance(step, DeleteVport):
        return f"vHBA {step.wwpn}" in world.known.made
    if isinstance(step, LogOut):
        return f"session {step.target} {step.portal}" in world.known.made
    return True


@given(worlds(), WANTED, st.data(), st.integers(0, 4))
def test_killed_anywhere_and_run_again(
    given_: tuple[World, PoolDefinition], how: dict[str, Any], data: st.DataObject, done: int
) -> None:
    world, base = given_
    wanted = Wanted(base.name, pool=data.draw(definitions(base)), **{**how, "delete_contents": False})
    try:
        plan = world.plan(wanted)
    except SanError:
        return
    midway = world.after(plan.steps[:done])
    end = midway.after(midway.plan(wanted).steps)
    straight = world.after(plan.steps)
    assert (end.folders, end.mounts, end.known.pool) == (straight.folders, straight.mounts, straight.known.pool)
    assert (end.contents, end.vhbas, end.sessions) == (straight.contents, straight.vhbas, straight.sessions)
    assert end.known.started == straight.known.started, "or a pool that is redefined is not known to run by another"


SOURCES = [
    (IMAGES, replace(IMAGES, source=Source(directory="/srv")), "source.dir: a pool of type dir has none"),
    (
        IMAGES,
        replace(IMAGES, source=Source(mount_options=("ro",))),
        "source.mount_options: a pool of type dir has none",
    ),
    (MAPS, replace(MAPS, source=Source(name="x")), "source.name: a pool of type mpath has none"),
    (MAPS, replace(MAPS, target=Target("/maps")), "target.path: logical units are devices"),
    (MAPS, replace(MAPS, target=Target("/dev", Permissions(0o700))), "target.permissions: a pool of type mpath"),
    (IMAGES, replace(IMAGES, target=Target()), "target.path: a pool of type dir needs"),
    (IMAGES, replace(IMAGES, target=Target("/dev/disk")), "no place for a pool"),
    (ISOS, replace(ISOS, source=Source(directory="/srv")), "source.host: a pool of type netfs needs one server"),
    (ISOS, replace(ISOS, source=Source(ISOS.source.hosts * 2, directory="/srv")), "needs one server"),
    (ISOS, replace(ISOS, source=Source(ISOS.source.hosts)), "source.dir: a pool of type netfs needs"),
    (ISOS, replace(ISOS, source=replace(ISOS.source, format="cifs")), "cifs cannot be mounted yet"),
    (ISOS, replace(ISOS, source=replace(ISOS.source, protocol_version="5")), "not a version of NFS"),
    (ISOS, replace(ISOS, source=replace(ISOS.source, name="vg0")), "source.name: a pool of type netfs has none"),
]


@pytest.mark.parametrize(("good", "bad", "says"), SOURCES)
def test_what_a_type_takes(good: PoolDefinition, bad: PoolDefinition, says: str) -> None:
    from ansible_collections.virt.san.plugins.module_utils._pools.registry import pool_type

    pool_type(good.type).check(good)
    with pytest.raises(ValueError, match=says):
        pool_type(bad.type).check(bad)


@pytest.mark.parametrize(
    ("server", "mounted", "same"),
    [
        ("nas", "nas:/srv/isos", True),
        ("nas", "nas:/srv/isos/", True),
        ("nas", "nas:/srv", False),
        ("nas", "nas2:/srv/isos", False),
        ("nas", "/dev/sdb", False),
        ("fe80::1", "[fe80::1]:/srv/isos", True),
    ],
)
def test_whose_export_is_mounted(server: str, mounted: str, same: bool) -> None:
    source = replace(ISOS.source, hosts=(replace(ISOS.source.hosts[0], name=server),))
    now = replace(brought(replace(ISOS, source=source), "present"), mounts={"/isos": Mounted(mounted, "nfs4")})
    assert now.plan(Wanted("isos", "present")).running is same


def test_a_mount_point_that_leads_elsewhere() -> None:
    """The kernel would call the mount by another name, and nobody would find it again."""
    with pytest.raises(RefusedError, match="/isos leads to /srv/isos by a link"):
        replace(fresh(ISOS), leads_to={"/isos": "/srv/isos"}).plan(Wanted("isos", "active", ISOS))
