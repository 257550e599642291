# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools on real machines: folders and NFS exports through all their states, in use, spoilt, taken by libvirt.

Several tasks are run by one playbook: each run of Ansible costs seconds on an emulated machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import HOSTS, Ansible, Lab
from .playing import OPENS, hold, let_go, one, play, pool, shell, without_uuid

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

PLACE = "/var/lib/virt-san"
IMAGES: dict[str, Any] = {
    "name": "images",
    "type": "dir",
    "target": {"path": f"{PLACE}/images", "permissions": {"mode": "0750", "group": "libvirt-qemu"}},
}
ISOS: dict[str, Any] = {
    "name": "isos",
    "type": "netfs",
    "source": {"host": "10.77.1.1", "dir": "/srv/nfs", "mount_options": ["timeo=50"]},
    "target": {"path": f"{PLACE}/isos"},
}
POOLS = {"dir": IMAGES, "netfs": ISOS}
STATES = ("present", "active", "inactive", "absent")
OURS = (
    "find /etc/virt-san /run/virt-san /usr/local/lib/virt-san -type f 2>/dev/null;"
    " ls -d /etc/systemd/system/virt-san* 2>/dev/null"
)


@pytest.fixture(scope="module", autouse=True)
def exported(lab: Lab) -> Iterator[None]:
    lab.ssh("array", "echo from the array > /srv/nfs/hello; exportfs -ra")
    yield
    for host in HOSTS:
        lab.ssh(host, f"rm -rf {PLACE}")


@pytest.mark.full
@pytest.mark.parametrize("kind", ["dir", "netfs"])
def test_every_state(lab: Lab, ansible: Ansible, kind: str) -> None:
    """What check mode and its diff say is what is done, and the second time there is nothing to do."""
    wanted = POOLS[kind]
    stages = [
        (
            pool(f"{number} check", check=True, **wanted, state=state),
            pool(f"{number} run", **wanted, state=state),
            pool(f"{number} again", **wanted, state=state),
        )
        for number, state in enumerate(STATES)
    ]
    place = wanted["target"]["path"]
    look = shell("look", f"cat {place}/hello; stat -c '%a %G' {place}; findmnt -no OPTIONS {place}; true")
    run = play(
        ansible,
        *(task for stage in stages[:2] for task in stage),
        look,
        *(task for stage in stages[2:] for task in stage),
    )
    for host in HOSTS:
        for number, state in enumerate(STATES):
            check, done, again = (one(run, host, f"{number} {what}") for what in ("check", "run", "again"))
            assert (check["changed"], done["changed"], again["changed"]) == (True, True, False), (host, state)
            assert check["steps"] == done["steps"]
            assert again["steps"] == []
            for side in ("before", "after"):
                assert without_uuid(check["diff"][side]) == without_uuid(done["diff"][side])
            if state != "absent":
                free = {key: again["pool"][key] for key in ("allocation", "available")}
                assert again["pool"] == {**done["pool"], **free}
                assert done["pool"]["state"] == ("active" if state == "active" else "inactive")
                assert (done["pool"]["capacity"] is not None) == (state == "active")
        seen = one(run, host, "look")["stdout"]
        if kind == "dir":
            assert "750 libvirt-qemu" in seen
        else:
            assert "from the array" in seen
            assert {"nosuid", "nodev", "noexec"} <= set(seen.splitlines()[-1].split(","))
        assert lab.ssh(host, f"{OURS}; true") == ""


@pytest.mark.full
def test_libvirt_takes_the_file_and_we_take_what_it_prints(lab: Lab, ansible: Ansible) -> None:
    """The pools that libvirt prints run, so that it says more than was defined: sizes, and what it found there."""
    both = "for pool in isos images; do virsh pool-{} $pool || exit 1; done"
    define = both.format("define --validate").replace("$pool", "/etc/virt-san/pools/$pool.xml")
    run = play(
        ansible,
        pool("ours", **ISOS),
        pool("ours, a folder", **IMAGES),
        shell("libvirt answers", "systemctl start libvirtd.socket"),
        shell("define", define),
        shell("started by libvirt", both.format("start")),
        {**shell("dump", "virsh pool-dumpxml isos"), "register": "isos"},
        {**shell("dump the folder", "virsh pool-dumpxml images"), "register": "images"},
        shell("no longer libvirt's", f"{both.format('destroy')}; {both.format('undefine')}"),
        pool("gone", name="isos", state="absent"),
        pool("gone, the folder", name="images", state="absent"),
        pool("as dumped", xml="{{ isos.stdout }}", state="active"),
        pool("as dumped, the folder", xml="{{ images.stdout }}", state="active"),
        pool("as dumped, again", xml="{{ isos.stdout }}", state="active"),
        pool("removed", name="isos", state="absent", delete_contents=True),
        pool("removed, the folder", name="images", state="absent", delete_contents=True),
    )
    for host in HOSTS:
        for what in ("", ", the folder"):
            dumped, removed = one(run, host, f"as dumped{what}"), one(run, host, f"removed{what}")
            assert dumped["pool"]["uuid"] == one(run, host, f"ours{', a folder' if what else ''}")["pool"]["uuid"]
            assert dumped["pool"]["state"] == "active"
            assert (removed["changed"], removed["pool"]) == (True, None)
        assert one(run, host, "as dumped, again")["changed"] is False
        assert lab.ssh(host, f"{OURS}; ls -A {PLACE}; true") == ""
    assert lab.ssh("array", "cat /srv/nfs/hello") == "from the array", "the files of the server's stay"


