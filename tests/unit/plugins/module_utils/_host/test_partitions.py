# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partition tables as sfdisk prints them (util-linux 2.38), and how one is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.virt.san.plugins.module_utils._errors import CommandError, SanError, UnavailableError
from ansible_collections.virt.san.plugins.module_utils._host.host import Completed, Host
from ansible_collections.virt.san.plugins.module_utils._host.partitions import (
    add_partition,
    delete_partition,
    grow_table,
    make_table,
    parse_table,
    read_table,
    resize_partition,
    set_type,
)
from ansible_collections.virt.san.plugins.module_utils._model.partitions import Partition, Table

DISK = "/dev/mapper/lun1"
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
GPT = {
    "label": "gpt",
    "id": "0F0F0F0F-0F0F-4F0F-8F0F-0F0F0F0F0F0F",
    "device": DISK,
    "unit": "sectors",
    "firstlba": 2048,
    "lastlba": 131038,
    "sectorsize": 512,
}
ONE = {"node": f"{DISK}1", "start": 2048, "size": 16384, "type": LINUX, "uuid": "1A213600-160C-8F4F-85D5-18E2EEDD0E93"}
DOS = {
    "label": "dos",
    "id": "0x1234abcd",
    "device": DISK,
    "unit": "sectors",
    "partitions": [
        {"node": f"{DISK}1", "start": 2048, "size": 16384, "type": "83"},
        {"node": f"{DISK}2", "start": 18432, "size": 40960, "type": "5"},
        {"node": f"{DISK}5", "start": 20480, "size": 8192, "type": "83"},
    ],
}


def says(told: object) -> str:
    return json.dumps({"partitiontable": told})


def test_a_gpt() -> None:
    empty = Table("gpt", "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f", 128991 * 512, first=2**20)
    assert parse_table(says(GPT), DISK) == empty
    assert str(empty) == "gpt 0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f with 0 partitions"
    found = parse_table(says({**GPT, "partitions": [ONE]}), DISK)
    uuid = "1a213600-160c-8f4f-85d5-18e2eedd0e93"
    assert found.partitions == (Partition(f"{DISK}1", 2**20, 2**23, LINUX, 1, uuid),)
    assert found.key_of(found.partitions[0]) == uuid
    named = parse_table(says({**GPT, "partitions": [{**ONE, "name": "db01"}]}), DISK)
    assert named.partitions[0].name == "db01"
    assert str(found).endswith("with 1 partition")
    large = parse_table(says({**GPT, "sectorsize": 4096, "partitions": [ONE]}), DISK)
    assert (large.usable, large.allocated) == (128991 * 4096, 2**26)
    assert (large.first, large.sector) == (2**23, 4096)


def test_a_dos_table() -> None:
    found = parse_table(says(DOS), DISK)
    assert (found.identity, found.usable) == ("0x1234abcd", None)
    assert found.allocated == (16384 + 8192) * 512, "what is only the place for others does not count twice"
    assert [found.key_of(one) for one in found.partitions] == ["1234abcd-01", "1234abcd-02", "1234abcd-05"]


@pytest.mark.parametrize("node", [f"{DISK}12", f"{DISK}p12", f"{DISK}-part12", "/dev/dm-7p12"])
def test_the_number_of_a_partition(node: str) -> None:
    """The name of a disk may end in a digit, and distributions name the partitions of maps in different ways."""
    (found,) = parse_table(says({**GPT, "partitions": [{**ONE, "node": node}]}), DISK).partitions
    assert found.number == 12


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        says({**GPT, "unit": "cylinders"}),
        says({**GPT, "partitions": [{"node": "x"}]}),
        says({**GPT, "partitions": [{**ONE, "node": "x"}]}),
    ],
)
def test_what_makes_no_sense(text: str) -> None:
    with pytest.raises(CommandError, match=f"sfdisk --json on {DISK} makes no sense"):
        parse_table(text, DISK)


def test_the_commands(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def run(argv, _deadline, stdin):
        with log.open("a") as stream:
            stream.write(f"{' '.join(argv)} <- {stdin!r}\n")
        return Completed(tuple(argv), 0, says(GPT), "")

    host = Host(str(tmp_path), run)
    assert read_table(host, DISK).kind == "gpt"
    make_table(host, DISK, "dos", "0x1234abcd", 5.0)
    assert log.read_text().splitlines() == [
        f"sfdisk --json {DISK} <- None",
        f"sfdisk --quiet --wipe never --no-reread --no-tell-kernel {DISK} <- 'label: dos\\nlabel-id: 0x1234abcd\\n'",
    ]
    log.unlink()
    part = Partition("", 2**23, 2**23, LINUX, 3, name="db01")
    add_partition(host, DISK, part, 4096, 5.0)
    resize_partition(host, DISK, part, 2**24, 4096, 5.0)
    set_type(host, DISK, 3, "83", 5.0)
    delete_partition(host, DISK, 3, 5.0)
    grow_table(host, DISK, 5.0)
    quietly = "sfdisk --quiet --wipe never --no-reread --no-tell-kernel"
    script = f'part3 : start=2048, size=2048, type={LINUX}, name="db01"'
    assert log.read_text().splitlines() == [
        f"{quietly} --wipe-partitions always --append {DISK} <- '{script}\\n'",
        f"{quietly} -N 3 {DISK} <- 'start=2048, size=4096\\n'",
        f"{quietly} --part-type {DISK} 3 83 <- None",
        f"{quietly} --delete {DISK} 3 <- None",
        f"{quietly} --relocate gpt-bak-std {DISK} <- None",
    ]


def test_without_sfdisk(tmp_path: Path) -> None:
    def run(argv, _deadline, _stdin):
        raise UnavailableError(f"the command {argv[0]} is not installed on this host")

    with pytest.raises(UnavailableError, match=r"needs sfdisk: install it \(fdisk on Debian"):
        read_table(Host(str(tmp_path), run), DISK)


@pytest.mark.parametrize(
    ("stderr", "kind", "says"),
    [
        (
            "sfdisk: unrecognized option '--relocate'\nTry 'sfdisk --help' for more information.",
            UnavailableError,
            f"growing the partition table on {DISK} needs sfdisk of util-linux 2.36 or later",
        ),
        (f"sfdisk: cannot open {DISK}: Input/output error", CommandError, "exit code 1: sfdisk: cannot open"),
    ],
)
def test_where_a_table_cannot_grow(tmp_path: Path, stderr: str, kind: type[SanError], says: str) -> None:
    host = Host(str(tmp_path), lambda argv, _deadline, _stdin: Completed(tuple(argv), 1, "", stderr))
    with pytest.raises(kind, match=says):
        grow_table(host, DISK, 5.0)
