# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is free in partition tables, and what partitions are known by."""

from __future__ import annotations

from ansible_collections.virt.san.plugins.module_utils._model.partitions import MIB, Parted, Partition, Table

SIZE = 64 * MIB
GPT = Table("gpt", "0f0f", 62 * MIB + 512, first=MIB)


def part(number: int, start: int, size: int, kind: str = "83") -> Partition:
    return Partition("", start * MIB, size * MIB, kind, number)


def test_gaps() -> None:
    empty = Table("gpt", "0f0f", SIZE - 40 * 512, first=34 * 512)
    assert empty.gaps(SIZE) == ((MIB, 62 * MIB),), "from the first whole MiB to the last one"
    dos = Table("dos", "0x1", None, (part(2, 10, 5), part(1, 2, 3), part(3, 20, 44, "5"), part(5, 21, 4)))
    assert dos.gaps(SIZE) == ((MIB, MIB), (5 * MIB, 5 * MIB), (15 * MIB, 5 * MIB)), "none within an extended one"
    odd = Table("gpt", "0f0f", 62 * MIB, (Partition("", MIB, 3 * MIB + 512, "", 1),), first=MIB)
    assert odd.gaps(SIZE) == ((5 * MIB, 58 * MIB),)
    assert Table("gpt", "0f0f", SIZE * 2, first=MIB).end(SIZE) == SIZE, "not behind a device that has shrunk"


def test_a_dos_table_ends_where_it_can_count_to() -> None:
    assert Table("dos", "0x1").end(2**50) == 2**41
    assert Table("dos", "0x1", sector=4096).end(2**50) == 2**44


def test_how_far_it_falls_short() -> None:
    """Of what no partition gains by, nothing is told."""
    known = Table("gpt", "0f0f", ends=SIZE)
    assert [known.growth(SIZE + more) for more in (-512, 0, MIB - 512, MIB, MIB + 512)] == [0, 0, 0, MIB, MIB + 512]
    assert (Table("dos", "0x1").growth(SIZE), Table("gpt", "0f0f").growth(SIZE)) == (0, 0)


def test_room_behind() -> None:
    table = Table("gpt", "0f0f", 62 * MIB, (part(1, 1, 2), part(3, 5, 1), part(2, 7, 2)), first=MIB)
    assert [table.room_behind(one, SIZE) // MIB for one in table.partitions] == [2, 1, 54]
    over = Table("dos", "0x1", None, (part(1, 1, 4), part(2, 3, 4)))
    assert over.room_behind(over.partitions[0], SIZE) == 0, "somebody has made them lie on each other"


def test_where_they_are_found() -> None:
    assert Parted("sdb", "", SIZE, GPT).path_of(3) == "/dev/sdb3"
    assert Parted("nvme0n1", "", SIZE, GPT).path_of(3) == "/dev/nvme0n1p3"
    assert Parted("dm-3", "", SIZE, GPT, "mpath-36001").path_of(3) == "/dev/disk/by-id/dm-uuid-part3-mpath-36001"


def test_keys() -> None:
    labelled = Table("gpt", "0f0f", None, (Partition("", 0, 1, "", 1, "1a21-uuid"),))
    assert labelled.keyed("1a21-uuid") == labelled.partitions[0]
    dos = Table("dos", "0x1234abcd", None, (part(10, 1, 1),))
    assert dos.keyed("1234abcd-0a") == dos.partitions[0]
    assert dos.keyed("") is None