@pytest.mark.full
def test_in_use_it_stays(lab: Lab, ansible: Ansible) -> None:
    place = ISOS["target"]["path"]
    run = play(
        ansible,
        pool("up", **ISOS, state="active"),
        hold("use", OPENS, f"{place}/hello"),
        pool("stop", name="isos", state="inactive", may_fail=True),
        pool("remove", name="isos", state="absent", may_fail=True),
        pool("changed", **{**ISOS, "source": {**ISOS["source"], "mount_options": ["ro"]}}, state="active"),
        pool("by force", name="isos", state="inactive", force=True),
        pool("up again", name="isos", state="active"),
        shell("its options", f"findmnt -no OPTIONS {place}"),
        let_go("no longer used", OPENS),
        pool("down", name="isos", state="absent"),
        hosts="kvm1",
    )
    for refused in ("stop", "remove"):
        assert "in use by python3 (pid " in one(run, "kvm1", refused)["msg"]
        assert one(run, "kvm1", refused)["error"] == "InUseError"
    assert one(run, "kvm1", "changed")["restart_needed"] == ["source.mount_options"]
    assert "is taken away from python3" in one(run, "kvm1", "by force")["warnings"][0]
    assert one(run, "kvm1", "its options")["stdout"].startswith("ro,")
    assert lab.ssh("kvm1", "findmnt -t nfs,nfs4; true") == ""


BAD = {
    "entities": '<!DOCTYPE pool [<!ENTITY a SYSTEM "file:///etc/shadow">]><pool type="dir"><name>&a;</name></pool>',
    "another root": "<network><name>a</name></network>",
}


@pytest.mark.full
def test_what_is_spoilt_is_refused(lab: Lab, ansible: Ansible) -> None:
    files = "/etc/virt-san/pools"
    run = play(
        ansible,
        *(pool(title, xml=xml, may_fail=True) for title, xml in BAD.items()),
        pool("huge", xml="{{ '<pool>' ~ ' ' * 1100000 ~ '</pool>' }}", may_fail=True),
        pool("good", **IMAGES, state="active"),
        shell("spoil", f"cp {files}/images.xml {files}/isos.xml; echo '<pool' > {files}/images.xml"),
        pool("spoilt", name="images", state="present", may_fail=True),
        pool("another's", name="isos", state="present", may_fail=True),
        pool("forgotten", name="images", state="absent"),
        pool("the other, too", name="isos", state="absent"),
        hosts="kvm1",
    )
    says = {
        "entities": "entities are not accepted",
        "huge": "too many for the definition",
        "another root": "about <network>, not about a <pool>",
        "spoilt": "the definition of pool images cannot be read: /etc/virt-san/pools/images.xml: not XML",
        "another's": "is about another pool, images",
    }
    for title, why in says.items():
        assert why in one(run, "kvm1", title)["msg"]
    assert lab.ssh("kvm1", f"{OURS}; true") == ""


# A server that is gone


