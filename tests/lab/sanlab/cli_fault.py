"""Commands that break things, and mend them."""

from __future__ import annotations

import argparse
from typing import Any

from . import faults, state, switches
from .config import FABRICS, Lab, Port, port_named
from .errors import LabError
from .fabric.client import FabricClient
from .output import add_json, print_json, print_table, say
from .sizes import parse_size


def _switch(lab: Lab, port: Port) -> FabricClient:
    return switches.client(lab, port.fabric)


def _link(lab: Lab, options: argparse.Namespace) -> None:
    with state.locked(lab):
        for name in options.ports:
            faults.set_link(lab, port_named(name), options.up)


def _port(lab: Lab, options: argparse.Namespace) -> None:
    for name in options.ports:
        _switch(lab, port_named(name)).port(name, options.up)


def _reject_logins(lab: Lab, options: argparse.Namespace) -> None:
    settings = {"kinds": options.kind or None, "count": options.count}
    if options.port is None:
        switches.on_all(lab, lambda switch: switch.reject_logins(options.state == "on", **settings))
    else:
        port = port_named(options.port)
        _switch(lab, port).reject_logins(options.state == "on", port=port.name, **settings)


def _npiv(lab: Lab, options: argparse.Namespace) -> None:
    for fabric in switches.fabrics_named(options.fabrics):
        switches.client(lab, fabric).npiv(options.state == "on")


def _vport_limit(lab: Lab, options: argparse.Namespace) -> None:
    if options.limit != "none" and not options.limit.isdecimal():
        raise LabError(f"{options.limit!r} is no limit: a number, or none")
    limit = None if options.limit == "none" else int(options.limit)
    if options.port is None:
        switches.on_all(lab, lambda switch: switch.vport_limit(limit))
    else:
        _switch(lab, port_named(options.port)).vport_limit(limit, options.port)


def _drop_fcp(lab: Lab, options: argparse.Namespace) -> None:
    _switch(lab, port_named(options.port)).drop_fcp(options.state == "on", port=options.port)


def _second_target(lab: Lab, options: argparse.Namespace) -> None:
    faults.set_second_target(lab, options.state == "on")


def _similar_target(lab: Lab, options: argparse.Namespace) -> None:
    faults.set_similar_target(lab, options.state == "on")


def _same_wwid(lab: Lab, options: argparse.Namespace) -> None:
    made = faults.same_wwid(lab, options.name, options.other, parse_size(options.size) if options.size else None)
    print_table(("NAME", "WWID"), [(made["name"], made["wwid"])])


def _duplicate_wwpn(lab: Lab, options: argparse.Namespace) -> None:
    with state.locked(lab):
        faults.duplicate_wwpn(lab, port_named(options.port), options.of, on=not options.off)
    if options.keep:
        _switch(lab, port_named(options.port)).duplicate_wwpn(options.keep)


def _list(lab: Lab, options: argparse.Namespace) -> None:
    found = faults.active(lab)
    if options.json:
        print_json(found)
    else:
        print_table(("FAULT", "WHERE"), [(kind, str(value)) for kind, value in found.items()])


def _clear(lab: Lab, _: argparse.Namespace) -> None:
    with state.locked(lab):
        faults.clear(lab)
    say("no faults")


def add_commands(commands: Any) -> None:
    fault = commands.add_parser("fault", help="break something")
    actions = fault.add_subparsers(metavar="FAULT", required=True)
    _add_links(actions)
    _add_fabric_faults(actions)
    _add_identity_faults(actions)
    parser = actions.add_parser("list", help="what is broken now")
    add_json(parser)
    parser.set_defaults(run=_list)
    parser = actions.add_parser("clear", help="mend everything")
    parser.set_defaults(run=_clear)


def _add_links(actions: Any) -> None:
    for name, run, up, what in (
        ("link-down", _link, False, "pull the cable of a port: FC and IP"),
        ("link-up", _link, True, "plug it again"),
        ("port-down", _port, False, "disable the port in the switch"),
        ("port-up", _port, True, "enable it again"),
    ):
        parser = actions.add_parser(name, help=what)
        parser.add_argument("ports", nargs="+", metavar="PORT", help="MACHINE:NIC, as kvm1:a")
        parser.set_defaults(run=run, up=up)


def _add_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("state", choices=("on", "off"))


def _add_fabric_faults(actions: Any) -> None:
    parser = actions.add_parser("reject-logins", help="the switch turns logins down")
    _add_state(parser)
    parser.add_argument("--port", help="of this port only; default everyone's")
    parser.add_argument("--kind", action="append", choices=("flogi", "fdisc", "plogi"), help="default all")
    parser.add_argument("--count", type=int, help="only so many")
    parser.set_defaults(run=_reject_logins)
    parser = actions.add_parser("npiv", help="fabric with or without NPIV; default on")
    _add_state(parser)
    parser.add_argument("fabrics", nargs="*", metavar="FABRIC", help=f"of {', '.join(FABRICS)}; default both")
    parser.set_defaults(run=_npiv)
    parser = actions.add_parser("vport-limit", help="how many virtual ports a switch port admits")
    parser.add_argument("limit", metavar="LIMIT", help="a number, or none")
    parser.add_argument("--port", help="of this port only; default every port")
    parser.set_defaults(run=_vport_limit)
    parser = actions.add_parser("drop-fcp", help="swallow SCSI frames while logins stay: a scan hangs")
    parser.add_argument("port", metavar="PORT")
    _add_state(parser)
    parser.set_defaults(run=_drop_fcp)
    parser = actions.add_parser("second-target", help="zone the array's second target of each fabric in, or out")
    _add_state(parser)
    parser.set_defaults(run=_second_target)


def _add_identity_faults(actions: Any) -> None:
    parser = actions.add_parser("same-wwid", help="make a LUN that claims the WWID of another")
    parser.add_argument("name", metavar="NAME", help="the LUN there is")
    parser.add_argument("other", metavar="OTHER", help="the LUN to make")
    parser.add_argument("size", nargs="?", metavar="SIZE", help="default that of the first")
    parser.set_defaults(run=_same_wwid)
    parser = actions.add_parser("similar-target", help="a second iSCSI target: the name of the first with a 0 behind")
    _add_state(parser)
    parser.set_defaults(run=_similar_target)
    parser = actions.add_parser("duplicate-wwpn", help="a virtual port that claims the WWPN of another port")
    parser.add_argument("port", metavar="PORT", help="the port to make it on, as kvm2:a")
    parser.add_argument("--of", required=True, metavar="PORT", help="a port or WWPN to claim, as kvm1:a")
    parser.add_argument(
        "--keep", choices=("first", "last"), help="which of the two the switch lets live; default first"
    )
    parser.add_argument("--off", action="store_true", help="remove it")
    parser.set_defaults(run=_duplicate_wwpn)
