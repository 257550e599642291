# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any volume to any other: what is planned works, settles, and takes nothing from anybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.san.plugins.module_utils._errors import (
    AmbiguousError,
    InputError,
    InUseError,
    NotFoundError,
    RefusedError,
    SanError,
)
from ansible_collections.virt.san.plugins.module_utils._model.pool import Permissions, Target
from ansible_collections.virt.san.plugins.module_utils._model.volume import Backing, Share, Source, WantedVolume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_base import Transfer, VolumeSight
from ansible_collections.virt.san.plugins.module_utils._pools.volume_plan import plan_volume
from ansible_collections.virt.san.plugins.module_utils._pools.volume_registry import unseen, volume_kind
from ansible_collections.virt.san.plugins.module_utils._pools.volume_steps import ResizeVolume
from ansible_collections.virt.san.tests.unit.support.pool_world import ISOS
from ansible_collections.virt.san.tests.unit.support.volume_world import (
    EXTENT,
    GUESTS,
    IMAGES,
    MIB,
    VolumeWorld,
    image,
    lv,
)

FILES = VolumeWorld(IMAGES)
LVS = VolumeWorld(GUESTS)


def wanted(name: str = "a", **more: Any) -> WantedVolume:
    return WantedVolume(name, **more)


def settled(world: VolumeWorld, asked: WantedVolume) -> VolumeWorld:
    """Return the world after a plan that is carried out; planned again it finds nothing to do."""
    plan = world.plan(asked)
    now = world.after(plan.steps)
    again = now.plan(asked)
    assert (again.steps, again.changed) == ((), False)
    return now


class TestFromNothingToNothing:
    @pytest.mark.parametrize("world", [FILES, LVS], ids=lambda world: world.pool.type)
    def test_made_grown_removed(self, world: VolumeWorld) -> None:
        now = settled(world, wanted(capacity=10 * MIB + 1))
        size = now.volumes["a"].capacity
        assert size == (10 * MIB + 512 if world is FILES else 3 * EXTENT)
        now = settled(now, wanted(capacity=20 * MIB))
        assert now.volumes["a"].capacity == 20 * MIB
        assert settled(now, wanted(state="absent")).volumes == {}

    def test_in_words(self) -> None:
        backed = wanted(backing=Backing("base", "raw"), format="qcow2")
        world = replace(FILES, volumes={"base": image("base", 2 * MIB)})
        (made,) = world.plan(backed).describe()
        assert made == "create volume a in pool images: 2M, qcow2, sparse, on /images/base (raw)"
        assert LVS.plan(wanted(capacity=EXTENT)).describe() == ["create volume a in pool guests: 4M, raw"]
        one = replace(FILES, volumes={"a": image("a", 1024)})
        assert one.plan(wanted(capacity=1536)).describe() == ["grow volume a in pool images from 1K to 1.50K"]
        large = replace(FILES, volumes={"a": image("a", 2**40)})
        assert large.plan(wanted(capacity=2**40 + 512)).describe()[0].endswith("to 1099511628288 bytes")
        assert one.plan(wanted(state="absent")).describe() == ["delete volume a of 1K in pool images"]

    def test_no_pool(self) -> None:
        with pytest.raises(NotFoundError, match="no pool p"):
            plan_volume("p", wanted(capacity=1), VolumeSight(), None)
        plan = plan_volume("p", wanted(state="absent"), VolumeSight(), None)
        assert (plan.changed, plan.warnings) == (False, ("there is no pool p on this host",))

    def test_a_pool_that_does_not_run(self) -> None:
        with pytest.raises(RefusedError, match="does not run"):
            plan_volume("images", wanted(state="absent"), VolumeSight(IMAGES), volume_kind("dir"))

    def test_a_name_that_is_taken(self) -> None:
        for state in ("present", "absent"):
            with pytest.raises(RefusedError, match="is a folder, and no volume"):
                replace(FILES, facts={"taken_by": "a folder"}).plan(wanted(state=state, capacity=1))

    def test_without_a_size(self) -> None:
        for world in (FILES, LVS):
            with pytest.raises(InputError, match="capacity: volume a is yet to be made"):
                world.plan(wanted())

    def test_types_without_volumes_of_ours(self) -> None:
        assert volume_kind("mpath") is None


