# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorded machine whose kernel makes and deletes vports, and a clock that only moves when it is slept on.

What it does shows in the tree alone, as a write happens in a child process.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.virt.san.plugins.module_utils._host.host import Clock, Host, Runner
from ansible_collections.virt.san.tests.unit.support.recorded import RecordedHost, Tree, recorded

CREATED = 7
"""Number of the SCSI host of the first vHBA made; each further one has the next."""


@dataclass
class Behaviour:
    """What the kernel and the fabric do."""

    create_error: int = 0
    delete_error: int = 0
    name_error: int = 0
    nameable: bool = True
    makes_nothing: bool = False
    """The write succeeds and there is no vport all the same."""
    states: list[tuple[str, str]] = field(default_factory=lambda: [("Active", "Online")])
    """States of a vport and of its port: the first at once, each further one after a pause."""
    sleeps: int = 0


class KernelHost(RecordedHost):
    """`sysfs` writes do what a kernel does with them; any other write is a failed test."""

    behaviour: Behaviour

    def __init__(self, root: str, runner: Runner, **recorded_parts: Any) -> None:
        self.now = 1000.0
        self.behaviour = Behaviour()
        super().__init__(root, runner, Clock(lambda: self.now, self._sleep), **recorded_parts)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.behaviour.sleeps += 1
        states = self.behaviour.states
        for name in self.entries("/sys/class/fc_vports"):
            if self.made(name):
                self._set(name, *states[min(self.behaviour.sleeps, len(states) - 1)])

    def made(self, name: str) -> bool:
        return Path(self.path(f"/sys/class/fc_vports/{name}/made")).exists()

    def write_attribute(self, path: str, value: str) -> None:
        action = path.rpartition("/")[2]
        with open(self.path("/written"), "a", encoding="utf-8") as log:
            log.write(f"{path} {value}\n")
        parent = path.split("/")[-2]
        if action == "vport_create":
            self._create(parent, *value.split(":"))
        elif action == "vport_delete":
            self._delete(parent, value.partition(":")[0])
        elif action == "symbolic_name":
            self._name(Path(self.path(path)), value)
        elif action == "delete":
            self._delete_device(path.split("/")[-2])
        elif action != "rescan":
            raise AssertionError(f"{value!r} written to {path}")

    def written(self) -> list[str]:
        """Return what was written so far, "attribute value"."""
        try:
            lines = Path(self.path("/written")).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [line.rpartition("/")[2] for line in lines]

    def _create(self, parent: str, wwpn: str, wwnn: str) -> None:
        if self.behaviour.create_error:
            raise OSError(self.behaviour.create_error, os.strerror(self.behaviour.create_error))
        if self.behaviour.makes_nothing:
            return
        number = CREATED
        while os.path.lexists(self.path(f"/sys/class/fc_host/host{number}")):
            number += 1
        name = f"vport-{parent[4:]}:0-{number}"
        place = os.path.realpath(self.path(f"/sys/class/fc_host/{parent}/../..")) + f"/{name}"
        names = {"port_name": f"0x{wwpn}", "node_name": f"0x{wwnn}", "proc_name": "fcoe"}
        self._class(place, "fc_vports", name, {**names, "vport_last_state": "Unknown", "symbolic_name": "", "made": ""})
        os.symlink("../..", f"{place}/fc_vports/{name}/device")
        fabric = self.read(f"/sys/class/fc_host/{parent}/fabric_name") or ""
        self._class(f"{place}/host{number}", "fc_host", f"host{number}", {**names, "fabric_name": fabric})
        self._class(f"{place}/host{number}", "scsi_host", f"host{number}", names)
        if not self.behaviour.nameable:
            os.chmod(f"{place}/fc_vports/{name}/symbolic_name", 0o444)
        self._set(name, *self.behaviour.states[0])

    def _name(self, path: Path, name: str) -> None:
        if self.behaviour.name_error:
            raise OSError(self.behaviour.name_error, os.strerror(self.behaviour.name_error))
        path.write_text(name, encoding="utf-8")

    def _class(self, place: str, kind: str, name: str, attributes: dict[str, str]) -> None:
        folder = Path(place, kind, name)
        folder.mkdir(parents=True)
        for attribute, text in attributes.items():
            (folder / attribute).write_text(f"{text}\n", encoding="utf-8")
        link = Path(self.path(f"/sys/class/{kind}/{name}"))
        link.symlink_to(os.path.relpath(folder, link.parent))

    def _set(self, name: str, vport: str, port: str) -> None:
        number = name.rpartition("-")[2]
        Path(self.path(f"/sys/class/fc_vports/{name}/vport_state")).write_text(f"{vport}\n", encoding="utf-8")
        Path(self.path(f"/sys/class/fc_host/host{number}/port_state")).write_text(f"{port}\n", encoding="utf-8")

    def _delete(self, parent: str, wwpn: str) -> None:
        if self.behaviour.delete_error:
            raise OSError(self.behaviour.delete_error, os.strerror(self.behaviour.delete_error))
        for name in self.entries("/sys/class/fc_vports"):
            if self.read(f"/sys/class/fc_vports/{name}/port_name") == f"0x{wwpn}":
                link = self.link(f"/sys/class/fc_vports/{name}") or ""
                place = re.sub(r"^(\.\./)+", "/sys/", link).partition("/fc_vports/")[0]
                for child in self.entries(place):
                    for kind in ("fc_host", "scsi_host") if child.startswith("host") else ():
                        os.unlink(self.path(f"/sys/class/{kind}/{child}"))
                os.unlink(self.path(f"/sys/class/fc_vports/{name}"))
                shutil.rmtree(self.path(place))
                return
        raise OSError(errno.ENODEV, "No such device", parent)

    def _delete_device(self, hctl: str) -> None:
        place = Path(self.path(f"/sys/bus/scsi/devices/{hctl}"))
        for disk in place.glob("block/*"):
            for folder in ("block", "class/block", "dev/block"):
                for link in Path(self.path(f"/sys/{folder}")).iterdir():
                    if link.resolve() == disk.resolve():
                        link.unlink()
            for link in Path(self.path("/dev/disk/by-id")).iterdir():
                if os.readlink(link).rpartition("/")[2] == disk.name:
                    link.unlink()
        target = place.resolve()
        place.unlink()
        shutil.rmtree(target)


