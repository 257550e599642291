"""Commands about LUNs."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from . import array
from .config import ARRAY, HOSTS, Lab
from .errors import LabError
from .output import add_json, print_json, print_table
from .sizes import parse_size, show_size


def pairs(words: list[str], what: str) -> list[tuple[str, str]]:
    """NAME VALUE NAME VALUE... as pairs."""
    if len(words) % 2:
        raise LabError(f"expected NAME {what} [NAME {what}...], got {len(words)} words")
    return list(zip(words[::2], words[1::2], strict=True))


def _create(lab: Lab, options: argparse.Namespace) -> None:
    operations: list[array.Operation] = []
    for name, size in pairs(options.luns, "SIZE"):
        array.check_name(name)
        operations.append(("create", {"name": name, "size": parse_size(size), "wwn_of": options.wwn_of}))
    made = array.call(lab, operations)
    if options.json:
        print_json(made)
    else:
        print_table(("NAME", "WWID"), [(lun["name"], lun["wwid"]) for lun in made])


def _delete(lab: Lab, options: argparse.Namespace) -> None:
    array.call(lab, [("delete", {"name": name}) for name in options.names])


def _resize(lab: Lab, options: argparse.Namespace) -> None:
    luns = [(name, parse_size(size)) for name, size in pairs(options.luns, "SIZE")]
    array.call(lab, [("resize", {"name": name, "size": size}) for name, size in luns])


def _map(lab: Lab, options: argparse.Namespace) -> None:
    luns = []
    for name, number in pairs(options.luns, "NUMBER"):
        if not number.isdecimal() or int(number) > 16383:
            raise LabError(f"{number!r} is no LUN number: 0 to 16383")
        luns.append((name, int(number)))
    array.map_luns(lab, luns, array.reach(lab, options.host, options.initiator, options.via, options.target))


def _unmap(lab: Lab, options: argparse.Namespace) -> None:
    removed = array.unmap_luns(lab, options.names, options.host, options.initiator, options.target)
    print(f"{removed} mappings removed")


def _list(lab: Lab, options: argparse.Namespace) -> None:
    luns = array.list_luns(lab)
    if options.json:
        print_json(luns)
        return
    rows = []
    for lun in luns:
        mappings: dict[tuple[str, int], list[str]] = {}
        for mapping in lun["mappings"]:
            owner = mapping["host"] or mapping["initiator"]
            mappings.setdefault((owner, mapping["lun"]), []).append(mapping["target"])
        text = " ".join(f"{owner}={number}({','.join(targets)})" for (owner, number), targets in mappings.items())
        rows.append((lun["name"], show_size(lun["size"]), lun["wwid"], text or "-"))
    print_table(("NAME", "SIZE", "WWID", "MAPPED AS"), rows)


def _write(lab: Lab, options: argparse.Namespace) -> None:
    data = bytes.fromhex(options.pattern) if options.hex else options.pattern.encode()
    array.call(lab, [("write", {"name": options.name, "offset": parse_size(options.offset), "data": data.hex()})])


def _read(lab: Lab, options: argparse.Namespace) -> None:
    place = {"offset": parse_size(options.offset), "length": parse_size(options.length)}
    data = bytes.fromhex(array.call(lab, [("read", {"name": options.name, **place})])[0])
    if options.hex:
        print(data.hex())
    else:
        sys.stdout.buffer.write(data)
        if sys.stdout.isatty():
            print()


def _chap(lab: Lab, options: argparse.Namespace) -> None:
    """Names and passwords are a lab's: they may be seen."""
    if bool(options.user) != bool(options.password) or bool(options.mutual_user) != bool(options.mutual_password):
        raise LabError("a user needs a password, and a password a user")
    if options.discovery and not options.user:
        raise LabError("--discovery needs a user; without any option neither login nor discovery asks for one")
    arguments = {
        "user": options.user,
        "password": options.password,
        "mutual_user": options.mutual_user or "",
        "mutual_password": options.mutual_password or "",
        "discovery": options.discovery,
    }
    array.call(lab, [("chap", arguments)])


def add_commands(commands: Any) -> None:
    lun = commands.add_parser("lun", help="the array's LUNs, without the collection")
    actions = lun.add_subparsers(metavar="ACTION", required=True)
    _add_volumes(actions)
    _add_mappings(actions)
    _add_contents(actions)
    parser = commands.add_parser("chap", help="have iSCSI logins ask for a password; without --user no longer")
    for option in ("--user", "--password", "--mutual-user", "--mutual-password"):
        parser.add_argument(option)
    parser.add_argument("--discovery", action="store_true", help="at discovery, not at login")
    parser.set_defaults(run=_chap)


def _add_volumes(actions: Any) -> None:
    parser = actions.add_parser("create", help="make LUNs, thin")
    parser.add_argument("luns", nargs="+", metavar="NAME SIZE", help="several pairs are made in one go")
    parser.add_argument("--wwn-of", metavar="OTHER", help="with the WWID of another LUN")
    add_json(parser)
    parser.set_defaults(run=_create)
    parser = actions.add_parser("delete", help="delete LUNs, mapped or not")
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.set_defaults(run=_delete)
    parser = actions.add_parser("resize", help="grow or shrink LUNs; hosts are not told")
    parser.add_argument("luns", nargs="+", metavar="NAME SIZE")
    parser.set_defaults(run=_resize)
    parser = actions.add_parser("list", help="LUNs, WWIDs, mappings")
    add_json(parser)
    parser.set_defaults(run=_list)


def _add_reach(parser: argparse.ArgumentParser, default: str) -> None:
    hosts, targets = ", ".join(host.name for host in HOSTS), ", ".join(port.nic for port in ARRAY.ports)
    parser.add_argument("--host", action="append", default=[], help=f"of {hosts}; can be repeated; default {default}")
    parser.add_argument("--initiator", action="append", default=[], help="a WWPN (of a vHBA), a port or an IQN")
    parser.add_argument("--target", action="append", default=[], help=f"FC target, of {targets}; can be repeated")


def _add_mappings(actions: Any) -> None:
    parser = actions.add_parser("map", help="map LUNs under a number")
    parser.add_argument("luns", nargs="+", metavar="NAME NUMBER", help="several pairs are mapped in one go")
    _add_reach(parser, "all hosts")
    parser.add_argument("--via", choices=(array.FC, array.ISCSI), default=array.FC)
    parser.set_defaults(run=_map)
    parser = actions.add_parser("unmap", help="remove mappings, of everyone or of those named")
    parser.add_argument("names", nargs="+", metavar="NAME")
    _add_reach(parser, "everyone")
    parser.set_defaults(run=_unmap)


def _add_contents(actions: Any) -> None:
    parser = actions.add_parser("write", help="write on the backing volume, past all caches")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("offset", metavar="OFFSET")
    parser.add_argument("pattern", metavar="PATTERN")
    parser.add_argument("--hex", action="store_true", help="the pattern is given in hexadecimal")
    parser.set_defaults(run=_write)
    parser = actions.add_parser("read", help="read from the backing volume, past all caches")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("offset", metavar="OFFSET")
    parser.add_argument("length", metavar="LENGTH")
    parser.add_argument("--hex", action="store_true", help="print hexadecimal")
    parser.set_defaults(run=_read)