class TestFiles:
    def test_permissions(self) -> None:
        now = settled(FILES, wanted(capacity=MIB))
        assert now.volumes["a"].mode == 0o600
        plan = now.plan(wanted(permissions=Permissions(0o640, 7, None)))
        assert plan.describe() == ["set mode 0640, owner 7 on volume a in pool images"]
        assert (plan.before["volume"]["mode"], plan.after["volume"]["mode"]) == ("0600", "0640")
        assert settled(now, wanted(permissions=Permissions(0o640, 7, None))).volumes["a"].owner == 7

    def test_backing(self) -> None:
        world = replace(FILES, volumes={"base": image("base", 2 * MIB, format="qcow2")})
        now = settled(world, wanted(backing=Backing("base")))
        assert (now.volumes["a"].format, now.volumes["a"].capacity) == ("qcow2", 2 * MIB)
        assert now.volumes["a"].backing == Backing("/images/base", "qcow2")
        with pytest.raises(InUseError, match=r"/images/a would lose what it reads"):
            now.plan(wanted("base", state="absent"))
        for asked, why in (
            (Backing("other"), "on /images/base, not on /images/other"),
            (Backing("base", "raw"), "takes /images/base for qcow2, not for raw"),
        ):
            with pytest.raises(RefusedError, match=why):
                now.plan(wanted(backing=asked))
        with pytest.raises(RefusedError, match="on nothing else"):
            now.plan(wanted("base", backing=Backing("a")))
        with pytest.raises(RefusedError, match="smaller than /images/base"):
            world.plan(wanted(backing=Backing("base"), capacity=MIB))
        with pytest.raises(NotFoundError, match="no volume /images/none"):
            world.plan(wanted(backing=Backing("none")))
        spoilt = replace(FILES, volumes={"base": image("base", problem="it is spoilt")})
        with pytest.raises(RefusedError, match="/images/base: it is spoilt"):
            spoilt.plan(wanted(backing=Backing("base")))
        with pytest.raises(RefusedError, match="is raw by its header"):
            replace(FILES, volumes={"base": image("base")}).plan(wanted(backing=Backing("base", "qcow2")))

    def test_another_format(self) -> None:
        world = replace(FILES, volumes={"a": image("a", format="qcow2")})
        with pytest.raises(RefusedError, match="qcow2 by its header, not raw"):
            world.plan(wanted(format="raw"))

    def test_spoilt(self) -> None:
        world = replace(FILES, volumes={"a": image("a", problem="its header makes no sense")})
        with pytest.raises(RefusedError, match="makes no sense"):
            world.plan(wanted(capacity=MIB))
        assert world.plan(wanted(state="absent")).changed

    def test_allocated(self) -> None:
        now = settled(FILES, wanted(capacity=MIB, allocation="full"))
        assert now.plan(wanted(allocation="full")).warnings == ()
        sparse = settled(FILES, wanted(capacity=MIB))
        plan = sparse.plan(wanted(capacity=MIB, allocation="full"))
        assert (plan.steps, plan.changed) == ((), False)
        assert "0 of 1048576 bytes allocated" in plan.warnings[0]
        with pytest.raises(RefusedError, match="too full"):
            replace(FILES, free=MIB - 1).plan(wanted(capacity=MIB, allocation="full"))
        with pytest.raises(RefusedError, match="too full"):
            replace(now, free=0).plan(wanted(capacity=2 * MIB, allocation="full"))
        assert replace(FILES, free=0).plan(wanted(capacity=MIB)).changed

    def test_growing_what_is_open(self) -> None:
        used = {"a": ("guest vm1 (pid 7)",)}
        world = replace(FILES, volumes={"a": image("a")}, users=used)
        plan = world.plan(wanted(capacity=2 * MIB))
        assert plan.changed
        assert "guest vm1 (pid 7) has it open" in plan.warnings[0]
        with pytest.raises(InUseError, match="only who has it open can grow it"):
            replace(world, volumes={"a": image("a", format="qcow2")}).plan(wanted(capacity=2 * MIB))

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"thin_pool": "t"}, "thin_pool:"),
            ({"capacity": Share(50)}, "capacity: 50%FREE"),
            ({"backing": Backing("b"), "format": "raw"}, "backing:"),
            ({"backing": Backing("b"), "allocation": "full"}, "allocation:"),
        ],
    )
    def test_what_cannot_be(self, options: dict[str, Any], says: str) -> None:
        with pytest.raises(ValueError, match=says):
            volume_kind("dir").check(wanted(**options))


COW = lv("a", 2 * EXTENT, backing=Backing("/dev/guests/o", "raw"), snapshot_of="o", length=8 * EXTENT)
MOST = 9 * EXTENT
"""What a snapshot of 8 extents takes at most: as much as all of it, and the table of what has changed."""


