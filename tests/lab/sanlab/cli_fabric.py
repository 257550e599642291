"""Commands about the fabrics: the switches and their zones."""

from __future__ import annotations

import argparse
from typing import Any

from . import state, switches
from .config import FABRICS, Lab
from .errors import LabError
from .output import add_json, print_json, print_table, say


def _status(lab: Lab, options: argparse.Namespace) -> None:
    found = {
        fabric: switches.client(lab, fabric).status() if switches.is_running(lab, fabric) else None
        for fabric in switches.fabrics_named(options.fabrics)
    }
    if options.json:
        print_json(found)
        return
    rows = []
    for fabric, status in found.items():
        if status is None:
            rows.append((fabric, "stopped", "", "", ""))
            continue
        for port in status["ports"]:
            link = "up" if port["up"] and port["link"] else "down"
            logins = port["logins"] or [{"wwpn": "-", "fcid": "-"}]
            rows += [(fabric, port["port"], link, login["wwpn"], str(login.get("fcid", ""))) for login in logins]
    print_table(("FABRIC", "PORT", "LINK", "WWPN", "FCID"), rows)


def _start(lab: Lab, options: argparse.Namespace) -> None:
    with state.locked(lab):
        for fabric in switches.fabrics_named(options.fabrics):
            switches.start(lab, fabric)


def _stop(lab: Lab, options: argparse.Namespace) -> None:
    with state.locked(lab):
        for fabric in switches.fabrics_named(options.fabrics):
            say(f"fabric {fabric} {'stopped' if switches.stop(lab, fabric) else 'was not running'}")


def _restart(lab: Lab, options: argparse.Namespace) -> None:
    with state.locked(lab):
        for fabric in switches.fabrics_named(options.fabrics):
            switches.stop(lab, fabric)
            switches.start(lab, fabric)


def _zone_list(lab: Lab, options: argparse.Namespace) -> None:
    found = switches.zones(lab)
    if options.json:
        print_json(found)
    else:
        rows = [(zone["fabric"], zone["zone"], " ".join(zone["members"])) for zone in found]
        print_table(("FABRIC", "ZONE", "MEMBERS"), rows)


def _zone_set(lab: Lab, options: argparse.Namespace) -> None:
    fabrics = [options.fabric] if options.fabric else sorted(switches.fabric_of_members(lab, options.members))
    if len(fabrics) != 1:
        raise LabError(f"the members do not tell one fabric ({', '.join(fabrics) or 'none'}); say --fabric")
    changed = switches.set_zone(lab, fabrics[0], options.name, options.members)
    say(f"fabric {fabrics[0]}, zone {options.name}: {'changed' if changed else 'as it was'}")


def _zone_delete(lab: Lab, options: argparse.Namespace) -> None:
    holding = [zone["fabric"] for zone in switches.zones(lab) if zone["zone"] == options.name]
    if not holding:
        raise LabError(f"no fabric has a zone {options.name!r}; see: lab zone list")
    for fabric in holding:
        switches.client(lab, fabric).zone_delete(options.name)


def _zone_default(lab: Lab, options: argparse.Namespace) -> None:
    for fabric in switches.fabrics_named(options.fabrics):
        switches.set_default_zones(lab, fabric)


def _zone_clear(lab: Lab, options: argparse.Namespace) -> None:
    for fabric in switches.fabrics_named(options.fabrics):
        switches.client(lab, fabric).zone_clear()


def _add_fabrics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fabrics", nargs="*", metavar="FABRIC", help=f"of {', '.join(FABRICS)}; default both")


def add_commands(commands: Any) -> None:
    fabric = commands.add_parser("fabric", help="the two switches").add_subparsers(metavar="ACTION", required=True)
    for name, run, what in (
        ("status", _status, "ports and logins"),
        ("start", _start, "start a switch; zones and faults of its last run come back"),
        ("stop", _stop, "stop a switch, as if it lost power"),
        ("restart", _restart, "stop and start"),
    ):
        parser = fabric.add_parser(name, help=what)
        _add_fabrics(parser)
        if run is _status:
            add_json(parser)
        parser.set_defaults(run=run)
    _add_zones(commands)


def _add_zones(commands: Any) -> None:
    zone = commands.add_parser("zone", help="who sees whom; nobody sees anybody without a zone")
    actions = zone.add_subparsers(metavar="ACTION", required=True)
    parser = actions.add_parser("list", help="all zones")
    add_json(parser)
    parser.set_defaults(run=_zone_list)
    parser = actions.add_parser("set", help="make or change a zone")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("members", nargs="+", metavar="MEMBER", help="a port (kvm1:a) or a WWPN")
    parser.add_argument("--fabric", choices=FABRICS, help="needed where no member is a port of the lab")
    parser.set_defaults(run=_zone_set)
    parser = actions.add_parser("delete", help="delete a zone")
    parser.add_argument("name", metavar="NAME")
    parser.set_defaults(run=_zone_delete)
    for name, run, what in (
        ("default", _zone_default, "one zone per host: its port and the array's first target"),
        ("clear", _zone_clear, "delete all zones"),
    ):
        parser = actions.add_parser(name, help=what)
        _add_fabrics(parser)
        parser.set_defaults(run=run)
