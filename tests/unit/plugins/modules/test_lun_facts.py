# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lun_facts: options in, facts out, every wrong option a clear error."""

from __future__ import annotations

import json

import pytest
import yaml

from ansible_collections.virt.san.plugins.module_utils._apply import facts
from ansible_collections.virt.san.plugins.module_utils._errors import InputError
from ansible_collections.virt.san.plugins.module_utils._host.host import Host
from ansible_collections.virt.san.plugins.modules import lun_facts
from ansible_collections.virt.san.tests.unit.support.recorded import recorded

DEFAULTS = {
    "gather_subset": ["hbas", "luns"],
    "wwids": [],
    "luns": [],
    "size": None,
    "transport": [],
    "hba": [],
    "target": [],
    "device": [],
    "multipath": None,
    "timeout": 30.0,
}


@pytest.fixture(scope="module", params=["debian12", "debian13"])
def host(request, tmp_path_factory):
    with recorded(f"{request.param}-fc", tmp_path_factory.mktemp("host")) as host:
        yield host


def ask(host, **options):
    outcome = lun_facts.gather_facts(host, {**DEFAULTS, **options})
    assert not outcome.changed
    return outcome.facts["ansible_facts"]["san"], outcome.warnings


def test_by_default_hbas_and_luns(host):
    san, warnings = ask(host)
    assert sorted(san) == ["hbas", "luns", "multipath", "suspects"]
    assert (len(san["hbas"]), len(san["luns"])) == (3, 7)
    assert san["multipath"] == {"running": True, "maps": 5}
    assert warnings == ()


def test_all_there_is(host):
    san, _warnings = ask(host, gather_subset=["all"])
    assert sorted(san) == ["hbas", "iscsi", "luns", "lvm", "multipath", "suspects"]
    assert san["iscsi"]["initiator"].startswith("iqn.")
    assert san["iscsi"]["sessions"] == []
    assert san["lvm"]["vgs"][0]["pvs"][0]["wwid"] in [lun["wwid"] for lun in san["luns"]]


def test_hbas_alone_ask_no_daemon(host, monkeypatch):
    monkeypatch.setattr(facts, "read_san", None)
    san, _warnings = ask(host, gather_subset=["hbas", "iscsi"])
    assert sorted(san) == ["hbas", "iscsi"]


def test_lvm_without_tools_is_null_and_a_warning(host, monkeypatch):
    def broken(*_arguments):
        raise InputError("pvs: no answer within 30 s")

    monkeypatch.setattr(facts.lvm, "read_lvm", broken)
    san, warnings = ask(host, gather_subset=["lvm"])
    assert san == {"lvm": None}
    assert warnings == ("facts of LVM are missing: pvs: no answer within 30 s",)


def numbers(san):
    return sorted(lun["paths"][0]["lun"] for lun in san["luns"])


def test_filters(host):
    everything, _warnings = ask(host)
    free = next(lun for lun in everything["luns"] if lun["paths"][0]["lun"] == 54)
    path = free["paths"][1]
    naa = free["wwid"][1:]
    for options, expected in (
        ({"luns": [27, 53]}, [27, 53]),
        ({"wwids": [f"naa.{naa.upper()}"]}, [54]),
        ({"size": "128M"}, [28]),
        ({"device": [path["device"]]}, [54]),
        ({"device": [f"/dev/{path['device']}"]}, [54]),
        ({"device": [free["by_id"]]}, [54]),
        ({"device": [f"wwn-0x{naa}"]}, [54]),
        ({"device": [f"/dev/mapper/{free['wwid']}"]}, [54]),
        ({"hba": ["host1"]}, [27, 28, 29, 53, 54, 55]),
        ({"hba": [path["initiator"].upper()], "luns": [300]}, []),
        ({"target": [path["target"]], "luns": [54, 300]}, [54]),
        ({"transport": ["iscsi"]}, []),
        ({"luns": [27], "size": "128M"}, []),
    ):
        assert numbers(ask(host, **options)[0]) == expected, options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wwids": ["naa.123"]}, r"^wwids: 'naa.123' is not a WWID"),
        ({"wwids": ["3" + "0" * 32]}, r"^wwids: .* is not a WWID"),
        ({"luns": [-1]}, r"^luns: -1 is not a LUN number"),
        ({"luns": [70000]}, r"^luns: LUN number 70000 is out of range"),
        ({"size": "10 furlongs"}, r"^size: '10 furlongs' is not a size"),
        ({"hba": ["eth0"]}, r"^hba: 'eth0' is no HBA"),
        ({"hba": ["host99"]}, r"^hba: this host has no HBA host99; it has host0 \(2000"),
        ({"target": ["21:00"]}, r"^target: '21:00' is neither a WWPN"),
        ({"device": ["sdzz"]}, r"^device: this host has no block device sdzz"),
        ({"device": ["/dev/disk/by-id/nothing"]}, r"^device: this host has no block device /dev/disk/by-id/nothing"),
    ],
)
def test_wrong_options(host, options, message):
    with pytest.raises(InputError, match=message):
        ask(host, **options)


def documented(contains, prefix=""):
    """Return the documented keys, nested ones with dots."""
    found = set()
    for name, told in contains.items():
        found.add(prefix + name)
        found |= documented(told.get("contains", {}), f"{prefix}{name}.")
    return found


def returned(value, prefix=""):
    if isinstance(value, list):
        return set().union(*(returned(item, prefix) for item in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found = set()
    for key, inner in value.items():
        found |= {prefix + key} | (set() if key == "path_counts" else returned(inner, f"{prefix}{key}."))
    return found


def test_everything_returned_is_documented(host):
    san, _warnings = ask(host, gather_subset=["all"])
    told = yaml.safe_load(lun_facts.RETURN)["ansible_facts"]["contains"]["san"]["contains"]
    assert returned(san) - documented(told) == set()
    assert {name for name in documented(told) if "sessions." not in name} - returned(san) == set()


def test_the_answer_is_json(host):
    san, _warnings = ask(host, gather_subset=["all"])
    assert json.loads(json.dumps(san)) == san


def test_a_machine_without_a_san(tmp_path):
    san, warnings = ask(Host(str(tmp_path)))
    assert san == {"hbas": [], "luns": [], "suspects": [], "multipath": {"running": False, "maps": 0}}
    assert warnings == ()