class TestSnapshots:
    THICK = replace(LVS, volumes={"o": lv("o", 8 * EXTENT)}, users={"o": ("guest vm1 (pid 7)",)})
    THIN = replace(LVS, volumes={"o": lv("o", 8 * EXTENT, thin_pool="t")}, free=0, facts={"thin_pools": ("t",)})

    def test_of_one_in_use(self) -> None:
        asked = wanted(snapshot_of="o", capacity=EXTENT + 1)
        plan = self.THICK.plan(asked)
        assert plan.describe() == ["create volume a in pool guests: a snapshot of o, with 8M for what changes"]
        now = settled(self.THICK, asked)
        assert now.volumes["a"] == replace(COW, allocation=2 * EXTENT)
        assert plan.after["volume"] == COW.compared()
        with pytest.raises(InUseError, match="/dev/guests/a would lose what it reads"):
            replace(now, users={}).plan(wanted("o", state="absent"))
        with pytest.raises(InUseError, match="does not grow while it is active and has snapshots"):
            now.plan(wanted("o", capacity=9 * EXTENT))
        assert settled(now, wanted(state="absent")).volumes == self.THICK.volumes

    def test_its_space(self) -> None:
        for asked, space in (
            (Share(50), 5 * EXTENT),
            (20 * EXTENT, MOST),
            (MOST, MOST),
            (MOST - 1, MOST),
            (Share(100), MOST),
        ):
            there = replace(self.THICK, free=10 * EXTENT)
            assert settled(there, wanted(snapshot_of="o", capacity=asked)).volumes["a"].capacity == space
        with pytest.raises(RefusedError, match="too full for volume a: it needs 8M, 4M are free"):
            replace(self.THICK, free=EXTENT).plan(wanted(snapshot_of="o", capacity=2 * EXTENT))
        with pytest.raises(InputError, match="capacity: o is not thin"):
            self.THICK.plan(wanted(snapshot_of="o"))

    def test_its_space_grows(self) -> None:
        there = replace(self.THICK, volumes={**self.THICK.volumes, "a": COW}, users={"a": ("dd (pid 7)",)})
        plan = there.plan(wanted(snapshot_of="o", capacity=3 * EXTENT))
        assert plan.describe() == ["grow the space for changes of volume a in pool guests from 8M to 12M"]
        assert plan.warnings == ()
        now = settled(there, wanted(snapshot_of="o", capacity=20 * EXTENT))
        assert now.volumes["a"].capacity == MOST
        for asked in (EXTENT, None, Share(50)):
            assert not there.plan(wanted(snapshot_of="o", capacity=asked)).changed
        with pytest.raises(RefusedError, match="too full"):
            replace(there, free=0).plan(wanted(snapshot_of="o", capacity=3 * EXTENT))

    def test_of_a_thin_one(self) -> None:
        plan = self.THIN.plan(wanted(snapshot_of="o"))
        assert plan.describe() == ["create volume a in pool guests: a snapshot of o, thin in t"]
        now = settled(self.THIN, wanted(snapshot_of="o"))
        assert (now.volumes["a"].backing, now.volumes["a"].snapshot_of) == (None, "o")
        assert now.plan(wanted("o", state="absent")).changed
        assert now.plan(wanted(capacity=9 * EXTENT)).changed, "a volume by itself"
        for world in (self.THIN, now):
            with pytest.raises(InputError, match=r"capacity: . is thin, and a thin snapshot has its space in the thin"):
                world.plan(wanted(snapshot_of="o", capacity=EXTENT))

    def test_what_is_something_else(self) -> None:
        thin = lv("a", thin_pool="t")
        for volume, is_now in ((lv("a"), "linear"), (thin, "thin in t"), (replace(COW, snapshot_of="p"), "a snap.* p")):
            with pytest.raises(RefusedError, match=f"volume a is {is_now}, not a snapshot of o"):
                replace(self.THICK, volumes={"a": volume}).plan(wanted(snapshot_of="o", capacity=EXTENT))

    def test_of_what_none_can_be_made(self) -> None:
        asked = wanted("b", snapshot_of="a", capacity=EXTENT)
        with pytest.raises(NotFoundError, match="snapshot_of: there is no volume a in the pool"):
            LVS.plan(asked)
        for volume, why in (
            (COW, "a is a snapshot itself, of o, and not thin"),
            (lv("a", problem="half made"), "snapshot_of: a: half made"),
        ):
            with pytest.raises(RefusedError, match=why):
                replace(LVS, volumes={"a": volume}).plan(asked)

    @pytest.mark.parametrize("pool_type", ["dir", "netfs", "disk"])
    def test_not_in_other_pools(self, pool_type: str) -> None:
        pool = replace(IMAGES, type=pool_type)
        with pytest.raises(InputError, match="files, and a snap" if pool_type != "disk" else "have no snapshots"):
            plan_volume("images", wanted(snapshot_of="o"), VolumeSight(pool, True), volume_kind("dir"))

    def test_run_full(self) -> None:
        there = replace(self.THICK, volumes={"a": replace(COW, problem="has run full")})
        with pytest.raises(RefusedError, match="volume a in pool guests: has run full"):
            there.plan(wanted(snapshot_of="o", capacity=EXTENT))
        assert there.plan(wanted(state="absent")).changed

    def test_what_writing_does_not_cover(self) -> None:
        with pytest.raises(RefusedError, match="cannot be wiped: it is a snapshot of o"):
            replace(LVS, volumes={"a": COW}).plan(wanted(state="absent", wipe="zero"))

    def test_as_a_source(self) -> None:
        """All of it is copied, not as much as it takes."""
        new = replace(LVS, facts={"source": COW}).plan(wanted("b", clone_from=Backing("a"))).new
        assert new is not None
        assert new.capacity == 8 * EXTENT

    def test_written_to(self) -> None:
        there = replace(LVS, volumes={"a": COW})
        file = {"transfer": Transfer(8 * EXTENT)}
        assert replace(there, facts=file).plan(wanted(upload_from="/f")).changed
        with pytest.raises(RefusedError, match="/f has 36M, more than the 32M of volume a"):
            replace(there, facts={"transfer": Transfer(9 * EXTENT)}).plan(wanted(upload_from="/f"))

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"snapshot_of": "a"}, "snapshot_of: a cannot be a snapshot of itself"),
            ({"clone_from": Backing("b")}, "clone_from: does not go with snapshot_of"),
            ({"upload_from": "/b"}, "upload_from:"),
            ({"download_to": "/b"}, "download_to:"),
            ({"format": "raw"}, "format:"),
            ({"allocation": "sparse"}, "allocation:"),
            ({"thin_pool": "t"}, "thin_pool:"),
        ],
    )
    def test_what_cannot_be(self, options: dict[str, Any], says: str) -> None:
        with pytest.raises(ValueError, match=says):
            volume_kind("logical").check(wanted(**{"snapshot_of": "o", **options}))


