"""Arguments to operations, without machines."""

from __future__ import annotations

from typing import Any

import pytest
from sanlab import array, cli, cli_array, faults, machine, qmp, sizes, state, switches
from sanlab.config import Lab, port_named
from sanlab.errors import LabError


@pytest.mark.parametrize(
    ("text", "size"), [("4096", 4096), ("1k", 1024), ("512MiB", 512 << 20), ("10G", 10 << 30), ("2TB", 2 << 40)]
)
def test_sizes(text: str, size: int):
    assert sizes.parse_size(text) == size
    assert sizes.parse_size(sizes.show_size(size)) == size


@pytest.mark.parametrize("text", ["", "G", "-1", "1.5G", "1P", "10 apples"])
def test_what_is_no_size(text: str):
    with pytest.raises(LabError, match="is not a size"):
        sizes.parse_size(text)


@pytest.fixture
def calls(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the array is asked to do."""
    seen: list[Any] = []

    def call(_: Lab, operations: list[Any]) -> list[Any]:
        seen.extend(operations)
        return [{"name": arguments.get("name"), "wwid": "3600"} for _, arguments in operations]

    monkeypatch.setattr(array, "call", call)
    monkeypatch.setattr(cli, "this_lab", lambda: lab)
    return seen


def test_several_luns_are_made_in_one_call(calls: list[Any]):
    assert cli.main(["lun", "create", "one", "1G", "two", "512M"]) == 0
    assert [(operation, arguments["name"], arguments["size"]) for operation, arguments in calls] == [
        ("create", "one", 1 << 30),
        ("create", "two", 512 << 20),
    ]


def test_a_lun_goes_to_both_hosts_by_both_fabrics(lab: Lab, calls: list[Any]):
    assert cli.main(["lun", "map", "one", "27"]) == 0
    reached = {(arguments["target"], arguments["initiator"]) for _, arguments in calls}
    ports = [("a", "kvm1:a"), ("a", "kvm2:a"), ("b", "kvm1:b"), ("b", "kvm2:b")]
    assert reached == {(target, lab.wwpn(port_named(port))) for target, port in ports}


def test_a_lun_by_iscsi_goes_to_the_initiator_name(lab: Lab, calls: list[Any]):
    assert cli.main(["lun", "map", "one", "1", "--via", "iscsi", "--host", "kvm1"]) == 0
    assert [(arguments["target"], arguments["initiator"]) for _, arguments in calls] == [
        ("iscsi", lab.initiator_name("kvm1"))
    ]


def test_a_vhba_is_an_initiator_by_its_wwpn(calls: list[Any]):
    assert cli.main(["lun", "map", "one", "1", "--initiator", "50:01:a4:a0:00:00:00:01", "--target", "a2"]) == 0
    assert [(arguments["target"], arguments["initiator"]) for _, arguments in calls] == [("a2", "5001a4a000000001")]


def test_unmapping_without_a_name_takes_everyone(calls: list[Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(array, "call", lambda lab, operations: calls.extend(operations) or [3])
    assert cli.main(["lun", "unmap", "one"]) == 0
    assert calls == [("unmap", {"name": "one", "initiators": None, "targets": None})]


@pytest.mark.parametrize(
    "words",
    [
        ["lun", "create", "one"],
        ["lun", "create", "a/b", "1G"],
        ["lun", "map", "one", "x"],
        ["lun", "map", "one", "16384"],
        ["lun", "map", "one", "1", "--host", "array"],
        ["lun", "map", "one", "1", "--target", "c"],
        ["lun", "map", "one", "1", "--via", "iscsi", "--target", "a"],
        ["lun", "map", "one", "1", "--via", "iscsi", "--initiator", "2000525400000001"],
        ["chap", "--user", "x"],
        ["chap", "--discovery"],
        ["fault", "link-down", "kvm9:a"],
        ["fault", "vport-limit", "some"],
        ["zone", "set", "z", "kvm1:a", "kvm1:b"],
        ["ssh", "kvm9"],
        ["build", "sarge"],
        ["reboot", "kvm1"],
        ["lun", "list"],
    ],
)
def test_mistakes_are_one_message(
    lab: Lab, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cli, "this_lab", lambda: lab)
    assert cli.main(words) == 1
    message = capsys.readouterr().err
    assert message.startswith("lab: ")
    assert message.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["up"], ["fabric"], ["zone", "set"], ["lun", "map"], ["fault", "drop-fcp"]])
def test_every_command_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    assert "usage: lab" in capsys.readouterr().out


def test_pairs():
    assert cli_array.pairs(["a", "1", "b", "2"], "SIZE") == [("a", "1"), ("b", "2")]


def test_members_tell_their_fabric(lab: Lab):
    assert switches.fabric_of_members(lab, ["kvm1:a", "array:a2"]) == {"a"}
    assert switches.fabric_of_members(lab, ["5001a4a000000001", lab.wwpn(port_named("kvm1:b"))]) == {"b"}


class FakeMonitor:
    """A monitor that remembers."""

    calls: list[tuple[str, dict[str, Any]]]

    def __init__(self) -> None:
        self.calls = []

    def __enter__(self) -> FakeMonitor:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, command: str, **arguments: Any) -> None:
        self.calls.append((command, arguments))


def test_pulled_cables_are_remembered_and_mended(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monitor = FakeMonitor()
    monkeypatch.setattr(machine, "monitor", lambda lab, name: monitor)
    monkeypatch.setattr(machine, "is_running", lambda lab, name: True)
    state.prepare(lab)
    faults.set_link(lab, port_named("kvm1:a"), up=False)
    assert faults.active(lab)["link-down"] == ["kvm1:a"]
    faults.clear(lab)
    assert "link-down" not in faults.active(lab)
    assert monitor.calls == [("set_link", {"name": "a", "up": False}), ("set_link", {"name": "a", "up": True})]


def test_a_missing_monitor_is_an_error_with_a_hint(lab: Lab):
    with pytest.raises(LabError, match="is the machine running"):
        qmp.Qmp(lab.runtime / "kvm1.qmp")
