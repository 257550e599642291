# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual HBA of a pool on a recorded machine: it comes with the pool, and goes with it if it is the pool's own."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._apply import pool
from ansible_collections.virt.san.plugins.module_utils._apply.pools_native import NativeKeeper
from ansible_collections.virt.san.plugins.module_utils._errors import ApplyError, InUseError, NotFoundError
from ansible_collections.virt.san.plugins.module_utils._host import arrival
from ansible_collections.virt.san.plugins.module_utils._model.ids import Wwn
from ansible_collections.virt.san.plugins.module_utils._model.pool import (
    Adapter,
    FcHostAdapter,
    PoolDefinition,
    ScsiHostAdapter,
    Source,
    Target,
)
from ansible_collections.virt.san.plugins.module_utils._pools.plan import Wanted
from ansible_collections.virt.san.tests.unit.support.npiv_kernel import KernelHost, behind_the_vhba, kernel
from ansible_collections.virt.san.tests.unit.support.recorded import Tree

WWPN, WWNN = Wwn("5001a4a0000000a1"), Wwn("5001a4a0000000a0")
THERE, ITS_NODE = Wwn("5001a4a000000001"), Wwn("5001a4a000000101")
"""The vHBA of the recording."""
CREATE, DELETE = f"vport_create {WWPN}:{WWNN}", f"vport_delete {WWPN}:{WWNN}"
PARENT = "0000:00:05.0"


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "PATIENCE", 0.0)


def definition(adapter: Adapter) -> PoolDefinition:
    return PoolDefinition("guest", "scsi", Source(adapter=adapter), Target("/dev/disk/by-id"))


OWN = definition(FcHostAdapter(WWNN, WWPN, PARENT))
OTHERS = definition(FcHostAdapter(ITS_NODE, THERE))


def run(
    host: KernelHost, state: str, one: PoolDefinition | None = OWN, check: bool = False, **more: Any
) -> pool.Report:
    wanted = Wanted("guest", state, one, **more)
    return pool.ensure(host, NativeKeeper(host), wanted, None, 5, check)


def notes(host: KernelHost) -> list[str]:
    top = Path(host.path("/run/virt-san"))
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())


def prepared(tree: Tree) -> None:
    tree.setdefault("/run/nothing", "")


def one_free_disk(tree: Tree) -> None:
    behind_the_vhba(tree, (0, 300))


def all_of_it(tree: Tree) -> None:
    behind_the_vhba(tree, *[(number, lun) for number in (0, 1) for lun in (27, 28, 29, 53, 54)])


def test_through_all_states(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, prepared) as host:
        for state, written in (
            ("present", []),
            ("active", [CREATE]),
            ("inactive", [CREATE, DELETE]),
            ("active", [CREATE, DELETE, CREATE]),
            ("absent", [CREATE, DELETE, CREATE, DELETE]),
        ):
            before = host.written(), notes(host)
            planned = run(host, state, check=True)
            assert (host.written(), notes(host)) == before, "check mode wrote something"
            done = run(host, state)
            assert (
                (planned.changed, planned.facts["steps"])
                == (done.changed, done.facts["steps"])
                == (True, done.facts["steps"])
            )
            assert host.written() == written
            again = run(host, state)
            assert (again.changed, again.facts["steps"]) == (False, [])
        assert notes(host) == []


def test_its_parent_is_kept_by_name(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, prepared) as host:
        told = run(host, "present").facts["pool"]["source"]["adapter"]
        assert (told["type"], told["parent_wwpn"]) == ("fc_host", host.read("/sys/class/fc_host/host0/port_name")[2:])  # type: ignore[index]
        assert "parent" not in told
        text = Path(host.path("/etc/virt-san/pools/guest.xml")).read_text(encoding="utf-8")
        assert "host0" not in text
        elsewhere = definition(FcHostAdapter(WWNN, WWPN, "0000:00:1f.0"))
        with pytest.raises(NotFoundError, match=r"has no HBA 0000:00:1f\.0"):
            run(host, "present", elsewhere)


def test_an_hba_by_its_number_is_kept_by_its_name(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, prepared) as host:
        done = run(host, "active", definition(ScsiHostAdapter("host0")))
        assert done.facts["pool"]["hba"] == host.read("/sys/class/fc_host/host0/port_name")[2:]  # type: ignore[index]
        assert done.facts["pool"]["capacity"] > 0
        assert host.written() == []
        assert run(host, "inactive", None).changed


def test_one_that_cannot_log_in_leaves_nothing(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, prepared) as host:
        host.behaviour.states = [("Initializing", "Linkdown"), ("Fabric Rejected WWN", "Linkdown")]
        with pytest.raises(ApplyError, match=r"does not accept its WWPN.*It was deleted again: nothing is left of it"):
            run(host, "active")
        assert host.written() == [CREATE, DELETE]
        assert notes(host) == []
        host.behaviour.states = [("Initializing", "Linkdown")]
        with pytest.raises(ApplyError, match=r"not within 5 s; vport_state is Initializing.*It was deleted again"):
            run(host, "active")
        assert run(host, "present").facts["pool"]["state"] == "inactive"


