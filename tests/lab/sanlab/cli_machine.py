"""Commands about machines and the lab as a whole."""

from __future__ import annotations

import argparse
import os
from typing import Any

from . import console, host_setup, hosts, machine, power, remote, state
from .config import FABRICS, HOSTS, MACHINES, Lab, hosts_named, machine_named, machines_named
from .errors import LabError
from .faults import active
from .output import add_json, print_json, print_table, say
from .recipe import RELEASES

Commands = Any  # argparse keeps the type of its sub-parsers to itself


def _setup(_: Lab, __: argparse.Namespace) -> None:
    host_setup.install(say)


def _build(lab: Lab, options: argparse.Namespace) -> None:
    host_setup.require()
    if unknown := [name for name in options.releases if name not in RELEASES]:
        raise LabError(f"no image is called {unknown[0]!r}; there are: {', '.join(RELEASES)}")
    for image in power.build(lab, options.releases or list(RELEASES)):
        print(image.directory)


def _up(lab: Lab, options: argparse.Namespace) -> None:
    host_setup.require()
    power.up(lab, machines_named(options.names), say)


def _down(lab: Lab, _: argparse.Namespace) -> None:
    power.down(lab, say)


def _reset(lab: Lab, options: argparse.Namespace) -> None:
    power.reset(lab, machines_named(options.names), say)


def _reboot(lab: Lab, options: argparse.Namespace) -> None:
    power.reboot(lab, _running(lab, options.names), say)


def _crash(lab: Lab, options: argparse.Namespace) -> None:
    power.crash(lab, _running(lab, options.names), options.wait, say)


def _running(lab: Lab, names: list[str]) -> list[Any]:
    for name in names:
        if not machine.is_running(lab, machine_named(name).name):
            raise LabError(f"{name} is not running: lab up {name}")
    return machines_named(names)


def _clean(lab: Lab, options: argparse.Namespace) -> None:
    with state.locked(lab):
        report = hosts.clean(lab)
    if options.json:
        print_json(report)
    else:
        say(f"clean, {report['luns_removed']} LUNs removed")


def _status(lab: Lab, options: argparse.Namespace) -> int:
    found = power.status(lab)
    if options.json:
        print_json(found)
    else:
        rows = [
            (
                name,
                "running" if each["running"] else "stopped",
                str(each["ssh_port"] or "-"),
                " ".join(each["addresses"]),
            )
            for name, each in found["machines"].items()
        ]
        rows += [(f"fabric {n}", "running" if f["running"] else "stopped", "", "") for n, f in found["fabrics"].items()]
        print_table(("NAME", "STATE", "SSH", "ADDRESSES"), rows)
        for kind, value in active(lab).items() if any(machine.is_running(lab, name) for name in MACHINES) else []:
            print(f"fault {kind}: {value}")
    up = all(machine.is_running(lab, name) for name in MACHINES)
    return 0 if up and all(found["fabrics"][fabric]["running"] for fabric in FABRICS) else 3


def _ssh(lab: Lab, options: argparse.Namespace) -> None:
    command = remote.ssh_command(lab, machine_named(options.name).name) + options.command
    os.execvp(command[0], command)


def _console(lab: Lab, options: argparse.Namespace) -> None:
    name = machine_named(options.name).name
    log = lab.logs / f"{name}.console.log"
    if options.log:
        print(log.read_text(errors="replace") if log.exists() else "", end="")
    else:
        console.attach(lab.runtime / f"{name}.console")


def _iscsi_login(lab: Lab, options: argparse.Namespace) -> None:
    report = hosts.iscsi_login(lab, hosts_named(options.hosts), options.manual_scan)
    print_json(report) if options.json else say(f"logged in: {', '.join(report)}")


def _iscsi_logout(lab: Lab, options: argparse.Namespace) -> None:
    report = hosts.iscsi_logout(lab, hosts_named(options.hosts))
    print_json(report) if options.json else say(f"logged out: {', '.join(report)}")


def add_commands(commands: Commands) -> None:
    _add_lab(commands)
    _add_machines(commands)
    _add_iscsi(commands)


def _add_lab(commands: Commands) -> None:
    parser = commands.add_parser("setup", help="install what this computer needs, by apt")
    parser.set_defaults(run=_setup)
    parser = commands.add_parser("build", help="build the images that are not in the cache")
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help=" or ".join(RELEASES))
    parser.set_defaults(run=_build)
    parser = commands.add_parser("up", help="start what is not running, on fresh disks, and wait until it is ready")
    _add_names(parser)
    parser.set_defaults(run=_up)
    parser = commands.add_parser("down", help="stop everything that this lab started")
    parser.set_defaults(run=_down)
    parser = commands.add_parser("clean", help="no LUNs, no faults, default zones, nothing of the SAN on the hosts")
    add_json(parser)
    parser.set_defaults(run=_clean)
    parser = commands.add_parser("status", help="what runs; exit code 3 unless everything does")
    add_json(parser)
    parser.set_defaults(run=_status)


def _add_names(parser: argparse.ArgumentParser, count: str = "*") -> None:
    parser.add_argument("names", nargs=count, metavar="NAME", help=f"of {', '.join(MACHINES)}")


def _add_machines(commands: Commands) -> None:
    parser = commands.add_parser("reset", help="fresh disks and a boot, for the machines named or all")
    _add_names(parser)
    parser.set_defaults(run=_reset)
    parser = commands.add_parser("reboot", help="reboot and wait until ssh and FC ports are back; disks stay")
    _add_names(parser, "+")
    parser.set_defaults(run=_reboot)
    parser = commands.add_parser("crash", help="hard reset, without warning; disks stay")
    _add_names(parser, "+")
    parser.add_argument("--wait", action="store_true", help="wait until the machine is back")
    parser.set_defaults(run=_crash)
    parser = commands.add_parser("ssh", help="a shell or a command on a machine")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD")
    parser.set_defaults(run=_ssh)
    parser = commands.add_parser("console", help="the serial console: Enter for a shell, Ctrl-] leaves")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--log", action="store_true", help="print what it said so far")
    parser.set_defaults(run=_console)


def _add_iscsi(commands: Commands) -> None:
    names = ", ".join(host.name for host in HOSTS)
    for command, run, what in (
        ("iscsi-login", _iscsi_login, "log hosts in at both portals of the array, also at boot"),
        ("iscsi-logout", _iscsi_logout, "log hosts out and forget the target"),
    ):
        parser = commands.add_parser(command, help=what)
        parser.add_argument("hosts", nargs="*", metavar="HOST", help=f"of {names}; default all")
        if run is _iscsi_login:
            parser.add_argument("--manual-scan", action="store_true", help="no LUN comes in by the login itself")
        add_json(parser)
        parser.set_defaults(run=run)
