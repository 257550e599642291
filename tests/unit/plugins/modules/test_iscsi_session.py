# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iscsi_session: options in, results out, every wrong option a clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virt.san.plugins.module_utils._entry import Outcome
from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._host import iscsiadm
from ansible_collections.virt.san.plugins.module_utils._model.iscsi import parse_record
from ansible_collections.virt.san.plugins.modules import iscsi_session
from ansible_collections.virt.san.tests.unit.support.open_iscsi import CHAP, MUTUAL, SECRET, TARGET, OpenIscsi

DEFAULTS: dict[str, Any] = {
    "state": "present",
    "target": TARGET,
    "portals": ["10.77.1.1", "10.77.2.1:3260"],
    "all_portals": False,
    "min_portals": None,
    "discover": True,
    "interface": None,
    "startup": "automatic",
    "scan": None,
    "replacement_timeout": None,
    "noop_out_interval": None,
    "noop_out_timeout": None,
    "login_timeout": None,
    "auth": None,
    "chap": None,
    "discovery_chap": None,
    "relogin": False,
    "force": False,
    "timeout": 5.0,
}
PASSWORDS = {"username": "host1", "password": SECRET, "mutual_username": "array1", "mutual_password": MUTUAL}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenIscsi:
    made = OpenIscsi(tmp_path)
    monkeypatch.setattr(iscsiadm, "knock", made.knock)
    return made


def run(host: OpenIscsi, check_mode: bool = False, **options: Any) -> Outcome:
    return iscsi_session.bring_about(host.host, {**DEFAULTS, **options}, check_mode)


def test_from_discovered_to_absent(host: OpenIscsi) -> None:
    told = run(host, state="discovered", target=None, portals=["10.77.1.1"])
    (target,) = told.facts["targets"]
    portals = [one["portal"] for one in target["portals"]]
    assert run(host, target=target["target"].upper().replace("IQN", "iqn"), portals=portals).changed
    assert not run(host).changed
    assert run(host, state="absent", portals=[]).changed
    assert not run(host, state="absent", portals=[]).changed


def test_all_options_arrive(host: OpenIscsi) -> None:
    host.array.chap = CHAP
    run(host, chap=PASSWORDS, replacement_timeout=5, login_timeout=7, noop_out_interval=2, noop_out_timeout=3,
        startup="onboot", scan="manual")  # fmt: skip
    said = parse_record(next(Path(host.root).rglob("nodes/*/*/default")).read_text())
    assert {key: said[key] for key in said if "timeo" in key} == {
        "node.session.timeo.replacement_timeout": "5",
        "node.conn[0].timeo.login_timeout": "7",
        "node.conn[0].timeo.noop_out_interval": "2",
        "node.conn[0].timeo.noop_out_timeout": "3",
    }
    assert (said["node.startup"], said["node.session.scan"]) == ("onboot", "manual")


def test_no_password_in_what_is_said(host: OpenIscsi) -> None:
    outcome = run(host, check_mode=True, chap=PASSWORDS, discovery_chap=PASSWORDS)
    for password in (SECRET, MUTUAL):
        assert password not in str(outcome)


def test_fewer_portals_are_enough(host: OpenIscsi) -> None:
    host.array.silent = set(host.array.targets) - {next(iter(host.array.targets))}
    outcome = run(host, min_portals=1)
    assert (outcome.changed, len(outcome.warnings)) == (True, 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"target": "vol1"}, "target: 'vol1' is not an iSCSI name"),
        ({"portals": []}, "portals: name at least one"),
        ({"portals": ["array1"]}, "portals: 'array1' is not a portal"),
        ({"state": "discovered", "portals": []}, "portals: name at least one"),
        ({"interface": "a b"}, "interface: "),
        ({"min_portals": 3}, "min_portals: 3 are more than the 2"),
        ({"min_portals": -1}, "min_portals: -1"),
        ({"timeout": 0.0}, "timeout: "),
        ({"replacement_timeout": -5}, "replacement_timeout: -5 is out of range"),
        ({"auth": "none", "chap": PASSWORDS}, "auth: none and chap"),
        ({"chap": {**PASSWORDS, "password": " x"}}, "chap: password"),
        ({"discovery_chap": {**PASSWORDS, "mutual_password": SECRET}}, "discovery_chap: password and mutual_password"),
    ],
)
def test_wrong_options(host: OpenIscsi, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        run(host, **options)
    assert says in caught.value.message
    assert SECRET not in caught.value.message
    assert host.calls == []