class TestLogicalVolumes:
    def test_a_share(self) -> None:
        world = replace(LVS, free=10 * EXTENT + 1)
        now = settled(world, wanted(capacity=Share(50)))
        assert now.volumes["a"].capacity == 5 * EXTENT
        with pytest.raises(RefusedError, match="not even one extent"):
            replace(LVS, free=EXTENT).plan(wanted(capacity=Share(99)))

    def test_full(self) -> None:
        with pytest.raises(RefusedError, match="too full for volume a: it needs 8M, 4M are free"):
            replace(LVS, free=EXTENT).plan(wanted(capacity=EXTENT + 1))
        world = replace(LVS, free=0, volumes={"a": lv("a")})
        with pytest.raises(RefusedError, match="too full"):
            world.plan(wanted(capacity=EXTENT + 1))

    def test_thin(self) -> None:
        world = replace(LVS, free=0, facts={"thin_pools": ("t",)})
        now = settled(world, wanted(capacity=2 * EXTENT, allocation="sparse"))
        assert now.volumes["a"].thin_pool == "t"
        assert settled(now, wanted(capacity=3 * EXTENT, thin_pool="t")).volumes["a"].capacity == 3 * EXTENT
        for options in ({"thin_pool": "u"}, {"allocation": "full"}):
            with pytest.raises(RefusedError, match="is thin in t"):
                now.plan(wanted(**options))
        with pytest.raises(RefusedError, match="has no thin pool u; it has t"):
            world.plan(wanted(capacity=1, thin_pool="u"))
        with pytest.raises(RefusedError, match="has no thin pool to make it in"):
            LVS.plan(wanted(capacity=1, allocation="sparse"))
        with pytest.raises(AmbiguousError, match="several thin pools, t, u"):
            replace(LVS, facts={"thin_pools": ("t", "u")}).plan(wanted(capacity=1, allocation="sparse"))
        with pytest.raises(RefusedError, match="is linear, not thin"):
            replace(world, volumes={"a": lv("a")}).plan(wanted(allocation="sparse"))

    def test_what_lvm_rounds_once_more(self) -> None:
        world = replace(LVS, volumes={"a": lv("a", 4 * EXTENT, kind="striped")}, facts={"slack": 3 * EXTENT})
        assert not world.plan(wanted(capacity=2 * EXTENT)).changed
        with pytest.raises(RefusedError, match="allow_shrink"):
            world.plan(wanted(capacity=EXTENT))
        assert world.plan(wanted(capacity=5 * EXTENT)).changed

    def test_a_snapshot_does_not_grow(self) -> None:
        """Its size is that of its origin; capacity is something else, where it is told to be a snapshot."""
        world = replace(LVS, volumes={"a": COW})
        for size in (EXTENT, 3 * EXTENT):
            with pytest.raises(RefusedError, match="is a snapshot of o, whose size is that of its origin"):
                world.plan(wanted(capacity=size, allow_shrink=True))
        assert not world.plan(wanted(capacity=2 * EXTENT)).changed

    def test_the_last_one_leaves_a_pool_that_runs(self) -> None:
        """Without volumes only the note says that the pool runs."""
        world = replace(LVS, volumes={"a": lv("a")}, noted=False)
        assert world.plan(wanted(state="absent")).describe() == [
            "note that pool guests runs",
            "delete volume a of 4M in pool guests",
        ]
        two = replace(world, volumes={"a": lv("a"), "b": lv("b")})
        assert len(two.plan(wanted(state="absent")).steps) == 1
        idle = replace(world, volumes={"a": lv("a"), "b": lv("b", active=False)})
        assert len(idle.plan(wanted(state="absent")).steps) == 2

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"name": "a b"}, "name:"),
            ({"name": "pvmove0"}, "name:"),
            ({"name": "x_tdata"}, "name:"),
            ({"name": "-a"}, "name:"),
            ({"format": "qcow2"}, "format:"),
            ({"backing": Backing("b")}, "backing:"),
            ({"permissions": Permissions(0o600)}, "permissions:"),
            ({"capacity": Share(5), "thin_pool": "t"}, "capacity:"),
            ({"allocation": "full", "thin_pool": "t"}, "allocation:"),
        ],
    )
    def test_what_cannot_be(self, options: dict[str, Any], says: str) -> None:
        with pytest.raises(ValueError, match=says):
            volume_kind("logical").check(wanted(**{"name": "a", **options}))