def test_one_that_the_kernel_does_not_make(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, prepared) as host:
        host.behaviour.create_error = errno.ENOSPC
        with pytest.raises(ApplyError, match="all vports of the HBA are in use") as caught:
            run(host, "active")
        assert "deleted" not in caught.value.message
        assert (host.written(), notes(host)) == ([CREATE], [])


def test_a_link_that_is_down_for_a_moment_ends_no_pool(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, prepared) as host:
        run(host, "active")
        host.behaviour.states = [("Linkdown", "Linkdown")]
        for name in host.entries("/sys/class/fc_vports"):
            if host.made(name):
                Path(host.path(f"/sys/class/fc_vports/{name}/vport_state")).write_text("Linkdown\n", encoding="utf-8")
        with pytest.raises(ApplyError, match="The vHBA stays"):
            run(host, "active", None)
        assert host.written() == [CREATE]
        assert run(host, "present", None).facts["pool"]["state"] == "active"


def test_one_that_somebody_has_deleted_is_made_again(tmp_path: Path) -> None:
    """If that fails, nothing is left of it either; and what else the pool has made is still known."""
    with kernel("debian12-fc", tmp_path, prepared) as host:
        run(host, "active")
        host.write_attribute("/sys/class/fc_host/host0/vport_delete", f"{WWPN}:{WWNN}")
        Path(host.path("/run/virt-san/made/guest.json")).write_text(f'["vHBA {THERE}"]', encoding="utf-8")
        host.behaviour.states = [("No Fabric Support", "Linkdown")]
        with pytest.raises(ApplyError, match="It was deleted again"):
            run(host, "active", None)
        assert host.written() == [CREATE, DELETE, CREATE, DELETE]
        host.behaviour.states = [("Active", "Online")]
        assert run(host, "active", None).facts["pool"]["made"] == [f"vHBA {THERE}", f"vHBA {WWPN}"]


def test_another_parent_counts_from_the_next_start_on(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, prepared) as host:
        run(host, "active")
        done = run(host, "active", definition(FcHostAdapter(WWNN, WWPN, "0000:00:06.0")))
        assert done.facts["restart_needed"] == ["source.adapter"]
        assert run(host, "inactive", None).changed
        assert run(host, "active", None).facts["steps"][-2].startswith("host1: create vHBA")


def test_one_that_cannot_even_be_deleted(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, prepared) as host:
        host.behaviour.states = [("No Fabric Support", "Linkdown")]
        host.behaviour.delete_error = errno.EPERM
        with pytest.raises(ApplyError, match="It could not be deleted again"):
            run(host, "active")
        assert notes(host) == ["made/guest.json"], "it is still the pool's"
        host.behaviour.delete_error = 0
        assert run(host, "inactive").facts["steps"][0] == f"host0: delete vHBA {WWPN} (host7)"


def test_one_that_was_there_stays(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, prepared) as host:
        assert run(host, "active", OTHERS).facts["pool"]["state"] == "active"
        assert run(host, "absent", OTHERS).changed
        assert host.written() == []


def test_what_is_only_behind_it_leaves_first(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, one_free_disk) as host:
        run(host, "active", OTHERS)
        Path(host.path("/run/virt-san/made")).mkdir(parents=True)
        Path(host.path("/run/virt-san/made/guest.json")).write_text(f'["vHBA {THERE}"]', encoding="utf-8")
        planned = run(host, "inactive", None, check=True)
        assert host.written() == []
        done = run(host, "inactive", None)
        assert planned.facts["steps"] == done.facts["steps"]
        assert host.written() == ["rescan 1", "delete 1", f"vport_delete {THERE}:{ITS_NODE}"]


def test_in_use_it_is_not_stopped(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, all_of_it) as host:
        run(host, "active", OTHERS)
        Path(host.path("/run/virt-san/made")).mkdir(parents=True)
        Path(host.path("/run/virt-san/made/guest.json")).write_text(f'["vHBA {THERE}"]', encoding="utf-8")
        for check in (True, False):
            with pytest.raises(InUseError, match="/srv/images"):
                run(host, "absent", None, check=check)
        assert run(host, "active", None).facts["pool"]["state"] == "active"


def test_one_that_somebody_keeps_for_boots_stays(tmp_path: Path) -> None:
    with kernel("debian12-fc", tmp_path, prepared) as host:
        run(host, "active")
        kept = Path(host.path(f"/etc/virt-san/vhbas/{WWPN}.json"))
        kept.parent.mkdir(parents=True)
        kept.write_text("{}", encoding="utf-8")
        done = run(host, "inactive", None)
        assert "it is kept for boots" in done.warnings[0]
        assert host.written() == [CREATE]
