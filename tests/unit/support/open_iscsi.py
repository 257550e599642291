# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""open-iscsi on a tree of files: records, sessions, and portals that answer or do not.

Records are written as open-iscsi writes them, below the root that a distribution has. An argument that is a password
is a failed test.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Lock

from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import (
    Chap,
    Portal,
    Problem,
    edit_record,
    parse_portal,
    parse_record,
)
from ansible_collections.virt.san.tests.unit.support.kernel import Timer

TARGET = "iqn.2025-01.test.array:vol1"
ONE, TWO = Portal("10.77.1.1"), Portal("10.77.2.1")
SECRET, MUTUAL = "secret-of-host-1", "secret-of-array"
CHAP = Chap("host1", SECRET, "array1", MUTUAL)
OWN_NAME = "iqn.2025-01.test.host:1"
"""Of the host."""
FIELDS = ("username", "password", "username_in", "password_in")

_DEFAULTS = """\
# BEGIN RECORD 2.1.8
node.name = {target}
node.tpgt = {tpgt}
node.startup = manual
node.leading_login = No
iface.iscsi_ifacename = {interface}
iface.transport_name = tcp
node.discovery_type = static
node.session.initial_login_retry_max = 8
node.session.auth.authmethod = None
node.session.timeo.replacement_timeout = 120
node.session.scan = auto
node.conn[0].address = {address}
node.conn[0].port = {port}
node.conn[0].startup = manual
node.conn[0].timeo.login_timeout = 15
node.conn[0].timeo.noop_out_interval = 5
node.conn[0].timeo.noop_out_timeout = 5
# END RECORD
"""


@dataclass
class Array:
    """What is at the other end."""

    targets: dict[Portal, list[str]] = field(default_factory=lambda: {ONE: [TARGET], TWO: [TARGET]})
    silent: set[Portal] = field(default_factory=set)
    chap: Chap | None = None
    discovery_chap: Chap | None = None
    login_codes: dict[Portal, int] = field(default_factory=dict)
    admitted: set[str] | None = None
    """Initiator names; None: whoever comes."""
    state: str = "LOGGED_IN"
    """Of new sessions."""