class TestHeadersThatNameFiles:
    """A guest can write a header to its raw disk, to be shown a file of the host's."""

    NAMING = image("base", MIB, format="qcow2", backing=Backing("/etc/shadow", "raw"), length=512)

    @pytest.mark.parametrize("option", ["backing", "clone_from"])
    def test_they_are_not_believed(self, option: str) -> None:
        world = replace(FILES, facts={"source": self.NAMING, "backing": self.NAMING})
        with pytest.raises(RefusedError, match=rf"{option}: the header of /images/base .* reads from /etc/shadow"):
            world.plan(wanted(**{option: Backing("base")}))
        for form in ("raw", "qcow2"):
            made = world.plan(wanted(**{option: Backing("base", form)})).new
            assert made is not None
            told = made.backing or made.source
            assert told is not None
            assert told.format == form


class TestCopies:
    BASE = image("base", 2 * MIB, format="qcow2", length=999)

    @pytest.mark.parametrize("world", [FILES, LVS], ids=lambda world: world.pool.type)
    def test_of_its_size_or_larger(self, world: VolumeWorld) -> None:
        there = replace(world, facts={"source": self.BASE})
        plan = there.plan(wanted(clone_from=Backing("base")))
        assert plan.describe()[0].endswith(", a copy of /images/base (qcow2)")
        made = plan.new
        assert made is not None
        assert made.source == Source("/images/base", "qcow2", 2 * MIB, "base")
        assert (made.capacity, made.format) == ((2 * MIB, "qcow2") if world is FILES else (EXTENT, "raw"))
        larger = there.plan(wanted(clone_from=Backing("base"), capacity=EXTENT + 1)).new
        assert larger is not None
        assert larger.capacity > EXTENT
        whole = replace(there, facts={"source": replace(self.BASE, capacity=2 * EXTENT)})
        with pytest.raises(RefusedError, match="smaller than /images/base"):
            whole.plan(wanted(clone_from=Backing("base"), capacity=EXTENT))

    def test_as_what_it_is_taken_for(self) -> None:
        made = replace(FILES, facts={"source": self.BASE}).plan(wanted(clone_from=Backing("base", "raw"))).new
        assert made is not None
        assert (made.source, made.capacity, made.format) == (Source("/images/base", "raw", 999, "base"), 1024, "raw")

    def test_what_cannot_be_copied(self) -> None:
        with pytest.raises(NotFoundError, match="clone_from: there is no volume base"):
            FILES.plan(wanted(clone_from=Backing("base")))
        for facts, why in (
            ({"source": replace(self.BASE, problem="spoilt")}, "clone_from: /images/base: spoilt"),
            ({"source": self.BASE, "source_users": ("guest vm1 (pid 7)",)}, r"guest vm1 \(pid 7\) may write to it"),
            ({"source": replace(self.BASE, format="raw")}, "is raw by its header, not qcow2"),
        ):
            with pytest.raises(RefusedError, match=why):
                replace(FILES, facts=facts).plan(wanted(clone_from=Backing("base", "qcow2")))
        with pytest.raises(ValueError, match="clone_from: a volume is a copy, or on top"):
            volume_kind("dir").check(wanted(clone_from=Backing("a"), backing=Backing("b")))

    def test_nothing_is_copied_to_what_is_there(self) -> None:
        assert not replace(FILES, volumes={"a": image("a")}).plan(wanted(clone_from=Backing("base"))).changed

    def test_of_a_share(self) -> None:
        there = replace(LVS, free=4 * EXTENT, facts={"source": replace(self.BASE, capacity=3 * EXTENT)})
        with pytest.raises(RefusedError, match="smaller than /images/base"):
            there.plan(wanted(clone_from=Backing("base"), capacity=Share(50)))
        made = there.plan(wanted(clone_from=Backing("base"), capacity=Share(100))).new
        assert made is not None
        assert made.capacity == 4 * EXTENT

    def test_thin_ones_at_once(self) -> None:
        thin = lv("base", 2 * EXTENT, thin_pool="t", kind="thin,sparse")
        for source, pool, instant in ((thin, "t", True), (thin, "u", False), (lv("base"), "t", False)):
            there = replace(LVS, facts={"source": source, "thin_pools": ("t", "u")})
            made = there.plan(wanted(clone_from=Backing("base"), thin_pool=pool)).new
            assert made is not None
            assert made.instant is instant

    def test_half_made_ones_are_made_once_more(self) -> None:
        there = replace(LVS, facts={"leftover": lv("a")})
        assert there.plan(wanted(capacity=EXTENT)).describe() == [
            "delete what a killed run has left of volume a in pool guests",
            "create volume a in pool guests: 4M, raw",
        ]
        with pytest.raises(InUseError, match="clearing up what a killed run has left"):
            replace(there, users={"a": ("dd (pid 7)",)}).plan(wanted(capacity=EXTENT))