@pytest.mark.full
def test_a_server_that_does_not_answer_hangs_nothing(lab: Lab, ansible: Ansible) -> None:
    place = ISOS["target"]["path"]
    other = {**ISOS, "name": "other", "target": {"path": f"{PLACE}/other"}, "timeout": 10}
    play(ansible, pool("up", **ISOS, state="active"))
    lab("fault", "link-down", "array:a")
    run = play(
        ansible,
        pool("still up", **ISOS, state="active"),
        pool("in a silent place", **{**IMAGES, "target": {"path": f"{place}/images"}}, may_fail=True),
        pool("another one", **other, state="active", may_fail=True),
        shell("nothing of it comes later", "sleep 5; findmnt -t nfs,nfs4 -no TARGET; pgrep -a mount.nfs; true"),
        pool("down", name="isos", state="inactive", force=True),
        shell("what hangs", "pgrep -a '^san-p'; findmnt -t nfs,nfs4; true"),
    )
    for host in HOSTS:
        up = one(run, host, "still up")
        assert (up["changed"], up["pool"]["state"], up["pool"]["capacity"]) == (False, "active", None)
        assert "no answer within 10 s" in up["warnings"][0]
        assert "no answer" in one(run, host, "in a silent place")["msg"]
        assert "no answer within 10 s" in one(run, host, "another one")["msg"]
        assert one(run, host, "nothing of it comes later")["stdout"] == place
        assert one(run, host, "down")["changed"]
        assert one(run, host, "what hangs")["stdout"] == ""
    lab("fault", "link-up", "array:a")
    run = play(
        ansible,
        pool("back", name="isos", state="active"),
        pool("the other", name="other", state="active"),
        *(pool(f"{name} gone", name=name, state="absent", delete_contents=True) for name in ("isos", "other")),
    )
    for host in HOSTS:
        assert one(run, host, "back")["pool"]["capacity"] > 0
        assert lab.ssh(host, f"{OURS}; ls -A {PLACE}; true") == ""


# A reboot


LATE = "sed -n 's,^/srv/nfs,/srv/late,p' /etc/exports > /etc/exports.d/late.exports; exportfs -ra"
"""Has the array export one folder more."""


def unit_of(lab: Lab, host: str, name: str) -> dict[str, str]:
    told = lab.ssh(host, f"systemctl show -p ActiveState,SubState,ActiveEnterTimestampMonotonic virt-san-pool@{name}")
    return dict(line.split("=", 1) for line in told.splitlines())


@pytest.mark.full
def test_back_after_a_reboot(lab: Lab, ansible: Ansible) -> None:
    """Of three pools one cannot start: its server has no such export. The others do, and libvirt comes after them."""
    late = {**ISOS, "name": "late-1", "source": {"host": "10.77.1.1", "dir": "/srv/late"}}
    late["target"] = {"path": f"{PLACE}/late"}
    lab.ssh("array", f"mkdir -p /srv/late /etc/exports.d; {LATE}")
    try:
        run = play(
            ansible,
            *(pool(each["name"], **each, state="active", autostart=True) for each in (IMAGES, ISOS, late)),
            shell("libvirt", "systemctl -q add-wants multi-user.target libvirtd.service"),
            shell(
                "circles",
                "systemd-analyze verify virt-san-pool@isos.service multi-user.target 2>&1 | grep -i 'virt-san'; true",
            ),
        )
        assert [one(run, host, "circles")["stdout"] for host in HOSTS] == ["", ""]
        lab.ssh("array", "rm /etc/exports.d/late.exports; exportfs -ra")
        lab("reboot", *HOSTS)
        for host in HOSTS:
            print(lab.ssh(host, "journalctl -b -o short-monotonic -t virt-san-pool"))
            assert lab.ssh(host, "python3 -I /usr/local/lib/virt-san/virt-san-pools.pyz status; true").splitlines() == [
                "pool images: active",
                "pool isos: active",
                "pool late-1: inactive",
            ]
            assert unit_of(lab, host, "isos")["SubState"] == "exited"
            assert unit_of(lab, host, "'late\\x2d1'")["SubState"] == "running", "it goes on trying"
            libvirt = lab.ssh(host, "systemctl show -P InactiveExitTimestampMonotonic libvirtd.service")
            assert int(unit_of(lab, host, "isos")["ActiveEnterTimestampMonotonic"]) <= int(libvirt)
            assert "cycle" not in lab.ssh(host, "journalctl -b -q -p notice | grep -i 'ordering cycle'; true")
        lab.ssh("array", LATE)
        again = play(
            ansible,
            shell(
                "wait",
                f"for i in $(seq 50); do mountpoint -q {PLACE}/late && break; sleep 1; done; mountpoint {PLACE}/late",
            ),
            *(pool(each["name"], **each, state="active", autostart=True) for each in (IMAGES, ISOS, late)),
            *(
                pool(f"{each['name']} gone", name=each["name"], state="absent", delete_contents=True)
                for each in (IMAGES, ISOS, late)
            ),
        )
        for host in HOSTS:
            for wanted in (IMAGES, ISOS, late):
                assert one(again, host, wanted["name"])["changed"] is False
            assert (
                lab.ssh(host, f"{OURS}; ls -A {PLACE}; systemctl list-units --all --no-legend 'virt-san*'; true") == ""
            )
    finally:
        lab.ssh("array", "rm -f /etc/exports.d/late.exports; exportfs -ra; rmdir /srv/late")
        for host in HOSTS:
            lab.ssh(host, "rm -f /etc/systemd/system/multi-user.target.wants/libvirtd.service; systemctl daemon-reload")