class OpenIscsi:
    """A host with open-iscsi. `calls` holds what iscsiadm and systemctl were asked."""

    def __init__(self, root: Path, place: str = "/etc/iscsi") -> None:
        self.root, self.place = root, place
        self.array = Array()
        self.calls: list[list[str]] = []
        self.others: Callable[[Sequence[str], float, str | None], Completed] | None = None
        """Who answers all other commands."""
        self.enabled = True
        self.seen_in_records: list[str] = []
        """Discovery records at the moment of each discovery."""
        self.number = 0
        self.counting = Lock()
        timer = Timer()
        self.host = Host(str(root), self.run, timer.clock)
        for folder in (f"{place}/", "/run/systemd/system", "/sys/class/iscsi_session", "/sys/class/iscsi_connection"):
            Path(f"{root}{folder}").mkdir(parents=True, exist_ok=True)
        initiator = Path(f"{root}/etc/iscsi/initiatorname.iscsi")
        initiator.parent.mkdir(parents=True, exist_ok=True)
        initiator.write_text(f"InitiatorName={OWN_NAME}\n", encoding="utf-8")

    def changes(self) -> list[str]:
        """Return what was asked that changes something, in short."""
        words = ("new", "delete", "--login", "--logout", "enable")
        return [next(word for word in words if word in call) for call in self.calls if set(words) & set(call)]

    def files(self) -> dict[str, str]:
        """Return all files of the database and of /run, with their contents."""
        tops = [Path(f"{self.root}{top}") for top in ("/etc/iscsi", "/var/lib/iscsi", "/run")]
        return {str(path): path.read_text() for top in tops for path in top.rglob("*") if path.is_file()}

    def knock(self, portal: Portal, _deadline: float) -> Problem | None:
        return Problem("unreachable", f"no TCP connection to {portal}") if portal in self.array.silent else None

    # Commands

    def run(self, argv: Sequence[str], deadline: float, stdin: str | None = None) -> Completed:
        assert not {SECRET, MUTUAL} & set(" ".join(argv).split()), "a password among the arguments"
        if argv[0] not in ("iscsiadm", "systemctl"):
            assert self.others is not None, argv
            return self.others(argv, deadline, stdin)
        self.calls.append(list(argv))
        code, out = self._systemctl(argv) if argv[0] == "systemctl" else self._iscsiadm(list(argv))
        return Completed(tuple(argv), code, out, "")

    def _systemctl(self, argv: Sequence[str]) -> tuple[int, str]:
        if argv[1] == "enable":
            self.enabled = True
            return 0, ""
        assert argv[1] == "show"
        known = argv[-1] == "iscsi.service"
        return 0, f"LoadState={'loaded' if known else 'not-found'}\nActiveState=inactive\nUnitFileState=" + (
            "enabled\n" if known and self.enabled else "disabled\n"
        )

    def _iscsiadm(self, argv: list[str]) -> tuple[int, str]:
        options = dict(pairwise(argv))
        if argv[2] == "iface":
            return self._iface(options["-I"], options["-o"], options)
        if argv[2] == "discoverydb":
            return self._discover(parse_portal(options["-p"]), options["-I"])
        if argv[2] == "session":
            return self._log_out(int(options["-r"]))
        if "-T" not in options:
            return self._list()
        where, _comma, tpgt = options["-p"].partition(",")
        target, portal, interface = options["-T"], parse_portal(where), options["-I"]
        if "--login" in argv:
            return self._log_in(target, portal, interface)
        if options["-o"] == "new":
            old = Path(f"{self.root}{self.place}/nodes/{target}/{portal.address},{portal.port}")
            assert self._find(target, portal, interface) == old or not old.is_file(), "another iface's would be dropped"
            name = self.iface(interface).get("iface.initiatorname")
            self.record(target, portal, tpgt, interface, **({"iface.initiatorname": name} if name else {}))
            return 0, f"New iSCSI node [tcp:[hw=,ip=,net_if=,iscsi_if={interface}] {portal},{tpgt} {target}] added\n"
        assert options["-o"] == "delete"
        found = self._find(target, portal, interface)
        if found is None:
            return 21, ""
        found.unlink()
        for folder in found.parents[:2]:
            if not any(folder.iterdir()):
                folder.rmdir()
        return 0, ""

    def iface(self, name: str) -> dict[str, str]:
        """Return what is recorded of an iface; one that there is none of is a failed test."""
        return {} if name == "default" else parse_record(self._iface_path(name).read_text())

    def ifaces(self) -> list[str]:
        return sorted(path.name for path in self._iface_path("").glob("*"))

    def _iface_path(self, name: str) -> Path:
        return Path(f"{self.root}{self.place}/ifaces/{name}")

    def _iface(self, name: str, work: str, options: dict[str, str]) -> tuple[int, str]:
        path = self._iface_path(name)
        if work == "new":
            self.add_iface(name)
        elif work == "update":
            assert options["-n"] == "iface.initiatorname"
            path.write_text(edit_record(path.read_text(), {options["-n"]: options["-v"]}))
        else:
            assert work == "delete"
            used = Path(f"{self.root}{self.place}/nodes").glob(f"*/*/{name}")
            assert not list(used), "open-iscsi would remove these records as well"
            path.unlink()
        return 0, ""

    def add_iface(self, name: str, **values: str) -> None:
        """Make an iface."""
        path = self._iface_path(name)
        path.parent.mkdir(exist_ok=True)
        said = {"iscsi_ifacename": name, "transport_name": "tcp", **values}
        lines = [f"iface.{key} = {value}\n" for key, value in said.items()]
        path.write_text(f"# BEGIN RECORD 2.1.8\n{''.join(lines)}# END RECORD\n")

    def record(self, target: str, portal: Portal, tpgt: str, interface: str = "default", **values: str) -> Path:
        """Make a record: a file for the iface or, without a portal group, one for the portal."""
        folder = Path(f"{self.root}{self.place}/nodes/{target}")
        name = f"{portal.address},{portal.port}"
        path = folder / f"{name},{tpgt}/{interface}" if tpgt else folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = _DEFAULTS.format(
            target=target, tpgt=tpgt or -1, interface=interface, address=portal.address, port=portal.port
        )
        for key, value in values.items():
            text = text.replace("# END", f"{key} = {value}\n# END")
        path.write_text(text, encoding="utf-8")
        return path

    def _find(self, target: str, portal: Portal, interface: str) -> Path | None:
        folder = Path(f"{self.root}{self.place}/nodes/{target}")
        name = f"{portal.address},{portal.port}"
        old = [path for path in folder.glob(name) if path.is_file()]
        named = (path for path in old if f"iface.iscsi_ifacename = {interface}\n" in path.read_text())
        found = [*folder.glob(f"{name},*/{interface}"), *named]
        return found[0] if found else None

    def _list(self) -> tuple[int, str]:
        lines = []
        for path in Path(f"{self.root}{self.place}/nodes").glob("*/*"):
            address, port, *tpgt = path.name.split(",")
            lines.append(f"{Portal(address, int(port))},{tpgt[0] if tpgt else 0} {path.parent.name}\n")
        return (0, "".join(lines)) if lines else (21, "")

    def _admits(self, initiator: str | None) -> bool:
        return self.array.admitted is None or (initiator or OWN_NAME).lower() in self.array.admitted

    def _discover(self, portal: Portal, interface: str) -> tuple[int, str]:
        if portal in self.array.silent:
            return 4, ""
        kept = Path(f"{self.root}{self.place}/send_targets/{portal.address},{portal.port}/st_config")
        text = kept.read_text() if kept.exists() else ""
        self.seen_in_records.append(text)
        said = parse_record(text)
        wanted = self.array.discovery_chap
        if wanted and said.get("discovery.sendtargets.auth.password") != wanted.password:
            return 24, ""
        if not self._admits(self.iface(interface).get("iface.initiatorname")):
            return 21, ""
        told = self.array.targets.get(portal, [])
        found = [f"{one},1 {name}\n" for name in told for one, names in self.array.targets.items() if name in names]
        return (0, "".join(found)) if found else (21, "")

    def _log_in(self, target: str, portal: Portal, interface: str) -> tuple[int, str]:
        path = self._find(target, portal, interface)
        if path is None:
            return 21, ""
        said = parse_record(path.read_text())
        if portal in self.array.login_codes:
            return self.array.login_codes[portal], ""
        if target not in self.array.targets.get(portal, ()):
            return 19, ""
        initiator = said.get("iface.initiatorname")
        if not self._admits(initiator):
            return 24, ""
        if self.array.chap:
            wanted = [getattr(self.array.chap, name) for name in _CHAP_FIELDS]
            if [said.get(f"node.session.auth.{name}") for name in FIELDS] != wanted:
                return 24, ""
        self.session(target, portal, interface, name=initiator or OWN_NAME)
        return 0, ""

    # What the kernel shows

    def session(
        self, target: str, portal: Portal, interface: str = "default", state: str | None = None, name: str = OWN_NAME
    ) -> int:
        """Have a session."""
        with self.counting:
            self.number += 1
            number, host = self.number, self.number + 4
        place = Path(f"{self.root}/sys/devices/platform/host{host}/session{number}")
        facts = {
            f"iscsi_session/session{number}": {
                "targetname": target,
                "tpgt": "1",
                "ifacename": interface,
                "initiatorname": name,
                "state": state or self.array.state,
                "recovery_tmo": "120",
                "target_id": "0",
                "password": "not to be read",
            },
            f"connection{number}:0/iscsi_connection/connection{number}:0": {
                "persistent_address": portal.address,
                "persistent_port": str(portal.port),
                "address": portal.address,
                "port": str(portal.port),
            },
        }
        for below, attributes in facts.items():
            folder = place / below
            folder.mkdir(parents=True)
            for attribute, text in attributes.items():
                (folder / attribute).write_text(f"{text}\n", encoding="utf-8")
            kind, entry = folder.parts[-2:]
            link = Path(f"{self.root}/sys/class/{kind}/{entry}")
            link.symlink_to(Path("../..") / folder.relative_to(f"{self.root}/sys"))
        return number

    def _log_out(self, number: int) -> tuple[int, str]:
        link = Path(f"{self.root}/sys/class/iscsi_session/session{number}")
        if not link.is_symlink():
            return 2, ""
        place = link.resolve().parents[1]
        left = [path for path in place.rglob("*") if path.name == "block" and any(path.iterdir())]
        assert not left, f"logged out under {left}"
        link.unlink()
        Path(f"{self.root}/sys/class/iscsi_connection/connection{number}:0").unlink(missing_ok=True)
        shutil.rmtree(place)
        return 0, ""


_CHAP_FIELDS = ("username", "password", "mutual_username", "mutual_password")