class TestFilesOfTheHost:
    def test_written_to_a_volume(self) -> None:
        asked = wanted(upload_from="/f")
        file = Transfer(3 * MIB, "sha256:7")
        plan = replace(LVS, facts={"transfer": file}).plan(asked)
        assert plan.describe() == [
            "create volume a in pool guests: 4M, raw",
            "write /f to volume a in pool guests",
        ]
        there = replace(FILES, volumes={"a": image("a", 4 * MIB)}, facts={"transfer": file})
        plan = there.plan(asked)
        assert (plan.describe(), plan.changed) == (["write /f to volume a in pool images"], True)
        assert (plan.before["content"], plan.after["content"]) == ("not as /f", "as /f")
        same = replace(there, facts={"transfer": replace(file, same=True)}, users={"a": ("loop0",)})
        assert (same.plan(asked).steps, same.plan(asked).changed) == ((), False)
        with pytest.raises(InUseError, match="writing to volume a in pool images is refused, in use by loop0"):
            replace(there, users={"a": ("loop0",)}).plan(asked)

    @pytest.mark.parametrize(
        ("facts", "why"),
        [
            ({}, "there is no file /f"),
            ({"transfer": Transfer(problem="is no file")}, "/f is no file"),
            ({"transfer": Transfer(5 * MIB)}, "/f has 5M, more than the 4M of volume a"),
        ],
    )
    def test_what_cannot_be_written(self, facts: dict[str, Any], why: str) -> None:
        world = replace(FILES, volumes={"a": image("a", 4 * MIB)}, facts=facts)
        with pytest.raises(SanError, match=f"upload_from: {why}"):
            world.plan(wanted(upload_from="/f"))

    def test_images_only_where_bytes_do_not_decide_the_format(self) -> None:
        file = {"transfer": Transfer(MIB, form="qcow2")}
        for there in ({}, {"a": image("a")}):
            with pytest.raises(RefusedError, match="/f begins as qcow2 does"):
                replace(FILES, volumes=there, facts=file).plan(wanted(upload_from="/f"))
        assert replace(LVS, facts=file).plan(wanted(upload_from="/f")).changed

    def test_only_to_raw_ones_that_are_active(self) -> None:
        file = {"transfer": Transfer(MIB)}
        with pytest.raises(RefusedError, match="volume a is qcow2, and bytes are for raw ones"):
            replace(FILES, volumes={"a": image("a", format="qcow2")}, facts=file).plan(wanted(upload_from="/f"))
        with pytest.raises(RefusedError, match="is not active"):
            replace(LVS, volumes={"a": lv("a", active=False)}, facts=file).plan(wanted(upload_from="/f"))

    def test_written_from_a_volume(self) -> None:
        asked = wanted(download_to="/f")
        there = replace(FILES, volumes={"a": image("a")}, facts={"transfer": Transfer(MIB, "sha256:7")})
        plan = there.plan(asked)
        assert (plan.describe(), plan.changed) == (["write volume a in pool images to /f"], True)
        assert plan.after["file"] == "/f: as the volume"
        assert not replace(there, facts={"transfer": Transfer(MIB, same=True)}).plan(asked).changed
        for facts, why in (
            ({"transfer": None}, "there is no volume a"),
            ({"transfer": Transfer(problem="is no file")}, "/f is no file"),
            ({"transfer": Transfer(), "source_users": ("guest vm1 (pid 7)",)}, "may write to it"),
        ):
            with pytest.raises(SanError, match=why):
                replace(there, facts=facts).plan(asked)

    @pytest.mark.parametrize(
        ("seen", "why"),
        [
            ({"users": ("guest vm1 (pid 7)",)}, "taking the place of /f is refused, in use by guest vm1"),
            ({"dependents": ("/images/top",)}, "/images/top would lose what it reads"),
            ({"silent": {"/images": "no answer"}}, "not known who uses it: /images: no answer"),
        ],
    )
    def test_not_in_the_place_of_what_is_used(self, seen: dict[str, Any], why: str) -> None:
        before = VolumeSight(volume=image("f"), **seen)
        file = Transfer(MIB, replaces=before)
        there = replace(FILES, volumes={"a": image("a")}, facts={"transfer": file})
        with pytest.raises(RefusedError, match=why):
            there.plan(wanted(download_to="/f"))
        told = replace(file, replaces=VolumeSight(volume=image("f"), warnings=("not known",)))
        assert replace(there, facts={"transfer": told}).plan(wanted(download_to="/f")).warnings == ("not known",)


