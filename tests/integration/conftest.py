# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab and Ansible for the tests that run on real kernels.

The lab is judged by `tests/lab/lab`, which does not use the collection; the collection is run as
users run it, by `ansible` and `ansible-playbook`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tests" / "lab" / "lab"
INVENTORY = ROOT / "tests" / "lab" / "inventory.yml"
DEADLINE = 600
"""Seconds for one command of the lab."""
HOSTS = ("kvm1", "kvm2")
PORTALS = ("10.77.1.1", "10.77.2.1")
"""Of the array's iSCSI target."""
SCAN = (
    "for h in /sys/class/fc_host/host*; do echo '- - -' > /sys/class/scsi_host/${h##*/}/scan; done;"
    " udevadm settle --timeout=60; "
)
"""How a host is told by hand to look for LUNs by Fibre Channel, and then to make a map of one."""
MAP = "multipath -a {wwid} >/dev/null; multipathd add map {wwid} >/dev/null; udevadm settle --timeout=60; "


class Lab:
    """The lab's own commands."""

    def __call__(self, *args: str, fails: bool = False) -> str:
        """Run `tests/lab/lab ARGS...` and return what it printed; `fails`: it has to exit with an error."""
        done = subprocess.run([LAB, *args], capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert (done.returncode != 0) == fails, f"lab {' '.join(args)}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *args: str) -> Any:
        """Run a lab command with --json and return what it said."""
        return json.loads(self(*args, "--json"))

    def ssh(self, machine: str, command: str, fails: bool = False) -> str:
        """Run a shell command on a machine and return its output, stripped."""
        return self("ssh", machine, command, fails=fails).strip()

    def wwid(self, name: str) -> str:
        """Return the WWID hosts see for a LUN of the array."""
        return str(next(lun["wwid"] for lun in self.json("lun", "list") if lun["name"] == name))

    def iscsi_target(self) -> str:
        """Return the name of the array's iSCSI target."""
        return str(json.loads(self.ssh("array", "cat /etc/sanlab/target.json"))["iqn"])

    def provide(self, name: str, number: int, *map_args: str, size: str = "64M", hosts: tuple[str, ...] = HOSTS) -> str:
        """Create a LUN, map it to hosts as `number`, and return its WWID."""
        return self.provide_all({name: number}, *map_args, size=size, hosts=hosts)[name]

    def provide_all(
        self, luns: dict[str, int], *map_args: str, size: str = "64M", hosts: tuple[str, ...] = HOSTS
    ) -> dict[str, str]:
        """Create LUNs, map them to hosts under their numbers, and return their WWIDs by name."""
        self("lun", "create", *[word for name in luns for word in (name, size)])
        pairs = [word for name, number in luns.items() for word in (name, str(number))]
        self("lun", "map", *pairs, *[word for host in hosts for word in ("--host", host)], *map_args)
        return {lun["name"]: lun["wwid"] for lun in self.json("lun", "list") if lun["name"] in luns}

    def attach(self, machine: str, *wwids: str) -> None:
        """Have a machine find LUNs by Fibre Channel and make maps of them, without the collection."""
        self.ssh(machine, SCAN + "".join(MAP.format(wwid=wwid) for wwid in wwids))

    def devices(self, machine: str) -> str:
        """Return the state of the kernel's devices, to compare before and after something that must not change it."""
        return self.ssh(
            machine,
            "cd /sys/class/scsi_device && grep -s . */device/wwid */device/state; cat /proc/partitions; dmsetup table;"
            " ls /sys/class/fc_host; find /etc/multipath /etc/virt-san /etc/lvm -type f -exec md5sum {} + 2>/dev/null;"
            " true",
        )


@dataclass
class Run:
    """What a run of Ansible did."""

    code: int
    output: str
    entries: list[dict[str, Any]] = field(default_factory=list)

    def results(self, host: str, task: str = "") -> list[dict[str, Any]]:
        """Return the results of the tasks whose name contains `task`, without skipped ones."""
        return [
            entry["result"]
            for entry in self.entries
            if entry["host"] == host and task in entry["task"] and entry["outcome"] not in ("stats", "skipped")
        ]

    def __getitem__(self, host: str) -> dict[str, Any]:
        """Return the last task's result on a host."""
        return self.results(host)[-1]

    def stats(self, host: str) -> dict[str, int]:
        """Return a playbook's recap of a host: ok, changed, failures, unreachable, ..."""
        return next(entry["result"] for entry in self.entries if entry["outcome"] == "stats" and entry["host"] == host)


class Ansible:
    """Runs `ansible` and `ansible-playbook` on the lab's inventory."""

    def __init__(self, folder: Path, deadline: float) -> None:
        self.folder = folder
        self.runs = 0
        self.deadline = deadline
        """Seconds for one run."""

    def start(self, *argv: str) -> Callable[[], Run]:
        """Start a run and return a function that waits for it."""
        self.runs += 1
        results = self.folder / f"results-{self.runs}.jsonl"
        results.touch()
        env = {
            **os.environ,
            "VIRT_SAN_RESULTS": str(results),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/integration/callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "results_json",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/links"),
        }
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=env,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

        def wait() -> Run:
            try:
                output, _none = process.communicate(timeout=self.deadline)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _none = process.communicate()
                pytest.fail(f"{' '.join(argv)}: not finished after {self.deadline:g} s:\n{output}")
            return Run(process.returncode, output, [json.loads(line) for line in results.read_text().splitlines()])

        return wait

    def module(self, hosts: str, module: str, fails: bool = False, flags: tuple[str, ...] = (), **options: Any) -> Run:
        """Run a module of the collection ad hoc; `fails`: it has to fail on some host."""
        run = self.start_module(hosts, module, flags, **options)()
        assert (run.code != 0) == fails, run.output
        return run

    def start_module(self, hosts: str, module: str, flags: tuple[str, ...] = (), **options: Any) -> Callable[[], Run]:
        """Start a module ad hoc and return a function that waits for it."""
        call = ["-m", f"virt.san.{module}", *(["-a", json.dumps(options)] if options else [])]
        return self.start("ansible", "-i", str(INVENTORY), hosts, *call, *flags)

    def playbook(self, playbook: str | Path, fails: bool = False, flags: tuple[str, ...] = (), **variables: Any) -> Run:
        """Run a playbook with extra variables; `fails`: some host has to fail."""
        argv = ["ansible-playbook", "-i", str(INVENTORY), str(playbook), "-e", json.dumps(variables), *flags]
        run = self.start(*argv)()
        assert (run.code != 0) == fails, run.output
        return run


@pytest.fixture(scope="session")
def running_lab() -> Iterator[Lab]:
    """Return the lab; it has to be up. At the end it is without LUNs and faults."""
    lab = Lab()
    lab("status")
    yield lab
    lab("clean")


@pytest.fixture(scope="module")
def lab(running_lab: Lab) -> Lab:
    """Return a lab without LUNs and faults, whatever the tests before left."""
    running_lab("clean")
    return running_lab


PATIENCE = 900
"""Seconds after which a test here counts as hung, what its module prepares included: on a slow computer an emulated
machine takes three times as long as on a good one.
"""
SPARE = 30
"""Seconds by which a run of Ansible ends before its test counts as hung, so that what it printed is told."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test the time above, unless it says itself how long it may take."""
    if item.get_closest_marker("timeout") is None:
        item.add_marker(pytest.mark.timeout(PATIENCE))


@pytest.fixture(autouse=True)
def deadline(request: pytest.FixtureRequest, ansible: Ansible) -> None:
    """Give runs of Ansible the time that their test has. What a module prepares before its first test has the usual."""
    ansible.deadline = request.node.get_closest_marker("timeout").args[0] - SPARE


@pytest.fixture(scope="session")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """Return a way to run Ansible on the lab."""
    return Ansible(tmp_path_factory.mktemp("ansible"), PATIENCE - SPARE)


LVM_CONF = "/etc/lvm/lvmlocal.conf"


@pytest.fixture(scope="module")
def lvm_conf(lab: Lab) -> Iterator[None]:
    """Have LVM's own file be as it was in the end: volume groups of pools write the hosts' system ID there."""
    for host in HOSTS:
        lab.ssh(host, f"cp -a {LVM_CONF} {LVM_CONF}.test")
    yield
    for host in HOSTS:
        lab.ssh(host, f"mv {LVM_CONF}.test {LVM_CONF}; rm -rf /etc/lvm/devices")


# What several files of tests have on the array


@pytest.fixture(scope="module")
def guests(lab: Lab) -> dict[str, dict[str, str]]:
    """For each host the WWNs of a virtual HBA, and the WWID of a LUN that is mapped and zoned to that alone."""
    wwns = {host: (f"5001a4a00000b{number}1f", f"5001a4a00000b{number}10") for number, host in enumerate(HOSTS)}
    lab("lun", "create", *[word for host in HOSTS for word in (f"pool-{host}", "64M")])
    for host, (wwpn, _wwnn) in wwns.items():
        lab("lun", "map", f"pool-{host}", "27", "--initiator", wwpn, "--target", "a")
        lab("zone", "set", f"pool-{host}", wwpn, "array:a")
    return {host: {"wwpn": wwns[host][0], "wwnn": wwns[host][1], "wwid": lab.wwid(f"pool-{host}")} for host in HOSTS}


@pytest.fixture(scope="module")
def target(lab: Lab) -> Iterator[str]:
    """The array's target, with two LUNs for both hosts."""
    lab.provide_all({"by27": 27, "by28": 28}, "--via", "iscsi")
    yield lab.iscsi_target()
    lab("chap")