def behind_the_vhba(tree: Tree, *ways: tuple[int, int]) -> None:
    """Put disks of the recording, as (SCSI host, LUN), behind its vHBA: host 0's as target 0, host 1's as target 1."""
    text = json.dumps(tree)
    card = "pci0000:00/0000:00:05.0/virtio3/net/a/ctlr_0/host0"
    other = "pci0000:00/0000:00:06.0/virtio4/net/b/ctlr_1/host1"
    for number, lun in ways:
        old = f"{(card, other)[number]}/rport-{number}:0-1/target{number}:0:0/{number}:0:0:{lun}"
        new = f"{card}/vport-0:0-0/host2/rport-2:0-{number + 1}/target2:0:{number}/2:0:{number}:{lun}"
        assert f"{old}/" in text
        for end in ("/", '"'):
            text = text.replace(old + end, new + end)
            text = text.replace(f"/{number}:0:0:{lun}{end}", f"/2:0:{number}:{lun}{end}")
    tree.clear()
    tree.update(json.loads(text))
    for number in {number for number, _lun in ways}:
        _add_target(tree, f"rport-2:0-{number + 1}", f"/sys/devices/{card}/vport-0:0-0/host2", number)
    for path in list(tree):
        if path.endswith("/state") and "/vport-0:0-0/host2/rport" in path:
            for attribute in ("delete", "rescan"):
                tree[path.replace("/state", f"/{attribute}")] = ""


def _add_target(tree: Tree, name: str, host: str, target_id: int) -> None:
    place = f"{host}/{name}/fc_remote_ports/{name}"
    tree[f"/sys/class/fc_remote_ports/{name}"] = {"link": f"../..{place[len('/sys') :]}"}
    for attribute, text in {
        "port_name": f"0x2000525423993{target_id:03x}",
        "node_name": f"0x1000525423993{target_id:03x}",
        "port_state": "Online",
        "roles": "FCP Target",
        "scsi_target_id": str(target_id),
    }.items():
        tree[f"{place}/{attribute}"] = f"{text}\n"


@contextmanager
def kernel(name: str, root: Path, change: Callable[[Tree], None] | None = None) -> Iterator[KernelHost]:
    """Put up a recording whose parents can be written to; its vHBA "host2" is on "host0"."""

    def writable(tree: Tree) -> None:
        for path in list(tree):
            if path.endswith("/vport_create"):
                tree[path.replace("vport_create", "vport_delete")] = ""
        if change is not None:
            change(tree)

    with recorded(name, root, writable, KernelHost) as host:
        assert isinstance(host, KernelHost)
        yield host


def as_host(host: Host) -> KernelHost:
    assert isinstance(host, KernelHost)
    return host