class TestTakingAway:
    def test_shrinking_has_to_be_allowed(self) -> None:
        world = replace(FILES, volumes={"a": image("a", 2 * MIB)})
        with pytest.raises(RefusedError, match="from 2M to 1M is refused: what is behind"):
            world.plan(wanted(capacity=MIB))
        now = settled(world, wanted(capacity=MIB, allow_shrink=True))
        assert now.volumes["a"].capacity == MIB

    def test_not_below_what_it_holds(self) -> None:
        world = replace(FILES, volumes={"a": image("a", 2 * MIB)}, ends={"a": MIB + 1})
        asked = wanted(capacity=MIB, allow_shrink=True)
        with pytest.raises(RefusedError, match="reaches to byte 1048577"):
            world.plan(asked)
        with pytest.raises(RefusedError, match="not known how far"):
            replace(world, ends={"a": None}).plan(asked)
        with pytest.raises(RefusedError, match="it holds a PV"):
            replace(world, ends={"a": None}, facts={"end_unknown": "it holds a PV"}).plan(asked)
        assert world.plan(wanted(capacity=MIB + 512, allow_shrink=True)).changed

    def test_who_uses_it_is_named(self) -> None:
        world = replace(FILES, volumes={"a": image("a", 2 * MIB)}, users={"a": ("loop0",)})
        for asked in (wanted(state="absent"), wanted(capacity=MIB, allow_shrink=True)):
            with pytest.raises(InUseError, match="in use by loop0") as caught:
                world.plan(asked)
            assert caught.value.details["holders"] == ["loop0"]

    def test_wiped_before_it_goes(self) -> None:
        world = replace(LVS, volumes={"a": lv("a")})
        for how, told in (("zero", "write zeros over volume a"), ("discard", "discard all of volume a")):
            plan = world.plan(wanted(state="absent", wipe=how))
            assert [line.split(" in pool")[0] for line in plan.describe()] == [told, "delete volume a of 4M"]
            assert settled(world, wanted(state="absent", wipe=how)).wiped == ("a",)
        with pytest.raises(InUseError, match="wiping volume a in pool guests is refused, in use by loop0"):
            replace(world, users={"a": ("loop0",)}).plan(wanted(state="absent", wipe="zero"))
        with pytest.raises(RefusedError, match="cannot be wiped: it is not active"):
            replace(world, volumes={"a": lv("a", active=False)}).plan(wanted(state="absent", wipe="zero"))

    def test_not_where_nobody_knows(self) -> None:
        world = replace(FILES, volumes={"a": image("a")}, facts={"silent": {"/images": "no answer"}})
        with pytest.raises(RefusedError, match="not known who uses it: /images: no answer"):
            world.plan(wanted(state="absent"))

    def test_pools_that_nobody_can_look_into(self) -> None:
        twin = replace(ISOS, name="twin", target=Target("/twin"))
        assert unseen((IMAGES, GUESTS, ISOS, twin), {"/", "/images"}) == ("isos", "twin")
        assert unseen((IMAGES, GUESTS, ISOS, twin), {"/twin"}) == (), "the same export"
        other = replace(twin, source=replace(twin.source, directory="/srv/other"))
        assert unseen((ISOS, other), {"/twin"}) == ("isos",)


sizes = st.integers(1, 40 * MIB)
files = st.dictionaries(
    st.sampled_from("abc"),
    st.builds(
        lambda capacity, form, backing: (capacity // 512 * 512 + 512, form, backing),
        sizes,
        st.sampled_from(["raw", "qcow2"]),
        st.sampled_from([None, "a", "b"]),
    ),
)
asked_files = st.builds(
    WantedVolume,
    st.sampled_from("abc"),
    st.sampled_from(["present", "present", "absent"]),
    st.none() | sizes,
    st.sampled_from([None, "sparse", "full"]),
    st.none(),
    st.sampled_from([None, "raw", "qcow2"]),
    st.none() | st.builds(Backing, st.sampled_from("abc"), st.sampled_from([None, "raw", "qcow2"])),
    st.builds(Permissions, st.sampled_from([None, 0o600, 0o644])),
    st.booleans(),
    st.sampled_from([None, "zero"]),
)
used = st.dictionaries(st.sampled_from("abc"), st.just(("guest vm1 (pid 7)",)))
ends = st.dictionaries(st.sampled_from("abc"), st.none() | sizes)


@given(files, asked_files, used, ends, st.integers(0, 60 * MIB))
def test_any_file_to_any_other(
    there: dict[str, tuple[int, str, str | None]],
    asked: WantedVolume,
    users: dict[str, tuple[str, ...]],
    reach: dict[str, int | None],
    free: int,
) -> None:
    volumes = {
        name: image(name, size, format=form, backing=Backing(f"/images/{below}", "raw") if below else None)
        for name, (size, form, below) in there.items()
    }
    _try(VolumeWorld(IMAGES, volumes, free, users, reach), asked)


lvs = st.dictionaries(
    st.sampled_from("abc"),
    st.tuples(st.integers(1, 10), st.sampled_from([None, "t"]), st.sampled_from([None, None, "a", "b"])),
)
asked_lvs = st.builds(
    WantedVolume,
    st.sampled_from("abc"),
    st.sampled_from(["present", "present", "absent"]),
    st.none() | sizes | st.builds(Share, st.integers(1, 100)),
    st.sampled_from([None, "sparse", "full"]),
    st.sampled_from([None, "t"]),
    allow_shrink=st.booleans(),
    snapshot_of=st.sampled_from([None, None, "a", "b"]),
)


@given(lvs, asked_lvs, used, ends, st.integers(0, 60 * MIB), st.booleans())
def test_any_logical_volume_to_any_other(
    there: dict[str, tuple[int, str | None, str | None]],
    asked: WantedVolume,
    users: dict[str, tuple[str, ...]],
    reach: dict[str, int | None],
    free: int,
    noted: bool,
) -> None:
    volumes = {name: lv(name, EXTENT * count, thin_pool=pool) for name, (count, pool, _of) in there.items()}
    for name, (_count, pool, of) in there.items():
        if of is None or of == name or of not in there or there[of][2] is not None:
            continue
        volumes[name] = replace(volumes[name], snapshot_of=of)
        if pool is None:
            backing = Backing(f"/dev/guests/{of}", "raw")
            volumes[name] = replace(volumes[name], backing=backing, length=volumes[of].capacity)
    free = free // EXTENT * EXTENT
    world = VolumeWorld(GUESTS, volumes, free, users, reach, noted, facts={"thin_pools": ("t",)})
    after = _try(world, asked)
    if after is not None and world.volumes and not after.volumes:
        assert after.noted, "the pool would no longer run"


def _try(world: VolumeWorld, asked: WantedVolume) -> VolumeWorld | None:
    """Carry out what is planned, which says itself that it does no harm, and see that it is all; None if refused."""
    try:
        plan = world.plan(asked)
    except (SanError, ValueError):
        return None
    now = world.after(plan.steps)
    again = now.plan(asked)
    assert (again.steps, again.changed) == ((), False)
    assert plan.changed == bool(plan.steps)
    made = plan.after["volume"]
    if made is not None:
        seen = now.volumes[asked.name].compared()
        assert {key: seen[key] for key in made if made[key] is not None} == {
            key: value for key, value in made.items() if value is not None
        }
        if isinstance(asked.capacity, int) and asked.snapshot_of is None:
            assert now.volumes[asked.name].capacity >= asked.capacity
    shrunk = [step for step in plan.steps if isinstance(step, ResizeVolume) and step.shrinks]
    assert not shrunk or asked.allow_shrink
    return now
